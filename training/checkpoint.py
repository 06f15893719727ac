"""checkpoint.npz: the state of a run at the end of an epoch, all that is needed to continue as if it had not stopped.

It holds what changes in training (weights, momentum, the generator that shuffles), and what was trained (settings and
data). The curves stay in metrics.csv; the checkpoint counts its rows. Files are input: nothing in one is believed
unchecked.
"""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from utils import FileError, load_npz, save_npz

FILE_FORMAT = "mlp-checkpoint-2"


class Checkpoint(NamedTuple):
    """The state of a run after an epoch."""

    settings: dict  # unchecked: that is training.settings.resolve's work
    data: dict  # images (train, test) and sha256 of the data files, as in config.json
    epoch: int
    rows: int  # of metrics.csv, up to the end of this epoch
    seconds: float  # of training so far
    rng: dict  # the state of the generator that shuffles
    params: np.ndarray  # Network.params
    velocity: np.ndarray  # Network.velocity

    def restore(self, model, rng: np.random.Generator, path) -> None:
        """Put weights, momentum and shuffle back. FileError if they are those of another network."""
        if self.params.shape != model.params.shape or self.params.dtype != model.params.dtype:
            raise FileError(
                f"{path} holds {self.params.size} parameters ({self.params.dtype}), its run's settings make "
                f"{model.params.size} ({model.params.dtype}): use the checkpoint of this run"
            )
        model.params[:], model.velocity[:] = self.params, self.velocity
        rng.bit_generator.state = self.rng


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write it, complete or not at all."""
    arrays = {"params": checkpoint.params, "velocity": checkpoint.velocity}
    state = {key: value for key, value in checkpoint._asdict().items() if key not in arrays}
    save_npz(path, arrays | {"state": np.array(json.dumps({"format": FILE_FORMAT} | state))})


def load_checkpoint(path: Path) -> Checkpoint:
    """Return what save_checkpoint wrote. FileError if the file is damaged or another, OSError if it cannot be read."""
    arrays = load_npz(path)
    try:
        state = json.loads(str(arrays["state"]) if arrays["state"].dtype.kind == "U" else arrays["state"].tobytes())
        if state.pop("format") != FILE_FORMAT:
            raise FileError(f"{path} was written by another version of this program: resume with that, or start anew")
        checkpoint = Checkpoint(**state, params=arrays["params"], velocity=arrays["velocity"])
        for vector in (checkpoint.params, checkpoint.velocity):
            if vector.dtype not in (np.float32, np.float64) or not np.isfinite(vector).all():
                raise ValueError("its numbers are not finite float32 or float64")
        if checkpoint.params.shape != checkpoint.velocity.shape or checkpoint.params.ndim != 1:
            raise ValueError("its weights and momentum are not two vectors of one length")
        if not all(isinstance(n, int) and n >= 1 for n in (checkpoint.epoch, checkpoint.rows)):
            raise ValueError("its epoch or its number of rows is not a whole number from 1")
        if not 0 <= checkpoint.seconds < float("inf"):
            raise ValueError("its seconds are not a number")
        np.random.default_rng().bit_generator.state = checkpoint.rng
        return checkpoint
    except (ValueError, LookupError, TypeError, ArithmeticError, RecursionError) as error:
        words = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise FileError(f"{path} is not a checkpoint of this program ({words}): start a new run") from None
