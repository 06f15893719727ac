"""Draws the report's pictures from stored results: figures 1 to 19, the gradients, the summary. It trains nothing.

Every training curve is drawn as its mean in each epoch, whatever its batch size; each seed is a thin line, their mean a
thick one. Ordered values (rate, decay, batch size) go through one map from dark to light.
"""

import math
from functools import partial
from pathlib import Path

import numpy as np

import curves
from curves import COLOURS, LOG_IN_ERROR, Curve
from experiments.compare import best_held_out
from experiments.figure_list import (
    AGAINST_OVERFITTING,
    AT_BATCH_10,
    FIGURES,
    HINGE,
    LOSSES,
    SHORT_LOSS,
    SWEEPS,
    at_batch_10,
    in_words,
)
from experiments.statistics import CurveStats, RunTable

ACTIVATION_LOOKS = {
    "Sigmoid": {"color": COLOURS[0], "linestyle": "-"},
    "Relu": {"color": COLOURS[1], "linestyle": "--"},
    "Gelu": {"color": COLOURS[2], "linestyle": "-."},
    "None": {"color": COLOURS[6], "linestyle": ":"},
}
LOSS_MARKERS = dict(zip(LOSSES, ("o", "s", "^")))
MARKERS = ("o", "s", "^", "D")
LOSS_COLOURS = dict(zip(LOSSES, COLOURS))
ORDERED = (7, 8, 9, 10, 11, 12)  # figures whose curves differ in an ordered value
SMALL_MULTIPLES = (3, 6)
SWEPT_VALUE = {14: "margin", 15: "momentum coefficient m", 17: "hidden layers", 19: "learning rate"}
TINTS = (0.0, 0.2, 0.38, 0.55, 0.7, 0.83)  # places in the ordered colour map, readable on white


def _new_figure(width: float, height: float, heading: str):
    from matplotlib.figure import Figure  # late: slow to load, and report.py --help needs none

    figure = Figure(figsize=(width, height), dpi=140, layout="constrained")
    figure.suptitle(heading, fontsize=13)
    return figure


def draw_figure(number: int, names: list[str], table: RunTable):
    """One of the report's figures, of these curves."""
    counts = [len(table.results[name]) for name in names]
    seeds = " to ".join(map(str, dict.fromkeys((min(counts), max(counts)))))
    batch = " at batch size 10" if number in AT_BATCH_10 and names != FIGURES[number][1] else ""
    heading = f"Figure {number}{batch}. {FIGURES[number][0]} ({seeds} seed{'' if seeds == '1' else 's'})"
    if number == 1:
        return _explained(heading, names[0], table)
    if number == 13:
        return _zoomed(heading, names, table)
    if number in SMALL_MULTIPLES:
        return _by_loss(heading, names, table)
    if number == 16:
        return _remedies(heading, table)
    if number == 18:
        return _overfitting(heading, names, table)
    if number in SWEEPS:
        return _sweep(number, heading, table)
    return _four_panels(heading, names, table, _looks(number, names), short_names(names))


def _looks(number: int, names: list[str]) -> list[dict]:
    """Colour and style of each curve: from dark to light where they are ordered, else as elsewhere on the page."""
    from matplotlib import colormaps

    if number in ORDERED:
        tints = TINTS[-len(names) :] if len(names) < len(TINTS) else TINTS
        return [
            {"color": colormaps["viridis"](tint), "linestyle": curves.STYLES[place % 2]}
            for place, tint in enumerate(tints)
        ]
    if len({name.split("_")[1] for name in names}) > 1:
        return [ACTIVATION_LOOKS[name.split("_")[1]] for name in names]
    return [{"color": colour, "linestyle": style} for colour, style in zip(COLOURS, curves.STYLES[: len(names)])]


def short_names(names: list[str]) -> list[str]:
    """What tells the curves of one figure apart: only the parts of their names that differ."""
    parts = [name.split("_") for name in names]
    differing = [position for position in range(6) if len({part[position] for part in parts}) > 1]
    return [" ".join(SHORT_LOSS.get(part[position], part[position]) for position in differing) for part in parts]


def _points(curve: CurveStats, split: str, field: str) -> tuple[np.ndarray, np.ndarray]:
    """x in epochs and the values (seeds, points), accuracies in percent."""
    x, values = curves.points(Curve("", [result.rows for result in curve.results]), split, field)
    return x, values * 100 if field == "accuracy" else values


