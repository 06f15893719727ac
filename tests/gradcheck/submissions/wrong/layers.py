import numpy as np


class Linear:
    def __init__(self, name, in_num, out_num, init_std):
        self.W = np.random.randn(in_num, out_num) * init_std
        self.b = np.zeros(out_num)

    def forward(self, input):
        self.input = input
        return np.dot(input, self.W) + self.b

    def backward(self, grad_output):
        self.grad_W = np.dot(self.input.T, grad_output) / len(grad_output)
        self.grad_b = np.mean(grad_output, axis=0)
        return np.dot(grad_output, self.W.T)

    def update(self, config):
        self.W -= config["learning_rate"] * (self.grad_W - config["weight_decay"] * self.W)
        self.b -= config["learning_rate"] * self.grad_b


class Relu:
    def __init__(self, name):
        self.name = name

    def forward(self, input):
        input[input < 0] = 0
        return input

    def backward(self, grad_output):
        return grad_output * (grad_output > 0)


class Sigmoid:
    def __init__(self, name):
        self.name = name

    def forward(self, input):
        self.input = input
        return 1 / (1 + np.exp(-input))

    def backward(self, grad_output):
        return grad_output * np.exp(-self.input) / (1 + np.exp(-self.input)) ** 2


class Gelu:
    def __init__(self, name):
        self.name = name

    def forward(self, input):
        self.input = input
        return 0.5 * input * (1 + np.tanh(np.sqrt(2 / np.pi) * (input + 0.044715 * input ** 3)))

    def backward(self, grad_output):
        x = self.input
        t = np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x ** 3))
        inner = np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * x ** 2)
        return grad_output * (0.5 * (1 + t) + 0.5 * x * (1 - t) ** 2 * inner)


class Softplus:
    def __init__(self, name):
        self.name = name

    def forward(self, input):
        self.x = input
        return np.log1p(np.exp(-np.abs(input))) + np.maximum(input, 0)

    def backward(self, grad_output):
        return grad_output / (1 + np.exp(self.x))
