"""What may be said in run_mlp.config: every setting checked and brought to one form, and the name that a run gets.

Also how a command ends. No NumPy here: a wrong setting is refused before anything is loaded.
"""

import argparse
import hashlib
import json
import math
import os
import re
import sys
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote

from utils import FileError, UsageError

ROOT = Path(__file__).resolve().parent.parent
ACTIVATIONS = ("None", "Relu", "Sigmoid", "Gelu")
LOSSES = ("EuclideanLoss", "SoftmaxCrossEntropyLoss", "HingeLoss")

# Below this many multiply-adds in the largest product a second core gains less than a fifth (benchmarks/threads.py).
WORTH_THREADS = 10_000_000

CONFIG_LIMIT = 1_000_000  # bytes; a real config.json has about a thousand

# A run's name says these only where they differ from the assignment's values.
UNNAMED = {
    "momentum": 0.0,
    "max_epoch": 50,
    "disp_freq": 50,
    "test_epoch": 1,
    "margin": 5.0,
    "init_std": 0.01,
    "threads": "auto",
    "data_dir": "data",
}


class Parser(argparse.ArgumentParser):
    """argparse, with one sentence for wrong usage."""

    def error(self, message: str):
        raise UsageError(f"{message}; see python {self.prog} --help")


def run_command(main) -> None:
    """Exit with what main(arguments) returns; an error of ours or of the system is one sentence on stderr.

    Exit codes: 0 done, 2 wrong usage, 3 bad or missing data, 4 training diverged, 5 a check failed, 130 interrupted,
    1 anything else.
    """
    command = Path(sys.argv[0]).name
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")
    try:
        code = main(sys.argv[1:])
        sys.stdout.flush()
    except KeyboardInterrupt:
        print(f"{command}: interrupted", file=sys.stderr)
        code = 130
    except Exception as error:
        code = getattr(error, "exit_code", 1)
        if code == 1 and not isinstance(error, (OSError, ImportError, MemoryError)):
            raise
        hint = ": pip install -r requirements.txt" if isinstance(error, ImportError) else ""
        if isinstance(error, MemoryError):
            error = f"more memory is needed than there is ({error}): give fewer or narrower layers, or less data"
        print(f"{command}: {error}{hint}", file=sys.stderr)
    try:
        sys.stdout.flush()
    except OSError:  # whoever read it has gone: Python would try again at its end, and exit with 120
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def resolve(config: dict, given: dict) -> dict:
    """config with given laid over it, checked: all settings, in their own types. UsageError names what is wrong."""
    unknown = sorted(set(given) - set(config))
    if unknown:
        raise UsageError(f"{unknown[0]} is not a setting: the settings are {', '.join(config)}")
    settings = config | given
    checked = {
        "learning_rate": _number(settings, "learning_rate", lambda x: x > 0, "a number above 0"),
        "weight_decay": _number(settings, "weight_decay", lambda x: x >= 0, "a number from 0"),
        "momentum": _number(settings, "momentum", lambda x: 0 <= x < 1, "a number from 0 to below 1"),
        "batch_size": _whole(settings, "batch_size", 1),
        "max_epoch": _whole(settings, "max_epoch", 1),
        "disp_freq": _whole(settings, "disp_freq", 1),
        "test_epoch": _whole(settings, "test_epoch", 1),
        "hidden": _widths(settings["hidden"]),
        "activation": _choice(settings["activation"], "activation", ACTIVATIONS),
        "loss": _choice(settings["loss"], "loss", LOSSES, suffix="Loss"),
        "margin": _number(settings, "margin", lambda x: x > 0, "a number above 0"),
        "init_std": _number(settings, "init_std", lambda x: 0 <= x <= 1e37, "a number from 0 to 1e37 (float32)"),
        "seed": _whole(settings, "seed", 0),
        "data_dir": _path(settings["data_dir"], "data_dir"),
        "threads": "auto" if settings["threads"] == "auto" else _whole(settings, "threads", 1, "auto or ", 10_000),
    }
    if checked["hidden"] and checked["activation"] == "None":
        raise UsageError("activation None goes without hidden layers only: give Relu, Sigmoid or Gelu, or -n 0")
    if not checked["hidden"]:
        if "activation" in given and checked["activation"] != "None":
            raise UsageError(f"activation {checked['activation']} has no hidden layer to follow: leave it out")
        checked["activation"] = "None"
    return checked


