"""What a training step costs beside its lower bound, the arithmetic that it cannot avoid. About a minute.

One thread, 784-100-10, Relu, float32, the full training set. In turn, in one process: an epoch of
solve_net.train_net with all it does (drawing and normalising batches, forward, loss, backward, update, records), and
as many steps of the lower bound (matrix products and update only, implementations.py). Prints medians and their ratio.
"""

import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from training.command import ROOT, run_command  # isort: split

from threadpoolctl import threadpool_limits

from benchmarks import cases
from benchmarks.cases import Case
from benchmarks.implementations import LowerBound, seconds_per_step
from load_data import load_dataset

BATCHES, ROUNDS = (10, 100), 7


def main(arguments: list[str]) -> int:
    cases.parser("step_cost", __doc__).parse_args(arguments)
    data = load_dataset(ROOT / "data")
    with threadpool_limits(1):
        for batch_size in BATCHES:
            case = Case((100,), batch_size, len(data.train_images) // batch_size)
            bound = LowerBound(case)
            rounds = [(seconds_per_step(data, case), bound.seconds_per_step(case.steps)) for _ in range(ROUNDS)]
            ours, least = (statistics.median(times) * 1e6 for times in zip(*rounds))
            ratio = statistics.median(one / other for one, other in rounds)
            print(f"batch {batch_size}: step {ours:.0f} µs, lower bound {least:.0f} µs, ratio {ratio:.2f}")
    return 0


if __name__ == "__main__":
    run_command(main)
