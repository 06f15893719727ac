"""The rows of layers without parameters: the assignment's activations, those of newer years, and any other layer."""

import math
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np

from gradcheck import definitions
from gradcheck.catalogue import Diagnosis, diagnose, named
from gradcheck.check_batches import check_other_batches, report_setting
from gradcheck.check_together import ratio
from gradcheck.errors import place
from gradcheck.find_slip import find_slip
from gradcheck.mistakes_layers import OTHER_FORMS
from gradcheck.reference import (
    ACTIVATIONS,
    CUBIC,
    IN,
    SCALE,
    N,
    central_differences,
    is_coarse,
    points,
    relative_error,
    relative_errors,
)
from gradcheck.report_rows import NotWritten, Row, Unusable, first_difference, numbers, pair
from gradcheck.wrapped import Wrapped

EDGES = np.array([[-1000.0, 1000.0, -100.0, 5.0], [100.0, -1000.0, 30.0, -5.0], [-30.0, 0.0, 1000.0, 1.0]])  # (3, IN)

# The step of central differences and the tolerance, in double and in single precision.
FINE, COARSE = (1e-5, 1e-6), (5e-3, 2e-2)
SPREAD = 4.0  # of the inputs: some are beyond 3 and -3, where HardSwish bends
ROUNDED_MUCH = 1e-3
ROUNDED = 1e-4  # GELU's constants written with a few digits
NO_DEFINITION = "{} has no definition here: its formula was not compared, only backward with its own forward"
SINGLE = 1e-4  # the tolerance of single precision where a formula can stand for the differences


def expect_slopes(true: np.ndarray) -> None:
    """Kinks are rare: where hardly any difference can be taken, nothing has been compared."""
    if np.isnan(true).mean() > 0.5:
        raise Unusable("forward has no derivative where it was tried: it jumps, or differs from call to call")


class Check(SimpleNamespace):
    """One class under test: row, name, make, layer (Wrapped), right (its definition or None), coarse."""


def check_activation(row: Row, make: Callable, name: str, settings: dict | None = None) -> None:
    """make() -> a layer that works on (N, features) and keeps their shape, called `name` by the assignment.

    settings: argument of the constructor -> what makes a layer with another value of it.
    """
    right = ACTIVATIONS.get(name, (definitions.LAYERS.get(name),))[0]
    check = Check(row=row, name=name, make=make, right=right, elementwise=name != "Softmax")
    with row.stage("gradient"):
        check.layer = Wrapped(make, row)
        _check_gradient(check)
    if row.error is None:
        return
    x, g = points(1, N, IN, spread=SPREAD), points(2, N, IN)
    with row.stage("finite"):
        _check_finite(check, Wrapped(make, row))
    with row.stage("float32"):
        check_float32(row, Wrapped(make, row), x, g)
    with row.stage("arguments"):
        check_own_arrays(row, Wrapped(make, row), x, g)
    with row.stage("gradient"):
        _check_settings(check, settings or {}, x, g)


def _check_settings(check: Check, settings: dict[str, Callable], x: np.ndarray, g: np.ndarray) -> None:
    """With another slope (alpha, ...) forward is another, and backward still its derivative."""
    default = check.layer.array("forward", x)
    for argument, make in settings.items():
        if not check.coarse:
            layer = Wrapped(make, Row("trial"))  # with other code in it, for the search of a slip

            def fits(layer: Wrapped = layer) -> bool:
                true = central_differences(layer.total(g), x, 1e-5)
                layer.array("forward", x)
                return relative_error(layer.array("backward", g), true) < 1e-4

            def same(layer: Wrapped = layer) -> bool:
                return np.array_equal(layer.array("forward", x), default)

            report_setting(check.row, argument, same, fits)


