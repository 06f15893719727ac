"""Draws the curves of finished runs from their metrics.csv alone: it never trains.

    python curves.py runs/A runs/B -o plots/compare.png

In a notebook: `draw([Curve("one", [records]), Curve("another", [more_records])])` is a matplotlib Figure.
"""

from training.command import ROOT, Parser, expanded, run_command, say  # first: it says which package is missing

# isort: split
import contextlib
import io
import itertools
import json
import math
import os
import sys
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np

from training.metrics import Row, read_metrics
from utils import FileError, UsageError, atomic_write

# Okabe and Ito's palette: told apart by every kind of colour vision. The line styles tell curves apart in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLES = ("-", "--", "-.", ":")

# The accuracy axis is logarithmic in the error rate, so that 97 and 98 % can be told apart; this lets it reach 100.
ALMOST_ALL = 100.3
ACCURACY_TICKS = (0, 20, 40, 60, 80, 90, 95, 98, 99, 99.5, 100)

SUFFIXES = (".png", ".pdf", ".svg")
EXAMPLES = """examples, each in about a second:
  python curves.py runs/*                       every run that has trained
  python curves.py runs/A runs/B -o both.pdf"""

PANELS = (
    ("test", "loss", "test loss"),
    ("train", "loss", "train loss"),
    ("test", "accuracy", "test accuracy, %"),
    ("train", "accuracy", "train accuracy, %"),
)


class Curve(NamedTuple):
    """One line of a picture: the rows of one run, or of several that differ in their seed alone."""

    name: str
    runs: list[list[Row]]
    colour: str | None = None
    style: str | None = None
    steps: int | None = None  # updates in a whole epoch; if None, as many as the longest epoch of the rows has


def of_run(folder: Path) -> Curve:
    """The curve of a run's folder. UsageError if it has no rows."""
    try:
        rows = read_metrics(folder / "metrics.csv")
    except OSError as error:
        raise UsageError(f"{folder} holds no metrics.csv ({error.strerror}): give a run's folder") from None
    if not rows:
        raise UsageError(f"{folder / 'metrics.csv'} holds no rows: give a run that has trained")
    return Curve(folder.resolve().name, [rows], steps=steps_of(folder))


def points(curve: Curve, split: str, field: str) -> tuple[np.ndarray, np.ndarray]:
    """x in epochs (points,) and the values (runs, points), NaN where a run stopped earlier than another."""
    rows = [[row for row in run if row.split == split] for run in curve.runs]
    longest = max(rows, key=len)
    values = np.full((len(rows), len(longest)), np.nan)
    for line, run in zip(values, rows):
        line[: len(run)] = [getattr(row, field) for row in run]
    iterations = np.array([row.iteration for row in longest], float)
    return iterations / (curve.steps or steps_per_epoch(curve.runs[0])), values


def steps_per_epoch(rows: list[Row]) -> int:
    """The most updates that an epoch of these rows has: all have as many, but for one that was cut short."""
    ends = {row.epoch: row.iteration for row in rows}
    return max([ends[epoch] - ends.get(epoch - 1, 0) for epoch in ends if epoch > 0], default=1)


def draw(curves: list[Curve], title: str | None = None):
    """Four panels (test and train loss, test and train accuracy) over epochs, as a matplotlib Figure.

    Several runs in a curve are drawn as their mean and a band of one standard deviation to each side. A loss that
    spans a wide range gets a logarithmic axis. The Figure belongs to no window and to no backend.
    """
    load_matplotlib()
    from matplotlib import style

    with style.context("default"):  # whatever the user's matplotlibrc says
        return _draw(curves, title)


