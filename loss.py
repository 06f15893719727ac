"""The losses: Euclidean, softmax cross-entropy, hinge. Imports NumPy alone.

With N samples and K classes, `input` (N, K) is the network's output and `target` (N, K) is one-hot.

forward(input, target) -> float: the mean over the batch of each sample's loss.
backward(input, target) -> (N, K): the derivative of exactly that forward with respect to input, its 1/N included.

Both read their arguments and never write them. Losses are stateless: backward needs no forward before it.
"""

import numpy as np


class EuclideanLoss:
    """Per sample E = 1/2 ||o - t||^2, so dE/do = o - t."""

    def __init__(self, name: str):
        self.name = name

    def forward(self, input: np.ndarray, target: np.ndarray) -> float:
        difference = np.subtract(input, target, dtype=input.dtype)
        return 0.5 * float(np.vdot(difference, difference)) / len(input)

    def backward(self, input: np.ndarray, target: np.ndarray) -> np.ndarray:
        grad = np.subtract(input, target, dtype=input.dtype)
        grad *= 1.0 / len(input)
        return grad

    def __repr__(self) -> str:
        return f"EuclideanLoss({self.name!r})"


class SoftmaxCrossEntropyLoss:
    """Per sample E = -sum_k t_k log p_k with p = softmax(o), so dE/do = p - t (as the t_k sum to 1).

    log p_k = o_k - log sum_j exp(o_j), and the largest o is subtracted first: exp cannot overflow, the log never
    meets 0, and a wrong answer costs its true price where clipping p would hide it.
    Bishop, "Pattern Recognition and Machine Learning", 2006, section 4.3.4.
    """

    def __init__(self, name: str):
        self.name = name

    def forward(self, input: np.ndarray, target: np.ndarray) -> float:
        shifted = input - input.max(axis=1, keepdims=True)
        log_sum_exp = np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return float(np.vdot(target, log_sum_exp - shifted)) / len(input)

    def backward(self, input: np.ndarray, target: np.ndarray) -> np.ndarray:
        grad = np.exp(input - input.max(axis=1, keepdims=True))
        grad /= grad.sum(axis=1, keepdims=True)
        grad -= target
        grad *= 1.0 / len(input)
        return grad

    def __repr__(self) -> str:
        return f"SoftmaxCrossEntropyLoss({self.name!r})"


class HingeLoss:
    """Per sample of class t: E = sum over k != t of max(0, margin - o_t + o_k).

    Each class that violates the margin adds 1 to dE/do_k and takes 1 from dE/do_t; at the kink the derivative is 0.
    Weston, Watkins, "Support vector machines for multi-class pattern recognition", ESANN 1999, section 3.
    """

    def __init__(self, name: str, margin: float = 5):
        self.name = name
        self.margin = margin

    def _violations(self, input: np.ndarray, target: np.ndarray) -> np.ndarray:
        """max(0, margin - o_t + o_k) for k != t, and 0 for k = t."""
        correct = np.multiply(input, target, dtype=input.dtype).sum(axis=1, keepdims=True)
        violations = np.maximum(input - correct + self.margin, 0)
        violations *= 1 - target
        return violations

    def forward(self, input: np.ndarray, target: np.ndarray) -> float:
        return float(self._violations(input, target).sum()) / len(input)

    def backward(self, input: np.ndarray, target: np.ndarray) -> np.ndarray:
        grad = (self._violations(input, target) > 0).astype(input.dtype)
        grad -= grad.sum(axis=1, keepdims=True) * target
        grad *= 1.0 / len(input)
        return grad

    def __repr__(self) -> str:
        return f"HingeLoss({self.name!r}, margin={self.margin})"
