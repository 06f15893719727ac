"""The rows of activations, and of layers that the assignment does not know. Linear has a file of its own."""

import math
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np

from gradcheck.catalogue import diagnose, named
from gradcheck.check_batches import check_other_batches
from gradcheck.errors import plain
from gradcheck.mistakes_layers import OTHER_FORMS
from gradcheck.reference import (
    ACTIVATIONS,
    CUBIC,
    IN,
    SCALE,
    N,
    central_differences,
    gelu,
    gelu_slope,
    is_coarse,
    points,
    relative_error,
    sigmoid,
    sigmoid_slope,
)
from gradcheck.report_rows import Row, Unusable, first_difference, report
from gradcheck.source import line_of
from gradcheck.wrapped import Wrapped

EDGES = np.array([[-1000.0, 1000.0, -100.0], [100.0, -1000.0, 30.0], [-30.0, 0.0, 1000.0]])


# The step of central differences and the tolerance, in double and in single precision.
FINE, COARSE = (1e-5, 1e-6), (5e-3, 2e-2)
ROUNDED = 1e-4  # GELU's constants written with a few digits
SINGLE = 1e-4  # the tolerance of single precision where a formula can stand for the differences


def expect_slopes(true: np.ndarray) -> None:
    """Kinks are rare: where hardly any difference can be taken, nothing has been compared."""
    if np.isnan(true).mean() > 0.5:
        raise Unusable("forward has no derivative where it was tried: it jumps, or differs from call to call")


def check_activation(row: Row, make: Callable, name: str, known: bool = True) -> None:
    """Relu, Sigmoid, Gelu; with known=False any layer that works on (N, features) and keeps its shape."""
    right, slope = ACTIVATIONS.get(name, (None, None))
    layer = Wrapped(make(), row)
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

        def total(at: np.ndarray) -> float:
            return float((layer.array("forward", at) * g).sum())

        coarse = is_coarse(total, x)
        step, tolerance = COARSE if coarse else FINE
        true = central_differences(total, x, step)
        case = SimpleNamespace(x=x, g=g, n=N, k=IN, true=true)
        if right is not None:
            _check_value(row, cls, name, output, right, case, SINGLE if coarse else tolerance)
            if coarse and row.columns.get("agreement") == "ok":
                case.true = true = g * slope(x)
                tolerance = SINGLE
            case.before = before_g * slope(before_x)
            case.with_old_input = g * slope(before_x)
            case.sum = case.before + true
        if np.isnan(true).mean() > 0.5 and row.has("fault", "agreement"):
            return  # forward is wrong, and has been said to be
        expect_slopes(true)
        row.error = relative_error(theirs, true)
        if row.has("fault", "agreement") and relative_error(theirs, g * slope(x)) <= tolerance:
            row.columns["gradient"] = "fault"  # backward is as defined: the fault is forward's, and has been said
        elif row.error > tolerance:
            found = diagnose(f"{name}.grad_input", theirs, case, tolerance) or _differentiated(name, theirs, case)
            _report(row, "gradient", cls, "backward", "grad_input", found, theirs, case, tolerance)
        else:
            batches = [(before_x, before_g), (x, g)]
            _check_next_batch(row, make, batches, [[with_old], [theirs]], tolerance)
    if row.error is None:
        return
    with row.stage("finite"):
        _check_finite(row, Wrapped(make(), row), name, right)
    with row.stage("float32"):
        check_float32(row, Wrapped(make(), row), x[:, :IN], g)
    with row.stage("arguments"):
        check_own_arrays(row, Wrapped(make(), row), x, g)


def _check_value(row: Row, cls: type, name: str, output, right: Callable, case, tolerance: float) -> None:
    """forward against its definition."""
    expected = right(case.x)
    if relative_error(output, expected) <= tolerance:
        row.ok("agreement")
        return
    other = named(output, OTHER_FORMS.get(f"{name}.forward", []), case, tolerance)
    if other:
        row.remark("agreement", f"other convention: forward is {other.message}", mistake=other.key)
        return
    value = SimpleNamespace(**{**vars(case), "true": expected})
    found = diagnose(f"{name}.forward", output, value, tolerance)
    _report(row, "agreement", cls, "forward", "forward", found, output, value, tolerance)


def _report(row: Row, column: str, cls, method: str, what: str, found, theirs, case, tolerance: float) -> None:
    def inputs(index: tuple) -> str:
        given = f"x = {case.x[index]:g}"
        return given if what == "forward" else f"{given}, grad_output = {case.g[index]:g}"

    evidence = first_difference(what, theirs, case.true, inputs, tolerance)
    error, constants = relative_error(theirs, case.true), (None, "gelu-constants", "constant-factor")
    if error < ROUNDED and row.name == "Gelu" and getattr(found, "key", None) in constants:
        method_is = f"{method} is right to {int(-math.log10(error))} digits"
        row.remark(
            column,
            f"{method_is}: its constants are rounded",
            mistake="rounded",
            where=line_of(cls, method),
            evidence=evidence,
        )
        return
    report(row, column, what if what == "forward" else "backward", found, line_of(cls, method), evidence)


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
                    message=f"it is a difference quotient with h = {h:g}: inexact and slow, write the derivative",
                )
    return None


