"""Where did it diverge? Trains the epoch in which a run diverged once more, and checks every number of every step."""

from collections.abc import Callable

import numpy as np

from layers import Linear, flatten
from solve_net import BLOCK, test_net, train_net
from training.epochs import rates_of, split
from utils import Diverged


class NotFinite(ArithmeticError):
    """The first non-finite number was met; the message says whose it is."""


def first_non_finite(model, loss, rng, settings: dict, data, epoch: int) -> str:
    """Return which layer had the first non-finite value, and in which iteration of the epoch after this one.

    The model and rng are in their state after `epoch`. The model cannot be used afterwards: its methods are wrapped.
    """
    steps = _wrap(model, loss)
    try:
        if epoch == 0:
            test_net(model, loss, data.test_images, data.test_labels, BLOCK)
        images = split(settings, data)
        sizes, rates = (settings["batch_size"], settings["disp_freq"]), rates_of(settings, images, epoch + 1)
        train_net(model, loss, settings, images.train, images.train_labels, *sizes, rng, rates=rates)
        test_net(model, loss, data.test_images, data.test_labels, BLOCK)
    except NotFinite as error:
        return f"the first non-finite value was in {error}, after {len(steps)} iterations of epoch {epoch + 1}"
    except Diverged:
        pass
    return "every layer was still finite, the sum over the batch was not"


def _wrap(model, loss) -> list:
    """Make every method of the step raise NotFinite for what it computes; return a list that grows with each step."""
    steps, layers = [], list(flatten(model.layers))
    names = [f"{layer.name} (layer {number} of {len(layers)})" for number, layer in enumerate(layers, 1)]
    for layer, name in zip(layers, names):
        layer.forward = _checked(layer.forward, f"the output of {name}")
        if isinstance(layer, Linear):
            layer.backward_parameters = _checked(layer.backward_parameters, f"the gradient of {name}", layer.grads)
        layer.backward = _checked(layer.backward, f"the gradient below {name}")
    loss.backward = _checked(loss.backward, "the gradient of the loss")
    update = model.update

    def step(config: dict) -> None:
        update(config)
        for layer, name in zip(layers, names):
            if not np.isfinite(layer.params).all():
                raise NotFinite(f"the weights of {name}")
            if not np.isfinite(layer.state).all():
                raise NotFinite(f"the running statistics of {name}")
        steps.append(None)

    model.update = step
    return steps


def _checked(function: Callable, whose: str, written: np.ndarray | None = None) -> Callable:
    """The function, which raises NotFinite for what it returns, or for the array that it writes."""

    def call(*arguments):
        result = function(*arguments)
        if not np.isfinite(result if written is None else written).all():
            raise NotFinite(whose)
        return result

    return call
