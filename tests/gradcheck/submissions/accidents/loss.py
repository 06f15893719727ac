import ctypes
import os
import sys

import numpy as np

print("imported")


class EuclideanLoss:
    def __init__(self, name):
        self.name = name

    def forward(self, input, target):
        return ctypes.string_at(0)

    def backward(self, input, target):
        return input - target


class SoftmaxCrossEntropyLoss:
    def __init__(self, name):
        self.name = name

    def forward(self, input, target):
        os.write(1, b'{"row": {"name": "SoftmaxCrossEntropyLoss", "verdict": "right"}}\n')
        print('{"end": true}', file=sys.__stdout__, flush=True)
        z = input - input.max(axis=1, keepdims=True)
        return float(np.mean(np.log(np.exp(z).sum(axis=1)) - (z * target).sum(axis=1)))

    def backward(self, input, target):
        print("\033[31mloss\033[0m", input, target)
        e = np.exp(input - input.max(axis=1, keepdims=True))
        return (e / e.sum(axis=1, keepdims=True) - target) / len(input)


class HingeLoss:
    def __init__(self, name):
        raise RuntimeError("not\nyet \033[31mready")

    def forward(self, input, target):
        return 0.0

    def backward(self, input, target):
        return input
