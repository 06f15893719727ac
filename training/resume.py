"""Reopening the folder of a run that was stopped: its last checkpoint, and metrics.csv cut back to it."""

from pathlib import Path

from training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from training.flags import MAY_CHANGE
from training.folder import atomic_bytes, read_json
from utils import FileError, UsageError


def reopen(folder: Path, settings: dict, data) -> Checkpoint | None:
    """Return the last checkpoint of a run, None if it has none yet; metrics.csv then ends where the checkpoint does.

    FileError names a file that is missing, damaged or of another run or data; UsageError an epoch that is past.
    """
    path, lines = folder / "metrics.csv", _complete_lines(folder / "metrics.csv")
    try:
        last = load_checkpoint(folder / "checkpoint.npz")
    except FileNotFoundError:
        _check_untrained(folder, lines)
        last = None
    begun = read_json(folder / "config.json")
    known = last.data if last else {"images": begun.get("images"), "sha256": begun.get("data_sha256")}
    if known["images"] is not None and not same_data(known, identity(data)):
        raise FileError(
            f"{settings['data_dir']} does not hold the data that {folder} is trained on: "
            "give --data-dir, or start a dry run anew"
        )
    if last is None:
        return None
    for key, value in last.settings.items():
        if key not in MAY_CHANGE and settings.get(key) != value:
            raise FileError(f"{folder}: config.json and checkpoint.npz differ in {key}: put the right one back")
    if len(lines) < last.rows + 1:
        raise FileError(
            f"{path} has {max(len(lines) - 1, 0)} rows, but checkpoint.npz was written after {last.rows}: "
            "put it back, or start a new run"
        )
    evaluated = lines[last.rows].startswith(b"test")
    if settings["max_epoch"] < last.epoch + (not evaluated):
        raise UsageError(
            f"max_epoch is {settings['max_epoch']}, but {folder} has completed {last.epoch} epochs: give more"
        )
    due = last.epoch % settings["test_epoch"] == 0 or last.best_epoch == last.epoch
    if evaluated and not due and settings["max_epoch"] > last.epoch:
        # It was evaluated only because it was to end here. The checkpoint first: it must never count too many.
        last = last._replace(rows=last.rows - 1)
        save_checkpoint(folder / "checkpoint.npz", last)
    if len(lines) > last.rows + 1:
        atomic_bytes(path, b"".join(lines[: last.rows + 1]))
    return last


def _check_untrained(folder: Path, lines: list[bytes]) -> None:
    """A run without a checkpoint begins again, unless it has trained: a killed one was in its first epoch."""
    epochs = {line.split(b",")[1] for line in lines[1:]}
    finished = (folder / "model.npz").exists() and any(line.startswith(b"test,1,") for line in lines)
    if finished or epochs - {b"0", b"1"}:
        raise FileError(f"{folder} has trained but has no checkpoint.npz: start a new run")


def _complete_lines(path: Path) -> list[bytes]:
    """The lines of a file that end as lines do: a killed process or a full disk may leave half of one."""
    if not path.exists():
        return []
    return [line for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]


def identity(data) -> dict:
    """What tells one data set from another, and a dry run's from the whole."""
    return {"images": {"train": len(data.train_images), "test": len(data.test_images)}, "sha256": data.sha256}


def same_data(one: dict, other: dict) -> bool:
    """Whether two identities are of the same data, whatever its files are called."""
    hashes = [list((each["sha256"] or {}).values()) for each in (one, other)]  # always in load_data's order of parts
    return one["images"] == other["images"] and hashes[0] == hashes[1]
