"""results/: one compressed file for each finished run, recognised by what it computed and not by its name.

A run's identity is its settings, its data and a hash of the code that computes (comments and docstrings aside). Files
are written beside and renamed: two reports at once, or a killed one, leave only whole files.
"""

import ast
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from training.command import ROOT
from training.metrics import Row
from training.probe import ProbeRow
from training.settings import run_name
from utils import FileError, atomic_write

RESULTS = ROOT / "results"

# What a training run executes: whole files, or the functions named.
COMPUTES = {
    "layers.py": None,
    "loss.py": None,
    "network.py": None,
    "solve_net.py": None,
    "load_data.py": ("normalise",),
    "utils.py": ("onehot_encoding", "calculate_acc"),
    "run_mlp.py": ("build", "train"),
    "training/probe.py": None,
}
# Functions in them that no result depends on.
SHOWS_OR_SAVES = ("__repr__", "__setstate__", "save", "load", "_from_arrays")


class Result(NamedTuple):
    """A finished run as results/ keeps it."""

    settings: dict
    made_with: dict  # code and data (hashes), images, versions, seconds, when it ended and how, class_share
    rows: list[Row]
    probe: list[ProbeRow]


@cache
def code_hash() -> str:
    """A hash of what the core computes. Comments, docstrings and the texts of f-strings do not change it."""
    digest = hashlib.sha256()
    for name, functions in COMPUTES.items():
        parts = ast.parse((ROOT / name).read_text(encoding="utf-8")).body
        if functions is not None:
            parts = [node for node in parts if getattr(node, "name", None) in functions]
        digest.update(repr(_plain(parts)).encode())
    return digest.hexdigest()[:16]


def _plain(node):
    """A syntax tree as lists and texts, the same under every version of Python, of what computes alone."""
    if isinstance(node, list):
        return [_plain(part) for part in node if not _computes_nothing(part)]
    if isinstance(node, ast.JoinedStr):
        return "a text"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = [
        [name, _plain(value)] for name, value in ast.iter_fields(node) if value not in (None, []) and name != "kind"
    ]
    return [type(node).__name__, *fields]


def _computes_nothing(node) -> bool:
    if isinstance(node, ast.FunctionDef):
        return node.name in SHOWS_OR_SAVES
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def data_hash(data) -> str:
    """One hash for the four files of a data set, whatever they are called."""
    return hashlib.sha256("".join(data.sha256.values()).encode()).hexdigest()[:16]


def path_of(settings: dict, folder: Path = RESULTS) -> Path:
    """Where a run's result lies. The name serves the reader; whether it is this run, `load` decides."""
    return folder / (run_name(settings | {"threads": "auto"}) + ".npz")


def save(result: Result, folder: Path = RESULTS) -> None:
    header = {"settings": result.settings, "made_with": result.made_with}
    columns = {
        f"{split}_{field}": np.array([getattr(row, field) for row in result.rows if row.split == split], dtype)
        for split in ("train", "test")
        for field, dtype in (("epoch", "i2"), ("iteration", "i4"), ("loss", "f4"), ("accuracy", "f4"))
    }
    probe = json.dumps([list(row) for row in result.probe])
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_write(path_of(result.settings, folder)) as file:
        np.savez_compressed(file, header=np.array(json.dumps(header)), probe=np.array(probe), **columns)


def load(path: Path) -> Result:
    """A saved result; its rows carry no seconds (nan). FileError, naming the file, if it is not one."""
    try:
        with np.load(path, allow_pickle=False) as file:
            header = json.loads(str(file["header"]))
            probe = [ProbeRow(*row) for row in json.loads(str(file["probe"]))]
            rows = []
            for split in ("train", "test"):
                columns = (file[f"{split}_{field}"].tolist() for field in ("epoch", "iteration", "loss", "accuracy"))
                rows += [Row(split, *values, float("nan")) for values in zip(*columns)]
        return Result(header["settings"], header["made_with"], rows, probe)
    except FileNotFoundError:
        raise
    except Exception as error:
        raise FileError(f"{path} is not a result of this program ({error}): delete it and run again") from None


def is_this_run(result: Result, settings: dict, data: str) -> bool:
    """Whether a stored result is what these settings would compute now, on the data of this hash."""
    made = result.made_with
    return result.settings == settings and made["data"] == data and made["code"] == code_hash()


def find(settings: dict, data: str, folder: Path = RESULTS) -> Result | None:
    """The finished run of exactly these settings, this data and this code, or None."""
    try:
        result = load(path_of(settings, folder))
    except (FileNotFoundError, FileError):
        return None
    return result if is_this_run(result, settings, data) else None
