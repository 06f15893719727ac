"""Correct layers and losses, written as other people write them: the checker must find no fault in any of them."""

import math

import numpy as np


class TransposedLinear:
    """W as (out, in), b as (1, out), float64 whatever comes in, the step with a velocity that holds the rate."""

    def __init__(self, name, in_num, out_num, init_std):
        self.W = np.random.normal(0, init_std, (out_num, in_num))
        self.b = np.zeros((1, out_num))
        self.v = {"W": 0.0, "b": 0.0}

    def forward(self, input):
        self.x = np.asarray(input, np.float64)
        return np.einsum("ni,oi->no", self.x, self.W) + self.b

    def backward(self, grad_output):
        self.grad_W = np.einsum("no,ni->oi", grad_output, self.x)
        self.grad_b = np.sum(grad_output, axis=0, keepdims=True)
        return np.einsum("no,oi->ni", grad_output, self.W)

    def update(self, config):
        for name in ("W", "b"):
            grad = getattr(self, "grad_" + name) + config["weight_decay"] * getattr(self, name)
            self.v[name] = config["momentum"] * self.v[name] - config["learning_rate"] * grad
            setattr(self, name, getattr(self, name) + self.v[name])


class LoopLinear:
    """Plain Python loops over samples; keyword arguments of its own; no decay on b; works in place on its arrays."""

    def __init__(self, name, in_num, out_num, init_std, bias_init=0.1, seed=None):
        self.W = np.random.default_rng(seed).normal(0, init_std, (in_num, out_num))
        self.b = np.full(out_num, bias_init)
        self.grad_W, self.grad_b = np.zeros_like(self.W), np.zeros_like(self.b)
        self.vW, self.vb = np.zeros_like(self.W), np.zeros_like(self.b)

    def forward(self, input):
        self.saved = [row.copy() for row in input]
        return np.array([row @ self.W + self.b for row in input])

    def backward(self, grad_output):
        self.grad_W[:] = 0
        self.grad_b[:] = 0
        result = []
        for x, g in zip(self.saved, grad_output):
            self.grad_W += np.outer(x, g)
            self.grad_b += g
            result.append(self.W.dot(g))
        return np.array(result)

    def update(self, config):
        self.vW *= config["momentum"]
        self.vW += self.grad_W + config["weight_decay"] * self.W
        self.W -= config["learning_rate"] * self.vW
        self.vb *= config["momentum"]
        self.vb += self.grad_b
        self.b -= config["learning_rate"] * self.vb


class ColumnLinear:
    def __init__(self, name, in_num, out_num, init_std):
        self.W = np.random.randn(out_num, in_num) * init_std
        self.b = np.zeros((out_num, 1))

    def forward(self, input):
        self.x = input
        return self.W @ input + self.b

    def backward(self, grad_output):
        self.grad_W, self.grad_b = grad_output @ self.x.T, grad_output.sum(1, keepdims=True)
        return self.W.T @ grad_output


class SingleLinear:
    """float32 and nothing else: differences of it are coarse."""

    def __init__(self, name, in_num, out_num, init_std):
        self.W = (np.random.randn(in_num, out_num) * init_std).astype(np.float32)
        self.b = np.zeros(out_num, np.float32)

    def forward(self, input):
        self.x = input.astype(np.float32)
        return (self.x @ self.W + self.b).astype(np.float32)

    def backward(self, grad_output):
        g = grad_output.astype(np.float32)
        self.grad_W, self.grad_b = (self.x.T @ g).astype(np.float32), g.sum(0)
        return (g @ self.W.T).astype(np.float32)


class DictLinear:
    """forward reads its parameters from a dict; W and b are other names of the same arrays."""

    def __init__(self, name, in_num, out_num, init_std):
        self.params = {"W": np.random.randn(in_num, out_num) * init_std, "b": np.zeros(out_num)}
        self.W, self.b = self.params["W"], self.params["b"]
        self.v = {"W": 0.0, "b": 0.0}

    def forward(self, input):
        self.x = input
        return input @ self.params["W"] + self.params["b"]

    def backward(self, grad_output):
        self.grad_W, self.grad_b = self.x.T @ grad_output, grad_output.sum(0)
        return grad_output @ self.params["W"].T

    def update(self, config):
        for name, grad in (("W", self.grad_W), ("b", self.grad_b)):
            self.v[name] = config["momentum"] * self.v[name] + grad + config["weight_decay"] * self.params[name]
            self.params[name] = self.params[name] - config["learning_rate"] * self.v[name]


class PropertyLinear:
    """W and b are read-only properties of one float64 vector."""

    def __init__(self, name, in_num, out_num, init_std):
        self.shape = in_num, out_num
        self.vector = np.concatenate([np.random.randn(in_num * out_num) * init_std, np.zeros(out_num)])
        self.velocity = np.zeros_like(self.vector)

    @property
    def W(self):
        return self.vector[: self.shape[0] * self.shape[1]].reshape(self.shape)

    @property
    def b(self):
        return self.vector[self.shape[0] * self.shape[1] :]

    def forward(self, input):
        self.x = input
        return input @ self.W + self.b

    def backward(self, grad_output):
        self.grad_W, self.grad_b = self.x.T @ grad_output, grad_output.sum(0)
        return grad_output @ self.W.T

    def update(self, config):
        grads = np.concatenate([self.grad_W.ravel(), self.grad_b]) + config["weight_decay"] * self.vector
        self.velocity = config["momentum"] * self.velocity + grads
        self.vector -= config["learning_rate"] * self.velocity


class AbsRelu:
    """(x + |x|) / 2, the derivative from the output."""

    def __init__(self, name):
        self.name = name

    def forward(self, input):
        self.y = (input + np.abs(input)) / 2
        return self.y

    def backward(self, grad_output):
        return np.sign(self.y) * grad_output


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


WAYS = [
    ("layers", "Linear", TransposedLinear, "w-out-in"),
    ("layers", "Linear", LoopLinear, "no-decay-on-b"),
    ("layers", "Linear", ColumnLinear, "columns"),
    ("layers", "Linear", SingleLinear, None),
    ("layers", "Linear", DictLinear, None),
    ("layers", "Linear", PropertyLinear, None),
    ("layers", "Relu", AbsRelu, None),
    ("layers", "Relu", KinkIsOneRelu, None),
    ("layers", "Relu", SingleRelu, None),
    ("layers", "Sigmoid", SignSplitSigmoid, "output-overwritten"),
    ("layers", "Sigmoid", PlainSigmoid, None),
    ("layers", "Sigmoid", LogSigmoid, None),
    ("layers", "Gelu", ErfGelu, "gelu-erf"),
    ("layers", "Gelu", SigmoidGelu, "gelu-sigmoid"),
    ("layers", "Gelu", CoshGelu, None),
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
    ("layers", "Sigmoid", SingleSigmoid, None),
    ("layers", "Gelu", SingleGelu, None),
    ("loss", "EuclideanLoss", SingleEuclidean, None),
    ("loss", "SoftmaxCrossEntropyLoss", SingleSoftmax, "stateful"),
    ("loss", "HingeLoss", SingleHinge, None),
]
