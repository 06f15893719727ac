"""Draws the curves of finished runs from their metrics.csv alone: it never trains.

    python curves.py runs/A runs/B -o plots/compare.png

Runs that differ in their seed alone are one curve, their mean, in a band from the lowest to the highest.
In a notebook: `draw([Curve("one", [records]), Curve("another", [more_records])])` is a matplotlib Figure.
"""

from training.command import ROOT, Parser, expanded, run_command, say  # first: it says which package is missing

# isort: split
import itertools
import math
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from training.folder import read_json
from training.metrics import Row, accuracy_of, final_test, read_metrics
from training.pictures import as_bytes, literal, load_matplotlib, own_style, save, use_project_cache  # noqa: F401, for whoever draws
from training.settings import in_words, known_but_for_seed
from utils import FileError, UsageError

# Okabe and Ito's palette: told apart by every kind of colour vision. The line styles tell curves apart in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLES = ("-", "--", "-.", ":")

# The accuracy axis is logarithmic in the error rate, so that 97 and 98 % can be told apart; this lets it reach 100.
ALMOST_ALL = 100.3
LOG_IN_ERROR = "accuracy, % (axis logarithmic in the error)"
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
SETS = {  # of the picture of one curve, told apart in grey by lightness, width and markers
    "train": ("training set", {"color": COLOURS[4], "linestyle": "-", "linewidth": 1.2}),
    "valid": ("validation set", {"color": COLOURS[2], "linestyle": ":", "linewidth": 2.2}),
    "test": ("test set", {"color": COLOURS[0], "linestyle": "-", "marker": "o", "markersize": 3.5}),
}


class Curve(NamedTuple):
    """One line of a picture: the rows of one run, or of several that differ in their seed alone."""

    name: str
    runs: list[list[Row]]
    colour: str | None = None
    style: str | None = None
    config: dict | None = None  # what the config.json of the first run says


def of_run(folder: Path) -> Curve:
    """The curve of a run's folder. UsageError if it has no rows."""
    try:
        rows = read_metrics(folder / "metrics.csv")
    except OSError as error:
        raise UsageError(f"{folder} holds no metrics.csv ({error.strerror}): give a run's folder") from None
    if not rows:
        raise UsageError(f"{folder / 'metrics.csv'} holds no rows: give a run that has trained")
    return Curve(folder.resolve().name, [rows], config=config_of(folder))


def of_runs(folders: list[Path]) -> tuple[list[Curve], int]:
    """Return the curves of these runs, those that differ in their seed alone as one, and an exit code.

    Of several, those that cannot be drawn are named and left out. A path that does not exist is a UsageError: it is a
    slip. A seed that comes twice is no other seed: its second run is in another curve.
    """
    groups, code = {}, 0
    for folder in folders:
        try:
            curve = of_run(folder)
        except (UsageError, FileError) as error:
            if len(folders) == 1 or not folder.exists():
                raise
            say(f"left out: {error}")
            code = max(code, FileError.exit_code if isinstance(error, FileError) else 0)
            continue
        known, seed = known_but_for_seed(curve.config) if curve.config else (str(folder), 0)
        place = next(n for n in itertools.count() if seed not in groups.get((known, n), {}))
        groups.setdefault((known, place), {})[seed] = curve
    if not groups:
        raise UsageError("none of these can be drawn: give the folder of a run that has trained, such as runs/NAME")
    pooled = []
    for first, *others in (group.values() for group in groups.values()):
        name = re.sub(r"_seed\d+", "", first.name) + f", {1 + len(others)} seeds" if others else first.name
        pooled.append(first._replace(name=name, runs=[*first.runs, *(curve.runs[0] for curve in others)]))
    return pooled, code


def config_of(folder: Path) -> dict | None:
    """The config.json of a run, None if there is none that can be read."""
    try:
        config = read_json(folder / "config.json")
        in_words(config), known_but_for_seed(config), steps_of(config)  # whatever it is, it can be used
        return config
    except (OSError, ValueError, LookupError, TypeError, ArithmeticError, RecursionError, AttributeError):
        return None


def steps_of(config: dict) -> int:
    """How many updates a whole epoch of this run has, by its config.json."""
    settings, count = config["settings"], config["images"]["train"]
    chosen = settings.get("train_images", "all")
    images = count - settings.get("validation", 0) if chosen == "all" else chosen
    return math.ceil(images / settings["batch_size"])


def points(curve: Curve, split: str, field: str) -> tuple[np.ndarray, np.ndarray]:
    """x in epochs (points,) and the values (runs, points), NaN where a run stopped earlier than another."""
    rows = [[row for row in run if row.split == split] for run in curve.runs]
    longest = max(rows, key=len)
    values = np.full((len(rows), len(longest)), np.nan)
    for line, run in zip(values, rows):
        line[: len(run)] = [getattr(row, field) for row in run]
    iterations = np.array([row.iteration for row in longest], float)
    return iterations / (steps_of(curve.config) if curve.config else steps_per_epoch(curve.runs[0])), values


def steps_per_epoch(rows: list[Row]) -> int:
    """The most updates that an epoch of these rows has: all have as many, but for one that was cut short."""
    ends = {row.epoch: row.iteration for row in rows}
    return max([ends[epoch] - ends.get(epoch - 1, 0) for epoch in ends if epoch > 0], default=1)


