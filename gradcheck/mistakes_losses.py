"""The catalogue for losses: wrong gradients, the factors of a loss against the mean, and losses taken for another."""

import numpy as np

from gradcheck.mistakes_layers import Mistake, table
from gradcheck.reference import sigmoid, softmax, violations


def _mask(c, margin: float | None = None) -> np.ndarray:
    """1 for each violation of this margin, of the loss's own if none is given."""
    return (violations(c.o, c.t, c.margin if margin is None else margin) > 0).astype(float)


def _mask_of_all(c) -> np.ndarray:
    """The mask with the target's own column counted: margin - o_t + o_t > 0."""
    return (c.margin - (c.o * c.t).sum(axis=1, keepdims=True) + c.o > 0).astype(float)


def _mask_of_worst(c) -> np.ndarray:
    worst = violations(c.o, c.t, c.margin)
    return ((worst == worst.max(axis=1, keepdims=True)) & (worst > 0)).astype(float)


def _hinge(c, mask: np.ndarray) -> np.ndarray:
    return mask - c.t * mask.sum(axis=1, keepdims=True)


def _softmax_of_columns_largest(o: np.ndarray) -> np.ndarray:
    """The largest output of each column is subtracted, and each column is thus shifted by another number."""
    exponentials = np.exp(o - o.max(axis=0))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def _softmax_of_rows_and_columns(o: np.ndarray) -> np.ndarray:
    """Each row's largest output is subtracted, but the sum runs over the batch."""
    exponentials = np.exp(o - o.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=0)


def _focal_with(c, second) -> np.ndarray:
    """The focal loss's gradient with second(p, gamma) times log p for the second term of its product rule."""
    p = (c.p * c.t).sum(axis=1, keepdims=True)
    weight = (c.weights * c.t).sum(axis=1, keepdims=True)
    return weight * ((1 - p) ** c.gamma + second(p, c.gamma) * np.log(p)) * (c.p - c.t)


