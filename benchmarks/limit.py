"""The limit: the bare matrix products of a step and one in-place update of the parameters, and nothing else.

The shapes are those of training; the arrays are made once and stay in the cache, the results are written into arrays
that are there already. No batch is drawn, no activation, bias, loss or number for a curve is computed. A program that
trains by NumPy's products cannot be faster than this, on the same threads, unless it skips arithmetic.
step_cost.py, compare.py and growth.py measure against it, each in turn with the program in one process.
"""

from itertools import pairwise

import numpy as np

LEARNING_RATE = 1e-9  # the numbers do not matter, as long as they stay finite


class Bare:
    """The products of a network of these widths at this batch size, in float32."""

    def __init__(self, widths: tuple[int, ...], batch_size: int):
        rng = np.random.default_rng(0)
        # Of one column and one row matmul makes a loop without BLAS, several times as slow.
        self.product = np.dot if batch_size == 1 else np.matmul

        def batch_of(width: int) -> np.ndarray:
            return rng.normal(size=(batch_size, width)).astype(np.float32)

        sizes = [a * b for a, b in pairwise(widths)]
        self.params, self.grads = (np.zeros(sum(sizes) + sum(widths[1:]), np.float32) for _ in range(2))
        inputs = [batch_of(width) for width in widths[:-1]]
        outputs = [batch_of(width) for width in widths[1:]]
        self.forward, self.backward, start = [], [], 0
        for number, (a, b) in enumerate(pairwise(widths)):
            W, grad_W = (vector[start : start + a * b].reshape(a, b) for vector in (self.params, self.grads))
            W[...] = rng.normal(0, 0.01, (a, b))
            self.forward.append((inputs[number], W, outputs[number]))
            self.backward.append((inputs[number].T, outputs[number], grad_W))
            if number > 0:  # nobody needs the gradient with respect to the data
                self.backward.append((outputs[number], W.T, inputs[number].copy()))
            start += a * b + b

    def steps(self, count: int) -> None:
        """So many steps: forward and backward products, and the update."""
        for _ in range(count):
            self.products(self.forward)
            self.products(self.backward)
            self.update()

    def evaluate(self, count: int) -> None:
        """The forward products of so many batches."""
        for _ in range(count):
            self.products(self.forward)

    def products(self, operands: list) -> None:
        for left, right, out in operands:
            self.product(left, right, out=out)

    def update(self) -> None:
        """p - rate * g without an array made for it: in NumPy the fastest way there is."""
        np.multiply(self.grads, LEARNING_RATE, out=self.grads)
        np.subtract(self.params, self.grads, out=self.params)
