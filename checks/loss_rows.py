"""The rows of losses: what forward computes and under which convention, and whether backward is its derivative."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np

from checks.catalogue import diagnose
from checks.findings import Guarded, NotWritten, Row, line_of, plain
from checks.layer_rows import first_difference, numbers, precision
from checks.truth import (
    central_differences,
    loss_gradient,
    loss_value,
    one_hot,
    points,
    relative_error,
    sigmoid,
    softmax,
    violations,
)

SHAPES = ((5, 7), (3, 4))  # two batches: a factor of N is told from one of 5
SPREAD = {"EuclideanLoss": 1.5, "SoftmaxCrossEntropyLoss": 1.5, "HingeLoss": 4.0}

# Factors of a loss against the mean over the batch: key, factor of (n, k), words, and whether it is a convention.
SCALES = (
    ("mean", lambda n, k: 1.0, "the mean over the batch", True),
    ("sum", lambda n, k: n, "the sum over the batch, not the mean", True),
    ("no-half", lambda n, k: 2.0, "the mean over the batch without the 1/2", True),
    ("sum-no-half", lambda n, k: 2.0 * n, "the sum over the batch without the 1/2", True),
    ("mean-of-all", lambda n, k: 1 / k, "the mean over all N K numbers, not over the N samples", True),
    ("mean-of-all-no-half", lambda n, k: 2 / k, "the mean over all N K numbers without the 1/2", True),
    ("over-k", lambda n, k: n / k, "divided by the number of columns where the batch size belongs", False),
    ("over-k-no-half", lambda n, k: 2 * n / k, "divided by the number of columns, and without the 1/2", False),
    ("over-n-twice", lambda n, k: 1 / n, "divided by the batch size twice", False),
    ("opposite-sign", lambda n, k: -1.0, "of the opposite sign", False),
    ("opposite-sign", lambda n, k: -n, "of the opposite sign, and summed over the batch", False),
    ("half", lambda n, k: 0.5, "half of what it should be", False),
    ("log-two", lambda n, k: 1 / np.log(2), "a logarithm to base 2, where the natural one belongs", False),
    ("log-ten", lambda n, k: 1 / np.log(10), "a logarithm to base 10, where the natural one belongs", False),
)


def batch(name: str, shape: tuple[int, int], seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    return points(seed, *shape, spread=SPREAD.get(name, 1.5)), one_hot(seed + 10, *shape)


class Reduced(Guarded):
    """A loss whose forward is a number, even where it gives one per sample: reduce makes one of them."""

    reduce = staticmethod(np.mean)
    per_sample = False

    def value(self, o: np.ndarray, t: np.ndarray) -> float:
        result = np.asarray(self.call("forward", o, t))
        if result.dtype.kind not in "fiub":
            raise TypeError(f"forward returns {plain(result.dtype)}, not a number")
        if result.size == 1:
            return float(result.reshape(()))
        if result.size == len(o):
            self.per_sample = True
            return float(self.reduce(result))
        raise TypeError(f"forward returns an array of shape {result.shape}, not a number")


def check_loss(row: Row, make: Callable, name: str, columns_elsewhere: bool | None = None) -> None:
    """name: one of LOSSES, or another for a loss that the assignment does not know (backward against forward alone).

    columns_elsewhere: whether the layers of the same hand-in keep samples in columns, None if that is not known.
    """
    loss = Reduced(make(), row)
    cls = type(loss.subject)
    known = name in SPREAD
    o, t = batch(name, SHAPES[0])
    with row.stage("agreement"):
        loss.value(o, t)
        scale = _find_form(row, loss, name, columns_elsewhere) if known else None
    if row.has("absent") or row.verdict == "raises":
        return
    with row.stage("gradient"):
        if not hasattr(cls, "backward"):
            raise NotWritten("backward")
        _check_gradient(row, make, loss, name, o, t, scale)
    if row.error is None:
        return
    row.hints["columns"] = loss.columns
    with row.stage("mean"):
        _check_mean(row, loss, o, t)
    with row.stage("finite"):
        _check_finite(row, loss, name, scale)
    with row.stage("float32"):
        loss.value(o.astype(np.float32), t.astype(np.float32))
        grad = loss.array("backward", o.astype(np.float32), t.astype(np.float32))
        if grad.dtype != np.float32:
            row.remark(
                "float32",
                f"backward returns {grad.dtype} for float32: all that follows is {grad.dtype} too",
                mistake="float32-lost",
            )
    with row.stage("arguments"):
        _check_stateless(row, make, loss, o, t)


class Form(SimpleNamespace):
    """What forward turned out to be: factor(n, k) times the mean, with this margin; key and words of the factor."""


def _find_form(row: Row, loss: Reduced, name: str, columns_elsewhere: bool | None) -> Form | None:
    """Compare forward with the definition under every known factor. None: it is no such thing.

    A loss in rows over the number of columns and one in columns over the batch are one formula, so the orientation of
    the layers beside it is tried first.
    """
    trouble = None
    orientations = (True, False) if columns_elsewhere else (False, True)
    for columns in orientations:
        loss.columns = columns
        try:
            form = _match(loss, name)
        except (ValueError, IndexError, TypeError) as error:
            trouble = trouble or (error if columns == orientations[0] else None)
            continue
        if form is not None:
            return _accept(row, loss, name, form)
    loss.columns = orientations[0]
    if trouble is not None:
        raise trouble
    _report_value(row, loss, name)
    return None


def _match(loss: Reduced, name: str) -> Form | None:
    batches = [batch(name, shape, seed) for seed, shape in ((1, SHAPES[0]), (2, SHAPES[1]), (3, SHAPES[0]))]
    margin, extra = (5.0, 0.0)
    if name == "HingeLoss":
        margin, extra = _find_margin(loss)
    theirs = [loss.value(*pair) for pair in batches]
    tolerance = 1e-6 if relative_error(np.array(theirs), np.array(theirs).astype(np.float32)) > 0 else 1e-4
    for key, factor, words, convention in SCALES:
        true = [factor(*pair[0].shape) * (loss_value(name, *pair, margin) + extra) for pair in batches]
        if relative_error(np.array(theirs), np.array(true)) < tolerance:
            return Form(
                key=key, factor=factor, words=words, convention=convention, margin=margin, extra=extra, name=name
            )
    return None


def _find_margin(loss: Reduced) -> tuple[float, float]:
    """The margin, and what forward adds even where no class violates it, both per sample; from three losses.

    With all outputs 0 but the target's d, the definition is (K - 1) max(0, margin - d).
    """
    t = one_hot(3, *SHAPES[0])
    k = SHAPES[0][1]
    at_zero, below, above = (loss.value(d * t, t) for d in (0.0, -1000.0, 1e4))
    per_violation = (below - at_zero) / 1000.0
    if not np.isfinite(per_violation) or per_violation == 0:
        return 5.0, 0.0
    margin = (at_zero - above) / per_violation
    extra = above / per_violation * (k - 1)
    margin = round(margin, 9)
    return (margin, extra) if abs(margin) < 100 and abs(extra) < 1e4 else (5.0, 0.0)


def _accept(row: Row, loss: Reduced, name: str, form: Form) -> Form:
    where = line_of(type(loss.subject), "forward")
    if loss.columns:
        row.remark("agreement", "other convention: samples in columns, not in rows", mistake="columns")
    if loss.per_sample:
        row.remark("agreement", "forward returns one loss per sample, not one number", mistake="per-sample")
    if name == "HingeLoss" and form.margin <= 0:
        key, words = ("margin-missing", "missing") if form.margin == 0 else ("margin-sign", f"{form.margin:g}")
        row.fault("agreement", f"forward is wrong: the margin is {words}", mistake=key, where=where)
    elif name == "HingeLoss" and form.margin != 5:
        row.remark(
            "agreement",
            f"other convention: the margin is {form.margin:g} unless given, 5 in the assignment",
            mistake="margin-default",
        )
    if abs(form.extra) > 1e-6:
        counted = abs(form.extra - form.margin) < 1e-6
        row.fault(
            "agreement",
            f"forward is {form.extra:g} per sample too large"
            + (": the target's own column is counted, max(0, margin) more" if counted else ""),
            mistake="target-counted" if counted else "constant-added",
            where=where,
        )
    if form.key == "mean":
        return form
    column = "mean" if form.key in ("sum", "sum-no-half", "mean-of-all", "over-n-twice", "over-k") else "agreement"
    if form.convention:
        row.remark(column, f"other convention: {form.words}", mistake=form.key, where=where)
    else:
        row.fault(column, f"forward is wrong: {form.words}", mistake=form.key, where=where)
    return form


OTHER_LOSSES = {
    "EuclideanLoss": (
        ("euclid-root", "the norm ||o - t||, the square root left in", lambda o, t, m: _rows(np.sqrt(_square(o, t)))),
        ("euclid-absolute", "the absolute error |o - t|", lambda o, t, m: np.abs(o - t).sum()),
        ("euclid-sum-of-differences", "the sum of o - t, not squared", lambda o, t, m: (o - t).sum()),
    ),
    "SoftmaxCrossEntropyLoss": (
        ("wrong-axis", "a softmax over the batch, not the classes", lambda o, t, m: _cross(softmax(o, 0), t)),
        ("wrong-axis", "a softmax over the whole array", lambda o, t, m: _cross(softmax(o, None), t)),
        ("softmax-twice", "a softmax of the softmax", lambda o, t, m: _cross(softmax(softmax(o)), t)),
        ("sigmoid-inside", "a sigmoid where softmax belongs", lambda o, t, m: _cross(sigmoid(o), t)),
        ("log-missing", "the probability without its logarithm", lambda o, t, m: -(t * softmax(o)).sum()),
        ("no-softmax", "-t o: softmax and logarithm are missing", lambda o, t, m: -(t * o).sum()),
        ("log-sum-missing", "the log-sum-exp alone", lambda o, t, m: np.log(np.exp(o).sum(axis=1)).sum()),
        (
            "binary-cross-entropy",
            "a cross-entropy of each column, with (1 - t) log(1 - p)",
            lambda o, t, m: _cross(softmax(o), t) + _cross(1 - softmax(o), 1 - t),
        ),
    ),
    "HingeLoss": (
        ("margin-missing", "max(0, o_k - o_t): the margin is missing", lambda o, t, m: violations(o, t, 0.0).sum()),
        ("margin-sign", "the margin has the wrong sign", lambda o, t, m: violations(o, t, -m).sum()),
        ("hinge-sign", "o_t and o_k are exchanged", lambda o, t, m: violations(-o, t, m).sum()),
        ("squared-hinge", "the squared hinge loss", lambda o, t, m: (violations(o, t, m) ** 2).sum()),
        ("worst-only", "Crammer and Singer's: the worst class alone", lambda o, t, m: violations(o, t, m).max(1).sum()),
        ("hinge-unclipped", "max(0, ...) is missing", lambda o, t, m: _unclipped(o, t, m)),
        ("one-against-all", "a hinge on each column alone", lambda o, t, m: np.maximum(m - (2 * t - 1) * o, 0).sum()),
    ),
}
# Losses of their own right: a remark while backward fits them.
KNOWN_VARIANTS = ("squared-hinge", "worst-only", "one-against-all")


def _square(o, t):
    return ((o - t) ** 2).sum(axis=1)


def _rows(array):
    return array.sum()


def _cross(p, t) -> float:
    return float(-(t * np.log(p)).sum())


def _unclipped(o, t, margin) -> float:
    return float(((margin - (o * t).sum(axis=1, keepdims=True) + o) * (1 - t)).sum())


def _report_value(row: Row, loss: Reduced, name: str) -> None:
    """forward is the definition under no known factor: which other formula is it?"""
    where = line_of(type(loss.subject), "forward")
    pairs = [batch(name, shape, seed) for seed, shape in ((1, SHAPES[0]), (2, SHAPES[1]))]
    theirs = np.array([loss.value(*pair) for pair in pairs])
    for key, words, total in OTHER_LOSSES[name]:
        for margin in (5.0, 1.0):
            true = np.array([total(*pair, margin) for pair in pairs])
            for over in (np.array([len(pair[0]) for pair in pairs]), 1.0, 2.0 * np.array([len(p[0]) for p in pairs])):
                if relative_error(theirs, true / over) < 1e-6:
                    if key in KNOWN_VARIANTS:
                        row.remark("agreement", f"other convention: forward is {words}", mistake=key, where=where)
                    else:
                        row.fault("agreement", f"forward is wrong: it is {words}", mistake=key, where=where)
                    return
    o, t = (array[:1] for array in pairs[0])
    row.fault(
        "agreement",
        "forward is not the loss of the assignment, nor that under a known convention",
        where=where,
        seen=f"for one sample, o = {numbers(o)}, t = {numbers(t)}: {loss.value(o, t):.6g}, "
        f"true {loss_value(name, o, t):.6g}",
    )


def _check_gradient(row: Row, make: Callable, loss: Reduced, name: str, o, t, form: Form | None) -> None:
    cls = type(loss.subject)
    n, k = o.shape
    value = loss.value(o, t)
    theirs = loss.array("backward", o, t)
    step, tolerance = precision(theirs.dtype)
    margin = form.margin if form else 5.0
    if loss.per_sample:
        # One loss per sample says nothing about mean or sum: backward does.
        loss.reduce = np.sum if relative_error(theirs, n * loss_gradient(name, o, t, margin)) < 1e-3 else np.mean
    true = central_differences(lambda at: loss.value(at, t), o, step)
    row.error = relative_error(theirs, true)
    if row.error <= tolerance:
        _check_far(row, loss, name, form, cls)
        return
    # In units of the definition: the catalogue knows the mean.
    factor = form.factor(n, k) if form else 1.0
    case = SimpleNamespace(o=o, t=t, n=n, k=k, margin=margin, true=true / factor, value=value)
    expected = loss_gradient(name, o, t, margin) if name in SPREAD else true
    if name in SPREAD and not (form and form.convention) and relative_error(theirs, expected) <= tolerance:
        # backward is that of the definition: the fault is forward's, and has been said.
        row.columns["gradient"] = "fault"
        return
    found = diagnose(f"{name}.grad_input", theirs / factor, case, tolerance)
    says = "backward is wrong" + (f": {found.says}" if found else "")
    if form and form.key != "mean":
        own = [words for _, scale, words, _ in SCALES if _same(theirs, scale(n, k) * expected, tolerance)]
        says = f"forward and backward disagree: forward is {form.words}" + (
            f"; backward is that of {own[0]}" if own else f", and {says}"
        )
    row.fault(
        "gradient",
        says,
        mistake=found.key if found else None,
        where=line_of(cls, "backward"),
        seen=first_difference(
            "backward",
            theirs,
            true,
            lambda i: f"o[{i[0]}] = {numbers(o[i[0]])}, t[{i[0]}] = {numbers(t[i[0]])}",
            tolerance,
        ),
    )
    if found:
        row.hints["grad_input"] = found.key


def _same(theirs: np.ndarray, other: np.ndarray, tolerance: float) -> bool:
    return theirs.shape == other.shape and relative_error(theirs, other) <= tolerance


def _check_far(row: Row, loss: Reduced, name: str, form: Form | None, cls: type) -> None:
    """Where the loss is large but harmless (60 per sample), loss and gradient must still belong together."""
    if name != "SoftmaxCrossEntropyLoss" or form is None:
        return
    o = np.array([[-30.0, 30.0, 0.0], [2.0, -28.0, 32.0]])
    t = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    theirs, true = loss.value(o, t), form.factor(*o.shape) * loss_value(name, o, t)
    if not np.isfinite(theirs) or abs(theirs - true) <= 1e-4 * abs(true):
        return
    per_sample = theirs / form.factor(*o.shape)
    grad = loss.array("backward", o, t)
    slope = central_differences(lambda at: loss.value(at, t), o, 1e-4)
    if relative_error(grad, slope) > 1e-3:
        row.fault(
            "agreement",
            f"forward says {per_sample:.3g} where the loss is 60, and backward is not the derivative of that: the "
            f"probabilities are clipped near {np.exp(-per_sample):.0e}; log-sum-exp needs no clipping",
            mistake="clipped",
            where=line_of(cls, "forward"),
        )
    else:
        row.remark(
            "agreement",
            f"other convention: probabilities are clipped near {np.exp(-per_sample):.0e}, so a loss of 60 is "
            f"{per_sample:.3g}",
            mistake="clipped",
            where=line_of(cls, "forward"),
        )


def _check_mean(row: Row, loss: Reduced, o: np.ndarray, t: np.ndarray) -> None:
    """The same batch twice over has the same mean."""
    once, twice = loss.value(o, t), loss.value(np.vstack([o, o]), np.vstack([t, t]))
    if abs(twice - once) > 1e-5 * abs(once) and not row.columns.get("mean"):
        ratio = twice / once if once else float("nan")
        row.remark("mean", f"the same batch twice over gives {ratio:.3g} times the loss: it is no mean", mistake="sum")


def _check_finite(row: Row, loss: Reduced, name: str, form: Form | None) -> None:
    cls = type(loss.subject)
    o = 1000.0 * np.array([[1, -1, -1, 0], [-1, 1, 1, 0], [1, 1, 1, 1], [-1, -1, -1, -1], [0, 1, 0, -1]], float)
    t = np.eye(4)[[0, 0, 1, 2, 3]]
    for dtype in (np.float64, np.float32):
        value = loss.value(o.astype(dtype), t.astype(dtype))
        grad = loss.array("backward", o.astype(dtype), t.astype(dtype))
        bad = [f"{m} is {v}" for m, v in (("forward", value), ("backward", grad)) if not np.isfinite(v).all()]
        if not bad:
            continue
        says, key = "", "not-finite"
        if name == "SoftmaxCrossEntropyLoss":
            # exp overflows: backward falls with forward. If backward holds, only the logarithm of 0 is left.
            exponent = not np.isfinite(grad).all()
            key = "overflow-softmax" if exponent else "log-of-zero"
            says = (
                ": exp overflows; subtract each row's largest output first (the log-sum-exp form)"
                if exponent
                else ": the logarithm of a probability that is 0; use o - max - log sum exp(o - max) (log-sum-exp)"
            )
        method = bad[-1].split()[0]
        texts = [f"{m} is not finite" for m in ("forward", "backward") if any(b.startswith(m) for b in bad)]
        where = line_of(cls, method)
        row.fault("finite", f"{' and '.join(texts)} at outputs of ±1000{says}", mistake=key, where=where)
        return
    if form is None or name == "SoftmaxCrossEntropyLoss" or row.has("fault"):
        return
    value = loss.value(o, t)
    true = form.factor(*o.shape) * loss_value(name, o, t, form.margin)
    if abs(value - true) > 1e-4 * abs(true):
        row.fault(
            "finite",
            f"forward is finite but wrong at outputs of ±1000: {value:.6g}, true {true:.6g}",
            mistake="clipped",
        )


def _check_stateless(row: Row, make: Callable, loss: Reduced, o: np.ndarray, t: np.ndarray) -> None:
    """backward of a new object, and after a forward of another batch, is the same as after its own forward."""
    loss.value(o, t)
    expected = loss.array("backward", o, t)
    fresh = Reduced(make(), row, loss.columns)
    try:
        same = np.allclose(fresh.array("backward", o, t), expected)
    except Exception:
        same = False
    if same:
        loss.value(*batch("", SHAPES[0], 7))
        other = loss.array("backward", o, t)
        same = other.shape == expected.shape and np.allclose(other, expected)
    if not same:
        row.remark(
            "use",
            "backward needs the forward of the same batch before it",
            mistake="stateful",
            where=line_of(type(loss.subject), "backward"),
        )
    kept = loss.call("backward", o, t)
    copy = np.array(kept)
    loss.value(*batch("", SHAPES[0], 8))
    loss.array("backward", *batch("", SHAPES[0], 8))
    if not np.array_equal(kept, copy, equal_nan=True):
        row.remark("arguments", "backward writes into the array that it returned before", mistake="output-overwritten")
