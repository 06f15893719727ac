"""The row of Linear: its value, its three gradients, its step, in rows or in columns, W as (in, out) or (out, in)."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np

from gradcheck.catalogue import Diagnosis, diagnose
from gradcheck.check_activation import COARSE, FINE, SINGLE, check_float32, check_own_arrays
from gradcheck.check_batches import check_other_batches
from gradcheck.check_step import check_step
from gradcheck.check_together import ratio
from gradcheck.errors import describe
from gradcheck.reference import IN, OUT, N, central_differences, is_coarse, points, relative_error
from gradcheck.report_rows import NotWritten, Row, Unusable, first_difference, numbers
from gradcheck.source import calls, is_stub, line_of, local_line
from gradcheck.wrapped import LinearAdapter, spelled


class LinearCheck:
    """A Linear under test, and how it lays out its arrays. make(in_num, out_num) -> a new one."""

    def __init__(self, row: Row, make: Callable):
        self.row, self.make = row, make
        self.columns, self.gradient_columns = False, None

    def trial(self) -> "LinearCheck":
        """The same layer, its findings being nobody's."""
        trial = LinearCheck(Row("trial"), self.make)
        trial.columns, trial.gradient_columns = self.columns, self.gradient_columns
        return trial

    def new(self, dtype: type = np.float64) -> LinearAdapter:
        """A layer whose parameters have known values, b among them: 0 would hide bugs."""
        layer = LinearAdapter(lambda: self.make(IN, OUT), self.row, self.columns, self.gradient_columns)
        layer.put("W", points(5, IN, OUT).astype(dtype))
        layer.put("b", points(6, OUT).astype(dtype))
        return layer


def check_linear(row: Row, make: Callable) -> None:
    """make(in_num, out_num) -> a Linear."""
    check = LinearCheck(row, make)
    x, g = points(1, N, IN), points(2, N, OUT)
    with row.stage("gradient"):
        _check_gradients(check, check.new(), x, g)
    if row.error is not None:
        _check_use(check, x, g)
    elif "agreement" not in row.columns:  # forward failed, and with it all else
        return
    row.hints["columns"], row.hints["gradient_columns"] = check.columns, check.gradient_columns
    if not hasattr(row.cls, "update") or is_stub(row.cls.update):
        row.absent("step", "update is not written yet", mistake="not-updated")
    else:
        with row.stage("step"):
            _check_linear_step(check, x, g)
    with row.stage("start"):
        _check_start(row, make)


def _check_gradients(check: LinearCheck, layer: LinearAdapter, x: np.ndarray, g: np.ndarray) -> None:
    """forward, then all three gradients after it."""
    row = check.row
    before_x, before_g = points(3, N, IN), points(4, N, OUT)
    _find_orientation(check, layer, before_x)
    W, b = (layer.get(name).astype(float) for name in "Wb")  # as the layer holds them, in its own precision
    output = layer.array("forward", x)
    coarse = is_coarse(layer.total(g), x)
    step, tolerance = COARSE if coarse else FINE
    case = SimpleNamespace(x=x, g=g, W=W, b=b, n=N, k=OUT)
    _check_value(check, output, case, SINGLE if coarse else tolerance)
    if not hasattr(layer.cls, "backward"):
        raise NotWritten("backward")
    if not _backward_runs(check, layer, before_x, before_g):
        return
    layer.array("forward", x)
    theirs = {"grad_input": layer.array("backward", g)}
    _check_parameters_stay(check, layer, W, b)
    for name in ("grad_W", "grad_b"):
        try:
            theirs[name] = layer.get(name)
        except Unusable as error:
            row.wrong("gradient", f"backward leaves no {name}: {error}", mistake="zero")
    shape = np.shape(getattr(layer.subject, spelled(layer.subject, "grad_b"))) if "grad_b" in theirs else ()
    if theirs.get("grad_b", b).shape == b.shape and shape == (1, OUT) and layer.parameters["b"] == (OUT,):
        why = "keepdims; " if "keepdims" in (line_of(row.cls, "backward", "grad_b") or "") else ""
        message = f"grad_b has shape {shape}, b {b.shape}: {why}b becomes {shape} at the first update"
        row.remark("agreement", message, mistake="bias-shape", at="backward grad_b")
    true = _differences(layer, case, step)
    right, earlier = _formulas(x, g, W), _formulas(before_x, before_g, W)
    if coarse and row.columns.get("agreement") != "wrong":
        true, tolerance = dict(right), SINGLE
    row.error = 0.0
    for name, value in theirs.items():
        # Where parameters cannot be moved from outside, the formula has to do.
        case.true = right[name] if not np.any(true[name]) else true[name]
        case.before, case.with_old_input = earlier[name], before_x.T @ g
        case.of_grad = lambda other, name=name: _formulas(x, other, W)[name]
        case.theirs = theirs
        _check_gradient(check, name, value, case, tolerance)
    if not row.has("wrong", "gradient") and not row.has("wrong", "agreement"):
        _check_batches(check, W, b, tolerance)


