"""From which size on the matrix products are faster on all cores than on one: behind --threads auto. Two minutes.

Prints, for batches and widths, the steps of the training loop on one thread and on all, in turn in one process: their
medians and the ratio. training/settings.py chooses by the multiply-adds of the largest product (WORTH_THREADS).
"""

import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from training.command import ROOT, run_command  # isort: split

from threadpoolctl import threadpool_limits

from benchmarks import cases
from benchmarks.cases import Case
from benchmarks.implementations import seconds_per_step
from load_data import load_dataset
from training.settings import WORTH_THREADS

CASES = [(10, [100]), (50, [100]), (100, [100]), (200, [100]), (500, [100]), (10, [1024, 1024]), (128, [1024, 1024])]
ROUNDS = 7


def timed(data, case: Case, threads: int | None) -> float:
    with threadpool_limits(threads, user_api="blas"):
        return seconds_per_step(data, case)


def main(arguments: list[str]) -> int:
    cases.parser("threads", __doc__).parse_args(arguments)
    data = load_dataset(ROOT / "data")
    for batch_size, hidden in CASES:
        case = Case(tuple(hidden), batch_size, 0)
        case = case._replace(steps=max(10, min(200, 4_000_000_000 // (batch_size * case.parameters * 60))))
        rounds = [[timed(data, case, threads) for threads in (1, None)] for _ in range(ROUNDS)]
        one, every = (statistics.median(times) * 1e6 for times in zip(*rounds))
        ratio = statistics.median(first / second for first, second in rounds)
        largest = batch_size * max(784 * hidden[0], hidden[0] * hidden[-1])
        choice = "all" if largest >= WORTH_THREADS else "one"
        what = f"batch {batch_size:3}, hidden {hidden}: largest product {largest / 1e6:6.1f} million multiply-adds"
        print(f"{what}, one thread {one:6.0f} µs, all {every:6.0f} µs, gain {ratio:.2f}; auto takes {choice}")
    return 0


if __name__ == "__main__":
    run_command(main)
