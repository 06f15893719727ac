"""Draws compare.png: time per step of every contestant in the main cases, on one core and on two."""

from pathlib import Path

import curves
from benchmarks.bars import Results
from benchmarks.cases import CASES, LIMIT, TITLES
from benchmarks.processes import spread

# Okabe and Ito's palette, as in the curves; hatched is two cores, so that grey tells as much.
COLOURS = dict(zip(TITLES, curves.COLOURS))
LABEL = {"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.85}
MAIN = [case.name for case in CASES if len(case.hidden) == 1] + [CASES[-1].name]


def draw(path: Path, results: Results) -> None:
    """A panel for each main case that was measured."""
    curves.use_project_cache()
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    panels = [name for name in MAIN if any(name in cases for cases in results.seconds.values())]
    rows = (len(panels) + 1) // 2
    figure = Figure(figsize=(8.4, 0.9 + 3.3 * rows), dpi=200, layout="constrained")
    figure.suptitle("Time of a training step, and how many times ours it is (shorter is better)", fontsize=11)
    axes = figure.subplots(rows, 2, squeeze=False)
    for axis in axes.flat[len(panels) :]:
        axis.set_visible(False)
    for axis, name in zip(axes.flat, panels):
        _panel(axis, name, results)
    handles = [
        Patch(facecolor="0.75", edgecolor="black", label="one core"),
        Patch(facecolor="0.75", edgecolor="black", hatch="////", label="two cores"),
        Line2D([], [], color="black", linewidth=1.2, label="limit, one core"),
        Line2D([], [], color="black", linewidth=1.2, linestyle=":", label="limit, two cores"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=9, frameon=False)
    curves.save(figure, path)


def _panel(axis, name: str, results: Results) -> None:
    """Horizontal bars with whiskers from the least to the greatest round."""
    measured = {cores: cases[name] for cores, cases in sorted(results.seconds.items()) if name in cases}
    names = [key for key in TITLES if any(key in seconds for seconds in measured.values())]
    slowest = max(1e6 * max(values) for seconds in measured.values() for values in seconds.values())
    for cores, seconds in measured.items():
        ours = spread(seconds["ours"])[0]
        for place, key in enumerate(names):
            if key not in seconds:
                continue
            median, least, greatest = (1e6 * value for value in spread(seconds[key]))
            at = place + (0.2 if cores > 1 else -0.2)
            axis.barh(
                at,
                median,
                height=0.36,
                color=COLOURS[key],
                edgecolor="black",
                linewidth=0.5,
                alpha=0.85,
                hatch="////" if cores > 1 else None,
                xerr=[[median - least], [greatest - median]],
                error_kw={"elinewidth": 0.8, "capsize": 1.5},
            )
            times = "" if key == "ours" else f"  {median / 1e6 / ours:.2f}×"
            axis.text(
                greatest + 0.015 * slowest, at, f"{median:,.0f}{times}", va="center", fontsize=8, zorder=4, bbox=LABEL
            )
        style = ":" if cores > 1 else "-"
        axis.axvline(1e6 * spread(seconds[LIMIT])[0], color="black", linewidth=1.2, linestyle=style, zorder=3)
    axis.set_yticks(range(len(names)), [TITLES[key] for key in names], fontsize=8.5)
    axis.invert_yaxis()
    axis.set_xlim(0, 1.36 * slowest)
    axis.set_title(name, fontsize=9.5)
    axis.set_xlabel("µs per step (median; whiskers: least and greatest)", fontsize=8)
    axis.tick_params(axis="x", labelsize=8)
    axis.locator_params(axis="x", nbins=5)
    axis.xaxis.set_major_formatter("{x:,.0f}")
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