def _check_gradient(check: Check) -> None:
    row, layer = check.row, check.layer
    x, before_x = (points(seed, N, IN, spread=SPREAD) for seed in (1, 3))
    g, before_g = points(2, N, IN), points(4, N, IN)
    output = layer.array("forward", x)
    if output.shape != x.shape:
        message = f"forward returns shape {output.shape} for {x.shape}"
        row.wrong("agreement", message, at="forward")
        return
    if not hasattr(layer.cls, "backward"):
        raise NotWritten("backward")

    total = layer.total(g)
    check.coarse = is_coarse(total, x)
    step, tolerance = COARSE if check.coarse else FINE
    case = SimpleNamespace(x=x, g=g, n=N, k=IN, scale=SCALE, cubic=CUBIC, true=central_differences(total, x, step))
    fits = _check_value(check, output, case, SINGLE if check.coarse else tolerance)
    layer.array("forward", before_x)
    with_old = layer.array("backward", before_g)
    layer.array("forward", x)
    theirs = layer.array("backward", g)
    slope = _definition_gradient(check)
    if check.coarse and check.right is not None and fits:
        case.true, tolerance = slope(x, g), SINGLE
    case.before, case.with_old_input = slope(before_x, before_g), slope(before_x, g)
    case.sum = case.before + case.true
    case.of_grad, case.of_input = lambda other: slope(x, other), lambda other: slope(other, g)
    if np.isnan(case.true).mean() > 0.5 and row.has("wrong", "agreement"):
        return  # forward is wrong, and has been said to be
    expect_slopes(case.true)
    row.error = relative_error(theirs, case.true)
    if row.error <= tolerance:
        _check_next_batch(check, [(before_x, before_g), (x, g)], [[with_old], [theirs]], tolerance)
        with row.stage("finite"):
            if not row.has("wrong", "gradient"):
                _check_far(check)
    elif fits or not _is_forwards_fault(check, output, theirs, case, tolerance):
        found = _diagnose(check, total, output, theirs, case, tolerance)
        before = central_differences(layer.total(before_g), before_x, step)
        batches = [(x, output, g, case.true), (before_x, layer.array("forward", before_x), before_g, before)]
        for near in () if check.coarse else (0.1 * before_x, 0.01 * before_x):  # a mask may have its edge elsewhere
            slopes = central_differences(layer.total(before_g), near, 0.1 * step)
            batches.append((near, layer.array("forward", near), before_g, slopes))
        _report(check, "backward", found, theirs, case, tolerance, batches)
        with row.stage("finite"):
            if not row.has("wrong", "gradient"):
                _check_far(check)


def _is_forwards_fault(check: Check, output: np.ndarray, theirs: np.ndarray, case, tolerance: float) -> bool:
    """Whether backward is as it should be, and disagrees because forward is not."""
    row, x = check.row, case.x
    if relative_error(theirs, case.of_input(x)) <= tolerance:
        if not row.has("wrong", "agreement"):
            evidence = first_difference("forward", output, check.right(x), lambda i: f"x = {x[i]:g}", tolerance)
            row.findings[:] = [finding for finding in row.findings if finding.mistake != "other-formula"]
            message = f"forward is not {check.name}: backward is the derivative of {check.name}, not of forward"
            row.wrong("agreement", message, at="forward", evidence=evidence)
    # y (1 - y) of a y that forward got wrong
    elif check.name != "Sigmoid" or relative_error(theirs, case.g * output * (1 - output)) > tolerance:
        return False
    row.columns["gradient"] = "wrong"
    return True


