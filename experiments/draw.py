"""Draws the report's pictures from stored results: figures 1 to 13 and the gradients. It trains nothing."""

import math
from pathlib import Path

import numpy as np

import curves
from curves import COLOURS, Curve
from experiments.figure_list import AT_BATCH_10, FIGURES, LOSSES, SHORT_LOSS, name_in
from experiments.store import Result

ACTIVATION_COLOURS = dict(zip(("Sigmoid", "Relu", "Gelu", "None"), (COLOURS[0], COLOURS[1], COLOURS[2], COLOURS[6])))
LOSS_STYLES = dict(zip(LOSSES, ("-", "--", ":")))


def _new_figure(width: float, height: float, heading: str):
    from matplotlib.figure import Figure  # late: slow to load, and report.py --help needs none

    figure = Figure(figsize=(width, height), dpi=140, layout="constrained")
    figure.suptitle(heading, fontsize=13)
    return figure


def draw_figure(number: int, names: list[str], results: dict[str, list[Result]]):
    """One of the report's figures, of these curves. results: the finished runs of each curve, one for each seed."""
    counts = sorted({len(results[name]) for name in names})
    seeds = " to ".join(str(count) for count in dict.fromkeys((counts[0], counts[-1])))
    batch = " at batch size 10" if number in AT_BATCH_10 and names != FIGURES[number][1] else ""
    heading = f"Figure {number}{batch}. {FIGURES[number][0]} ({seeds} seed{'' if seeds == '1' else 's'}"
    heading += ")" if seeds == "1" else ", mean and ± one standard deviation)"
    if number == 1:
        return _explained(heading, names[0], results)
    if number == 13:
        return _zoomed(heading, names, results)
    return _four_panels(heading, names, results, [name_in(number, name) for name in names])


def _looks(names: list[str]) -> list[dict]:
    """Colour by activation and style by loss where both vary; else each curve its own colour and style."""
    if len({name.split("_")[1] for name in names}) > 1 and len({name.split("_")[2] for name in names}) > 1:
        parts = [name.split("_") for name in names]
        return [{"color": ACTIVATION_COLOURS[part[1]], "linestyle": LOSS_STYLES[part[2]]} for part in parts]
    return curves.looks([Curve(name, []) for name in names])


def short_names(names: list[str]) -> list[str]:
    """What tells the curves of one figure apart: only the parts of their names that differ."""
    parts = [name.split("_") for name in names]
    differing = [position for position in range(6) if len({part[position] for part in parts}) > 1]
    return [" ".join(SHORT_LOSS.get(part[position], part[position]) for position in differing) for part in parts]


def _four_panels(heading: str, names: list[str], results: dict[str, list[Result]], labels: list[str]):
    drawn = [Curve(label, [result.rows for result in results[name]]) for name, label in zip(names, labels)]
    columns = 2 if max(map(len, names)) <= 48 else 1
    figure = _new_figure(13, 8 + 0.22 * math.ceil(len(names) / columns), heading)
    panels = figure.subplots(2, 2, sharex=True)
    for panel, (split, field, label) in zip(panels.flat, curves.PANELS):
        for curve, look in zip(drawn, _looks(names)):
            curves.draw_curve(panel, curve, split, field, label=_entry(curve), **look)
        curves.finish_panel(panel, field, label)
        _label_ends(panel, short_names(names))
    for panel in panels[1]:
        panel.set_xlabel("epochs", fontsize=12)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=10, handlelength=4)
    return figure


def _entry(curve: Curve) -> str:
    _, accuracy = curves.points(curve, "test", "accuracy")
    final = accuracy[:, -5:].mean(axis=1) * 100
    deviation = f" ± {final.std(ddof=1):.2f}" if len(final) > 1 else ""
    return f"{curve.name}: {final.mean():.2f}{deviation} %"