def _formulas(x: np.ndarray, g: np.ndarray, W: np.ndarray) -> dict[str, np.ndarray]:
    return {"grad_input": g @ W.T, "grad_W": x.T @ g, "grad_b": g.sum(axis=0)}


def _check_gradient(check: LinearCheck, name: str, theirs: np.ndarray, given, tolerance: float) -> None:
    """One of the three gradients; given: the case with its true value and what an earlier batch leaves."""
    error = relative_error(theirs, given.true)
    check.row.error = max(check.row.error, error)
    if error <= tolerance:
        check.row.hints.setdefault("ratio", (1.0, N))
        return
    case = SimpleNamespace(**vars(given), sum=given.before + given.true)
    if name != "grad_W":
        del case.with_old_input
    found = diagnose(f"Linear.{name}", theirs, case, tolerance)
    local = local_line(check.row.cls, "backward", name)
    if found and found.key == "zero" and local:
        message = f"{name} is wrong: it is set to a local name: write self.{name}"
        check.row.wrong("gradient", message, mistake="zero", where=local)
        return
    if found is None and name == "grad_W" and (decay := ratio(theirs - case.true, case.W)):
        found = Diagnosis("with-decay", f"{decay:.4g} W is added to it: weight decay is update's")
    evidence = first_difference(name, theirs, case.true, _linear_inputs(name, case), tolerance)
    at = "backward" if name == "grad_input" else f"backward {name}"
    works = None if found and name != "grad_input" else lambda: _works(check, case, name, tolerance)
    check.row.report("gradient", name, found, at, evidence, works)
    if name == "grad_W":
        check.row.hints["ratio"] = (factor, N) if (factor := ratio(theirs, case.true)) else None


def _works(check: LinearCheck, case, name: str, tolerance: float) -> bool:
    """Whether a new layer gives the right value of this name."""
    layer = check.trial().new()
    output = layer.array("forward", case.x)
    if name == "forward":
        return relative_error(output, case.true) <= tolerance
    now = {"grad_input": layer.array("backward", case.g)}
    now |= {other: layer.get(other) for other in case.theirs if other != "grad_input"}
    right = _formulas(case.x, case.g, case.W) | {name: case.true}
    fits = {other: relative_error(value, right[other]) <= tolerance for other, value in now.items()}
    same = {other: relative_error(value, case.theirs[other]) <= tolerance for other, value in now.items()}
    others = all(fits[other] or same[other] for other in now)
    return fits[name] and others and relative_error(output, case.x @ case.W + case.b) <= tolerance


def _backward_runs(check: LinearCheck, layer: LinearAdapter, x: np.ndarray, g: np.ndarray) -> bool:
    """Whether backward takes a batch, with gradients in rows as forward's arrays or turned; if not, why."""
    layer.array("forward", x)
    try:
        if layer.array("backward", g).shape == x.shape:
            return True
        trouble = None
    except (ValueError, TypeError, IndexError) as error:
        trouble = error
    if trouble is not None and _diagnose_raising(check):
        return False
    layer.gradient_columns = not layer.columns
    try:
        layer.array("forward", x)
        fits = layer.array("backward", g).shape == x.shape
    except Exception:
        fits = False
    if not fits:
        layer.gradient_columns = None
        if trouble is not None:
            raise trouble
        return True
    check.gradient_columns = layer.gradient_columns
    message = "other convention: gradients are handed back transposed, (features, N), forward's arrays are not: "
    message += "beside classes that do not do so it raises"
    check.row.remark("agreement", message, mistake="gradient-columns", at="backward")
    return True