def _diagnose(check: Check, total: Callable, output: np.ndarray, theirs: np.ndarray, case, tolerance: float):
    """What is wrong with backward; forward's rounded constants must not hide it."""
    rounded = relative_error(output, check.right(case.x)) if check.right is not None else 0.0
    found = diagnose(f"{check.name}.grad_input", theirs, case, tolerance)
    if (found is None or found.key == "constant-factor") and tolerance < rounded < ROUNDED_MUCH:
        found = diagnose(f"{check.name}.grad_input", theirs, case, 20 * rounded) or found
    if found is None or found.key in ("constant-factor", "gelu-constants"):
        found = difference_quotient(total, case.x, theirs, case.true) or found
    if found is None:
        check.layer.array("forward", case.x)
        if np.array_equal(check.layer.array("backward", 2 * case.g), theirs):
            return Diagnosis("grad-left-out", "grad_output is not used in it")
    if found is None and check.elementwise and check.row.error > ROUNDED_MUCH:
        found = _in_one_region(case.x, theirs, case.true, tolerance)
    return found


def _definition_gradient(check: Check) -> Callable:
    """(x, grad_output) -> the gradient that belongs to the definition of this class, to its forward if it has none."""
    if check.name in ACTIVATIONS:
        return lambda x, g: g * ACTIVATIONS[check.name][1](x)
    value = check.right or (lambda x: check.layer.array("forward", x))
    return lambda x, g: central_differences(lambda at: float((value(at) * g).sum()), x, 1e-5)


def _check_value(check: Check, output: np.ndarray, case, tolerance: float) -> bool:
    """forward against its definition; whether it fits."""
    row, name = check.row, check.name
    if check.right is None:
        return True
    expected = check.right(case.x)
    if relative_error(output, expected) <= (tolerance if name in ACTIVATIONS else max(tolerance, definitions.PRINTED)):
        row.ok("agreement")
        return True
    if name in ACTIVATIONS:
        other = named(output, OTHER_FORMS.get(f"{name}.forward", []), case, tolerance)
        if other:
            row.remark("agreement", f"other convention: forward is {other.message}", mistake=other.key)
            return False
        value = SimpleNamespace(**{**vars(case), "true": expected})
        found = diagnose(f"{name}.forward", output, value, tolerance)
        case.scale, case.cubic = value.scale, value.cubic
        batches = [(x, check.right(x), None, None) for x in (case.x, points(3, N, IN, spread=SPREAD))]
        _report(check, "forward", found, output, value, tolerance, batches)
        return False
    known = definitions.layer_convention(name, case.x, output)
    if not np.isfinite(output).all():
        message = f"forward is {output[~np.isfinite(output)][0]} at ordinary inputs"
        row.wrong("agreement", message, mistake="not-finite", at="forward")
    elif known:
        kind = "wrong" if known[0] == "wrong-axis" else "remark"
        row.add(kind, "agreement", known[1], mistake=known[0], at="forward")
    else:
        at = tuple(np.argwhere(np.abs(output - expected) > 1e-6 * np.abs(expected))[0])
        inputs = f"x = {case.x[at]:g}" if check.elementwise else f"x = {numbers(case.x[at[0]])}"
        batches = [(x, check.right(x), None, None) for x in (case.x, points(3, N, IN, spread=SPREAD))]
        slip = find_slip(row.cls, "forward", lambda: _works(check, batches, definitions.PRINTED))
        message, where = f"forward is not {name}: {pair(output[at], expected[at])}, at {inputs}", slip and slip.where
        evidence = slip and slip.words
        row.remark("agreement", message, mistake="other-formula", where=where, at="forward", evidence=evidence)
    return False


def _works(check: Check, batches: list, tolerance: float) -> bool:
    """Whether a new layer gives these outputs and gradients: (x, output, grad_output, gradient or None)."""
    layer = Wrapped(check.make, Row("trial"))
    for x, output, g, true in batches:
        if relative_error(layer.array("forward", x), output) > tolerance:
            return False
        if true is not None and relative_error(layer.array("backward", g), true) > tolerance:
            return False
    return True