def _draw(curves: list[Curve], title: str | None):
    from matplotlib.figure import Figure

    alone = len(curves) == 1
    entries = [legend_entry(curve) for curve in curves]
    columns = 2 if max(map(len, entries)) <= 66 else 1
    legend_height = 0 if alone else 0.3 + 0.22 * math.ceil(len(curves) / columns)
    figure = Figure(figsize=(12, 7.6 + legend_height), dpi=140, layout="constrained")
    panels = figure.subplots(2, 2, sharex=True)
    for panel, (split, field, label) in zip(panels.flat, PANELS):
        for curve, entry, look in zip(curves, entries, looks(curves)):
            draw_curve(panel, curve, split, field, label=entry, **look)
            if split == "test" and any(row.split == "valid" for run in curve.runs for row in run):
                draw_curve(panel, curve, "valid", field, **look | {"linestyle": ":", "alpha": 0.7})
        if alone:
            valid = ", dotted: validation" if len(panel.lines) > 1 and split == "test" else ""
            panel.set_title(final(curves[0], split, field) + valid, fontsize=11, loc="right")
        finish_panel(panel, field, label)
    for panel in panels[1]:
        panel.set_xlabel("epochs", fontsize=12)
    if alone or title:
        figure.suptitle(literal(title or curves[0].name), fontsize=13)
    if not alone:
        handles, labels = panels[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=10, handlelength=4)
    return figure


def looks(curves: list[Curve]) -> list[dict]:
    """Colour and line style of each curve: its own, or the next that no other has."""
    free = zip(itertools.cycle(COLOURS), itertools.cycle(STYLES))
    return [
        {"color": curve.colour or colour, "linestyle": curve.style or style}
        for curve, (colour, style) in zip(curves, free)
    ]


def draw_curve(panel, curve: Curve, split: str, field: str, **look) -> None:
    """Plot one curve, its mean and band, into a panel; accuracies in percent.

    Of a curve with very many points the points are drawn faintly, and over them their mean in each epoch.
    """
    x, values = points(curve, split, field)
    values = values * 100 if field == "accuracy" else values
    if len(x) > 1000 and split == "train":
        faint = look | {"linestyle": "-", "label": None}
        panel.plot(x, values.mean(axis=0), linewidth=0.5, alpha=0.3, **faint)
        epochs = np.ceil(x)
        ends = np.unique(epochs)
        values = np.stack([values[:, epochs == end].mean(axis=1) for end in ends], axis=1)
        x = ends - 0.5
    mean = values.mean(axis=0)
    panel.plot(x, mean, linewidth=1.6, **look)
    if len(values) > 1:
        spread = values.std(axis=0, ddof=1)
        panel.fill_between(x, mean - spread, mean + spread, color=look["color"], alpha=0.2, linewidth=0)


def finish_panel(panel, field: str, label: str) -> None:
    """Axis label, grid, and an axis that shows the end of training: equal factors of a loss, or of the error rate."""
    from matplotlib.ticker import LogLocator

    panel.set_ylabel(label, fontsize=12)
    panel.grid(alpha=0.3)
    panel.margins(x=0.01)
    if field == "accuracy":
        panel.set_yscale("function", functions=(_stretch, _unstretch))
        lowest, highest = panel.get_ylim()
        ticks = [tick for tick in ACCURACY_TICKS if lowest <= tick <= highest]
        panel.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        panel.set_ylim(lowest, min(highest, 100))
        return
    drawn = np.concatenate([line.get_ydata() for line in panel.lines] or [np.ones(1)])
    drawn = drawn[np.isfinite(drawn) & (drawn > 0)]  # a hinge loss of exactly 0 has no place on this axis
    if field == "loss" and drawn.size and drawn.max() > 5 * drawn.min():
        panel.set_yscale("log")
        panel.set_ylim(bottom=0.7 * drawn.min())
        panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.yaxis.set_major_formatter("{x:g}")
        panel.yaxis.set_minor_formatter("")


def _stretch(percent):
    return -np.log10(np.maximum(ALMOST_ALL - percent, ALMOST_ALL - 100))


def _unstretch(stretched):
    return ALMOST_ALL - 10.0 ** -np.asarray(stretched)


def final(curve: Curve, split: str, field: str) -> str:
    """The end in words: `final 97.93 %` on the test set, the mean of the last epoch on the training set."""
    x, values = points(curve, split, field)
    if not values.size:
        return ""
    last = values[:, x > math.ceil(x[-1]) - 1 if split == "train" else -1].mean()
    number = f"{last:.2%}".replace("%", " %") if field == "accuracy" else f"{last:.4f}"
    return f"{'final' if split == 'test' else 'last epoch'} {number}"