def _lines(panel, x: np.ndarray, values: np.ndarray, look: dict, faint: float = 0.5, thick: float = 1.5) -> None:
    """A thin and pale line for each seed (`faint`: its width and opacity), a thick one for their mean."""
    if len(values) > 1:
        panel.plot(x, values.T, **look | {"linewidth": faint, "alpha": faint * look.get("alpha", 1), "label": None})
    panel.plot(x, values.mean(axis=0), linewidth=thick, **look)


def _draw_curve(panel, curve: CurveStats, split: str, field: str, **look) -> None:
    """A curve over epochs; a training curve as its mean in each epoch."""
    x, values = _points(curve, split, field)
    if split == "train":
        epochs = np.ceil(x - 1e-9)
        ends = np.unique(epochs)
        x, values = ends - 0.5, np.stack([values[:, epochs == end].mean(axis=1) for end in ends], axis=1)
    _lines(panel, x, values, look)


def _four_panels(heading: str, names: list[str], table: RunTable, looks: list[dict], labels: list[str], least=0.0):
    """Test and train, loss and accuracy; accuracy from `least` on. Each curve is named at its end."""
    figure = _new_figure(13, 8.2, heading)
    panels = figure.subplots(2, 2, sharex=True)
    for panel, (split, field, label) in zip(panels.flat, curves.PANELS):
        for name, short, look in zip(names, labels, looks):
            _draw_curve(panel, table.named(name), split, field, label=short or name, **look)
        curves.finish_panel(panel, field, f"{split} {LOG_IN_ERROR}" if field == "accuracy" else label)
        panel.yaxis.label.set_size(10 if field == "accuracy" else 12)
        if least and field == "accuracy":
            panel.set_ylim(bottom=100 * least)
            ticks = [tick for tick in (70, 75, 80, 85, 88, 90, 95, 98, 99, 99.5, 100) if tick <= panel.get_ylim()[1]]
            panel.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        _label_ends(panel)
    for panel in panels[1]:
        panel.set_xlabel("epochs", fontsize=12)
    return figure


def _by_loss(heading: str, names: list[str], table: RunTable):
    """A column for each loss: its value above, accuracy below; test in full, train faint."""
    figure = _new_figure(13, 8.6, f"{heading}; faint: on the training set")
    panels = figure.subplots(2, 3, sharex=True)
    for column, loss in zip(panels.T, LOSSES):
        chosen = [name for name in names if name.split("_")[2] == loss]
        for panel, field in zip(column, ("loss", "accuracy")):
            for name in chosen:
                curve, activation = table.named(name), name.split("_")[1]
                look = ACTIVATION_LOOKS[activation]
                _draw_curve(panel, curve, "train", field, **look | {"alpha": 0.35})
                _draw_curve(panel, curve, "test", field, label=activation, **look)
        column[0].set_title(SHORT_LOSS[loss], fontsize=12)
        column[1].set_xlabel("epochs", fontsize=12)
    drawn = np.concatenate([line.get_ydata() for panel in panels[1] for line in panel.lines])
    highest = np.nanmax(drawn)
    for panel in panels[1]:
        panel.set_ylim(max(np.nanmin(drawn) - 3, 0), highest + 0.2 * (100 - highest))
    for row, field, label in zip(panels, ("loss", "accuracy"), ("loss", LOG_IN_ERROR)):
        for panel in row:
            curves.finish_panel(panel, field, label if panel is row[0] else "")
            _label_ends(panel)
    return figure


def _label_ends(panel) -> None:
    """Write each curve's name at its end, moved apart where ends lie on each other."""
    to_axes = panel.transScale + panel.transLimits
    ends = []
    for line in panel.lines:
        if line.get_label().startswith("_"):
            continue
        y = line.get_ydata()[np.isfinite(line.get_ydata())]
        height = to_axes.transform((line.get_xdata()[-1], y[-1]))[1] if len(y) else 0.0
        ends.append((float(np.clip(height, 0, 1)), line))
    ends.sort(key=lambda end: end[0])
    for (end, line), height in zip(ends, _move_apart([end[0] for end in ends], gap=0.055)):
        colour = line.get_color()
        panel.annotate(
            line.get_label(),
            xy=(1.0, end),
            xytext=(1.05, height),
            xycoords="axes fraction",
            textcoords="axes fraction",
            color=colour,
            fontsize=9,
            va="center",
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.7, "shrinkB": 0, "relpos": (0, 0.5)},
            annotation_clip=False,
        )


