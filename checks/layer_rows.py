"""The rows of layers: Linear, an activation, and a layer that the assignment does not know."""

import math
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np

from checks.catalogue import OTHER_FORMS, diagnose, named
from checks.findings import Guarded, Row, line_of, plain
from checks.steps import check_step
from checks.truth import (
    ACTIVATIONS,
    central_differences,
    gelu,
    gelu_slope,
    points,
    relative_error,
    relative_errors,
    sigmoid,
    sigmoid_slope,
)

N, IN, OUT = 5, 4, 3  # all different: a wrong axis shows
EDGES = np.array([[-1000.0, 1000.0, -100.0], [100.0, -1000.0, 30.0], [-30.0, 0.0, 1000.0]])


def precision(*dtypes) -> tuple[float, float]:
    """The step of central differences and the tolerance for what computes in these types."""
    if any(np.dtype(dtype) in (np.float32, np.float16) for dtype in dtypes):
        return 5e-3, 5e-3
    return 1e-5, 1e-6


def first_difference(what: str, theirs: np.ndarray, true: np.ndarray, inputs: Callable, tolerance: float) -> str:
    """The first element that differs, theirs and the true one, and the inputs that show it."""
    if theirs.shape != true.shape:
        return f"{what} has shape {theirs.shape}, true {true.shape}"
    index = tuple(int(i) for i in np.argwhere(relative_errors(theirs, true) > tolerance)[0])
    place = ", ".join(map(str, index))
    # + 0.0: a negative zero would only puzzle.
    return f"{what}[{place}] is {theirs[index] + 0.0:.6g}, true {true[index] + 0.0:.6g}, at {inputs(index)}"


def numbers(array: np.ndarray) -> str:
    return "[" + ", ".join(f"{value:g}" for value in np.ravel(array)) + "]"


def check_activation(row: Row, make: Callable, name: str, known: bool = True) -> None:
    """Relu, Sigmoid, Gelu; with known=False any layer that works on (N, features) and keeps its shape."""
    right, slope = ACTIVATIONS.get(name, (None, None))
    layer = Guarded(make(), row)
    cls = type(layer.subject)
    x, g, before_x, before_g = (points(seed, N, IN) for seed in (1, 2, 3, 4))
    with row.stage("gradient"):
        layer.array("forward", before_x)
        with_old = layer.array("backward", before_g) if hasattr(cls, "backward") else None
        output = layer.array("forward", x)
        if output.shape != x.shape:
            row.fault("agreement", f"forward returns shape {output.shape} for {x.shape}", where=line_of(cls, "forward"))
            return
        if not hasattr(cls, "backward"):
            row.absent("gradient", "backward is not written yet")
            return
        theirs = layer.array("backward", g)
        step, tolerance = precision(output.dtype, theirs.dtype)
        true = central_differences(lambda at: float((layer.array("forward", at) * g).sum()), x, step)
        case = SimpleNamespace(x=x, g=g, n=N, k=IN, true=true)
        if right is not None:
            _check_value(row, cls, name, output, right, case, tolerance)
            case.before = before_g * slope(before_x)
            case.sum = case.before + true
        row.error = relative_error(theirs, true)
        if row.error > tolerance:
            found = diagnose(f"{name}.grad_input", theirs, case, tolerance) or _differentiated(name, theirs, case)
            _report(row, "gradient", cls, "backward", "grad_input", found, theirs, case, tolerance)
        else:
            _check_next_batch(row, layer, slope, before_x, before_g, with_old, tolerance)
    if row.has("absent", "gradient") or row.verdict == "raises":
        return
    with row.stage("finite"):
        _check_finite(row, Guarded(make(), row), name, right)
    with row.stage("float32"):
        check_float32(row, Guarded(make(), row), x[:, :IN], g)
    with row.stage("arguments"):
        _check_own_arrays(row, Guarded(make(), row), x, g)


def _check_value(row: Row, cls: type, name: str, output, right: Callable, case, tolerance: float) -> None:
    """forward against its definition."""
    expected = right(case.x)
    if relative_error(output, expected) <= tolerance:
        row.ok("agreement")
        return
    other = named(output, OTHER_FORMS.get(f"{name}.forward", []), case, tolerance)
    if other:
        row.remark("agreement", f"other convention: forward is {other.says}", mistake=other.key)
        return
    value = SimpleNamespace(**{**vars(case), "true": expected})
    found = diagnose(f"{name}.forward", output, value, tolerance)
    _report(row, "agreement", cls, "forward", "forward", found, output, value, tolerance)


