"""Gradient statistics: the sizes of what back-propagation sends through each layer, on a fixed set of images."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from layers import Dropout, Residual
from load_data import normalise
from training.checkpoint import dropout_rng
from training.folder import atomic_bytes
from training.metrics import csv_line
from utils import FileError, onehot_encoding

IMAGES = 1000
FLAT = 0.01  # a unit whose |dy/dx| is below this on every image learns nothing from any of them


class ProbeRow(NamedTuple):
    """A row of probe.csv: one layer at one epoch. Empty (nan) where a layer has no such number."""

    epoch: int
    layer: int  # position in the network, from 0
    name: str
    delta: float  # with parameters: RMS over units and images of dE/d(output) for one image's own loss
    gradient: float  # with parameters: length of their gradient
    weights: float  # with parameters: their length
    slope: float  # activation: mean |dy/dx| over units and images
    flat_units: float  # activation: share of units with |dy/dx| < 0.01 on every image: dead or saturated


@np.errstate(over="ignore", invalid="ignore")  # as train_net: what diverges is said elsewhere
def probe(epoch: int, model, loss, images: np.ndarray, labels: np.ndarray) -> list[ProbeRow]:
    """Measure every layer for the first 1,000 of these images (uint8 pixels) and labels, in training mode.

    Changes no weight, no state and no random stream. It leaves the gradients of those images in the network, which the
    next step overwrites.
    """
    state, masks = model.state.copy(), dropout_rng(model)
    before = masks and masks.bit_generator.state
    model.training = True
    output = model.forward(normalise(images[:IMAGES]))
    grad = loss.backward(output, onehot_encoding(labels[:IMAGES], output.shape[1], output.dtype))
    rows = []
    _measure(model.layers, grad, rows)
    model.state[:] = state
    if masks is not None:
        masks.bit_generator.state = before
    return [ProbeRow(epoch, layer, *numbers) for layer, numbers in enumerate(reversed(rows))]


def _measure(layers, grad: np.ndarray, rows: list[tuple]) -> np.ndarray:
    """Send grad backward through these layers; a row for each, from its name on, the last layer first."""
    for layer in reversed(layers):
        delta = gradient = weights = slope = flat = float("nan")
        if isinstance(layer, Residual):
            grad = grad + _measure(layer.layers, grad, rows)
        elif layer.params.size:
            delta = len(grad) * float(np.sqrt(np.mean(grad * grad)))
            grad = layer.backward(grad)
            gradient, weights = float(np.linalg.norm(layer.grads)), float(np.linalg.norm(layer.params))
        else:
            if not isinstance(layer, Dropout):
                slopes = np.abs(layer.backward(np.ones_like(grad)))
                slope, flat = float(slopes.mean()), float((slopes < FLAT).all(axis=0).mean())
            grad = layer.backward(grad)
        rows.append((layer.name, delta, gradient, weights, slope, flat))
    return grad


def append_probe_rows(path: Path, rows: list[ProbeRow]) -> None:
    """Add rows to a probe.csv, complete or not at all."""
    before = path.read_bytes() if path.exists() else csv_line(ProbeRow._fields)
    atomic_bytes(path, before + b"".join(map(csv_line, rows)))


def read_probe_rows(path: Path) -> list[ProbeRow]:
    """Return the rows of a probe.csv that this program wrote; none if there is no such file."""
    if not path.exists():
        return []
    cells = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    return [ProbeRow(int(epoch), int(layer), name, *map(float, rest)) for epoch, layer, name, *rest in cells]


def cut_probe_csv(path: Path, epoch: int) -> set[int]:
    """Keep the rows up to this epoch, as a resumed run probes the epochs after it again; return the epochs kept."""
    if not path.exists():
        return set()
    header, *lines = path.read_bytes().splitlines(keepends=True) or [b""]
    fields = ",".join(ProbeRow._fields).encode()
    try:
        if header.rstrip() != fields or any(line.count(b",") != fields.count(b",") for line in lines):
            raise ValueError
        kept = [line for line in lines if int(line.split(b",")[0]) <= epoch]
    except ValueError:
        raise FileError(f"{path} is not a probe.csv of this program: move it away, then resume again") from None
    if kept != lines:
        atomic_bytes(path, b"".join([header, *kept]))
    return {int(line.split(b",")[0]) for line in kept}
