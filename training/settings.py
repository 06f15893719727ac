"""The settings of a run, in one table: parser, checks, run name, config.json and docs/settings.md come from it.

To add a setting: one row here and one line in `config` of run_mlp.py; then print docs/settings.md again, and let
tests/training/test_settings.py draw values for it.
"""

import difflib
import hashlib
import json
import math
import os
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from training.command import ROOT
from utils import FileError, UsageError

ACTIVATIONS = ("None", "Relu", "Sigmoid", "Gelu")
INITS = ("normal", "xavier", "he")
SCHEDULES = ("constant", "cosine", "one-cycle")
LOSSES = ("EuclideanLoss", "SoftmaxCrossEntropyLoss", "HingeLoss")

# Below this many multiply-adds in the largest product a second core gains less than a fifth (benchmarks/threads.py).
WORTH_THREADS = 10_000_000

NAME_LIMIT = 150  # bytes; file systems end at 255, and a picture adds to a name


# ---- what a value may be: each check returns the value in its own type, or raises ValueError


def number(allowed: Callable[[float], bool]) -> Callable[[Any], float]:
    def check(value) -> float:
        if isinstance(value, (bool, str)) or not math.isfinite(value) or not allowed(float(value)):
            raise ValueError
        return float(value)

    return check


def whole(least: int, most: float = math.inf) -> Callable[[Any], int]:
    def check(value) -> int:
        if isinstance(value, bool) or not hasattr(value, "__index__") or not least <= value <= most:
            raise ValueError
        return int(value)

    return check


def choice(names: tuple[str, ...], suffix: str = "") -> Callable[[Any], str]:
    def check(value) -> str:
        for name in names:
            if str(value).lower() in (name.lower(), name.removesuffix(suffix).lower()):
                return name
        raise ValueError

    return check


def widths(value) -> list[int]:
    if not isinstance(value, (list, tuple)):
        raise ValueError
    checked = [whole(1, 1_000_000)(width) for width in value]
    if any(below * above > 1_000_000_000 for below, above in pairwise(checked)):
        raise ValueError
    return checked


def path(value) -> str:
    text = os.fspath(value)
    if not isinstance(text, str) or b"\0" in os.fsencode(text) or not text:
        raise ValueError
    return text


def yes_or_no(value) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


def either(word: str, check: Callable[[Any], int]) -> Callable[[Any], int | str]:
    return lambda value: word if value == word else check(value)


class Setting(NamedTuple):
    """A row of the table. named: "always" in a run's name, or "changed": only if it is not the default."""

    key: str
    default: Any
    flags: tuple[str, ...]
    metavar: str
    check: Callable[[Any], Any]
    expected: str
    help: str
    named: str = "changed"


