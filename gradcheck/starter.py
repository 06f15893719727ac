"""The two files that a student starts from: every method says in its docstring what it must do, and is open."""

from pathlib import Path

from utils import FileError

LAYERS = '''"""Layers of a multi-layer perceptron, to be filled in: each method says what it must do.

The N samples of a batch are the N rows of an array. Check with: python check_gradients.py FOLDER
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
        """(N, out_num) -> (N, in_num): gradient with respect to the output -> gradient with respect to the input.

        Write (not add) self.grad_W and self.grad_b, of the shapes of W and b: sums over the samples, the 1/N is the
        loss's.
        """
        raise NotImplementedError

    def update(self, config):
        """A step of SGD for W with grad_W and for b with grad_b: v <- momentum v + grad + weight_decay p, then
        p <- p - learning_rate v; config holds "momentum", "weight_decay" and "learning_rate"."""
        raise NotImplementedError
'''
ACTIVATION = '''

class {}:
    """{}"""

    def __init__(self, name):
        self.name = name

    def forward(self, input):
        """(N, features) -> (N, features), a new array."""
        raise NotImplementedError

    def backward(self, grad_output):
        """(N, features) -> (N, features): grad_output times the derivative at forward's input."""
        raise NotImplementedError
'''
LOSS = '''

class {}:
    """The mean over the batch of {}"""

    def __init__(self, name{}):
        self.name = name{}

    def forward(self, input, target):
        """(N, K), (N, K) -> one number."""
        raise NotImplementedError

    def backward(self, input, target):
        """(N, K), (N, K) -> (N, K): the derivative of forward with respect to input, the 1/N of the mean included."""
        raise NotImplementedError
'''
LOSSES = '''"""Losses of a multi-layer perceptron, to be filled in: each method says what it must do.

input holds the network's outputs, target a 1 in the column of the right class and 0 elsewhere; both are (N, K).
"""
'''
FILES = {
    "layers.py": LAYERS
    + ACTIVATION.format("Relu", "max(0, x), element by element.")
    + ACTIVATION.format("Sigmoid", "1 / (1 + exp(-x)), also at x = -1000.")
    + ACTIVATION.format("Gelu", "x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), also at x = -1000."),
    "loss.py": LOSSES
    + LOSS.format("EuclideanLoss", "1/2 ||o - t||^2.", "", "")
    + LOSS.format("SoftmaxCrossEntropyLoss", "-log p_t, p = exp(o) / sum exp(o), also for outputs of 1000.", "", "")
    + LOSS.format(
        "HingeLoss", "sum over k != t of max(0, margin - o_t + o_k).", ", margin=5", "\n        self.margin = margin"
    ),
}


def write_starter(folder: Path) -> None:
    """Write layers.py and loss.py into a folder; FileError if one is there already."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        if (folder / name).exists():
            raise FileError(f"{folder / name} is there already: give another folder to --starter")
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