def _report(check: Check, method: str, found, theirs, case, tolerance: float, batches: list) -> None:
    def inputs(index: tuple) -> str:
        given = f"x = {case.x[index]:g}" if check.elementwise else f"x = {numbers(case.x[index[0]])}"
        return given if method == "forward" else f"{given}, grad_output = {case.g[index]:g}"

    what, column = ("forward", "agreement") if method == "forward" else ("grad_input", "gradient")
    evidence = first_difference(what, theirs, case.true, inputs, tolerance)
    error, key = relative_error(theirs, case.true), getattr(found, "key", None)
    few = (error < ROUNDED and key in (None, "constant-factor")) or (error < ROUNDED_MUCH and key == "gelu-constants")
    if check.name == "Gelu" and few:
        message = f"{method} is right to {int(-math.log10(error))} digits: its constants are rounded"
        check.row.remark(column, message, mistake="rounded", at=method, evidence=evidence)
        return
    check.row.report(column, method, found, method, evidence, lambda: _works(check, batches, tolerance))


def difference_quotient(total: Callable, x: np.ndarray, theirs: np.ndarray, true: np.ndarray) -> Diagnosis | None:
    """A derivative that is almost right: is it a difference quotient of forward itself?"""
    if theirs.shape != x.shape or np.nanmax(np.abs(theirs - true)) > 0.1 * np.nanmax(np.abs(true)):
        return None
    middle = total(x)
    moves = np.eye(x.size)[: x.size : 3].reshape(-1, *x.shape)  # every third coordinate is enough
    ours, exact = theirs.ravel()[::3], true.ravel()[::3]
    for h in (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6):
        above = np.array([total(x + h * move) for move in moves])
        below = np.array([total(x - h * move) for move in moves])
        for quotient in ((above - middle) / h, (above - below) / (2 * h)):
            missed = np.nanmax(np.abs(quotient - exact))
            if missed > 0 and np.nanmax(np.abs(ours - quotient)) < 0.02 * missed:
                message = f"it is a difference quotient with h = {h:g}: inexact and slow, write the derivative"
                return Diagnosis("numerical-differentiation", message)
    return None


def _check_next_batch(check: Check, batches: list, backwards: list, tolerance: float) -> None:
    """The gradient is right: is it, with the first batch of a new layer, a smaller one, and beside another layer?"""

    def slope(x: np.ndarray, g: np.ndarray) -> np.ndarray:
        if check.coarse and check.right is not None:
            return _definition_gradient(check)(x, g)
        layer = Wrapped(check.make, check.row)
        if check.coarse:  # nothing better to compare with than a new layer's
            layer.array("forward", x)
            return layer.array("backward", g)
        return central_differences(layer.total(g), x, 1e-5)

    small = [tuple(array[-n:] for array in batches[1]) for n in ((2, 1, IN) if check.right else (2, IN))]
    true = [*backwards, *([slope(*batch)] for batch in small)]
    check_other_batches(check.row, lambda: Wrapped(check.make, check.row), [*batches, *small], true, tolerance)


def _check_far(check: Check) -> None:
    """backward is right at ordinary inputs: is it also where another branch of a formula may begin?"""
    row, layer, g = check.row, Wrapped(check.make, check.row), points(2, N, IN)
    backwards = []
    for scale in (1.0, 1000.0):
        layer.array("forward", points(1, N, IN))
        backwards.append(layer.array("backward", scale * g) / scale)
    if relative_error(*backwards) > 1e-3:
        message = "grad_output is clipped in backward: a large one gives too small a gradient"
        row.unsafe("finite", message, mistake="grad-clipped", at="backward")
    for far in (0.03, 0.4, 8.0, 50.0, 1000.0):
        x = far * np.resize([1.0, -1.0, 0.8, -0.8, -0.6, 0.6, 0.9], (N, IN))
        size = abs(layer.total(g)(x))
        theirs = layer.array("backward", g)
        true = [] if check.coarse else [central_differences(layer.total(g), x, 1e-5)]
        true += [] if check.right is None else [_definition_gradient(check)(x, g)]
        # inf - inf is no slope; what is not finite is the business of _check_finite.
        wrong = np.isfinite(theirs) & (len(true) > 0)
        for slopes in true:
            wrong &= np.abs(theirs - slopes) > 1e-3 * np.maximum(1, np.abs(slopes)) + 1e-10 * size
        if wrong.any():
            at = tuple(np.argwhere(wrong)[0])
            evidence = f"grad_input is {pair(theirs[at], true[-1][at])}, at x = {x[at]:g}, grad_output = {g[at]:g}"
            row.error = max(row.error, relative_error(theirs[at], true[-1][at]))
            message = f"backward is wrong at {'large' if far > 1 else 'small'} inputs, such as {x[at]:g}"
            row.wrong("gradient", message, mistake="far", at="backward", evidence=evidence)
            return
    ones = (theirs / g)[x > 500.0]  # the slope of a GELU is 1 there, that of its difference quotient all but 1
    if check.name == "Gelu" and 1e-13 < np.abs(ones - 1).max() < 1e-4 and not check.coarse:
        message = "backward is a central difference: inexact and slow, write the derivative"
        row.remark("gradient", message, mistake="numerical-differentiation", at="backward")


