"""The row of Linear: its value, its three gradients, its step, in rows or in columns, W as (in, out) or (out, in)."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np

from gradcheck.catalogue import diagnose
from gradcheck.check_activation import COARSE, FINE, SINGLE, check_float32, check_own_arrays, is_wide
from gradcheck.check_batches import check_other_batches
from gradcheck.check_step import check_step
from gradcheck.reference import IN, OUT, N, central_differences, is_coarse, points, relative_error
from gradcheck.report_rows import NotWritten, Row, Unusable, first_difference, numbers, report
from gradcheck.source import line_of
from gradcheck.wrapped import LinearAdapter


def check_linear(row: Row, make: Callable) -> None:
    """make(in_num, out_num) -> a Linear. Its parameters are set to known values, b among them: 0 would hide bugs."""
    x, g = points(1, N, IN), points(2, N, OUT)
    layer = None
    with row.stage("gradient"):
        layer = LinearAdapter(make(IN, OUT), row)
        _check_linear_gradients(row, make, layer, x, g)
    if row.error is not None:
        _check_linear_use(row, make, layer, x, g)
    elif "agreement" not in row.columns:  # forward failed, and with it all else
        return
    row.hints["columns"] = layer.columns
    if not hasattr(type(layer.subject), "update"):
        row.absent("step", "update is not written yet")
        return
    with row.stage("step"):
        _check_linear_step(row, make, layer.columns, x, g)
    with row.stage("start"):
        _check_start(row, make)


def _check_linear_gradients(row: Row, make: Callable, layer: LinearAdapter, x: np.ndarray, g: np.ndarray) -> None:
    """forward, then all three gradients after it."""
    cls = type(layer.subject)
    before_x, before_g = points(3, N, IN), points(4, N, OUT)
    W, b = points(5, IN, OUT), points(6, OUT)
    layer.put("W", W)
    layer.put("b", b)
    _find_orientation(row, layer, before_x)
    W, b = (layer.get(name).astype(float) for name in "Wb")  # as the layer holds them, in its own precision
    output = layer.array("forward", x)
    coarse = is_coarse(lambda at: float((layer.array("forward", at) * g).sum()), x)
    step, tolerance = COARSE if coarse else FINE
    case = SimpleNamespace(x=x, g=g, W=W, b=b, n=N, k=OUT)
    _check_linear_value(row, cls, output, case, SINGLE if coarse else tolerance)
    if not hasattr(cls, "backward"):
        raise NotWritten("backward")
    layer.array("forward", before_x)
    try:
        layer.array("backward", before_g)
    except (ValueError, TypeError, IndexError):
        if not _diagnose_raising(row, make, cls):
            raise
        return
    layer.array("forward", x)
    theirs = {"grad_input": layer.array("backward", g)}
    if not all(np.array_equal(layer.get(name), value) for name, value in (("W", W), ("b", b))):
        row.fault(
            "arguments",
            "backward changes W or b: only update may",
            mistake="backward-steps",
            where=line_of(cls, "backward", "W"),
        )
        layer.put("W", W)
        layer.put("b", b)
    for name in ("grad_W", "grad_b"):
        try:
            theirs[name] = layer.get(name)
        except Unusable as error:
            row.fault("gradient", f"backward leaves no {name}: {error}", mistake="zero")
    right = {"grad_input": g @ W.T, "grad_W": x.T @ g, "grad_b": g.sum(axis=0)}
    earlier = {"grad_input": before_g @ W.T, "grad_W": before_x.T @ before_g, "grad_b": before_g.sum(axis=0)}
    true = _linear_differences(layer, x, g, W, b, step)
    if coarse and row.columns.get("agreement") != "fault":
        true, tolerance = dict(right), SINGLE
    row.error = 0.0
    for name, value in theirs.items():
        # Where parameters cannot be moved from outside, the formula has to do.
        true[name] = right[name] if not np.any(true[name]) else true[name]
        error = relative_error(value, true[name])
        row.error = max(row.error, error)
        if error <= tolerance:
            continue
        case = SimpleNamespace(x=x, g=g, W=W, b=b, n=N, k=OUT, true=true[name], before=earlier[name])
        case.sum = case.before + case.true
        if name == "grad_W":
            case.with_old_input = before_x.T @ g
        found = diagnose(f"Linear.{name}", value, case, tolerance)
        where = line_of(cls, "backward", None if name == "grad_input" else name)
        evidence = first_difference(name, value, true[name], _linear_inputs(name, case), tolerance)
        report(row, "gradient", name, found, where, evidence)
        if found:
            row.hints[name] = found.key
    if not row.has("fault"):
        _check_linear_batches(row, make, layer.columns, W, b, tolerance)


def _check_linear_batches(row: Row, make: Callable, columns: bool, W, b, tolerance: float) -> None:
    """Another batch, a smaller one, and two layers at once."""

    def new() -> LinearAdapter:
        layer = LinearAdapter(make(IN, OUT), row)
        layer.columns = columns
        layer.put("W", W)
        layer.put("b", b)
        return layer

    def run(layer: LinearAdapter, given: tuple, forward: bool = True) -> list[np.ndarray]:
        output = [layer.array("forward", given[0])] if forward else []
        return [layer.array("backward", given[1]), layer.get("grad_W"), layer.get("grad_b"), *output]

    batches = [(points(3, n, IN), points(4, n, OUT)) for n in (N, N, 2)]
    batches[1] = points(1, N, IN), points(2, N, OUT)
    true = [[g @ W.T, x.T @ g, g.sum(axis=0), x @ W + b] for x, g in batches]
    check_other_batches(row, new, run, batches, true, max(tolerance, 1e-6))


def _check_linear_use(row: Row, make: Callable, layer: LinearAdapter, x: np.ndarray, g: np.ndarray) -> None:
    """All but the formulas."""
    cls = type(layer.subject)
    with row.stage("finite"):
        edges = np.where(np.arange(N * IN).reshape(N, IN) % 3 == 0, -1000.0, 1000.0)
        output = layer.array("forward", edges)
        if not (np.isfinite(output).all() and np.isfinite(layer.array("backward", 1000 * np.sign(g))).all()):
            row.fault("finite", "not finite at inputs of ±1000", mistake="not-finite", where=line_of(cls, "forward"))
    with row.stage("float32"):
        _check_linear_float32(row, make, layer.columns, x, g)
    with row.stage("arguments"):
        fresh = LinearAdapter(make(IN, OUT), row)
        fresh.columns = layer.columns
        check_own_arrays(row, fresh, x, g)


def _find_orientation(row: Row, layer: LinearAdapter, x: np.ndarray) -> None:
    """Samples in rows if that works, else in columns if that does."""
    trouble = None
    for columns in (False, True):
        layer.columns = columns
        try:
            output = layer.array("forward", x)
        except (ValueError, IndexError) as error:
            trouble = trouble or error
            continue
        if output.shape == (N, OUT):
            if columns:
                row.remark("agreement", "other convention: samples in columns, not in rows", mistake="columns")
            elif layer.turned:
                row.remark("agreement", "other convention: W is (out, in), not (in, out)", mistake="w-out-in")
            return
        trouble = trouble or Unusable(f"forward returns shape {output.shape}, not {(N, OUT)}")
    layer.columns = False
    raise trouble


def _check_linear_value(row: Row, cls: type, output: np.ndarray, case, tolerance: float) -> None:
    expected = case.x @ case.W + case.b
    if relative_error(output, expected) <= tolerance:
        row.ok("agreement")
        return
    value = SimpleNamespace(**vars(case), true=expected)
    found = diagnose("Linear.forward", output, value, tolerance)
    evidence = first_difference("forward", output, expected, _linear_inputs("forward", case), tolerance)
    report(row, "agreement", "forward", found, line_of(cls, "forward"), evidence)


def _linear_inputs(name: str, case) -> Callable:
    """The inputs that element `index` of this value depends on, as words."""
    texts = {
        "forward": lambda i: (
            f"x[{i[0]}] = {numbers(case.x[i[0]])}, W[:, {i[1]}] = {numbers(case.W[:, i[1]])}, b = {case.b[i[1]]:g}"
        ),
        "grad_input": lambda i: f"grad_output[{i[0]}] = {numbers(case.g[i[0]])}, W[{i[1]}] = {numbers(case.W[i[1]])}",
        "grad_W": lambda i: (
            f"x[:, {i[0]}] = {numbers(case.x[:, i[0]])}, grad_output[:, {i[1]}] = {numbers(case.g[:, i[1]])}"
        ),
        "grad_b": lambda i: f"grad_output[:, {i[0]}] = {numbers(case.g[:, i[0]])}",
    }
    return texts[name]


def _linear_differences(layer: LinearAdapter, x, g, W, b, step: float) -> dict[str, np.ndarray]:
    def moved(name: str, value: np.ndarray) -> float:
        layer.put(name, value)
        return float((layer.array("forward", x) * g).sum())

    true = {
        "grad_input": central_differences(lambda at: float((layer.array("forward", at) * g).sum()), x, step),
        "grad_W": central_differences(lambda at: moved("W", at), W, step),
    }
    layer.put("W", W)
    true["grad_b"] = central_differences(lambda at: moved("b", at), b, step)
    layer.put("b", b)
    return true


def _diagnose_raising(row: Row, make: Callable, cls: type) -> bool:
    """backward raises: with everything square, the wrong product may pass and can be compared."""
    size = 4
    layer = make(size, size)
    x, g, W = (points(seed, size, size) for seed in (1, 2, 5))
    try:
        layer.W = W.copy()
        layer.forward(x.copy())
        theirs = np.array(layer.backward(g.copy()))
        grad_W = np.array(layer.grad_W)
    except Exception:
        return False
    if relative_error(theirs, g @ W) < 1e-6:
        row.fault(
            "gradient",
            "grad_input is wrong: it multiplies by W where W^T belongs (it raises unless in_num = out_num)",
            mistake="untransposed-w",
            where=line_of(cls, "backward"),
        )
        return True
    for words, wrong in (("x grad_output", x @ g), ("x grad_output^T", x @ g.T)):
        if relative_error(grad_W, wrong) < 1e-6:
            row.fault(
                "gradient",
                f"grad_W is wrong: it is {words} where x^T grad_output belongs",
                mistake="untransposed-x",
                where=line_of(cls, "backward", "grad_W"),
            )
            return True
    return False


def _check_linear_float32(row: Row, make: Callable, columns: bool, x: np.ndarray, g: np.ndarray) -> None:
    layer = LinearAdapter(make(IN, OUT), row)
    layer.columns = columns
    layer.put("W", points(5, IN, OUT).astype(np.float32))
    layer.put("b", points(6, OUT).astype(np.float32))
    if any(is_wide(layer.get(name)) for name in "Wb"):  # made float64 for the check: a layer that converts
        return
    right = x @ points(5, IN, OUT) + points(6, OUT)
    if relative_error(layer.array("forward", x.astype(np.float32)), right) > 1e-3:  # forward reads others than W and b
        return
    check_float32(row, layer, x, g)
    wide = [name for name in ("grad_W", "grad_b") if is_wide(layer.get(name))]
    if wide and not row.has("remark", "float32"):
        row.remark("float32", f"{' and '.join(wide)} become float64 where all else is float32", mistake="float32-lost")


def _check_linear_step(row: Row, make: Callable, columns: bool, x: np.ndarray, g: np.ndarray) -> None:
    def start() -> LinearAdapter:
        layer = LinearAdapter(make(IN, OUT), row)
        layer.columns = columns
        layer.put("W", points(5, IN, OUT))
        layer.put("b", points(6, OUT))
        return layer

    def gradients(layer: LinearAdapter, step: int) -> dict[str, np.ndarray]:
        if row.error is not None and np.isfinite(row.error):
            layer.array("forward", x + step)
            layer.array("backward", g * (1 + step))
        else:  # backward raises, or leaves another shape: that is no reason not to look at update
            layer.put("grad_W", points(31 + step, IN, OUT))
            layer.put("grad_b", points(41 + step, OUT))
        return {name: layer.get("grad_" + name) for name in "Wb"}

    check_step(row, start, gradients)


def _check_start(row: Row, make: Callable) -> None:
    """The first weights: as random as init_std (0.1) says, and not the same in two layers. 7 sigma is no accident."""
    one, two = (np.array(make(40, 30).W, float) for _ in range(2))
    deviation, mean = float(one.std()), float(one.mean())
    if not one.any():
        row.remark("start", "W starts at zero although init_std is not: all hidden units stay alike", mistake="w-zero")
    elif np.array_equal(one, two):
        message = "two layers start with the same W: a seed is set in the constructor"
        row.remark("start", message, mistake="seed-in-constructor")
    elif not 0.085 < deviation < 0.115 or abs(mean) > 0.02:
        message = f"W starts with mean {mean:.2g} and standard deviation {deviation:.2g} for an init_std of 0.1"
        row.remark("start", message, mistake="start-spread")