def _label_ends(panel, texts: list[str]) -> None:
    """Write each curve's short name at its end, moved apart where ends lie on each other."""
    labelled = [line for line in panel.lines if not line.get_label().startswith("_")]
    to_axes = panel.transScale + panel.transLimits
    ends = []
    for line, text in zip(labelled, texts):
        y = line.get_ydata()[np.isfinite(line.get_ydata())]
        height = to_axes.transform((line.get_xdata()[-1], y[-1]))[1] if len(y) else 0.0
        ends.append((float(np.clip(height, 0, 1)), text, line))
    ends.sort(key=lambda end: end[0])
    heights = _move_apart([end[0] for end in ends], gap=0.055)
    for (end, text, line), height in zip(ends, heights):
        panel.annotate(
            text,
            xy=(1.0, end),
            xytext=(1.07, height),
            xycoords="axes fraction",
            textcoords="axes fraction",
            color=line.get_color(),
            fontsize=9,
            va="center",
            arrowprops={
                "arrowstyle": "-",
                "color": line.get_color(),
                "linewidth": 0.7,
                "shrinkA": 1,
                "shrinkB": 0,
                "relpos": (0, 0.5),
            },
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


def _explained(heading: str, name: str, results: dict[str, list[Result]]):
    """The four panels of one curve under its name, taken apart."""
    figure = _four_panels(heading, [name], results, [name])
    for legend in figure.legends:
        legend.remove()
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


def _zoomed(heading: str, names: list[str], results: dict[str, list[Result]]):
    """Train accuracy at the start: over logged points, and over samples seen with 10,000 samples to a point."""
    figure = _new_figure(13, 9, heading)
    panels = figure.subplots(2, 2)
    for column, (pair, most) in enumerate(((names[:2], 300), (names[2:], 250))):
        upper, lower = panels[0, column], panels[1, column]
        for name, look in zip(pair, _looks(pair)):
            runs = [result.rows for result in results[name]]
            batch = int(name.rsplit("_", 1)[1])
            _, accuracy = curves.points(Curve(name, runs), "train", "accuracy")
            _band(upper, np.arange(1, accuracy.shape[1] + 1)[:most], accuracy[:, :most] * 100, name, look)
            together = max(1, round(10_000 / (50 * batch)))
            whole = accuracy.shape[1] // together * together
            averaged = accuracy[:, :whole].reshape(len(accuracy), -1, together).mean(axis=2) * 100
            samples = np.arange(1, averaged.shape[1] + 1) * together * 50 * batch
            seen = samples <= most * 50 * 200
            _band(lower, samples[seen] / 1e6, averaged[:, seen], name, look)
        upper.set_title(f"({'ab'[column]}) the first {most} logged points", fontsize=11)
        lower.set_title("the same number of samples, 10,000 to a point", fontsize=11)
        upper.set_xlabel("logged points (50 steps each)", fontsize=12)
        lower.set_xlabel("samples seen, millions", fontsize=12)
        for panel in (upper, lower):
            panel.set_ylabel("train accuracy, %", fontsize=12)
            panel.grid(alpha=0.3)
            panel.margins(x=0.01)
            panel.legend(loc="lower right", fontsize=10, handlelength=4)
    return figure


def _band(panel, x: np.ndarray, values: np.ndarray, name: str, look: dict) -> None:
    mean = values.mean(axis=0)
    panel.plot(x, mean, linewidth=1.2, label=name, **look)
    if len(values) > 1:
        deviation = values.std(axis=0, ddof=1)
        panel.fill_between(x, mean - deviation, mean + deviation, color=look["color"], alpha=0.2, linewidth=0)


def draw_gradients(results: dict[str, list[Result]]):
    """What back-propagation sends through two hidden layers (figure 6's runs), before training and after one epoch."""
    heading = "What reaches each layer: two hidden layers, 1,000 training images (mean over seeds)"
    figure = _new_figure(13, 9.4, heading)
    names = FIGURES[6][1]
    panels = figure.subplots(2, 2, sharex=True)
    rows = (
        ("RMS of δ at the layer's output", lambda row: row.delta),
        ("‖gradient‖ / ‖weights‖", lambda row: row.gradient / row.weights),
    )
    for panel_row, (label, measure) in zip(panels, rows):
        for panel, epoch in zip(panel_row, (0, 1)):
            for name, look in zip(names, _looks(names)):
                sizes = [
                    [measure(row) for row in result.probe if row.epoch == epoch and not math.isnan(row.delta)]
                    for result in results[name]
                ]
                panel.plot(range(3), np.mean(sizes, axis=0), marker="o", linewidth=1.6, label=name, **look)
            panel.set_yscale("log")
            panel.set_title("before training" if epoch == 0 else "after one epoch", fontsize=11)
            panel.set_ylabel(label, fontsize=12)
            panel.set_xticks(range(3), ["first layer (784 to 100)", "second (100 to 100)", "last (100 to 10)"])
            panel.grid(alpha=0.3)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=10, handlelength=4)
    return figure


def save_all(figures: dict[str, tuple[int, list[str]]], results: dict[str, list[Result]], folder: Path) -> list[Path]:
    """Draw each figure (file name: number, curves), and the gradients with figure 6. Returns the pictures' paths."""
    import matplotlib

    folder.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # the user's own style would change the pictures
        for name, (number, names) in figures.items():
            curves.save(draw_figure(number, names, results), folder / f"{name}.png")
        if "figure_06" in figures:
            curves.save(draw_gradients(results), folder / "gradients.png")
    return [folder / f"{name}.png" for name in figures] + [folder / "gradients.png"] * ("figure_06" in figures)
