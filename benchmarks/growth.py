"""How time and memory grow with batch size, width and depth, beside the lower bound.

    python benchmarks/growth.py               about 2 minutes; leave the machine alone meanwhile
    python benchmarks/growth.py --draw-only   GROWTH.md and growth.png again from growth.json
    python benchmarks/growth.py --quick       a smoke test: its numbers mean nothing; goes to runs/

On one core, in one process: a stretch of solve_net.train_net and as many steps of the lower bound in turn, round after
round, for batch sizes 1 to 4096, widths 16 to 2048 and depths 0 to 8; where a step's time goes, part by part; and the
peak memory of `python run_mlp.py` against its width.
"""

import sys
import time
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from training.command import ROOT, run_command  # isort: split

import numpy as np

import curves
from benchmarks import cases
from benchmarks.cases import TRAINING_IMAGES, Case, in_words, median_range, table
from benchmarks.implementations import ThisProgram
from benchmarks.processes import bind, our_process, whole_process
from load_data import load_dataset

ROUNDS = 5
BATCHES = [2**power for power in range(13)]
WIDTHS = [2**power for power in range(4, 12)]
DEPTHS = [0, 1, 2, 3, 4, 6, 8]
PARTS_OF = [((100,), 1), ((100,), 10), ((100,), 100), ((100,), 4096), ((2048,), 100), ((100,) * 8, 100)]
STRETCH = 0.25  # seconds of training timed at once
PARTS = ("forward", "loss gradient", "backward", "update", "means")
AXES = {"batch size": "784-100-10", "width": "one hidden layer, batch 100", "depth": "hidden layers of 100, batch 100"}


def main(arguments: list[str]) -> int:
    grown, folder = cases.measured_or_stored("growth", __doc__, arguments, ROUNDS, measured)
    cases.write_text(folder / "GROWTH.md", page(grown))
    draw(folder / "growth.png", grown)
    print(f"{folder / 'GROWTH.md'} and growth.png")
    return 0


# ---- measuring


def measured(rounds: int, quick: bool) -> dict:
    """Return everything that is measured; of each point the seconds per step of ours and of the lower bound."""
    pick, stretch = slice(None, None, 6 if quick else 1), STRETCH / 10 if quick else STRETCH
    grown = {"made_with": cases.made_with(["numpy", "threadpoolctl"], rounds)}
    grown["empty"] = whole_process([sys.executable, "-c", "import numpy; print('ready')"], "ready").peak
    data = load_dataset(ROOT / "data")
    grown["memory"] = {width: memory(data, width) for width in WIDTHS[pick]}
    bind(1)
    ours = ThisProgram(data)
    grown["points"] = {
        "batch size": {n: point(ours, (100,), n, rounds, stretch) for n in BATCHES[pick]},
        "width": {n: point(ours, (n,), 100, rounds, stretch) for n in WIDTHS[pick]},
        "depth": {n: point(ours, (100,) * n, 100, rounds, stretch) for n in DEPTHS[pick]},
    }
    grown["parts"] = {}
    for hidden, batch_size in PARTS_OF[pick]:
        case = sized(hidden, batch_size, 2 * stretch)
        grown["parts"][case.name] = parts(ours, case)
    return grown


def memory(data, width: int) -> dict:
    """MB: the peak of a run, and what training must hold (the data as it is kept, and the parameters three times)."""
    peak = our_process("--hidden", str(width), "--batch-size", "100", "--no-plot").peak
    print(f"width {width}: peak memory {peak:.0f} MB", flush=True)
    arrays = data.train_images, data.train_labels, data.test_images, data.test_labels
    parameters = Case((width,), 100, 0).parameters
    return {"peak": peak, "held": (sum(array.nbytes for array in arrays) + 3 * 4 * parameters) / 1e6}