# See mistakes_layers.WRONG_LAYERS. These are gradients of the sum over the batch; the 1/N of the mean comes on top.
# fmt: off
OF_SUMS = table({
    "EuclideanLoss.grad_input": [
        ("absolute", "it takes |o - t|: the sign is needed", lambda c: np.abs(c.o - c.t)),
        ("parentheses", "only the target is divided by N: (o - t) / N", lambda c: c.n * c.o - c.t),
        ("squared", "it is the square (o - t)^2, not its derivative", lambda c: (c.o - c.t) ** 2),
    ],
    "SoftmaxCrossEntropyLoss.grad_input": [
        ("of-logits", "it is that of the logits, o - t: the probabilities belong there", lambda c: c.o - c.t),
        ("target-left-out", "the target is left out: p stands for p - t", lambda c: c.p),
        ("of-probabilities", "it is -t / p, that of the probabilities: that of the logits is p - t",
         lambda c: -c.t / c.p),
        ("sigmoid-slope", "it is multiplied by p (1 - p), which p - t holds already",
         lambda c: (c.p - c.t) * c.p * (1 - c.p)),
        ("wrong-axis", "the softmax's sum runs over the batch (axis 0)",
         lambda c: _softmax_of_rows_and_columns(c.o) - c.t),
        ("wrong-axis", "the maximum is taken over the batch (axis 0): each row's own is needed",
         lambda c: _softmax_of_columns_largest(c.o) - c.t),
        ("wrong-axis", "the softmax runs over the whole array", lambda c: softmax(c.o, None) - c.t),
        ("parentheses", "only the target is divided by N: (p - t) / N", lambda c: c.n * c.p - c.t),
        ("sigmoid-inside", "a sigmoid stands where softmax belongs", lambda c: sigmoid(c.o) - c.t),
        ("wrong-axis", "the softmax runs over the batch, not the classes", lambda c: softmax(c.o, 0) - c.t),
    ],
    "HingeLoss.grad_input": [
        ("wrong-axis", "the violations are counted over the batch: sum over axis 1",
         lambda c: _mask(c) - c.t * _mask(c).sum(axis=0)),
        ("target-column", "the target's column lacks minus the number of violations", lambda c: _mask(c)),
        ("target-column", "the target's column has -1 where minus the number of violations belongs",
         lambda c: _mask(c) * (1 - c.t) - c.t),
        ("target-counted", "the target's own column is counted as a violation",
         lambda c: _mask(c) - c.t * _mask_of_all(c).sum(axis=1, keepdims=True)),
        ("target-counted", "the target's own column is counted as a violation", lambda c: _mask_of_all(c)),
        ("margin-missing", "the margin is missing in backward", lambda c: _hinge(c, _mask(c, 0.0))),
        *(("margin-other", f"backward has another margin ({margin:g}) than forward",
           lambda c, margin=margin: _hinge(c, _mask(c, margin)))
          for margin in (1.0, 0.5, 2.0, 4.0, 10.0)),
        ("target-column", "the target's column has plus the number of violations: minus belongs there",
         lambda c: _hinge(c, _mask(c)) * (1 - 2 * c.t)),
        ("margin-sign", "the margin has the wrong sign", lambda c: _hinge(c, _mask(c, -c.margin))),
        ("values-not-mask", "it holds the violations themselves where 1 for each belongs",
         lambda c: _hinge(c, violations(c.o, c.t, c.margin))),
        ("own-column", "it has a wrong mask: the target's output is subtracted in its own column only",
         lambda c: _hinge(c, (c.margin + c.o > 0) * (1 - c.t))),
        ("worst-only", "only the worst violation counts", lambda c: _hinge(c, _mask_of_worst(c))),
    ],
    "KLDivLoss.grad_input": [
        ("softmax-left-out", "the softmax is left out: it is o - t", lambda c: c.o - c.t),
        ("of-probabilities", "it is -t / p, that of the probabilities: that of the outputs is p - t",
         lambda c: -c.t / c.p),
    ],
    "CrossEntropyLoss.grad_input": [
        ("parentheses", "only the target is divided by N: (p - t) / N", lambda c: c.n * c.p - c.t),
        ("of-probabilities", "it is -t / p, that of the probabilities: that of the outputs is p - t",
         lambda c: -c.t / c.p),
    ],
    "BrierLoss.grad_input": [
        ("softmax-slope", "the derivative of softmax is missing: it is 2 (p - t)", lambda c: 2 * (c.p - c.t)),
        ("softmax-diagonal", "softmax's derivative is p (1 - p) alone: other columns count too",
         lambda c: 2 * (c.p - c.t) * c.p * (1 - c.p)),
    ],
    "FocalLoss.grad_input": [
        ("power-constant", "it treats (1 - p)^gamma as a constant", lambda c: _focal_with(c, lambda p, g: 0)),
        ("second-term-sign", "the second term of the product rule has the wrong sign",
         lambda c: _focal_with(c, lambda p, g: g * p * (1 - p) ** (g - 1))),
        ("second-term", "the second term has (1 - p)^gamma where p (1 - p)^(gamma - 1) belongs",
         lambda c: _focal_with(c, lambda p, g: -g * (1 - p) ** g)),
        ("cross-entropy", "it is p - t, that of the cross-entropy: the factor (1 - p)^gamma is left out",
         lambda c: c.p - c.t),
    ],
    "LabelSmoothingCrossEntropyLoss.grad_input": [
        ("unsmoothed", "it is p - t: the smoothed target belongs there", lambda c: c.p - c.t),
    ],
    "MSELoss.grad_input": [
    ],
})
# fmt: on


def _over_n(mistake: Mistake) -> Mistake:
    return mistake._replace(wrong=lambda c: mistake.wrong(c) / c.n)


WRONG_LOSSES = {value: [_over_n(mistake) for mistake in mistakes] for value, mistakes in OF_SUMS.items()}

# Factors of a loss against the mean over the batch: key, factor of (n, k), words, and whether it is a convention.
SCALES = (
    ("mean", lambda n, k: 1.0, "the mean over the batch", True),
    ("sum", lambda n, k: n, "the sum over the batch, not the mean", True),
    ("no-half", lambda n, k: 2.0, "the mean over the batch without the 1/2", True),
    ("sum-no-half", lambda n, k: 2.0 * n, "the sum over the batch without the 1/2", True),
    ("mean-of-all", lambda n, k: 1 / k, "the mean over all N K numbers, not over the N samples", True),
    ("mean-of-all-no-half", lambda n, k: 2 / k, "the mean over all N K numbers without the 1/2", True),
    ("over-k", lambda n, k: n / k, "divided by 10, the number of columns, where the batch size belongs", False),
    ("over-k-no-half", lambda n, k: 2 * n / k, "divided by 10, the number of columns, and without the 1/2", False),
    ("over-others", lambda n, k: 1 / (k - 1), "the mean over the other classes too", True),
    ("times-n", lambda n, k: n * n, "multiplied by the batch size, where it must be divided by it", False),
    ("over-n-twice", lambda n, k: 1 / n, "divided by the batch size twice", False),
    ("opposite-sign", lambda n, k: -1.0, "the mean with the opposite sign", False),
    ("opposite-sign", lambda n, k: -n, "the sum over the batch with the opposite sign", False),
    ("half", lambda n, k: 0.5, "half the mean over the batch", False),
    ("log-two", lambda n, k: 1 / np.log(2), "a logarithm to base 2, where the natural one belongs", False),
    ("log-ten", lambda n, k: 1 / np.log(10), "a logarithm to base 10, where the natural one belongs", False),
)