def _in_one_region(x: np.ndarray, theirs: np.ndarray, true: np.ndarray, tolerance: float) -> Diagnosis | None:
    """A derivative that is wrong on one side of some x only: which, and by what factor."""
    if theirs.shape != true.shape or not np.isfinite(theirs).all():
        return None
    bad = relative_errors(theirs, true) > tolerance
    good = ~bad & np.isfinite(true)
    low, high = x[bad].min(), x[bad].max()
    below, above = x[good & (x < low)], x[good & (x > high)]
    if below.size + above.size < max(good.sum(), 1):
        return None
    edges = [(below.max(initial=-np.inf), low, "x > {:g}"), (high, above.min(initial=np.inf), "x < {:g}")]
    where = " and ".join(
        words.format(next((bend for bend in (0, 3, -3, 1, -1, 6) if one <= bend <= two), round((one + two) / 2, 1)))
        for one, two, words in edges
        if np.isfinite([one, two]).all()
    )
    factor = None if bad.sum() < 3 else ratio(theirs[bad], true[bad]) if theirs[bad].any() else 0
    words = {None: "", -1: "it has the opposite sign", 0: "it is 0"}
    what = words.get(factor and round(factor, 6), f"it is {factor or 0:.6g} times the right one")
    return Diagnosis("region", f"{what} only where {where}".strip())


STABLE = {
    "Sigmoid": "the stable form is (1 + tanh(x / 2)) / 2, with derivative y (1 - y)",
    "Gelu": "the stable form is np.tanh, with derivative 1 - tanh^2",
    "Softmax": "subtract each row's largest input first",
}
CAUSES = {"overflow": "exp overflows", "divide by zero": "a division by 0", "invalid": "0 / 0, or inf - inf"}


def _check_finite(check: Check, layer: Wrapped) -> None:
    row = check.row
    for dtype in (np.float64, np.float32):
        edges = EDGES.astype(dtype)
        output = layer.array("forward", edges)
        grad = layer.array("backward", np.ones_like(edges))
        for method, values in (("forward", output), ("backward", grad)):
            if not np.isfinite(values).all():
                _report_infinite(check, layer, method, values)
                return
        if check.right is not None and not row.has("wrong") and not row.has("remark", "agreement"):
            expected = check.right(EDGES)
            if relative_error(output, expected) > 1e-4:
                at = tuple(np.argwhere(~np.isclose(output, expected, 1e-4))[0])
                found = f"{pair(output[at], expected[at])}, at x = {EDGES[at]:g}"
                message = f"forward is finite but wrong at large inputs: {found}"
                row.unsafe("finite", message, at="forward")
                return


