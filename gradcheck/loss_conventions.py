"""Which loss a forward is: the definition under one of the known conventions, another known loss, or no such thing."""

from types import SimpleNamespace

import numpy as np

from gradcheck.errors import plain
from gradcheck.mistakes_losses import KNOWN_VARIANTS, OTHER_LOSSES, SCALES
from gradcheck.reference import is_coarse, loss_value, one_hot, points, relative_error, softmax
from gradcheck.report_rows import Row, Unusable, numbers
from gradcheck.source import line_of
from gradcheck.wrapped import Wrapped

SHAPES = ((5, 7), (3, 4))  # two batches: a factor of N is told from one of 5
# What people add to a probability before its logarithm.
EPSILONS = (0.0, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3)
SPREAD = {"EuclideanLoss": 1.5, "SoftmaxCrossEntropyLoss": 1.5, "HingeLoss": 4.0}


def batch(name: str, shape: tuple[int, int], seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    seed += 658 if name == "HingeLoss" else 0  # there, violations of 0.14 and -0.14 lie on both sides of the kink
    return points(seed, *shape, spread=SPREAD.get(name, 1.5)), one_hot(seed + 10, *shape)


class Reduced(Wrapped):
    """A loss whose forward is a number, even where it gives one per sample: reduce makes one of them."""

    reduce = staticmethod(np.mean)
    per_sample = False

    def value(self, o: np.ndarray, t: np.ndarray) -> float:
        result = self.call("forward", o, t)
        if isinstance(result, (tuple, dict)):
            what = "a tuple (loss, gradient)" if isinstance(result, tuple) else "a dict"
            raise Unusable(f"forward returns {what}, not a number: return the loss alone", mistake="not-a-number")
        result = np.asarray(result)
        if result.dtype.kind not in "fiub":
            raise Unusable(f"forward returns {plain(result.dtype)}, not a number")
        if result.size == 1:
            return float(result.reshape(()))
        if result.size == len(o):
            self.per_sample = True
            return float(self.reduce(result))
        raise Unusable(f"forward returns an array of shape {result.shape}, not a number")


class Form(SimpleNamespace):
    """What forward turned out to be: factor(n, k) times the mean, with this margin; key and words of the factor."""


def find_form(row: Row, loss: Reduced, name: str, columns_elsewhere: bool | None) -> Form | None:
    """Compare forward with the definition under every known factor. None: it is no such thing.

    A loss in rows over the number of columns and one in columns over the batch are one formula, so the orientation of
    the layers beside it is tried first.
    """
    trouble = turned = None
    orientations = (True, False) if columns_elsewhere else (False, True)
    for columns in orientations:
        loss.columns = columns
        try:
            form = _match(loss, name)
        except (ValueError, IndexError, TypeError, Unusable) as error:
            trouble = trouble or (error if columns == orientations[0] else None)
            continue
        if form is None:
            continue
        if columns == orientations[0] or form.convention:
            return _accept(row, loss, name, form)
        turned = form  # right for no network: a softmax over the wrong axis looks like this too
    loss.columns = orientations[0]
    if turned is not None and not _is_another(row, loss, name):
        loss.columns = orientations[1]
        return _accept(row, loss, name, turned)
    if turned is not None:
        return None
    if wants_labels(row, loss, name):
        return None
    if trouble is not None:
        raise trouble
    if not _is_another(row, loss, name):
        _report_value(row, loss, name)
    return None


def wants_labels(row: Row, loss: Reduced, name: str) -> bool:
    """Whether forward is the loss, mean or sum, when it gets class numbers for the one-hot target: a fault."""
    o, t = batch(name, SHAPES[0])
    try:
        value = float(np.mean(loss.subject.forward(o.copy(), t.argmax(axis=1))))
    except Exception:
        return False
    true = loss_value(name, o, t)
    if not np.isclose([value, value / len(o)], true, rtol=1e-4).any():
        return False
    message = (
        "the target is taken as class numbers: the assignment gives one-hot rows (target.argmax(axis=1) turns them)"
    )
    row.fault("agreement", message, mistake="labels", where=line_of(type(loss.subject), "forward"))
    return True


def _match(loss: Reduced, name: str) -> Form | None:
    batches = [batch(name, shape, seed) for seed, shape in ((1, SHAPES[0]), (2, SHAPES[1]), (3, SHAPES[0]))]
    coarse = is_coarse(lambda at: loss.value(at, batches[0][1]), batches[0][0])
    margin, extra = (5.0, 0.0)
    if name == "HingeLoss":
        margin, extra = _find_margin(loss, 2 if coarse else 9)
    theirs = [loss.value(*pair) for pair in batches]
    tolerance = 1e-4 if coarse else 1e-6
    for epsilon in EPSILONS if name == "SoftmaxCrossEntropyLoss" else (0.0,):
        values = [loss_value(name, *pair, margin) + extra + _shortened(*pair, epsilon) for pair in batches]
        for key, factor, words, convention in SCALES:
            true = [factor(*pair[0].shape) * value for pair, value in zip(batches, values)]
            if relative_error(np.array(theirs), np.array(true)) < tolerance:
                return Form(
                    key=key,
                    factor=factor,
                    words=words,
                    convention=convention,
                    margin=margin,
                    extra=extra,
                    epsilon=epsilon,
                )
    # The sum over the batch divided by one number, whatever the size of the batch?
    ratios = np.array(theirs) / [loss_value(name, *pair, margin) * len(pair[0]) for pair in batches]
    if ratios[0] > 0 and abs(extra) < 1e-6 and np.allclose(ratios, ratios[0], rtol=tolerance):
        size = 1 / ratios[0]
        words = f"the sum divided by {size:.6g}, a fixed number, where the batch size belongs"
        return Form(
            key="fixed-batch",
            factor=lambda n, k: n / size,
            words=words,
            convention=False,
            margin=margin,
            extra=extra,
            epsilon=0.0,
        )
    return None


def _shortened(o: np.ndarray, t: np.ndarray, epsilon: float) -> float:
    """What log(p + epsilon) in place of log p takes from the mean cross-entropy."""
    return -float((t * np.log1p(epsilon / softmax(o))).sum()) / len(o)


def _find_margin(loss: Reduced, digits: int) -> tuple[float, float]:
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
    margin, extra = round(margin, digits), round(extra, digits)
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
    column = (
        "mean"
        if form.key in ("sum", "sum-no-half", "mean-of-all", "over-n-twice", "over-k", "fixed-batch")
        else "agreement"
    )
    if form.convention:
        row.remark(column, f"other convention: {form.words}", mistake=form.key, where=where)
    else:
        row.fault(column, f"forward is wrong: {form.words}", mistake=form.key, where=where)
    return form


def _is_another(row: Row, loss: Reduced, name: str) -> bool:
    """forward is the definition under no known factor: is it another formula with a name?"""
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
                    return True
    return False


def _report_value(row: Row, loss: Reduced, name: str) -> None:
    """forward is no formula with a name."""
    o, t = (array[:1] for array in batch(name, SHAPES[0]))
    row.fault(
        "agreement",
        "forward is not the loss of the assignment, nor that under a known convention",
        where=line_of(type(loss.subject), "forward"),
        evidence=f"for one sample, o = {numbers(o)}, t = {numbers(t)}: {loss.value(o, t):.6g}, "
        f"true {loss_value(name, o, t):.6g}",
    )
