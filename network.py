"""A network: layers in a row, whose parameters live in one flat vector.

All parameters are one vector (`params`), all gradients a second (`grads`, which `update` uses up), the momentum a third
(`velocity`), what layers keep but do not train a fourth (`state`); each layer's W, b, grad_W and grad_b are views into
them. So a step of SGD is a few whole-vector operations at any depth, and the state of training is three arrays. The
layers themselves are in layers.py, the loop in solve_net.py, model.npz in model_file.py.
"""

import numpy as np

import model_file
from layers import Layer, Linear, Residual, flatten, sgd_step


def _vector(attribute: str) -> property:
    """One of the network's vectors, gathered from its layers when it is first used after an `add`."""

    def read(self) -> np.ndarray:
        if self._outdated:
            self._gather()
        return getattr(self, attribute)

    def copy_into(self, array) -> None:
        read(self)[...] = array

    return property(read, copy_into)


class Network:
    """Layers in a row: forward through them, backward through them, one update of all parameters.

    >>> model = Network()
    >>> model.add(Linear("fc1", 784, 100, 0.01))
    >>> model.add(Relu("act1"))
    >>> model.add(Linear("fc2", 100, 10, 0.01))

    A layer written by somebody else (with forward, backward, update and trainable) works too, a subclass of ours with
    an update of its own among them: it keeps its own arrays, and `update` calls its update(config). A layer belongs to
    one network at a time. labels: what the outputs stand for, or None.
    """

    params, grads = _vector("_params"), _vector("_grads")
    velocity, state = _vector("_velocity"), _vector("_state")

    def __init__(self):
        self.layers, self.labels, self._training = [], None, True
        self._ids = set()  # of the layers, those inside a Residual among them
        self._ours, self._theirs = [], []  # those with arrays in the network's vectors, those that update themselves
        self._velocity, self._outdated = np.zeros(0, np.float32), True

    def add(self, layer) -> None:
        """Append a layer; the parameters of one of ours move into the network's vectors, unchanged."""
        new = list(flatten([layer]))
        ids = [id(each) for each in new]
        for each in new:
            if id(each) in self._ids or ids.count(id(each)) > 1:
                raise ValueError(f"{each!r} is in this network already: add a new layer")
        ours = [each for each in new if _is_updated_here(each) and each.arrays()]
        for each in ours:
            dtype = (self._ours or ours)[0].params.dtype
            if each.params.dtype != dtype:
                raise ValueError(f"{each.name} is {each.params.dtype}, the network {dtype}: use one dtype")
        self.layers.append(layer)
        self._ids.update(ids)
        self._ours += ours
        self._theirs += [each for each in new if not (_is_updated_here(each) or isinstance(each, Residual))]
        self._outdated = True
        _set_mode(new, self.training)

    def _gather(self) -> None:
        """Make the network's vectors, and the arrays of its layers views into them."""
        velocity, dtype = self._velocity, self._ours[0].params.dtype if self._ours else np.float32
        for name in ("params", "grads", "state"):
            parts = [np.zeros(0, dtype), *(getattr(layer, name) for layer in self._ours)]
            setattr(self, f"_{name}", np.concatenate(parts))
        self._velocity = np.zeros(self._params.size, dtype)
        self._velocity[: velocity.size] = velocity
        start = start_of_state = 0
        for layer in self._ours:
            own = slice(start, start + layer.params.size)
            kept = slice(start_of_state, start_of_state + layer.state.size)
            layer.use_vectors(self._params[own], self._grads[own], self._state[kept])
            start, start_of_state = own.stop, kept.stop
        self._outdated = False

    @property
    def training(self) -> bool:
        """Whether forward is a step of training (so at first) or an evaluation: train_net and test_net set it."""
        return self._training

    @training.setter
    def training(self, training: bool) -> None:
        self._training = training
        _set_mode(flatten(self.layers), training)

    def forward(self, input: np.ndarray) -> np.ndarray:
        """(N, in) -> (N, out)."""
        if getattr(input, "dtype", None) == np.uint8:
            raise ValueError("the network got raw pixels (uint8): give it load_data.normalise(images)")
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
        if all(layer.trainable for layer in self._ours):
            sgd_step(self.params, self.grads, self.velocity, config)
        else:
            start = 0
            for layer in self._ours:
                own = slice(start, start + layer.params.size)
                if layer.trainable:
                    sgd_step(self.params[own], self.grads[own], self.velocity[own], config)
                start = own.stop
        for layer in self._theirs:
            if layer.trainable:
                layer.update(config)

    def __setstate__(self, attributes: dict) -> None:
        """A copy or a pickle holds every array by itself: make the layers' arrays views of the vectors again."""
        self.__dict__.update(attributes)
        self._ids = {id(each) for each in flatten(self.layers)}
        self._outdated = True

    def save(self, path, labels=None) -> None:
        """Write the network to a model.npz, with the labels of its outputs (its own if None): see model_file.py."""
        model_file.write(path, self, self.labels if labels is None else labels)

    @classmethod
    def load(cls, path) -> "Network":
        """The network that `save` wrote, in evaluation mode. FileError if the file is not one, in any respect."""
        return model_file.read(path, cls())

    def __repr__(self) -> str:
        """One line per layer with its number of parameters, and their sum."""
        lines = []
        for position, layer in enumerate(self.layers):
            size = sum(each.params.size for each in flatten([layer]) if _is_updated_here(each))
            lines.append(f"  {position}: {layer!r}" + (f"  {size:,}" if size else ""))
        return "\n".join(["Network(", *lines, f")  {self.params.size:,} parameters, {self.params.dtype}"])


def _is_updated_here(layer) -> bool:
    """Whether it is a layer of ours whose step the network makes: not one with an update of its own."""
    return isinstance(layer, Layer) and type(layer).update is Layer.update


def _set_mode(layers, training: bool) -> None:
    for layer in layers:
        if hasattr(layer, "training"):
            layer.training = training