def sized(hidden: tuple[int, ...], batch_size: int, stretch: float) -> Case:
    """A case whose steps take about so many seconds, and no more than an epoch."""
    case = Case(hidden, batch_size, 0)
    about = 40e-6 + 6 * case.parameters * batch_size / 60e9
    return case._replace(steps=max(2, min(round(stretch / about), TRAINING_IMAGES // batch_size)))


def point(ours: ThisProgram, hidden: tuple[int, ...], batch_size: int, rounds: int, stretch: float) -> dict:
    """Ours and the lower bound in turn; the first round warms up."""
    case = sized(hidden, batch_size, stretch)
    ours.prepare(case)
    pairs = [(timed(ours, case, number), ours.lower_bound.seconds_per_step(case.steps)) for number in range(rounds + 1)]
    mine, bound = (list(seconds) for seconds in zip(*pairs[1:]))
    print(f"{case.name}: {1e6 * min(mine):.0f} µs per step, lower bound {1e6 * min(bound):.0f} µs", flush=True)
    return {"ours": mine, "bound": bound, "batch_size": batch_size}


def timed(ours: ThisProgram, case: Case, seed: int) -> float:
    """Seconds per step of train_net."""
    order = np.random.default_rng(seed).permutation(case.steps * case.batch_size)
    start = time.perf_counter()
    ours.train(order)
    return (time.perf_counter() - start) / case.steps


def parts(ours: ThisProgram, case: Case) -> dict:
    """Seconds per step of each part, by a stopwatch around every call; the rest is drawing the batch and the loop."""
    ours.prepare(case)
    timed(ours, case, 0)
    spent = defaultdict(float)
    for owner, method, part in (
        (ours.model, "forward", "forward"),
        (ours.loss, "backward", "loss gradient"),
        (ours.model, "backward", "backward"),
        (ours.model, "update", "update"),
        (ours.loss, "forward", "means"),
    ):
        setattr(owner, method, stopwatch(getattr(owner, method), spent, part))
    step = timed(ours, case, 1)
    mine = {part: spent[part] / case.steps for part in PARTS}
    mine["draw and the rest"] = step - sum(mine.values())
    bound, spent = ours.lower_bound, defaultdict(float)
    forward, backward, update = (
        stopwatch(work, spent, part)
        for work, part in ((bound.products, "forward"), (bound.products, "backward"), (bound.update, "update"))
    )
    for _ in range(case.steps):
        forward(bound.forward)
        backward(bound.backward)
        update()
    return {"ours": mine, "bound": {part: spent[part] / case.steps for part in ("forward", "backward", "update")}}


def stopwatch(work, spent: dict, part: str):
    """Return the same function, which adds the time of each call to spent[part]."""

    def timed_work(*arguments):
        start = time.perf_counter()
        result = work(*arguments)
        spent[part] += time.perf_counter() - start
        return result

    return timed_work


# ---- GROWTH.md

HEAD = """\
# How it grows

Written by `python benchmarks/growth.py` from `growth.json`. To measure again:

```sh
pip install -r requirements.txt
python benchmarks/growth.py
```

![Time per image against batch size, width and depth, and memory against width](growth.png)
"""

WHAT = """
One core; Sigmoid, softmax cross-entropy, SGD, float32, MNIST. Ours is `solve_net.train_net` with all it does; the lower
bound is the matrix products and one in-place update of the same shapes, on arrays that stay in the cache, in turn with
ours in one process. Times are per image: medians of the rounds, with the least and the greatest in brackets.
"""

WHY = """\
## Where the time beside the products goes

{where}

In µs per step: ours, and the lower bound's in brackets. One stretch under a stopwatch, whose own cost (about 0.1 µs a
call) is in it.

{table}
Beside its products, `forward` adds the biases, computes the activations and makes new arrays; `backward` has the
activations' derivatives and the sums for the biases. `draw and the rest` gathers the batch's images, makes normalised
floats of their bytes, and runs the loop; `loss gradient` is the softmax; `means` are the loss and accuracy of each 50
steps, for the curves. Their cost has two shares: one for each call of NumPy, the same at every size, which counts most
in small steps; and one for each number, which stays at any size.
"""

MEMORY = """\
## Memory against width

Peak resident memory of `python run_mlp.py --hidden WIDTH --batch-size 100 --max-epoch 1 --no-plot`, each a process of
its own; the bytes that training must hold (the images as bytes, the labels, and the parameters three times: themselves,
gradients, velocity); and these bytes on top of a process that imports NumPy and ends ({empty:.0f} MB).
"""


def page(grown: dict) -> str:
    """Return GROWTH.md."""
    lines = [HEAD, *(f"- {line}" for line in grown["made_with"]), WHAT]
    for axis, points in grown["points"].items():
        rows = [
            [at, in_words(per_image(p, "ours"), 2), in_words(per_image(p, "bound"), 2), in_words(share(p), 0, " %")]
            for at, p in points.items()
        ]
        heads = [axis, "ours, µs per image", "lower bound, µs per image", "lower bound / ours"]
        lines += [f"## {axis.capitalize()}: {AXES[axis]}\n", table(heads, rows)]
    lines += [WHY.format(where=_where(grown["points"]), table=_parts(grown["parts"])), MEMORY.format(**grown)]
    rows = [
        [width, f"{each['peak']:.0f}", f"{each['held']:.0f}", f"{grown['empty'] + each['held']:.0f}"]
        for width, each in grown["memory"].items()
    ]
    lines.append(table(["width", "peak, MB", "must be held, MB", "with Python and NumPy, MB"], rows))
    return "\n".join(lines).rstrip("\n") + "\n"


def per_image(point: dict, whose: str) -> list[float]:
    return [1e6 * each / point["batch_size"] for each in point[whose]]


def share(point: dict) -> list[float]:
    return [100 * bound / ours for bound, ours in zip(point["bound"], point["ours"])]


def _where(points: dict) -> str:
    """The lower bound's share at the ends of each axis, and its greatest, in sentences."""
    sentences = []
    for axis, each in points.items():
        shares = {at: median_range(share(point))[0] for at, point in each.items()}
        (first, *_, last), best = shares, max(shares, key=shares.get)
        sentences.append(
            f"Against {axis} the lower bound is {shares[first]:.0f} % of our time at {first} and {shares[last]:.0f} % "
            f"at {last}; at most {shares[best]:.0f} %, at {best}."
        )
    return "\n".join(sentences)


def _parts(by_case: dict) -> str:
    rows = []
    for case, each in by_case.items():
        ours, bound = each["ours"], each["bound"]
        cells = [f"{1e6 * ours[p]:,.1f}" + (f" ({1e6 * bound[p]:,.1f})" if p in bound else "") for p in ours]
        rows.append([case, *cells])
    return table(["", *next(iter(by_case.values()))["ours"]], rows)


# ---- growth.png

OURS = {"color": curves.COLOURS[0], "marker": "o", "linestyle": "-"}
BOUND = {"color": curves.COLOURS[6], "marker": "s", "linestyle": "--"}
WITH_PYTHON = {"color": curves.COLOURS[1], "marker": "^", "linestyle": "-."}


def draw(path: Path, grown: dict) -> None:
    """Four panels: time per image against batch size, width and depth; memory against width."""
    curves.use_project_cache()
    curves.load_matplotlib()
    from matplotlib import style
    from matplotlib.figure import Figure

    with style.context("default"):
        figure = Figure(figsize=(8.5, 7.4), dpi=160, layout="constrained")
        figure.suptitle("How time and memory grow, on one core", fontsize=12)
        panels = figure.subplots(2, 2)
        for panel, (axis, points) in zip(panels.flat, grown["points"].items()):
            _times(panel, f"{axis} ({AXES[axis]})", {int(at): each for at, each in points.items()})
        _memory(panels[1, 1], grown)
        for panel in panels.flat:
            panel.grid(alpha=0.3)
            panel.legend(fontsize=9, loc="best")
        curves.save(figure, path)


def _times(panel, what: str, points: dict) -> None:
    from matplotlib.ticker import LogLocator

    x = list(points)
    for name, whose, look in (("this program", "ours", OURS), ("lower bound", "bound", BOUND)):
        medians, least, greatest = zip(*(median_range(per_image(each, whose)) for each in points.values()))
        panel.plot(x, medians, markersize=4, linewidth=1.4, label=name, **look)
        panel.fill_between(x, least, greatest, color=look["color"], alpha=0.2, linewidth=0)
    if min(x) > 0:
        panel.set_xscale("log", base=2)
        panel.set_yscale("log")
        panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.yaxis.set_major_formatter("{x:g}")
        panel.yaxis.set_minor_formatter("")
    else:
        panel.set_xticks(x)
        panel.set_ylim(bottom=0)
    panel.xaxis.set_major_formatter("{x:g}")
    panel.set_xlabel(what, fontsize=9.5)
    panel.set_ylabel("µs per image", fontsize=9.5)


def _memory(panel, grown: dict) -> None:
    widths = [int(width) for width in grown["memory"]]
    peaks, held = ([each[key] for each in grown["memory"].values()] for key in ("peak", "held"))
    for name, values, look in (
        ("this program", peaks, OURS),
        ("Python, NumPy and what must be held", [grown["empty"] + each for each in held], WITH_PYTHON),
        ("must be held: data, 3 × parameters", held, BOUND),
    ):
        panel.plot(widths, values, markersize=4, linewidth=1.4, label=name, **look)
    panel.set_xscale("log", base=2)
    panel.xaxis.set_major_formatter("{x:g}")
    panel.set_ylim(0, 1.5 * max(peaks))
    panel.set_xlabel("width of the hidden layer (batch 100)", fontsize=9.5)
    panel.set_ylabel("peak resident memory, MB", fontsize=9.5)


if __name__ == "__main__":
    run_command(main)
