"""Dropout, BatchNorm, Residual, the mode of a network, schedules: gradients, values, trajectory, files."""

import copy
import json
import pickle

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad as autograd_of
from helpers import central_difference, one_hot

import layers
from layers import BatchNorm, Dropout, Gelu, Linear, Residual, flatten, initial_std
from load_data import normalise
from loss import SoftmaxCrossEntropyLoss
from network import Network
from solve_net import learning_rates, train_net
from solve_net import test_net as evaluate  # under its own name pytest would take it for a test
from utils import FileError, load_npz, save_npz

CONFIG = {"learning_rate": 0.05, "momentum": 0.9, "weight_decay": 0.01}
LOSS = SoftmaxCrossEntropyLoss("loss")
KINDS = ("dropout", "batch norm", "residual", "all")


def network(kinds=("dropout", "batch norm", "residual"), dtype=np.float64, seed: int = 0, act=Gelu) -> Network:
    """5-6-6-3; the second block is inside a Residual."""
    rng, masks, model = np.random.default_rng(seed), np.random.default_rng(seed + 1), Network()
    for number in (1, 2):
        block = [Linear(f"fc{number}", 5 if number == 1 else 6, 6, 0.7, rng, dtype)]
        block += [BatchNorm(f"bn{number}", 6, dtype=dtype)] if "batch norm" in kinds else []
        block += [act(f"act{number}")]
        block += [Dropout(f"drop{number}", 0.4, masks)] if "dropout" in kinds else []
        for layer in [Residual(f"res{number}", *block)] if "residual" in kinds and number == 2 else block:
            model.add(layer)
    model.add(Linear("fc3", 6, 3, 0.7, rng, dtype))
    model.params[:] += rng.normal(0, 0.3, model.params.size)
    return model


def masks_of(model):
    return next((layer.rng for layer in flatten(model.layers) if isinstance(layer, Dropout)), None)


def fixed(model, inputs):
    """A forward in training mode with the same mask, and the same running statistics, each time."""
    masks = masks_of(model)
    before = masks and masks.bit_generator.state
    output = model.forward(inputs)
    if masks:
        masks.bit_generator.state = before
    return output


@pytest.mark.parametrize("kind", KINDS)
def test_every_gradient_of_a_network_is_the_slope_of_its_loss(kind):
    kinds, rng = KINDS[:-1] if kind == "all" else (kind,), np.random.default_rng(3)
    model, inputs, target = network(kinds), rng.normal(size=(7, 5)), one_hot(rng.integers(0, 3, 7), 3)
    model.backward(LOSS.backward(fixed(model, inputs), target))
    analytic = model.grads.copy()
    numeric = central_difference(lambda: LOSS.forward(fixed(model, inputs), target), model.params)
    assert np.abs(analytic).max() > 0.05
    np.testing.assert_allclose(analytic, numeric, rtol=1e-6, atol=1e-8)


def test_batch_norm_of_three_samples_worked_by_hand():
    # x = 0, 3, 3: mean 2, variance 2; with epsilon 1/4, s = 3/2 and z = -4/3, 2/3, 2/3; y = 3 z + 1.
    layer = BatchNorm("bn", 1, decay=0.5, epsilon=0.25, dtype=np.float64)
    layer.gamma, layer.beta = [3.0], [1.0]
    np.testing.assert_allclose(layer.forward(np.array([[0.0], [3.0], [3.0]])), [[-3.0], [3.0], [3.0]], rtol=1e-12)
    # dE/dx = gamma / s (g - mean g - z mean(g z)) with g = 0, 1, 2: mean g = 1, mean(g z) = 2/3.
    grad_input = layer.backward(np.array([[0.0], [1.0], [2.0]]))
    np.testing.assert_allclose(grad_input, np.array([[-2.0], [-8.0], [10.0]]) / 9, rtol=1e-12)
    np.testing.assert_allclose([layer.grad_gamma[0], layer.grad_beta[0]], [2.0, 3.0], rtol=1e-12)
    # Running mean 0 -> (0 + 2) / 2, running variance 1 -> (1 + 3) / 2, as the unbiased variance is 2 * 3/2.
    np.testing.assert_allclose([layer.running_mean[0], layer.running_var[0]], [1.0, 2.0], rtol=1e-12)
    layer.training = False
    np.testing.assert_allclose(layer.forward(np.array([[4.0]])), [[3 * 3 / 1.5 + 1]], rtol=1e-12)
    np.testing.assert_array_equal([layer.running_mean[0], layer.running_var[0]], [1.0, 2.0])