def _report(row: Row, column: str, cls, method: str, what: str, found, theirs, case, tolerance: float) -> None:
    def inputs(index: tuple) -> str:
        given = f"x = {case.x[index]:g}"
        return given if what == "forward" else f"{given}, grad_output = {case.g[index]:g}"

    row.fault(
        column,
        f"{what if what == 'forward' else 'backward'} is wrong" + (f": {found.says}" if found else ""),
        mistake=found.key if found else None,
        where=line_of(cls, method),
        seen=first_difference(what, theirs, case.true, inputs, tolerance),
    )


def _differentiated(name: str, theirs: np.ndarray, case):
    """A derivative that is almost right: is it a difference quotient?"""
    from_name = {"Gelu": (gelu, gelu_slope), "Sigmoid": (sigmoid, sigmoid_slope)}
    if name not in from_name or theirs.shape != case.x.shape:
        return None
    right, slope = from_name[name]
    true = case.g * slope(case.x)
    for h in (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6):
        forward = case.g * (right(case.x + h) - right(case.x)) / h
        central = case.g * (right(case.x + h) - right(case.x - h)) / (2 * h)
        for quotient in (forward, central):
            missed = np.abs(quotient - true).max()
            if missed > 0 and np.abs(theirs - quotient).max() < 0.01 * missed:
                return SimpleNamespace(
                    key="numerical-differentiation",
                    says=f"it is a difference quotient with h = {h:g}: inexact and slow, write the derivative",
                )
    return None


def _check_next_batch(row: Row, layer: Guarded, slope, before_x, before_g, with_old, tolerance: float) -> None:
    """The gradient is right: is it, too, for the first batch, for a smaller one, and twice in a row?"""
    if slope is None:
        return
    if relative_error(with_old, before_g * slope(before_x)) > max(tolerance, 1e-4):
        row.remark("gradient", "the first backward of a new layer differs from the later ones")
    layer.array("forward", before_x[:2])
    if relative_error(layer.array("backward", before_g[:2]), before_g[:2] * slope(before_x[:2])) > max(tolerance, 1e-4):
        row.fault("gradient", "backward is wrong when the last batch is smaller than the ones before", mistake="stale")


UNSTABLE = {
    "Sigmoid": (
        ("forward", "overflow-sigmoid", lambda x: np.exp(x) / (1 + np.exp(x)), "exp(x) / (1 + exp(x)) is inf / inf"),
        ("backward", "overflow-sigmoid", lambda x: np.exp(-x) / (1 + np.exp(-x)) ** 2, "exp(-x) overflows: inf / inf"),
        ("backward", "overflow-sigmoid", lambda x: np.exp(x) / (1 + np.exp(x)) ** 2, "exp(x) overflows: inf / inf"),
    ),
    "Gelu": (
        ("forward", "overflow-gelu", lambda x: x * np.sinh(x) / np.cosh(x), "tanh as a quotient of exp is inf / inf"),
        ("backward", "overflow-gelu", lambda x: np.sinh(x) / np.cosh(x), "tanh as a quotient of exp is inf / inf"),
    ),
}
STABLE = {
    "Sigmoid": "the stable form is (1 + tanh(x / 2)) / 2, with derivative y (1 - y)",
    "Gelu": "the stable form is np.tanh, with derivative 1 - tanh^2",
}


def _check_finite(row: Row, layer: Guarded, name: str, right: Callable | None) -> None:
    cls = type(layer.subject)
    for dtype in (np.float64, np.float32):
        edges = EDGES.astype(dtype)
        output = layer.array("forward", edges)
        grad = layer.array("backward", np.ones_like(edges))
        for method, values in (("forward", output), ("backward", grad)):
            if np.isfinite(values).all():
                continue
            at = EDGES[tuple(np.argwhere(~np.isfinite(values))[0])]
            mistake, says = "not-finite", ""
            for when, key, naive, reason in UNSTABLE.get(name, ()):
                with np.errstate(all="ignore"):
                    same = np.array_equal(np.isfinite(naive(edges)), np.isfinite(values))
                if when == method and same:
                    mistake, says = key, f": {reason}; {STABLE[name]}"
                    break
            else:
                says = f": {STABLE[name]}" if name in STABLE else ""
            bad = values[tuple(np.argwhere(~np.isfinite(values))[0])]
            row.fault(
                "finite",
                f"{method} is {bad} at x = {at:g}{says}",
                mistake=mistake,
                where=line_of(cls, method),
            )
            return
        if right is not None and not row.has("fault") and not row.has("remark", "agreement"):
            expected = right(EDGES)
            if relative_error(output, expected) > 1e-4:
                seen = first_difference("forward", output, expected, lambda i: f"x = {EDGES[i]:g}", 1e-4)
                row.fault("finite", f"forward is finite but wrong at large inputs: {seen}", where=line_of(cls, name))
                return


