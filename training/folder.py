"""The folder of a run and its picture: claimed, held, cleared and saved so that nothing is damaged that is there."""

import argparse
import contextlib
import errno
import hashlib
import itertools
import json
import os
import shlex
import tempfile
from functools import partial
from pathlib import Path

from training.settings import ROOT, run_name
from utils import UsageError

# NumPy comes in inside the functions that need it: folders are proven writable before anything is loaded.


def reserve(settings: dict, options: argparse.Namespace) -> tuple[Path, Path]:
    """A new folder for the run with its settings, and the path of its picture: both proven writable.

    A name that is taken, by folder or picture, gets -2, -3 …: nothing is overwritten.
    """
    elsewhere = ROOT / "runs" / "dry-run"
    runs = options.run_dir or (elsewhere if options.dry_run else ROOT / "runs")
    plots = options.plot_dir or (elsewhere if options.dry_run else ROOT / "plots")
    with _writable(runs):
        runs.mkdir(parents=True, exist_ok=True)
    if not options.no_plot:
        prove_writable(plots)
    # The folder gets its name once --resume can go on with it: there is no run without its settings.
    beside = runs / f".{os.getpid()}.part"
    with _writable(runs):
        try:
            beside.mkdir(exist_ok=True)
            (beside / "config.json").write_text(json.dumps({"settings": settings}), encoding="utf-8")
            for number in itertools.count(1):
                name = run_name(settings) + (f"-{number}" if number > 1 else "")
                folder, picture = runs / name, plots / f"{name}.png"
                if folder.exists() or (picture.exists() and not options.no_plot):
                    continue
                try:
                    os.rename(beside, folder)
                    return folder, picture
                except OSError:
                    if not folder.exists():  # otherwise another process was faster
                        raise
        except BaseException:
            with contextlib.suppress(OSError):
                (beside / "config.json").unlink(missing_ok=True)
                beside.rmdir()
            raise


def prove_writable(folder: Path) -> None:
    """Make the folder if it is missing. UsageError if no file can be made in it."""
    with _writable(folder):
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()


@contextlib.contextmanager
def _writable(folder: Path):
    try:
        yield
    except OSError as error:
        raise UsageError(f"{folder} cannot be written ({error.strerror}): give a folder that can") from None


def hold(folder: Path) -> int:
    """Claim a run's folder until this process ends, however it ends. UsageError if another process has it."""
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
            raise UsageError(f"{folder} is being trained by another process: wait for its end, or stop it") from None
    return descriptor


class Gone(OSError):
    """A run's folder was deleted while it was trained."""


def check_held(folder: Path, lock: int) -> None:
    """Gone if this is not the folder that was claimed: under its name there may be another run by now."""
    claimed = folder / ".lock" if os.name == "nt" else folder
    if not claimed.exists() or not os.path.samestat(os.fstat(lock), claimed.stat()):
        raise Gone(f"{folder} is gone: it was deleted while it was trained, and nothing is left of this run")


def clean(folder: Path) -> None:
    """Remove what a killed process was writing (utils.whole_file). The folder must be held."""
    for name in ("config.json", "metrics.csv", "checkpoint.npz", "model.npz", "probe.csv"):
        for path in folder.glob(f".{name}.*.part"):
            path.unlink(missing_ok=True)


def discard(folder: Path, lock: int) -> None:
    """Remove the folder of a run that never began, and give it free."""
    try:
        check_held(folder, lock)
    except Gone:
        return
    os.close(lock)
    for path in (folder / "config.json", folder / ".lock"):
        path.unlink(missing_ok=True)
    folder.rmdir()


def picture_of(folder: Path, options: argparse.Namespace) -> Path:
    """Where the picture of a run goes that is resumed; proven writable."""
    plots = options.plot_dir or ROOT / "plots"
    if not options.no_plot:
        prove_writable(plots)
    return plots / f"{folder.name}.png"


def save_picture(figure, picture: Path, folder: Path) -> Path:
    """Write the Figure as PNG, whole, and return where: over this run's own earlier one, but never over another.

    A picture says in a text of its own whose it is. If another run's has the name, it gets -2, -3 ….
    """
    from curves import as_png
    from utils import whole_file

    whose = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]
    content = as_png(figure, run=whose)
    for number in itertools.count(1):
        path = picture if number == 1 else picture.with_name(f"{picture.stem}-{number}.png")
        try:
            with open(path, "rb") as file:
                own = b"run\0" + whose.encode() in file.read(1000)
        except FileNotFoundError:
            own = False
        try:
            with whole_file(path, new=not own) as file:
                file.write(content)
            return path
        except FileExistsError:
            continue


def go_on(folder: Path, options: argparse.Namespace) -> str:
    """The command that goes on with this run."""
    words = ["python", "run_mlp.py", "--resume", folder]
    words += ["--plot-dir", options.plot_dir] if options.plot_dir else []
    words += ["--probe", *options.probe] if options.probe else []
    return shlex.join(map(str, words))


def lost(error: OSError, folder: Path, lock: int, options: argparse.Namespace) -> str:
    """What to say when the system refuses to write."""
    try:
        check_held(folder, lock)
    except Gone as gone:
        return str(gone)
    return (
        f"{error.filename or 'the output'} cannot be written ({error.strerror}): mend that, and "
        f"{go_on(folder, options)} goes on from the last whole epoch"
    )