def _move_apart(heights: list[float], gap: float) -> list[float]:
    """Sorted heights, moved as little as needed to stand at least a gap apart."""
    groups = []  # of (sum of wished lowest positions, heights in it): heights that touch move as one
    for height in heights:
        groups.append([height, 1])
        while len(groups) > 1 and groups[-1][0] / groups[-1][1] - groups[-2][0] / groups[-2][1] < gap * groups[-2][1]:
            wish, count = groups.pop()
            groups[-1][0] += wish - count * gap * groups[-1][1]
            groups[-1][1] += count
    return [wish / count + gap * position for wish, count in groups for position in range(count)]


MEANINGS = ("hidden layers\nof 100 units", "activation", "loss", "learning\nrate", "weight\ndecay", "batch\nsize")


def _explained(heading: str, name: str, table: RunTable):
    """The four panels of one curve under its name, taken apart."""
    figure = _four_panels(heading, [name], table, [{"color": COLOURS[0], "linestyle": "-"}], [name])
    for panel in figure.axes:
        for text in list(panel.texts):
            text.remove()
    figure.set_size_inches(13, 9.4)
    figure.set_layout_engine("constrained", rect=(0, 0, 1, 0.83))
    figure.suptitle(heading, fontsize=13, y=0.99)
    parts = name.split("_")
    widths = [
        max(len(part), 0.65 * len(max(meaning.split("\n"), key=len))) + 2 for part, meaning in zip(parts, MEANINGS)
    ]
    at = 0.5 - 0.0065 * sum(widths)
    for part, meaning, width, colour in zip(parts, MEANINGS, widths, COLOURS[:5] + COLOURS[6:]):
        middle = at + 0.0065 * width
        figure.text(middle, 0.93, part, fontsize=17, family="monospace", ha="center", color=colour)
        figure.text(middle, 0.915, meaning, fontsize=11, ha="center", va="top", color=colour)
        at += 0.013 * width
    return figure


def _zoomed(heading: str, names: list[str], table: RunTable):
    """Train accuracy at the start: over logged points, and over samples seen with 10,000 samples to a point."""
    figure = _new_figure(13, 9, heading)
    panels = figure.subplots(2, 2)
    looks = [{"color": COLOURS[1], "linestyle": "-"}, {"color": COLOURS[0], "linestyle": "--"}]
    for column, (pair, most) in enumerate(((names[:2], 300), (names[2:], 250))):
        upper, lower = panels[0, column], panels[1, column]
        spans = []
        for name, look in zip(pair, looks):
            x, accuracy = _points(table.named(name), "train", "accuracy")
            batch = table.named(name).settings["batch_size"]
            spans.append(f"{x[:most][-1]:.3g} epochs at {batch}")
            label = {"label": f"batch {batch}" if column == 0 else None}
            _lines(upper, np.arange(1, accuracy.shape[1] + 1)[:most], accuracy[:, :most], look | label, 0.4, 1.3)
            together = max(1, round(10_000 / (50 * batch)))
            whole = accuracy.shape[1] // together * together
            averaged = accuracy[:, :whole].reshape(len(accuracy), -1, together).mean(axis=2)
            samples = np.arange(1, averaged.shape[1] + 1) * together * 50 * batch
            seen = samples <= most * 50 * 200
            _lines(lower, samples[seen] / 1e6, averaged[:, seen], look, 0.4, 1.3)
        upper.set_title(f"({'ab'[column]}) {pair[0].rsplit('_', 1)[0]}", fontsize=11)
        upper.set_xlabel(f"logged points of 50 steps: {', '.join(spans)}", fontsize=11)
        lower.set_xlabel("samples seen, millions; every point averages 10,000", fontsize=11)
        for panel in (upper, lower):
            panel.set_ylabel("train accuracy, %", fontsize=12)
            panel.grid(alpha=0.3)
            panel.margins(x=0.01)
    figure.legend(loc="outside lower center", ncols=2, fontsize=11, handlelength=4)
    return figure


