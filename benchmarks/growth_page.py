"""Writes GROWTH.md and draws growth.png, all of them, from what growth.py has measured."""

from pathlib import Path

import curves
from benchmarks import machine
from benchmarks.bars import with_spread
from benchmarks.processes import spread
from utils import atomic_write

OURS = {"color": curves.COLOURS[0], "marker": "o", "linestyle": "-"}
WITH_PYTHON = {"color": curves.COLOURS[1], "marker": "^", "linestyle": "-."}
LIMIT = {"color": curves.COLOURS[6], "marker": "s", "linestyle": "--"}

HEAD = """\
# How it grows

Written by `python benchmarks/growth.py`. To print it again:

```sh
pip install -r requirements.txt
python benchmarks/growth.py
```

![Time per image against batch size, width and depth, and memory against width](growth.png)
"""

WHAT = """
One core; Sigmoid, softmax cross-entropy, SGD, float32, MNIST. Ours is `solve_net.train_net` with all it does; the limit
is the bare matrix products and one in-place update of the same shapes, on arrays that stay in the cache, in turn with
ours in one process. Times are per image: medians of the rounds, with the least and the greatest in brackets.
"""

WHY = """\
## Where the program leaves the limit, and why

{where}

Where a step's time goes, in µs: ours, and the limit's in brackets. One stretch under a stopwatch, whose own cost (about
0.1 µs a call) is in it.

{table}
Beside its products, `forward` adds the biases, computes the activations and makes new arrays; `backward` has the
activations' derivatives and the sums for the biases. `draw and the rest` gathers the batch's images, makes normalised
floats of their bytes, and runs the loop; `loss gradient` is the softmax; `means` are the loss and accuracy of each 50
steps, for the curves. The limit has none of these. Their cost has two shares: one for each call of NumPy, the same at
every size, which counts most in small steps; and one for each number, which stays at any size. At batch 1 the gradient
of the weights is one column times one row, and the limit takes `np.dot` for it: `np.matmul` would leave BLAS.

What costs most beside the limit: {most}.
"""

MEMORY = """\
## Memory against width

Peak resident memory of `python run_mlp.py --hidden WIDTH --batch-size 100 --max-epoch 1 --no-plot`, each a process of
its own; the bytes that training must hold (the images as bytes, the labels, and the parameters three times: themselves,
gradients, velocity); and these bytes on top of a process that imports NumPy and ends ({empty:.0f} MB). What is left are
the other modules, BLAS's buffers, the arrays of a batch, and copies of the parameters that are kept or being written.
"""


def write(path: Path, grown, rounds: str, load: float) -> None:
    """grown: growth.Growth; rounds: how many and how long, in words; load: of the machine before the start."""
    batches = _table("batch size", [(point.case.batch_size, point) for point in grown.batches])
    widths = _table("width", [(point.case.hidden[0], point) for point in grown.widths])
    depths = _table("hidden layers", [(len(point.case.hidden), point) for point in grown.depths])
    memory = [
        f"| {width} | {peak:.0f} | {grown.needed[width]:.0f} | {grown.empty + grown.needed[width]:.0f} |"
        for width, peak in grown.memory.items()
    ]
    parts = [
        HEAD,
        *machine.described(["numpy", "threadpoolctl"], load),
        f"- {rounds}",
        WHAT,
        "## Batch size: 784-100-10",
        "",
        *batches,
        "## Width: one hidden layer, batch 100",
        "",
        *widths,
        "## Depth: hidden layers of 100, batch 100",
        "",
        *depths,
        WHY.format(where=_where(grown), table=_parts(grown), most=_most(grown)),
        MEMORY.format(empty=grown.empty),
        "| width | peak, MB | must be held, MB | with Python and NumPy, MB |",
        "| --- | --- | --- | --- |",
        *memory,
    ]
    with atomic_write(path) as file:
        file.write(("\n".join(parts) + "\n").encode())


def _share(point) -> list[float]:
    return [100 * limit / ours for ours, limit in zip(point.ours, point.limit)]


def _per_image(point, seconds: list[float]) -> list[float]:
    return [1e6 * each / point.case.batch_size for each in seconds]


def _table(what: str, points: list) -> list[str]:
    lines = [f"| {what} | ours, µs per image | limit, µs per image | share of the limit |", "| --- | --- | --- | --- |"]
    for value, point in points:
        ours, limit = (with_spread(_per_image(point, seconds), 2) for seconds in (point.ours, point.limit))
        lines.append(f"| {value} | {ours} | {limit} | {with_spread(_share(point), 0, ' %')} |")
    return [*lines, ""]


def _where(grown) -> str:
    """The share of the limit at the ends of each axis, and its best, in sentences."""
    sentences = []
    for what, points in (
        ("batch size", {point.case.batch_size: point for point in grown.batches}),
        ("width", {point.case.hidden[0]: point for point in grown.widths}),
        ("depth", {len(point.case.hidden): point for point in grown.depths}),
    ):
        shares = {at: spread(_share(point))[0] for at, point in points.items()}
        (first, *_, last), best = shares, max(shares, key=shares.get)
        sentences.append(
            f"Against {what} the share of the limit is {shares[first]:.0f} % at {first} and {shares[last]:.0f} % at "
            f"{last}; it is greatest at {best}, {shares[best]:.0f} %."
        )
    return "\n".join(sentences)