def legend_entry(curve: Curve) -> str:
    return literal(f"{curve.name}: {final(curve, 'test', 'accuracy')}")


def literal(text: str) -> str:
    """A text that matplotlib shows as it is: a $ would begin a formula."""
    return text.replace("$", r"\$")


def steps_of(folder: Path) -> int | None:
    """How many updates a whole epoch of this run has, by its config.json; None if that does not say."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8-sig"))
        settings, count = config["settings"], config["images"]["train"]
        chosen = settings.get("train_images", "all")
        images = count - settings.get("validation", 0) if chosen == "all" else chosen
        return math.ceil(images / settings["batch_size"])
    except (OSError, ValueError, LookupError, TypeError, ArithmeticError, RecursionError, AttributeError):
        return None


def save(figure, path: Path) -> None:
    """Write a Figure in the format that the name ends in; the file is complete or not there."""
    with atomic_write(path) as file:
        file.write(as_bytes(figure, path.suffix.lower().removeprefix(".") or "png"))


def as_bytes(figure, form: str = "png") -> bytes:
    """Return the bytes of a PNG, PDF or SVG file."""
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # a name in letters that the font lacks
        figure.savefig(content, format=form)
    return content.getvalue()


def use_project_cache() -> None:
    """Let matplotlib keep its font list in the project's folder, not in the user's home. Before it is imported."""
    os.environ.setdefault("MPLCONFIGDIR", str(Path(__file__).resolve().parent / ".cache" / "matplotlib"))


def load_matplotlib() -> None:
    """Import matplotlib although MPLBACKEND may name a backend that is not installed: none is needed here."""
    if "matplotlib" not in sys.modules:
        backend = os.environ.pop("MPLBACKEND", None)
        try:
            import matplotlib
        finally:
            if backend is not None:
                os.environ["MPLBACKEND"] = backend
        if backend is not None:
            with contextlib.suppress(ValueError):  # a notebook's own backend stays chosen
                matplotlib.rcParams["backend"] = backend


def of_runs(folders: list[Path]) -> tuple[list[Curve], int]:
    """Return the curves of these runs and an exit code; of several, name those that cannot be drawn and leave them out.

    A path that does not exist is a UsageError: it is a slip.
    """
    curves, code = [], 0
    for folder in folders:
        try:
            curves.append(of_run(folder))
        except (UsageError, FileError) as error:
            if len(folders) == 1 or not folder.exists():
                raise
            say(f"left out: {error}")
            code = max(code, FileError.exit_code if isinstance(error, FileError) else 0)
    if not curves:
        raise UsageError("none of these can be drawn: give the folder of a run that has trained, such as runs/NAME")
    return curves, code


def _is_device(path: Path) -> bool:
    """Whether something is there that is written into and has no format in its name: a device or a pipe."""
    return path.exists() and not path.is_file()


def main(arguments: list[str]) -> int:
    parser = Parser(prog="curves.py", description="Overlay the curves of finished runs.", epilog=EXAMPLES)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="a run's folder, such as runs/NAME")
    parser.add_argument(
        *("-o", "--output"), default=str(ROOT / "plots" / "compare.png"), help=".png, .pdf or .svg; overwritten"
    )
    parser.add_argument("--title", help="printed above the panels")
    options = parser.parse_args(arguments)
    output = Path(options.output)
    if not options.output or output.is_dir() or (output.suffix.lower() not in SUFFIXES and not _is_device(output)):
        raise UsageError(f"--output is {options.output!r}: give a file whose name ends in .png, .pdf or .svg")
    curves, code = of_runs(expanded(options.runs))
    use_project_cache()
    figure = draw(curves, options.title)
    output.parent.mkdir(parents=True, exist_ok=True)
    save(figure, output)
    print(output)
    return code


if __name__ == "__main__":
    run_command(main)
