"""The catalogue for layers: the mistakes that people make in Linear and the activations, as wrong formulas."""

import itertools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gradcheck.reference import (
    CUBIC,
    SCALE,
    SELU_ALPHA,
    SELU_SCALE,
    gelu,
    gelu_erf,
    gelu_erf_slope,
    gelu_sigmoid,
    gelu_sigmoid_slope,
    gelu_slope,
    selu,
    sigmoid,
    sigmoid_slope,
    softmax,
)


class Mistake(NamedTuple):
    """A wrong formula under a name. Several may share a key: one mistake, several ways to make it."""

    key: str
    message: str
    wrong: Callable  # a case (its inputs by name) -> the value that this mistake gives


def table(entries: dict[str, list[tuple]]) -> dict[str, list[Mistake]]:
    return {value: [Mistake(*entry) for entry in mistakes] for value, mistakes in entries.items()}


def _gelu_with(c, **parts) -> np.ndarray:
    """The derivative of GELU's tanh form, some of its factors replaced."""
    x = c.x
    inner = c.scale * (1.0 + 3.0 * c.cubic * x * x)
    p = {"t": _gelu_tanh(c), "first": 0.5, "second": 0.5, "x": x, "inner": inner} | parts
    sech2 = p.get("sech2", 1.0 - p["t"] ** 2)
    return c.g * (p["first"] * (1.0 + p["t"]) + p["second"] * p["x"] * sech2 * p["inner"])


def _gelu_tanh(c) -> np.ndarray:
    return np.tanh(c.scale * (c.x + c.cubic * c.x**3))


def _mish_slope(x: np.ndarray, inner) -> np.ndarray:
    t = np.tanh(np.logaddexp(0, x))
    return t + x * (1 - t * t) * inner