@own_style()
def draw(curves: list[Curve], title: str | None = None):
    """Loss and accuracy over epochs, as a matplotlib Figure that belongs to no window and to no backend.

    One curve: two panels, the test and the training set in each. Several: test and train in a panel each. Several runs
    in a curve are drawn as their mean and a band from the lowest to the highest. A loss that spans a wide range gets a
    logarithmic axis.
    """
    from matplotlib.figure import Figure

    if len(curves) == 1:
        return _draw_one(Figure(figsize=(12, 5.4), dpi=140, layout="constrained"), curves[0], title)
    entries = [literal(f"{curve.name}: {final(curve, 'test', 'accuracy')}") for curve in curves]
    columns = 2 if max(map(len, entries)) <= 66 else 1
    height = 7.9 + 0.22 * math.ceil(len(curves) / columns)
    figure = Figure(figsize=(12, height), dpi=140, layout="constrained")
    panels = figure.subplots(2, 2, sharex=True)
    for panel, (split, field, label) in zip(panels.flat, PANELS):
        for curve, entry, look in zip(curves, entries, looks(curves)):
            draw_curve(panel, curve, split, field, label=entry, **look)
            if split == "test" and has_split(curve, "valid"):
                draw_curve(panel, curve, "valid", field, **look | {"linestyle": ":", "alpha": 0.7})
        finish_panel(panel, field, label)
    for panel in panels[1]:
        panel.set_xlabel("epochs", fontsize=12)
    if title:
        figure.suptitle(literal(title), fontsize=13)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=10, handlelength=4)
    return figure


def _draw_one(figure, curve: Curve, title: str | None):
    """The picture of one curve: loss on the left, accuracy on the right."""
    patience, seeds = bool(curve.config and curve.config["settings"].get("patience")), len(curve.runs)
    ends = [final_test(run, patience) for run in curve.runs]
    words = in_words(curve.config, seeds) if curve.config else curve.name
    reached = f": {accuracy_of([end.accuracy for end in ends])} on the test set" if all(ends) else ""
    figure.suptitle(literal(title or words + reached), fontsize=13, wrap=True)
    for panel, field, label in zip(figure.subplots(1, 2), ("loss", "accuracy"), ("loss", LOG_IN_ERROR)):
        for split, (name, look) in SETS.items():
            if has_split(curve, split):
                draw_curve(panel, curve, split, field, label=f"{name}, {final(curve, split, field)}", **look)
        finish_panel(panel, field, label)
        panel.set_xlabel("epochs", fontsize=12)
        panel.legend(fontsize=11, handlelength=3)
    return figure


def has_split(curve: Curve, split: str) -> bool:
    return any(row.split == split for run in curve.runs for row in run)


def looks(curves: list[Curve]) -> list[dict]:
    """Colour and line style of each curve: its own, or the next that no other has."""
    free = zip(curves, itertools.cycle(COLOURS), itertools.cycle(STYLES))
    return [{"color": each.colour or colour, "linestyle": each.style or style} for each, colour, style in free]


def draw_curve(panel, curve: Curve, split: str, field: str, **look) -> None:
    """Plot one curve, its mean and band, into a panel; accuracies in percent.

    Of a curve with very many points the points are drawn faintly, and over them their mean in each epoch.
    """
    x, values = points(curve, split, field)
    values = values * 100 if field == "accuracy" else values
    if len(x) > 1000 and split == "train":
        faint = look | {"linestyle": "-", "label": None, "linewidth": 0.5, "alpha": 0.3}
        panel.plot(x, values.mean(axis=0), **faint)
        epochs = np.ceil(x)
        ends = np.unique(epochs)
        values = np.stack([values[:, epochs == end].mean(axis=1) for end in ends], axis=1)
        x = ends - 0.5
    panel.plot(x, values.mean(axis=0), **{"linewidth": 1.6} | look)
    if len(values) > 1:
        panel.fill_between(x, values.min(axis=0), values.max(axis=0), color=look["color"], alpha=0.2, linewidth=0)


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
    if drawn.size and drawn.max() > 5 * drawn.min():
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
    """The mean of the last epoch in words: `final 97.93 %` of an evaluation."""
    ends = []
    for run in curve.runs:
        rows = [row for row in run if row.split == split]
        last = [row for row in rows if row.epoch == rows[-1].epoch]
        ends += [np.mean([getattr(row, field) for row in last])] if last else []
    if not ends:
        return ""
    number = accuracy_of(ends) if field == "accuracy" else f"{np.mean(ends):.4f}"
    return f"{'last epoch' if split == 'train' else 'final'} {number}"


def main(arguments: list[str]) -> int:
    parser = Parser(prog="curves.py", description="Overlay the curves of finished runs.", epilog=EXAMPLES)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="a run's folder, such as runs/NAME")
    default = str(ROOT / "plots" / "compare.png")
    parser.add_argument("-o", "--output", default=default, help=".png, .pdf or .svg; overwritten")
    parser.add_argument("--title", help="printed above the panels")
    options = parser.parse_args(arguments)
    output = Path(options.output)
    device = output.exists() and not output.is_file()  # or a pipe: its name says no format
    if not options.output or output.is_dir() or (output.suffix.lower() not in SUFFIXES and not device):
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
