"""metrics.csv, the one record of a run: a row for each point of its curves."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from training.epochs import Best
from utils import FileError


class Row(NamedTuple):
    """A row of metrics.csv."""

    split: str  # train, valid or test
    epoch: int  # from 1; the evaluation before training is epoch 0
    iteration: int  # updates since training began
    loss: float  # mean per sample
    accuracy: float  # a fraction
    seconds: float  # since training began
    learning_rate: float | None = None  # of the last step of a train row


HEADER = list(Row._fields)


def read_metrics(path) -> list[Row]:
    """Return the rows of a metrics.csv. FileError says what is wrong with it, OSError that it cannot be read."""
    content = Path(path).read_bytes()
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise FileError(f"{path} is in UTF-16: save it as UTF-8")
    lines = content.decode("utf-8-sig", errors="replace").splitlines()
    header = lines[0] if lines else ""
    if header.split(",") not in (HEADER, HEADER[:-1]):  # runs made before there were schedules have no learning_rate
        raise FileError(f"{path} is not a metrics.csv: its first line is {header[:80]!r}, not {','.join(HEADER)!r}")
    rows = []
    for number, line in enumerate(lines[1:], 2):
        if line.strip():
            try:
                rows.append(_row(line.split(",")))
            except (ValueError, TypeError):
                raise FileError(f"{path}, line {number}, is {line[:80]!r}: expected {','.join(HEADER)}") from None
    return rows


def _row(cells: list[str]) -> Row:
    split, epoch, iteration, loss, accuracy, seconds, *rate = cells
    if split not in ("train", "valid", "test") or len(rate) > 1:
        raise ValueError
    numbers = int(epoch), int(iteration), float(loss), float(accuracy), float(seconds)
    return Row(split, *numbers, float(rate[0]) if rate and rate[0] else None)


def final_test(rows: list[Row], patience: bool) -> Row | None:
    """The evaluation on the test set that a run ends with: that of the weights that patience keeps, or the last."""
    tests = {row.epoch: row for row in rows if row.split == "test"}
    valid = [row for row in rows if row.split == "valid"] if patience else []
    kept = min(valid, key=lambda row: row.loss).epoch if valid else None
    return tests.get(kept, tests[max(tests)]) if tests else None


def accuracy_of(accuracies: list[float]) -> str:
    """`97.64 %` of one run; of several their mean and range, `97.6 (97.5 – 97.7) %`."""
    if len(accuracies) == 1:
        return f"{100 * accuracies[0]:.2f} %"
    mean, low, high = (100 * each for each in (sum(accuracies) / len(accuracies), min(accuracies), max(accuracies)))
    return f"{mean:.1f} ({low:.1f} – {high:.1f}) %"


def csv_line(values) -> bytes:
    """Return the values as a line of a CSV file."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue().encode()


class RowList:
    """A log for run_mlp.fit that keeps the rows, and passes rows and epochs on."""

    def __init__(self, on_row: Callable | None, on_epoch: Callable):
        self.rows, self.on_row, self.end_of_epoch, self.best = [], on_row, on_epoch, Best()

    def row(self, row: Row) -> None:
        self.rows.append(row._replace(seconds=round(row.seconds, 3)))
        if self.on_row is not None:
            self.on_row(self.rows[-1])
