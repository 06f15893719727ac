"""The assignment's contract, both ways: somebody's layers and loss in our loop, ours in a plain driver.

The code of the "somebody" stands here, written as the assignment asks for it and as students write it.
"""

import numpy as np
import pytest

import layers
import loss
from network import Network
from solve_net import test_net as evaluate  # under its own name pytest would take it for a test
from solve_net import train_net

CONFIG = {"learning_rate": 0.1, "weight_decay": 0.001, "momentum": 0.9}


class TheirLinear:
    def __init__(self, name, in_num, out_num, init_std):
        self.trainable = True  # and no name
        self.W, self.b = np.random.randn(in_num, out_num) * init_std, np.zeros(out_num)
        self.diff_W, self.diff_b = np.zeros_like(self.W), np.zeros_like(self.b)

    def forward(self, input):
        self._saved = input
        return np.dot(input, self.W) + self.b

    def backward(self, grad_output):
        self.grad_W = np.dot(self._saved.T, grad_output)
        self.grad_b = np.sum(grad_output, axis=0)
        return np.dot(grad_output, self.W.T)

    def update(self, config):
        mm, lr, wd = config["momentum"], config["learning_rate"], config["weight_decay"]
        self.diff_W = mm * self.diff_W + (self.grad_W + wd * self.W)
        self.W = self.W - lr * self.diff_W
        self.diff_b = mm * self.diff_b + (self.grad_b + wd * self.b)
        self.b = self.b - lr * self.diff_b


class TheirRelu:
    def __init__(self, name):
        self.trainable = False  # and no name

    def forward(self, input):
        self._saved = input
        return np.maximum(0, input)

    def backward(self, grad_output):
        return grad_output * np.array(self._saved > 0, dtype=float)

    def update(self, config):
        pass


class TheirEuclideanLoss:
    def __init__(self, name):
        self.name = name

    def forward(self, input, target):
        return 0.5 * np.mean(np.sum(np.square(input - target), axis=1))

    def backward(self, input, target):
        return (input - target) / len(input)


class PlainNetwork:
    """The driver that comes with the assignment."""

    def __init__(self):
        self.layer_list = []

    def add(self, layer):
        self.layer_list.append(layer)

    def forward(self, input):
        output = input
        for layer in self.layer_list:
            output = layer.forward(output)
        return output

    def backward(self, grad_output):
        grad_input = grad_output
        for layer in reversed(self.layer_list):
            grad_input = layer.backward(grad_input)

    def update(self, config):
        for layer in self.layer_list:
            if layer.trainable:
                layer.update(config)


def data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(60, 8)), rng.integers(0, 3, 60)


def weights() -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.normal(0, 0.5, shape) for shape in ((8, 7), (7,), (7, 3), (3,))]


def filled(network, linear, relu):
    """8-7-3 with the same weights, whoever's network and layers they are."""
    parts = [linear("fc1", 8, 7, 0.1), relu("act1"), linear("fc2", 7, 3, 0.1)]
    for layer, (W, b) in zip(parts[::2], (weights()[:2], weights()[2:])):
        layer.W, layer.b = W, b
    for layer in parts:
        network.add(layer)
    return network, parts


def our_linear(*arguments):
    return layers.Linear(*arguments, dtype=np.float64)


def drive(network, loss_of, steps: int = 3) -> None:
    """The loop of the assignment: shuffled mini-batches of 20, one-hot targets."""
    inputs, labels = data()
    for epoch in range(steps):
        order = np.random.default_rng(epoch).permutation(60)
        for start in range(0, 60, 20):
            chosen = order[start : start + 20]
            target = np.eye(3)[labels[chosen]]
            output = network.forward(inputs[chosen])
            loss_of.forward(output, target)
            network.backward(loss_of.backward(output, target))
            network.update(CONFIG)


@pytest.fixture(scope="module")
def expected():
    """Our layers in our Network and our loop."""
    model, parts = filled(Network(), our_linear, layers.Relu)
    inputs, labels = data()
    for epoch in range(3):
        train_net(model, loss.EuclideanLoss("loss"), CONFIG, inputs, labels, 20, 1, np.random.default_rng(epoch))
    return [parts[0].W.copy(), parts[2].b.copy()], evaluate(model, loss.EuclideanLoss("loss"), inputs, labels, 20)


@pytest.mark.parametrize(
    ("first", "last"), [(TheirLinear, TheirLinear), (TheirLinear, our_linear), (our_linear, TheirLinear)]
)
def test_somebodys_layers_and_loss_train_in_our_network_and_loop_beside_ours(expected, first, last):
    kinds = iter((first, last))
    model, parts = filled(Network(), lambda *arguments: next(kinds)(*arguments), TheirRelu)
    assert "TheirLinear" in repr(model)
    inputs, labels = data()
    for epoch in range(3):
        train_net(model, TheirEuclideanLoss("loss"), CONFIG, inputs, labels, 20, 1, np.random.default_rng(epoch))
    np.testing.assert_allclose(parts[0].W, expected[0][0], rtol=1e-10)
    np.testing.assert_allclose(parts[2].b, expected[0][1], rtol=1e-10)
    assert evaluate(model, TheirEuclideanLoss("loss"), inputs, labels, 20).accuracy == expected[1].accuracy


@pytest.mark.parametrize("loss_of", [loss.EuclideanLoss, TheirEuclideanLoss])
def test_our_layers_and_loss_train_in_a_plain_driver(expected, loss_of):
    model, parts = filled(PlainNetwork(), our_linear, layers.Relu)
    drive(model, loss_of("loss"))
    np.testing.assert_allclose(parts[0].W, expected[0][0], rtol=1e-10)
    np.testing.assert_allclose(parts[2].b, expected[0][1], rtol=1e-10)


def test_our_newer_layers_train_in_a_plain_driver_too():
    rng, model = np.random.default_rng(2), PlainNetwork()
    first, second = (layers.Linear(f"fc{n}", a, b, 0.5, rng, np.float64) for n, (a, b) in enumerate([(8, 8), (8, 3)]))
    normal = layers.BatchNorm("bn", 8, dtype=np.float64)
    for layer in (layers.Residual("res", first, normal, layers.Relu("act"), layers.Dropout("drop", 0.2, rng)), second):
        model.add(layer)
    before = [array.copy() for array in (first.W, normal.gamma, second.W)]
    drive(model, loss.SoftmaxCrossEntropyLoss("loss"))
    assert all(not np.array_equal(now, then) for now, then in zip((first.W, normal.gamma, second.W), before))
    assert all(np.isfinite(array).all() for array in (first.W, normal.gamma, second.W))