def test_dropout_keeps_the_mean_in_training_and_everything_in_evaluation():
    layer, inputs = Dropout("drop", 0.25, np.random.default_rng(5)), np.ones((400, 300))
    output = layer.forward(inputs)
    assert set(np.unique(output)) == {0.0, 1 / 0.75}
    assert output.mean() == pytest.approx(1, abs=0.01)
    assert not np.array_equal(output, layer.forward(inputs))
    layer.training = False
    np.testing.assert_array_equal(layer.forward(inputs), inputs)


def test_a_residual_whose_shapes_differ_says_which():
    layer = Residual("res", Linear("fc", 4, 3, 0.1))
    with pytest.raises(ValueError, match=r"res adds its input \(2, 4\) to an output \(2, 3\)"):
        layer.forward(np.zeros((2, 4), np.float32))


# ---- the mode of a network


def images(count: int = 20):
    rng = np.random.default_rng(6)
    return rng.normal(size=(count, 5)), rng.integers(0, 3, count)


def test_train_net_trains_and_test_net_evaluates_and_leaves_state_and_masks_alone():
    model, (inputs, labels) = network(), images()
    train_net(model, LOSS, CONFIG, inputs, labels, 5, 2, np.random.default_rng(0))
    assert model.training
    before = model.state.copy(), masks_of(model).bit_generator.state
    first, again = (evaluate(model, LOSS, inputs, labels, size) for size in (7, 20))
    assert first.loss == pytest.approx(again.loss, rel=1e-12)  # no batch statistics, no mask
    assert not model.training
    np.testing.assert_array_equal(model.state, before[0])
    assert masks_of(model).bit_generator.state == before[1]


@pytest.mark.parametrize("layer", [Dropout("drop", 0.4), BatchNorm("bn", 4, dtype=np.float64)], ids=repr)
def test_backward_after_an_evaluation_is_refused(layer):
    layer.training = False
    layer.forward(np.ones((3, 4)))
    with pytest.raises(RuntimeError, match="training = True"):
        layer.backward(np.ones((3, 4)))


def test_a_batch_of_one_cannot_be_normalised_in_training():
    with pytest.raises(ValueError, match="batch of one"):
        BatchNorm("bn", 4).forward(np.ones((1, 4), np.float32))


# ---- the same trajectory as an independent implementation


def independent(params, inputs, target, masks):
    """Loss of `network` by autograd, from its flat parameters in their order."""
    at = 0

    def take(*shape):
        nonlocal at
        size = int(np.prod(shape))
        at += size
        return anp.reshape(params[at - size : at], shape)

    def block(x, number):
        y = anp.dot(x, take(x.shape[1], 6)) + take(6)
        gamma, beta = take(6), take(6)
        y = gamma * (y - anp.mean(y, axis=0)) / anp.sqrt(anp.var(y, axis=0) + 1e-5) + beta
        y = 0.5 * y * (1 + anp.tanh(np.sqrt(2 / np.pi) * (y + 0.044715 * y**3)))
        return y * masks[number]

    x = block(inputs, 0)
    x = x + block(x, 1)
    output = anp.dot(x, take(6, 3)) + take(3)
    highest = anp.max(output, axis=1, keepdims=True)
    logs = anp.log(anp.sum(anp.exp(output - highest), axis=1, keepdims=True)) + highest
    return anp.mean(anp.sum(target * (logs - output), axis=1))


def test_50_steps_with_everything_at_once_go_where_autograd_goes():
    model, (inputs, labels), rng = network(), images(25), np.random.default_rng(8)
    params, masks = model.params.copy(), copy.deepcopy(masks_of(model))
    rates = learning_rates("one-cycle", 0.05, 50, 0.2)
    # One mini-batch of all images an epoch, in the order that the epoch draws: 50 steps.
    order = copy.deepcopy(rng)
    for step in range(50):
        train_net(model, LOSS, CONFIG, inputs, labels, 25, 1, rng, rates=rates[step : step + 1])
    velocity = np.zeros_like(params)
    for step in range(50):
        chosen = order.permutation(25)
        drawn = [(masks.random((25, 6), dtype=np.float32) >= 0.4) / 0.6 for _ in range(2)]
        slopes = autograd_of(independent)(params, inputs[chosen], one_hot(labels[chosen], 3), drawn)
        rate = 0.05 * ((step + 1) / 11 if step < 10 else (1 + np.cos(np.pi * (step - 10) / 40)) / 2)
        velocity = 0.9 * velocity + slopes + 0.01 * params
        params = params - rate * velocity
    np.testing.assert_allclose(model.params, params, rtol=1e-6, atol=1e-9)


