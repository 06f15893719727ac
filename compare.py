"""Measure a training step of this program against PyTorch, JAX, scikit-learn and a textbook loop.

  python benchmarks/compare.py               about 15 minutes on 2 cores; leave the machine alone meanwhile
  python benchmarks/compare.py --draw-only   page, picture and README's sentence from the committed rounds, a second
  python benchmarks/compare.py --quick       a smoke test: its numbers mean nothing; half a minute, in runs/

pip install -r benchmarks/requirements.txt first: a library that is not installed is left out. Each implementation is a
process of its own (processes.py), bound to one core or to two. They take turns, round after round (A B C A B C ...): a
busy minute of the machine hits all of them; ratios are taken within a round. Also measured, in turn with this program:
the lower bound (matrix products and update only). Writes compare.json, RESULTS.md and compare.png, prints the README's
sentence. Exits 5 if one of them computes something else than this program.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from training.command import ROOT, run_command  # first: it says which package is missing

# isort: split
import contextlib
import importlib.util
import itertools
import tempfile

from benchmarks import compare_page
from benchmarks.cases import (
    CASES,
    LOWER_BOUND,
    PACKAGES,
    TITLES,
    Case,
    add_rounds,
    folder_of,
    in_words,
    made_with,
    parser,
    read_rounds,
    rounds_of,
    write_rounds,
)
from benchmarks.processes import FIRST_STEP, Worker, cores_here, run_ours, run_process
from utils import Error

CORES = {"one core": 1, "two cores": 2}
QUICK_CASES = {1: [Case((100,), 10, 200), Case((1024, 1024), 128, 2)], 2: [Case((100,), 100, 20)]}  # by cores
VERSIONS = ["numpy", "torch", "jax", "jaxlib", "scikit-learn", "scipy", "threadpoolctl"]
ALLOWED_DIFFERENCE = 1e-3  # of a weight after 20 steps, relative to the largest change
PROCESS_ROUNDS = 3


class DifferentResult(Error):
    """An implementation computes something else, so its time says nothing."""

    exit_code = 5


def main(arguments: list[str]) -> int:
    flags = parser("compare", __doc__)
    add_rounds(flags, 7, "compare.json")
    options = flags.parse_args(arguments)
    rounds, folder = rounds_of(options, 7), folder_of(options)
    if not options.draw_only:
        write_rounds(folder / "compare.json", measure(rounds, options.quick))
    measured = read_rounds(folder / "compare.json")
    compare_page.write(folder / "RESULTS.md", measured)
    compare_page.draw(folder / "compare.png", measured)
    print(f"{folder.relative_to(ROOT).as_posix()}: RESULTS.md and compare.png, of the rounds in compare.json")
    print(compare_page.sentence(measured))
    return 0


def measure(rounds: int, quick: bool) -> dict:
    """Return all that is measured, ready for JSON: a list of numbers, one for each round, under each name.

    steps[cores][case][implementation or LOWER_BOUND]: µs per step. threads and busy (processors at work):
    [cores][case][implementation]. difference[implementation]: from our weights, the largest. processes[implementation]:
    lists of peak (MB), first_step and end (s). left_out: sentences.
    """
    fields = ("steps", "threads", "busy", "difference", "processes")
    measured = {"made_with": made_with(VERSIONS, rounds), "left_out": []} | {field: {} for field in fields}
    names = installed(measured)
    with tempfile.TemporaryDirectory() as cache:
        # First: on Linux a child's peak memory counts from what its parent holds when it is started.
        measure_processes(measured, ["ours", "textbook"] if quick else names, 1 if quick else PROCESS_ROUNDS, cache)
        for title, cores in CORES.items():
            if cores > cores_here():
                leave_out(measured, f"{title}: this process may use {cores_here()}")
                continue
            if quick and cores > 1:
                names = [name for name in names if name != "compiled"]  # compiling takes 20 s a case
            with contextlib.ExitStack() as stack:
                workers = started(names, cores, measured, cache, stack)
                for case in QUICK_CASES[cores] if quick else CASES:
                    measure_case(measured, title, case, workers, rounds)
                    if quick and "compiled" in workers:
                        workers.pop("compiled").close()
    return measured


def installed(measured: dict) -> list[str]:
    """Return the implementations whose library is here, with a sentence for each that is not."""
    for package in dict.fromkeys(PACKAGES.values()):
        if importlib.util.find_spec(package) is None:
            leave_out(measured, f"{package} is not installed: pip install -r benchmarks/requirements.txt")
    return [name for name in TITLES if name not in PACKAGES or importlib.util.find_spec(PACKAGES[name])]


def leave_out(measured: dict, sentence: str) -> None:
    if sentence not in measured["left_out"]:
        measured["left_out"].append(sentence)
        print(f"left out: {sentence}", flush=True)


def started(
    names: list[str], cores: int, measured: dict, cache: str, stack: contextlib.ExitStack
) -> dict[str, Worker]:
    """Return a worker for each implementation, ready; the stack closes them."""
    workers = {name: Worker(name, cores, cache) for name in names}
    for worker in workers.values():
        stack.callback(worker.close)
    for name, worker in list(workers.items()):
        try:
            worker.answer()
        except Error as error:
            leave_out(measured, str(error))
            del workers[name]
    return workers


def measure_case(measured: dict, cores: str, case: Case, workers: dict[str, Worker], rounds: int) -> None:
    """Measure a case on so many cores: prepare and check each, a round to warm up, and the rounds."""
    steps, threads, busy = (
        measured[field].setdefault(cores, {}).setdefault(case.name, {}) for field in ("steps", "threads", "busy")
    )
    for name, worker in list(workers.items()):
        try:
            answer = worker.ask("prepare", case=case)
            worker.ask("run", seed=0)
            if name == "ours":
                worker.ask("lower_bound")
        except Error as error:
            if name == "ours":
                raise
            leave_out(measured, f"{error} ({case.name}, {cores})")
            del workers[name]
            continue
        threads[name], difference = answer["threads"], answer.get("difference", 0)
        if difference > ALLOWED_DIFFERENCE:
            raise DifferentResult(
                f"{TITLES[name]} computes something else: after 20 steps of {case.name} a weight differs by "
                f"{difference:.1e} of the largest change"
            )
        measured["difference"][name] = max(difference, measured["difference"].get(name, 0))
    for number in range(1, rounds + 1):
        for name, worker in workers.items():
            answer = worker.ask("run", seed=number)
            steps.setdefault(name, []).append(round(1e6 * answer["seconds"], 2))
            busy.setdefault(name, []).append(round(answer["busy"], 3))
            if name == "ours":
                bound = worker.ask("lower_bound")["seconds"]
                steps.setdefault(LOWER_BOUND, []).append(round(1e6 * bound, 2))
    each = (f"{TITLES.get(name, name)} {in_words(values, 0)}" for name, values in steps.items())
    print(f"{cores}, {case.name}, µs per step: " + "; ".join(each), flush=True)


def measure_processes(measured: dict, names: list[str], rounds: int, cache: str) -> None:
    """Measure whole processes in turn: `python run_mlp.py --max-epoch 1`, and for each other a script like it."""
    for _, name in itertools.product(range(rounds), names):
        script = [sys.executable, str(ROOT / "benchmarks" / "processes.py"), name, "--once"]
        try:
            run = run_ours() if name == "ours" else run_process(script, FIRST_STEP, cache)
        except Error as error:
            if name == "ours":
                raise
            leave_out(measured, f"{TITLES[name]}: {error}")
            continue
        lists = measured["processes"].setdefault(name, {"peak": [], "first_step": [], "end": []})
        for field, values in lists.items():
            values.append(round(getattr(run, field), 3))
        print(
            f"whole process of {TITLES[name]}: {run.peak:.0f} MB, first step after {run.first_step:.2f} s", flush=True
        )


if __name__ == "__main__":
    run_command(main)
