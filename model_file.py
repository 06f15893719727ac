"""model.npz: the architecture and the weights of a network, written and read back. No other file of the core needs it.

One array, `architecture`, holds a JSON text; the others are parameters and state by position and name: `0.W`, `0.b`,
`2.W` …, inside a Residual `3.0.W`. Files are input: nothing in one is believed unchecked.
"""

import json

import numpy as np

from layers import BatchNorm, Dropout, Gelu, Layer, Linear, Relu, Residual, Sigmoid, flatten
from utils import FileError, load_npz, save_npz

FILE_FORMAT = "mlp-weights-1"
KINDS = {kind.__name__: kind for kind in (Linear, Relu, Sigmoid, Gelu, Dropout, BatchNorm, Residual)}


def write(path, network, labels=None) -> None:
    """Write the network and, unless None, the labels that its outputs stand for; whole or not at all.

    Layers that are not of layers.py are a ValueError: their parameters are theirs to save.
    """
    arrays = {}
    layers = [_describe(layer, str(position), arrays) for position, layer in enumerate(network.layers)]
    header = {"format": FILE_FORMAT, "dtype": str(network.params.dtype), "layers": layers}
    if labels is not None:
        header["labels"] = np.asarray(labels).tolist()
    save_npz(path, {"architecture": np.array(json.dumps(header))} | arrays)


def _describe(layer, position: str, arrays: dict) -> dict:
    """The JSON entry of a layer; its arrays are added to `arrays`."""
    kind = type(layer).__name__
    if KINDS.get(kind) is not type(layer):
        raise ValueError(f"layer {position} ({kind}) is not one of layers.py: save its parameters yourself")
    entry = {"type": kind, "name": layer.name} | {name: getattr(layer, name) for name in layer.arguments}
    if kind == "Residual":
        entry["layers"] = [_describe(each, f"{position}.{n}", arrays) for n, each in enumerate(layer.layers)]
    arrays |= {f"{position}.{name}": array for name, array in layer.arrays().items()}
    return entry


def read(path, network):
    """Fill a new network from a file that `write` wrote. FileError if it is not one: names, shapes, types, values."""
    try:
        _fill(network, load_npz(path))
    except FileNotFoundError:
        raise FileError(f"{path} does not exist: give the model.npz of a finished run") from None
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        words = " ".join(str(error).split())[:200] or type(error).__name__
        raise FileError(f"{path} is not a weights file of this program ({words}): give a model.npz") from None
    return network


def _fill(network, arrays: dict) -> None:
    header = json.loads(str(arrays.pop("architecture")))
    if header["format"] != FILE_FORMAT:
        raise ValueError(f"its format is {header['format']!r}, not {FILE_FORMAT!r}")
    if header["dtype"] not in ("float32", "float64"):
        raise ValueError(f"its weights are {header['dtype']!r}, not float32 or float64")
    for position, entry in enumerate(header["layers"]):
        network.add(_make(entry, str(position), arrays, header["dtype"]))
    if arrays:
        raise ValueError(f"it holds {sorted(arrays)}, which no layer has")
    network.training, network.labels = False, header.get("labels")
    widths = [next(iter(layer.shapes.values()))[0] for layer in flatten(network.layers) if layer.shapes]
    with np.errstate(all="ignore"):  # do the layers fit each other?
        outputs = network.forward(np.zeros((1, *widths[:1]), header["dtype"])).shape[-1]
    labels = network.labels
    if labels is not None and (
        type(labels) is not list or [type(label) in (int, str) for label in labels] != [True] * outputs
    ):
        raise ValueError(f"its labels are not {outputs} numbers or texts, one for each output")


def _make(entry: dict, position: str, arrays: dict, dtype: str) -> Layer:
    """The layer of a JSON entry; its arrays are taken out of `arrays`."""
    kind, name = entry["type"], entry["name"]
    if not isinstance(name, str):
        raise ValueError(f"layer {position} has a name that is not a text")
    if kind == "Linear":
        _check_shape(f"{position}.W", arrays, (entry["in_num"], entry["out_num"]))  # before memory is given to it
        layer = Linear(name, entry["in_num"], entry["out_num"], init_std=0.0, dtype=dtype)
    elif kind == "BatchNorm":
        _check_shape(f"{position}.gamma", arrays, (entry["num"],))
        layer = BatchNorm(name, entry["num"], entry["decay"], entry["epsilon"], dtype)
    elif kind == "Dropout":
        layer = Dropout(name, entry["rate"])
    elif kind == "Residual":
        layer = Residual(
            name, *(_make(each, f"{position}.{n}", arrays, dtype) for n, each in enumerate(entry["layers"]))
        )
    elif kind in KINDS:
        layer = KINDS[kind](name)
    else:
        raise ValueError(f"it has a layer of unknown type {kind!r}")
    for name, own in layer.arrays().items():
        _check_shape(f"{position}.{name}", arrays, own.shape)
        array = arrays.pop(f"{position}.{name}")
        if array.dtype != dtype:
            raise ValueError(f"layer {position} is not {dtype}")
        if not np.isfinite(array).all():
            raise ValueError(f"layer {position} has weights that are not finite numbers")
        if name == "running_var" and (array < 0).any():
            raise ValueError(f"layer {position} has a variance below 0")
        own[...] = array
    return layer


def _check_shape(name: str, arrays: dict, shape: tuple) -> None:
    if arrays[name].shape != shape:
        raise ValueError(f"{name} has shape {arrays[name].shape}, its architecture says {shape}")
