"""The training loop: one epoch of SGD (train_net) and one evaluation (test_net).

They return plain numbers and draw nothing, print nothing, write nothing. What happens around them, over many epochs,
is run_mlp.py. Imports nothing but NumPy and the core.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from load_data import normalise
from utils import Diverged, calculate_acc, onehot_encoding

# Images gathered and normalised at once: about this many stay in the L2 cache.
BLOCK = 200


class Record(NamedTuple):
    """The means per sample over a window of iterations (train_net) or a whole set (test_net)."""

    iteration: int  # updates since this epoch began; 0 for an evaluation
    loss: float
    accuracy: float  # a fraction


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
) -> list[Record]:
    """One epoch of SGD: every sample once, in an order drawn from rng (a fresh, unpredictable one if None).

    inputs (N, in): uint8 images are normalised on the way, floats are used as they are. labels (N,): class numbers.
    config: learning_rate, weight_decay, momentum. The last batch holds what is left.
    Returns a record for each disp_freq iterations and one for the last, shorter window; on_record sees each as it is
    made. Accuracy and loss of a batch are those before its update, as in the assignment. They are computed a window
    at a time from copies of the outputs: once per iteration they would cost more than the update, and outputs that are
    kept themselves make every allocation of the step a slow one.
    Raises Diverged, after on_record, when a window's loss is not finite.
    """
    _check(inputs, labels, batch_size)
    if disp_freq < 1:
        raise ValueError(f"disp_freq is {disp_freq}: give a whole number from 1")
    order = (np.random.default_rng() if rng is None else rng).permutation(len(inputs))
    iterations = math.ceil(len(inputs) / batch_size)
    records, window, done, filled = [], None, 0, 0
    for iteration, (batch, batch_labels) in enumerate(_batches(inputs, labels, batch_size, order), 1):
        output = model.forward(batch)
        if window is None:
            one_hot = _one_hot(labels, output)
            window = np.empty((min(disp_freq * batch_size, len(inputs)), output.shape[1]), output.dtype)
        model.backward(loss.backward(output, one_hot.take(batch_labels, axis=0)))
        model.update(config)
        window[filled : filled + len(output)] = output
        filled += len(output)
        if iteration % disp_freq == 0 or iteration == iterations:
            outputs, seen = window[:filled], labels.take(order[done : done + filled])
            record = Record(iteration, loss.forward(outputs, one_hot.take(seen, axis=0)), calculate_acc(outputs, seen))
            done, filled = done + filled, 0
            records.append(record)
            if on_record is not None:
                on_record(record)
            if not math.isfinite(record.loss):
                raise Diverged(f"the loss became {record.loss} within the {disp_freq} iterations before {iteration}")
    return records


@np.errstate(over="ignore", invalid="ignore")
def test_net(model, loss, inputs: np.ndarray, labels: np.ndarray, batch_size: int) -> Record:
    """Mean loss and accuracy over the whole set, drawn in batches of batch_size; inputs and labels as in train_net."""
    _check(inputs, labels, batch_size)
    total_loss = total_correct = 0.0
    one_hot = None
    for batch, batch_labels in _batches(inputs, labels, batch_size):
        output = model.forward(batch)
        if one_hot is None:
            one_hot = _one_hot(labels, output)
        total_loss += loss.forward(output, one_hot[batch_labels]) * len(batch)
        total_correct += calculate_acc(output, batch_labels) * len(batch)
    return Record(0, total_loss / len(inputs), total_correct / len(inputs))


def _check(inputs: np.ndarray, labels: np.ndarray, batch_size: int) -> None:
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}: give a whole number from 1")
    if len(inputs) == 0 or len(inputs) != len(labels):
        raise ValueError(f"{len(inputs)} inputs and {len(labels)} labels: give one label for each of at least one")


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
    class_count = output.shape[1]
    if labels.min() < 0 or labels.max() >= class_count:
        raise ValueError(
            f"labels run from {labels.min()} to {labels.max()}, but the network has {class_count} outputs: "
            f"number the classes from 0 to {class_count - 1}"
        )
    return onehot_encoding(np.arange(class_count), class_count, output.dtype)
