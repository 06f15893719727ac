"""This program against PyTorch, JAX, scikit-learn and a textbook loop, and against the limit: RESULTS.md and a picture.

    pip install -r benchmarks/requirements.txt     (a peer that is not installed is left out)
    python benchmarks/compare.py                   about 15 minutes on 2 cores; leave the machine alone meanwhile
    python benchmarks/compare.py --quick           a smoke test: its numbers mean nothing; goes to runs/

Each contestant is a process of its own (worker.py), bound to one core or to two. They take turns, round after round
(A B C A B C ...): a busy minute of the machine hits all of them; ratios are taken within a round. Exits 5 if a bar of
bars.py is missed or a peer computes something else.
"""

import contextlib
import importlib.util
import itertools
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import bars, machine
from benchmarks.bars import Results, with_spread
from benchmarks.cases import CASES, LIMIT, PACKAGES, QUICK_CASES, ROOT, TITLES, Case
from benchmarks.processes import (
    CACHE_VARIABLE,
    FIRST_STEP,
    BenchmarkError,
    DifferentResult,
    Worker,
    cores_here,
    our_process,
    rounds_of,
    whole_process,
)
from training.command import Parser, run_command

ALLOWED_DIFFERENCE = 1e-3  # of a weight after 20 steps, as a share of the largest change
WHOLE_ROUNDS = 3
EVALUATIONS = 10  # timed at once
LOGGED_EPOCHS = {100: 5, 10: 2}  # batch size: epochs of a run that is timed for its logging


def main(arguments: list[str]) -> int:
    options = parsed(arguments)
    quick, rounds = options.quick, rounds_of(options, 7)
    results = Results({}, {}, {}, {}, {}, {}, [])
    names = installed(results)
    start, load = time.perf_counter(), machine.load()
    with tempfile.TemporaryDirectory() as cache:
        # Whole processes first, while this one is small: see processes.py.
        measure_processes(results, names, min(rounds, WHOLE_ROUNDS), cache, quick)
        for cores in (1, 2):
            if cores > cores_here():
                leave_out(results, f"{cores} cores: this process may use {cores_here()}")
                continue
            with contextlib.ExitStack() as stack:
                if quick and cores > 1:
                    names = [name for name in names if name != "compiled"]  # compiling takes 20 s a case
                workers = started(names, cores, results, cache, stack)
                for case in QUICK_CASES[cores] if quick else CASES:
                    measure_case(results, cores, case, workers, rounds)
                    if quick and "compiled" in workers:
                        workers.pop("compiled").close()
                if cores == 1:
                    measure_program(results, workers["ours"], rounds, quick)
    minutes = (time.perf_counter() - start) / 60

    from benchmarks import picture, results_page

    folder = ROOT / "runs" / "dry-run-benchmarks" if quick else ROOT / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    judged = bars.verdicts(results)
    results_page.write(folder / "RESULTS.md", results, judged, f"{rounds} rounds, {minutes:.1f} minutes", load)
    picture.draw(folder / "compare.png", results)
    for verdict in judged:
        print(f"{verdict.what} {verdict.bound}: {verdict.measured or '-'}: {verdict.verdict}")
    print(f"{folder.relative_to(ROOT)}/RESULTS.md and compare.png, {minutes:.1f} minutes")
    missed = any(verdict.verdict == bars.MISSED for verdict in judged)
    return 5 if missed and not quick else 0


def parsed(arguments: list[str]):
    parser = Parser(
        prog="benchmarks/compare.py", description="This program against other libraries and against the limit."
    )
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds of each case (default 7)")
    parser.add_argument("--quick", action="store_true", help="a smoke test in runs/: the numbers mean nothing")
    return parser.parse_args(arguments)


def say(text: str) -> None:
    print(text, flush=True)


def installed(results: Results) -> list[str]:
    """The contestants whose library is here; a line for each that is not."""
    for package in dict.fromkeys(PACKAGES.values()):
        if importlib.util.find_spec(package) is None:
            leave_out(results, f"{package} is not installed: pip install -r benchmarks/requirements.txt")
    return [name for name in TITLES if name not in PACKAGES or importlib.util.find_spec(PACKAGES[name])]


