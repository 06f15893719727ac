"""The timing pass: seconds per epoch of a few curves, one after the other in one process on one thread.

The curves take turns (A B C A B C …), so that a busy minute of the machine hits all of them; the median of the rounds
counts. Times of the report's own runs, which share the machine with each other, are never compared.
"""

import json
import platform
import statistics
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info

import run_mlp
from experiments import store
from experiments.figure_list import ACTIVATIONS, BASE, BATCHES, EUCLIDEAN_1, LOSSES, SOFTMAX_2, settings_of
from experiments.train_runs import the_data
from training.machine import processor
from utils import FileError, atomic_write

# Claims 5, 12 and 27.
NAMES = list(
    dict.fromkeys(
        [f"1_Sigmoid_{loss}_{BASE}" for loss in LOSSES]
        + [f"1_{activation}_EuclideanLoss_{BASE}" for activation in ACTIVATIONS]
        + [f"{EUCLIDEAN_1}_0.01_0.0_{size}" for size in (min(BATCHES), max(BATCHES))]
        + [f"{SOFTMAX_2}_1.0_0.0_{size}" for size in (min(BATCHES), max(BATCHES))]
    )
)


def measure(names: list[str] = NAMES, rounds: int = 5, epochs: int = 2, dry_run: bool = False, say=None) -> dict:
    """Seconds per epoch of these curves: training with the evaluation after each epoch, median, min and max of rounds.

    say(line), if given, is told of every round. Loading the data, building the network and the evaluation before
    training are left out.
    """
    blas = [library for library in threadpool_info() if library["user_api"] == "blas"]
    data, seconds = the_data(dry_run), {name: [] for name in names}
    for number in range(1, rounds + 1):
        for name in names:
            rows, _ = run_mlp.train(settings_of(name, 0, max_epoch=epochs), data)
            seconds[name].append((rows[-1].seconds - rows[0].seconds) / epochs)
        if say is not None:
            say(f"timing: round {number} of {rounds}")
    return {
        "seconds_per_epoch": {
            name: {"median": statistics.median(each), "min": min(each), "max": max(each)}
            for name, each in seconds.items()
        },
        "rounds": rounds,
        "epochs": epochs,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "machine": ", ".join([processor(), *(f"{b['internal_api']} {b['version']}" for b in blas)]),
    }


def save(timing: dict, folder: Path = store.RESULTS) -> None:
    """Write timing.json into the folder of the results."""
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_write(folder / "timing.json") as file:
        file.write(json.dumps(timing, indent=2).encode())


def load(folder: Path = store.RESULTS) -> dict | None:
    """What `save` wrote, or None if there is no such file."""
    path = folder / "timing.json"
    if not path.exists():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FileError(f"{path} is damaged ({error}): delete it, and python report.py measures again") from None
