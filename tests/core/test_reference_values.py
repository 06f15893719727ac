"""Activations and losses against closed forms written with `math` alone, at extreme points, in float32; their laws."""

import math

import numpy as np
import pytest
from helpers import ACTIVATIONS, one_hot
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import layers
from layers import Gelu, Linear, Relu, Sigmoid
from loss import EuclideanLoss, HingeLoss, SoftmaxCrossEntropyLoss

POINTS = (-5.0, -1.5, -0.3, 0.0, 0.2, 1.0, 2.5, 6.0)
LOSSES = (EuclideanLoss("loss"), SoftmaxCrossEntropyLoss("loss"), HingeLoss("loss"))
BOTH_TYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
EVERY_LOSS = pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)

laws = settings(max_examples=40, deadline=None, derandomize=True, database=None)
vectors = arrays(np.float64, (7,), elements=st.floats(-30, 30))


@st.composite
def batches(draw, max_samples=6):
    """Outputs (N, K) and one-hot targets (N, K)."""
    samples, classes = draw(st.integers(1, max_samples)), draw(st.integers(2, 5))
    output = draw(arrays(np.float64, (samples, classes), elements=st.floats(-20, 20)))
    labels = draw(st.lists(st.integers(0, classes - 1), min_size=samples, max_size=samples))
    return output, one_hot(labels, classes)


def value_and_slope(layer, x: float, dtype=np.float64) -> tuple[float, float]:
    # Three columns and an upstream gradient that is not 1: the slope must be multiplied by it.
    value = layer.forward(np.array([[x, 0.5, -0.5]], dtype))[0, 0]
    slope = layer.backward(np.array([[-3.0, 2.0, 0.7]], dtype))[0, 0] / -3.0
    return float(value), float(slope)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def gelu(x: float) -> tuple[float, float]:
    """(1 + tanh u) / 2 = sigmoid(2 u), so the tanh form of GELU is x * sigmoid(2 u)."""
    u = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    du = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x**2)
    s = sigmoid(2 * u)
    return x * s, s + x * 2 * du * s * (1 - s)


REFERENCE = {
    "Relu": lambda x: (x, 1.0) if x > 0 else (0.0, 0.0),
    "Sigmoid": lambda x: (sigmoid(x), sigmoid(x) * sigmoid(-x)),
    "Gelu": gelu,
}


