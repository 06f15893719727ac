import numpy as np

EPS = 1e-12


class EuclideanLoss:
    def __init__(self, name):
        self.name = name

    def forward(self, input, target):
        return 0.5 * np.mean(np.sum((input - target) ** 2, axis=1))

    def backward(self, input, target):
        return input - target


class SoftmaxCrossEntropyLoss:
    def __init__(self, name):
        self.name = name

    def forward(self, input, target):
        e = np.exp(input - input.max(axis=1, keepdims=True))
        p = np.clip(e / e.sum(axis=1, keepdims=True), EPS, 1)
        return -np.mean(np.sum(target * np.log(p), axis=1))

    def backward(self, input, target):
        e = np.exp(input - input.max(axis=1, keepdims=True))
        return (e / e.sum(axis=1, keepdims=True) - target) / len(input)


class HingeLoss:
    def __init__(self, name, margin=5):
        self.margin = margin

    def forward(self, input, target):
        right = np.sum(input * target, axis=1, keepdims=True)
        return np.mean(np.sum(np.maximum(0, self.margin - right + input) * (1 - target), axis=1))

    def backward(self, input, target):
        right = np.sum(input * target, axis=1, keepdims=True)
        mask = (self.margin - right + input > 0) * (1 - target)
        return (mask - target) / len(input)