def read_config(path: Path, config: dict) -> dict:
    """All settings: config with those of a run's config.json laid over it, checked. FileError names what is wrong."""
    try:
        with open(path, "rb") as file:
            content = file.read(CONFIG_LIMIT + 1)
        if len(content) > CONFIG_LIMIT:
            raise FileError(f"{path} has more than {CONFIG_LIMIT:,} bytes: give the config.json of a run")
        settings = json.loads(content.decode())["settings"]
        return resolve(config, dict(settings))
    except UsageError as error:
        raise FileError(f"{path}: {error}") from None
    except FileNotFoundError:
        raise FileError(f"{path} does not exist: give the config.json of a run") from None
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        words = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise FileError(f"{path} is not the config.json of a run ({words}): give one that is") from None


def run_name(settings: dict) -> str:
    """The name of a run: the report's {hidden layers}_{activation}_{loss}_{rate}_{decay}_{batch}, seed and the rest."""
    base = ("activation", "loss", "learning_rate", "weight_decay", "batch_size")
    parts = [str(len(settings["hidden"])), *(str(settings[key]) for key in base), f"seed{settings['seed']}"]
    if any(width != 100 for width in settings["hidden"]):
        parts.append("hidden" + "-".join(str(width) for width in settings["hidden"]))
    for key, usual in UNNAMED.items():
        if settings[key] != usual:
            value = _folder_name(settings[key]) if key == "data_dir" else str(settings[key])
            parts.append(key + re.sub(r"[^\w.+-]", lambda found: quote(found[0], safe="", errors="replace"), value))
    return "_".join(parts)


def _folder_name(data_dir: str) -> str:
    """A folder's last name, and a few digits that tell it from one of the same name elsewhere."""
    folder = (ROOT / data_dir).resolve()
    return f"{folder.name}-{hashlib.sha1(str(folder).encode(errors='replace')).hexdigest()[:6]}"


def chosen_threads(settings: dict, pixels: int, class_count: int) -> int | None:
    """How many threads the matrix products get: the setting, or for auto 1 where the network is small.

    None leaves it to the BLAS, which takes the cores it may use.
    """
    if settings["threads"] != "auto":
        return settings["threads"]
    largest = max(a * b for a, b in pairwise([pixels, *settings["hidden"], class_count]))
    return None if settings["batch_size"] * largest >= WORTH_THREADS else 1


def _number(settings: dict, key: str, allowed, expected: str) -> float:
    value = settings[key]
    try:
        number = float(value) if not isinstance(value, (bool, str)) else math.nan
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not (math.isfinite(number) and allowed(number)):
        raise UsageError(f"{key} is {value!r}: give {expected}")
    return number


def _whole(settings: dict, key: str, least: int, before: str = "", most: float = math.inf) -> int:
    value = settings[key]
    if not _is_whole(value) or value < least:
        raise UsageError(f"{key} is {value!r}: give {before}a whole number from {least}")
    if value > most:
        raise UsageError(f"{key} is {value!r}: give {before}a whole number up to {most}")
    return int(value)


def _is_whole(value) -> bool:
    return not isinstance(value, bool) and hasattr(value, "__index__")


def _path(value, key: str) -> str:
    try:
        path = os.fspath(value)
        if isinstance(path, str) and b"\0" not in os.fsencode(path):
            return path
    except (TypeError, UnicodeError):
        pass
    raise UsageError(f"{key} is {value!r}: give the path of a folder")


def _widths(value) -> list[int]:
    if not isinstance(value, (list, tuple)) or not all(_is_whole(width) and width >= 1 for width in value):
        raise UsageError(f"hidden is {value!r}: give the widths of the hidden layers, whole numbers from 1")
    return [int(width) for width in value]


def _choice(value, key: str, choices: tuple[str, ...], suffix: str = "") -> str:
    for choice in choices:
        if str(value).lower() in (choice.lower(), choice.removesuffix(suffix).lower()):
            return choice
    raise UsageError(f"{key} is {value!r}: give one of {', '.join(choices)}")