# ---- schedules


def test_schedules_start_and_end_where_they_should():
    np.testing.assert_array_equal(learning_rates("constant", 0.1, 3), [0.1] * 3)
    cosine = learning_rates("cosine", 0.1, 4)
    np.testing.assert_allclose(cosine, [0.1, 0.05 * (1 + np.sqrt(0.5)), 0.05, 0.05 * (1 - np.sqrt(0.5))], rtol=1e-12)
    one = learning_rates("one-cycle", 0.1, 10, 0.4)
    np.testing.assert_allclose(one[:5], [0.02, 0.04, 0.06, 0.08, 0.1], rtol=1e-12)
    assert (np.diff(one[4:]) < 0).all() and 0 < one[-1] < 0.01
    np.testing.assert_array_equal(learning_rates("one-cycle", 0.1, 7, 0.0), learning_rates("cosine", 0.1, 7))


def test_each_step_takes_its_own_rate_and_the_record_says_it():
    inputs, labels = images(6)
    model = network(())
    taken, update = [], model.update
    model.update = lambda config: (taken.append(config["learning_rate"]), update(config))
    records = train_net(model, LOSS, CONFIG, inputs, labels, 2, 2, rates=[0.3, 0.2, 0.1])
    assert taken == [0.3, 0.2, 0.1]
    assert [record.rate for record in records] == [0.2, 0.1]
    with pytest.raises(ValueError, match="2 learning rates for 3 iterations"):
        train_net(model, LOSS, CONFIG, inputs, labels, 2, 2, rates=[0.3, 0.2])


def test_initial_standard_deviations():
    assert initial_std("normal", 784, 100, 0.01) == 0.01
    assert initial_std("xavier", 784, 100, 0.01) == pytest.approx(np.sqrt(2 / 884))
    assert initial_std("he", 784, 100, 0.01) == pytest.approx(np.sqrt(2 / 784))


# ---- types, bits, copies, files


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_dtype_is_kept_and_the_same_seeds_give_the_same_bits(dtype):
    inputs, labels = images()
    results = []
    for _ in range(2):
        model = network(dtype=dtype)
        train_net(model, LOSS, CONFIG, inputs.astype(dtype), labels, 5, 2, np.random.default_rng(1), rates=[0.1] * 4)
        results.append((model.params.tobytes(), model.state.tobytes()))
        assert model.forward(inputs.astype(dtype)).dtype == dtype
        assert all(v.dtype == dtype for v in (model.params, model.grads, model.velocity, model.state))
    assert results[0] == results[1]


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_trains_as_the_original_and_without_it(twin):
    inputs, labels = images()
    model = network()
    other, before = twin(model), model.params.copy()
    train_net(other, LOSS, CONFIG, inputs, labels, 5, 2, np.random.default_rng(1))
    np.testing.assert_array_equal(model.params, before)
    train_net(model, LOSS, CONFIG, inputs, labels, 5, 2, np.random.default_rng(1))
    np.testing.assert_array_equal(model.params, other.params)
    np.testing.assert_array_equal(model.state, other.state)


def test_saved_and_loaded_it_evaluates_the_same_and_keeps_the_labels(tmp_path):
    inputs, labels = images()
    model = network(dtype=np.float32)
    train_net(model, LOSS, CONFIG, inputs.astype(np.float32), labels, 5, 2, np.random.default_rng(1))
    model.training = False
    model.save(tmp_path / "model.npz", ["a", "b", "c"])
    loaded = Network.load(tmp_path / "model.npz")
    np.testing.assert_array_equal(loaded.forward(inputs.astype(np.float32)), model.forward(inputs.astype(np.float32)))
    assert loaded.labels == ["a", "b", "c"]
    assert [type(each).__name__ for each in flatten(loaded.layers)] == [
        type(each).__name__ for each in flatten(model.layers)
    ]


