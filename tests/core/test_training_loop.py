"""SGD by hand and against autograd, what an epoch visits, what its records mean, what it refuses, and run_mlp.train."""

import math
import warnings

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad as autograd_of
from helpers import make_network, one_hot, watch

from layers import Linear, Relu
from load_data import Dataset
from loss import EuclideanLoss, HingeLoss, SoftmaxCrossEntropyLoss
from network import Network
from run_mlp import train
from solve_net import BLOCK, Record, train_net
from solve_net import test_net as evaluate  # under its own name pytest would take it for a test
from utils import Diverged

CONFIG = {"learning_rate": 0.02, "momentum": 0.9, "weight_decay": 0.01}


class Stub:
    """A model that learns nothing and notes what it is given: its output is a fixed function of each input row."""

    def __init__(self, class_count=3):
        self.class_count = class_count
        self.batches, self.upstream, self.configs = [], [], []

    def forward(self, batch):
        self.batches.append(batch.copy())
        return np.sin(batch[:, :1] * np.arange(1, self.class_count + 1))

    def backward(self, grad_output):
        self.upstream.append(grad_output)

    def update(self, config):
        self.configs.append(config)

    @property
    def visited(self):
        """The first number of every row, in the order of the visits."""
        return np.concatenate(self.batches)[:, 0]


def numbered(count: int):
    """Inputs whose first number is their position, and labels of three classes."""
    inputs = np.stack([np.arange(count), np.ones(count)], axis=1).astype(float)
    return inputs, np.random.default_rng(count).integers(0, 3, count)


def epoch(model, inputs, labels, batch_size=4, disp_freq=3, rng=None, loss=None, config=CONFIG, on_record=None):
    loss = loss or SoftmaxCrossEntropyLoss("loss")
    return train_net(model, loss, config, inputs, labels, batch_size, disp_freq, rng, on_record)


# --- the step ---


