"""Writes RESULTS.md, all of it, from what compare.py has measured."""

import textwrap
from pathlib import Path

from benchmarks import bars, machine
from benchmarks.bars import Results, Verdict, with_spread
from benchmarks.cases import CASES, LIMIT, TITLES
from benchmarks.processes import spread
from utils import atomic_write

PACKAGES = ["numpy", "torch", "jax", "jaxlib", "scikit-learn", "scipy", "threadpoolctl"]
CORES = {1: "one core", 2: "two cores"}

HEAD = """\
# Against other libraries, and against the limit

Written by `python benchmarks/compare.py`. To print it again:

```sh
pip install -r benchmarks/requirements.txt
python benchmarks/compare.py
```

![Time of a training step of every contestant](compare.png)
"""

WHAT = """
Sigmoid, softmax cross-entropy, SGD at learning rate 0.01 on MNIST's 60,000 training images, in float32 (the textbook
loop: float64). A step is all that its user waits for: draw the batch, forward, loss and its gradient, backward, update.
Each contestant is a process of its own, bound to one processor or to two before its library is loaded, and they take
turns. The limit is the bare matrix products and one in-place update of the same shapes, on arrays that stay in the
cache: in our process, in turn with our steps, on as many threads.

Numbers are medians over the rounds, with the least and the greatest in brackets; ratios are taken within a round.
"""

PROGRAM = """\
## The real program

An epoch of 784-100-10 on one core. With everything: `run_mlp.main`, as the command calls it, with `config.json`,
`metrics.csv`, every line that it prints (into a file), whatever it saves after each epoch and the model at the end, but
without the picture. Without: `run_mlp.train` without callbacks, which evaluates as often and computes the same means.
Both get the data from memory. What is written once in a run is shared out over few epochs here, so in a run of 50 the
share is smaller. Epochs timed at once: {epochs}.
"""

PROCESSES = """\
## Whole processes

784-100-10 at batch 10, one epoch, not bound to a processor. Ours is `python run_mlp.py --max-epoch 1` (Relu) with all
that it prints, writes and draws; its first step is its first training line, which comes after an evaluation and 50
steps. A peer is a script that imports its library, reads the same files, makes floats of them, trains one step, then an
epoch; it evaluates and writes nothing. PyTorch finds the kernels that an earlier process has compiled.
"""

CONTESTANTS = """\
## The contestants

Same first weights, same order of the images (each round a new one, drawn by NumPy within the timed part), same loss.
Before the rounds of a case each peer trains 20 steps of it from our first weights in our order. In brackets: the
largest difference of a weight from ours after that, as a share of the largest change of a weight.
"""

THREADS = """\
Threads asked for / processors really at work (processor time over time) / threads that exist in the process.
"""
ON_TWO = """\
Each takes one thread or two, whichever was faster for the case in a short trial. Ours takes what `--threads auto`
chooses; JAX offers no choice within a process.
"""


def write(path: Path, results: Results, verdicts: list[Verdict], rounds: str, load: float) -> None:
    """rounds: how many and how long, in words; load: of the machine before the start."""
    parts = [
        HEAD,
        *machine.described(PACKAGES, load),
        f"- {rounds}",
        *(f"- left out: {sentence}" for sentence in results.left_out),
        WHAT,
        *_bars(results, verdicts),
        *(line for cores in results.seconds for line in _steps(results, cores)),
        *_program(results),
        *_processes(results),
        *_contestants(results),
        *(line for cores in results.used for line in _threads(results, cores)),
    ]
    with atomic_write(path) as file:
        file.write(("\n".join(parts).rstrip("\n") + "\n").encode())


