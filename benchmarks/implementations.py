"""A training step, implemented: this program, its lower bound, and how others would write it.

The others are PyTorch eager and compiled, JAX, scikit-learn, and a textbook loop in float64 NumPy. Each trains the same
network from the same initial weights, written as its own users would write it, with the setting that was the fastest
at this size (`setting` says which). All do all the work of a step: draw the batch, forward, loss and its gradient,
backward, update. This program keeps the images as bytes; the others hold them as normalised floats.

    prepare(case)   a new network with our initial weights
    train(order)    one step for each batch of this order of the images, a NumPy array
    check(order)    the same, in exactly this order (only scikit-learn draws another in `train`)
    weights()       W (in, out) and b of each layer, first to last, as NumPy arrays
    set_threads(n)  where the library lets one choose; before `prepare`

A library is imported when its class is made, so that a process holds one alone: ImportError if it is not installed.
"""

import time
from itertools import pairwise

import numpy as np
from threadpoolctl import threadpool_limits

import run_mlp
from benchmarks.cases import Case
from load_data import normalise
from solve_net import train_net
from training.settings import DEFAULTS, chosen_threads, resolve

RATE = 0.01
NEGLIGIBLE_RATE = 1e-9  # of the lower bound's update: its numbers do not matter, as long as they stay finite


def settings_of(case: Case) -> dict:
    """Return run_mlp's settings for a case: Sigmoid, softmax cross-entropy, plain SGD."""
    plain = {"loss": "SoftmaxCrossEntropyLoss", "learning_rate": RATE, "momentum": 0.0, "weight_decay": 0.0}
    given = plain | {"hidden": list(case.hidden), "batch_size": case.batch_size}
    return resolve(run_mlp.config, given | ({"activation": "Sigmoid"} if case.hidden else {}))


def built(case: Case) -> tuple:
    """Return run_mlp's network and loss for a case, before training."""
    return run_mlp.build(settings_of(case), case.widths[0], case.widths[-1])[:2]


def seconds_per_step(data, case: Case) -> float:
    """Of case.steps steps of the training loop, settings as by default."""
    settings = resolve(DEFAULTS, {"hidden": list(case.hidden), "batch_size": case.batch_size})
    model, loss, rng = run_mlp.build(settings, case.widths[0], case.widths[-1])
    samples = case.steps * case.batch_size
    start = time.perf_counter()
    train_net(model, loss, settings, data.train_images[:samples], data.train_labels[:samples], case.batch_size, 50, rng)
    return (time.perf_counter() - start) / case.steps


def parameters(model) -> list[np.ndarray]:
    """Return W and b of each Linear, first to last."""
    return [array for layer in model.layers if layer.trainable for array in (layer.W, layer.b)]


def initial_weights(case: Case) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return copies of W (in, out) and b of each layer."""
    arrays = [array.copy() for array in parameters(built(case)[0])]
    return list(zip(arrays[::2], arrays[1::2]))


class LowerBound:
    """The matrix products of a step and one in-place update of the parameters, and nothing else, in float32.

    The shapes are those of training; the arrays are made once and stay in the cache, the results are written into
    arrays that are there already. No batch is drawn, no activation, bias, loss or mean is computed. A program that
    trains by NumPy's products cannot be faster than this, on the same threads, unless it skips arithmetic.
    """

    def __init__(self, case: Case):
        rng, widths, batch_size = np.random.default_rng(0), case.widths, case.batch_size
        # Of one column and one row matmul makes a loop without BLAS, several times as slow.
        self.product = np.dot if batch_size == 1 else np.matmul
        self.params, self.grads = (np.zeros(case.parameters, np.float32) for _ in range(2))
        inputs, outputs = (
            [rng.normal(size=(batch_size, width)).astype(np.float32) for width in some]
            for some in (widths[:-1], widths[1:])
        )
        self.forward, self.backward, start = [], [], 0
        for number, (a, b) in enumerate(pairwise(widths)):
            W, grad_W = (vector[start : start + a * b].reshape(a, b) for vector in (self.params, self.grads))
            W[...] = rng.normal(0, 0.01, (a, b))
            self.forward.append((inputs[number], W, outputs[number]))
            self.backward.append((inputs[number].T, outputs[number], grad_W))
            if number > 0:  # nobody needs the gradient with respect to the data
                self.backward.append((outputs[number], W.T, inputs[number].copy()))
            start += a * b + b

    def steps(self, count: int) -> None:
        """So many steps: forward and backward products, and the update."""
        for _ in range(count):
            self.products(self.forward)
            self.products(self.backward)
            self.update()

    def seconds_per_step(self, count: int) -> float:
        start = time.perf_counter()
        self.steps(count)
        return (time.perf_counter() - start) / count

    def products(self, operands: list) -> None:
        for left, right, out in operands:
            self.product(left, right, out=out)

    def update(self) -> None:
        """p - rate * g without an array made for it: in NumPy the fastest way there is."""
        np.multiply(self.grads, NEGLIGIBLE_RATE, out=self.grads)
        np.subtract(self.params, self.grads, out=self.params)


class GivenOrder:
    """Stands in for train_net's generator: the order is drawn already, the same for every implementation."""

    def __init__(self, order: np.ndarray):
        self.order = order

    def permutation(self, count: int) -> np.ndarray:
        return self.order


