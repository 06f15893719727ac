import numpy as np
from scipy_or_not import erf


class Layer:
    def __init__(self, name):
        self.name = name

    def forward(self, input):
        raise NotImplementedError

    def backward(self, grad_output):
        raise NotImplementedError


class Linear(Layer):
    def __init__(self, name, in_num, out_num, init_std, learning_rate, bias_init=0.0):
        Layer.__init__(self, name)
        self.lr = learning_rate
        self.W = np.random.normal(0, init_std, (in_num, out_num))
        self.b = np.full((1, out_num), bias_init)

    def forward(self, input):
        print("forward", self.name, input.shape)
        self.x = input
        return self.x.dot(self.W) + self.b

    def backward(self, grad_output):
        self.grad_W = self.x.T.dot(grad_output)
        self.grad_b = grad_output.sum(0, keepdims=True)
        return grad_output.dot(self.W.T)


class ReLU(Layer):
    def forward(self, input):
        self.y = (np.abs(input) + input) / 2
        return self.y

    def backward(self, grad_output):
        return (self.y != 0) * grad_output


class Gelu(Layer):
    """The exact form."""

    def forward(self, input):
        self.x, self.cdf = input, 0.5 * (1 + erf(input / np.sqrt(2)))
        return input * self.cdf

    def backward(self, grad_output):
        return grad_output * (self.cdf + self.x * np.exp(-self.x ** 2 / 2) / np.sqrt(2 * np.pi))


class Tanh(Layer):
    def forward(self, input):
        self.y = np.tanh(input)
        return self.y

    def backward(self, grad_output):
        return grad_output * (1 - self.y ** 2)


class Dropout(Layer):
    def __init__(self, name, rate):
        self.rate, self.rng = 0.5, np.random.default_rng(0)

    def forward(self, input):
        self.mask = self.rng.random(input.shape) > self.rate
        return input * self.mask

    def backward(self, grad_output):
        return grad_output * self.mask