# fmt: off
# A value -> its own mistakes, the likeliest first. The case holds the inputs: x, g (grad_output), W, b of a layer; o,
# t, margin of a loss; n and k, the rows and columns; true, the right value; before, sum and
# with_old_input, what an earlier batch leaves behind (ANY in catalogue.py).
WRONG_LAYERS: dict[str, list[Mistake]] = table({
    "Linear.forward": [
        ("no-bias", "b is not added", lambda c: c.x @ c.W),
    ],
    "Linear.grad_W": [
        ("last-sample", "only the last sample of the batch counts", lambda c: c.x[-1:].T @ c.g[-1:]),
        ("over-n", "it is averaged over the batch: it must be the sum x^T grad_output, the 1/N is the loss's",
         lambda c: c.true / c.n),
    ],
    "Linear.grad_b": [
        ("no-batch-sum", "the sum over the batch (axis 0) is missing", lambda c: c.g),
        ("mean-not-sum", "it is the mean over the batch: it must be the sum", lambda c: c.g.mean(axis=0)),
        ("wrong-axis", "it is summed over the wrong axis: over axis 0, the samples", lambda c: c.g.sum(axis=1)),
        ("total-sum", "it is summed over both axes", lambda c: np.full_like(c.b, c.g.sum())),
        ("total-sum", "it is summed over both axes", lambda c: c.g.sum()),
        ("last-sample", "only the last sample of the batch counts", lambda c: c.g[-1]),
        ("bias-ones", "it is 1: grad_output is left out", lambda c: np.ones_like(c.b)),
    ],
    "Linear.grad_input": [
        ("untransposed-w", "it multiplies by W where W^T belongs", lambda c: c.g @ c.W),
    ],
    "Relu.forward": [
        ("relu-abs", "it is |x|", lambda c: np.abs(c.x)),
        ("relu-leaky", "it is a leaky Relu, not max(0, x)", lambda c: np.where(c.x > 0, c.x, 0.01 * c.x)),
        ("relu-leaky", "it is a leaky Relu, not max(0, x)", lambda c: np.where(c.x > 0, c.x, 0.1 * c.x)),
        ("identity", "it hands x on as it is", lambda c: c.x),
    ],
    "Relu.grad_input": [
        ("mask-on-grad", "the mask is taken from grad_output, not from forward's input", lambda c: c.g * (c.g > 0)),
        ("mask-on-grad", "it is a mask alone, and that of grad_output", lambda c: (c.g > 0) * 1.0),
        ("first-sample", "the mask of the first sample is used for all samples", lambda c: c.g * (c.x[:1] > 0)),
        ("mask-missing", "nothing is masked: 0 belongs where x < 0 (a mask of the output needs <= 0, not < 0)",
         lambda c: c.g),
        ("times-output", "it is multiplied by the output where a mask of 0 and 1 belongs",
         lambda c: c.g * np.maximum(c.x, 0)),
        ("relu-sign", "it is grad_output times sign(x)", lambda c: c.g * np.sign(c.x)),
    ],
    "Sigmoid.forward": [
        ("parentheses", "it is 1 / 1 + exp(-x): parentheses are missing", lambda c: 1 + np.exp(-c.x)),
        ("sigmoid-minus", "1 - exp(-x) stands where 1 + exp(-x) belongs", lambda c: 1 / (1 - np.exp(-c.x))),
        ("sigmoid-exponent-sign", "it is that of -x: the sign of x is wrong, exp(-x) belongs there",
         lambda c: sigmoid(-c.x)),
        ("sigmoid-is-tanh", "it is tanh", lambda c: np.tanh(c.x)),
        ("identity", "it hands x on as it is", lambda c: c.x),
    ],
    "Sigmoid.grad_input": [
        ("from-input", "y (1 - y) is taken of the input, not of the output", lambda c: c.g * c.x * (1 - c.x)),
        ("tanh-unsquared", "1 - tanh stands where 1 - tanh^2 belongs", lambda c: c.g * (1 - np.tanh(c.x / 2)) / 4),
        ("tanh-squared", "(1 - tanh)^2 stands where 1 - tanh^2 belongs",
         lambda c: c.g * (1 - np.tanh(c.x / 2)) ** 2 / 4),
        ("squared", "it is y^2 where y (1 - y) belongs", lambda c: c.g * sigmoid(c.x) ** 2),
        ("from-output", "the sigmoid is applied to the output once more", lambda c: c.g * sigmoid_slope(sigmoid(c.x))),
        ("second-factor-missing", "the factor (1 - y) is missing", lambda c: c.g * sigmoid(c.x)),
        ("first-factor-missing", "the factor y is missing", lambda c: c.g * (1 - sigmoid(c.x))),
        ("sigmoid-plus", "it is y (1 + y): a sign is wrong", lambda c: c.g * sigmoid(c.x) * (1 + sigmoid(c.x))),
        ("tanh-slope", "it is tanh's derivative 1 - y^2", lambda c: c.g * (1 - sigmoid(c.x) ** 2)),
    ],
    "Gelu.forward": [
        ("identity", "it hands x on as it is", lambda c: c.x),
    ],
    "Gelu.grad_input": [
        ("gelu-tanh-squared", "(1 - tanh)^2 stands where 1 - tanh^2 belongs",
         lambda c: _gelu_with(c, sech2=(1 - _gelu_tanh(c)) ** 2)),
        ("gelu-tanh-unsquared", "1 - tanh stands where 1 - tanh^2 belongs",
         lambda c: _gelu_with(c, sech2=1 - _gelu_tanh(c))),
        ("gelu-tanh-of-x", "1 - tanh^2 is taken at x, not at the inner function",
         lambda c: _gelu_with(c, sech2=1 - np.tanh(c.x) ** 2)),
        ("gelu-no-three", "the 3 of the derivative of x^3 is missing",
         lambda c: _gelu_with(c, inner=c.scale * (1 + c.cubic * c.x**2))),
        ("gelu-cube-left", "the inner derivative has x^3 where 3 x^2 belongs",
         lambda c: _gelu_with(c, inner=c.scale * (1 + 3 * c.cubic * c.x**3))),
        ("gelu-cube-left", "the inner derivative has x^3 where 3 x^2 belongs",
         lambda c: _gelu_with(c, inner=c.scale * (1 + c.cubic * c.x**3))),
        ("gelu-no-scale", "sqrt(2/pi) is missing in the inner derivative",
         lambda c: _gelu_with(c, inner=1 + 3 * c.cubic * c.x**2)),
        ("gelu-no-inner", "the inner derivative is missing (chain rule)", lambda c: _gelu_with(c, inner=1.0)),
        ("gelu-first-term-only", "the second term of the product rule is missing", lambda c: _gelu_with(c, second=0.0)),
        ("gelu-second-term-only", "the first term of the product rule is missing", lambda c: _gelu_with(c, first=0.0)),
        ("gelu-half-missing", "the 1/2 of the second term is missing", lambda c: _gelu_with(c, second=1.0)),
        ("gelu-x-missing", "the factor x of the second term is missing", lambda c: _gelu_with(c, x=1.0)),
        ("gelu-x-missing", "the factor x of the second term is missing",
         lambda c: c.g * (gelu_erf_slope(c.x) + (1 - c.x) * np.exp(-0.5 * c.x**2) / np.sqrt(2 * np.pi))),
        ("gelu-no-scale", "the factor 1.702 is missing in the inner derivative",
         lambda c: c.g * (sigmoid(1.702 * c.x) + c.x * sigmoid_slope(1.702 * c.x))),
        ("gelu-of-other-form", "it is that of x Phi(x); forward is another form", lambda c: c.g * gelu_erf_slope(c.x)),
        ("gelu-of-other-form", "it is that of x sigmoid(1.702 x); forward is another form",
         lambda c: c.g * gelu_sigmoid_slope(c.x)),
        ("gelu-of-other-form", "it is that of the tanh form; forward is another form", lambda c: c.g * gelu_slope(c.x)),
    ],
    "Tanh.grad_input": [
        ("from-input", "1 - y^2 is taken of the input, not of the output", lambda c: c.g * (1 - c.x**2)),
        ("tanh-squared", "(1 - y)^2 stands where 1 - y^2 belongs", lambda c: c.g * (1 - np.tanh(c.x)) ** 2),
        ("sigmoid-slope", "it is sigmoid's y (1 - y)", lambda c: c.g * np.tanh(c.x) * (1 - np.tanh(c.x))),
    ],
    "Swish.grad_input": [
        ("product-rule", "the second term of the product rule is missing", lambda c: c.g * sigmoid(c.x)),
        ("product-rule", "the first term of the product rule is missing", lambda c: c.g * c.x * sigmoid_slope(c.x)),
        ("x-missing", "the factor x of the second term is missing",
         lambda c: c.g * (sigmoid(c.x) + sigmoid_slope(c.x))),
    ],
    "HardSwish.grad_input": [
    ],
    "Selu.grad_input": [
        ("selu-minus-one", "alpha (exp(x) - 1) stands where alpha exp(x) belongs",
         lambda c: c.g * SELU_SCALE * np.where(c.x > 0, 1, SELU_ALPHA * np.expm1(c.x))),
        ("selu-scale-twice", "y + alpha stands where y + lambda alpha belongs (y holds lambda already)",
         lambda c: c.g * np.where(c.x > 0, SELU_SCALE, selu(c.x) + SELU_ALPHA)),
        ("selu-scale-twice", "y + alpha stands where y + lambda alpha belongs, times lambda (y holds it already)",
         lambda c: c.g * SELU_SCALE * np.where(c.x > 0, 1, selu(c.x) + SELU_ALPHA)),
    ],
    "LeakyRelu.grad_input": [
        ("mask-on-grad", "the mask is taken from grad_output, not from forward's input",
         lambda c: np.where(c.g > 0, c.g, 0.01 * c.g)),
        ("slope-missing", "it is that of Relu: 0 where the slope belongs", lambda c: c.g * (c.x > 0)),
    ],
    "Mish.grad_input": [
        ("mish-inner", "the inner derivative, sigmoid(x), is missing", lambda c: c.g * _mish_slope(c.x, 1.0)),
        ("product-rule", "the second term of the product rule is missing",
         lambda c: c.g * np.tanh(np.logaddexp(0, c.x))),
        ("tanh-unsquared", "1 - tanh stands where 1 - tanh^2 belongs",
         lambda c: c.g * (np.tanh(np.logaddexp(0, c.x)) * (1 - c.x * sigmoid(c.x)) + c.x * sigmoid(c.x))),
    ],
    "Softmax.grad_input": [
        ("softmax-diagonal", "it is p (1 - p) grad_output alone: the other columns count too",
         lambda c: c.g * softmax(c.x) * (1 - softmax(c.x))),
        ("softmax-sum", "the sum over the columns of grad_output p is missing", lambda c: c.g * softmax(c.x)),
    ],
})
# fmt: on

