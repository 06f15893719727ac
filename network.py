"""A network: layers in a row, whose parameters live in one flat vector.

All parameters are one vector (`params`), all gradients a second (`grads`, which `update` uses up), the momentum a third
(`velocity`); each layer's W, b, grad_W and grad_b are views into them. So a step of SGD is a few whole-vector
operations at any depth, and the state of training is three arrays. The layers themselves are in layers.py, the loop in
solve_net.py.
"""

import json

import numpy as np

import layers as layer_types
from layers import Linear, sgd_step
from utils import FileError, load_npz, save_npz

FILE_FORMAT = "mlp-weights-1"


class Network:
    """Layers in a row: forward through them, backward through them, one update of all parameters.

    >>> model = Network()
    >>> model.add(Linear("fc1", 784, 100, 0.01))
    >>> model.add(Relu("act1"))
    >>> model.add(Linear("fc2", 100, 10, 0.01))

    A layer written by somebody else (with forward, backward, update and trainable) works too, a subclass of Linear
    among them: it keeps its own arrays, and `update` calls its update(config). A Linear belongs to one network at a
    time.
    """

    def __init__(self):
        self.layers = []
        self._linears = []  # those of the layers whose parameters are in the network's vectors
        self.velocity = np.zeros(0, np.float32)
        self._give_vectors(np.float32)

    def add(self, layer) -> None:
        """Append a layer; a Linear's parameters move into the network's vectors, unchanged."""
        if any(other is layer for other in self.layers):
            raise ValueError(f"{layer!r} is in this network already: add a new layer")
        if type(layer) is Linear:
            if self._linears and layer.params.dtype != self.params.dtype:
                raise ValueError(
                    f"{layer.name} is {layer.params.dtype}, the network {self.params.dtype}: use one dtype"
                )
            self._linears.append(layer)
            self._give_vectors(layer.params.dtype)
        self.layers.append(layer)

    def _give_vectors(self, dtype) -> None:
        size = sum(linear.params.size for linear in self._linears)
        velocity = self.velocity
        self.params, self.grads, self.velocity = (np.zeros(size, dtype) for _ in range(3))
        self.velocity[: velocity.size] = velocity
        start = 0
        for linear in self._linears:
            own = slice(start, start + linear.params.size)
            self.params[own], self.grads[own] = linear.params, linear.grads
            linear.use_vectors(self.params[own], self.grads[own])
            start = own.stop

    def forward(self, input: np.ndarray) -> np.ndarray:
        """(N, in) -> (N, out)."""
        for layer in self.layers:
            input = layer.forward(input)
        return input

    def backward(self, grad_output: np.ndarray) -> None:
        """Write every layer's gradients, given dE/d(output) (N, out) for the batch of the last forward.

        Returns nothing: the gradient with respect to the data is not computed, because nobody needs it and it is a
        third of the matrix work. Layers below the first trainable one have nothing to learn and are not visited.
        """
        first = next((layer for layer in self.layers if layer.trainable), None)
        if first is None:
            return
        for layer in reversed(self.layers):
            if layer is first:
                if type(layer) is Linear:
                    layer.backward_parameters(grad_output)
                else:
                    layer.backward(grad_output)
                return
            grad_output = layer.backward(grad_output)

    def update(self, config: dict) -> None:
        """One step of SGD (layers.sgd_step) on all parameters; a layer whose `trainable` is False keeps its own.

        The gradients are used up: until the next backward, grad_W and grad_b hold the step that was subtracted.
        """
        if all(linear.trainable for linear in self._linears):
            sgd_step(self.params, self.grads, self.velocity, config)
        else:
            start = 0
            for linear in self._linears:
                own = slice(start, start + linear.params.size)
                if linear.trainable:
                    sgd_step(self.params[own], self.grads[own], self.velocity[own], config)
                start = own.stop
        for layer in self.layers:
            if layer.trainable and type(layer) is not Linear:
                layer.update(config)

    def __setstate__(self, state: dict) -> None:
        """A copy or a pickle holds every array by itself: make the layers' arrays views of the vectors again."""
        self.__dict__.update(state)
        self._give_vectors(self.params.dtype)

    def save(self, path) -> None:
        """Write architecture and weights to an .npz file: arrays `0.W`, `0.b`, `2.W` … by position and parameter.

        Written beside and renamed, so that a file under this name is always whole. Layers that are not of layers.py
        are a ValueError: their parameters are theirs to save.
        """
        architecture, arrays = [], {}
        for position, layer in enumerate(self.layers):
            kind = type(layer).__name__
            if getattr(layer_types, kind, None) is not type(layer):
                raise ValueError(f"layer {position} ({kind}) is not one of layers.py: save its parameters yourself")
            entry = {"type": kind, "name": layer.name}
            if isinstance(layer, Linear):
                entry |= {"in_num": layer.in_num, "out_num": layer.out_num}
                arrays |= {f"{position}.W": layer.W, f"{position}.b": layer.b}
            architecture.append(entry)
        header = json.dumps({"format": FILE_FORMAT, "dtype": str(self.params.dtype), "layers": architecture})
        save_npz(path, {"architecture": np.array(header)} | arrays)

    @classmethod
    def load(cls, path) -> "Network":
        """The network that `save` wrote. FileError if the file is not one: names, shapes, types, finite values."""
        try:
            return cls._from_arrays(load_npz(path))
        except FileNotFoundError:
            raise FileError(f"{path} does not exist: give the model.npz of a finished run") from None
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            words = " ".join(str(error).split())[:200] or type(error).__name__
            raise FileError(f"{path} is not a weights file of this program ({words}): give a model.npz") from None

    @classmethod
    def _from_arrays(cls, arrays: dict) -> "Network":
        header = json.loads(str(arrays.pop("architecture")))
        if header["format"] != FILE_FORMAT:
            raise ValueError(f"its format is {header['format']!r}, not {FILE_FORMAT!r}")
        if header["dtype"] not in ("float32", "float64"):
            raise ValueError(f"its weights are {header['dtype']!r}, not float32 or float64")
        if len(header["layers"]) > 1000:
            raise ValueError(f"it has {len(header['layers'])} layers, more than 1000")
        network = cls()
        for position, entry in enumerate(header["layers"]):
            if not isinstance(entry["name"], str):
                raise ValueError(f"layer {position} has a name that is not a text")
            if entry["type"] == "Linear":
                W, b = arrays.pop(f"{position}.W"), arrays.pop(f"{position}.b")
                if any(str(array.dtype) != header["dtype"] for array in (W, b)):
                    raise ValueError(f"layer {position} is not {header['dtype']}")
                if W.shape != (entry["in_num"], entry["out_num"]) or b.shape != W.shape[1:]:
                    raise ValueError(f"{position}.W has shape {W.shape}, its architecture says otherwise")
                if network._linears and network._linears[-1].out_num != len(W):
                    raise ValueError(f"layer {position} takes {len(W)} inputs, the one below gives another number")
                if not (np.isfinite(W).all() and np.isfinite(b).all()):
                    raise ValueError(f"layer {position} has weights that are not finite numbers")
                layer = Linear(entry["name"], *W.shape, init_std=0.0, dtype=W.dtype)
                layer.W, layer.b = W, b
            elif entry["type"] in ("Relu", "Sigmoid", "Gelu"):
                layer = getattr(layer_types, entry["type"])(entry["name"])
            else:
                raise ValueError(f"it has a layer of unknown type {entry['type']!r}")
            network.add(layer)
        if arrays:
            raise ValueError(f"it holds {sorted(arrays)}, which no layer has")
        return network

    def __repr__(self) -> str:
        """One line per layer with its number of parameters, and their sum."""
        lines = [
            f"  {position}: {layer!r}" + (f"  {layer.params.size:,}" if type(layer) is Linear else "")
            for position, layer in enumerate(self.layers)
        ]
        return "\n".join(["Network(", *lines, f")  {self.params.size:,} parameters, {self.params.dtype}"])
