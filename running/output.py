"""What a run leaves and shows: its folder and files, its progress, its summary."""

import argparse
import itertools
import json
import math
import os
import platform
import sys
import tempfile
from pathlib import Path

from running.settings import ROOT, UsageError, chosen_threads, run_name

# NumPy comes in inside the functions that need it: folders are proven writable before anything is loaded.


def reserve(settings: dict, options: argparse.Namespace) -> tuple[Path, Path]:
    """A new folder for the run with an empty metrics.csv, and the path of its picture: both proven writable.

    A name that is taken, by folder or picture, gets -2, -3 …: nothing is overwritten.
    """
    elsewhere = ROOT / "runs" / "dry-run"
    runs = options.run_dir or (elsewhere if options.dry_run else ROOT / "runs")
    plots = options.plot_dir or (elsewhere if options.dry_run else ROOT / "plots")
    where = runs
    try:
        runs.mkdir(parents=True, exist_ok=True)
        if not options.no_plot:
            where = plots
            plots.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=plots).close()
        where = runs
        for number in itertools.count(1):
            name = run_name(settings) + (f"-{number}" if number > 1 else "")
            folder, picture = runs / name, plots / f"{name}.png"
            if folder.exists() or (picture.exists() and not options.no_plot):
                continue
            try:
                folder.mkdir()
            except FileExistsError:  # another process was faster
                continue
            (folder / "metrics.csv").touch()
            return folder, picture
    except OSError as error:
        raise UsageError(f"{where} cannot be written ({error.strerror}): give a folder that can") from None


class Watch:
    """Sees every row and epoch of a run: writes metrics.csv, shows progress, keeps the weights of the last epoch."""

    def __init__(self, path: Path, settings: dict, samples: int, quiet: bool):
        from utils import Row

        # A line at a time goes to the system: a killed process loses no row.
        self.metrics = open(path, "w", encoding="utf-8", newline="", buffering=1)  # noqa: SIM115 (closed by __exit__)
        self.metrics.write(",".join(Row._fields) + "\n")
        self.rows, self.model, self.epoch = [], None, 0
        self.per_epoch = math.ceil(samples / settings["batch_size"])
        self.lines = not quiet and not sys.stdout.isatty()
        self.bar = None
        if not quiet and sys.stderr.isatty():
            from tqdm import tqdm

            self.bar = tqdm(total=settings["max_epoch"] * self.per_epoch, unit="step", dynamic_ncols=True)

    def __enter__(self):
        return self

    def on_record(self, row) -> None:
        from utils import LOG_INFO, csv_line

        self.metrics.write(csv_line(row))
        if self.lines and row.split == "train":
            before = (row.epoch - 1) * self.per_epoch
            if not self.rows or self.rows[-1].epoch < row.epoch:
                LOG_INFO(f"Training @ {row.epoch} epoch...")
            iteration = row.iteration - before
            LOG_INFO(f"  Training iter {iteration}, batch loss {row.loss:.4f}, batch acc {row.accuracy:.4f}")
        elif self.lines:
            LOG_INFO(f"Testing @ {row.epoch} epoch...")
            LOG_INFO(f"    Testing, total mean loss {row.loss:.5f}, total acc {row.accuracy:.5f}")
        self.rows.append(row)
        if self.bar is not None:
            self.bar.set_postfix_str(f"{row.split} loss {row.loss:.4f} acc {row.accuracy:.2%}", refresh=False)
            self.bar.update(row.iteration - self.bar.n)

    def on_epoch(self, epoch: int, model) -> None:
        self.epoch, self.model, self.params = epoch, model, model.params.copy()

    def __exit__(self, *error) -> None:
        self.metrics.close()
        if self.bar is not None:
            self.bar.close()


def add_to_probe_csv(folder: Path, rows: list) -> None:
    with open(folder / "probe.csv", "a", encoding="utf-8", newline="") as file:
        if file.tell() == 0:
            file.write(",".join(rows[0]._fields) + "\n")
        file.writelines(",".join(map(str, row)) + "\n" for row in rows)


def remarks(settings: dict, data) -> list[str]:
    """What the user should know of this data before it trains."""
    found = []
    if data.classes != list(range(len(data.classes))):
        found.append(
            f"the labels {data.classes[0]} to {data.classes[-1]} are numbered in order: "
            f"classes 0 to {len(data.classes) - 1}"
        )
    if settings["batch_size"] > len(data.train_images):
        samples = len(data.train_images)
        found.append(f"batch_size is {settings['batch_size']}, the training set has {samples}: one step an epoch")
    return found


def write_config(path: Path, settings: dict, data) -> None:
    """All of a run's settings, and with what it was made."""
    import numpy as np
    from threadpoolctl import threadpool_info

    from utils import whole_file

    blas = [library for library in threadpool_info() if library["user_api"] == "blas"]
    chosen = chosen_threads(settings, data.train_images.shape[1], len(data.classes))
    threads = (chosen or max(library["num_threads"] for library in blas)) if blas else "not controlled"
    made_with = {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas": [f"{library['internal_api']} {library['version']}" for library in blas],
        "threads": threads,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
    }
    images = {"train": len(data.train_images), "test": len(data.test_images)}
    contents = {"settings": settings, "images": images, "made_with": made_with, "data_sha256": data.sha256}
    with whole_file(path) as file:
        file.write(json.dumps(contents, indent=2).encode())


def summary(rows: list, folder: Path, picture: Path | None) -> str:
    tests = [row for row in rows if row.split == "test"]
    best = max(tests, key=lambda row: row.accuracy)
    last, steps, seconds = tests[-1], rows[-1].iteration, rows[-1].seconds
    return (
        f"test accuracy {last.accuracy:.2%} after epoch {last.epoch}, "
        f"best {best.accuracy:.2%} after epoch {best.epoch}\n"
        f"time {seconds:.1f} s, {steps:,} steps of {seconds / max(steps, 1) * 1e6:.0f} µs with everything\n"
        f"run {_shown(folder)}" + (f", curves {_shown(picture)}" if picture else "")
    )


def _shown(path: Path) -> str:
    """A path as short as it is from here."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
