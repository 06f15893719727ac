"""What code under test is held against: the right formulas, written anew, and central differences of its own forward.

Nothing here imports the project's layers.py or loss.py: a checker that shared their code would share their mistakes.
"""

import math
from collections.abc import Callable

import numpy as np

# The classes of the assignment, by file.
CLASSES = {
    "layers": ("Linear", "Relu", "Sigmoid", "Gelu"),
    "loss": ("EuclideanLoss", "SoftmaxCrossEntropyLoss", "HingeLoss"),
}

SCALE = math.sqrt(2.0 / math.pi)
CUBIC = 0.044715
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772

# A test batch of a layer: rows and columns in and out. All different, so that a wrong axis shows.
N, IN, OUT = 5, 4, 3


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)), in the form that cannot overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def sigmoid_slope(x: np.ndarray) -> np.ndarray:
    return sigmoid(x) * sigmoid(-x)


def gelu(x: np.ndarray, scale: float = SCALE, cubic: float = CUBIC) -> np.ndarray:
    """x/2 (1 + tanh(scale (x + cubic x^3))), the tanh form."""
    return 0.5 * x * (1.0 + np.tanh(scale * (x + cubic * x**3)))


def gelu_slope(x: np.ndarray, scale: float = SCALE, cubic: float = CUBIC) -> np.ndarray:
    """The derivative of `gelu` with these constants."""
    t = np.tanh(scale * (x + cubic * x**3))
    return 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * scale * (1.0 + 3.0 * cubic * x * x)


def gelu_erf(x: np.ndarray) -> np.ndarray:
    """x Phi(x), the form that `gelu` approximates."""
    return x * 0.5 * (1.0 + np.vectorize(math.erf)(x / math.sqrt(2.0)))


def gelu_erf_slope(x: np.ndarray) -> np.ndarray:
    normal_density = np.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)
    return 0.5 * (1.0 + np.vectorize(math.erf)(x / math.sqrt(2.0))) + x * normal_density


def gelu_sigmoid(x: np.ndarray) -> np.ndarray:
    """x sigmoid(1.702 x), the coarser approximation of the same paper."""
    return x * sigmoid(1.702 * x)


def gelu_sigmoid_slope(x: np.ndarray) -> np.ndarray:
    return sigmoid(1.702 * x) + 1.702 * x * sigmoid_slope(1.702 * x)


def selu(x: np.ndarray) -> np.ndarray:
    return SELU_SCALE * np.where(x > 0, x, SELU_ALPHA * np.expm1(np.minimum(x, 0)))


ACTIVATIONS = {  # name -> the value, its derivative
    "Relu": (lambda x: np.maximum(x, 0.0), lambda x: (x > 0).astype(float)),
    "Sigmoid": (sigmoid, sigmoid_slope),
    "Gelu": (gelu, gelu_slope),
}


def softmax(o: np.ndarray, axis: int | None = 1) -> np.ndarray:
    exponentials = np.exp(o - o.max(axis=axis, keepdims=True))
    return exponentials / exponentials.sum(axis=axis, keepdims=True)


def violations(o: np.ndarray, t: np.ndarray, margin: float) -> np.ndarray:
    """max(0, margin - o_t + o_k) for k != t, and 0 in the target's column."""
    return np.maximum(margin - (o * t).sum(axis=1, keepdims=True) + o, 0.0) * (1.0 - t)


def loss_value(name: str, o: np.ndarray, t: np.ndarray, margin: float = 5.0) -> float:
    """The mean over the batch of each sample's loss."""
    if name == "EuclideanLoss":
        total = 0.5 * ((o - t) ** 2).sum()
    elif name == "SoftmaxCrossEntropyLoss":
        largest = o.max(axis=1, keepdims=True)
        log_sum_exp = largest + np.log(np.exp(o - largest).sum(axis=1, keepdims=True))
        total = (t * (log_sum_exp - o)).sum()
    else:
        total = violations(o, t, margin).sum()
    return float(total) / len(o)