def check_float32(row: Row, layer: Guarded, x: np.ndarray, g: np.ndarray) -> None:
    """float32 in -> float32 out, forward and backward."""
    output = layer.array("forward", x.astype(np.float32))
    grad = layer.array("backward", g.astype(np.float32))
    wide = [f"{method} returns {a.dtype}" for method, a in (("forward", output), ("backward", grad)) if _wide(a)]
    if wide:
        row.remark(
            "float32",
            f"{' and '.join(wide)} for float32: twice the memory, and all that follows is {wide[0].split()[-1]}",
            mistake="float32-lost",
        )


def _wide(array: np.ndarray) -> bool:
    return array.dtype != np.float32


def _check_own_arrays(row: Row, layer: Guarded, x: np.ndarray, g: np.ndarray) -> None:
    """The array that forward returned stays what it was: a training loop may keep it."""
    kept = layer.call("forward", x)
    copy = np.array(kept)
    layer.call("backward", g)
    if not np.array_equal(kept, copy, equal_nan=True):
        row.remark("arguments", "backward overwrites the array that forward returned", mistake="output-overwritten")
        return
    layer.call("forward", points(5, N, IN))
    if not np.array_equal(kept, copy, equal_nan=True):
        row.remark("arguments", "forward writes into the array that it returned before", mistake="output-overwritten")


class LinearAdapter(Guarded):
    """A Linear in whichever orientation: W (in, out) and a sample in each row, to those who look through this."""

    def __init__(self, subject, row: Row):
        super().__init__(subject, row)
        self.parameters = {}
        for name, shapes in (("W", ((IN, OUT), (OUT, IN))), ("b", ((OUT,), (1, OUT), (OUT, 1)))):
            array = np.asarray(getattr(subject, name))
            if array.shape not in shapes:
                raise TypeError(f"{name} has shape {array.shape}, not {shapes[0]}")
            self.parameters[name] = array.shape
        self.turned = self.parameters["W"] == (OUT, IN)

    def get(self, name: str) -> np.ndarray:
        """W or grad_W as (in, out), b or grad_b as (out,), where they have the shape of their parameter."""
        value = getattr(self.subject, name, None)
        if value is None:
            raise AttributeError(f"{name} is {'None' if hasattr(self.subject, name) else 'not there'}")
        array = np.array(value)
        shape = self.parameters[name[-1]]
        if array.shape == shape or (name == "grad_b" and array.size == OUT and max(array.shape, default=0) == OUT):
            return np.array(array.T if self.turned and name[-1] == "W" else array.reshape(_standard(name)), order="C")
        return array

    def put(self, name: str, value: np.ndarray) -> None:
        turned = value.T if self.turned and name[-1] == "W" else value.reshape(self.parameters[name[-1]])
        setattr(self.subject, name, np.array(turned, order="C"))


def _standard(name: str) -> tuple[int, ...]:
    return (IN, OUT) if name[-1] == "W" else (OUT,)


