"""What several tests share."""

import contextlib
import io
import re
import sys
import warnings
from typing import NamedTuple

import numpy as np

import layers
from network import Network
from training.command import run_command


class Ended(NamedTuple):
    """A command that has ended, in a process of its own or in this one."""

    code: int  # negative: by this signal
    stdout: str
    stderr: str
    operations: int = 0  # of a Trainer: what it began to do to files below the watched place

    @property
    def sentence(self) -> str:
        """What is on stderr, which must be a single line of ours."""
        assert re.fullmatch(r"\w+\.py: [^\n]+\n", self.stderr), self.stderr
        return self.stderr


def run_here(main, *arguments) -> Ended:
    """Run a command in this process, to its exit; a warning, which a user would see, is an error."""
    kept, sys.argv = sys.argv, [f"{main.__module__}.py", *map(str, arguments)]
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", PendingDeprecationWarning)
            run_command(main)
    except SystemExit as end:
        return Ended(end.code, out.getvalue(), without_diagnosis(err.getvalue()))
    finally:
        sys.argv = kept


ACTIVATIONS = ("Relu", "Sigmoid", "Gelu")


def make_network(rng, widths, activation: str, dtype=np.float64) -> Network:
    """Weights and biases of both signs and of decent size: near 0 every activation is almost a straight line."""
    model = Network()
    for number in range(1, len(widths)):
        if number > 1:
            model.add(getattr(layers, activation)(f"act{number - 1}"))
        model.add(layers.Linear(f"fc{number}", widths[number - 1], widths[number], 0.7, rng, dtype))
    model.params[:] = rng.normal(0.0, 0.7, model.params.size)
    return model


def one_hot(labels, class_count: int, dtype=np.float64) -> np.ndarray:
    return (np.asarray(labels)[:, None] == np.arange(class_count)).astype(dtype)


def without_diagnosis(text: str) -> str:
    """What a run says on stderr, but for why it did not train: on a small set few do. test_diagnosis.py wants that."""
    return re.sub(r"run_mlp\.py: it ended at [^\r\n]*[\r\n]*", "", text)


def central_difference(error, vector: np.ndarray, step: float = 1e-5) -> np.ndarray:
    """d error() / d vector, one entry after the other. The vector is changed in place and put back."""
    slope = np.zeros_like(vector)
    for index in np.ndindex(vector.shape):
        kept = vector[index]
        for move in (step, -step):
            vector[index] = kept + move
            slope[index] += error() / (2 * move)
        vector[index] = kept
    return slope


def watch(thing, method: str, note) -> None:
    """From now on thing.method(argument) calls note(argument) first."""
    inner = getattr(thing, method)

    def watched(argument):
        note(argument)
        return inner(argument)

    setattr(thing, method, watched)


def kink_distance(model: Network, loss, inputs: np.ndarray, target: np.ndarray) -> np.ndarray:
    """For each sample how near it comes to a kink, of a Relu or of the hinge loss: a central difference fails there."""
    distance = np.full(len(inputs), np.inf)
    for layer in model.layers:
        if isinstance(layer, layers.Relu):
            distance = np.minimum(distance, np.abs(inputs).min(axis=1))
        inputs = layer.forward(inputs)
    if hasattr(loss, "margin"):
        gap = np.abs(loss.margin - inputs[target == 1][:, None] + inputs)
        distance = np.minimum(distance, np.where(target == 1, np.inf, gap).min(axis=1))
    return distance
