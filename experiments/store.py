"""results/: one compressed file for each finished run, known by its settings, its data and RESULTS_VERSION.

Files are written under a temporary name and renamed: two reports at once, or a killed one, leave only whole files. A
run is looked for under its own name, so what else lies in the folder is no result.
"""

import hashlib
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from experiments.figure_list import complete, settings_of
from training.command import ROOT
from training.metrics import Row
from training.probe import ProbeRow
from training.settings import run_name
from utils import FileError, atomic_write

# Raise it when what a run computes changes (tests/core/test_pinned_numbers.py fails then): all runs are trained anew.
# A file that says no version is of version 1.
RESULTS_VERSION = 1

TRAINS_IT = "python report.py trains that run again"

RESULTS = ROOT / "experiments" / "results"


class Result(NamedTuple):
    """A finished run as results/ keeps it."""

    settings: dict
    made_with: dict  # version, data (a hash), images, python, numpy, machine, seconds, ended, end, class_share
    rows: list[Row]
    probe: list[ProbeRow]

    @property
    def version(self) -> int:
        return self.made_with.get("version", 1)


def data_hash(data) -> str:
    """One hash for the four files of a data set, whatever they are called."""
    return hashlib.sha256("".join(data.sha256.values()).encode()).hexdigest()[:16]


def path_of(settings: dict, folder: Path = RESULTS) -> Path:
    """Where a run's result lies. The name serves the reader; whether it is this run, `is_this_run` decides."""
    return folder / (run_name(settings | {"threads": "auto"}) + ".npz")


def save(result: Result, folder: Path = RESULTS) -> None:
    """Write a result to where `path_of` says."""
    header = {"settings": result.settings, "made_with": result.made_with}
    columns = {
        f"{split}_{field}": np.array([getattr(row, field) for row in result.rows if row.split == split], dtype)
        for split in ("train", "test", *sorted({row.split for row in result.rows} - {"train", "test"}))
        for field, dtype in (("epoch", "i2"), ("iteration", "i4"), ("loss", "f4"), ("accuracy", "f4"))
    }
    probe = json.dumps([list(row) for row in result.probe])
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_write(path_of(result.settings, folder)) as file:
        np.savez_compressed(file, header=np.array(json.dumps(header)), probe=np.array(probe), **columns)


def load(path: Path) -> Result:
    """A saved result; its rows carry no seconds (nan). FileError if it is none, OSError if it cannot be read."""
    try:
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:  # np.load(path) may leave it open
            header = json.loads(str(file["header"]))
            probe = [ProbeRow(*row) for row in json.loads(str(file["probe"]))]
            rows = []
            for split in ("train", "valid", "test"):
                if split == "valid" and "valid_loss" not in file:
                    continue
                columns = (file[f"{split}_{field}"].tolist() for field in ("epoch", "iteration", "loss", "accuracy"))
                rows += [Row(split, *values, float("nan")) for values in zip(*columns)]
        return Result(complete(header["settings"]), header["made_with"], rows, probe)
    except OSError:
        raise
    except Exception as error:
        raise FileError(f"{path} is not a result of this program ({error}): {TRAINS_IT}") from None


def is_this_run(result: Result, settings: dict) -> bool:
    """Whether a stored result is of these settings and of today's mathematics."""
    return result.settings == settings and result.version == RESULTS_VERSION


def find(settings: dict, data: str, folder: Path = RESULTS) -> Result | None:
    """The finished run of exactly these settings, on the data of this hash, or None."""
    try:
        result = load(path_of(settings, folder))
    except (FileNotFoundError, FileError):
        return None
    return result if is_this_run(result, settings) and result.made_with["data"] == data else None


def load_curves(names: list[str], seeds: int, folder: Path, dry_run: bool = False) -> dict[str, list[Result]]:
    """The stored runs of these curves, of the first so many seeds, in the order of the seeds; no entry without a run.

    Runs of another version are returned as well.
    """
    found = {}
    for name in dict.fromkeys(names):
        runs = []
        for settings in (settings_of(name, seed, dry_run) for seed in range(seeds)):
            path = path_of(settings, folder)
            if path.exists():
                runs.append(load(path))
                if runs[-1].settings != settings:
                    raise FileError(f"{path} is a run of other settings than its name says: {TRAINS_IT}")
        if runs:
            found[name] = runs
    return found
