"""The training loop: one epoch of SGD (train_net), one evaluation (test_net), the learning rate of each step.

They return plain numbers; they draw, print and write nothing. Many epochs are run_mlp.py's. Imports NumPy and the core.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from load_data import normalise
from utils import Diverged, calculate_acc, onehot_encoding

# Images gathered and normalised at once: about this many stay in the L2 cache.
BLOCK = 200


class Record(NamedTuple):
    """The means per sample over a window of iterations (train_net) or a whole set (test_net), and the rate in use."""

    iteration: int  # updates since this epoch began; 0 for an evaluation
    loss: float
    accuracy: float  # a fraction
    rate: float | None = None  # learning rate of the window's last update; None for an evaluation


# A network that diverges overflows on its way; that is found in its loss, and no news before.
@np.errstate(over="ignore", invalid="ignore")
def train_net(
    model,
    loss,
    config: dict,
    inputs: np.ndarray,
    labels: np.ndarray,
    batch_size: int,
    disp_freq: int,
    rng: np.random.Generator | None = None,
    on_record: Callable[[Record], None] | None = None,
    rates: Sequence[float] | None = None,
) -> list[Record]:
    """One epoch of SGD: every sample once, in an order drawn from rng (a fresh, unpredictable one if None).

    inputs (N, in): uint8 images are normalised on the way, floats are used as they are. labels (N,): class numbers.
    config: learning_rate, weight_decay, momentum. rates: a learning rate for each iteration, instead of config's.
    The last batch holds what is left. Returns a record for each disp_freq iterations and one for the last, shorter
    window; on_record sees each as it is made. Accuracy and loss of a batch are those before its update, as in the
    assignment, computed a window at a time from copies of the outputs: once per iteration would cost more than the
    update, and outputs kept themselves would slow every allocation. Raises Diverged, after on_record, when a window's
    loss is not finite.
    """
    _begin(model, True, inputs, labels, batch_size)
    if disp_freq < 1:
        raise ValueError(f"disp_freq is {disp_freq}: give a whole number from 1")
    iterations = math.ceil(len(inputs) / batch_size)
    if rates is not None and len(rates) != iterations:
        raise ValueError(f"there are {len(rates)} learning rates for {iterations} iterations: give one for each")
    order = (np.random.default_rng() if rng is None else rng).permutation(len(inputs))
    records, window, done, filled = [], None, 0, 0
    for iteration, (batch, batch_labels) in enumerate(_batches(inputs, labels, batch_size, order), 1):
        output = model.forward(batch)
        if window is None:
            one_hot = _one_hot(labels, output)
            window = np.empty((min(disp_freq * batch_size, len(inputs)), output.shape[1]), output.dtype)
        model.backward(loss.backward(output, one_hot.take(batch_labels, axis=0)))
        if rates is not None:  # a float of Python's: one of NumPy's would make the step float64
            config = config | {"learning_rate": float(rates[iteration - 1])}
        model.update(config)
        window[filled : filled + len(output)] = output
        filled += len(output)
        if iteration % disp_freq == 0 or iteration == iterations:
            outputs, seen = window[:filled], labels.take(order[done : done + filled])
            values = loss.forward(outputs, one_hot.take(seen, axis=0)), calculate_acc(outputs, seen)
            record = Record(iteration, *values, config.get("learning_rate"))
            done, filled = done + filled, 0
            records.append(record)
            if on_record is not None:
                on_record(record)
            if not math.isfinite(record.loss):
                raise Diverged(f"the loss became {record.loss} within the {disp_freq} iterations before {iteration}")
    return records


@np.errstate(over="ignore", invalid="ignore")
def test_net(model, loss, inputs: np.ndarray, labels: np.ndarray, batch_size: int) -> Record:
    """Mean loss and accuracy over the whole set, in evaluation mode; inputs, labels and batch_size as in train_net."""
    _begin(model, False, inputs, labels, batch_size)
    total_loss, total_correct, one_hot = 0.0, 0.0, None
    for batch, batch_labels in _batches(inputs, labels, batch_size):
        output = model.forward(batch)
        if one_hot is None:
            one_hot = _one_hot(labels, output)
        total_loss += loss.forward(output, one_hot[batch_labels]) * len(batch)
        total_correct += calculate_acc(output, batch_labels) * len(batch)
    return Record(0, total_loss / len(inputs), total_correct / len(inputs))


def learning_rates(schedule: str, base_rate: float, total_steps: int, warmup: float = 0.0) -> np.ndarray:
    """The learning rate of each step t = 0 … T - 1, T = total_steps, by the name of a schedule:

    constant   base_rate
    cosine     base_rate (1 + cos(pi t / T)) / 2: from base_rate at t = 0 to 0 at t = T
    one-cycle  base_rate (t + 1) / (w + 1) in the first w = warmup T steps (rounded), then cosine over the T - w others
    Loshchilov, Hutter, "SGDR", ICLR 2017, eq. 5; Goyal et al., "Accurate, large minibatch SGD", 2017, section 2.2.
    """
    rising = {"constant": 0, "cosine": 0, "one-cycle": round(warmup * total_steps)}[schedule]
    if schedule == "constant":
        return np.full(total_steps, base_rate)
    up, down = np.arange(1, rising + 1) / (rising + 1), np.arange(total_steps - rising) / (total_steps - rising)
    return base_rate * np.concatenate([up, (1 + np.cos(np.pi * down)) / 2])


def _begin(model, training: bool, inputs: np.ndarray, labels: np.ndarray, batch_size: int) -> None:
    """Check the data, and put a model that has a mode into this one."""
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}: give a whole number from 1")
    if len(inputs) == 0 or len(inputs) != len(labels):
        raise ValueError(f"{len(inputs)} inputs and {len(labels)} labels: give one label for each of at least one")
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"labels are {labels.dtype} {labels.shape}: give class numbers, one-hot rows by argmax(axis=1)"
        )
    if hasattr(model, "training"):
        model.training = training


def _batches(
    inputs: np.ndarray, labels: np.ndarray, batch_size: int, order: np.ndarray | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches of inputs and labels, in the given order; gathered a block of batches at a time."""
    block_size = max(1, BLOCK // batch_size) * batch_size
    for start in range(0, len(inputs), block_size):
        chosen = slice(start, start + block_size)
        if order is None:
            block, block_labels = inputs[chosen], labels[chosen]
        else:  # take gathers rows faster than inputs[...] does
            block, block_labels = inputs.take(order[chosen], axis=0), labels.take(order[chosen])
        if block.dtype == np.uint8:
            block = normalise(block)
        for first in range(0, len(block), batch_size):
            yield block[first : first + batch_size], block_labels[first : first + batch_size]


def _one_hot(labels: np.ndarray, output: np.ndarray) -> np.ndarray:
    """The one-hot row of every class that the output (N, K) has a column for; all labels must be such classes."""
    low, high, class_count = labels.min(), labels.max(), output.shape[1]
    if low < 0 or high >= class_count:
        raise ValueError(f"labels run from {low} to {high}, but the network has {class_count} outputs: count from 0")
    return onehot_encoding(np.arange(class_count), class_count, output.dtype)