def test_two_steps_of_a_3_2_1_network_worked_by_hand():
    first = Linear("fc1", 3, 2, 0.0, dtype=np.float64)
    last = Linear("fc2", 2, 1, 0.0, dtype=np.float64)
    model = Network()
    for layer in (first, Relu("act"), last):
        model.add(layer)
    first.W = [[0.5, 1.0], [0.25, -0.5], [0.5, 0.0]]
    first.b = [0.5, 1.0]
    last.W = [[2.0], [-1.0]]
    last.b = [0.5]
    inputs, labels = np.array([[1.0, 2.0, -1.0], [2.0, -2.0, 1.0]]), np.array([0, 0])  # one class: the target is 1
    config = {"learning_rate": 0.5, "momentum": 0.5, "weight_decay": 0.25}

    # Forward. z = x W1 + b1:
    #   sample 1: 1*0.5 + 2*0.25 - 1*0.5 + 0.5 = 1      1*1 - 2*0.5 - 1*0 + 1 = 1
    #   sample 2: 2*0.5 - 2*0.25 + 1*0.5 + 0.5 = 1.5    2*1 + 2*0.5 + 1*0 + 1 = 4
    # all positive, so Relu changes nothing. o = h W2 + b2: 2*1 - 1 + 0.5 = 1.5 and 2*1.5 - 4 + 0.5 = -0.5
    # Loss: mean of (0.5)^2 / 2 = 0.125 and (-1.5)^2 / 2 = 1.125, that is 0.625. d = (o - 1) / 2 = 0.25 and -0.75
    # Backward. grad W2 = h^T d: 1*0.25 - 1.5*0.75 = -0.875 and 1*0.25 - 4*0.75 = -2.75. grad b2 = -0.5
    # grad h = d W2^T: sample 1: 0.5, -0.25; sample 2: -1.5, 0.75
    # grad W1 = x^T grad h: 1*0.5 - 2*1.5 = -2.5     -1*0.25 + 2*0.75 = 1.25
    #                       2*0.5 + 2*1.5 = 4        -2*0.25 - 2*0.75 = -2
    #                      -1*0.5 - 1*1.5 = -2        1*0.25 + 1*0.75 = 1       grad b1 = -1, 0.5
    # Step 1. v = grad + p / 4 (it starts at 0), then p = p - v / 2:
    #   v of W1 = [-2.375 1.5; 4.0625 -2.125; -1.875 1]       W1 = [1.6875 0.25; -1.78125 0.5625; 1.4375 -0.5]
    #   v of b1 = [-0.875 0.75]                               b1 = [0.9375 0.625]
    #   v of W2 = [-0.375; -3]                                W2 = [2.1875; 0.5]
    #   v of b2 = -0.375                                      b2 = 0.6875
    records = epoch(model, inputs, labels, batch_size=2, loss=EuclideanLoss("loss"), config=config)
    assert records == [Record(1, 0.625, 1.0, 0.5)]
    np.testing.assert_array_equal(first.W, [[1.6875, 0.25], [-1.78125, 0.5625], [1.4375, -0.5]])
    np.testing.assert_array_equal(first.b, [0.9375, 0.625])
    np.testing.assert_array_equal(last.W, [[2.1875], [0.5]])
    np.testing.assert_array_equal(last.b, [0.6875])
    velocity_1, velocity_2 = [-2.375, 1.5, 4.0625, -2.125, -1.875, 1.0, -0.875, 0.75], [-0.375, -3.0, -0.375]
    np.testing.assert_array_equal(model.velocity, velocity_1 + velocity_2)

    # Forward. z: sample 1: 1.6875 - 3.5625 - 1.4375 + 0.9375 = -2.375    0.25 + 1.125 + 0.5 + 0.625 = 2.5
    #             sample 2: 3.375 + 3.5625 + 1.4375 + 0.9375 = 9.3125     0.5 - 1.125 - 0.5 + 0.625 = -0.5
    # Relu: h = [0 2.5; 9.3125 0]. o: 0.5*2.5 + 0.6875 = 1.9375 and 2.1875*9.3125 + 0.6875 = 21.05859375
    # d = (o - 1) / 2 = 0.46875 and 10.029296875
    # Backward. grad W2: 9.3125*10.029296875 = 93.3978271484375 and 2.5*0.46875 = 1.171875. grad b2 = 10.498046875
    # grad z, 0 where Relu is off: sample 1: 0, 0.46875*0.5 = 0.234375; sample 2: 10.029296875*2.1875 = g, 0
    # with g = 21.9390869140625
    # grad W1 = [2g 0.234375; -2g 0.46875; g -0.234375], grad b1 = [g 0.234375]
    # Step 2. v = v / 2 + grad + p / 4, then p = p - v / 2, for example:
    #   W1[0,1]: v = 1.5/2 + 0.234375 + 0.25/4 = 1.046875                 p = 0.25 - 0.5234375 = -0.2734375
    #   W1[1,1]: v = -2.125/2 + 0.46875 + 0.5625/4 = -0.453125            p = 0.5625 + 0.2265625 = 0.7890625
    #   W1[2,1]: v = 1/2 - 0.234375 - 0.5/4 = 0.140625                    p = -0.5 - 0.0703125 = -0.5703125
    #   b1[1]:   v = 0.75/2 + 0.234375 + 0.625/4 = 0.765625               p = 0.625 - 0.3828125 = 0.2421875
    #   W2[1]:   v = -3/2 + 1.171875 + 0.5/4 = -0.203125                  p = 0.5 + 0.1015625 = 0.6015625
    #   b2:      v = -0.375/2 + 10.498046875 + 0.6875/4 = 10.482421875    p = 0.6875 - 5.2412109375 = -4.5537109375
    g = 21.9390869140625
    epoch(model, inputs, labels, batch_size=2, loss=EuclideanLoss("loss"), config=config)
    np.testing.assert_array_equal(first.W[:, 1], [-0.2734375, 0.7890625, -0.5703125])
    np.testing.assert_array_equal(
        first.W[:, 0],
        [
            1.6875 - (-2.375 / 2 + 2 * g + 1.6875 / 4) / 2,
            -1.78125 - (4.0625 / 2 - 2 * g - 1.78125 / 4) / 2,
            1.4375 - (-1.875 / 2 + g + 1.4375 / 4) / 2,
        ],
    )
    np.testing.assert_array_equal(first.b, [0.9375 - (-0.875 / 2 + g + 0.9375 / 4) / 2, 0.2421875])
    np.testing.assert_array_equal(last.W, [[2.1875 - (-0.375 / 2 + 93.3978271484375 + 2.1875 / 4) / 2], [0.6015625]])
    np.testing.assert_array_equal(last.b, [-4.5537109375])


