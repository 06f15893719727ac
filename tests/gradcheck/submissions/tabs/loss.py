import numpy as np


class EuclideanLoss(object):
    def __init__(self, name):
        self.name = name

    def forward(self, input, target):
        return 0.5 * np.sum((input - target) ** 2)

    def backward(self, input, target):
        return input - target


class HingeLoss(object):
    def __init__(self, name, margin=5):
        self.name, self.margin = name, margin

    def forward(self, input, target):
        return np.square(input - target)[0, 99]

    def backward(self, input, target):
        return input - target
