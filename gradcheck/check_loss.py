"""The rows of losses: whether backward is the derivative of forward. What forward is, loss_conventions.py finds out."""

from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace

import numpy as np

from gradcheck.catalogue import WRONG, Diagnosis, diagnose, named
from gradcheck.check_activation import COARSE, FINE, NO_DEFINITION, SINGLE, difference_quotient, expect_slopes
from gradcheck.check_batches import report_setting
from gradcheck.check_together import ratio
from gradcheck.definitions import LOSSES, OF_PROBABILITIES, SILENT, WEIGHTS, focal
from gradcheck.errors import describe
from gradcheck.find_slip import CHANGES, IF_NAMED, find_slip
from gradcheck.loss_conventions import PER_SAMPLE, SHAPES, SPREAD, Reduced, batch, find_known, find_other
from gradcheck.mistakes_losses import KNOWN_VARIANTS, SCALES
from gradcheck.reference import central_differences, is_coarse, loss_gradient, relative_error, relative_errors, softmax
from gradcheck.report_rows import FACTOR_KEYS, VAGUE, NotWritten, Row, first_difference, numbers, pair
from gradcheck.source import is_stub

TALL = (12, 10)  # more samples than columns


class LossCheck(SimpleNamespace):
    """One loss under test: row, make, name, loss (Reduced), o, t, form (None: it is not the definition).

    known: it is one of the assignment's three losses. of_sum: backward is the gradient of the sum over the batch.
    """

    def scale(self) -> float:
        """What forward is multiplied by, against the mean."""
        factor = self.form.factor(*self.o.shape) if self.form and self.form.convention else 1.0
        return factor * (len(self.o) if self.of_sum else 1)

    def far(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Outputs with a cross-entropy of 60 for each sample, and of 600."""
        o, t = np.zeros((2, 10)), np.eye(10)[:2]
        o[0, :3], o[1, :3] = (-30.0, 30.0, 0.0), (2.0, -28.0, 32.0)
        return [(o, t), (10 * o, t)]

    def gradient(self) -> np.ndarray:
        """The gradient of the definition, as a mean."""
        if not self.known:
            return central_differences(lambda o: self.form.total(o, self.t) / len(o), self.o, 1e-5)
        return loss_gradient(self.name, self.o, self.t, self.form.margin if self.form else 5.0)


def check_loss(
    row: Row, make: Callable, name: str, columns_elsewhere: bool | None = None, settings: dict | None = None
) -> None:
    """name: what the assignment calls it; another name: backward is held against its own forward alone.

    columns_elsewhere: whether the layers of the same submission keep samples in columns, None if that is not known.
    settings: argument of the constructor -> what makes an object with another value of it.
    """
    check = LossCheck(row=row, make=make, name=name, known=name in SPREAD, form=None)
    check.probabilities, check.of_sum = False, False
    check.o, check.t = batch(name, SHAPES[0])
    usable = False
    with row.stage("agreement"):
        check.loss = Reduced(make, row, bool(columns_elsewhere) and not check.known)
        find = find_known if check.known else find_other
        usable = find(check, columns_elsewhere)
    if not usable:
        return
    if not check.known and check.form is None and not check.probabilities:
        _try_probabilities(check)
    with row.stage("gradient"):
        if not check.loss.gives_both and (not hasattr(row.cls, "backward") or is_stub(row.cls.backward)):
            raise NotWritten("backward")
        _check_gradient(check)
    if row.error is None:
        return
    if not check.known and name not in LOSSES:
        row.note("use", NO_DEFINITION.format(name), mistake="no-definition")
    row.hints["columns"] = check.loss.columns
    with row.stage("mean"):
        _check_mean(check)
    with row.stage("finite"):
        _check_finite(check)
    with row.stage("float32"):
        loss, o, t = check.loss, check.o.astype(np.float32), check.t.astype(np.float32)
        loss.value(o, t)
        grad = loss.array("backward", o, t)
        if grad.dtype != np.float32:
            message = f"backward turns float32 into {grad.dtype}, and with it all that follows"
            row.note("float32", message, mistake="float32-lost")
    with row.stage("arguments"):
        _check_stateless(check)
    with row.stage("agreement"):
        for argument, other in (settings or {}).items():
            if not check.coarse:
                _check_setting(check, argument, other)


def _try_probabilities(check: LossCheck) -> None:
    """A loss without a definition: is backward right for probabilities, and only for these?"""

    def fits(o: np.ndarray) -> bool:
        value = check.loss.value(o, check.t)
        true = central_differences(lambda at: check.loss.value(at, check.t), o, 1e-6)
        check.loss.value(o, check.t)
        factor = ratio(check.loss.array("backward", o, check.t), true, 1e-3)
        return bool(np.isfinite(value)) and factor is not None

    inside = softmax(0.3 * check.o)
    with suppress(Exception):
        if not fits(check.o) and fits(inside):
            check.o, check.probabilities = inside, True
            check.row.remark("agreement", OF_PROBABILITIES, mistake="probabilities", at="forward")


def _check_gradient(check: LossCheck) -> None:
    """backward against central differences of forward, or of its definition where that can stand for them."""
    row, loss, name, o, t, form = check.row, check.loss, check.name, check.o, check.t, check.form
    total = lambda at: loss.value(at, t)  # noqa: E731
    check.few = loss.value(o[:3], t[:3])
    check.value = loss.value(o, t)
    theirs = loss.array("backward", o, t)
    check.coarse = coarse = is_coarse(total, o)
    step, tolerance = COARSE if coarse else FINE
    true = central_differences(total, o, step)
    if np.isnan(true).any() and row.has("wrong", "agreement"):
        # forward is wrong, and has been said to be: backward may be that of the definition
        if check.known and relative_error(theirs, check.gradient()) > tolerance:
            _report_gradient(check, theirs, check.gradient(), total, tolerance)
        return
    expect_slopes(true)
    if coarse and check.known and form and form.convention:
        true, tolerance = check.scale() * check.gradient(), SINGLE
    if theirs.shape == true.T.shape != true.shape and relative_error(theirs.T, true) <= tolerance:
        theirs = _report_turned(check, theirs)
    if loss.holds == PER_SAMPLE and loss.mean:
        true = _report_per_sample(check, theirs, true, tolerance)
    is_sum = check.of_sum or getattr(form, "key", "") in ("sum", "sum-no-half")
    factor = ratio(theirs, true)
    row.hints["ratio"] = (factor * (len(o) if is_sum else 1), len(o)) if factor else None
    row.error = relative_error(theirs, true)
    if row.error <= tolerance:
        with row.stage("finite"):
            _check_far(check)
        return
    if check.known and not (form and form.convention) and relative_error(theirs, check.gradient()) <= tolerance:
        row.columns["gradient"] = "wrong"  # backward is that of the definition: the fault is forward's
        if not row.has("wrong", "agreement"):
            variant = next((f for f in row.findings if f.mistake in KNOWN_VARIANTS), None)
            message = "forward and backward disagree: backward is that of the assignment's loss, forward another"
            row.wrong("agreement", message, mistake="other-loss", where=variant and variant.where)
        return
    if form and relative_error(theirs, check.scale() * check.gradient()) <= tolerance:
        # backward is that of the definition: does forward have an epsilon in its logarithm?
        _check_far(check)
        if not check.known:
            message = f"forward is {name} to a few digits only: is a small number added in its logarithm?"
            row.remark("agreement", message, mistake="epsilon", at="forward")
        if row.has("unsafe", "agreement") or not check.known:
            return
    with row.stage("agreement"):
        _check_cut(check)
    _report_gradient(check, theirs, true, total, tolerance)


def _report_turned(check: LossCheck, theirs: np.ndarray) -> np.ndarray:
    """backward is right, but transposed: a convention if the layers beside it take gradients so."""
    together = check.row.hints.get("gradient_columns_elsewhere")
    message = "gradients are handed back transposed, (K, N), forward's arrays are not"
    if together is not None and together != check.loss.columns:
        message = f"other convention: {message}: beside classes that do not do so it raises"
        check.row.remark("agreement", message, mistake="gradient-columns", at="backward")
    else:
        check.row.wrong("gradient", f"backward is wrong: {message}", mistake="transposed", at="backward")
    check.loss.gradient_columns = not check.loss.columns
    return theirs.T


def _report_per_sample(check: LossCheck, theirs: np.ndarray, true: np.ndarray, tolerance: float) -> np.ndarray:
    """One loss per sample says nothing about mean or sum: backward may be the derivative of either."""
    n = len(check.o)
    # As a last resort the definition: forward may be right to a few digits only.
    of_sum = relative_error(theirs, n * true) <= tolerance
    if check.known and check.form:
        of_sum = of_sum or relative_error(theirs, n * check.scale() * check.gradient()) < 1e-3
    if not of_sum and relative_error(theirs, true) > tolerance:  # a wrong one: of which is it the smaller mistake?
        found = diagnose(f"{check.name}.grad_input", theirs / check.scale(), _case(check, true), tolerance)
        of_sum = found is None or "1/N" in found.message or "N times too large" in found.message
    which = "backward is the derivative of their sum" if of_sum else "backward is that of their mean"
    message = f"other convention: one loss per sample, not their mean; {which}"
    check.row.remark("agreement", message, mistake="per-sample", at="forward")
    check.of_sum = bool(of_sum)
    return n * true if of_sum else true


def _case(check: LossCheck, true: np.ndarray) -> SimpleNamespace:
    """What the catalogue computes with, in units of the definition where forward is that: it knows the mean."""
    form, (n, k) = check.form, check.o.shape
    base = check.gradient() if form and form.convention else true / check.scale()
    margin = form.margin if form else 5.0
    case = SimpleNamespace(o=check.o, t=check.t, n=n, k=k, margin=margin, true=base, p=softmax(check.o))
    parameters = {"gamma": 2.0, "weights": 1.0} | getattr(form and form.total, "keywords", {})
    return SimpleNamespace(**vars(case), **parameters)


def _report_gradient(check: LossCheck, theirs: np.ndarray, true: np.ndarray, total: Callable, tolerance: float) -> None:
    """backward is wrong: how."""
    row, form, (n, k) = check.row, check.form, check.o.shape
    turned = theirs.shape == true.T.shape != true.shape
    if turned:
        theirs = theirs.T
    if check.known and form and not form.convention:
        true = check.gradient()  # forward has a fault of its own, which is said: backward shall fit the definition
    case = _case(check, true)
    found = diagnose(f"{check.name}.grad_input", theirs / check.scale(), case, tolerance)
    if found is None or found.key == "constant-factor":
        found = difference_quotient(total, check.o, theirs, true) or found
    if found is None and check.loss.holds != PER_SAMPLE and form and form.epsilon:
        found = diagnose(f"{check.name}.grad_input", theirs, SimpleNamespace(**vars(case) | {"true": true}), tolerance)
    if found is None:
        found = _under_another_scale(check, theirs, case, tolerance)
    if found is None and theirs.shape == true.shape:
        found = _in_one_place(theirs, true, check.t, tolerance)
    message = "backward is wrong" + (f": {found.message}" if found else "")
    same = found is not None and found.key == "opposite-sign"
    if form and form.key != "mean" and not same and check.name not in SILENT:
        expected = check.gradient()
        names = {words.split(",")[0]: scale(n, k) for _, scale, words, _ in SCALES}  # without their second half
        own = [words for words, factor in names.items() if relative_error(theirs, factor * expected) <= tolerance]
        if own or not found:
            message = f"; backward is that of {own[0]}" if own else ", and backward is wrong"
            scale = form.words if check.known else next(words for key, _, words, _ in SCALES if key == form.key)
            message = f"forward and backward disagree: forward is {scale.split(',')[0]}{message}"

    message = f"{message}; and it is transposed" if turned else message

    def inputs(index: tuple) -> str:
        return f"o[{index[0]}] = {numbers(check.o[index[0]])}, t[{index[0]}] = {numbers(check.t[index[0]])}"

    evidence = first_difference("backward", theirs, true, inputs, tolerance)
    factor = found is not None and found.key in FACTOR_KEYS
    named = found is not None and found.alone and found.key not in VAGUE
    slip, most = None, IF_NAMED if named else CHANGES
    if not (factor and named):
        slip = find_slip(row.cls, "backward", lambda: _works(check, true, tolerance), most=most)
    if slip and not named:
        message = f"backward is wrong: {slip.words}"
    key, where = found and found.key, slip and slip.where
    at = "backward return" if factor else "backward"
    row.wrong("gradient", message, mistake=key, at=at, where=where, evidence=evidence)


def _works(check: LossCheck, true: np.ndarray, tolerance: float) -> bool:
    """Whether backward of a new object is right, and forward what it is."""
    loss, few = check.loss.again(), slice(3)
    if abs(loss.value(check.o, check.t) - check.value) > 1e-9 * abs(check.value):
        return False
    if relative_error(loss.array("backward", check.o, check.t), true) > tolerance:
        return False
    value = loss.value(check.o[few], check.t[few])  # and for a smaller batch
    if check.coarse or abs(value - check.few) > 1e-9 * abs(value):
        return check.coarse
    slopes = central_differences(lambda o: loss.value(o, check.t[few]), check.o[few], 1e-5)
    return _near(loss.array("backward", check.o[few], check.t[few]), slopes * (3 if check.of_sum else 1), value)


def _under_another_scale(check: LossCheck, theirs: np.ndarray, case, tolerance: float) -> Diagnosis | None:
    """A wrong formula that is not scaled as forward is."""
    for key, scale, words, _ in SCALES:
        wrong = named(theirs / scale(case.n, case.k), WRONG.get(f"{check.name}.grad_input", []), case, tolerance)
        if wrong:
            both = f"{wrong.message}; and it is {words.split(',')[0]}"
            return Diagnosis(wrong.key, wrong.message if check.form and key == check.form.key else both)
    return None


def _in_one_place(theirs: np.ndarray, true: np.ndarray, t: np.ndarray, tolerance: float) -> Diagnosis | None:
    """Which columns or samples a wrong gradient is wrong in, where the others are right."""
    bad = relative_errors(theirs, true) > tolerance
    rows, columns = (np.flatnonzero(bad.any(axis=axis)) for axis in (1, 0))
    if not bad[t == 0].any():
        return Diagnosis("one-place", "only in the target's column")
    if not bad[t == 1].any():
        return Diagnosis("one-place", "in all columns but the target's")
    if len(rows) < len(t):
        return Diagnosis("one-place", f"only in some samples, the first of them number {rows[0] + 1} of {len(t)}")
    bad &= t == 0
    columns = np.flatnonzero(bad.any(axis=0))
    if len(columns) == 1:
        return Diagnosis("one-place", f"only in column {columns[0]} and that of the target")
    return None


def _check_far(check: LossCheck) -> None:
    """More samples than columns, and outputs far out: is forward still its loss, and backward the derivative of it?"""
    if check.row.has("unsafe", "agreement"):  # what is cut off has been said
        return
    o, t = batch(check.name, TALL, 5)
    far = [(softmax(0.3 * o), t)] if check.probabilities else [(o, t), *check.far(), (8 * o, t), (50 * o, t)]
    all(_check_there(check, *given) for given in far)  # up to the first fault


def _check_there(check: LossCheck, o: np.ndarray, t: np.ndarray) -> bool:
    """Value and gradient for this batch; False if it is no use to look further out."""
    row, loss, form = check.row, check.loss, check.form
    value, grad = loss.value(o, t), loss.array("backward", o, t)
    if not (np.isfinite(value) and np.isfinite(grad).all()):
        return False
    at = LossCheck(**vars(check) | {"o": o, "t": t})
    with np.errstate(all="ignore"):
        right = form.total(o, t) / len(o) if form else np.nan
        slope = at.gradient() * at.scale() if form else None
    mean = value / form.factor(*o.shape) if form else value
    if check.coarse:
        true = slope
    else:
        true = central_differences(lambda at: loss.value(at, t), o, 1e-5) * (len(o) if check.of_sum else 1)
    fits = [other is not None and _near(grad, other, value) for other in (true, slope)]
    if np.isfinite(right) and abs(mean - right) > 1e-4 * abs(right) and not row.has("wrong"):
        row.findings[:] = [finding for finding in row.findings if finding.mistake != "epsilon"]
        added = f"{form.epsilon:g} is added in the logarithm"
        what = added if form.epsilon else "a large loss is cut off by a clip or a number in the logarithm"
        follows = ", and its gradient follows" if fits[0] else ", and backward is not the derivative of that"
        message = f"{what}: a loss of {right:.3g} is {mean:.3g}{follows}"
        where = _cutting_line(check, o, t, right * form.factor(*o.shape))
        row.unsafe("agreement", message, mistake="clipped", at="forward", where=where)
        return False
    if not any(fits) and true is not None:
        spread = np.abs(o).max()
        size = f"{len(o)} sample{'s' * (len(o) > 1)}"
        message = f"backward is wrong for {size} with outputs up to {spread:.3g}, right for others"
        index = tuple(np.argwhere(np.abs(grad - true) > 1e-3 * np.abs(true).max())[0])
        evidence = f"backward is {pair(grad[index], true[index])}, at o[{index[0]}] = {numbers(o[index[0]])}"
        row.wrong("gradient", message, mistake="far", at="backward", evidence=evidence)
        return False
    return True


def _check_cut(check: LossCheck) -> None:
    """backward is wrong: beside that, does forward cut off a large loss?"""
    form, (o, t) = check.form, check.far()[0]
    value, right = check.loss.value(o, t), form.total(o, t) / len(o) * form.factor(*o.shape) if form else np.nan
    said = any(finding.mistake in ("clipped", "epsilon") for finding in check.row.findings)
    if abs(value - right) > 1e-4 * abs(right) and not said:
        message = f"a large loss is cut off by a clip or a number in the logarithm: one of {right:.3g} is {value:.3g}"
        where = _cutting_line(check, o, t, right)
        check.row.unsafe("agreement", message, mistake="clipped", at="forward", where=where)


def _cutting_line(check: LossCheck, o: np.ndarray, t: np.ndarray, right: float) -> str | None:
    """The line without which forward is `right`, nothing being cut off."""
    slip = find_slip(check.row.cls, "forward", lambda: np.isclose(check.loss.again().value(o, t), right), most=IF_NAMED)
    return slip and slip.where


def _near(theirs: np.ndarray, true: np.ndarray, value: float) -> bool:
    """Equal, within what rounding leaves of a difference of large values; NaN is a kink."""
    if theirs.shape != true.shape or not np.isfinite(theirs).all():
        return False
    largest = np.nanmax(np.abs(true), initial=np.abs(theirs).max())
    return not (np.abs(theirs - true) > 1e-3 * largest + 1e-10 * abs(value)).any()


def _check_mean(check: LossCheck) -> None:
    """The same batch twice over has the same mean, and so have its samples one by one."""
    row, loss, o, t = check.row, check.loss, check.o, check.t
    once, twice = loss.value(o, t), loss.value(np.vstack([o, o]), np.vstack([t, t]))
    if abs(twice - once) > 1e-5 * abs(once) and not row.columns.get("mean") and not loss.holds:
        ratio = twice / once if once else float("nan")
        row.remark("mean", f"the same batch twice over gives {ratio:.3g} times the loss: it is no mean", mistake="sum")
    if not (check.probabilities or row.has("wrong") or row.has("unsafe", "agreement")):
        _check_there(check, o[:1], t[:1])
    if check.known and check.form and check.form.key == "mean" and not loss.holds:
        singles = [loss.value(o[n : n + 1], t[n : n + 1]) for n in range(len(o))]
        loss.value(o[:1], t[:1])
        shape = loss.array("backward", o[:1], t[:1]).shape
        shape = shape if not row.has("wrong", "gradient") else o[:1].shape
        if abs(np.mean(singles) - once) > 1e-4 * abs(once) or shape != o[:1].shape:
            row.wrong("mean", "a batch of one sample is treated otherwise than a larger one", mistake="single-sample")


NOT_FINITE = (
    ("overflow", "overflow-softmax", "exp overflows; subtract each row's largest output first (log-sum-exp)"),
    ("zero encountered in log", "log-of-zero", "the logarithm of 0; use o - max - log sum exp(o - max) (log-sum-exp)"),
    ("in divide", "underflow-softmax", "a division by 0 where exp underflows; subtract each row's own largest output"),
    ("", "not-finite", "0 times inf, or inf - inf"),
)


def _check_finite(check: LossCheck) -> None:
    loss = check.loss
    signs = np.array([[1, -1, -1, 0], [-1, 1, 1, 0], [1, 1, 1, 1], [-1, -1, -1, -1], [0, 1, 0, -1]], float)
    o, t = 1000.0 * np.tile(signs, 3)[:, :10], np.eye(10)[[0, 0, 1, 2, 3]]
    if check.probabilities:
        o = t  # the best prediction there is: a probability of 0 stands beside a target of 0
    for dtype in (np.float64, np.float32):
        value = loss.value(o.astype(dtype), t.astype(dtype))
        grad = loss.array("backward", o.astype(dtype), t.astype(dtype))
        if not (np.isfinite(value) and np.isfinite(grad).all()):
            _report_infinite(check, value, grad)
            return
    if not check.probabilities:
        value = loss.value(t, t)
        if not (np.isfinite(value) and np.isfinite(loss.array("backward", t, t)).all()):
            message = "forward or backward is nan where the outputs equal the target: 0 / 0"
            check.row.unsafe("finite", message, mistake="not-finite", at="backward")


def _report_infinite(check: LossCheck, value: float, grad: np.ndarray) -> None:
    bad = [method for method, found in (("forward", value), ("backward", grad)) if not np.isfinite(found).all()]
    where, text = check.loss.line_that_fails(bad[0])
    message = f"{' and '.join(bad)} {'are' if len(bad) > 1 else 'is'} not finite at "
    message += "probabilities of 0 and 1" if check.probabilities else "outputs of ±1000"
    key = "not-finite"
    if text and not check.probabilities:
        _, key, why = next(entry for entry in NOT_FINITE if entry[0] in text)
        why = why if check.known or check.name in LOSSES else why.split(";")[0]
        message += f": {why}"
    check.row.unsafe("finite", message, mistake=key, where=where, at=bad[0])


def _check_stateless(check: LossCheck) -> None:
    """backward of a new object, and after a forward of another batch, is the same as after its own forward."""
    row, loss, o, t = check.row, check.loss, check.o, check.t
    loss.value(o, t)
    expected = loss.array("backward", o, t)
    fresh = loss.again()
    others = [batch("", SHAPES[0], seed) for seed in (7, 8)]
    try:
        same = np.allclose(fresh.array("backward", o, t), expected)
    except Exception:
        same = False
    if same:
        loss.value(*others[0])
        other = loss.array("backward", o, t)
        same = other.shape == expected.shape and np.allclose(other, expected)
    if not same:
        row.note("use", "backward needs the forward of the same batch before it", mistake="stateful", at="backward")
    loss.value(o, t)
    kept = loss.call("backward", o, t)
    copy = np.array(kept)
    loss.value(*others[1])
    loss.array("backward", *others[1])
    if not np.array_equal(kept, copy, equal_nan=True):
        row.remark("arguments", "backward writes into the array that it returned before", mistake="output-overwritten")


def _check_weights(check: LossCheck, value: float) -> None:
    """A focal loss that was given the weights of the classes: is each sample's that of its target?"""
    gamma = getattr(check.form.total, "keywords", {}).get("gamma", 2.0)
    right = check.form.factor(*check.o.shape) * focal(check.o, check.t, gamma, WEIGHTS) / len(check.o)
    if abs(value - right) > 1e-4 * abs(right):
        message = f"forward is wrong with alpha given: it is not the weight of the target's class: {pair(value, right)}"
        check.row.wrong("agreement", message, mistake="alpha", at="forward")


def _check_setting(check: LossCheck, argument: str, make: Callable) -> None:
    """With another margin (gamma, ...) forward is another, and backward still its derivative."""
    loss, o, t = check.loss.again(), check.o, check.t
    default = loss.value(o, t)
    try:
        loss.make, loss.subject = make, make()
        value = loss.value(o, t)
    except Exception as error:
        message, where = describe(error)
        message = f"{argument} cannot be given, only left out: with one it {message}"
        check.row.remark("agreement", message, mistake="argument-raises", where=where)
        return
    if argument == "alpha" and check.form:
        _check_weights(check, value)

    def fits() -> bool:
        true = central_differences(lambda at: loss.value(at, t), o, 1e-5) * (len(o) if check.of_sum else 1)
        return _near(loss.array("backward", o, t), true, loss.value(o, t))

    report_setting(check.row, argument, lambda: loss.value(o, t) == default, fits)
