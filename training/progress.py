"""What a run shows while it trains and at its end: a progress bar on a terminal, lines elsewhere, a summary."""

import sys
from pathlib import Path

from training.metrics import Row, final_test
from utils import LOG_INFO


class Progress:
    """Shows each row of a run: on a bar on stderr on a terminal or in a notebook, else as lines on stdout.

    steps: of an epoch. begun, epochs: the epochs that are completed when it begins, and all of them.
    """

    def __init__(self, steps: int, begun: int, epochs: int, quiet: bool):
        self.steps, self.epoch, self.bar = steps, None, None
        terminal = all(stream is not None and stream.isatty() for stream in (sys.stdout, sys.stderr))
        if not quiet and (terminal or "ipykernel" in sys.modules):
            from tqdm import tqdm

            self.bar = tqdm(total=epochs * steps, initial=begun * steps, unit="step", dynamic_ncols=True)
        self.lines = self.bar is None and not quiet

    def show(self, row: Row) -> None:
        if self.lines and row.split == "train":
            if row.epoch != self.epoch:
                LOG_INFO(f"Training @ {row.epoch} epoch...")
            iteration = row.iteration - (row.epoch - 1) * self.steps
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


def summary(rows: list[Row], folder: Path, pictures: dict[str, Path], finished: bool, patience: bool) -> str:
    """Return the lines at the end: accuracies on the test set, time, and where the run and its pictures are.

    patience: whether the weights of the lowest validation loss were kept, not the last epoch's.
    """
    steps, seconds, lines, end = rows[-1].iteration, rows[-1].seconds, [], final_test(rows, patience)
    if end:
        kept = ", chosen by the validation loss" if patience else ", final" if finished else ""
        lines = [f"test accuracy {end.accuracy:.2%} after epoch {end.epoch}{kept}"]
        best = max((row for row in rows if row.split == "test"), key=lambda row: row.accuracy)
        if best.accuracy > end.accuracy and not patience:
            lines[0] += f" (best {best.accuracy:.2%} after epoch {best.epoch}"
            lines[0] += ": chosen on the test set, no honest result)"
    each = f" of {seconds / steps * 1e6:.0f} µs with everything" if steps else ""
    lines.append(f"time {seconds:.1f} s, {steps:,} steps{each}")
    lines.append(f"run {shown(folder)}" + "".join(f", {what} {shown(path)}" for what, path in pictures.items()))
    return "\n".join(lines)


def shown(path: Path) -> str:
    """Return a path as short as it is from here."""
    try:
        here = Path.cwd()
    except OSError:  # the working directory was deleted
        return str(path)
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
