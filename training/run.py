"""A run: its folder runs/<name> and what is written there, from the first row to the end, whatever ends it.

config.json says how it was made, metrics.csv what was measured, checkpoint.npz where to resume, model.npz what was
learnt, probe.csv (if asked for) how large the gradients were. No other file of the folder is touched.
"""

import argparse
import contextlib
import errno
import os
import shlex
import signal
import threading
from pathlib import Path

import numpy as np

from training.checkpoint import save_checkpoint, take_checkpoint
from training.command import ROOT, in_words, say
from training.diagnosis import diagnose, why_diverged
from training.diverged import first_non_finite
from training.epochs import Best, split
from training.folder import atomic_bytes, folder_of_pictures, lock_folder, names, new_folder, read_json, write_json
from training.machine import made_with
from training.metrics import HEADER, Row, csv_line, read_metrics
from training.probe import append_probe_rows, cut_probe_csv, probe
from training.progress import Progress
from training.resume import identity, reopen
from training.settings import chosen_threads
from utils import Diverged

OURS = ("config.json", "metrics.csv", "checkpoint.npz", "model.npz", "probe.csv")


class Run:
    """A context manager around the training of one run; run_mlp.fit gives it each row and each end of an epoch.

    Entering creates the folder, or reopens that of --resume and restores its checkpoint into model and rng; the folder
    is locked against other processes. Leaving saves the model; Ctrl-C, divergence and a system error become one
    sentence on stderr and `code`. A folder without a row is removed. `diagnosis` says why a run did not train.
    """

    def __init__(self, settings: dict, options: argparse.Namespace, data, model, loss, rng: np.random.Generator):
        self.settings, self.options, self.data = settings, options, data
        self.model, self.loss, self.rng = model, loss, rng
        self.folder, self.code, self.trained = options.resume, 0, False  # trained: to its end
        self.diagnosis = None  # why it did not train, in a sentence
        self.start_epoch = self.rows = 0  # rows: how many metrics.csv has
        self.best = Best()
        self.seconds = 0.0  # of training before this process
        self.lock = self.metrics = self.progress = self.last = self.latest = None

    # ---- beginning

    def __enter__(self) -> "Run":
        try:
            if self.options.resume:
                self.lock = lock_folder(self.folder)
                for name in OURS:  # what a killed process was writing (utils.atomic_write)
                    for path in self.folder.glob(f".{name}.*.part"):
                        path.unlink(missing_ok=True)
                self._restore()
            else:
                self.folder, self.lock = new_folder(self.settings, self.options)
            self._cut_probes()
            ended = self.best.is_over(self.start_epoch, self.settings["patience"])  # patience has ended it
            if self.start_epoch < self.settings["max_epoch"] and not ended:
                self._write_config()
            elif not self.options.quiet:
                print(f"{self.folder.name} has completed its {self.start_epoch} epochs: nothing is left to train")
            for remark in remarks(self.settings, self.data):
                say(remark)
            if self.start_epoch == 0:
                atomic_bytes(self.folder / "metrics.csv", csv_line(HEADER))
            # A row at a time goes to the system: a killed process loses none.
            self.metrics = open(self.folder / "metrics.csv", "ab", buffering=0)
            steps, epochs = split(self.settings, self.data).steps, self.settings["max_epoch"]
            self.progress = Progress(steps, self.start_epoch, epochs, self.options.quiet)
            return self
        except BaseException:
            self._close()
            raise

    def _restore(self) -> None:
        """Continue from the last checkpoint, if there is one."""
        self.last = reopen(self.folder, self.settings, self.data)
        if self.last is not None:
            self.last.restore(self.model, self.rng, self.best, self.folder / "checkpoint.npz")
            self.start_epoch, self.rows, self.seconds = self.last.epoch, self.last.rows, self.last.seconds

    def _cut_probes(self) -> None:
        done = self.start_epoch if self.last else -1
        there = cut_probe_csv(self.folder / "probe.csv", done)
        behind = sorted(epoch for epoch in set(self.options.probe) - there if epoch <= done)
        if behind:
            say(f"--probe: epochs {behind} are behind this run and not probed")

    def _write_config(self) -> None:
        """All of a run's settings, and with what it was made."""
        known, pixels = identity(self.data), self.data.train_images.shape[1]
        threads = chosen_threads(self.settings, pixels, len(self.data.classes))
        contents = {"settings": self.settings, "images": known["images"], "labels": self.data.classes, "pixels": pixels}
        contents |= {"made_with": made_with(threads), "data_sha256": known["sha256"]}
        path = self.folder / "config.json"
        if self.options.resume:
            contents |= {key: value for key, value in read_json(path).items() if key.startswith("picture")}
        write_json(path, contents)

    # ---- training

    def row(self, row: Row) -> None:
        """Write a row into metrics.csv and show it."""
        row = row._replace(seconds=round(self.seconds + row.seconds, 3))
        complete, content = self.metrics.tell(), csv_line(row)
        try:
            if self.metrics.write(content) < len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            self.metrics.truncate(complete)  # no half row stays
            raise OSError(error.errno, error.strerror, str(self.folder / "metrics.csv")) from None
        self.rows += 1
        self.latest = row
        self.progress.show(row)

    def end_of_epoch(self, epoch: int) -> None:
        """Probe the layers, and write a checkpoint; epoch 0 is before training."""
        if epoch in self.options.probe:
            looked = probe(epoch, self.model, self.loss, self.data.train_images, self.data.train_labels)
            append_probe_rows(self.folder / "probe.csv", looked)
        counts = {"epoch": epoch, "rows": self.rows, "seconds": self.latest.seconds if epoch else 0.0}
        known = identity(self.data)
        self.last = take_checkpoint(self.model, self.rng, self.best, self.settings, known, **counts)
        if epoch:
            save_checkpoint(self.folder / "checkpoint.npz", self.last)

    # ---- the end

    def __exit__(self, kind, error, traceback) -> bool:
        message, self.trained = "", error is None
        with without_interrupts():
            if isinstance(error, Diverged):
                self.code, message = error.exit_code, f"training diverged in epoch {self.latest.epoch}: {error}"
                self.last.restore(self.model, self.rng, self.best, self.folder)
            elif isinstance(error, KeyboardInterrupt):
                self.code, message = 130, self._interrupted()
            elif isinstance(error, OSError):
                self.code, message = 1, self._refused(error)
            elif error is not None:
                self._close()
                return False
            try:
                if self.rows and not (isinstance(error, OSError) and error.filename):
                    self._save_model()
                if self.trained and not self.options.dry_run:
                    rows = read_metrics(self.folder / "metrics.csv")
                    self.diagnosis = diagnose(self.settings, rows, self.model, self.loss, self.data)
            except OSError as refused:
                self.code, message = 1, self._refused(refused)
        if self.code == Diverged.exit_code:
            message += self._advice()
        self._close()
        if message:
            say(message)
        return True

    def _save_model(self) -> None:
        """The weights of this moment, or those of the last completed epoch if these are not finite."""
        finite = np.isfinite(self.model.params).all() and np.isfinite(self.model.state).all()
        if self.last is not None and not finite:
            self.last.restore(self.model, self.rng, self.best, self.folder)
        self.model.save(self.folder / "model.npz", self.data.classes)

    def _interrupted(self) -> str:
        if not self.rows:
            kept = f"{self.folder} begins anew" if self.options.resume else "no run is kept"
            return f"interrupted before training: {kept}"
        epoch = self.latest.epoch if self.latest else self.start_epoch + 1
        return f"interrupted in epoch {max(epoch, 1)}: the model and the curves so far are kept{self._resume_with('')}"

    def _refused(self, error: OSError) -> str:
        """The system refused to read or write."""
        if not self.folder.exists():
            return f"{self.folder} was deleted or moved while it was trained: nothing more can be saved there"
        return f"{in_words(error)}: make room or give access{self._resume_with('then ')}"

    def _resume_with(self, then: str) -> str:
        """The command that resumes this run, at the end of a sentence; nothing if it cannot be resumed."""
        command = resume_command(self.folder, self.options)
        return f"; {then}resume with: {command}" if self.rows and not self.options.dry_run else ""

    def _advice(self) -> str:
        """Where the first non-finite value was, and what to try. The model is back at its last completed epoch."""
        try:
            first = first_non_finite(self.model, self.loss, self.rng, self.settings, self.data, self.last.epoch)
        except KeyboardInterrupt:
            first = "the search for the first non-finite value was interrupted"
        cause = why_diverged(self.settings, self.latest.epoch)
        return f"; {first}; {cause}; model.npz holds the weights after epoch {self.last.epoch}"

    def _close(self) -> None:
        """Close everything; remove a new folder in which there is no row."""
        self.data = None  # the picture comes after the data, not on top of it
        for each in (self.metrics, self.progress):
            if each is not None:
                each.close()
        if self.lock is not None and not self.rows and not self.options.resume:
            with contextlib.suppress(OSError):
                for name in (*OURS, ".lock"):
                    (self.folder / name).unlink(missing_ok=True)
                self.folder.rmdir()
        if self.lock is not None:
            os.close(self.lock)

    def save_picture(self, content: bytes, suffix: str = "") -> Path:
        """Write this run's picture: over its own earlier one, but never over another file. Return where it is.

        suffix: of its name, where it has a second one. config.json says which files are the run's own.
        """
        config, plots = read_json(self.folder / "config.json"), folder_of_pictures(self.options)
        key, name = "picture" + suffix, self.folder.name + suffix
        own = ROOT / config[key] if isinstance(config.get(key), str) else None
        # A copied folder brings the picture of the run that it was copied from.
        ours = own is not None and (own.stem == name or own.stem.startswith(f"{name}-"))
        if ours and own.parent.resolve() == plots.resolve():
            atomic_bytes(own, content)
            return own
        for path in names(plots.resolve() / name, ".png"):
            if path.exists():
                continue
            known = str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)
            write_json(self.folder / "config.json", config | {key: known})
            try:
                with open(path, "xb") as file:
                    file.write(content)
                return path
            except FileExistsError:  # another process was faster
                continue
            except OSError as error:
                path.unlink(missing_ok=True)
                raise OSError(error.errno, error.strerror, str(path)) from None


def resume_command(folder: Path, options: argparse.Namespace) -> str:
    words = ["python", "run_mlp.py", "--resume", folder]
    words += ["--plot-dir", options.plot_dir] if options.plot_dir else []
    words += ["--probe", *options.probe] if options.probe else []
    return shlex.join(map(str, words))


@contextlib.contextmanager
def without_interrupts():
    """Let no Ctrl-C stop what is done here; only the main thread can say so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def remarks(settings: dict, data) -> list[str]:
    """What the user should know of this data before it trains."""
    found, samples, labels = [], len(split(settings, data).train), data.classes
    if labels != list(range(len(labels))):
        found.append(f"the labels {labels[0]} to {labels[-1]} are numbered in order: classes 0 to {len(labels) - 1}")
    if settings["batch_size"] > samples:
        found.append(f"batch_size is {settings['batch_size']}, the training set has {samples}: one step an epoch")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if settings["threads"] != "auto" and settings["threads"] > cores:
        found.append(f"threads is {settings['threads']}, but {cores} cores can be used: threads that wait make it slow")
    return found
