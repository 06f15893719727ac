"""Layers of a multi-layer perceptron, to be filled in: each method says what it must do.

N samples of a batch are the N rows of an array. Check with: python check_gradients.py FOLDER
"""

import numpy as np


class Linear:
    """y = x W + b."""

    def __init__(self, name, in_num, out_num, init_std):
        self.name = name
        self.W = np.random.randn(in_num, out_num) * init_std
        self.b = np.zeros(out_num)

    def forward(self, input):
        """(N, in_num) -> (N, out_num). Keep what backward will need; do not write into input."""
        raise NotImplementedError

    def backward(self, grad_output):
        """(N, out_num) -> (N, in_num): from the gradient with respect to the output that with respect to the input.

        Write (not add) self.grad_W, of the shape of W, and self.grad_b, of the shape of b: sums over the samples; the
        1/N of the mean is the loss's.
        """
        raise NotImplementedError

    def update(self, config):
        """One step of SGD with momentum, in which grad is grad_W for W and grad_b for b:

        v <- momentum v + grad + weight_decay p,   p <- p - learning_rate v
        """
        raise NotImplementedError


class Relu:
    """max(0, x), element by element."""

    def __init__(self, name):
        self.name = name

    def forward(self, input):
        """(N, features) -> (N, features), a new array."""
        raise NotImplementedError

    def backward(self, grad_output):
        """(N, features) -> (N, features): grad_output times the derivative at forward's input."""
        raise NotImplementedError


class Sigmoid:
    """1 / (1 + exp(-x)), also at x = -1000."""

    def __init__(self, name):
        self.name = name

    def forward(self, input):
        """(N, features) -> (N, features), a new array."""
        raise NotImplementedError

    def backward(self, grad_output):
        """(N, features) -> (N, features): grad_output times the derivative at forward's input."""
        raise NotImplementedError


class Gelu:
    """x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), also at x = -1000."""

    def __init__(self, name):
        self.name = name

    def forward(self, input):
        """(N, features) -> (N, features), a new array."""
        raise NotImplementedError

    def backward(self, grad_output):
        """(N, features) -> (N, features): grad_output times the derivative of exactly this formula."""
        raise NotImplementedError