def loss_gradient(name: str, o: np.ndarray, t: np.ndarray, margin: float = 5.0) -> np.ndarray:
    """The derivative of `loss_value` with respect to o, its 1/N included."""
    if name == "EuclideanLoss":
        return (o - t) / len(o)
    if name == "SoftmaxCrossEntropyLoss":
        return (softmax(o) - t) / len(o)
    mask = (violations(o, t, margin) > 0).astype(float)
    return (mask - t * mask.sum(axis=1, keepdims=True)) / len(o)


LOSSES = CLASSES["loss"]


def sgd_step(p, v, g, lr, wd, m):
    """(p, v) after a step of SGD with learning rate lr, weight decay wd and momentum coefficient m."""
    v = m * v + (g + wd * p)
    return p - lr * v, v


def sgd(start: np.ndarray, grads: list[np.ndarray], config: dict, step: Callable = sgd_step) -> np.ndarray:
    """The parameters after each of len(grads) steps of SGD, from rest, stacked. step: another rule for one step."""
    p, v, after = np.array(start, float), np.zeros_like(start, dtype=float), []
    for grad in grads:
        p, v = step(p, v, grad, config["learning_rate"], config["weight_decay"], config["momentum"])
        after.append(p)
    return np.array(after)


def central_differences(function: Callable[[np.ndarray], float], point: np.ndarray, step: float) -> np.ndarray:
    """(f(x + h) - f(x - h)) / 2h for each coordinate of point, NaN where the function has a kink.

    At a kink the slopes to the left and to the right differ however small the step: where they do, the step is made
    a hundred times smaller; where they still do, there is no derivative to compare with.
    """
    middle = function(point)

    def slopes(index: tuple, h: float) -> tuple[float, float]:
        left, right = np.array(point, float), np.array(point, float)
        left[index] -= h
        right[index] += h
        # The step as the numbers hold it, not as it was meant.
        below, above = point[index] - left[index], right[index] - point[index]
        return (middle - function(left)) / below, (function(right) - middle) / above

    sides = {index: slopes(index, step) for index in np.ndindex(point.shape)}
    steepest = max((abs(slope) for pair in sides.values() for slope in pair), default=0.0)
    derivative = np.empty(point.shape)
    for index, (left, right) in sides.items():
        # Steps of single precision are too wide for this test; its points are chosen away from kinks.
        if step < 1e-4 and abs(right - left) > 1e-3 * steepest:
            left, right = slopes(index, step / 100)
            if abs(right - left) > 1e-3 * steepest:
                left = right = math.nan
        derivative[index] = 0.5 * (left + right)
    return derivative


def is_coarse(function: Callable[[np.ndarray], float], point: np.ndarray) -> bool:
    """Whether the function computes in single precision: then it is not smooth on a scale of 1e-6."""
    middle = function(point)
    moves = [1e-6 * points(seed, *point.shape) for seed in (21, 22, 23)]
    bends = [abs(function(point + move) - 2 * middle + function(point - move)) for move in moves]
    return bool(max(bends) > 3e-10 * max(abs(middle), 1.0))


def relative_errors(theirs: np.ndarray, true: np.ndarray) -> np.ndarray:
    """|a - n| / max(|a|, |n|, 1 % of the largest |n|), element by element; 0 where n is NaN, a kink."""
    with np.errstate(all="ignore"):
        largest = np.nanmax(np.abs(true), initial=0.0)
        scale = np.maximum(np.maximum(np.abs(theirs), np.abs(true)), max(0.01 * largest, 1e-9))
        errors = np.abs(theirs - true) / scale
    errors = np.where(np.isfinite(theirs), errors, math.inf)
    return np.where(np.isnan(true), 0.0, errors)


def relative_error(theirs: np.ndarray, true: np.ndarray) -> float:
    """The largest of `relative_errors`; infinite where the shapes differ."""
    if theirs.shape != true.shape:
        return math.inf
    return float(relative_errors(theirs, true).max(initial=0.0))


def points(seed: int, *shape: int, spread: float = 1.5) -> np.ndarray:
    """Test points that one can type in again: two decimals, both signs, away from 0, some far out."""
    values = np.random.default_rng(seed).normal(0.0, spread, shape).round(2)
    return np.where(np.abs(values) < 0.1, 0.25, values)


def one_hot(seed: int, samples: int, classes: int) -> np.ndarray:
    return np.eye(classes)[np.random.default_rng(seed).integers(0, classes, samples)]
