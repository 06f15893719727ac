"""Correct losses, written as other people write them."""

import numpy as np


class SumEuclidean:
    def __init__(self, name):
        self.name = name

    def forward(self, input, target):
        return np.sum((input - target) ** 2)

    def backward(self, input, target):
        return 2 * (input - target)


class MeanOfAllEuclidean:
    def __init__(self, name):
        self.name = name

    def forward(self, input, target):
        self.difference = input - target
        return np.mean(self.difference**2)

    def backward(self, input, target):
        return 2 * self.difference / self.difference.size


class ExpandedEuclidean:
    """(o.o - 2 o.t + t.t) / 2."""

    def __init__(self, name="loss", reduction="mean"):
        self.name = name

    def forward(self, input, target):
        return ((input**2).sum() - 2 * (input * target).sum() + (target**2).sum()) / (2 * input.shape[0])

    def backward(self, input, target):
        return np.array([(o - t) / len(input) for o, t in zip(input, target)])


class PerSampleEuclidean:
    """One loss per sample, as with reduction="none"; the gradient of their mean."""

    def __init__(self, name):
        self.name = name

    def forward(self, input, target):
        return 0.5 * ((input - target) ** 2).sum(axis=1)

    def backward(self, input, target):
        return (input - target) / len(input)


class StatefulSoftmax:
    def __init__(self, name):
        self.name = name

    def forward(self, input, target):
        shifted = input - np.max(input, axis=1, keepdims=True)
        self.p, self.t = np.exp(shifted) / np.exp(shifted).sum(1, keepdims=True), target
        return -np.mean((target * (shifted - np.log(np.exp(shifted).sum(1, keepdims=True)))).sum(1))

    def backward(self, input, target):
        grad = self.p.copy()
        grad[self.t.astype(bool)] -= 1
        return grad / len(grad)


class LabelSoftmax:
    """logaddexp.reduce; the target as class numbers inside; the sum, not the mean."""

    def __init__(self, name):
        self.name = name

    def forward(self, input, target):
        labels = target.argmax(axis=1)
        return float((np.logaddexp.reduce(input, axis=1) - input[np.arange(len(input)), labels]).sum())

    def backward(self, input, target):
        return np.exp(input - np.logaddexp.reduce(input, axis=1, keepdims=True)) - target


class ColumnSoftmax:
    def __init__(self, name):
        self.name = name

    def forward(self, input, target):
        z = input - input.max(0)
        return ((np.log(np.exp(z).sum(0)) - z) * target).sum() / input.shape[1]

    def backward(self, input, target):
        e = np.exp(input - input.max(0))
        return (e / e.sum(0) - target) / input.shape[1]


class LoopHinge:
    def __init__(self, name, threshold=1.0):
        self.name, self.threshold = name, threshold

    def forward(self, input, target):
        total = 0.0
        for o, t in zip(input, target):
            label = int(t.argmax())
            total += sum(max(0.0, self.threshold - o[label] + o[k]) for k in range(len(o)) if k != label)
        return total / len(input)

    def backward(self, input, target):
        grad = np.zeros_like(input)
        for n, (o, t) in enumerate(zip(input, target)):
            label = int(t.argmax())
            for k in range(len(o)):
                if k != label and self.threshold - o[label] + o[k] > 0:
                    grad[n, k] += 1
                    grad[n, label] -= 1
        return grad / len(input)


class MarginGivenHinge:
    """The margin has no default; forward counts the target's column and takes it off again; the sum."""

    def __init__(self, name, margin):
        self.margin = margin

    def forward(self, input, target):
        right = input[target > 0][:, None]
        return np.maximum(0, input - right + self.margin).sum() - self.margin * len(input)

    def backward(self, input, target):
        right = input[target > 0][:, None]
        mask = (input - right + self.margin > 0).astype(input.dtype)
        mask[target > 0] -= mask.sum(axis=1)
        return mask


class CrammerSingerHinge:
    """Only the worst class: another loss that goes by this name."""

    def __init__(self, name, margin=5):
        self.margin = margin

    def _worst(self, input, target):
        violation = np.where(target > 0, 0, self.margin - (input * target).sum(1, keepdims=True) + input)
        return violation.argmax(1), np.maximum(violation.max(1), 0)

    def forward(self, input, target):
        return float(self._worst(input, target)[1].mean())

    def backward(self, input, target):
        worst, violation = self._worst(input, target)
        on = (violation > 0).astype(input.dtype)
        grad = -target * on[:, None]
        grad[np.arange(len(grad)), worst] += on
        return grad / len(input)


class SingleEuclidean:
    def __init__(self, name):
        self.name = name

    def forward(self, input, target):
        difference = input.astype(np.float32) - target.astype(np.float32)
        return float(np.mean(np.sum(difference**2, axis=1)) / 2)

    def backward(self, input, target):
        return ((input - target) / len(input)).astype(np.float32)


class SingleSoftmax:
    def __init__(self, name):
        self.name = name

    def forward(self, input, target):
        z = input.astype(np.float32)
        z = z - z.max(axis=1, keepdims=True)
        log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        self.p = np.exp(log_p)
        return -(target * log_p).sum() / len(input)

    def backward(self, input, target):
        return (self.p - target.astype(np.float32)) / len(input)


class SingleHinge:
    def __init__(self, name, margin=5):
        self.margin = margin

    def _violation(self, input, target):
        o, t = input.astype(np.float32), target.astype(np.float32)
        return np.maximum(0, self.margin - (o * t).sum(1, keepdims=True) + o) * (1 - t)

    def forward(self, input, target):
        return self._violation(input, target).sum() / len(input)

    def backward(self, input, target):
        mask = (self._violation(input, target) > 0).astype(np.float32)
        return (mask - target.astype(np.float32) * mask.sum(1, keepdims=True)) / np.float32(len(input))


ALTERNATIVES = [
    ("loss", "EuclideanLoss", SumEuclidean, "sum-no-half"),
    ("loss", "EuclideanLoss", MeanOfAllEuclidean, "mean-of-all-no-half"),
    ("loss", "EuclideanLoss", ExpandedEuclidean, None),
    ("loss", "EuclideanLoss", PerSampleEuclidean, "per-sample"),
    ("loss", "SoftmaxCrossEntropyLoss", StatefulSoftmax, "stateful"),
    ("loss", "SoftmaxCrossEntropyLoss", LabelSoftmax, "sum"),
    ("loss", "SoftmaxCrossEntropyLoss", ColumnSoftmax, "columns"),
    ("loss", "HingeLoss", LoopHinge, "margin-default"),
    ("loss", "HingeLoss", MarginGivenHinge, "sum"),
    ("loss", "HingeLoss", CrammerSingerHinge, "worst-only"),
    ("loss", "EuclideanLoss", SingleEuclidean, None),
    ("loss", "SoftmaxCrossEntropyLoss", SingleSoftmax, "stateful"),
    ("loss", "HingeLoss", SingleHinge, None),
]
