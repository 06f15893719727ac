"""This program against PyTorch, JAX, scikit-learn and a textbook loop, and beside its lower bound.

    pip install -r benchmarks/requirements.txt     (a library that is not installed is left out)
    python benchmarks/compare.py                   about 15 minutes on 2 cores; leave the machine alone meanwhile
    python benchmarks/compare.py --draw-only       RESULTS.md and compare.png again from compare.json
    python benchmarks/compare.py --quick           a smoke test: its numbers mean nothing; goes to runs/

Each implementation is a process of its own (processes.py), bound to one core or to two. They take turns, round after
round (A B C A B C …): a busy minute of the machine hits all of them; ratios are taken within a round. The rounds are
kept in compare.json, and all pages and pictures come from it. Exits 5 if a library computes something else.
"""

import contextlib
import importlib.util
import itertools
import sys
import tempfile
import textwrap
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from training.command import run_command  # isort: split

import curves
from benchmarks import cases
from benchmarks.cases import CASES, LOWER_BOUND, PACKAGES, TITLES, Case, in_words, median_range, table
from benchmarks.processes import Worker, cores_here, our_process, their_process
from utils import Error

ROUNDS, WHOLE_ROUNDS = 7, 3
ALLOWED_DIFFERENCE = 1e-3  # of a weight after 20 steps, as a share of the largest change
QUICK_CASES = [Case((100,), 100, 20)]
LIBRARIES = ["numpy", "torch", "jax", "jaxlib", "scikit-learn", "scipy", "threadpoolctl"]
CORES = {"1": "one core", "2": "two cores"}


class DifferentResult(Error):
    """A library computes something else, so its time says nothing."""

    exit_code = 5


def main(arguments: list[str]) -> int:
    results, folder = cases.measured_or_stored("compare", __doc__, arguments, ROUNDS, measured)
    cases.write_text(folder / "RESULTS.md", page(results))
    draw(folder / "compare.png", results)
    print(in_a_sentence(results))
    print(f"{folder / 'RESULTS.md'} and compare.png")
    return 0


# ---- measuring


def measured(rounds: int, quick: bool) -> dict:
    """Return everything that is measured: a list for each number, with one entry a round."""
    results = {"made_with": cases.made_with(LIBRARIES, rounds), "left_out": []}
    results |= {"seconds": {}, "used": {}, "whole": {}, "about": {}}
    names = installed(results)
    with tempfile.TemporaryDirectory() as cache:
        measure_processes(results, names, 1 if quick else min(rounds, WHOLE_ROUNDS), cache, quick)
        for cores in (1, 2):
            if cores > cores_here():
                leave_out(results, f"{cores} cores: this process may use {cores_here()}")
                continue
            if quick:
                names = [name for name in names if name != "compiled"]  # compiling takes 20 s a case
            with contextlib.ExitStack() as stack:
                workers = started(names, cores, results, cache, stack)
                for case in QUICK_CASES if quick else CASES:
                    measure_case(results, cores, case, workers, rounds)
    return results


def say(text: str) -> None:
    print(text, flush=True)


def leave_out(results: dict, sentence: str) -> None:
    if sentence not in results["left_out"]:
        results["left_out"].append(sentence)
        say(f"left out: {sentence}")


def installed(results: dict) -> list[str]:
    """The implementations whose library is here; a line for each that is not."""
    for package in dict.fromkeys(PACKAGES.values()):
        if importlib.util.find_spec(package) is None:
            leave_out(results, f"{package} is not installed: pip install -r benchmarks/requirements.txt")
    return [name for name in TITLES if name not in PACKAGES or importlib.util.find_spec(PACKAGES[name])]


def started(names: list[str], cores: int, results: dict, cache: str, stack: contextlib.ExitStack) -> dict[str, Worker]:
    """A worker for each implementation, ready."""
    workers = {name: Worker(name, cores, cache) for name in names}
    for worker in workers.values():
        stack.callback(worker.close)
    for name, worker in list(workers.items()):
        try:
            results["about"][name] = worker.answer()
        except Error as error:
            leave_out(results, str(error))
            del workers[name]
    return workers


def measure_case(results: dict, cores: int, case: Case, workers: dict[str, Worker], rounds: int) -> None:
    """A case on so many cores: prepare and check each implementation, a round to warm up, and the rounds."""
    seconds = results["seconds"].setdefault(str(cores), {}).setdefault(case.name, {})
    used = results["used"].setdefault(str(cores), {}).setdefault(case.name, {})
    for name, worker in list(workers.items()):
        try:
            used[name] = worker.ask("prepare", case=case) | {"busy": []}
            worker.ask("run", seed=0)
            if name == "ours":
                worker.ask("lower_bound")
        except Error as error:
            if name == "ours":
                raise
            leave_out(results, f"{error} ({case.name}, {CORES[str(cores)]})")
            used.pop(name, None)
            del workers[name]
            continue
        if used[name].get("difference", 0) > ALLOWED_DIFFERENCE:
            raise DifferentResult(
                f"{TITLES[name]} computes something else: after 20 steps of {case.name} a weight differs by "
                f"{used[name]['difference']:.1e} of the largest change"
            )
    for number in range(1, rounds + 1):
        for name, worker in workers.items():
            answer = worker.ask("run", seed=number)
            seconds.setdefault(name, []).append(answer["seconds"])
            used[name]["busy"].append(answer["busy"])
            if name == "ours":
                seconds.setdefault(LOWER_BOUND, []).append(worker.ask("lower_bound")["seconds"])
    of_all = (f"{TITLES.get(name, name)} {in_words(micro(each), 0)}" for name, each in seconds.items())
    say(f"{CORES[str(cores)]}, {case.name}, µs per step: " + "; ".join(of_all))