def _parts(grown) -> str:
    heads = list(grown.parts[0].ours)
    lines = ["| " + " | ".join(["", *heads]) + " |", "| --- " * (len(heads) + 1) + "|"]
    for row in grown.parts:
        cells = [
            f"{1e6 * row.ours[part]:,.1f}" + (f" ({1e6 * row.limit[part]:,.1f})" if part in row.limit else "")
            for part in heads
        ]
        lines.append("| " + " | ".join([row.case.name, *cells]) + " |")
    return "\n".join(lines) + "\n"


def _most(grown) -> str:
    """For each network looked at, the two parts that exceed the limit most."""
    found = []
    for row in grown.parts:
        beside = {part: 1e6 * (seconds - row.limit.get(part, 0)) for part, seconds in row.ours.items()}
        first, second = sorted(beside, key=beside.get, reverse=True)[:2]
        found.append(f"{row.case.name}, {first} ({beside[first]:,.1f} µs) and {second} ({beside[second]:,.1f} µs)")
    return ";\n".join(found)


def draw(path: Path, grown) -> None:
    """Four panels: time per image against batch size, width and depth; memory against width."""
    curves.use_project_cache()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.4, 7.4), dpi=200, layout="constrained")
    figure.suptitle("How time and memory grow: this program and the limit, one core", fontsize=11)
    panels = figure.subplots(2, 2)
    _times(panels[0, 0], "batch size (784-100-10)", {p.case.batch_size: p for p in grown.batches})
    _times(panels[0, 1], "width of the hidden layer (batch 100)", {p.case.hidden[0]: p for p in grown.widths})
    _times(panels[1, 0], "hidden layers of 100 (batch 100)", {len(p.case.hidden): p for p in grown.depths})
    _memory(panels[1, 1], grown)
    for panel in panels.flat:
        panel.grid(alpha=0.3)
        panel.tick_params(labelsize=8)
        panel.margins(x=0.08)
        panel.legend(fontsize=8, loc="upper right" if panel is panels[0, 0] else "upper left")
    curves.save(figure, path)


def _times(panel, what: str, points: dict) -> None:
    """points: where on the x axis, and what was measured there."""
    x = list(points)
    for name, attribute, look in (
        ("this program", "ours", OURS),
        ("limit: bare products and update", "limit", LIMIT),
    ):
        spreads = [spread(_per_image(point, getattr(point, attribute))) for point in points.values()]
        medians, least, greatest = (list(values) for values in zip(*spreads))
        panel.plot(x, medians, markersize=4, linewidth=1.4, label=name, **look)
        panel.fill_between(x, least, greatest, color=look["color"], alpha=0.2, linewidth=0)
        _label_ends(panel, x, medians, look["color"], above=attribute == "ours", form="{:.3g}")
    if min(x) > 0:
        panel.set_xscale("log", base=2)
        panel.set_yscale("log")
        panel.margins(y=0.2)
        panel.yaxis.set_major_formatter("{x:g}")
        panel.yaxis.set_minor_formatter("")
    else:
        panel.margins(y=0.25)
        panel.set_xticks(x)
        panel.set_ylim(bottom=-0.1 * max(medians))  # room for a number below the first point
    panel.xaxis.set_major_formatter("{x:g}")
    panel.set_xlabel(what, fontsize=9)
    panel.set_ylabel("µs per image", fontsize=9)


def _memory(panel, grown) -> None:
    widths, held = list(grown.memory), list(grown.needed.values())
    for name, values, look, above in (
        ("this program", list(grown.memory.values()), OURS, True),
        ("Python, NumPy, and what must be held", [grown.empty + each for each in held], WITH_PYTHON, False),
        ("must be held: data, 3 × parameters", held, LIMIT, False),
    ):
        panel.plot(widths, values, markersize=4, linewidth=1.4, label=name, **look)
        _label_ends(panel, widths, values, look["color"], above, form="{:.0f}")
    panel.set_xscale("log", base=2)
    panel.xaxis.set_major_formatter("{x:g}")
    panel.set_ylim(0, 1.45 * max(grown.memory.values()))
    panel.set_xlabel("width of the hidden layer (batch 100)", fontsize=9)
    panel.set_ylabel("peak resident memory, MB", fontsize=9)


def _label_ends(panel, x: list, y: list[float], colour: str, above: bool, form: str) -> None:
    """The first and the last number, at their points."""
    for at, horizontal, right in ((0, "right", 7), (-1, "center", 0)):
        panel.annotate(
            form.format(y[at]),
            (x[at], y[at]),
            xytext=(right, 5 if above else -5),
            textcoords="offset points",
            ha=horizontal,
            va="bottom" if above else "top",
            fontsize=8,
            color=colour,
        )
