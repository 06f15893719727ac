"""Correct Linears, written as other people write them."""

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


class ListLinear:
    """forward reads its parameters from a list, update works in place on what the list holds."""

    def __init__(self, name, in_num, out_num, init_std):
        self.W, self.b = np.random.randn(in_num, out_num) * init_std, np.zeros(out_num)
        self.params, self.velocity = [self.W, self.b], [0.0, 0.0]

    def forward(self, input):
        self.x = input
        return input @ self.params[0] + self.params[1]

    def backward(self, grad_output):
        self.grad_W, self.grad_b = self.x.T @ grad_output, grad_output.sum(0)
        return grad_output @ self.params[0].T

    def update(self, config):
        for k, grad in enumerate([self.grad_W, self.grad_b]):
            self.velocity[k] = config["momentum"] * self.velocity[k] + grad + config["weight_decay"] * self.params[k]
            self.params[k] -= config["learning_rate"] * self.velocity[k]


class HeldLinear:
    """forward reads its parameters from an object that also keeps them; W and b are other names."""

    class Parameters:
        pass

    def __init__(self, name, in_num, out_num, init_std):
        self.held = self.Parameters()
        self.W = self.held.weight = np.random.randn(in_num, out_num) * init_std
        self.b = self.held.bias = np.zeros(out_num)

    def forward(self, input):
        self.x = input
        return input @ self.held.weight + self.held.bias

    def backward(self, grad_output):
        self.grad_W, self.grad_b = self.x.T @ grad_output, grad_output.sum(0)
        return grad_output @ self.held.weight.T


class RecordedLinear:
    """A dict remembers the first parameters; forward and update know nothing of it."""

    def __init__(self, name, in_num, out_num, init_std):
        self.W, self.b = np.random.randn(in_num, out_num) * init_std, np.zeros(out_num)
        self.first = {"W": self.W, "b": self.b}
        self.vW, self.vb = 0.0, 0.0

    def forward(self, input):
        self.x = input
        return input @ self.W + self.b

    def backward(self, grad_output):
        self.grad_W, self.grad_b = self.x.T @ grad_output, grad_output.sum(0)
        return grad_output @ self.W.T

    def update(self, config):
        self.vW = config["momentum"] * self.vW + self.grad_W + config["weight_decay"] * self.W
        self.vb = config["momentum"] * self.vb + self.grad_b + config["weight_decay"] * self.b
        self.W = self.W - config["learning_rate"] * self.vW
        self.b = self.b - config["learning_rate"] * self.vb


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


ALTERNATIVES = [
    ("layers", "Linear", TransposedLinear, "w-out-in"),
    ("layers", "Linear", LoopLinear, "no-decay-on-b"),
    ("layers", "Linear", ColumnLinear, "columns"),
    ("layers", "Linear", SingleLinear, None),
    ("layers", "Linear", DictLinear, None),
    ("layers", "Linear", ListLinear, None),
    ("layers", "Linear", HeldLinear, None),
    ("layers", "Linear", RecordedLinear, None),
    ("layers", "Linear", PropertyLinear, None),
]