def _table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def _text(paragraph: str, indent: str = "") -> str:
    return textwrap.fill(paragraph, 120, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _bars(results: Results, verdicts: list[Verdict]) -> list[str]:
    words = {None: "not measured", True: "reached", False: "not reached"}[bars.stretch_reached(results)]
    return [
        "## The bars",
        "",
        "Times are theirs over ours. Met within the spread: the median misses the bar, the best round does not.",
        "",
        _table(["", "bar", "measured", ""], [list(verdict) for verdict in verdicts]),
        f"Stretch, every peer at least {bars.STRETCH:g}× our time in every case on two cores: {words}.",
        "",
    ]


def _steps(results: Results, cores: int) -> list[str]:
    measured = {name: case for case in CASES if (name := case.name) in results.seconds[cores]}
    in_order = [name for name in results.seconds[cores] if name in measured]
    names = [name for name in TITLES if any(name in results.seconds[cores][case] for case in in_order)]
    titles = [TITLES[name] for name in names]

    def cell(values: list[float], digits: int, unit: str = "") -> str:
        return with_spread(values, digits, unit) if values else "-"

    times, ratios = [], []
    for case in in_order:
        seconds = results.seconds[cores][case]
        times.append([case, *(cell([1e6 * s for s in seconds.get(name, [])], 0) for name in [*names, LIMIT])])
        theirs = [cell(bars.ratios(results, cores, measured[case], name), 2) for name in names if name != "ours"]
        ratios.append([case, *theirs, cell(bars.shares(results, cores, measured[case]), 0, " %")])
    return [
        f"## {CORES[cores].capitalize()}",
        "",
        "µs per step:",
        "",
        _table(["", *titles, "limit"], times),
        "Times ours (above 1: slower than this program), and our share of the limit:",
        "",
        _table(["", *titles[1:], "share of the limit"], ratios),
    ]


def _program(results: Results) -> list[str]:
    program = results.program
    sizes = sorted({int(name.split()[1]) for name in program if name.startswith("epoch")})
    rows = []
    for size in sizes:
        logged, bare = (with_spread(program[f"epoch {size} {kind}"], 3, " s") for kind in ("logged", "bare"))
        rows.append([f"batch {size}", logged, bare, with_spread(bars.logging_share(results, size), 1, " %")])
    ours, bare = (with_spread([1e3 * s for s in program[f"evaluation {kind}"]], 1, " ms") for kind in ("ours", "bare"))
    epochs = ", ".join(f"{results.epochs[size]} at batch {size}" for size in sizes)
    return [
        PROGRAM.format(epochs=epochs),
        _table(["", "with everything", "without logging and writing", "share of logging and writing"], rows),
        _text(
            f"One evaluation of the 10,000 test images takes {ours}, its bare products in blocks of the same size "
            f"{bare}: {with_spread(bars.evaluation(results), 2)} times."
        ),
        "",
    ]


def _processes(results: Results) -> list[str]:
    rows = [
        [TITLES[name], with_spread([w.peak for w in wholes], 0), with_spread([w.first_mark for w in wholes], 2)]
        for name, wholes in results.whole.items()
    ]
    heads = ["", "peak resident memory, MB", "start of the command to the first step, s"]
    return [PROCESSES, _table(heads, rows)]


def _contestants(results: Results) -> list[str]:
    lines = []
    for name, about in results.about.items():
        used = [used[name] for cases in results.used.values() for used in cases.values() if name in used]
        differences = [each["difference"] for each in used if "difference" in each]
        largest = f" ({max(differences):.0e})" if differences else ""
        pools = ", ".join(about["pools"]) or "none that is known"
        line = f"- **{TITLES[name]}**{largest}. {about['setting']} Thread pools in its process: {pools}."
        lines.append(_text(line, indent="  "))
    return [CONTESTANTS, *lines, ""]


def _threads(results: Results, cores: int) -> list[str]:
    cases = results.used[cores]
    names = [name for name in results.about if any(name in used for used in cases.values())]

    def cell(used: dict | None) -> str:
        if used is None:
            return "-"
        return f"{used['threads']} / {spread(used['busy'])[0]:.2f} / {used['in_process'] or '?'}"

    bound = all(results.about[name]["bound"] for name in names)
    return [
        f"## Threads, {CORES[cores]}",
        "",
        THREADS + ("" if bound else "This system cannot bind a process: only the numbers were set.\n"),
        *([ON_TWO] if cores > 1 else []),
        _table(
            ["", *(TITLES[name] for name in names)],
            [[case, *(cell(used.get(name)) for name in names)] for case, used in cases.items()],
        ),
    ]
