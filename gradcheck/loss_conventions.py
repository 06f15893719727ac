"""Which loss a forward is: the definition under one of the known conventions, another known loss, or no such thing."""

import itertools
from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace

import numpy as np

from gradcheck.definitions import LOSSES, Form, match_loss
from gradcheck.errors import describe, plain
from gradcheck.find_slip import Slip, find_slip
from gradcheck.mistakes_losses import KNOWN_VARIANTS, OTHER_LOSSES, SCALES
from gradcheck.reference import is_coarse, loss_value, one_hot, points, relative_error, softmax
from gradcheck.report_rows import NotWritten, Row, Unusable, numbers, pair
from gradcheck.wrapped import Wrapped

# Batches of two sizes, so that a factor of N is told from one of 7; ten columns, for a loss with a weight per digit.
SHAPES = ((7, 10), (3, 10))
# What people add to a probability before its logarithm.
EPSILONS = (0.0, 1e-12, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3)
SPREAD = {"EuclideanLoss": 1.5, "SoftmaxCrossEntropyLoss": 1.5, "HingeLoss": 4.0}


def batch(name: str, shape: tuple[int, int], seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Outputs and one-hot targets; the target's output has both signs, violations lie on both sides of the kink."""
    seed += HINGE_SEED if name == "HingeLoss" else 0
    return points(seed, *shape, spread=SPREAD.get(name, 1.5)), one_hot(seed + 10, *shape)


HINGE_SEED = 650
# What an array that forward returns holds, and how to say that it is no number.
PER_SAMPLE, PER_COLUMN, PER_OUTPUT = "samples", "columns", "outputs"
MISSING_SUM = {
    PER_COLUMN: "a number for each column: sum over the columns too",
    PER_OUTPUT: "a number for each output: sum over the columns and average over the batch",
}


class Reduced(Wrapped):
    """A loss whose forward is a number, even where it gives an array: that is summed, and divided by N if `mean`."""

    mean = True
    gives_both = False  # forward returns the gradient too
    labels = False  # it wants class numbers for the one-hot target
    shape = None  # of what forward returned, and what that holds
    holds = None

    def again(self) -> "Reduced":
        """A new object of the same class, taken in the same way; its findings are nobody's."""
        fresh = Reduced(self.make, Row("trial"), self.columns)
        for name in ("mean", "gives_both", "labels", "gradient_columns"):
            setattr(fresh, name, getattr(self, name))
        return fresh

    def _turned(self, method: str, is_result: bool) -> bool:
        return super()._turned(method, is_result) if is_result else self.columns

    def call(self, method: str, o: np.ndarray, t: np.ndarray):
        given = o, t.argmax(axis=1) if self.labels else t
        if method == "backward" and self.gives_both:
            # A backward without arguments, or none: forward has said it.
            with suppress(Unusable, NotWritten, AttributeError):
                return super().call(method, *given)
            return super().call("forward", *given)[1]
        return super().call(method, *given)

    def value(self, o: np.ndarray, t: np.ndarray) -> float:
        result = self.call("forward", o, t)
        if isinstance(result, tuple) and len(result) == 2:
            result, self.gives_both = result[0], True
            message = "other convention: forward returns (loss, gradient)"
            self.row.remark("agreement", message, mistake="not-a-number", at="forward")
        if isinstance(result, (tuple, dict)):
            message = f"forward returns a {type(result).__name__}, not a number: return the loss alone"
            raise Unusable(message, mistake="not-a-number", at="forward")
        result = np.asarray(result)
        if result.dtype.kind not in "fiub":
            raise Unusable(f"forward returns {plain(result.dtype)}, not a number")
        if result.size == 1:
            return float(result.reshape(()))
        kinds = {len(o): PER_SAMPLE, o.shape[1]: PER_COLUMN, o.size: PER_OUTPUT}
        if result.size not in kinds:
            message = f"forward returns an array of shape {result.shape}, not a number"
            raise Unusable(message, at="forward")
        self.shape, self.holds = self.shape or result.shape, kinds[result.size]
        return float(result.sum() / (len(o) if self.mean else 1))


def find_known(check: SimpleNamespace, columns_elsewhere: bool | None) -> bool:
    """What forward of one of the assignment's losses is; whether it is worth while to look at backward."""
    row, loss, o, t = check.row, check.loss, check.o, check.t
    try:
        first = loss.value(o, t)
    except (NotWritten, Unusable):
        raise
    except Exception:
        if not wants_labels(loss, check.name):
            raise
        first = loss.value(o, t)
    if not np.isfinite(first):
        _report_not_finite(loss, check.name, first)
        return True
    if _keeps_earlier_batches(loss, o, t, first):
        message = "forward differs from call to call for the same batch: it keeps something from earlier batches"
        row.wrong("agreement", message, mistake="differs", at="forward")
        return False
    check.form = find_form(loss, check.name, columns_elsewhere)
    return True


def _report_not_finite(loss: Reduced, name: str, value: float) -> None:
    """forward is nan or inf at ordinary outputs: is it the logarithm of a negative one?"""
    where, text = loss.line_that_fails("forward")
    message = f"forward is {value:g} for ordinary outputs"
    message += ": the logarithm of a negative number" if "invalid value encountered in log" in text else ""
    if name == "SoftmaxCrossEntropyLoss":
        positive = [(softmax(0.3 * o), t) for o, t in (batch(name, shape) for shape in SHAPES)]
        if match_loss("CrossEntropyLoss", loss.value, positive):
            message = f"forward is {value:g} for ordinary outputs: softmax is missing, the logarithm is that of outputs"
    loss.row.wrong("agreement", message, mistake="not-finite", where=where, at="forward")


def find_other(check: SimpleNamespace, _) -> bool:
    """A loss of another name: outputs or probabilities, a number or an array, its definition if it has one."""
    row, loss, name = check.row, check.loss, check.name
    definition = LOSSES[name][0].total if name in LOSSES else None
    right = definition and (lambda o, t: definition(o, t) / len(o))
    try:
        first = loss.value(check.o, check.t)
    except (ValueError, TypeError, IndexError, KeyError, Unusable) as error:
        if right and not isinstance(error, Unusable) and wants_labels(loss, name, right):
            return find_other(check, None)
        if name in LOSSES or getattr(error, "more", {}).get("mistake") == "return-missing":
            raise
        row.verdict, message = "not checked", describe(error)[0] if not isinstance(error, Unusable) else str(error)
        row.remark("use", f"no loss of the assignment, and it cannot be checked as one: {message}")
        return False
    batches = [batch(name, shape, seed) for seed, shape in ((1, SHAPES[0]), (2, SHAPES[1]))]
    check.form = match_loss(name, loss.value, batches)
    if check.form is None:
        as_probabilities = [(softmax(0.3 * o), t) for o, t in batches]
        check.form = match_loss(name, loss.value, as_probabilities)
        if check.form or not np.isfinite(first):
            (check.o, check.t), check.probabilities = as_probabilities[0], True
    value = loss.value(check.o, check.t)
    if not np.isfinite(value):
        message = f"forward is {first:g} for ordinary outputs and one-hot targets"
        where = loss.line_that_fails("forward")[0]
        row.wrong("agreement", message, mistake="not-finite", where=where, at="forward")
        return False
    if _keeps_earlier_batches(loss, check.o, check.t, value):
        row.verdict = "not checked"
        row.remark("use", "forward differs from call to call for the same batch", mistake="differs")
        return False
    if loss.holds:
        once, twice = (loss.value(*(np.vstack([a] * times) for a in (check.o, check.t))) for times in (1, 2))
        loss.mean = abs(twice - once) < 1e-6 * abs(once)
        report_shape(loss)
        check.form = match_loss(name, loss.value, [(check.o, check.t)])
    if right is not None and check.form is None:
        evidence = difference(loss, right, (check.o, check.t))
        slip = find_slip(row.cls, "forward", lambda: match_loss(name, loss.again().value, batches) is not None)
        message, where = f"forward is not {name} as it is defined", slip and slip.where
        message = f"forward is not {name}: {slip.words}" if slip else message
        row.remark("agreement", message, at="forward", where=where, evidence=evidence)
    elif right is not None and check.form.words:
        row.remark("agreement", check.form.words, mistake=check.form.key, at="forward")
    return True


def _keeps_earlier_batches(loss: Reduced, o: np.ndarray, t: np.ndarray, first: float) -> bool:
    """Whether forward of a batch is another number after a forward of another batch."""
    fresh = loss.again()
    try:
        if abs(loss.value(0.5 * o, t) - fresh.value(0.5 * o, t)) > 1e-9 * abs(first):
            return True
        return abs(loss.value(o, t) - first) > 1e-9 * abs(first)
    except Unusable:
        return False


def find_form(loss: Reduced, name: str, columns_elsewhere: bool | None) -> Form | None:
    """Compare forward with the definition under every known factor. None: it is no such thing.

    A loss in rows over the number of columns and one in columns over the batch are one formula, so the orientation of
    the layers beside it is tried first.
    """
    trouble = turned = None
    orientations = (True, False) if columns_elsewhere else (False, True)
    for columns in orientations:
        loss.columns = columns
        try:
            form = _match_reduced(loss, name)
        except (ValueError, IndexError, TypeError, Unusable) as error:
            trouble = trouble or (error if columns == orientations[0] else None)
            continue
        if form is None:
            continue
        if columns == orientations[0] or form.convention:
            return _accept(loss, name, form)
        turned = form  # right for no network: a softmax over the wrong axis looks like this too
    loss.columns = orientations[0]
    if turned is not None and not _is_another(loss, name):
        loss.columns = orientations[1]
        return _accept(loss, name, turned)
    if turned is not None:
        return None
    if not loss.labels and wants_labels(loss, name):
        return find_form(loss, name, columns_elsewhere)
    if trouble is not None:
        raise trouble
    if not _is_another(loss, name):
        _report_value(loss, name)
    return None


def wants_labels(loss: Reduced, name: str, right: Callable | None = None) -> bool:
    """Whether forward is the loss, mean or sum, when it gets class numbers for the one-hot target: a fault.

    From then on it gets them, so that this fault hides no other.
    """
    o, t = batch(name, SHAPES[0])
    try:
        value = float(np.mean(loss.subject.forward(o.copy(), t.argmax(axis=1))))
    except Exception:
        return False
    true = right(o, t) if right else loss_value(name, o, t)
    if not np.isclose([value, value / len(o)], true, rtol=1e-4).any():
        return False
    message = "the target is taken as class numbers: the assignment gives one-hot rows (target.argmax(1) turns them)"
    loss.row.wrong("agreement", message, mistake="labels", at="forward")
    loss.labels = True
    return True


def _match_reduced(loss: Reduced, name: str) -> Form | None:
    """The form of forward; where it returns an array, of the array's mean over the batch or of its sum."""
    forms = {}
    loss.holds = None
    for loss.mean in (True, False):
        forms[loss.mean] = _match(loss, name)
        if loss.holds is None:
            return forms[loss.mean]
    best = [mean for mean, form in forms.items() if form is not None and form.key == "mean"]
    best += [mean for mean, form in forms.items() if form is not None] + [True]
    loss.mean = best[0]
    return forms[loss.mean]


def _match(loss: Reduced, name: str) -> Form | None:
    batches = [batch(name, shape, seed) for seed, shape in ((1, SHAPES[0]), (2, SHAPES[1]), (3, SHAPES[0]))]
    coarse = is_coarse(lambda at: loss.value(at, batches[0][1]), batches[0][0])
    margin, extra = (5.0, 0.0)
    if name == "HingeLoss":
        margin, extra = _find_margin(loss, 2 if coarse else 9)
    theirs = [loss.value(*given) for given in batches]
    tolerance = 1e-4 if coarse else 1e-6
    total = lambda o, t: len(o) * loss_value(name, o, t, margin)  # noqa: E731
    found, best = None, tolerance
    for epsilon in EPSILONS if name == "SoftmaxCrossEntropyLoss" else (0.0,):
        values = [loss_value(name, *given, margin) + extra + _shortened(*given, epsilon) for given in batches]
        for key, factor, words, convention in SCALES:
            true = [factor(*given[0].shape) * value for given, value in zip(batches, values)]
            error = relative_error(np.array(theirs), np.array(true))
            if error < best:
                found = Form(key, words, factor, total, convention, epsilon, margin, extra)
                best = 0.01 * error  # another epsilon must be far nearer
    if found:
        return found
    # The sum over the batch divided by one number, whatever the size of the batch?
    ratios = np.array(theirs) / [loss_value(name, *given, margin) * len(given[0]) for given in batches]
    if ratios[0] > 0 and abs(extra) < 1e-6 and np.allclose(ratios, ratios[0], rtol=tolerance):
        size = 1 / ratios[0]
        words = f"the sum divided by {size:.6g}, a fixed number, where the batch size belongs"
        return Form("fixed-batch", words, lambda n, k: n / size, total, False, 0.0, margin, extra)
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


ABOUT_THE_MEAN = ("sum", "sum-no-half", "mean-of-all", "over-n-twice", "over-k", "fixed-batch")


def _accept(loss: Reduced, name: str, form: Form) -> Form:
    if loss.columns:
        loss.row.remark("agreement", "other convention: samples in columns, not in rows", mistake="columns")
    report_shape(loss)
    if form.epsilon:
        added = f"{form.epsilon:g} is added in the logarithm"
        message = f"{added}: a large loss is cut off; log-sum-exp needs no such number"
        loss.row.remark("agreement", message, mistake="epsilon", at="forward")
    if name == "HingeLoss":
        _report_margin(loss.row, form)
    if form.key == "mean":
        return form
    column = "mean" if form.key in ABOUT_THE_MEAN else "agreement"
    if form.convention:
        loss.row.remark(column, f"other convention: {form.words}", mistake=form.key, at="forward")
    else:
        loss.row.wrong(column, f"forward is wrong: {form.words}", mistake=form.key, at="forward")
    return form


def report_shape(loss: Reduced) -> None:
    """forward returns an array: one loss per sample is a convention, all else lacks a sum."""
    lacks = MISSING_SUM.get(loss.holds)
    if loss.holds == PER_SAMPLE and not loss.mean:
        lacks = "the losses of the samples, each divided by N already: sum them"
    if loss.holds == PER_OUTPUT and not loss.mean:
        lacks = "a number for each output: sum over the columns and the samples, 1/N is there already"
    if lacks:
        message = f"forward returns shape {loss.shape}, {lacks}"
        loss.row.wrong("agreement", message, mistake="missing-sum", at="forward")


def _report_margin(row: Row, form: Form) -> None:
    if form.margin <= 0:
        key, words = ("margin-missing", "missing") if form.margin == 0 else ("margin-sign", f"{form.margin:g}")
        row.wrong("agreement", f"forward is wrong: the margin is {words}", mistake=key, at="forward")
    elif form.margin != 5:
        message = f"other convention: the margin is {form.margin:g} unless given, 5 in the assignment"
        row.remark("agreement", message, mistake="margin-default")
    if abs(form.extra) > 1e-6:
        counted = abs(form.extra - form.margin) < 1e-6
        why = ": the target's own column is counted, max(0, margin) more" if counted else ""
        key = "target-counted" if counted else "constant-added"
        row.wrong("agreement", f"forward is {form.extra:g} per sample too large{why}", mistake=key, at="forward")


def _is_another(loss: Reduced, name: str) -> bool:
    """forward is the definition under no known factor: is it another formula with a name?"""
    batches = [batch(name, shape, seed) for seed, shape in ((1, SHAPES[0]), (2, SHAPES[1]))]
    theirs = np.array([loss.value(*given) for given in batches])
    sizes = np.array([len(given[0]) for given in batches])
    for key, words, total in OTHER_LOSSES[name]:
        for margin, sign in itertools.product((5.0, 1.0, 0.5), (1, -1)):
            true = np.array([sign * total(*given, margin) for given in batches])
            for over in (sizes, 1.0, 2.0 * sizes, SHAPES[0][1] * sizes):
                if relative_error(theirs, true / over) < 1e-6:
                    report_shape(loss)
                    words += ", and the sign is the opposite one" if sign < 0 else ""
                    if key in KNOWN_VARIANTS and sign > 0:
                        loss.row.remark("agreement", f"other convention: forward is {words}", mistake=key, at="forward")
                    else:
                        message, slip = f"forward is wrong: it is {words}", _slip(loss, name)
                        where = slip and slip.where
                        loss.row.wrong("agreement", message, mistake=key, at="forward", where=where)
                    return True
    return False


def _report_value(loss: Reduced, name: str) -> None:
    """forward is no formula with a name: the first sample that shows it, or the batch."""
    message = "forward is not the loss of the assignment, nor that under a known convention"
    o, t = batch(name, SHAPES[0])
    value, true, slip = loss.value(o, t), loss_value(name, o, t), None
    if np.isclose(value, true, rtol=1e-6):  # it is that of ties or of large outputs that differs
        message, o = "forward is wrong where outputs are equal (ties)", 0 * o
        if np.isclose(loss.value(o, t), loss_value(name, o, t), rtol=1e-6):
            loss.row.unsafe("agreement", "a large loss is cut off", mistake="clipped", at="forward")
            return
    elif np.isfinite(value) and value == round(value) and 0 <= true - value < 2:
        message = "forward is rounded to an integer: / where // or int(...) stands"
    else:
        slip = _slip(loss, name)
        message = f"forward is wrong: {slip.words}" if slip else message
    evidence = difference(loss, lambda o, t: loss_value(name, o, t), (o, t))
    loss.row.wrong("agreement", message, at="forward", where=slip and slip.where, evidence=evidence)


def _slip(loss: Reduced, name: str) -> Slip | None:
    """What makes forward the loss; what is finite far out must stay so."""
    o, t = batch(name, SHAPES[0])
    true, finite = loss_value(name, o, t), np.isfinite(loss.value(1000 * o, t))

    def works() -> bool:
        fresh = loss.again()
        if not np.isclose(fresh.value(o, t), true, rtol=1e-4) or np.isfinite(fresh.value(1000 * o, t)) < finite:
            return False
        form = _match(fresh, name)
        return form is not None and form.key == "mean"

    return find_slip(loss.row.cls, "forward", works)


def difference(loss: Reduced, right, given: tuple[np.ndarray, np.ndarray]) -> str:
    """The first sample for which forward and the definition differ; the batch, if no sample alone does."""
    o, t = given
    for n in range(len(o)):
        one = o[n : n + 1], t[n : n + 1]
        theirs, true = loss.value(*one), right(*one)
        if not abs(theirs - true) <= 1e-6 * abs(true):
            return f"for one sample, o = {numbers(one[0])}, t = {numbers(one[1])}: {pair(theirs, true)}"
    return f"for a batch of {len(o)} samples: {pair(loss.value(o, t), right(o, t))}, though each alone is right"