def _report_infinite(check: Check, layer: Wrapped, method: str, values: np.ndarray) -> None:
    """nan or inf. An unknown layer may well be exp(x): infinite at 1000, and right; nan is never right."""
    bad = np.argwhere(np.isnan(values) if np.isnan(values).any() else ~np.isfinite(values))
    at = min(map(tuple, bad), key=lambda at: abs(EDGES[at]) >= 1)
    name = check.name
    known = name in ACTIVATIONS or name in definitions.LAYERS
    kind = "wrong" if abs(EDGES[at]) < 1 and check.elementwise else "unsafe"
    kind = "remark" if np.isinf(values[at]) and not known else kind
    point = np.full((1, 1), EDGES[at]) if check.elementwise else EDGES
    where, text = layer.line_that_fails(method, calls=[("forward", [point]), ("backward", [np.ones_like(point)])])
    cause = next((words for key, words in CAUSES.items() if key in text), None)
    message = f"{method} is {values[at]} at x = {EDGES[at]:g}: " + "; ".join(filter(None, (cause, STABLE.get(name))))
    mistake = f"overflow-{name.lower()}" if name in STABLE else "not-finite"
    check.row.add(kind, "finite", message.removesuffix(": "), mistake=mistake, where=where, at=method)


def check_float32(row: Row, layer: Wrapped, x: np.ndarray, g: np.ndarray) -> None:
    """float32 in -> float32 out, forward and backward."""
    output = layer.array("forward", x.astype(np.float32))
    grad = layer.array("backward", g.astype(np.float32))
    wide = [method for method, array in (("forward", output), ("backward", grad)) if array.dtype != np.float32]
    if wide:
        message = f"{' and '.join(wide)} {'turn' if len(wide) > 1 else 'turns'} float32 into float64: np.sqrt(2) does "
        message += "this, an array of integers too (np.where(x > 0, 1, 0)); a mask of bool does not"
        row.note("float32", message, mistake="float32-lost")


def check_own_arrays(row: Row, layer: Wrapped, x: np.ndarray, g: np.ndarray) -> None:
    """The array that forward returned stays what it was: a training loop may keep it."""
    kept = layer.call("forward", x)
    copy = np.array(kept)
    for method, array, message in (
        ("backward", g, "backward overwrites the array that forward returned"),
        ("forward", points(5, N, IN), "forward writes into the array that it returned before"),
    ):
        layer.call(method, array)
        if not np.array_equal(np.asarray(kept, float), np.asarray(copy, float), equal_nan=True):
            row.remark(
                "arguments", message, mistake="output-overwritten", where=_overwriting_line(layer, x, method, array)
            )
            return


def _overwriting_line(layer: Wrapped, x: np.ndarray, method: str, array: np.ndarray) -> str | None:
    """Where a method writes into what forward returned: it is made read-only."""
    try:
        layer.call("forward", x).flags.writeable = False
        layer.call(method, array)
    except (ValueError, AttributeError) as error:
        return place(error) if "read-only" in str(error) else None
    return None


def check_extra(row: Row, make: Callable, settings: dict) -> None:
    """A layer that the assignment of no year knows: only that backward fits its own forward."""
    trial, trouble = Row("trial"), None
    with trial.stage("gradient"):
        layer = Wrapped(make, trial)
        outputs = [layer.array("forward", points(1, N, IN)) for _ in range(2)]
        if outputs[0].shape != (N, IN):
            trouble = f"it returns shape {outputs[0].shape} for {(N, IN)}"
        elif not np.array_equal(*outputs, equal_nan=True):
            trouble = "it gives another output each time"
    first = trial.findings[0] if trial.findings else None
    if first and first.kind == "wrong" and first.mistake != "return-missing":
        trouble = first.message
    if trouble is None:
        check_activation(row, make, row.name, settings)
        if row.error is not None:
            row.note("use", NO_DEFINITION.format(row.name), mistake="no-definition")
        return
    row.verdict = "not checked"
    message = f"no layer of the assignment, and it cannot be checked as one: {trouble}"
    row.remark("use", message, where=first and first.where)
