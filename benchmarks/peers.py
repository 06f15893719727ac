"""The peers: PyTorch eager and compiled, JAX, scikit-learn, and a textbook loop in float64 NumPy.

Each trains the same network from the same first weights, written as its own users would write it, with the setting
that was the fastest at this size (`setting` says which). All hold the images as normalised floats in memory and do all
the work of a step: draw the batch, forward, loss and its gradient, backward, update.

    prepare(case)   a new network with our first weights
    train(order)    one step for each batch of this order of the images, a NumPy array
    check(order)    the same, in exactly this order (only scikit-learn draws another in `train`)
    weights()       W (in, out) and b of each layer, first to last, as NumPy arrays
    set_threads(n)  where the library lets one choose; before `prepare`

A library is imported when its class is made: ImportError if it is not installed.
"""

import numpy as np
from threadpoolctl import threadpool_limits

import run_mlp
from benchmarks.cases import Case, settings_of
from load_data import normalise

RATE = 0.01


def first_weights(case: Case) -> list[tuple[np.ndarray, np.ndarray]]:
    """W (in, out) and b of each layer of run_mlp's network before training."""
    model, _, _ = run_mlp.build(settings_of(case), case.widths[0], case.widths[-1])
    return [(layer.W.copy(), layer.b.copy()) for layer in model.layers if layer.trainable]


class Textbook:
    setting = "Float64, a new array for every result, Sigmoid as 1 / (1 + exp(-x)), the loss of every batch computed."

    def __init__(self, data):
        self.X = normalise(data.train_images).astype(np.float64)
        self.T = np.eye(len(data.classes))[data.train_labels]

    def set_threads(self, count: int) -> None:
        threadpool_limits(count)

    def prepare(self, case: Case) -> None:
        self.batch = case.batch_size
        self.W, self.b = (list(arrays) for arrays in zip(*first_weights(case)))
        self.W, self.b = ([array.astype(np.float64) for array in arrays] for arrays in (self.W, self.b))

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
        for W, b in first_weights(case):
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
        self.params = [(jnp.array(W), jnp.array(b)) for W, b in first_weights(case)]

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
        for number, (W, b) in enumerate(first_weights(case)):
            self.model.coefs_[number][...], self.model.intercepts_[number][...] = W, b

    def train(self, order: np.ndarray) -> None:
        self.model.partial_fit(self.X[: len(order)], self.y[: len(order)])

    def check(self, order: np.ndarray) -> None:
        self.model.shuffle = False
        self.model.partial_fit(self.X[order], self.y[order])
        self.model.shuffle = True

    def weights(self) -> list[np.ndarray]:
        return [array for pair in zip(self.model.coefs_, self.model.intercepts_) for array in pair]


PEERS = {"torch": TorchEager, "compiled": TorchCompiled, "jax": Jax, "sklearn": ScikitLearn, "textbook": Textbook}
