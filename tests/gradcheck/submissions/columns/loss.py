import numpy as np


class EuclideanLoss:
    def __init__(self, name):
        self.name = name

    def forward(self, input, target):
        return ((input - target) ** 2).sum() / input.shape[1]

    def backward(self, input, target):
        return 2 * (input - target) / input.shape[1]


class SoftmaxCrossEntropyLoss:
    def __init__(self, name):
        self.name = name

    def forward(self, input, target):
        z = input - input.max(axis=0)
        return -(target * (z - np.log(np.exp(z).sum(axis=0)))).sum()

    def backward(self, input, target):
        e = np.exp(input - input.max(axis=0))
        return e / e.sum(axis=0) - target


class HingeLoss:
    def __init__(self, name, threshold=1.0):
        self.name, self.threshold = name, threshold

    def forward(self, input, target):
        right = (input * target).sum(axis=0)
        return (np.maximum(0, self.threshold - right + input) * (1 - target)).sum() / input.shape[1]

    def backward(self, input, target):
        right = (input * target).sum(axis=0)
        mask = (self.threshold - right + input > 0) * (1 - target)
        return (mask - target * mask.sum(axis=0)) / input.shape[1]
