"""Where a run and its picture go: names, locks, and files that are complete or not there."""

import argparse
import contextlib
import errno
import itertools
import json
import os
import tempfile
from functools import partial
from pathlib import Path

from training.command import ROOT
from training.settings import run_name
from utils import UsageError, atomic_write


def folder_of_runs(options: argparse.Namespace) -> Path:
    return options.run_dir or ROOT / "runs" / ("dry-run" if options.dry_run else "")


def folder_of_pictures(options: argparse.Namespace) -> Path:
    return options.plot_dir or (ROOT / "runs" / "dry-run" if options.dry_run else ROOT / "plots")


def check_writable(options: argparse.Namespace) -> None:
    """Make the folders of runs and pictures if they are missing. UsageError if no file can be written in one."""
    folders = [] if options.resume else [folder_of_runs(options)]
    folders += [] if options.no_plot else [folder_of_pictures(options)]
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(b"room for a run")
        except OSError as error:
            raise UsageError(f"{folder} cannot be written ({error.strerror}): give a folder that can") from None


def new_folder(settings: dict, options: argparse.Namespace) -> tuple[Path, int | None]:
    """Make and lock a folder with the run's name, or with -2, -3 … after it: no folder or picture is taken twice."""
    for folder in names(folder_of_runs(options) / run_name(settings)):
        if (folder_of_pictures(options) / f"{folder.name}.png").exists() and not options.no_plot:
            continue
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
            return folder, lock_folder(folder)


def names(path: Path, suffix: str = ""):
    """path, path-2, path-3 … with this suffix."""
    return (path.with_name(f"{path.name}{f'-{n}' if n > 1 else ''}{suffix}") for n in itertools.count(1))


def lock_folder(folder: Path) -> int:
    """Lock a folder until this process ends, however it ends. UsageError if another process has it."""
    if os.name == "nt":
        import msvcrt

        descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT)
        lock = partial(msvcrt.locking, descriptor, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        descriptor = os.open(folder, os.O_RDONLY)
        lock = partial(fcntl.flock, descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        lock()
    except OSError as error:
        # A file system without locks is no reason not to train.
        if error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
            os.close(descriptor)
            raise UsageError(f"{folder} is being trained by another process: wait for its end, or stop it") from None
    return descriptor


def atomic_bytes(path: Path, content: bytes) -> None:
    with atomic_write(path) as file:
        file.write(content)


def write_json(path: Path, contents: dict) -> None:
    atomic_bytes(path, json.dumps(contents, indent=2).encode())


def read_json(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8-sig"))
