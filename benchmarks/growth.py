"""How the program's time and memory grow with batch size, width and depth, with the limit's line in it.

    python benchmarks/growth.py           about 2 minutes; leave the machine alone meanwhile
    python benchmarks/growth.py --quick   a smoke test: its numbers mean nothing; goes to runs/

On one core, in one process: a stretch of solve_net.train_net and as many of the limit's steps (limit.py) in turn, round
after round, for batch sizes 1 to 4096, widths 16 to 2048 and depths 0 to 8; where a step's time goes, part by part; and
the peak memory of `python run_mlp.py` against its width. Writes GROWTH.md and growth.png (growth_page.py).
"""

import os
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import machine
from benchmarks.cases import ROOT, TRAINING_IMAGES, Case
from benchmarks.processes import our_process, rounds_of, whole_process
from training.command import Parser, run_command

BATCHES = [2**power for power in range(13)]
WIDTHS = [2**power for power in range(4, 12)]
DEPTHS = [0, 1, 2, 3, 4, 6, 8]
PARTS_OF = [((100,), 1), ((100,), 10), ((100,), 100), ((100,), 4096), ((2048,), 100), ((100,) * 8, 100)]
STRETCH = 0.25  # seconds of training timed at once
PARTS = ("forward", "loss gradient", "backward", "update", "means")


class Point(NamedTuple):
    """One network and batch size: seconds per step of ours and of the limit, round by round."""

    case: Case
    ours: list[float]
    limit: list[float]


class Parts(NamedTuple):
    """Where the time of a step goes: seconds per step of each part, ours and the limit's."""

    case: Case
    ours: dict[str, float]
    limit: dict[str, float]


class Growth(NamedTuple):
    batches: list[Point]
    widths: list[Point]
    depths: list[Point]
    parts: list[Parts]
    memory: dict[int, float]  # width: peak MB of a process
    needed: dict[int, float]  # width: MB of the data, the parameters, their gradients and the velocity
    empty: float  # peak MB of a process that imports NumPy and ends


def main(arguments: list[str]) -> int:
    parser = Parser(
        prog="benchmarks/growth.py", description="How time and memory grow with batch size, width and depth."
    )
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds of each point (default 5)")
    parser.add_argument("--quick", action="store_true", help="a smoke test in runs/: the numbers mean nothing")
    options = parser.parse_args(arguments)
    rounds, pick = rounds_of(options, 5), slice(None, None, 6 if options.quick else 1)
    start, load = time.perf_counter(), machine.load()
    # Processes first, while this one is small: see processes.py.
    empty = whole_process([sys.executable, "-c", "import numpy; print('ready')"], "ready").peak
    memory = {}
    for width in WIDTHS[pick]:
        memory[width] = our_process("--hidden", str(width), "--batch-size", "100", "--no-plot").peak
        print(f"width {width}: peak memory {memory[width]:.0f} MB", flush=True)

    # One thread before NumPy comes in, and one processor.
    from benchmarks.worker import bind

    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"
    bind(1)
    from benchmarks import growth_page
    from benchmarks.ours import Ours
    from load_data import load_dataset

    data = load_dataset(ROOT / "data")
    ours, stretch = Ours(data), STRETCH / 10 if options.quick else STRETCH
    grown = Growth(
        [measure(ours, (100,), batch, rounds, stretch) for batch in BATCHES[pick]],
        [measure(ours, (width,), 100, rounds, stretch) for width in WIDTHS[pick]],
        [measure(ours, (100,) * depth, 100, rounds, stretch) for depth in DEPTHS[pick]],
        [parts(ours, hidden, batch, stretch) for hidden, batch in PARTS_OF[pick]],
        memory,
        {width: needed(data, width) for width in memory},
        empty,
    )
    folder = ROOT / "runs" / "dry-run-benchmarks" if options.quick else ROOT / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    minutes = (time.perf_counter() - start) / 60
    growth_page.write(folder / "GROWTH.md", grown, f"{rounds} rounds, {minutes:.1f} minutes", load)
    growth_page.draw(folder / "growth.png", grown)
    print(f"{folder.relative_to(ROOT)}/GROWTH.md and growth.png")
    return 0


def sized(hidden: tuple[int, ...], batch_size: int, stretch: float) -> Case:
    """A case whose steps take about so many seconds, and no more than an epoch."""
    case = Case(hidden, batch_size, 0)
    about = 40e-6 + 6 * case.parameters * batch_size / 60e9
    return case._replace(steps=max(2, min(round(stretch / about), TRAINING_IMAGES // batch_size)))


def measure(ours, hidden: tuple[int, ...], batch_size: int, rounds: int, stretch: float) -> Point:
    """Ours and the limit in turn; the first round warms up."""
    point = Point(sized(hidden, batch_size, stretch), [], [])
    ours.prepare(point.case)
    for number in range(rounds + 1):
        seconds = timed(ours, point.case, number)
        start = time.perf_counter()
        ours.limit(point.case.steps)
        limit = (time.perf_counter() - start) / point.case.steps
        if number > 0:
            point.ours.append(seconds)
            point.limit.append(limit)
    print(f"{point.case.name}: {1e6 * min(point.ours):.0f} µs per step, limit {1e6 * min(point.limit):.0f}", flush=True)
    return point


def timed(ours, case: Case, seed: int) -> float:
    """Seconds per step of train_net."""
    import numpy as np

    order = np.random.default_rng(seed).permutation(case.steps * case.batch_size)
    start = time.perf_counter()
    ours.train(order)
    return (time.perf_counter() - start) / case.steps


def parts(ours, hidden: tuple[int, ...], batch_size: int, stretch: float) -> Parts:
    """Seconds per step of each part, by a stopwatch around every call; the rest is drawing the batch and the loop."""
    case = sized(hidden, batch_size, 2 * stretch)
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
    whole = timed(ours, case, 1)
    mine = {part: spent[part] / case.steps for part in PARTS}
    mine["draw and the rest"] = whole - sum(mine.values())
    bare, spent = ours.bare, defaultdict(float)
    forward, backward, update = (
        stopwatch(work, spent, part)
        for work, part in ((bare.products, "forward"), (bare.products, "backward"), (bare.update, "update"))
    )
    for _ in range(case.steps):
        forward(bare.forward)
        backward(bare.backward)
        update()
    return Parts(case, mine, {part: spent[part] / case.steps for part in ("forward", "backward", "update")})


def stopwatch(work, spent: dict, part: str):
    """The same function, which adds the time of each call to spent[part]."""

    def timed_work(*arguments):
        start = time.perf_counter()
        result = work(*arguments)
        spent[part] += time.perf_counter() - start
        return result

    return timed_work


def needed(data, width: int) -> float:
    """MB of what training must hold: the data as it is kept, the parameters, their gradients and the velocity."""
    arrays = data.train_images, data.train_labels, data.test_images, data.test_labels
    return (sum(array.nbytes for array in arrays) + 3 * 4 * Case((width,), 100, 0).parameters) / 1e6


if __name__ == "__main__":
    run_command(main)
