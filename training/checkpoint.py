"""checkpoint.npz: the state of a run at the end of an epoch, all that is needed to continue as if it had not stopped.

It holds what changes in training (weights, momentum, the generator that shuffles), and what was trained (settings and
data). The curves stay in metrics.csv; the checkpoint counts its rows. Files are input: nothing in one is believed
unchecked.
"""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from layers import Dropout, flatten
from training.epochs import Best
from utils import FileError, load_npz, save_npz

FILE_FORMAT = "mlp-checkpoint-2"
ARRAYS = ("params", "velocity", "layer_state", "best_params", "best_state")


class Checkpoint(NamedTuple):
    """The state of a run after an epoch."""

    settings: dict  # compared with those of config.json
    data: dict  # images (train, test) and sha256 of the data files, as in config.json
    epoch: int
    rows: int  # of metrics.csv, up to the end of this epoch
    seconds: float  # of training so far
    rng: dict  # the state of the generator that shuffles
    dropout_rng: dict | None  # of the one that draws the masks
    best_epoch: int  # that of the lowest validation loss, 0 without patience
    best_loss: float | None
    params: np.ndarray  # Network.params, velocity and, as layer_state, its state
    velocity: np.ndarray
    layer_state: np.ndarray
    best_params: np.ndarray  # those of best_epoch; empty without patience
    best_state: np.ndarray

    def restore(self, model, rng: np.random.Generator, best: Best, path) -> None:
        """Put everything back into a network of the same settings. FileError if they are those of another one."""
        masks = dropout_rng(model)
        this = (self.params.size, self.params.dtype, self.layer_state.size, self.dropout_rng is None)
        if this != (model.params.size, model.params.dtype, model.state.size, masks is None):
            raise FileError(f"{path} is of a network with other settings: use the checkpoint of this run")
        model.params[:], model.velocity[:], model.state[:] = self.params, self.velocity, self.layer_state
        rng.bit_generator.state = self.rng
        if masks is not None:
            masks.bit_generator.state = self.dropout_rng
        if self.best_loss is not None:
            best.loss, best.epoch = self.best_loss, self.best_epoch
            best.params, best.state = self.best_params, self.best_state


def dropout_rng(model) -> np.random.Generator | None:
    """The generator that all Dropout layers of run_mlp.build share."""
    return next((layer.rng for layer in flatten(model.layers) if isinstance(layer, Dropout)), None)


def take_checkpoint(model, rng, best: Best, settings: dict, data: dict, **counts) -> Checkpoint:
    """Return the state of a run, copied. counts: epoch, rows, seconds."""
    masks, none = dropout_rng(model), np.zeros(0, model.params.dtype)
    return Checkpoint(
        settings=settings,
        data=data,
        rng=rng.bit_generator.state,
        dropout_rng=masks and masks.bit_generator.state,
        best_epoch=best.epoch,
        best_loss=None if best.params is None else best.loss,
        params=model.params.copy(),
        velocity=model.velocity.copy(),
        layer_state=model.state.copy(),
        best_params=none if best.params is None else best.params,
        best_state=none if best.params is None else best.state,
        **counts,
    )


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write it, complete or not at all."""
    arrays = {name: getattr(checkpoint, name) for name in ARRAYS}
    state = {key: value for key, value in checkpoint._asdict().items() if key not in arrays}
    save_npz(path, arrays | {"state": np.array(json.dumps({"format": FILE_FORMAT} | state))})


def load_checkpoint(path: Path) -> Checkpoint:
    """Return what save_checkpoint wrote. FileError if the file is damaged or another, OSError if it cannot be read."""
    arrays = load_npz(path)
    try:
        state = json.loads(str(arrays["state"]))
        if state.pop("format") != FILE_FORMAT:
            raise FileError(f"{path} was written by another version of this program: resume with that, or start anew")
        checkpoint = Checkpoint(**state, **{name: arrays[name] for name in ARRAYS})
        vectors = [arrays[name] for name in ARRAYS]
        for vector in vectors:
            if vector.dtype not in (np.float32, np.float64) or vector.ndim != 1 or not np.isfinite(vector).all():
                raise ValueError("its numbers are not vectors of finite float32 or float64")
        params, velocity, state, best_params, best_state = (vector.size for vector in vectors)
        has_best = checkpoint.best_loss is not None
        if velocity != params or (best_params, best_state) != (params * has_best, state * has_best):
            raise ValueError("its weights, momentum and layer state are not of one length")
        if not isinstance(checkpoint.settings, dict) or set(checkpoint.data) != {"images", "sha256"}:
            raise ValueError("its settings or its data are not those of a run")
        if not all(type(n) is int and n >= 1 for n in (checkpoint.epoch, checkpoint.rows)):
            raise ValueError("its epoch or its number of rows is not a whole number from 1")
        number = isinstance(checkpoint.best_loss, (float, type(None))) and 0 <= checkpoint.seconds < float("inf")
        if type(checkpoint.best_epoch) is not int or not number:
            raise ValueError("its best epoch, validation loss or seconds are not numbers")
        for rng in (checkpoint.rng, checkpoint.dropout_rng or checkpoint.rng):
            np.random.default_rng().bit_generator.state = rng
        return checkpoint
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        words = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise FileError(f"{path} is not a checkpoint of this program ({words}): start a new run") from None
