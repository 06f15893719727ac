"""What a run writes and shows: config.json, metrics.csv, checkpoints, probe.csv, its progress, its summary."""

import errno
import json
import math
import os
import platform
import sys
from pathlib import Path

from training.settings import chosen_threads
from utils import FileError

# NumPy comes in inside the functions that need it: the first line of output comes before it.


class Watch:
    """Sees every row and epoch of a run: writes metrics.csv and checkpoint.npz, shows progress.

    last is the checkpoint of the last whole epoch; epoch 0, before training, is not written.
    """

    def __init__(self, folder: Path, settings: dict, data: dict, quiet: bool, checkpoint=None):
        from utils import Row, whole_file

        self.folder, self.settings, self.data = folder, settings, data
        self.last, self.model = checkpoint, None
        self.rows = checkpoint.rows if checkpoint else []
        self.text = [checkpoint.metrics if checkpoint else ",".join(Row._fields) + "\n"]
        path = folder / "metrics.csv"
        with whole_file(path) as file:
            file.write(self.text[0].encode())
        # A line at a time goes to the system: a killed process loses no row.
        self.metrics = open(path, "ab", buffering=0)  # noqa: SIM115 (closed by __exit__)
        self.per_epoch = math.ceil(data["images"]["train"] / settings["batch_size"])
        self.lines = not quiet and not sys.stdout.isatty()
        self.bar = None
        if not quiet and sys.stderr.isatty():
            from tqdm import tqdm

            done = self.rows[-1].iteration if self.rows else 0
            total = settings["max_epoch"] * self.per_epoch
            self.bar = tqdm(total=total, initial=done, unit="step", dynamic_ncols=True)

    def __enter__(self):
        return self

    def _append(self, line: str) -> None:
        whole, content = self.metrics.tell(), line.encode()
        try:
            if self.metrics.write(content) < len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            self.metrics.truncate(whole)  # no half line stays
            raise OSError(error.errno, error.strerror, str(self.folder / "metrics.csv")) from None
        self.text.append(line)

    def on_record(self, row) -> None:
        from utils import LOG_INFO, csv_line

        self._append(csv_line(row))
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

    def on_epoch(self, epoch: int, model, order) -> None:
        from training.checkpoint import Checkpoint

        arrays = model.params.copy(), model.velocity.copy()
        state, text = order.bit_generator.state, "".join(self.text)
        self.model, self.last = model, Checkpoint(self.settings, self.data, epoch, *arrays, state, text)
        if epoch:
            self.last.save(self.folder / "checkpoint.npz")

    def params(self):
        """The weights of this moment, or those of the last whole epoch if they are not finite; None before training."""
        import numpy as np

        if self.model is not None and np.isfinite(self.model.params).all():
            return self.model.params
        return self.last.params if self.last else None

    def __exit__(self, *error) -> None:
        self.metrics.close()
        if self.bar is not None:
            self.bar.close()


def begin(folder: Path, settings: dict, data, checkpoint, probe: list[int]) -> None:
    """Bring the folder's files to where training begins: at the checkpoint, or at the beginning if it is None."""
    done = checkpoint.epoch if checkpoint else -1
    behind = sorted(epoch for epoch in set(probe) - cut_probe_csv(folder, done) if epoch <= done)
    if behind:
        print(f"run_mlp.py: --probe: epochs {behind} are behind this run and not looked at", file=sys.stderr)
    if checkpoint and checkpoint.settings != settings:
        # The next --resume goes on to the new max_epoch, also if this one is stopped in its first epoch.
        checkpoint._replace(settings=settings).save(folder / "checkpoint.npz")
    if done < settings["max_epoch"]:  # otherwise nothing more is made, by this machine or another
        write_config(folder / "config.json", settings, data)


def advice(settings: dict, watch: Watch, first: str) -> str:
    """What to add when training has diverged."""
    rate, std = settings["learning_rate"], settings["init_std"]
    better = f"try {rate / 10:g}" if watch.rows[-1].epoch else f"try a smaller init_std than {std:g}"
    kept = f"model.npz holds the weights after epoch {watch.last.epoch}"
    return f"; {first}, at learning rate {rate}: {better}; {kept}"


def cut_probe_csv(folder: Path, epoch: int) -> set[int]:
    """Leave what was looked at up to this epoch: a resumed run looks at the epochs after it again. What is left."""
    from training.probe import ProbeRow
    from utils import whole_file

    path, held = folder / "probe.csv", set()
    if path.exists():
        header, *lines = path.read_bytes().splitlines(keepends=True) or [b""]
        fields = ",".join(ProbeRow._fields).encode()
        try:
            if header.rstrip() != fields or any(line.count(b",") != fields.count(b",") for line in lines):
                raise ValueError
            kept = [line for line in lines if int(line.split(b",")[0]) <= epoch]
            held = {int(line.split(b",")[0]) for line in kept}
        except ValueError:
            raise FileError(f"{path} is not a probe.csv of this program: take it away, and resume again") from None
        with whole_file(path) as file:
            file.writelines([header, *kept])
    return held


def add_to_probe_csv(folder: Path, rows: list) -> None:
    from utils import whole_file

    path = folder / "probe.csv"
    before = path.read_bytes() if path.exists() else (",".join(rows[0]._fields) + "\n").encode()
    with whole_file(path) as file:
        file.write(before + "".join(",".join(map(str, row)) + "\n" for row in rows).encode())


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


def identity(data) -> dict:
    """What tells one data set from another, and a dry run's from the whole."""
    return {"images": {"train": len(data.train_images), "test": len(data.test_images)}, "sha256": data.sha256}


def data_of(folder: Path) -> dict | None:
    """The identity of the data that this run was begun with; None if it was stopped before it read any."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return {"images": config["images"], "sha256": config.get("data_sha256")} if "images" in config else None


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
    known = identity(data)
    contents = {"settings": settings, "images": known["images"], "made_with": made_with, "data_sha256": known["sha256"]}
    with whole_file(path) as file:
        file.write(json.dumps(contents, indent=2).encode())


def processor() -> str:
    """The processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


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
