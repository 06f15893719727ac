"""What a training step costs beside its lower bound, the arithmetic that it cannot avoid. About a minute.

One thread, 784-100-10, Relu, float32, the full training set. In turn, in one process: an epoch of
solve_net.train_net with all it does (drawing and normalising batches, forward, loss, backward, update, records), and
as many steps of the lower bound (matrix products and update only, implementations.py). Prints medians and their ratio.
"""

import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from training.command import ROOT, run_command  # isort: split

from threadpoolctl import threadpool_limits

import run_mlp
from benchmarks import cases
from benchmarks.cases import Case
from benchmarks.implementations import LowerBound
from load_data import load_dataset
from solve_net import train_net
from training.settings import DEFAULTS, resolve

BATCHES, ROUNDS = (10, 100), 7


def step(data, case: Case) -> float:
    """Seconds per step of an epoch of the training loop."""
    settings = resolve(DEFAULTS, {"hidden": list(case.hidden), "batch_size": case.batch_size})
    model, loss, rng = run_mlp.build(settings, case.widths[0], case.widths[-1])
    start = time.perf_counter()
    train_net(model, loss, settings, data.train_images, data.train_labels, case.batch_size, 50, rng)
    return (time.perf_counter() - start) / case.steps


def bound(case: Case) -> float:
    """Seconds per step of the products and the update alone."""
    lower_bound = LowerBound(case)
    start = time.perf_counter()
    lower_bound.steps(case.steps)
    return (time.perf_counter() - start) / case.steps


def main(arguments: list[str]) -> int:
    cases.parser("step_cost", __doc__).parse_args(arguments)
    data = load_dataset(ROOT / "data")
    with threadpool_limits(1):
        for batch_size in BATCHES:
            case = Case((100,), batch_size, len(data.train_images) // batch_size)
            rounds = [(step(data, case), bound(case)) for _ in range(ROUNDS)]
            ours, least = (statistics.median(times) * 1e6 for times in zip(*rounds))
            ratio = statistics.median(one / other for one, other in rounds)
            print(f"batch {batch_size}: step {ours:.0f} µs, lower bound {least:.0f} µs, ratio {ratio:.2f}")
    return 0


if __name__ == "__main__":
    run_command(main)
