"""The state of a run at the end of an epoch, in one file: all that is needed to go on as if it had never stopped.

runs/<name>/checkpoint.npz is written after every epoch, beside and renamed, so it is always whole. It holds the three
things that change in training (weights, momentum, the generator that shuffles) and three that say what was trained:
the settings, the data, the rows of metrics.csv so far. Files are input: nothing in one is believed unchecked.
"""

import json
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from layers import Linear
from utils import FileError, Row, csv_line, parse_metrics, read_npz, write_npz

FILE_FORMAT = "mlp-checkpoint-1"


class Checkpoint(NamedTuple):
    settings: dict  # unchecked: that is training.settings.resolve's work
    data: dict  # images (train, test) and sha256 of the data files, as in config.json
    epoch: int  # the last whole one
    params: np.ndarray  # Network.params after it
    velocity: np.ndarray  # Network.velocity
    order: dict  # the state of the generator that shuffles
    metrics: str  # metrics.csv so far

    @property
    def rows(self) -> list[Row]:
        return parse_metrics(self.metrics.splitlines(), "its metrics.csv")

    def going_on_to(self, settings: dict) -> "Checkpoint":
        """Without the evaluation that was made only because the run was to end here."""
        lines = self.metrics.splitlines(keepends=True)
        if self.epoch < settings["max_epoch"] and self.epoch % settings["test_epoch"] and lines[-1].startswith("test"):
            lines.pop()
        return self._replace(metrics="".join(lines))

    def check_size(self, widths: list[int]) -> None:
        """FileError if a network of these widths, inputs to classes, has another number of parameters.

        To be asked before the network is made: the settings of a hostile file may ask for one of any size.
        """
        size = sum((below + 1) * above for below, above in pairwise(widths))
        if self.params.size != size:
            raise FileError(
                f"the checkpoint holds {self.params.size} parameters, its settings make {size}: train again"
            )

    def restore(self, model, order: np.random.Generator) -> None:
        """Put the weights, the momentum and the shuffle back. FileError if they are another network's."""
        linears = [layer for layer in model.layers if isinstance(layer, Linear)]
        self.check_size([linears[0].in_num, *(layer.out_num for layer in linears)])
        model.params[:], model.velocity[:] = self.params, self.velocity
        order.bit_generator.state = self.order

    def save(self, path: Path) -> None:
        state = {"format": FILE_FORMAT, "settings": self.settings, "data": self.data, "epoch": self.epoch}
        texts = {"state": json.dumps(state | {"order": self.order}), "metrics": self.metrics}
        arrays = {name: np.frombuffer(text.encode(), np.uint8) for name, text in texts.items()}
        write_npz(path, {"params": self.params, "velocity": self.velocity} | arrays)

    @classmethod
    def load(cls, path: Path) -> "Checkpoint":
        """The checkpoint that `save` wrote. FileError if the file is not one."""
        try:
            arrays = read_npz(path)
            state = json.loads(arrays["state"].tobytes())
            if state["format"] != FILE_FORMAT:
                raise ValueError(f"its format is {state['format']!r}, not {FILE_FORMAT!r}")
            for name in ("params", "velocity"):
                if arrays[name].dtype != np.float32 or arrays[name].ndim != 1 or not np.isfinite(arrays[name]).all():
                    raise ValueError(f"its {name} are not a row of finite float32 numbers")
            if arrays["params"].shape != arrays["velocity"].shape:
                raise ValueError("its params and velocity differ in length")
            checkpoint = cls(
                state["settings"],
                state["data"],
                state["epoch"],
                arrays["params"],
                arrays["velocity"],
                state["order"],
                arrays["metrics"].tobytes().decode(),
            )
            _check_rows(checkpoint)
            np.random.default_rng().bit_generator.state = checkpoint.order
            return checkpoint
        except FileNotFoundError:
            raise
        except Exception as error:  # damaged files raise errors of a dozen kinds
            words = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            raise FileError(f"{path} is not a checkpoint of this program ({words}): train again") from None


def _check_rows(checkpoint: Checkpoint) -> None:
    """ValueError unless the rows are as a run writes them, from the evaluation before training to this epoch."""
    rows = checkpoint.rows
    if checkpoint.metrics != "".join([",".join(Row._fields) + "\n", *map(csv_line, rows)]):
        raise ValueError("its metrics are not written as here")
    if type(checkpoint.epoch) is not int or checkpoint.epoch < 1 or not rows or rows[-1].epoch != checkpoint.epoch:
        raise ValueError(f"its epoch is {checkpoint.epoch!r}, its metrics end elsewhere")
    if rows[0][:3] != ("test", 0, 0) or any(
        after.epoch < before.epoch or after.iteration < before.iteration for before, after in pairwise(rows)
    ):
        raise ValueError("its metrics are not in order")
    if not np.isfinite([row[2:] for row in rows]).all():
        raise ValueError("its metrics are not finite numbers")
