"""Correct activations, written as other people write them."""

import math

import numpy as np


class AbsRelu:
    """(x + |x|) / 2, the derivative from the output."""

    def __init__(self, name):
        self.name = name

    def forward(self, input):
        self.y = (input + np.abs(input)) / 2
        return self.y

    def backward(self, grad_output):
        return np.sign(self.y) * grad_output


SAVED = {}


class StoredByNameRelu:
    """What forward saved lies in one dict for all layers, under each layer's name, as a stack."""

    def __init__(self, name):
        self.stack = SAVED.setdefault(name, [])

    def forward(self, input):
        self.stack.append(input)
        return np.maximum(input, 0)

    def backward(self, grad_output):
        return grad_output * (self.stack.pop() > 0)


class KinkIsOneRelu:
    """The other subgradient at 0, the mask kept and used in place."""

    def __init__(self, name):
        self.name = name

    def forward(self, input):
        self.mask = input >= 0
        return np.where(self.mask, input, 0).astype(input.dtype)

    def backward(self, grad_output):
        grad = grad_output.copy()
        grad[~self.mask] = 0
        return grad


class SingleRelu:
    def __init__(self, name):
        self.name = name

    def forward(self, input):
        self.x = np.asarray(input, np.float32)
        return np.clip(self.x, 0, None)

    def backward(self, grad_output):
        return (np.heaviside(self.x, 0) * grad_output).astype(np.float32)


class SignSplitSigmoid:
    """exp only of negative numbers; the derivative in place on its own output."""

    def __init__(self, name):
        self.name = name

    def forward(self, input):
        e = np.exp(-np.abs(input))
        self.y = np.where(input >= 0, 1 / (1 + e), e / (1 + e))
        return self.y

    def backward(self, grad_output):
        self.y *= 1 - self.y
        return grad_output * self.y


class PlainSigmoid:
    """1 / (1 + exp(-x)) overflows to 1 / inf = 0, which is right; the derivative from the output."""

    def __init__(self, name):
        self.name = name

    def forward(self, input):
        self.y = 1.0 / (1.0 + np.exp(-input))
        return self.y

    def backward(self, grad_output):
        return grad_output * self.y * (1.0 - self.y)


class LogSigmoid:
    """exp(-log(1 + exp(-x))), the derivative y^2 exp(-x) as y sigmoid(-x)."""

    def __init__(self, name):
        self.name = name

    def forward(self, input):
        self.y, self.z = np.exp(-np.logaddexp(0, -input)), np.exp(-np.logaddexp(0, input))
        return self.y

    def backward(self, grad_output):
        return grad_output * self.y * self.z


class ErfGelu:
    """The exact GELU."""

    def __init__(self, name):
        self.name = name

    def forward(self, input):
        self.x = input
        self.phi = 0.5 * (1 + np.vectorize(math.erf)(input / math.sqrt(2)))
        return input * self.phi

    def backward(self, grad_output):
        return grad_output * (self.phi + self.x * np.exp(-0.5 * self.x**2) / math.sqrt(2 * math.pi))


class SigmoidGelu:
    """x sigmoid(1.702 x)."""

    def __init__(self, name):
        self.name = name

    def forward(self, input):
        self.x, self.s = input, 0.5 + 0.5 * np.tanh(0.851 * input)
        return input * self.s

    def backward(self, grad_output):
        return grad_output * (self.s + 1.702 * self.x * self.s * (1 - self.s))


class CoshGelu:
    """The tanh form with sech^2 by cosh, which overflows to 1 / inf = 0 as it should; computed anew in backward."""

    def __init__(self, name):
        self.name = name

    def forward(self, input):
        self.x = input
        return input * 0.5 * (1 + np.tanh(math.sqrt(2 / math.pi) * (input + 0.044715 * input**3)))

    def backward(self, grad_output):
        u = math.sqrt(2 / math.pi) * (self.x + 0.044715 * self.x**3)
        slope = (
            0.5 * np.tanh(u)
            + 0.5
            + 0.5 * self.x * math.sqrt(2 / math.pi) * (1 + 0.134145 * self.x**2) / np.cosh(np.clip(u, -300, 300)) ** 2
        )
        return grad_output * slope


class SingleSigmoid:
    """float32 inside, float64 out."""

    def __init__(self, name):
        self.name = name

    def forward(self, input):
        self.y = (0.5 + 0.5 * np.tanh(input.astype(np.float32) / 2)).astype(np.float64)
        return self.y

    def backward(self, grad_output):
        return self.y * (1 - self.y) * grad_output


class SingleGelu:
    def __init__(self, name):
        self.name = name

    def forward(self, input):
        self.x = input.astype(np.float32)
        self.t = np.tanh(0.7978845608 * (self.x + 0.044715 * self.x**3))
        return 0.5 * self.x * (1 + self.t)

    def backward(self, grad_output):
        x, t = self.x, self.t
        slope = 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * 0.7978845608 * (1 + 0.134145 * x * x)
        return (grad_output * slope).astype(np.float32)


ALTERNATIVES = [
    ("layers", "Relu", AbsRelu, None),
    ("layers", "Relu", StoredByNameRelu, None),
    ("layers", "Relu", KinkIsOneRelu, None),
    ("layers", "Relu", SingleRelu, None),
    ("layers", "Sigmoid", SignSplitSigmoid, "output-overwritten"),
    ("layers", "Sigmoid", PlainSigmoid, None),
    ("layers", "Sigmoid", LogSigmoid, None),
    ("layers", "Gelu", ErfGelu, "gelu-erf"),
    ("layers", "Gelu", SigmoidGelu, "gelu-sigmoid"),
    ("layers", "Gelu", CoshGelu, None),
    ("layers", "Sigmoid", SingleSigmoid, None),
    ("layers", "Gelu", SingleGelu, None),
]