class ThisProgram:
    setting = (
        "`solve_net.train_net` on the uint8 images, normalised on the way (the others hold normalised floats); "
        "the mean loss and accuracy of each 50 steps are computed too. Threads as `--threads auto` chooses them."
    )

    def __init__(self, data):
        self.data, self.cores = data, 1

    def prepare(self, case: Case) -> None:
        """As many threads as the program would take of these cores, for the rest of the process."""
        self.settings, (self.model, self.loss) = settings_of(case), built(case)
        self.lower_bound = LowerBound(case)
        self.threads = chosen_threads(self.settings, case.widths[0], case.widths[-1]) or self.cores
        threadpool_limits(self.threads, user_api="blas")

    def train(self, order: np.ndarray) -> None:
        images, labels = self.data.train_images[: len(order)], self.data.train_labels[: len(order)]
        batch, window = self.settings["batch_size"], self.settings["disp_freq"]
        train_net(self.model, self.loss, self.settings, images, labels, batch, window, GivenOrder(order))

    check = train

    def weights(self) -> list[np.ndarray]:
        return parameters(self.model)


class Textbook:
    setting = "Float64, a new array for every result, Sigmoid as 1 / (1 + exp(-x)), the loss of every batch computed."

    def __init__(self, data):
        self.X = normalise(data.train_images).astype(np.float64)
        self.T = np.eye(len(data.classes))[data.train_labels]

    def set_threads(self, count: int) -> None:
        threadpool_limits(count)

    def prepare(self, case: Case) -> None:
        self.batch = case.batch_size
        self.W, self.b = ([array.astype(np.float64) for array in arrays] for arrays in zip(*initial_weights(case)))

    def train(self, order: np.ndarray) -> None:
        for start in range(0, len(order), self.batch):
            batch = order[start : start + self.batch]
            self.step(self.X[batch], self.T[batch])

    check = train

    def step(self, x: np.ndarray, target: np.ndarray) -> float:
        activations = [x]
        for W, b in zip(self.W[:-1], self.b[:-1]):
            activations.append(1 / (1 + np.exp(-(activations[-1] @ W + b))))
        output = activations[-1] @ self.W[-1] + self.b[-1]
        exp = np.exp(output - output.max(axis=1, keepdims=True))
        p = exp / exp.sum(axis=1, keepdims=True)
        loss = -np.mean(np.sum(target * np.log(p), axis=1))
        delta = (p - target) / len(x)
        for layer in reversed(range(len(self.W))):
            a = activations[layer]
            grad_W, grad_b = a.T @ delta, delta.sum(axis=0)
            if layer > 0:
                delta = (delta @ self.W[layer].T) * a * (1 - a)
            self.W[layer] = self.W[layer] - RATE * grad_W
            self.b[layer] = self.b[layer] - RATE * grad_b
        return loss

    def weights(self) -> list[np.ndarray]:
        return [array for pair in zip(self.W, self.b) for array in pair]


class TorchEager:
    setting = (
        "`nn.Sequential`, `CrossEntropyLoss`, `optim.SGD(fused=True)`, batches drawn with `index_select`: as fast or "
        "faster here than `X[indices]`, a shuffled copy of the data, and `foreach`."
    )

    def __init__(self, data):
        import torch

        self.torch = torch
        self.X = torch.from_numpy(normalise(data.train_images))
        self.y = torch.from_numpy(data.train_labels)

    def set_threads(self, count: int) -> None:
        self.torch.set_num_threads(count)

    def prepare(self, case: Case) -> None:
        nn = self.torch.nn
        self.batch, modules = case.batch_size, []
        for W, b in initial_weights(case):
            linear = nn.Linear(*W.shape)
            with self.torch.no_grad():
                linear.weight.copy_(self.torch.from_numpy(W.T))
                linear.bias.copy_(self.torch.from_numpy(b))
            modules += [linear, nn.Sigmoid()]
        self.model, self.loss = nn.Sequential(*modules[:-1]), nn.CrossEntropyLoss()
        self.optimizer = self.torch.optim.SGD(self.model.parameters(), lr=RATE, fused=True)

    def train(self, order: np.ndarray) -> None:
        for batch in self.torch.from_numpy(order).split(self.batch):
            self.optimizer.zero_grad()
            output = self.model(self.X.index_select(0, batch))
            self.loss(output, self.y.index_select(0, batch)).backward()
            self.optimizer.step()

    def check(self, order: np.ndarray) -> None:
        self.train(order)

    def weights(self) -> list[np.ndarray]:
        return [parameter.detach().numpy().T for parameter in self.model.parameters()]


