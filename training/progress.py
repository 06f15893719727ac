"""What a run shows while it trains and at its end: a progress bar on a terminal, lines elsewhere, a summary."""

import math
import sys
from pathlib import Path

from training.metrics import Row
from utils import LOG_INFO


class Progress:
    """Shows each row of a run: on a bar on stderr if that is a terminal or a notebook, as lines on stdout if it is not.

    images: in the training set. epoch: the one after which the run begins.
    """

    def __init__(self, settings: dict, images: int, epoch: int, quiet: bool):
        self.per_epoch = math.ceil(images / settings["batch_size"])
        notebook = "ipykernel" in sys.modules
        self.lines = not (quiet or notebook or sys.stdout is None or sys.stdout.isatty())
        self.epoch, self.bar = None, None
        if not quiet and sys.stderr is not None and (notebook or sys.stderr.isatty()):
            from tqdm import tqdm

            total = settings["max_epoch"] * self.per_epoch
            self.bar = tqdm(total=total, initial=epoch * self.per_epoch, unit="step", dynamic_ncols=True)

    def show(self, row: Row) -> None:
        if self.lines and row.split == "train":
            if row.epoch != self.epoch:
                LOG_INFO(f"Training @ {row.epoch} epoch...")
            iteration = row.iteration - (row.epoch - 1) * self.per_epoch
            LOG_INFO(f"  Training iter {iteration}, batch loss {row.loss:.4f}, batch acc {row.accuracy:.4f}")
        elif self.lines:
            doing = {"valid": "Validating", "test": "Testing"}[row.split]
            LOG_INFO(f"{doing} @ {row.epoch} epoch...")
            LOG_INFO(f"    {doing}, total mean loss {row.loss:.5f}, total acc {row.accuracy:.5f}")
        self.epoch = row.epoch
        if self.bar is not None:
            self.bar.set_postfix_str(f"{row.split} loss {row.loss:.4f} acc {row.accuracy:.2%}", refresh=False)
            self.bar.update(row.iteration - self.bar.n)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()


def summary(rows: list[Row], folder: Path, picture: Path | None, best_epoch: int | None = None) -> str:
    """Return three lines: accuracies on the test set, time, and where the run and its picture are.

    best_epoch: the one whose weights patience kept; the last epoch's are kept if it is None.
    """
    tests = {row.epoch: row.accuracy for row in rows if row.split == "test"}
    last, best, steps, seconds = max(tests), max(tests, key=tests.get), rows[-1].iteration, rows[-1].seconds
    if best_epoch is not None:
        accuracies = f"test accuracy {tests[best_epoch]:.2%} after epoch {best_epoch}, chosen by the validation loss"
    else:
        accuracies = f"test accuracy {tests[last]:.2%} after epoch {last}, final"
        if best != last:
            accuracies += f" (best {tests[best]:.2%} after epoch {best}: chosen on the test set, no honest result)"
    return (
        f"{accuracies}\n"
        f"time {seconds:.1f} s, {steps:,} steps of {seconds / max(steps, 1) * 1e6:.0f} µs with everything\n"
        f"run {shown(folder)}" + (f", curves {shown(picture)}" if picture else "")
    )


def shown(path: Path) -> str:
    """Return a path as short as it is from here."""
    try:
        here = Path.cwd()
    except OSError:  # the working directory was deleted
        return str(path)
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
