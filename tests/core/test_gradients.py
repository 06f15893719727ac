"""Backward against central differences, in float64: whole networks, each layer and each loss alone."""

import numpy as np
import pytest
from helpers import ACTIVATIONS, central_difference, kink_distance, make_network, one_hot

from layers import BatchNorm, Dropout, Gelu, Linear, Relu, Residual, Sigmoid
from loss import EuclideanLoss, HingeLoss, SoftmaxCrossEntropyLoss

SAMPLES, PIXELS, CLASSES = 6, 12, 5
# A small margin: some classes violate it and some do not, so both sides of the hinge are seen.
LOSSES = (EuclideanLoss("loss"), SoftmaxCrossEntropyLoss("loss"), HingeLoss("loss", margin=1.5))


class SameMask(Dropout):
    """A Dropout that drops the same numbers every time."""

    def forward(self, input):
        self.rng = np.random.default_rng(9)
        return super().forward(input)


def linear(in_num: int, out_num: int) -> Linear:
    return Linear("fc", in_num, out_num, 0.7, np.random.default_rng(1), np.float64)


LAYERS = (Relu("act"), Sigmoid("act"), Gelu("act"), SameMask("drop", 0.4), BatchNorm("bn", 4, dtype=np.float64))
LAYERS += (Residual("res", linear(4, 6), Sigmoid("act"), linear(6, 4)), Residual("res"), linear(4, 3))


def named(thing) -> str:
    return type(thing).__name__


def assert_same_gradient(analytic, numeric):
    np.testing.assert_allclose(analytic, numeric, rtol=1e-6, atol=1e-8)


def read_only(array: np.ndarray) -> np.ndarray:
    """Writing to it raises ValueError."""
    array.flags.writeable = False
    return array


def layer_case(layer, seed: int):
    """An input away from the kink at 0 and an upstream gradient, both of both signs."""
    rng = np.random.default_rng(seed)
    input = rng.uniform(0.1, 2.0, (SAMPLES, 4)) * rng.choice([-1.0, 1.0], (SAMPLES, 4))
    return input, rng.normal(size=layer.forward(input).shape)


def loss_case(loss, seed: int):
    """Outputs and targets, every output away from the hinge's kink."""
    rng = np.random.default_rng(seed)
    output = rng.normal(0.0, 2.0, (SAMPLES, CLASSES))
    target = one_hot([0, 4, 2, 2, 1, 3], CLASSES)
    if isinstance(loss, HingeLoss):
        gap = loss.margin - output[target == 1][:, None] + output
        assert np.abs(gap[target == 0]).min() > 1e-3
    return output, target


@pytest.mark.parametrize("loss", LOSSES, ids=named)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("hidden", [[], [7], [7, 7]], ids=len)
def test_every_gradient_of_a_network_is_the_slope_of_its_loss(hidden, activation, loss):
    rng = np.random.default_rng(2)
    model = make_network(rng, [PIXELS, *hidden, CLASSES], activation)
    inputs = rng.normal(size=(20 * SAMPLES, PIXELS))
    target = one_hot(rng.integers(0, CLASSES, len(inputs)), CLASSES)
    smooth = np.flatnonzero(kink_distance(model, loss, inputs, target) > 0.01)[:SAMPLES]
    assert len(smooth) == SAMPLES
    inputs, target = inputs[smooth], target[smooth]

    model.backward(loss.backward(model.forward(inputs), target))
    analytic = model.grads.copy()
    numeric = central_difference(lambda: loss.forward(model.forward(inputs), target), model.params)

    assert np.abs(analytic).max() > 0.1
    assert_same_gradient(analytic, numeric)


@pytest.mark.parametrize("layer", LAYERS, ids=named)
def test_a_layer_passes_back_the_slope_with_respect_to_its_input(layer):
    input, upstream = layer_case(layer, seed=3)
    layer.forward(input)
    analytic = layer.backward(upstream)
    assert_same_gradient(analytic, central_difference(lambda: float((upstream * layer.forward(input)).sum()), input))


@pytest.mark.parametrize("layer", LAYERS, ids=named)
def test_backward_belongs_to_the_last_forward(layer):
    first, upstream = layer_case(layer, seed=5)
    second, _ = layer_case(layer, seed=6)
    layer.forward(second)
    expected = layer.backward(upstream)
    layer.forward(first)
    layer.forward(second)
    np.testing.assert_array_equal(layer.backward(upstream), expected)


@pytest.mark.parametrize("loss", LOSSES, ids=named)
def test_a_loss_passes_back_the_slope_of_its_own_mean(loss):
    output, target = loss_case(loss, seed=7)
    analytic = loss.backward(output, target)
    if isinstance(loss, HingeLoss):  # the case has classes on both sides of the margin
        assert 0.2 < (analytic[target == 0] > 0).mean() < 0.8
    assert_same_gradient(analytic, central_difference(lambda: loss.forward(output, target), output))


@pytest.mark.parametrize("loss", LOSSES, ids=named)
def test_a_loss_keeps_nothing_between_calls(loss):
    output, target = loss_case(loss, seed=7)
    expected = loss.backward(output, target)
    loss.forward(output[:2] + 1, target[:2])
    np.testing.assert_array_equal(loss.backward(output, target), expected)


def test_backward_writes_the_gradients_and_does_not_add_to_them():
    layer = LAYERS[-1]
    input, upstream = layer_case(layer, seed=8)
    layer.forward(input)
    layer.grads[:] = np.nan
    layer.backward(upstream)
    np.testing.assert_allclose(layer.grad_W, np.einsum("ni,nj->ij", input, upstream), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(layer.grad_b, np.einsum("nj->j", upstream), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("layer", LAYERS, ids=named)
def test_a_layer_leaves_its_arguments_alone_and_returns_fresh_arrays(layer):
    # All positive: a Relu could hand its argument through.
    input, upstream = np.abs(layer_case(layer, seed=10)[0]), layer_case(layer, seed=10)[1]
    kept = input.copy(), upstream.copy()
    input, upstream = read_only(input), read_only(upstream)
    first, second = layer.forward(input), layer.forward(input)
    assert not np.shares_memory(first, input)
    assert not np.shares_memory(first, second)
    first_grad, second_grad = layer.backward(upstream), layer.backward(upstream)
    for other in (input, upstream, second, second_grad):
        assert not np.shares_memory(first_grad, other)
    np.testing.assert_array_equal(input, kept[0])
    np.testing.assert_array_equal(upstream, kept[1])


@pytest.mark.parametrize("loss", LOSSES, ids=named)
def test_a_loss_leaves_its_arguments_alone_and_returns_a_fresh_gradient(loss):
    output, target = loss_case(loss, seed=11)
    kept_output, kept_target = output.copy(), target.copy()
    loss.forward(read_only(output), read_only(target))
    grad = loss.backward(output, target)
    np.testing.assert_array_equal(output, kept_output)
    np.testing.assert_array_equal(target, kept_target)
    for other in (output, target, loss.backward(output, target)):
        assert not np.shares_memory(grad, other)
