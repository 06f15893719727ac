"""The catalogue of mistakes: what people get wrong in this assignment, each as the wrong formula it amounts to.

A diagnosis is not guessed from the code. The wrong formula is computed on the same inputs as the submission, and only
if the numbers agree is the mistake named. Here are the mistakes that any gradient may have and the search; those of
one class are in mistakes_layers.py and mistakes_losses.py, those of the SGD step in check_step.py.
"""

from typing import NamedTuple

import numpy as np

from gradcheck.check_together import ratio
from gradcheck.mistakes_layers import WRONG_LAYERS, Mistake, wrong_constants
from gradcheck.mistakes_losses import WRONG_LOSSES
from gradcheck.reference import relative_error

WRONG = WRONG_LAYERS | WRONG_LOSSES


class Diagnosis(NamedTuple):
    key: str
    message: str
    alone: bool = True  # False: two mistakes, one on top of the other; one change of the code is likelier


# One mistake that any gradient may have on top, or alone: key, factor of a case, words.
FACTORS = (
    ("opposite-sign", lambda c: -1.0, "it has the opposite sign"),
    ("times-n", lambda c: c.n, "it is N times too large: the 1/N of the mean over the batch is forgotten"),
    ("over-n", lambda c: 1 / c.n, "it is N times too small: divided by the batch size where nothing is, or twice"),
    ("factor-two", lambda c: 2.0, "it is twice the right one: the 1/2 of the formula or the 2 of its derivative"),
    ("factor-half", lambda c: 0.5, "it is half the right one: the 2 that differentiating a square brings is missing"),
    ("over-k", lambda c: 1 / c.k, "it is divided by the number of columns too"),
    ("n-over-k", lambda c: c.n / c.k, "it is divided by 10, the number of columns, where the batch size belongs"),
    ("times-n-minus", lambda c: -c.n, "it has the opposite sign, and the 1/N of the mean is forgotten"),
    ("two-over-k", lambda c: 2 / c.k, "it is that of np.mean(difference ** 2), over all numbers and without the 1/2"),
    ("over-others", lambda c: 1 / (c.k - 1), "it is divided by the number of the other classes too"),
    ("times-k", lambda c: c.k, "it is K times too large: the 1/K of a mean over all N K numbers is forgotten"),
    ("times-n-k", lambda c: c.n * c.k, "it is N K times too large: neither the 1/N nor the 1/K of the mean is there"),
    ("over-n-twice", lambda c: 1 / c.n**2, "it is divided by the batch size twice too often"),
)

# Those that come on top of another mistake.
ON_TOP = ("opposite-sign", "times-n", "over-n", "times-n-minus", "factor-two", "factor-half")
FIXED = "it is divided by {}, a fixed number, where the batch size belongs"
FACTORS += tuple(
    ("fixed-batch", lambda c, size=size: c.n / size, FIXED.format(size))
    for size in (100, 128, 64, 32, 50, 256, 200, 1000)
)

CLIPPED = "grad_output is clipped to ±{:g} first"
# Any gradient: what no factor explains.
ANY = (
    Mistake("zero", "it is all zeros", lambda c: np.zeros_like(c.true)),
    Mistake("accumulated", "it is added to the last batch's (+=) where it should be written (=)", lambda c: c.sum),
    Mistake("stale", "it is still that of an earlier batch", lambda c: c.before),
    Mistake("stale", "it takes the input of an earlier batch: forward keeps its first one", lambda c: c.with_old_input),
    Mistake("transposed", "it is transposed", lambda c: c.true.T),
    Mistake("grad-left-out", "grad_output is left out of the chain rule", lambda c: c.true / c.g),
    Mistake("batch-sum", "it is summed over the batch: a row for each sample is needed", lambda c: c.true.sum(axis=0)),
    *(
        Mistake("grad-clipped", CLIPPED.format(limit), lambda c, limit=limit: c.of_grad(np.clip(c.g, -limit, limit)))
        for limit in (1.0, 0.5, 2.0, 0.1, 3.0)
    ),
    Mistake("truncated", "the input is kept as integers: digits are lost", lambda c: c.of_input(np.trunc(c.x))),
    Mistake("passed-on", "it hands on grad_output as it came", lambda c: c.g),
)


def named(theirs: np.ndarray, mistakes: list[Mistake], case, tolerance: float) -> Mistake | None:
    """The first of these mistakes that gives exactly these numbers on this case."""
    for mistake in mistakes:
        try:
            with np.errstate(all="ignore"):
                wrong = np.asarray(mistake.wrong(case), float)
        except (AttributeError, ValueError, TypeError):  # it needs an input that this case has not
            continue
        if agree(theirs, wrong, tolerance):
            return mistake
    return None


def agree(theirs: np.ndarray, wrong: np.ndarray, tolerance: float) -> bool:
    """Whether two values are the same but for axes of length 1."""
    fits = np.squeeze(theirs).shape == np.squeeze(wrong).shape
    return fits and relative_error(theirs.reshape(wrong.shape), wrong) < tolerance


def diagnose(value: str, theirs: np.ndarray, case, tolerance: float) -> Diagnosis | None:
    """What is probably wrong with `value` (such as Linear.grad_W), given the wrong numbers and the case."""
    own = WRONG.get(value, [])
    is_gradient = not value.endswith(".forward")
    found = named(theirs, own, case, tolerance)
    if found:
        return Diagnosis(found.key, found.message)
    if is_gradient:
        for key, factor, message in FACTORS:
            if hasattr(case, "k") and agree(theirs, factor(case) * case.true, tolerance):
                return Diagnosis(key, message)
    found = named(theirs, list(ANY), case, tolerance)
    if found and (is_gradient or found.key in ("zero", "stale")):
        return Diagnosis(found.key, found.message, found.key != "truncated")
    if is_gradient and hasattr(case, "k"):
        for _, factor, message in [entry for entry in FACTORS if entry[0] in ON_TOP]:
            found = named(theirs / factor(case), [*own, *ANY[1:]], case, tolerance)
            if found:
                return Diagnosis(found.key, f"{found.message}; and {message.split(':')[0]}", False)
    limit = float(np.abs(theirs).max(initial=0.0))
    if is_gradient and (np.abs(theirs) == limit).sum() > 1 and agree(theirs, case.true.clip(-limit, limit), tolerance):
        each = f"each sample's is clipped to ±{limit * case.n:g}" if hasattr(case, "o") else ""
        return Diagnosis("result-clipped", each or f"it is clipped to ±{limit:g}")
    constants = wrong_constants(value, theirs, case) if value.startswith("Gelu.") else None
    if constants:
        return Diagnosis("gelu-constants", constants)
    factor = ratio(theirs, case.true, tolerance)
    return Diagnosis("constant-factor", f"it is {factor:.6g} times the right one") if factor else None