def measure_processes(results: dict, names: list[str], rounds: int, cache: str, quick: bool) -> None:
    """Whole processes in turn: `python run_mlp.py --max-epoch 1`, and for each library a script that does the same."""
    names = [names[0], names[-1]] if quick else names
    for _, name in itertools.product(range(rounds), names):
        try:
            whole = our_process() if name == "ours" else their_process(name, cache)
            results["whole"].setdefault(name, []).append(list(whole))
        except Error as error:
            if name == "ours":
                raise
            leave_out(results, f"{TITLES[name]}: {error}")


# ---- what the rounds say


def micro(seconds: list[float]) -> list[float]:
    return [1e6 * each for each in seconds]


def ratios(seconds: dict, name: str) -> list[float]:
    """Round by round: the time of this implementation over ours. Empty if it was not measured."""
    return [theirs / ours for theirs, ours in zip(seconds.get(name, []), seconds["ours"])]


def in_a_sentence(results: dict) -> str:
    """Return the sentence of README, from the medians on one core of one hidden layer."""
    first = [results["seconds"]["1"][case.name] for case in CASES[:3] if case.name in results["seconds"]["1"]]
    if len(first) < 3 or "torch" not in first[0]:
        return "too little was measured for README's sentence"
    ours = [f"{median_range(micro(seconds['ours']))[0]:.0f}" for seconds in first]
    theirs = [f"{median_range(ratios(seconds, 'torch'))[0]:.1f}" for seconds in first]
    return (
        f"On one core a training step of 784-100-10 takes {ours[0]}, {ours[1]} and {ours[2]} µs at batch size 10, 100 "
        f"and 200; eager PyTorch takes {theirs[0]}, {theirs[1]} and {theirs[2]} times as long"
    )


# ---- RESULTS.md

HEAD = """\
# Against other libraries, and beside the lower bound

Written by `python benchmarks/compare.py` from the rounds in `compare.json`. To measure again:

```sh
pip install -r benchmarks/requirements.txt
python benchmarks/compare.py
```

How time and memory grow with batch size, width and depth is in [GROWTH.md](GROWTH.md). Without other libraries:
`step_cost.py` (a step beside its lower bound), `layer_cost.py` (what dropout, batch normalisation and residual
connections add), `start.py` (start and memory), `threads.py` (what is behind `--threads auto`).

![For each library and case: the time of a training step over ours, a dot for each round](compare.png)
"""

WHAT = """
Sigmoid, softmax cross-entropy, SGD at learning rate 0.01 on MNIST's 60,000 training images, in float32 (the textbook
loop: float64). A step is all that its user waits for: draw the batch, forward, loss and its gradient, backward, update.
Each implementation is a process of its own, bound to one processor or to two before its library is loaded, and they
take turns. The lower bound is the matrix products and one in-place update of the same shapes, on arrays that stay in
the cache: in our process, in turn with our steps, on as many threads.

Numbers are medians over the rounds, with the least and the greatest in brackets; ratios are taken within a round.
"""

PROCESSES = """\
## Whole processes

784-100-10 at batch 10, one epoch, not bound to a processor. Ours is `python run_mlp.py --max-epoch 1` (Relu) with all
that it prints, writes and draws; its first step is its first training line, which comes after an evaluation and 50
steps. A library's is a script that imports it, reads the same files, makes floats of them, trains one step, then an
epoch; it evaluates and writes nothing. Three rounds; in the first PyTorch compiles its kernels, later ones find them.
"""

HOW = """\
## How each is set

Same initial weights, same order of the images (each round a new one, drawn by NumPy within the timed part), same loss.
Before the rounds of a case each trains 20 steps of it from our initial weights in our order. In brackets: the largest
difference of a weight from ours after that, as a share of the largest change of a weight.
"""

THREADS = """\
Threads asked for / processors at work (processor time over time). On two cores each takes one thread or two, whichever
was faster for the case in a short trial; ours takes what `--threads auto` chooses; JAX offers no choice in a process.
"""