def _check_parameters_stay(check: LinearCheck, layer: LinearAdapter, W: np.ndarray, b: np.ndarray) -> None:
    if all(np.array_equal(layer.get(name), value) for name, value in (("W", W), ("b", b))):
        return
    check.row.wrong("arguments", "backward changes W or b: only update may", mistake="backward-steps", at="backward W")
    layer.put("W", W)
    layer.put("b", b)


def _check_batches(check: LinearCheck, W: np.ndarray, b: np.ndarray, tolerance: float) -> None:
    """Another batch, a smaller one, and two layers at once."""
    batches = [(points(3, N, IN), points(4, N, OUT)), (points(1, N, IN), points(2, N, OUT))]
    batches += [(points(3, n, IN), points(4, n, OUT)) for n in (2, 1, IN, OUT)]
    true = [[*_formulas(x, g, W).values(), x @ W + b] for x, g in batches]
    check_other_batches(check.row, check.new, batches, true, max(tolerance, 1e-6))


def _check_use(check: LinearCheck, x: np.ndarray, g: np.ndarray) -> None:
    """All but the formulas."""
    row = check.row
    with row.stage("finite"):
        layer = check.new()
        edges = np.where(np.arange(N * IN).reshape(N, IN) % 3 == 0, -1000.0, 1000.0)
        W, b, g = layer.get("W").astype(float), layer.get("b").astype(float), 1000 * np.sign(g)
        true = {"forward": edges @ W + b} | _formulas(edges, g, W)
        theirs = {"forward": layer.array("forward", edges), "grad_input": layer.array("backward", g)}
        theirs |= {name: layer.get(name) for name in ("grad_W", "grad_b") if spelled(layer.subject, name)}
        for name, value in theirs.items():
            at = "forward" if name == "forward" else "backward"
            if not np.isfinite(value).all():
                row.unsafe("finite", f"{name} is not finite at inputs of ±1000", mistake="not-finite", at=at)
            elif not row.has("wrong") and relative_error(value, true[name]) > 1e-3:
                message = f"{name} is wrong where inputs and grad_output are ±1000: is something clipped?"
                row.unsafe("finite", message, mistake="clipped", at=at)
    with row.stage("float32"):
        _check_linear_float32(check, x, g)
    with row.stage("arguments"):
        check_own_arrays(row, check.new(), x, g)


def _find_orientation(check: LinearCheck, layer: LinearAdapter, x: np.ndarray) -> None:
    """Samples in rows if that works, else in columns if that does."""
    row, trouble = check.row, None
    for columns in (False, True):
        layer.columns = check.columns = columns
        try:
            output = layer.array("forward", x)
        except (ValueError, IndexError) as error:
            trouble = trouble or error
            continue
        if output.shape == (N, OUT):
            if columns:
                row.remark("agreement", "other convention: samples in columns, not in rows", mistake="columns")
            elif layer.transposed:
                row.remark("agreement", "other convention: W is (out, in), not (in, out)", mistake="w-out-in")
            return
        trouble = trouble or Unusable(f"forward returns shape {output.shape}, not {(N, OUT)}")
    layer.columns = check.columns = False
    raise trouble


def _check_value(check: LinearCheck, output: np.ndarray, case, tolerance: float) -> None:
    expected = case.x @ case.W + case.b
    if relative_error(output, expected) <= tolerance:
        check.row.ok("agreement")
        return
    case = SimpleNamespace(**vars(case), true=expected)
    found = diagnose("Linear.forward", output, case, tolerance)
    evidence = first_difference("forward", output, expected, _linear_inputs("forward", case), tolerance)
    works = lambda: _works(check, case, "forward", tolerance)  # noqa: E731
    check.row.report("agreement", "forward", found, "forward", evidence, works)


def _linear_inputs(name: str, case) -> Callable:
    """The inputs that element `index` of this value depends on, as words."""
    x, g, W, b, row = case.x, case.g, case.W, case.b, lambda array, index: numbers(array[index])
    texts = {
        "forward": lambda n, k: f"x[{n}] = {row(x, n)}, W[:, {k}] = {row(W.T, k)}, b = {b[k]:g}",
        "grad_input": lambda n, i: f"grad_output[{n}] = {row(g, n)}, W[{i}] = {row(W, i)}",
        "grad_W": lambda i, k: f"x[:, {i}] = {row(x.T, i)}, grad_output[:, {k}] = {row(g.T, k)}",
        "grad_b": lambda k: f"grad_output[:, {k}] = {row(g.T, k)}",
    }
    return lambda index: texts[name](*index)