class TorchCompiled(TorchEager):
    setting = (
        "`torch.compile` of the whole step (draw, `torch.func.grad_and_value`, update in place): one call a step, "
        "twice as fast at batch 10 as compiling the model alone. Compiled before the first round."
    )

    def set_threads(self, count: int) -> None:
        import torch._inductor.config

        self.torch.set_num_threads(count)
        torch._inductor.config.cpp.threads = count

    def prepare(self, case: Case) -> None:
        super().prepare(case)
        torch, model, loss = self.torch, self.model, self.loss
        torch.compiler.reset()  # each case compiled for its own shapes
        self.params = {name: parameter.detach() for name, parameter in model.named_parameters()}

        def mean_loss(params: dict, x, y):
            return loss(torch.func.functional_call(model, params, (x,)), y)

        def step(params: dict, X, labels, batch):
            x, y = X.index_select(0, batch), labels.index_select(0, batch)
            grads, value = torch.func.grad_and_value(mean_loss)(params, x, y)
            for name, parameter in params.items():
                parameter.sub_(grads[name], alpha=RATE)
            return value

        self.step = torch.compile(step, dynamic=False)

    def train(self, order: np.ndarray) -> None:
        with self.torch.no_grad():
            for batch in self.torch.from_numpy(order).split(self.batch):
                self.step(self.params, self.X, self.y, batch)


class Jax:
    setting = (
        "A whole epoch as one `jit` of `lax.scan` over the permuted indices, the parameters donated, the batch drawn "
        "inside: faster than a shuffled copy of the data. Compiled before the first round."
    )

    def __init__(self, data):
        import jax

        jax.config.update("jax_platforms", "cpu")
        self.jax = jax
        self.X, self.y = jax.numpy.asarray(normalise(data.train_images)), jax.numpy.asarray(data.train_labels)

    def prepare(self, case: Case) -> None:
        jax, jnp = self.jax, self.jax.numpy
        self.batch = case.batch_size
        self.params = [(jnp.array(W), jnp.array(b)) for W, b in initial_weights(case)]

        def mean_loss(params, x, y):
            for W, b in params[:-1]:
                x = jax.nn.sigmoid(x @ W + b)
            log_p = jax.nn.log_softmax(x @ params[-1][0] + params[-1][1])
            return -jnp.mean(jnp.take_along_axis(log_p, y[:, None], axis=1))

        def epoch(params, X, labels, order):
            def step(params, batch):
                loss, grads = jax.value_and_grad(mean_loss)(params, X[batch], labels[batch])
                return jax.tree.map(lambda p, g: p - RATE * g, params, grads), loss

            return jax.lax.scan(step, params, order)

        self.epoch = jax.jit(epoch, donate_argnums=0)

    def train(self, order: np.ndarray) -> None:
        self.params, losses = self.epoch(self.params, self.X, self.y, order.reshape(-1, self.batch))
        self.jax.block_until_ready((self.params, losses))

    check = train

    def weights(self) -> list[np.ndarray]:
        return [np.asarray(array) for pair in self.params for array in pair]


class ScikitLearn:
    setting = (
        "`MLPClassifier(solver='sgd', momentum=0, alpha=0)`, an epoch by `partial_fit` (as fast as `fit`, which would "
        "end by its own rule), `assume_finite=True`. It draws its own order and computes the loss of every batch; in "
        "the check its shuffling is off and the weights are ours."
    )

    def __init__(self, data):
        import sklearn
        from sklearn.neural_network import MLPClassifier

        sklearn.set_config(assume_finite=True)
        self.classifier = MLPClassifier
        self.X, self.y, self.classes = normalise(data.train_images), data.train_labels, range(len(data.classes))

    def set_threads(self, count: int) -> None:
        threadpool_limits(count)

    def prepare(self, case: Case) -> None:
        self.model = self.classifier(
            hidden_layer_sizes=case.hidden,
            activation="logistic",
            solver="sgd",
            alpha=0.0,
            batch_size=case.batch_size,
            learning_rate_init=RATE,
            momentum=0.0,
            nesterovs_momentum=False,
            random_state=0,
        )
        # The arrays are made by a first call; the weights are put into them afterwards.
        first = slice(0, case.batch_size)
        self.model.partial_fit(self.X[first], self.y[first], classes=list(self.classes))
        for number, (W, b) in enumerate(initial_weights(case)):
            self.model.coefs_[number][...], self.model.intercepts_[number][...] = W, b

    def train(self, order: np.ndarray) -> None:
        self.model.partial_fit(self.X[: len(order)], self.y[: len(order)])

    def check(self, order: np.ndarray) -> None:
        self.model.shuffle = False
        self.model.partial_fit(self.X[order], self.y[order])
        self.model.shuffle = True

    def weights(self) -> list[np.ndarray]:
        return [array for pair in zip(self.model.coefs_, self.model.intercepts_) for array in pair]


IMPLEMENTATIONS = {
    "ours": ThisProgram,
    "torch": TorchEager,
    "compiled": TorchCompiled,
    "jax": Jax,
    "sklearn": ScikitLearn,
    "textbook": Textbook,
}