def check_linear(row: Row, make: Callable) -> None:
    """make(in_num, out_num) -> a Linear. Its parameters are set to known values, b among them: 0 would hide bugs."""
    x, g, before_x, before_g = points(1, N, IN), points(2, N, OUT), points(3, N, IN), points(4, N, OUT)
    W, b = points(5, IN, OUT), points(6, OUT)
    with row.stage("gradient"):
        layer = LinearAdapter(make(IN, OUT), row)
        cls = type(layer.subject)
        layer.put("W", W)
        layer.put("b", b)
        _find_orientation(row, layer, before_x)
        if not hasattr(cls, "backward"):
            row.absent("gradient", "backward is not written yet")
            return
        W, b = (layer.get(name).astype(float) for name in "Wb")  # as the layer holds them, in its own precision
        layer.array("forward", before_x)
        try:
            layer.array("backward", before_g)
        except (ValueError, TypeError, IndexError):
            if not _diagnose_raising(row, make, cls):
                raise
            return
        output = layer.array("forward", x)
        theirs = {"grad_input": layer.array("backward", g)}
        step, tolerance = precision(output.dtype, layer.get("W").dtype)
        case = SimpleNamespace(x=x, g=g, W=W, b=b, n=N, k=OUT)
        _check_linear_value(row, cls, output, case, tolerance)
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
            except AttributeError as error:
                row.fault("gradient", f"backward leaves no {name}: {error}", mistake="zero")
        right = {"grad_input": g @ W.T, "grad_W": x.T @ g, "grad_b": g.sum(axis=0)}
        earlier = {"grad_input": before_g @ W.T, "grad_W": before_x.T @ before_g, "grad_b": before_g.sum(axis=0)}
        true = _linear_differences(layer, x, g, W, b, step)
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
            found = diagnose(f"Linear.{name}", value, case, tolerance)
            row.fault(
                "gradient",
                f"{name} is wrong" + (f": {found.says}" if found else ""),
                mistake=found.key if found else None,
                where=line_of(cls, "backward", None if name == "grad_input" else name),
                seen=first_difference(name, value, true[name], _linear_inputs(name, case), tolerance),
            )
            if found:
                row.hints[name] = found.key
    if row.error is None:
        return
    row.hints["columns"] = layer.columns
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
        _check_own_arrays(row, fresh, x, g)
    if not hasattr(cls, "update"):
        row.absent("step", "update is not written yet")
        return
    with row.stage("step"):
        _check_linear_step(row, make, layer.columns, x, g)
    with row.stage("start"):
        _check_start(row, make)


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
        trouble = trouble or TypeError(f"forward returns shape {output.shape}, not {(N, OUT)}")
    layer.columns = False
    raise trouble


def _check_linear_value(row: Row, cls: type, output: np.ndarray, case, tolerance: float) -> None:
    expected = case.x @ case.W + case.b
    if relative_error(output, expected) <= tolerance:
        row.ok("agreement")
        return
    value = SimpleNamespace(**vars(case), true=expected)
    found = diagnose("Linear.forward", output, value, tolerance)
    row.fault(
        "agreement",
        "forward is wrong" + (f": {found.says}" if found else ""),
        mistake=found.key if found else None,
        where=line_of(cls, "forward"),
        seen=first_difference("forward", output, expected, _linear_inputs("forward", case), tolerance),
    )


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
    if any(_wide(layer.get(name)) for name in "Wb"):  # made float64 for the check: a layer that converts
        return
    check_float32(row, layer, x, g)
    wide = [name for name in ("grad_W", "grad_b") if _wide(layer.get(name))]
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
        layer.array("forward", x + step)
        layer.array("backward", g * (1 + step))
        return {name: layer.get("grad_" + name) for name in "Wb"}

    check_step(row, start, gradients)


def _check_start(row: Row, make: Callable) -> None:
    """The first weights: not all zero, not the same in two layers."""
    one, two = (np.array(make(40, 30).W, float) for _ in range(2))
    if not one.any():
        row.remark("start", "W starts at zero although init_std is not: all hidden units stay alike", mistake="w-zero")
    elif np.array_equal(one, two) and not math.isclose(float(one.std()), 0.0):
        row.remark(
            "start", "two layers start with the same W: a seed is set in the constructor", mistake="seed-in-constructor"
        )


def check_extra(row: Row, make: Callable) -> None:
    """A layer that the assignment does not know: only that backward fits its own forward."""
    try:
        layer = make()
        x = points(1, N, IN)
        outputs = []
        for _ in range(2):
            np.random.seed(0)
            outputs.append(np.array(layer.forward(x.copy())))
        if outputs[0].shape != x.shape or not np.array_equal(*outputs) or outputs[0].dtype.kind != "f":
            raise TypeError("it does not give the same output of the same shape every time")
        np.array(layer.backward(x.copy()), float)
    except Exception as error:
        row.verdict = "not checked"
        row.remark("gradient", f"an extra layer, not checked: {plain(error) or type(error).__name__}")
        row.columns.clear()
        return
    check_activation(row, make, row.name, known=False)
