import numpy as np


class Linear:
    """A sample in each column: W (out, in), b (out, 1)."""

    def __init__(self, name, in_num, out_num, init_std):
        self.name, self.trainable = name, True
        self.W = np.random.randn(out_num, in_num) * init_std
        self.b = np.zeros((out_num, 1))
        self.vW = self.vb = 0

    def forward(self, input):
        self.input = input
        return self.W @ input + self.b

    def backward(self, grad_output):
        self.grad_W = grad_output @ self.input.T
        self.grad_b = grad_output.sum(axis=1, keepdims=True)
        return self.W.T @ grad_output

    def update(self, config):
        lr, wd, mm = config["learning_rate"], config["weight_decay"], config["momentum"]
        self.vW = mm * self.vW - lr * (self.grad_W + wd * self.W)
        self.vb = mm * self.vb - lr * self.grad_b
        self.W = self.W + self.vW
        self.b = self.b + self.vb
