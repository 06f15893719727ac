"""What is measured: networks and batch sizes, the implementations by name; and what the benchmark commands share."""

import contextlib
import datetime
import json
import os
import platform
import re
import statistics
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from training.command import ROOT, Parser
from training.machine import processor
from utils import FileError, UsageError, atomic_write

PIXELS, CLASSES, TRAINING_IMAGES = 784, 10, 60_000

# The implementations, in the order of a round and of the tables.
TITLES = {
    "ours": "this program",
    "torch": "PyTorch eager",
    "compiled": "PyTorch compiled",
    "jax": "JAX jit + scan",
    "sklearn": "scikit-learn",
    "textbook": "textbook NumPy",
}
PACKAGES = {"torch": "torch", "compiled": "torch", "jax": "jax", "sklearn": "sklearn"}  # what they need
LOWER_BOUND = "lower bound"  # matrix products and update only; measured in our process, in turn with ours


class Case(NamedTuple):
    """A network, a batch size, and how many steps are timed at once."""

    hidden: tuple[int, ...]
    batch_size: int
    steps: int

    @property
    def widths(self) -> tuple[int, ...]:
        return (PIXELS, *self.hidden, CLASSES)

    @property
    def name(self) -> str:
        return f"{'-'.join(map(str, self.widths))}, batch {self.batch_size}"

    @property
    def parameters(self) -> int:
        return sum(a * b + b for a, b in pairwise(self.widths))


# An epoch each, but for the wide network, whose epoch would take 7 s.
CASES = [
    *(Case((100,) * depth, batch, TRAINING_IMAGES // batch) for depth in (1, 2) for batch in (10, 100, 200)),
    Case((1024, 1024), 128, 60),
]


def parser(command: str, text: str | None) -> Parser:
    """Return the parser of a benchmark. text: its module's docstring, None under python -OO."""
    title, _, rest = (text or "").partition("\n")
    return Parser(prog=f"benchmarks/{command}.py", description=title, epilog=rest)


def measured_or_stored(
    command: str, text: str | None, arguments: list[str], usual: int, measured: Callable[[int, bool], dict]
) -> tuple[dict, Path]:
    """Return what measured(rounds, quick) found, now or with --draw-only earlier, and the folder for page and picture.

    The folder is this one, or one in runs/ for --quick; what was found is kept in its {command}.json.
    """
    commands = parser(command, text)
    commands.add_argument("--rounds", type=int, metavar="N", help=f"rounds of each case (default {usual})")
    one = commands.add_mutually_exclusive_group()
    one.add_argument("--quick", action="store_true", help="two rounds, few steps: the numbers mean nothing; in runs/")
    stored = f"measure nothing: page and picture from {command}.json"
    one.add_argument("--draw-only", action="store_true", help=stored)
    options = commands.parse_args(arguments)
    if options.rounds is not None and options.rounds < 1:
        raise UsageError(f"--rounds is {options.rounds}: give a whole number from 1")
    folder = ROOT / "runs" / "dry-run-benchmarks" if options.quick else ROOT / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    if not options.draw_only:
        found = measured(options.rounds or (2 if options.quick else usual), options.quick)
        write_rounds(folder / f"{command}.json", found)
    return read_rounds(folder / f"{command}.json"), folder


def median_range(values: list[float]) -> tuple[float, float, float]:
    """Return median, least and greatest."""
    return statistics.median(values), min(values), max(values)


def in_words(values: list[float], digits: int, unit: str = "") -> str:
    """Median (least – greatest); a dash for no values."""
    if not values:
        return "-"
    median, least, greatest = median_range(values)
    return f"{median:,.{digits}f}{unit} ({least:,.{digits}f} – {greatest:,.{digits}f})"


def table(heads: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def made_with(packages: list[str], rounds: int) -> list[str]:
    """Return machine, software and load before the start, as lines of the page. No host name."""
    found = []
    for package in packages:
        with contextlib.suppress(PackageNotFoundError):
            found.append(f"{package} {version(package)}")
    lines = [
        f"{datetime.date.today():%d %B %Y}; {processor()}, {os.cpu_count()} cores; "
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        ", ".join(found),
        f"{rounds} rounds",
    ]
    if hasattr(os, "getloadavg"):
        lines.append(f"load of the machine in the minute before: {os.getloadavg()[0]:.1f}")
    return lines


def write_rounds(path: Path, measured: dict) -> None:
    """Write what was measured as JSON, with a line for each list of rounds."""
    text = json.dumps(measured, indent=1, ensure_ascii=False)
    text = re.sub(r"\[[\d\s.,e-]*\]", lambda numbers: " ".join(numbers[0].split()), text)
    write_text(path, text + "\n")


def read_rounds(path: Path) -> dict:
    """Return what was measured. FileError says how to measure it."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileError(f"{path} does not exist: measure first, without --draw-only") from None
    except ValueError as error:
        raise FileError(f"{path} is not what a benchmark wrote ({error}): measure again") from None


def write_text(path: Path, text: str) -> None:
    with atomic_write(path) as file:
        file.write(text.encode())