# fmt: off
SETTINGS = {row.key: row for row in (
    Setting("learning_rate", 1e-2, ("-lr", "--learning-rate"), "RATE", number(lambda x: x >= 1e-37),
            "a number from 1e-37", "size of an SGD step", "always"),
    Setting("weight_decay", 0.0, ("-w", "--weight-decay"), "X", number(lambda x: x >= 0), "a number from 0",
            "weight decay (L2) coefficient, also applied to biases", "always"),
    Setting("momentum", 0.0, ("--momentum",), "M", number(lambda x: 0 <= x < 1), "a number from 0 to below 1",
            "momentum coefficient, 0 ≤ m < 1"),
    Setting("batch_size", 10, ("-b", "--batch-size"), "N", whole(1), "a whole number from 1",
            "mini-batch size", "always"),
    Setting("max_epoch", 50, ("--max-epoch",), "N", whole(1), "a whole number from 1", "number of epochs"),
    Setting("disp_freq", 50, ("--disp-freq",), "N", whole(1), "a whole number from 1",
            "iterations that a point of the training curve averages"),
    Setting("test_epoch", 1, ("--test-epoch",), "N", whole(1), "a whole number from 1",
            "epochs between two evaluations on the test set"),
    Setting("hidden", [100], ("--hidden",), "WIDTH", widths,
            "widths from 1 to 1000000, with at most 1e9 weights between two",
            "widths of the hidden layers, such as 300 100; none for no hidden layer", "always"),
    Setting("activation", "Relu", ("-a", "--activation", "--activate-function"), "NAME", choice(ACTIVATIONS),
            f"one of {', '.join(ACTIVATIONS)}", "Relu, Sigmoid or Gelu", "always"),
    Setting("loss", "SoftmaxCrossEntropyLoss", ("-l", "--loss", "--loss-function"), "NAME", choice(LOSSES, "Loss"),
            f"one of {', '.join(LOSSES)}", "Euclidean, SoftmaxCrossEntropy or Hinge", "always"),
    Setting("margin", 5.0, ("--margin",), "X", number(lambda x: x > 0), "a number above 0", "margin of the hinge loss"),
    Setting("init_std", 0.01, ("--init-std",), "X", number(lambda x: 0 <= x <= 1e37),
            "a number from 0 to 1e37 (float32)", "standard deviation of the initial weights"),
    Setting("seed", 0, ("--seed",), "N", whole(0), "a whole number from 0",
            "seed of the initial weights and of the order of the samples", "always"),
    Setting("data_dir", "data", ("--data-dir",), "FOLDER", path, "the path of a folder or an .npz",
            "folder of the four data files, gzip or plain, or an .npz as Keras saves MNIST"),
    Setting("threads", "auto", ("--threads",), "N", either("auto", whole(1, 10_000)),
            "auto or a whole number from 1 to 10000",
            "threads of the matrix products, or auto: one for a small network"),
    Setting("init", "normal", ("--init",), "NAME", choice(INITS), f"one of {', '.join(INITS)}",
            "initial weights: normal (init_std), xavier (Glorot and Bengio 2010) or he (He et al. 2015)"),
    Setting("dropout", 0.0, ("--dropout",), "RATE", number(lambda x: 0 <= x < 1), "a number from 0 to below 1",
            "fraction of the hidden units set to 0 in each training step"),
    Setting("batch_norm", False, ("--batch-norm",), "", yes_or_no, "True or False",
            "batch normalisation before each activation"),
    Setting("residual", False, ("--residual",), "", yes_or_no, "True or False",
            "residual connection around every hidden block whose widths agree"),
    Setting("schedule", "constant", ("--schedule",), "NAME", choice(SCHEDULES), f"one of {', '.join(SCHEDULES)}",
            "learning rate over the run: constant, cosine, or one-cycle (linear warm-up, then cosine to 0)"),
    Setting("warmup", 0.1, ("--warmup",), "FRACTION", number(lambda x: 0 <= x <= 1), "a number from 0 to 1",
            "fraction of the steps that one-cycle warms up in"),
    Setting("train_images", "all", ("--train-images",), "N", either("all", whole(1)), "all or a whole number from 1",
            "train on the first N training images"),
    Setting("validation", 0, ("--validation",), "N", whole(0), "a whole number from 0",
            "hold out the last N training images for validation"),
    Setting("patience", 0, ("--patience",), "N", whole(0), "a whole number from 0",
            "stop when the validation loss has not improved for N epochs, and keep the best weights; 0 for never"),
)}
# fmt: on

DEFAULTS = {key: row.default for key, row in SETTINGS.items()}


def resolve(config: dict, given: dict | None = None) -> dict:
    """Return all settings: config overridden by given, checked, in their own types. UsageError names what is wrong."""
    settings = config | (given or {})
    for key in settings:
        if key not in SETTINGS:
            near = difflib.get_close_matches(str(key), SETTINGS, 1)
            hint = f"did you mean {near[0]}?" if near else f"the settings are {', '.join(SETTINGS)}"
            raise UsageError(f"{key} is not a setting: {hint}")
    missing = [key for key in SETTINGS if key not in settings]
    if missing:
        raise UsageError(f"config has no {missing[0]!r}: give it a value (default {DEFAULTS[missing[0]]!r})")
    for key, row in SETTINGS.items():
        try:
            settings[key] = row.check(settings[key])
        except (TypeError, ValueError, OverflowError, UnicodeError):
            raise UsageError(f"{key} is {settings[key]!r}: give {row.expected}") from None
    if settings["hidden"] and settings["activation"] == "None":
        raise UsageError("activation None goes without hidden layers only: give Relu, Sigmoid or Gelu, or -n 0")
    if not settings["hidden"]:
        if settings["activation"] != "None" and "activation" in (given or {}):
            raise UsageError(f"activation {settings['activation']} has no hidden layer to follow: leave it out")
        settings["activation"] = "None"
    _check_together(settings, given or {})
    return {key: settings[key] for key in SETTINGS}


def _check_together(settings: dict, given: dict) -> None:
    """UsageError for settings that say nothing, or contradict each other, together."""
    for key in ("dropout", "batch_norm", "residual"):
        if settings[key] and not settings["hidden"]:
            raise UsageError(f"{key} is {settings[key]}, but there is no hidden layer: leave it out")
    if settings["init"] != "normal" and "init_std" in given and settings["init_std"] != DEFAULTS["init_std"]:
        raise UsageError(f"init {settings['init']} sets the standard deviation itself: leave init_std out")
    if settings["patience"] and not settings["validation"]:
        raise UsageError("patience needs validation images: give --validation N, such as 10000")
    if settings["warmup"] != DEFAULTS["warmup"] and settings["schedule"] != "one-cycle":
        raise UsageError(f"warmup belongs to schedule one-cycle, but schedule is {settings['schedule']}")