def draw_gradients(table: RunTable):
    """RMS of δ through two hidden layers (figure 6's runs), a panel for each loss: at epochs 0 and 1."""
    heading = "What reaches each layer: RMS of δ, two hidden layers, 1,000 training images (mean over seeds)"
    figure = _new_figure(13, 5.6, heading)
    panels = figure.subplots(1, 3, sharey=True)
    for panel, loss in zip(panels, LOSSES):
        for name in (name for name in FIGURES[6][1] if name.split("_")[2] == loss):
            curve, activation = table.named(name), name.split("_")[1]
            for epoch, words, more in (
                (0, "before training", {"marker": "o", "linewidth": 1.6}),
                (1, "after one epoch", {"alpha": 0.4, "linewidth": 1.0}),
            ):
                look = ACTIVATION_LOOKS[activation] | more
                label = f"{activation}, {words}" if loss == HINGE else None
                panel.plot(range(3), curve.delta(epoch).mean(axis=0), label=label, **look)
        std, last = curve.settings["init_std"], curve.delta(0).mean(axis=0)[-1]
        alone = [last * std * math.sqrt(10) * std * math.sqrt(100), last * std * math.sqrt(10), last]
        label = "initial weights alone: 0.01·√10, then 0.01·√100" if loss == HINGE else None
        panel.plot(range(3), alone, color="0.6", linewidth=4, alpha=0.6, zorder=1, label=label)
        panel.set_yscale("log")
        panel.set_title(SHORT_LOSS[loss], fontsize=12)
        panel.set_xlim(-0.25, 2.25)
        panel.set_xticks(range(3), ["first\n784→100", "second\n100→100", "last\n100→10"])
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("RMS of δ at the layer's output", fontsize=12)
    handles, labels = panels[2].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=9, handlelength=4)
    return figure


def _stretch_axis(axis, lowest: float, highest: float) -> None:
    """Make an axis of accuracies logarithmic in the error, with ticks that stand apart."""
    set_scale = axis.axes.set_xscale if axis.axis_name == "x" else axis.axes.set_yscale
    set_scale("function", functions=(curves._stretch, curves._unstretch))
    fine = (86, 88, 90, 92, 93, 94, 95, 96, 97, 97.5, 98, 98.5)
    ticks = [tick for tick in (fine if lowest > 85 else (10, 40, 60, 80, 90, 95, 97, 98)) if lowest <= tick <= highest]
    axis.set_ticks(ticks, [f"{tick:g}" for tick in ticks])


def _sweep(number: int, heading: str, table: RunTable):
    """Figures 14, 15, 17, 19: final test accuracy over the value that changes; a dot a seed, a line through means."""
    figure = _new_figure(13, 5.2, heading)
    panels = figure.subplots(1, len(SWEEPS[number]), sharey=True)
    for panel, (title, lines) in zip(panels, table.swept(number).items()):
        values = sorted({value for swept in lines.values() for value in swept})
        for place, (line, swept) in enumerate(lines.items()):
            look = {"color": COLOURS[place], "linestyle": curves.STYLES[place], "marker": MARKERS[place]}
            x = [values.index(value) + 0.08 * (place - (len(lines) - 1) / 2) for value in swept]
            means = [100 * curve.test_accuracy.mean() for curve in swept.values()]
            for at, curve in zip(x, swept.values()):
                dots = look | {"linestyle": "", "markersize": 4, "alpha": 0.7}
                panel.plot([at] * len(curve.seeds), 100 * curve.test_accuracy, **dots)
            panel.plot(x, means, **look | {"marker": ""}, label=SHORT_LOSS.get(line, line))
            if number == 19:
                chosen = list(swept).index(best_held_out(swept))
                panel.plot(x[chosen], means[chosen], "o", color=COLOURS[place], mfc="none", markersize=15, mew=1.5)
        panel.set_xticks(range(len(values)), [f"{value:g}" for value in values])
        panel.set_title(in_words(title), fontsize=12)
        panel.set_xlabel(SWEPT_VALUE[number], fontsize=12)
        panel.grid(alpha=0.3)
    finals = 100 * np.concatenate([table.named(name).test_accuracy for name in FIGURES[number][1]])
    highest, lowest = np.nanmax(finals), np.nanmin(finals)
    lowest = max(lowest - 0.1 * (100 - lowest), 0)
    _stretch_axis(panels[0].yaxis, lowest, highest)
    panels[0].set_ylim(lowest, highest + 0.2 * (100 - highest))
    panels[0].set_ylabel("final test accuracy, %\n(axis logarithmic in the error)", fontsize=11)
    handles, labels = panels[0].get_legend_handles_labels()
    ringed = "ringed: the learning rate chosen on 10,000 images held out" if number == 19 else None
    where = {"loc": "outside lower center", "ncols": len(labels), "fontsize": 11, "handlelength": 4}
    figure.legend(handles, labels, title=ringed, **where)
    return figure


