import numpy as np


class SoftmaxCrossEntropyLoss:
    def __init__(self, name):
        self.name = name

    def forward(self, input, target):
        z = input - np.max(input, axis=1)[:, None]
        self.prob = np.exp(z) / np.exp(z).sum(1)[:, None]
        self.n = input.shape[0]
        return np.array([np.sum(target * (np.log(np.exp(z).sum(1))[:, None] - z)) / self.n])

    def backward(self, input, target):
        return (self.prob - target) / self.n


class HingeLoss:
    def __init__(self, name, threshold=0.5, reduction="mean"):
        self.threshold = threshold

    def forward(self, input, target):
        total = 0.0
        for o, t in zip(input, target):
            c = int(np.argmax(t))
            for k in range(len(o)):
                if k != c:
                    total += max(0.0, self.threshold - o[c] + o[k])
        return total / len(input)

    def backward(self, input, target):
        grad = np.zeros(input.shape)
        for n, (o, t) in enumerate(zip(input, target)):
            c = int(np.argmax(t))
            for k in range(len(o)):
                if k != c and self.threshold - o[c] + o[k] > 0:
                    grad[n, k] += 1
                    grad[n, c] -= 1
        return grad / len(input)


class FocalLoss:
    def __init__(self, name, alpha, gamma=2.0):
        self.gamma = gamma

    def forward(self, input, target):
        z = input - input.max(axis=1, keepdims=True)
        log_p = ((z - np.log(np.exp(z).sum(axis=1, keepdims=True))) * target).sum(axis=1)
        return -np.mean((1 - np.exp(log_p)) ** self.gamma * log_p)

    def backward(self, input, target):
        e = np.exp(input - input.max(axis=1, keepdims=True))
        q = e / e.sum(axis=1, keepdims=True)
        p = np.maximum((q * target).sum(axis=1, keepdims=True), 1e-30)
        slope = self.gamma * (1 - p) ** (self.gamma - 1) * p * np.log(p) - (1 - p) ** self.gamma
        return slope * (target - q) / len(input)
