import numpy as np


class Linear(object):
    def __init__(self, name, in_num, out_num, init_std):
        self.name = name
        self.trainable = True
        self.W = np.random.randn(in_num, out_num) * init_std
        self.b = np.zeros(out_num)
        self.grad_W = np.zeros((in_num, out_num))
        self.grad_b = np.zeros(out_num)

    def forward(self, input):
        self.input = input
        output = np.zeros((input.shape[0], self.W.shape[1]))
        for i in xrange(input.shape[0]):
            output[i] = input[i].dot(self.W) + self.b
        return output

    def backward(self, grad_output):
        self.grad_W = self.input.T.dot(grad_output)
        self.grad_b = grad_output.sum(axis=0)
        return grad_output.dot(self.W.T)


class Relu(object):
    def __init__(self, name):
        self.name = name

    def forward(self, input):
        self.mask = input > 0
        return input * self.mask

    def backward(self, grad_output):
        return grad_output * self.mask