def _differences(layer: LinearAdapter, case, step: float) -> dict[str, np.ndarray]:
    def moved(name: str, value: np.ndarray) -> float:
        layer.put(name, value)
        return layer.total(case.g)(case.x)

    true = {"grad_input": central_differences(layer.total(case.g), case.x, step)}
    for name, value in (("W", case.W), ("b", case.b)):
        true[f"grad_{name}"] = central_differences(lambda at, name=name: moved(name, at), value, step)
        layer.put(name, value)
    return true


def _diagnose_raising(check: LinearCheck) -> bool:
    """backward raises: with everything square, the wrong product may pass and can be compared."""
    size = 4
    layer = check.make(size, size)
    x, g, W = (points(seed, size, size) for seed in (1, 2, 5))
    try:
        layer.W = W.copy()
        layer.forward(x.copy())
        theirs = np.array(layer.backward(g.copy()))
        grad_W = np.array(layer.grad_W)
    except Exception:
        return False
    if relative_error(theirs, g @ W) < 1e-6:
        message = "grad_input is wrong: it multiplies by W where W^T belongs (it raises unless in_num = out_num)"
        check.row.wrong("gradient", message, mistake="untransposed-w", at="backward")
        return True
    for words, wrong in (("x grad_output", x @ g), ("x grad_output^T", x @ g.T)):
        if relative_error(grad_W, wrong) < 1e-6:
            message = f"grad_W is wrong: it is {words} where x^T grad_output belongs"
            check.row.wrong("gradient", message, mistake="untransposed-x", at="backward grad_W")
            return True
    return False


def _check_linear_float32(check: LinearCheck, x: np.ndarray, g: np.ndarray) -> None:
    row, layer = check.row, check.new(np.float32)
    W, b = points(5, IN, OUT), points(6, OUT)
    if any(layer.get(name).dtype != np.float32 for name in "Wb"):  # made float64 for the check: a layer that converts
        return
    if relative_error(layer.array("forward", x.astype(np.float32)), x @ W + b) > 1e-3:  # it reads others than W and b
        return
    try:
        check_float32(row, layer, x, g)
    except (TypeError, ValueError) as error:  # np.dot(..., out=self.grad_W) wants arrays of one type
        row.note("float32", f"a float32 batch {describe(error)[0]}", mistake="float32-lost", where=describe(error)[1])
        return
    wide = [name for name in ("grad_W", "grad_b") if layer.get(name).dtype != np.float32]
    if wide and not row.has("note", "float32"):
        verb = "become" if len(wide) > 1 else "becomes"
        row.note("float32", f"{' and '.join(wide)} {verb} float64 where all else is float32", mistake="float32-lost")


def _check_linear_step(check: LinearCheck, x: np.ndarray, g: np.ndarray) -> None:
    row = check.row

    def gradients(layer: LinearAdapter, step: int) -> dict[str, np.ndarray]:
        if row.error is not None and np.isfinite(row.error):
            layer.array("forward", x + step)
            layer.array("backward", g * (1 + step))
        else:  # backward raises, or leaves another shape: that is no reason not to look at update
            layer.put("grad_W", points(31 + step, IN, OUT))
            layer.put("grad_b", points(41 + step, OUT))
        return {name: layer.get("grad_" + name) for name in "Wb"}

    check_step(row, check.new, gradients, check.trial().new)


def _check_start(row: Row, make: Callable) -> None:
    """The initial weights: as random as init_std (0.1) says, and not the same in two layers. 7 sigma is no accident."""
    one, two = (np.array(getattr(layer, spelled(layer, "W")), float) for layer in (make(40, 30), make(40, 30)))
    deviation, mean = float(one.std()), float(one.mean())
    if not one.any():
        row.remark("start", "W starts at zero although init_std is not: all hidden units stay alike", mistake="w-zero")
    elif np.array_equal(one, two):
        message = "two layers start with the same W: a seed is set in the constructor"
        where = calls(row.cls, "__init__", "seed", "RandomState", "default_rng")
        row.remark("start", message, mistake="seed-in-constructor", where=where)
    elif not 0.085 < deviation < 0.115 or abs(mean) > 0.02:
        message = f"W starts with mean {mean:.2g} and standard deviation {deviation:.2g} for an init_std of 0.1"
        row.remark("start", message, mistake="start-spread")
