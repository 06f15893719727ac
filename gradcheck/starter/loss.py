"""Losses of a multi-layer perceptron, to be filled in: each method says what it must do.

input holds the network's outputs, target a 1 in the column of the right class and 0 elsewhere; both are (N, K).
"""


class EuclideanLoss:
    """The mean over the batch of 1/2 ||o - t||^2."""

    def __init__(self, name):
        self.name = name

    def forward(self, input, target):
        """(N, K), (N, K) -> one number."""
        raise NotImplementedError

    def backward(self, input, target):
        """(N, K), (N, K) -> (N, K): the derivative of forward with respect to input, the 1/N of the mean included."""
        raise NotImplementedError


class SoftmaxCrossEntropyLoss:
    """The mean over the batch of -log p_t, where p = exp(o) / sum exp(o), also for outputs of 1000."""

    def __init__(self, name):
        self.name = name

    def forward(self, input, target):
        """(N, K), (N, K) -> one number."""
        raise NotImplementedError

    def backward(self, input, target):
        """(N, K), (N, K) -> (N, K): the derivative of forward with respect to input, the 1/N of the mean included."""
        raise NotImplementedError


class HingeLoss:
    """The mean over the batch of the sum over k != t of max(0, margin - o_t + o_k)."""

    def __init__(self, name, margin=5):
        self.name = name
        self.margin = margin

    def forward(self, input, target):
        """(N, K), (N, K) -> one number."""
        raise NotImplementedError

    def backward(self, input, target):
        """(N, K), (N, K) -> (N, K): the derivative of forward with respect to input, the 1/N of the mean included."""
        raise NotImplementedError