def started(
    names: list[str], cores: int, results: Results, cache: str, stack: contextlib.ExitStack
) -> dict[str, Worker]:
    """A worker for each contestant, ready."""
    workers = {name: Worker(name, cores, cache) for name in names}
    for worker in workers.values():
        stack.callback(worker.close)
    for name, worker in list(workers.items()):
        try:
            results.about[name] = worker.answer()
        except BenchmarkError as error:
            leave_out(results, str(error))
            del workers[name]
    return workers


def leave_out(results: Results, sentence: str) -> None:
    if sentence not in results.left_out:
        results.left_out.append(sentence)
        say(f"left out: {sentence}")


def measure_case(results: Results, cores: int, case: Case, workers: dict[str, Worker], rounds: int) -> None:
    """A case on so many cores: prepare and check each contestant, a round to warm up, and the rounds."""
    seconds = results.seconds.setdefault(cores, {}).setdefault(case.name, {})
    used = results.used.setdefault(cores, {}).setdefault(case.name, {})
    entered = dict(workers)
    for name, worker in list(workers.items()):
        try:
            used[name] = worker.ask("prepare", case=case)
            worker.ask("run", seed=0)
            if name == "ours":
                worker.ask("limit")
        except BenchmarkError as error:
            if name == "ours":
                raise
            leave_out(results, f"{error} ({case.name}, {cores} core{'s' * (cores > 1)})")
            used.pop(name, None)
            del entered[name], workers[name]
            continue
        if used[name].get("difference", 0) > ALLOWED_DIFFERENCE:
            raise DifferentResult(
                f"{TITLES[name]} computes something else: after 20 steps of {case.name} a weight differs by "
                f"{used[name]['difference']:.1e} of the largest change"
            )
    for number in range(1, rounds + 1):
        for name, worker in entered.items():
            answer = worker.ask("run", seed=number)
            seconds.setdefault(name, []).append(answer["seconds"])
            used[name].setdefault("busy", []).append(answer["busy"])
            used[name]["in_process"] = answer["threads"]
            if name == "ours":
                seconds.setdefault(LIMIT, []).append(worker.ask("limit")["seconds"])
    of_all = (
        f"{TITLES.get(name, name)} {with_spread([1e6 * each for each in rounds_], 0)}"
        for name, rounds_ in seconds.items()
    )
    say(f"{cores} core{'s' * (cores > 1)}, {case.name}, µs per step: " + "; ".join(of_all))


def measure_program(results: Results, ours: Worker, rounds: int, quick: bool) -> None:
    """One evaluation, and whole epochs of the command with and without its logging: one core, in turn."""
    jobs = []
    for bare in (False, True):
        name = f"evaluation {'bare' if bare else 'ours'}"
        jobs.append((name, "evaluate", {"times": 1 if quick else EVALUATIONS, "bare": bare}))
    results.epochs.update({100: 1} if quick else LOGGED_EPOCHS)
    for batch_size, epochs in results.epochs.items():
        for logged in (True, False):
            name = f"epoch {batch_size} {'logged' if logged else 'bare'}"
            jobs.append((name, "epochs", {"batch_size": batch_size, "epochs": epochs, "logged": logged}))
    ours.ask("prepare", case=CASES[1])
    for number, (name, do, request) in itertools.product(range(rounds + 1), jobs):
        seconds = ours.ask(do, **request)["seconds"]
        if number > 0:  # the first round warms up
            results.program.setdefault(name, []).append(seconds)
    say("; ".join(f"{name} {with_spread(seconds, 3, ' s')}" for name, seconds in results.program.items()))


def measure_processes(results: Results, names: list[str], rounds: int, cache: str, quick: bool) -> None:
    """Whole processes in turn: `python run_mlp.py --max-epoch 1`, and for each peer a script that does the same."""
    if quick:
        names, rounds = [names[0], names[-1]], 1
    for _, name in itertools.product(range(rounds), names):
        worker = [sys.executable, str(ROOT / "benchmarks" / "worker.py"), name, "--once"]
        try:
            whole = our_process() if name == "ours" else whole_process(worker, FIRST_STEP, {CACHE_VARIABLE: cache})
            results.whole.setdefault(name, []).append(whole)
        except BenchmarkError as error:
            if name == "ours":
                raise
            leave_out(results, f"{TITLES[name]}: {error}")
    for name, wholes in results.whole.items():
        peak = with_spread([whole.peak for whole in wholes], 0, " MB")
        first = with_spread([whole.first_mark for whole in wholes], 2, " s")
        say(f"whole process of {TITLES[name]}: peak {peak}, first step after {first}")


if __name__ == "__main__":
    run_command(main)