def _check_next_batch(row: Row, make: Callable, batches: list, backwards: list, tolerance: float) -> None:
    """The gradient is right: is it, with the first batch of a new layer, a smaller one, and beside another layer?"""

    def run(layer: Wrapped, given: tuple, forward: bool = True) -> list[np.ndarray]:
        output = [layer.array("forward", given[0])] if forward else []
        return [layer.array("backward", given[1]), *output]

    small = tuple(array[:2] for array in batches[0])
    check_other_batches(row, lambda: Wrapped(make(), row), run, [*batches, small], backwards, tolerance)


def _inner(x: np.ndarray) -> np.ndarray:
    return SCALE * (x + CUBIC * x**3)


EXP_GELU = "tanh as a quotient of exp"
# Forms that fail at large inputs: where a submission fails at the same ones, they are named.
UNSTABLE = {
    "Sigmoid": (
        ("forward", "overflow-sigmoid", lambda x: np.exp(x) / (1 + np.exp(x)), "exp(x) / (1 + exp(x))"),
        ("backward", "overflow-sigmoid", lambda x: np.exp(-x) / (1 + np.exp(-x)) ** 2, "exp(-x) / (1 + exp(-x))^2"),
        ("backward", "overflow-sigmoid", lambda x: np.exp(x) / (1 + np.exp(x)) ** 2, "exp(x) / (1 + exp(x))^2"),
    ),
    "Gelu": tuple(
        (method, "overflow-gelu", naive, EXP_GELU)
        for method in ("forward", "backward")
        for naive in (
            lambda x: np.sinh(_inner(x)) / np.cosh(_inner(x)),
            lambda x: (np.exp(2 * _inner(x)) - 1) / (np.exp(2 * _inner(x)) + 1),
            lambda x: (1 - np.exp(-2 * _inner(x))) / (1 + np.exp(-2 * _inner(x))),
        )
    ),
}
STABLE = {
    "Sigmoid": "the stable form is (1 + tanh(x / 2)) / 2, with derivative y (1 - y)",
    "Gelu": "the stable form is np.tanh, with derivative 1 - tanh^2",
}


def _check_finite(row: Row, layer: Wrapped, name: str, right: Callable | None) -> None:
    # An extra layer may well be exp(x): infinite at 1000, and right.
    note = row.fault if name in ACTIVATIONS else row.remark
    cls = type(layer.subject)
    for dtype in (np.float64, np.float32):
        edges = EDGES.astype(dtype)
        output = layer.array("forward", edges)
        grad = layer.array("backward", np.ones_like(edges))
        for method, values in (("forward", output), ("backward", grad)):
            if np.isfinite(values).all():
                continue
            at = EDGES[tuple(np.argwhere(~np.isfinite(values))[0])]
            mistake, message = "not-finite", ""
            for when, key, naive, form in UNSTABLE.get(name, ()):
                with np.errstate(all="ignore"):
                    same = np.array_equal(np.isfinite(naive(edges)), np.isfinite(values))
                if when == method and same:
                    mistake, message = key, f", as is {form} there (inf / inf): {STABLE[name]}"
                    break
            else:
                message = f": {STABLE[name]}" if name in STABLE else ""
            bad = values[tuple(np.argwhere(~np.isfinite(values))[0])]
            note(
                "finite",
                f"{method} is {bad} at x = {at:g}{message}",
                mistake=mistake,
                where=line_of(cls, method),
            )
            return
        if right is not None and not row.has("fault") and not row.has("remark", "agreement"):
            expected = right(EDGES)
            if relative_error(output, expected) > 1e-4:
                evidence = first_difference("forward", output, expected, lambda i: f"x = {EDGES[i]:g}", 1e-4)
                row.fault(
                    "finite", f"forward is finite but wrong at large inputs: {evidence}", where=line_of(cls, "forward")
                )
                return


def check_float32(row: Row, layer: Wrapped, x: np.ndarray, g: np.ndarray) -> None:
    """float32 in -> float32 out, forward and backward."""
    output = layer.array("forward", x.astype(np.float32))
    grad = layer.array("backward", g.astype(np.float32))
    wide = [method for method, array in (("forward", output), ("backward", grad)) if is_wide(array)]
    if wide:
        widest = (output if is_wide(output) else grad).dtype
        row.remark(
            "float32",
            f"{' and '.join(wide)} {'turn' if len(wide) > 1 else 'turns'} float32 into {widest}: a float64 array or a "
            "NumPy number such as np.sqrt(2) in the formula does this (in NumPy 2), a Python number does not",
            mistake="float32-lost",
        )


def is_wide(array: np.ndarray) -> bool:
    return array.dtype != np.float32


def check_own_arrays(row: Row, layer: Wrapped, x: np.ndarray, g: np.ndarray) -> None:
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
            raise ValueError("it does not give the same output of the same shape every time")
        np.array(layer.backward(x.copy()), float)
    except Exception as error:
        row.verdict = "not checked"
        row.remark("use", f"an extra layer, not checked: {plain(error) or type(error).__name__}")
        row.columns.clear()
        return
    check_activation(row, make, row.name, known=False)