# Values that differ from the definition but are known under a name: remarks, as long as backward fits them.
OTHER_FORMS = {
    "Gelu.forward": [
        Mistake("gelu-erf", "x Phi(x), the exact GELU; the assignment's is the tanh form", lambda c: gelu_erf(c.x)),
        Mistake("gelu-sigmoid", "x sigmoid(1.702 x); the assignment's is the tanh form", lambda c: gelu_sigmoid(c.x)),
    ],
}


def fit_gelu(function: Callable, x: np.ndarray, values: np.ndarray) -> tuple[float, float] | None:
    """The constants (scale, cubic) with which function(x, scale, cubic) is values; None if there are none.

    Least squares in two unknowns (Levenberg and Marquardt), from several starts: tanh is flat far from the solution.
    """
    x, values = np.ravel(x), np.ravel(values)
    for start in itertools.product((SCALE, 0.4, 1.3, 2.5), (CUBIC, 0.0, 0.4)):
        at, damping = np.array(start), 1e-3
        residual = function(x, *at) - values
        for _ in range(60):
            moved = [function(x, *(at + step)) - values for step in 1e-6 * np.eye(2)]
            jacobian = np.stack([(other - residual) / 1e-6 for other in moved], axis=1)
            normal = jacobian.T @ jacobian
            step = np.linalg.solve(normal + damping * np.eye(2), jacobian.T @ residual)
            new = function(x, *(at - step)) - values
            better = bool((new**2).sum() < (residual**2).sum())
            at, residual = (at - step, new) if better else (at, residual)
            damping *= 0.2 if better else 10.0
        if np.abs(residual).max() < 1e-7 * max(1.0, np.abs(values).max()):
            return round(float(at[0]), 9), round(float(at[1]), 9)
    return None


def wrong_constants(value: str, theirs: np.ndarray, case) -> str | None:
    """Which constants a GELU or its derivative was computed with, if that is all that is wrong; None otherwise."""
    if theirs.shape != case.x.shape or not np.isfinite(theirs).all():
        return None
    found = fit_gelu(*((gelu, case.x, theirs) if value == "Gelu.forward" else (gelu_slope, case.x, theirs / case.g)))
    if found is None:
        return None
    if value == "Gelu.forward":
        case.scale, case.cubic = found  # backward is looked at with the constants of its own forward
    pairs = (("sqrt(2/pi)", found[0], SCALE), ("0.044715", found[1], CUBIC))
    words = [
        f"{name} is {is_:.6g}" + (f", not {true:.6g}" if name[0] == "s" else "")
        for name, is_, true in pairs
        if abs(is_ - true) > 1e-7
    ]
    return "its constant " + ", and ".join(words) if words else None
