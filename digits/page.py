"""One HTML file that holds a trained network: draw a digit, see what the network sees. No server, no network needed."""

import base64
import json
from pathlib import Path

from utils import UsageError

LAYERS = ("Linear", "Relu", "Sigmoid", "Gelu", "Dropout", "BatchNorm", "Residual")  # those of page.html


def page(name: str, model, labels: list, side: int, probabilities: bool) -> str:
    """Return the page of a network on images of side x side pixels. UsageError names a layer that pages lack."""
    layers = [described(layer) for layer in model.layers]
    contents = {"name": name, "labels": labels, "side": side, "probabilities": probabilities, "layers": layers}
    template = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    return template.replace('"NETWORK"', json.dumps(contents).replace("<", "\\u003c"))  # a name ends no script


def described(layer) -> dict:
    """A layer as page.html takes it: its type, its arrays (little-endian float32 in base64), what else it needs."""
    kind = type(layer).__name__
    if kind not in LAYERS:
        raise UsageError(f"the page has no layer {kind} ({layer.name}): give a run with {', '.join(LAYERS)} only")
    arrays = {name: base64.b64encode(array.astype("<f4").tobytes()).decode() for name, array in layer.arrays().items()}
    entry = {"type": kind, "arrays": arrays}
    if kind == "BatchNorm":
        entry["epsilon"] = layer.epsilon
    if kind == "Residual":
        entry["layers"] = [described(each) for each in layer.layers]
    return entry