DAMAGES = {
    "a variance below 0": lambda header, arrays: arrays["1.running_var"].__setitem__(0, -1),
    "a rate of 1": lambda header, arrays: header["layers"][3].update(rate=1.0),
    "a decay of 1": lambda header, arrays: header["layers"][1].update(decay=1.0),
    "an epsilon of 0": lambda header, arrays: header["layers"][1].update(epsilon=0),
    "two labels for three outputs": lambda header, arrays: header.update(labels=["a", "b"]),
    "a label that is a list": lambda header, arrays: header.update(labels=["a", "b", []]),
    "labels that are a text": lambda header, arrays: header.update(labels="abc"),
}


@pytest.mark.parametrize("damage", [None, *DAMAGES])
def test_loading_refuses_values_that_no_layer_can_have(tmp_path, damage):
    path = tmp_path / "model.npz"
    network().save(path, ["a", "b", "c"])
    arrays = load_npz(path)
    header = json.loads(str(arrays["architecture"]))
    if damage:
        DAMAGES[damage](header, arrays)
    save_npz(path, arrays | {"architecture": np.array(json.dumps(header))})
    if not damage:
        assert Network.load(path).labels == ["a", "b", "c"]
        return
    with pytest.raises(FileError, match="is not a weights file") as caught:
        Network.load(path)
    assert str(path) in str(caught.value)


def test_a_lack_of_memory_is_not_called_a_damaged_file(tmp_path, monkeypatch):
    network().save(tmp_path / "model.npz")

    def no_memory(*arguments, **how):
        raise MemoryError

    monkeypatch.setattr(np, "load", no_memory)
    with pytest.raises(MemoryError):
        Network.load(tmp_path / "model.npz")


def test_weight_decay_and_momentum_never_touch_the_running_statistics():
    model = network()
    assert model.state.size == 24 and model.params.size == 5 * 6 + 6 + 6 * 6 + 6 + 4 * 6 + 6 * 3 + 3
    model.forward(images()[0])
    state = model.state.copy()
    model.grads[:] = 0
    for _ in range(3):
        model.update(CONFIG)
        model.grads[:] = 0
    np.testing.assert_array_equal(model.state, state)


def test_raw_pixels_are_refused_by_name():
    pixels = np.zeros((2, 5), np.uint8)
    with pytest.raises(ValueError, match="normalise"):
        network().forward(pixels)
    network((), np.float32).forward(normalise(pixels))


def test_vectors_are_gathered_once_however_many_layers_there_are(monkeypatch):
    gathered, gather = [], Network._gather
    monkeypatch.setattr(Network, "_gather", lambda self: (gathered.append(1), gather(self)))
    model = Network()
    for number in range(300):
        model.add(Linear(f"fc{number}", 2, 2, 0.1))
    assert model.params.size == 300 * 6
    assert len(gathered) == 1


# ---- a layer of one's own


class Scale(layers.Layer):
    """y = s x, with a factor for each column: a layer of one's own, on the base class, in ten lines."""

    trainable = True

    def __init__(self, name, num, dtype=np.float64):
        super().__init__(name)
        self.declare({"s": (num,)}, dtype)
        self._s[:] = 1

    def forward(self, input):
        self._input = input
        return input * self._s

    def backward(self, grad_output):
        np.sum(grad_output * self._input, axis=0, out=self._grad_s)
        return grad_output * self._s


def test_a_layer_of_ones_own_lives_in_the_networks_vectors():
    model, (inputs, labels) = network(("batch norm",)), images()
    model.add(Scale("scale", 3))
    assert model.params.size == network(("batch norm",)).params.size + 3
    target = one_hot(labels, 3)
    model.backward(LOSS.backward(fixed(model, inputs), target))
    analytic = model.grads.copy()
    numeric = central_difference(lambda: LOSS.forward(fixed(model, inputs), target), model.params)
    np.testing.assert_allclose(analytic, numeric, rtol=1e-6, atol=1e-8)
    train_net(model, LOSS, CONFIG, inputs, labels, 5, 2)
    assert not np.array_equal(model.layers[-1]._s, [1, 1, 1])
    np.testing.assert_array_equal(model.layers[-1]._s, model.params[-3:])