def page(results: dict) -> str:
    """Return RESULTS.md."""
    wholes = [
        [TITLES[name], in_words([w[2] for w in each], 0), in_words([w[1] for w in each], 2)]
        for name, each in results["whole"].items()
    ]
    parts = [
        HEAD,
        *(f"- {line}" for line in results["made_with"]),
        *(f"- left out: {sentence}" for sentence in results["left_out"]),
        WHAT,
        *(part for cores in results["seconds"] for part in _steps(results["seconds"][cores], CORES[cores])),
        PROCESSES,
        table(["", "peak resident memory, MB", "start of the command to the first step, s"], wholes),
        HOW,
        *(_how(results, name) for name in results["about"]),
        "",
        "## Threads",
        "",
        THREADS,
        *(_threads(results["used"][cores], CORES[cores]) for cores in results["used"]),
    ]
    return "\n".join(parts).rstrip("\n") + "\n"


def _steps(by_case: dict, cores: str) -> list[str]:
    names = [name for name in TITLES if any(name in seconds for seconds in by_case.values())]
    times = [
        [case, *(in_words(micro(seconds.get(name, [])), 0) for name in [*names, LOWER_BOUND])]
        for case, seconds in by_case.items()
    ]
    rows = []
    for case, seconds in by_case.items():
        share = in_words([100 * each for each in ratios(seconds, LOWER_BOUND)], 0, " %")
        rows.append([case, *(in_words(ratios(seconds, name), 2) for name in names[1:]), share])
    titles = [TITLES[name] for name in names]
    return [
        f"## {cores.capitalize()}\n\nµs per step:\n",
        table(["", *titles, LOWER_BOUND], times),
        "Times ours (above 1: slower than this program), and the lower bound as a share of our time:\n",
        table(["", *titles[1:], LOWER_BOUND], rows),
    ]


def _how(results: dict, name: str) -> str:
    used = [case[name] for by_case in results["used"].values() for case in by_case.values() if name in case]
    differences = [each["difference"] for each in used if "difference" in each]
    largest = f" ({max(differences):.0e})" if differences else ""
    about = results["about"][name]
    pools = ", ".join(about["pools"]) or "none that is known"
    line = f"- **{TITLES[name]}**{largest}. {about['setting']} Thread pools in its process: {pools}."
    return textwrap.fill(line, 120, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def _threads(by_case: dict, cores: str) -> str:
    names = [name for name in TITLES if any(name in used for used in by_case.values())]

    def cell(used: dict | None) -> str:
        return f"{used['threads']} / {median_range(used['busy'])[0]:.2f}" if used else "-"

    rows = [[case, *(cell(used.get(name)) for name in names)] for case, used in by_case.items()]
    return table([cores, *(TITLES[name] for name in names)], rows)


# ---- compare.png


def draw(path: Path, results: dict) -> None:
    """For each library and case the time of a step over ours: a faint dot for each round, a full one for the median."""
    curves.use_project_cache()
    curves.load_matplotlib()
    from matplotlib import style
    from matplotlib.figure import Figure

    with style.context("default"):
        figure = Figure(figsize=(8.5, 8.2), dpi=160, layout="constrained")
        panels = figure.subplots(1, len(results["seconds"]), sharex=True, sharey=True, squeeze=False)[0]
        for panel, (cores, by_case) in zip(panels, results["seconds"].items()):
            _panel(panel, by_case)
            panel.set_title(CORES[cores], fontsize=11)
        figure.suptitle("Time of a training step, in multiples of this program's", fontsize=12)
        for panel in panels:
            panel.set_xlabel("times ours; right of the line: slower than ours", fontsize=10)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=10, frameon=False)
        curves.save(figure, path)


def _panel(panel, by_case: dict) -> None:
    names = [name for name in TITLES if name != "ours" and any(name in seconds for seconds in by_case.values())]
    looks = dict(zip(TITLES, zip(curves.COLOURS, "oosD^v")))
    for row, seconds in enumerate(by_case.values()):
        for place, name in enumerate(names):
            values, (colour, marker) = ratios(seconds, name), looks[name]
            if not values:
                continue
            at = row + (place - (len(names) - 1) / 2) * 0.15
            panel.plot(values, [at] * len(values), marker, color=colour, markersize=3.5, alpha=0.3, markeredgewidth=0)
            label = TITLES[name] if row == 0 else None
            panel.plot(
                median_range(values)[0], at, marker, color=colour, markersize=7, label=label, markeredgecolor="k"
            )
        panel.axhline(row + 0.5, color="0.85", linewidth=0.8)
    panel.axvline(1, color="black", linewidth=1.2)
    panel.set_xscale("log")
    panel.set_xticks([0.5, 1, 2, 4], ["0.5", "1", "2", "4"])
    panel.xaxis.set_minor_formatter("")
    panel.set_yticks(range(len(by_case)), [case.replace(", ", "\n") for case in by_case], fontsize=9)
    panel.set_ylim(len(by_case) - 0.5, -0.5)
    panel.grid(axis="x", alpha=0.3)


if __name__ == "__main__":
    run_command(main)