@pytest.mark.parametrize("x", POINTS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_at_ordinary_points_and_at_the_kink_of_relu(activation, x):
    found = value_and_slope(getattr(layers, activation)("act"), x)
    np.testing.assert_allclose(found, REFERENCE[activation](x), rtol=1e-9, atol=1e-14)


def test_gelu_of_1_is_the_published_value_of_the_tanh_form():
    value, _ = value_and_slope(Gelu("act"), 1.0)
    assert value == pytest.approx(0.8411919906, abs=1e-10)  # x * Phi(x) would be 0.8413447461


@BOTH_TYPES
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_at_plus_and_minus_1000(activation, dtype):
    layer = getattr(layers, activation)("act")
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        high, low = value_and_slope(layer, 1000.0, dtype), value_and_slope(layer, -1000.0, dtype)
    assert high == ((1.0, 0.0) if activation == "Sigmoid" else (1000.0, 1.0))
    assert low == (0.0, 0.0)


OUTPUT = [[1.0, -0.5, 2.0, 0.25], [-3.0, 0.0, 1.5, 4.0], [0.5, 0.5, -2.0, 7.0]]
LABELS = [2, 1, 3]


def assert_loss(loss, value_of_sample, slopes_of_sample):
    """The mean over OUTPUT of value_of_sample(o, t), and a row slopes_of_sample(o, t) / N for each."""
    output, target = np.array(OUTPUT), one_hot(LABELS, 4)
    value = math.fsum(value_of_sample(o, t) for o, t in zip(OUTPUT, LABELS)) / 3
    slopes = [[slope / 3 for slope in slopes_of_sample(o, t)] for o, t in zip(OUTPUT, LABELS)]
    assert loss.forward(output, target) == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(loss.backward(output, target), slopes, rtol=1e-12, atol=1e-15)


def test_euclidean_loss_at_ordinary_points():
    assert_loss(
        EuclideanLoss("loss"),
        lambda o, t: math.fsum((o[k] - (k == t)) ** 2 for k in range(4)) / 2,
        lambda o, t: [o[k] - (k == t) for k in range(4)],
    )


def test_softmax_cross_entropy_at_ordinary_points():
    assert_loss(
        SoftmaxCrossEntropyLoss("loss"),
        lambda o, t: math.log(math.fsum(math.exp(o[k] - o[t]) for k in range(4))),
        lambda o, t: [1 / math.fsum(math.exp(o[j] - o[k]) for j in range(4)) - (k == t) for k in range(4)],
    )


@pytest.mark.parametrize("margin", [5, 1.25])
def test_hinge_loss_at_ordinary_points(margin):
    def slopes(o, t):
        pulled = [k != t and margin - o[t] + o[k] > 0 for k in range(4)]
        return [-sum(pulled) if k == t else pulled[k] for k in range(4)]

    assert_loss(
        HingeLoss("loss", margin),
        lambda o, t: math.fsum(max(0.0, margin - o[t] + o[k]) for k in range(4) if k != t),
        slopes,
    )


def test_the_hinge_margin_is_5_unless_said_otherwise():
    output, target = np.array([[1.0, 0.0]]), one_hot([0], 2)
    assert HingeLoss("loss").forward(output, target) == 4.0
    assert HingeLoss("loss", margin=2).forward(output, target) == 1.0


def test_the_hinge_slope_is_0_exactly_at_the_margin():
    output, target = np.array([[5.0, 0.0]]), one_hot([0], 2)
    np.testing.assert_array_equal(HingeLoss("loss").backward(output, target), [[0.0, 0.0]])


@BOTH_TYPES
def test_softmax_cross_entropy_charges_a_gap_of_60_in_full(dtype):
    output, target = np.array([[60.0, 0.0], [0.0, 60.0]], dtype), one_hot([1, 1], 2, dtype)
    loss = SoftmaxCrossEntropyLoss("loss")
    assert loss.forward(output[:1], target[:1]) == pytest.approx(60.0, rel=1e-12)
    assert loss.forward(output[1:], target[1:]) == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_allclose(loss.backward(output, target), [[0.5, -0.5], [0.0, 0.0]], atol=1e-12)


@BOTH_TYPES
def test_losses_at_plus_and_minus_1000(dtype):
    output, target = np.array([[1000.0, -1000.0]], dtype), one_hot([1], 2, dtype)
    expected = {
        EuclideanLoss: (0.5 * (1000**2 + 1001**2), [[1000.0, -1001.0]]),
        SoftmaxCrossEntropyLoss: (2000.0, [[1.0, -1.0]]),
        HingeLoss: (2005.0, [[1.0, -1.0]]),
    }
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        for kind, (value, slopes) in expected.items():
            loss = kind("loss")
            assert loss.forward(output, target) == pytest.approx(value, rel=1e-7 if dtype == np.float32 else 1e-12)
            np.testing.assert_array_equal(loss.backward(output, target), slopes)


@BOTH_TYPES
def test_samples_of_one_batch_may_lie_thousands_apart(dtype):
    output, target = np.array([[0.0, 1.0], [4000.0, 4001.0], [-4000.0, -3999.0]], dtype), one_hot([1, 1, 1], 2, dtype)
    loss = SoftmaxCrossEntropyLoss("loss")
    assert loss.forward(output, target) == pytest.approx(math.log(1 + math.exp(-1)), rel=1e-6)
    np.testing.assert_allclose(loss.backward(output, target)[:, 0], sigmoid(-1) / 3, rtol=1e-6)


# --- float32 stays float32 ---


@pytest.mark.parametrize("layer", [Relu("a"), Sigmoid("a"), Gelu("a"), Linear("a", 4, 3, 0.5)], ids=repr)
def test_a_layer_keeps_float32(layer):
    output = layer.forward(np.ones((2, 4), np.float32))
    assert output.dtype == np.float32
    assert layer.backward(output).dtype == np.float32


@EVERY_LOSS
def test_a_loss_keeps_float32_and_its_value_is_a_plain_float(loss):
    output, target = np.array([[1.0, 2.0]], np.float32), one_hot([0], 2, np.float32)
    assert type(loss.forward(output, target)) is float
    assert loss.backward(output, target).dtype == np.float32


def test_a_margin_from_numpy_does_not_turn_the_gradient_into_float64():
    output, target = np.array([[1.0, 2.0]], np.float32), one_hot([0], 2, np.float32)
    assert HingeLoss("loss", np.float64(5)).backward(output, target).dtype == np.float32


# --- laws ---


@laws
@given(vectors)
def test_gelu_of_x_less_gelu_of_minus_x_is_x(x):
    np.testing.assert_allclose(Gelu("act").forward(x) - Gelu("act").forward(-x), x, rtol=1e-14, atol=1e-14)


@laws
@given(vectors)
def test_sigmoid_of_x_and_of_minus_x_make_1(x):
    np.testing.assert_allclose(Sigmoid("act").forward(x) + Sigmoid("act").forward(-x), 1.0, rtol=1e-14)


@EVERY_LOSS
@laws
@given(batch=batches())
def test_no_loss_is_negative(loss, batch):
    assert loss.forward(*batch) >= 0


@laws
@given(batch=batches())
def test_softmax_and_hinge_pull_one_class_up_as_much_as_the_others_down(batch):
    for loss in (SoftmaxCrossEntropyLoss("loss"), HingeLoss("loss")):
        np.testing.assert_allclose(loss.backward(*batch).sum(axis=1), 0.0, atol=1e-14)


# Shifts in whole numbers of a half, so that the hinge sees the very same gaps.
@laws
@given(batch=batches(), shift=st.integers(-200, 200))
def test_softmax_and_hinge_see_only_differences_of_outputs(batch, shift):
    output, target = np.round(batch[0] * 2) / 2, batch[1]
    for loss in (SoftmaxCrossEntropyLoss("loss"), HingeLoss("loss")):
        assert loss.forward(output + shift / 2, target) == pytest.approx(loss.forward(output, target), rel=1e-12)
        np.testing.assert_allclose(
            loss.backward(output + shift / 2, target), loss.backward(output, target), rtol=1e-12, atol=1e-15
        )


@EVERY_LOSS
@laws
@given(batch=batches(), cut=st.integers(1, 5))
def test_the_loss_of_a_batch_is_the_weighted_mean_of_its_parts(loss, batch, cut):
    output, target = batch
    total = len(output)
    parts = [(output[part], target[part]) for part in (slice(cut), slice(cut, None)) if len(output[part])]
    mean = sum(loss.forward(*part) * len(part[0]) for part in parts) / total
    assert loss.forward(output, target) == pytest.approx(mean, rel=1e-12, abs=1e-14)
    rows = np.concatenate([loss.backward(*part) * len(part[0]) for part in parts]) / total
    np.testing.assert_allclose(loss.backward(output, target), rows, rtol=1e-12, atol=1e-15)
