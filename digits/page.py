"""One HTML file that holds a trained network: draw a digit, see what the network sees. No server, no network needed."""

import base64
import json
from pathlib import Path

from utils import UsageError

LAYERS = ("Linear", "Relu", "Sigmoid", "Gelu")  # those of page.html


def page(name: str, model, labels: list, side: int, probabilities: bool) -> str:
    """Return the page of a network on images of side x side pixels. UsageError names a layer that pages lack."""
    layers = []
    for layer in model.layers:
        kind = type(layer).__name__
        if kind not in LAYERS:
            raise UsageError(f"the page has no layer {kind} ({layer.name}): give a run with {', '.join(LAYERS)} only")
        arrays = {"W": layer.W, "b": layer.b} if kind == "Linear" else {}
        coded = {key: base64.b64encode(array.astype("<f4").tobytes()).decode() for key, array in arrays.items()}
        layers.append({"type": kind} | coded)
    contents = {"name": name, "labels": labels, "side": side, "probabilities": probabilities, "layers": layers}
    template = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    return template.replace('"NETWORK"', json.dumps(contents).replace("<", "\\u003c"))  # a name ends no script
