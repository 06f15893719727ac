"""matplotlib without a display, a window or the user's own settings; and the picture of a run's gradient statistics."""

import contextlib
import io
import os
import shlex
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from training.command import ROOT, say
from training.folder import atomic_bytes
from training.probe import ProbeRow

LABELS = 12  # names that fit beside a panel


def use_project_cache() -> None:
    """Let matplotlib keep its font list in the project's folder, not in the user's home. Before it is imported."""
    os.environ.setdefault("MPLCONFIGDIR", str(ROOT / ".cache" / "matplotlib"))


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


def attempt(draw: Callable[[], dict[str, Path]], folders: list[Path]) -> tuple[dict[str, Path], int]:
    """Return the pictures that draw() has saved, by what they show, and 0; if it fails, say so and return an exit code.

    A run that has trained is not to end in a traceback because of its picture.
    """
    use_project_cache()
    try:
        return draw(), 0
    except (Exception, KeyboardInterrupt) as error:
        command = shlex.join(["python", "curves.py", *map(str, folders)])
        say(f"no picture was drawn ({type(error).__name__}: {error}): {command} draws it")
        return {}, 130 if isinstance(error, KeyboardInterrupt) else 1


@contextlib.contextmanager
def own_style():
    """matplotlib as it comes, whatever the user's matplotlibrc says."""
    load_matplotlib()
    from matplotlib import style

    with style.context("default"):
        yield


def save(figure, path: Path) -> None:
    """Write a Figure in the format that the name ends in; the file is complete or not there."""
    atomic_bytes(path, as_bytes(figure, path.suffix.lower().removeprefix(".") or "png"))


def as_bytes(figure, form: str = "png") -> bytes:
    """Return the bytes of a PNG, PDF or SVG file."""
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # a name in letters that the font lacks
        figure.savefig(content, format=form)
    return content.getvalue()


def literal(text: str) -> str:
    """A text that matplotlib shows as it is: a $ would begin a formula, bytes that are no text would be an error."""
    return text.encode(errors="replace").decode().replace("$", r"\$")


@own_style()
def draw_gradients(rows: list[ProbeRow], title: str):
    """δ, ‖gradient‖ / ‖weights‖ and flat units of each layer over the probed epochs, as a matplotlib Figure.

    Layers are coloured from dark (the first) to light, and named at the end of their line. A number that is 0 has no
    place on a logarithmic axis: its layer is named at the bottom.
    """
    from matplotlib import colormaps
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    panels = {
        "δ: RMS of dE/d(output), one image's loss": lambda row: row.delta,
        "‖gradient‖ / ‖weights‖": lambda row: row.gradient / row.weights if row.weights else float("nan"),
        "flat units, %: |dy/dx| < 0.01 on every image": lambda row: 100 * row.flat_units,
    }
    figure = Figure(figsize=(12, 4.6), dpi=140, layout="constrained")
    figure.suptitle(literal(title), fontsize=13)
    for panel, (label, value) in zip(figure.subplots(1, 3), panels.items()):
        lines = {}
        for row in rows:
            if not np.isnan(value(row)):
                lines.setdefault((row.layer, row.name), {})[row.epoch] = value(row)
        tints, ends = np.linspace(0, 0.8, max(len(lines), 2)), []
        panel.set_title(label, fontsize=10, loc="left")
        panel.set_xlabel("epoch", fontsize=12)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.grid(alpha=0.3)
        if "%" in label:
            panel.set_ylim(-4, 104)
        elif any(number > 0 for line in lines.values() for number in line.values()):
            panel.set_yscale("log", nonpositive="mask")
        for ((_, name), line), tint in zip(sorted(lines.items()), tints):
            colour = colormaps["viridis"](tint)
            panel.plot(list(line), list(line.values()), "o-", color=colour, markersize=4, linewidth=1.6)
            ends.append((list(line.values())[-1], name, colour))
        _name_lines(panel, ends[:: -(-len(ends) // LABELS) or 1])
    return figure


def _name_lines(panel, ends: list[tuple]) -> None:
    """Write names (last value, name, colour) right of a panel, at the heights of the values or near them."""
    logarithmic, named = panel.get_yscale() == "log", []
    panel.get_ylim()  # settles the limits, which the heights below are parts of
    for value, name, colour in ends:
        shown = value > 0 or not logarithmic
        height = panel.transLimits.transform(panel.transScale.transform((0, value)))[1] if shown else 0.0
        named.append([height, name if shown else f"{name}: 0", colour])
    named.sort(key=lambda place: place[0])
    below, above = -1.0, 1.0
    for place in named:
        below = place[0] = max(place[0], below + 0.055)
    for place in reversed(named):  # what was pushed beyond the top moves down again
        place[0] = min(place[0], above)
        above = place[0] - 0.055
    for height, name, colour in named:
        at = {"xycoords": "axes fraction", "va": "center", "annotation_clip": False}
        panel.annotate(literal(name), (1.02, height), color=colour, fontsize=11, **at)