def read_config(path: Path) -> dict:
    """Return all settings of a run's config.json, checked; one that it does not have yet has its default.

    FileError names what is wrong with the file, OSError says that it cannot be read.
    """
    try:
        content = path.read_bytes()
        if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise FileError(f"{path} is in UTF-16: save it as UTF-8")
        return resolve(DEFAULTS, dict(json.loads(content.decode("utf-8-sig"))["settings"]))
    except UsageError as error:
        raise FileError(f"{path}: {error}") from None
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise FileError(f"{path} does not exist: give the config.json of a run") from None
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        words = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise FileError(f"{path} is not the config.json of a run ({words}): give one that is") from None


def run_name(settings: dict) -> str:
    """Return {hidden layers}_{activation}_{loss}_{rate}_{decay}_{batch}_seed{seed}, and the rest that is not default.

    A name of more than 150 bytes is cut, and ends in a hash of the whole.
    """
    base = ("activation", "loss", "learning_rate", "weight_decay", "batch_size")
    parts = [str(len(settings["hidden"])), *(str(settings[key]) for key in base), f"seed{settings['seed']}"]
    if any(width != 100 for width in settings["hidden"]):
        parts.append("hidden" + "-".join(str(width) for width in settings["hidden"]))
    for key, row in SETTINGS.items():
        if row.named == "changed" and settings[key] != row.default:
            value = _folder_name(settings[key]) if key == "data_dir" else str(settings[key])
            value = "" if settings[key] is True else value
            parts.append(key + re.sub(r"[^\w.+-]", lambda found: quote(found[0], safe="", errors="replace"), value))
    name = "_".join(parts)
    encoded = os.fsencode(name)
    if len(encoded) <= NAME_LIMIT:
        return name
    digest = hashlib.sha1(encoded).hexdigest()[:8]
    return encoded[: NAME_LIMIT - 9].decode(errors="ignore") + "-" + digest


def in_words(config: dict, seeds: int = 1) -> str:
    """Return what a run's config.json says, as `784-100-10, Relu, softmax cross-entropy, SGD 0.01, batch 10`.

    seeds: how many runs differ from it in their seed alone, itself included.
    """
    settings = DEFAULTS | config["settings"]
    widths = [config.get("pixels"), *settings["hidden"], len(config["labels"])]  # older runs have no pixels
    loss = re.sub("(?<=[a-z])Loss$", "", settings["loss"])
    parts = ["-".join(str(width) for width in widths if width), settings["activation"] if settings["hidden"] else ""]
    parts += [{"SoftmaxCrossEntropy": "softmax cross-entropy", "Hinge": "hinge"}.get(loss, loss)]
    parts += [f"SGD {settings['learning_rate']:g}", f"batch {settings['batch_size']}"]
    for key in ("momentum", "weight_decay", "init_std", *list(SETTINGS)[list(SETTINGS).index("init") :], "seed"):
        if settings[key] != DEFAULTS[key] and (key != "seed" or seeds == 1):
            parts.append(key.replace("_", " ") + ("" if settings[key] is True else f" {settings[key]}"))
    return ", ".join([*filter(None, parts), *([f"{seeds} seeds"] if seeds > 1 else [])])


def known_but_for_seed(config: dict) -> tuple[str, int]:
    """Return all that tells a run from others, as a text, and its seed, by its config.json."""
    settings = DEFAULTS | config["settings"]
    seed, data = settings.pop("seed"), config.get("data_sha256") or {}
    return json.dumps([settings, config["images"], list(data.values())], sort_keys=True), seed


def _folder_name(data_dir: str) -> str:
    """A folder's last name, and a few digits that tell it from one of the same name elsewhere."""
    folder = (ROOT / data_dir).resolve()
    return f"{folder.name}-{hashlib.sha1(str(folder).encode(errors='replace')).hexdigest()[:6]}"


def chosen_threads(settings: dict, pixels: int, class_count: int) -> int | None:
    """Return how many threads the matrix products get: the setting, or for auto 1 where the network is small.

    None leaves it to the BLAS, which takes the cores it may use.
    """
    if settings["threads"] != "auto":
        return settings["threads"]
    largest = max(a * b for a, b in pairwise([pixels, *settings["hidden"], class_count]))
    return None if settings["batch_size"] * largest >= WORTH_THREADS else 1


PAGE = """# Settings

Every key of `config` in `run_mlp.py`, and of a run's `config.json`. A flag overrides `--config FILE`,
which overrides `config`; hyphens and underscores are the same. This page is printed by
`python -m training.settings`; the flags that are no settings are in `python run_mlp.py --help`.

| key | flags | default | what it is | allowed | in a run's name |
|---|---|---|---|---|---|
"""


def settings_page() -> str:
    """Return docs/settings.md: the table of all settings."""
    rows = [
        f"| `{key}` | {', '.join(f'`{flag}`' for flag in row.flags)} | `{json.dumps(row.default)}` | {row.help} "
        f"| {row.expected} | {row.named} |"
        for key, row in SETTINGS.items()
    ]
    return PAGE + "\n".join(rows) + "\n"


if __name__ == "__main__":
    print(settings_page(), end="")