def _cross(p, t) -> float:
    return float(-(t * np.log(p)).sum())


# fmt: off
# What forward may be in place of the assignment's loss: key, words, and its sum over the batch.
OTHER_LOSSES = {
    "EuclideanLoss": (
        ("euclid-root", "the norm ||o - t||, the square root left in",
         lambda o, t, m: np.sqrt(((o - t) ** 2).sum(axis=1)).sum()),
        ("euclid-root", "the norm of the whole batch (np.linalg.norm), not squared",
         lambda o, t, m: np.sqrt(((o - t) ** 2).sum())),
        ("sum-squared", "the square of the sum of o - t: square first, then sum",
         lambda o, t, m: ((o - t).sum(axis=1) ** 2).sum()),
        ("softmax-inside", "a squared difference from softmax(o): this loss has no softmax",
         lambda o, t, m: ((softmax(o) - t) ** 2).sum()),
        ("euclid-absolute", "the absolute error |o - t|", lambda o, t, m: np.abs(o - t).sum()),
        ("euclid-sum-of-differences", "the sum of o - t, not squared", lambda o, t, m: (o - t).sum()),
    ),
    "SoftmaxCrossEntropyLoss": (
        ("wrong-axis", "a softmax whose sum runs over the batch (axis 0), not the classes",
         lambda o, t, m: _cross(_softmax_of_rows_and_columns(o), t)),
        ("wrong-axis", "a softmax after the maximum over the batch (axis 0): subtract each row's own",
         lambda o, t, m: _cross(_softmax_of_columns_largest(o), t)),
        ("log-missing", "the probability without its logarithm", lambda o, t, m: -(t * softmax(o)).sum()),
        ("binary-cross-entropy", "a cross-entropy of each column, with (1 - t) log(1 - p)",
         lambda o, t, m: _cross(softmax(o), t) + _cross(1 - softmax(o), 1 - t)),
        ("wrong-axis", "a softmax over the batch, not the classes", lambda o, t, m: _cross(softmax(o, 0), t)),
        ("wrong-axis", "a softmax over the whole array", lambda o, t, m: _cross(softmax(o, None), t)),
        ("softmax-twice", "a softmax of the softmax", lambda o, t, m: _cross(softmax(softmax(o)), t)),
        ("sigmoid-inside", "a sigmoid where softmax belongs", lambda o, t, m: _cross(sigmoid(o), t)),
        ("no-softmax", "-t o: softmax and logarithm are missing", lambda o, t, m: -(t * o).sum()),
        ("log-sum-missing", "the log-sum-exp alone", lambda o, t, m: np.log(np.exp(o).sum(axis=1)).sum()),
    ),
    "HingeLoss": (
        ("margin-sign", "the margin has the wrong sign", lambda o, t, m: violations(o, t, -m).sum()),
        ("own-column", "the target's output subtracted in its own column only: sum o * t over the columns first",
         lambda o, t, m: (np.maximum(0, m - o * t + o) * (1 - t)).sum()),
        ("target-max", "max(o t) for o_t: wrong where the target's output is negative, sum over the columns",
         lambda o, t, m: (np.maximum(0, m - (o * t).max(axis=1, keepdims=True) + o) * (1 - t)).sum()),
        ("target-max", "max(o t) for o_t, wrong where o_t is negative, and the target's own column is counted",
         lambda o, t, m: np.maximum(0, m - (o * t).max(axis=1, keepdims=True) + o).sum()),
        ("softmax-inside", "the hinge loss of softmax(o): this loss has no softmax",
         lambda o, t, m: violations(softmax(o), t, m).sum()),
        ("hinge-sign", "that with o_t and o_k exchanged", lambda o, t, m: violations(-o, t, m).sum()),
        ("squared-hinge", "the squared hinge loss", lambda o, t, m: (violations(o, t, m) ** 2).sum()),
        ("worst-only", "Crammer and Singer's: the worst class alone", lambda o, t, m: violations(o, t, m).max(1).sum()),
        ("hinge-unclipped", "that without max(0, ...)",
         lambda o, t, m: ((m - (o * t).sum(axis=1, keepdims=True) + o) * (1 - t)).sum()),
        ("one-against-all", "a hinge on each column alone", lambda o, t, m: np.maximum(m - (2 * t - 1) * o, 0).sum()),
        ("margin-missing", "max(0, o_k - o_t): the margin is missing", lambda o, t, m: violations(o, t, 0.0).sum()),
    ),
}
# fmt: on
# Losses of their own right: a remark while backward fits them.
KNOWN_VARIANTS = ("squared-hinge", "worst-only", "one-against-all")
