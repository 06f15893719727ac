"""One HTML file that holds a trained network: draw a digit, see what the network sees. Needs no server, no network."""

import base64
import json
from pathlib import Path

import numpy as np

from utils import UsageError

LAYERS = ("Linear", "Relu", "Sigmoid", "Gelu")  # those of page.html


def page(name: str, model, labels: list, side: int, probabilities: bool) -> str:
    """Return the page of a network that takes images of side x side pixels. UsageError names a layer it lacks."""
    layers = []
    for layer in model.layers:
        kind = type(layer).__name__
        if kind not in LAYERS:
            raise UsageError(f"the page has no layer {kind} ({layer.name}): give a run with {', '.join(LAYERS)} only")
        arrays = {key: _base64(getattr(layer, key)) for key in ("W", "b") if kind == "Linear"}
        layers.append({"type": kind} | arrays)
    contents = {"name": name, "labels": labels, "side": side, "probabilities": probabilities, "layers": layers}
    template = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    return template.replace('"NETWORK"', json.dumps(contents).replace("<", "\\u003c"))  # a name ends no script


def _base64(array: np.ndarray) -> str:
    return base64.b64encode(array.astype("<f4").tobytes()).decode()
