"""What several files share: metrics.csv, safe writing, and the assignment's three helpers.

onehot_encoding, calculate_acc and LOG_INFO have the assignment's names.
"""

import os
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np


class MetricsError(ValueError):
    """A metrics.csv that cannot be used; the message names the file, what is wrong and what to do."""

    exit_code = 3


class Row(NamedTuple):
    """A row of metrics.csv."""

    split: str  # train or test
    epoch: int  # from 1; the evaluation before training is epoch 0
    iteration: int  # updates since training began
    loss: float  # mean per sample
    accuracy: float  # a fraction
    seconds: float  # since training began


def onehot_encoding(labels: np.ndarray, class_count: int, dtype=np.float32) -> np.ndarray:
    """Class numbers (N,) -> (N, class_count), 1 in the column of the class and 0 elsewhere."""
    return np.eye(class_count, dtype=dtype)[labels]


def calculate_acc(output: np.ndarray, labels: np.ndarray) -> float:
    """The share (0 to 1) of rows of output (N, K) whose largest entry stands in the column of the label (N,)."""
    return float(np.mean(np.argmax(output, axis=1) == labels))


def LOG_INFO(message: str) -> None:
    """Print the time of day and a message to stdout."""
    print(f"{datetime.now():%H:%M:%S.%f}"[:-3], message, flush=True)


def csv_line(row: Row) -> str:
    return ",".join(str(value) for value in row) + "\n"


def read_metrics(path) -> list[Row]:
    """The rows of a metrics.csv. MetricsError or OSError, naming the file, if it is not one."""
    rows = []
    with open(path, newline="", encoding="utf-8", errors="replace") as file:
        if file.readline().rstrip("\r\n") != ",".join(Row._fields):
            raise MetricsError(f"{path} is not a metrics.csv: its first line must be {','.join(Row._fields)}")
        for number, line in enumerate(file, 2):
            try:
                split, epoch, iteration, loss, accuracy, seconds = line.split(",")
                rows.append(Row(split, int(epoch), int(iteration), float(loss), float(accuracy), float(seconds)))
            except ValueError:
                raise MetricsError(f"{path}, line {number}, is not a row of metrics: run again") from None
            if split not in ("train", "test"):
                raise MetricsError(f"{path}, line {number}: the split is {split!r}, not train or test: run again")
    return rows


@contextmanager
def whole_file(path):
    """Open a file for writing bytes beside `path`, and rename it to `path` once it is whole and on the disk."""
    path = Path(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(beside, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
