"""The rows of losses: whether backward is the derivative of forward. What forward is, loss_forms.py finds out."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np

from gradcheck.catalogue import diagnose
from gradcheck.check_activation import COARSE, FINE, SINGLE, expect_slopes
from gradcheck.loss_conventions import SHAPES, SPREAD, Form, Reduced, batch, find_form, wants_labels
from gradcheck.mistakes_losses import SCALES
from gradcheck.reference import central_differences, is_coarse, loss_gradient, loss_value, relative_error
from gradcheck.report_rows import NotWritten, Row, Unusable, first_difference, numbers
from gradcheck.source import line_of


def check_loss(row: Row, make: Callable, name: str, columns_elsewhere: bool | None = None) -> None:
    """name: one of LOSSES, or another for a loss that the assignment does not know (backward against forward alone).

    columns_elsewhere: whether the layers of the same submission keep samples in columns, None if that is not known.
    """
    loss = Reduced(make(), row)
    cls = type(loss.subject)
    known = name in SPREAD
    o, t = batch(name, SHAPES[0])
    form, usable = None, False
    with row.stage("agreement"):
        try:
            first = loss.value(o, t)
        except Exception:
            if known and wants_labels(row, loss, name):
                return
            raise
        if np.isfinite(first) and _runs_on(loss, o, t, first):
            row.fault(
                "agreement",
                "forward differs from call to call for the same batch: it keeps something from earlier batches",
                mistake="differs",
                where=line_of(cls, "forward"),
            )
            return
        usable = True
        form = find_form(row, loss, name, columns_elsewhere) if known else None
    if not usable or row.verdict == "raises":
        return
    with row.stage("gradient"):
        if not hasattr(cls, "backward"):
            raise NotWritten("backward")
        _check_gradient(row, make, loss, name, o, t, form)
    if row.error is None:
        return
    row.hints["columns"] = loss.columns
    with row.stage("mean"):
        _check_mean(row, loss, o, t, form)
    with row.stage("finite"):
        _check_finite(row, loss, name, form)
    with row.stage("float32"):
        loss.value(o.astype(np.float32), t.astype(np.float32))
        grad = loss.array("backward", o.astype(np.float32), t.astype(np.float32))
        if grad.dtype != np.float32:
            row.remark(
                "float32",
                f"backward turns float32 into {grad.dtype}, and with it all that follows",
                mistake="float32-lost",
            )
    with row.stage("arguments"):
        _check_stateless(row, make, loss, o, t)


def _runs_on(loss: Reduced, o: np.ndarray, t: np.ndarray, first: float) -> bool:
    """Whether forward of a batch is another number after a forward of another batch."""
    try:
        loss.value(0.5 * o, t)
        return abs(loss.value(o, t) - first) > 1e-9 * abs(first)
    except Unusable:
        return False


def _check_gradient(row: Row, make: Callable, loss: Reduced, name: str, o, t, form: Form | None) -> None:
    cls = type(loss.subject)
    n, k = o.shape
    value = loss.value(o, t)
    theirs = loss.array("backward", o, t)
    coarse = is_coarse(lambda at: loss.value(at, t), o)
    step, tolerance = COARSE if coarse else FINE
    margin = form.margin if form else 5.0
    if loss.per_sample:
        # One loss per sample says nothing about mean or sum: backward does.
        loss.reduce = np.sum if relative_error(theirs, n * loss_gradient(name, o, t, margin)) < 1e-3 else np.mean
    true = central_differences(lambda at: loss.value(at, t), o, step)
    if np.isnan(true).any() and row.has("fault", "agreement"):
        return  # forward is wrong, and has been said to be
    expect_slopes(true)
    if coarse and form and form.convention:
        true, tolerance = form.factor(n, k) * loss_gradient(name, o, t, margin), SINGLE
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
    if form and relative_error(theirs, factor * expected) <= tolerance:
        # backward is that of the definition: does forward have an epsilon in its logarithm?
        _check_far(row, loss, name, form, cls)
        if row.has("fault", "agreement"):
            return
    found = diagnose(f"{name}.grad_input", theirs / factor, case, tolerance)
    message = "backward is wrong" + (f": {found.message}" if found else "")
    if form and form.key != "mean":
        own = [words for _, scale, words, _ in SCALES if _same(theirs, scale(n, k) * expected, tolerance)]
        message = f"forward and backward disagree: forward is {form.words}" + (
            f"; backward is that of {own[0]}" if own else f", and {message}"
        )
    row.fault(
        "gradient",
        message,
        mistake=found.key if found else None,
        where=line_of(cls, "backward"),
        evidence=first_difference(
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
            f"forward says {per_sample:.3g} where the loss is 60, and backward is not the derivative of that: "
            f"probabilities are clipped, or a number is added to them, near {np.exp(-per_sample):.0e}; log-sum-exp "
            "needs neither",
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


def _check_mean(row: Row, loss: Reduced, o: np.ndarray, t: np.ndarray, form: Form | None) -> None:
    """The same batch twice over has the same mean, and so have its samples one by one."""
    once, twice = loss.value(o, t), loss.value(np.vstack([o, o]), np.vstack([t, t]))
    if abs(twice - once) > 1e-5 * abs(once) and not row.columns.get("mean"):
        ratio = twice / once if once else float("nan")
        row.remark("mean", f"the same batch twice over gives {ratio:.3g} times the loss: it is no mean", mistake="sum")
    if form is not None and form.key == "mean":
        singles = [loss.value(o[n : n + 1], t[n : n + 1]) for n in range(len(o))]
        loss.value(o[:1], t[:1])
        shape = loss.array("backward", o[:1], t[:1]).shape
        if abs(np.mean(singles) - once) > 1e-4 * abs(once) or shape != o[:1].shape:
            row.fault("mean", "a batch of one sample is treated otherwise than a larger one", mistake="single-sample")


NOT_FINITE = {
    "overflow-softmax": ": exp overflows; subtract each row's largest output first (the log-sum-exp form)",
    "underflow-softmax": ": exp of a whole row is 0, and 0 / 0 follows; subtract each row's own largest output, not "
    "the largest of the batch (the log-sum-exp form)",
    "log-of-zero": ": the logarithm of a probability that is 0; use o - max - log sum exp(o - max) (log-sum-exp)",
}


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
        message, key = "", "not-finite"
        if name == "SoftmaxCrossEntropyLoss":
            # exp overflows: backward falls with forward. If backward holds, only the logarithm of 0 is left.
            # With one sample, the largest output of the batch is that of its row.
            loss.value(o[:1].astype(dtype), t[:1].astype(dtype))
            alone = loss.array("backward", o[:1].astype(dtype), t[:1].astype(dtype))
            key = "log-of-zero" if np.isfinite(grad).all() else "overflow-softmax"
            key = "underflow-softmax" if key == "overflow-softmax" and np.isfinite(alone).all() else key
            message = NOT_FINITE[key]
        method = bad[-1].split()[0]
        texts = [f"{m} is not finite" for m in ("forward", "backward") if any(b.startswith(m) for b in bad)]
        where = line_of(cls, method)
        row.fault("finite", f"{' and '.join(texts)} at outputs of ±1000{message}", mistake=key, where=where)
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
