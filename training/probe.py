"""Why did it not train? The sizes of what back-propagation sends through each layer, on a fixed set of images."""

from typing import NamedTuple

import numpy as np

from layers import Linear
from load_data import normalise
from utils import onehot_encoding

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
    """Look at every layer for the first 1,000 of these images (uint8 pixels) and labels. Changes no weight.

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
