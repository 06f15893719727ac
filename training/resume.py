"""Going on with a run that was stopped: what it was, and what may be changed about it.

A run is stopped by Ctrl-C, a kill, a full disk or its own end; `python run_mlp.py --resume runs/<name>` goes on from
its last checkpoint (training/checkpoint.py), or from the beginning if it has none yet.
"""

from pathlib import Path

from training.checkpoint import Checkpoint
from training.settings import read_config, resolve
from utils import FileError, UsageError, parse_metrics

# All else would make another run of it. The data may have moved: that they are the same is checked by their checksums.
MAY_CHANGE = ("max_epoch", "data_dir")


def reopen(folder: Path, given: dict, config: dict) -> tuple[dict, Checkpoint | None]:
    """The settings of the run in this folder and its last checkpoint, None if it has none yet.

    UsageError names the setting of `given` that the run contradicts; FileError and FileError name a damaged
    file.
    """
    path = folder / "checkpoint.npz"
    try:
        checkpoint = Checkpoint.load(path)
        trained_with = resolve(config, dict(checkpoint.settings))
    except FileNotFoundError:
        checkpoint, trained_with = None, read_config(folder / "config.json", config)
        if _has_trained(folder / "metrics.csv"):
            raise FileError(f"{folder} has trained but has no checkpoint.npz: start a new run") from None
    except (UsageError, TypeError, ValueError) as error:
        raise FileError(f"{path} has settings that cannot be used ({error}): train again") from None
    settings = resolve(trained_with, given)
    for key, value in settings.items():
        if value != trained_with[key] and key not in MAY_CHANGE:
            raise UsageError(
                f"{key} is {value!r}, but {folder} is trained with {trained_with[key]!r}: "
                "leave it out, or start a new run"
            )
    if checkpoint is None:
        return settings, None
    # An epoch that was not evaluated cannot be the last one any more.
    if settings["max_epoch"] < checkpoint.epoch + (checkpoint.rows[-1].split != "test"):
        raise UsageError(
            f"max_epoch is {settings['max_epoch']}, but {folder} has {checkpoint.epoch} epochs behind it: give more"
        )
    return settings, checkpoint.going_on_to(settings)


def _has_trained(path: Path) -> bool:
    """Whether this metrics.csv is of more than a run stopped in its first epoch, which begins again.

    A killed process may not have come to write it, or to save a model after its first epoch.
    """
    if not path.exists():
        return False
    whole_lines = path.read_text(encoding="utf-8", errors="replace").rpartition("\n")[0]
    ended = path.with_name("model.npz").exists()
    rows = parse_metrics(whole_lines.splitlines(), path)
    return any(row.epoch > 1 or (ended and row.epoch == 1 and row.split == "test") for row in rows)