def _remedies(heading: str, table: RunTable):
    """Figure 16: a row for each remedy, a dot for each seed; the dashed line is where a run counts as trained."""
    figure = _new_figure(13, 5.2, heading)
    panels = figure.subplots(1, len(SWEEPS[16]), sharey=True)
    for panel, (loss, lines) in zip(panels, table.swept(16).items()):
        for place, curve in enumerate(lines[""].values()):
            finals = 100 * curve.test_accuracy
            panel.plot(finals, [-place] * len(finals), "o", color=COLOURS[0], alpha=0.7, markersize=7)
        panel.set_yticks([-place for place in range(len(lines[""]))], list(lines[""]))
        panel.axvline(80, color="0.5", linestyle="--", linewidth=1)
        panel.set_title(loss, fontsize=12)
        panel.set_xlim(0, 98.3)
        _stretch_axis(panel.xaxis, 0, 98.3)
        panel.set_xlabel(f"final test {LOG_IN_ERROR}\ndashed: 80 %, where a run counts as trained", fontsize=11)
        panel.grid(alpha=0.3)
    return figure


def _overfitting(heading: str, names: list[str], table: RunTable):
    """Figure 18: four panels; decay in two blues and dropout in two oranges, the larger the darker."""
    tints = ("#000000", "#56B4E9", "#0072B2", "#E69F00", "#D55E00", "#009E73")
    looks = [{"color": tint, "linestyle": style} for tint, style in zip(tints, ("-", "--", "--", "-.", "-.", ":"))]
    labels = ["both" if " and " in remedy else remedy for remedy in AGAINST_OVERFITTING]
    return _four_panels(heading, names, table, looks, labels, least=0.7)


def draw_summary(table: RunTable):
    """Final test accuracy of the settings of figures 2, 3 and 6: a dot a seed, batch 100 filled, batch 10 hollow."""
    names = [name for number in (2, 3, 6) for name in FIGURES[number][1]]
    figure = _new_figure(10, 8, "Final test accuracy, a dot for each seed: batch 100 filled, batch 10 hollow")
    panel = figure.subplots()
    for place, name in enumerate(names):
        loss = name.split("_")[2]
        for curve, edge in ((name, {"mec": "white", "mew": 0.6}), (at_batch_10(name), {"mfc": "none"})):
            for final in 100 * table.named(curve).test_accuracy if curve in table.results else ():
                panel.plot(final, -place, LOSS_MARKERS[loss], color=LOSS_COLOURS[loss], markersize=7, **edge)
    panel.set_xlim(0, 98.3)
    _stretch_axis(panel.xaxis, 0, 98.3)
    panel.set_xlabel("test " + LOG_IN_ERROR, fontsize=12)
    panel.set_yticks([-place for place in range(len(names))], list(map(in_words, names)))
    panel.grid(alpha=0.3)
    return figure


def save_all(figures: dict[str, tuple[int, list[str]]], table: RunTable, folder: Path) -> list[Path]:
    """Draw each figure (file name: number, curves); the gradients with figure 6, the summary with 2, 3 and 6.

    Returns the pictures' paths.
    """
    import matplotlib

    folder.mkdir(parents=True, exist_ok=True)
    drawn = {name: partial(draw_figure, *figure, table) for name, figure in figures.items()}
    if "figure_06" in figures:
        drawn["gradients"] = partial(draw_gradients, table)
    if {"figure_02", "figure_03", "figure_06"} <= set(figures):
        drawn["summary"] = partial(draw_summary, table)
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # the user's own style would change the pictures
        for name, draw in drawn.items():
            curves.save(draw(), folder / f"{name}.png")
    return [folder / f"{name}.png" for name in drawn]
