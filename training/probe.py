"""Gradient statistics: the sizes of what back-propagation sends through each layer, on a fixed set of images."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from layers import Linear
from load_data import normalise
from training.metrics import csv_line
from utils import FileError, atomic_write, onehot_encoding

IMAGES = 1000
FLAT = 0.01  # a unit whose |dy/dx| is below this on every image learns nothing from any of them


class ProbeRow(NamedTuple):
    """A row of probe.csv: one layer at one epoch. Empty (nan) where a layer has no such number."""

    epoch: int
    layer: int  # position in the network, from 0
    name: str
    delta: float  # Linear: RMS over units and images of dE/d(output) for one image's own loss
    gradient: float  # Linear: length of the gradient of W and b
    weights: float  # Linear: length of W and b
    slope: float  # activation: mean |dy/dx| over units and images
    flat_units: float  # activation: share of units with |dy/dx| < 0.01 on every image: dead or saturated


def probe(epoch: int, model, loss, images: np.ndarray, labels: np.ndarray) -> list[ProbeRow]:
    """Measure every layer for the first 1,000 of these images (uint8 pixels) and labels. Changes no weight.

    It leaves the gradients of those images in the network, which the next step writes over.
    """
    output = model.forward(normalise(images[:IMAGES]))
    count = len(output)
    grad = loss.backward(output, onehot_encoding(labels[:IMAGES], output.shape[1], output.dtype))
    rows = []
    for position in reversed(range(len(model.layers))):
        layer = model.layers[position]
        if isinstance(layer, Linear):
            delta = count * float(np.sqrt(np.mean(grad * grad)))
            grad = layer.backward(grad)
            sizes = delta, float(np.linalg.norm(layer.grads)), float(np.linalg.norm(layer.params))
            rows.append(ProbeRow(epoch, position, layer.name, *sizes, float("nan"), float("nan")))
        else:
            slope = np.abs(layer.backward(np.ones_like(grad)))
            shares = float(slope.mean()), float((slope < FLAT).all(axis=0).mean())
            rows.append(ProbeRow(epoch, position, layer.name, float("nan"), float("nan"), float("nan"), *shares))
            grad = layer.backward(grad)
    return rows[::-1]


def append_probe_rows(path: Path, rows: list[ProbeRow]) -> None:
    """Add rows to a probe.csv, complete or not at all."""
    before = path.read_bytes() if path.exists() else csv_line(ProbeRow._fields)
    with atomic_write(path) as file:
        file.write(before + b"".join(map(csv_line, rows)))


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
        with atomic_write(path) as file:
            file.writelines([header, *kept])
    return {int(line.split(b",")[0]) for line in kept}