ORACLE_ACTIVATIONS = {
    "Relu": lambda z: anp.where(z > 0, z, 0.0),
    "Sigmoid": lambda z: 1 / (1 + anp.exp(-z)),
    "Gelu": lambda z: 0.5 * z * (1 + anp.tanh(anp.sqrt(2 / anp.pi) * (z + 0.044715 * z**3))),
}
ORACLE_LOSSES = {
    EuclideanLoss: lambda o, t: anp.sum((o - t) ** 2) / 2 / len(o),
    SoftmaxCrossEntropyLoss: lambda o, t: (
        -anp.sum(t * (o - anp.log(anp.sum(anp.exp(o), axis=1, keepdims=True)))) / len(o)
    ),
    HingeLoss: lambda o, t: anp.sum((1 - t) * anp.maximum(0, 5 - anp.sum(o * t, axis=1, keepdims=True) + o)) / len(o),
}


@pytest.mark.parametrize(
    "activation, kind",
    [("Relu", SoftmaxCrossEntropyLoss), ("Sigmoid", EuclideanLoss), ("Gelu", HingeLoss), ("Relu", HingeLoss)],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_100_steps_go_where_autograd_goes(activation, kind):
    rng = np.random.default_rng(1)
    inputs = rng.normal(size=(48, 5))
    labels = rng.integers(0, 3, 48)
    target_of = {row.tobytes(): target for row, target in zip(inputs, one_hot(labels, 3))}
    model = make_network(rng, [5, 6, 4, 3], activation)
    weights = [part.copy() for layer in model.layers[::2] for part in (layer.W, layer.b)]
    start = model.params.copy()
    batches = []
    watch(model, "forward", lambda batch: batches.append(batch.copy()))
    for _ in range(10):
        epoch(model, inputs, labels, batch_size=5, loss=kind("loss"), rng=rng)
    assert len(batches) == 100

    def error(weights, batch, target):
        for W, b in zip(weights[:-2:2], weights[1:-2:2]):
            batch = ORACLE_ACTIVATIONS[activation](anp.dot(batch, W) + b)
        return ORACLE_LOSSES[kind](anp.dot(batch, weights[-2]) + weights[-1], target)

    velocity = [np.zeros_like(weight) for weight in weights]
    for batch in batches:
        slopes = autograd_of(error)(weights, batch, np.array([target_of[row.tobytes()] for row in batch]))
        velocity = [0.9 * v + (slope + 0.01 * weight) for v, slope, weight in zip(velocity, slopes, weights)]
        weights = [weight - 0.02 * v for weight, v in zip(weights, velocity)]

    np.testing.assert_allclose(model.params, np.concatenate([w.ravel() for w in weights]), rtol=1e-6, atol=1e-9)
    assert np.abs(model.params - start).max() > 0.1


# --- what an epoch visits ---


@pytest.mark.parametrize("batch_size", [1, 7, 64, BLOCK, BLOCK + 1, 450, 1000])
def test_every_sample_is_visited_once_in_batches_of_the_given_size(batch_size):
    inputs, labels = numbered(450)
    model = Stub()
    epoch(model, inputs, labels, batch_size)
    assert sorted(model.visited) == list(range(450))
    sizes = [len(batch) for batch in model.batches]
    assert sizes[:-1] == [batch_size] * (math.ceil(450 / batch_size) - 1)
    assert len(model.configs) == len(sizes)


@pytest.mark.parametrize("batch_size", [7, 250])
def test_a_shuffled_sample_keeps_its_label(batch_size):
    inputs, labels = numbered(450)
    model = Stub()
    epoch(model, inputs, labels, batch_size)
    for batch, upstream in zip(model.batches, model.upstream):
        target = one_hot(labels[batch[:, 0].astype(int)], 3)
        expected = SoftmaxCrossEntropyLoss("loss").backward(Stub().forward(batch), target)
        np.testing.assert_array_equal(upstream, expected)


def test_samples_are_shuffled_not_batches():
    inputs, labels = numbered(400)
    model = Stub()
    epoch(model, inputs, labels, batch_size=10, rng=np.random.default_rng(2))
    for batch in model.batches:
        assert np.ptp(batch[:, 0]) > 50


def test_orders_differ_from_epoch_to_epoch_and_seed_to_seed_and_repeat_with_the_seed():
    inputs, labels = numbered(100)

    def two_epochs(rng):
        model = Stub()
        epoch(model, inputs, labels, rng=rng)
        epoch(model, inputs, labels, rng=rng)
        return model.visited.reshape(2, 100)

    first = two_epochs(np.random.default_rng(3))
    assert (first[0] != first[1]).any()
    np.testing.assert_array_equal(two_epochs(np.random.default_rng(3)), first)
    for rng in (np.random.default_rng(4), None):
        assert (two_epochs(rng) != first).any(axis=1).all()
    assert (two_epochs(None) != two_epochs(None)).any()


def test_the_global_generator_is_neither_used_nor_moved():
    inputs, labels = numbered(50)
    kept = np.random.get_state()
    np.random.seed(1)
    expected = np.random.random()
    np.random.seed(1)
    epoch(Stub(), inputs, labels)
    Linear("fc1", 4, 3, 0.1)
    assert np.random.random() == expected
    np.random.set_state(kept)


def test_an_evaluation_visits_every_sample_once_and_learns_nothing():
    inputs, labels = numbered(450)
    model = Stub()
    evaluate(model, SoftmaxCrossEntropyLoss("loss"), inputs, labels, 64)
    assert sorted(model.visited) == list(range(450))
    assert not model.upstream and not model.configs


@pytest.mark.parametrize("run", [epoch, lambda *data: evaluate(data[0], EuclideanLoss("loss"), *data[1:], 4)])
def test_bytes_are_normalised_to_float32_and_floats_are_used_as_they_are(run):
    pixels = np.array([[0, 255], [128, 1], [64, 200], [127, 129], [254, 2]], np.uint8)
    labels = np.array([0, 1, 2, 0, 1])
    pixels.flags.writeable = labels.flags.writeable = False
    model = Stub()
    run(model, pixels, labels)
    assert {batch.dtype for batch in model.batches} == {np.dtype(np.float32)}
    expected = np.array([[(int(x) - 128) / 255 for x in row] for row in pixels])
    seen = np.concatenate(model.batches)
    np.testing.assert_allclose(seen[seen[:, 0].argsort()], expected[expected[:, 0].argsort()], rtol=1e-6)

    for dtype in (np.float32, np.float64):
        model, floats = Stub(), np.array([[0.0, 200.0], [1.5, -3.0], [2.5, 1e6]], dtype)
        run(model, floats, labels[:3])
        seen = np.concatenate(model.batches)
        assert seen.dtype == dtype
        np.testing.assert_array_equal(seen[seen[:, 0].argsort()], floats)


# --- what the records mean ---


def per_sample(loss, inputs, labels):
    """Loss and correctness of every sample alone, for a Stub."""
    output = Stub().forward(inputs)
    target = one_hot(labels, 3)
    losses = [loss.forward(output[i : i + 1], target[i : i + 1]) for i in range(len(inputs))]
    return np.array(losses), output.argmax(axis=1) == labels


@pytest.mark.parametrize("loss", [EuclideanLoss("loss"), SoftmaxCrossEntropyLoss("loss"), HingeLoss("loss")], ids=repr)
@pytest.mark.parametrize("batch_size", [4, 11, 100])
def test_an_evaluation_is_the_mean_over_the_samples_whatever_the_batches(loss, batch_size):
    inputs, labels = numbered(11)
    losses, correct = per_sample(loss, inputs, labels)
    record = evaluate(Stub(), loss, inputs, labels, batch_size)
    assert record.iteration == 0
    assert record.loss == pytest.approx(losses.mean(), rel=1e-12)
    assert record.accuracy == pytest.approx(correct.mean(), rel=1e-12)


def test_each_record_is_the_mean_of_its_own_window_and_the_last_shorter_one_is_recorded():
    inputs, labels = numbered(31)  # 11 batches, the last of one sample: windows of 4, 4 and 3
    loss, model, seen = SoftmaxCrossEntropyLoss("loss"), Stub(), []
    losses, correct = per_sample(loss, inputs, labels)
    records = epoch(model, inputs, labels, batch_size=3, disp_freq=4, loss=loss, on_record=seen.append)
    assert records == seen
    assert [record.iteration for record in records] == [4, 8, 11]
    for record, window in zip(records, np.split(model.visited.astype(int), [12, 24])):
        assert record.loss == pytest.approx(losses[window].mean(), rel=1e-12)
        assert record.accuracy == pytest.approx(correct[window].mean(), rel=1e-12)


@pytest.mark.parametrize("count, disp_freq, iterations", [(24, 4, [4, 8]), (24, 100, [8]), (24, 8, [8]), (3, 1, [1])])
def test_no_window_is_recorded_twice(count, disp_freq, iterations):
    records = epoch(Stub(), *numbered(count), batch_size=3, disp_freq=disp_freq)
    assert [record.iteration for record in records] == iterations


def test_a_record_shows_the_outputs_before_each_update():
    rng = np.random.default_rng(5)
    inputs, labels = rng.normal(size=(6, 4)), np.array([0, 1, 2, 0, 1, 2])
    model = make_network(rng, [4, 3], "Relu")
    before = evaluate(model, SoftmaxCrossEntropyLoss("loss"), inputs, labels, 6)
    (record,) = epoch(model, inputs, labels, batch_size=6)
    assert record.loss == pytest.approx(before.loss, rel=1e-12)
    assert record.accuracy == before.accuracy


def test_records_are_plain_numbers_handed_on_while_training_goes_on():
    model, updates_at_record = Stub(), []
    on_record = lambda record: updates_at_record.append(len(model.configs))  # noqa: E731
    records = epoch(model, *numbered(24), batch_size=3, disp_freq=4, on_record=on_record)
    assert updates_at_record == [4, 8]
    for record in [*records, evaluate(model, EuclideanLoss("loss"), *numbered(5), 2)]:
        assert [type(value) for value in record[:3]] == [int, float, float]
        assert record.rate is None or type(record.rate) is float


# --- what it refuses ---


def test_divergence_is_reported_after_the_record_that_shows_it_and_without_warnings():
    rng = np.random.default_rng(6)
    inputs, labels = rng.normal(size=(40, 4)).astype(np.float32), rng.integers(0, 3, 40)
    model = make_network(rng, [4, 5, 3], "Relu", np.float32)
    seen = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(Diverged, match=r"the loss became (inf|nan)"):
            epoch(model, inputs, labels, config=CONFIG | {"learning_rate": 1e30}, disp_freq=2, on_record=seen.append)
        model.params[:] = 1e30
        assert not math.isfinite(evaluate(model, EuclideanLoss("loss"), inputs, labels, 7).loss)
    assert not math.isfinite(seen[-1].loss)
    assert all(math.isfinite(record.loss) for record in seen[:-1])
    assert len(seen) < 5


BAD_LABELS = [
    ([0, 1, 2, 3], "labels run from 0 to 3, but the network has 3 outputs"),
    ([0, -1, 2, 1], "labels run from -1 to 2, but the network has 3 outputs"),
    ([0, 1, 2], "4 inputs and 3 labels"),
    ([], "4 inputs and 0 labels"),
    ([0.0, 1.0, 2.0, 1.0], "labels are float64"),
    (np.eye(4, 3), r"labels are .*argmax"),
]


@pytest.mark.parametrize("labels, saying", BAD_LABELS)
def test_labels_that_do_not_fit_are_refused(labels, saying):
    inputs, labels = numbered(4)[0], np.array(labels, None if len(labels) else int)
    model = Stub()
    with pytest.raises(ValueError, match=saying):
        epoch(model, inputs, labels)
    assert not model.configs
    with pytest.raises(ValueError, match=saying):
        evaluate(model, EuclideanLoss("loss"), inputs, labels, 2)


@pytest.mark.parametrize("batch_size", [0, -5])
def test_a_batch_without_samples_is_refused(batch_size):
    with pytest.raises(ValueError, match=f"batch_size is {batch_size}"):
        epoch(Stub(), *numbered(4), batch_size=batch_size)
    with pytest.raises(ValueError, match=f"batch_size is {batch_size}"):
        evaluate(Stub(), EuclideanLoss("loss"), *numbered(4), batch_size)


def test_an_empty_set_is_refused():
    with pytest.raises(ValueError, match="0 inputs and 0 labels"):
        epoch(Stub(), np.ones((0, 2)), np.ones(0, int))


# --- whole runs ---

SETTINGS = {
    "hidden": [5],
    "activation": "Gelu",
    "init_std": 0.3,
    "momentum": 0.5,
    "batch_size": 7,
    "disp_freq": 3,
    "max_epoch": 3,
    "test_epoch": 2,
}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(7)
    images, labels = rng.integers(100, 256, (60, 6), dtype=np.uint8), np.arange(60) % 3
    images[np.arange(60), labels] = 0
    return Dataset(images[:45], labels[:45], images[45:], labels[45:], [0, 1, 2], {})


def without_seconds(records):
    return [row._replace(seconds=0) for row in records]


def test_the_same_seed_gives_the_same_rows_and_weights_and_another_seed_others(data):
    (records, model), (again, twin), (others, other) = (train(SETTINGS | {"seed": s}, data) for s in (3, 3, 4))
    assert without_seconds(records) == without_seconds(again)
    assert model.params.tobytes() == twin.params.tobytes()
    assert records[0].loss != others[0].loss  # other initial weights
    assert (model.params != other.params).any()


def test_the_seed_sets_the_order_too(data):
    # All start at 0, and a network without hidden layers trains from there: only the order can differ.
    zero = SETTINGS | {"hidden": [], "activation": "None", "init_std": 0.0}
    one, other = (train(zero | {"seed": s}, data)[1] for s in (3, 4))
    assert one.params.any() and (one.params != other.params).any()


def test_the_order_does_not_depend_on_the_widths(data):
    # More weights drawn must not move the shuffle: the streams are independent.
    def visited(width):
        batches = []

        def on_epoch(epoch, model, order):
            if epoch == 0:
                watch(model, "forward", lambda batch: batches.append(batch.copy()))

        train(SETTINGS | {"hidden": [width], "max_epoch": 1}, data, on_epoch=on_epoch)
        return np.concatenate(batches[:7])

    np.testing.assert_array_equal(visited(2), visited(9))


@pytest.mark.parametrize("max_epoch, test_epoch, tested", [(3, 2, [0, 2, 3]), (4, 2, [0, 2, 4]), (1, 5, [0, 1])])
def test_the_first_weights_and_the_last_epoch_are_always_tested(data, max_epoch, test_epoch, tested):
    epochs = []
    settings = SETTINGS | {"max_epoch": max_epoch, "test_epoch": test_epoch}
    records, _ = train(settings, data, on_epoch=lambda epoch, model, order: epochs.append(epoch))
    assert [row.epoch for row in records if row.split == "test"] == tested
    assert epochs == list(range(max_epoch + 1))


def test_rows_count_iterations_on_through_the_epochs(data):
    seen = []
    records, _ = train(SETTINGS, data, on_record=seen.append)  # 45 samples in batches of 7: 7 iterations an epoch
    assert seen == records
    assert [row[:3] for row in records] == [
        ("test", 0, 0),
        *(("train", 1, i) for i in (3, 6, 7)),
        *(("train", 2, i) for i in (10, 13, 14)),
        ("test", 2, 14),
        *(("train", 3, i) for i in (17, 20, 21)),
        ("test", 3, 21),
    ]
    assert all(0 <= row.accuracy <= 1 and row.loss >= 0 for row in records)
    assert [row.seconds for row in records] == sorted(row.seconds for row in records)


def test_a_row_of_the_test_set_is_an_evaluation_of_the_network_at_that_epoch(data):
    by_hand = {}

    def on_epoch(epoch, model, order):
        by_hand[epoch] = evaluate(model, HingeLoss("loss", 2.0), data.test_images, data.test_labels, 4)

    records, model = train(SETTINGS | {"loss": "Hinge", "margin": 2, "test_epoch": 1}, data, on_epoch=on_epoch)
    tests = [row for row in records if row.split == "test"]
    assert [row.epoch for row in tests] == list(by_hand)
    for row in tests:
        assert row.loss == pytest.approx(by_hand[row.epoch].loss, rel=1e-5)  # float32, other batches
        assert row.accuracy == pytest.approx(by_hand[row.epoch].accuracy, rel=1e-12)
    assert model.params.dtype == np.float32
