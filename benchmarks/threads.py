"""From which size on the matrix products are faster on all cores than on one: behind --threads auto. Two minutes.

Prints, for batches and widths, the steps of the training loop on one thread and on all, in turn in one process: their
medians and the ratio. training/settings.py chooses by the multiply-adds of the largest product (WORTH_THREADS).
"""

import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from training.command import ROOT, run_command  # isort: split

import numpy as np
from threadpoolctl import threadpool_limits

import run_mlp
from benchmarks import cases
from load_data import load_dataset
from solve_net import train_net
from training.settings import DEFAULTS, WORTH_THREADS, resolve

CASES = [(10, [100]), (50, [100]), (100, [100]), (200, [100]), (500, [100]), (10, [1024, 1024]), (128, [1024, 1024])]
ROUNDS = 7


def seconds_per_step(data, batch_size: int, hidden: list[int], threads: int | None) -> float:
    settings = resolve(DEFAULTS, {"batch_size": batch_size, "hidden": hidden})
    model, loss, rng = run_mlp.build(settings, 784, 10)
    samples = batch_size * max(10, min(200, 4_000_000_000 // (batch_size * model.params.size * 60)))
    with threadpool_limits(threads, user_api="blas"):
        start = time.perf_counter()
        train_net(model, loss, settings, data.train_images[:samples], data.train_labels[:samples], batch_size, 50, rng)
        return (time.perf_counter() - start) / np.ceil(min(samples, 60_000) / batch_size)


def main(arguments: list[str]) -> int:
    cases.parser("threads", __doc__).parse_args(arguments)
    data = load_dataset(ROOT / "data")
    for batch_size, hidden in CASES:
        rounds = [[seconds_per_step(data, batch_size, hidden, threads) for threads in (1, None)] for _ in range(ROUNDS)]
        one, every = (statistics.median(times) * 1e6 for times in zip(*rounds))
        ratio = statistics.median(first / second for first, second in rounds)
        largest = batch_size * max(784 * hidden[0], hidden[0] * hidden[-1])
        choice = "all" if largest >= WORTH_THREADS else "one"
        print(
            f"batch {batch_size:3}, hidden {hidden}: largest product {largest / 1e6:6.1f} million multiply-adds, ",
            end="",
        )
        print(f"one thread {one:6.0f} µs, all {every:6.0f} µs, gain {ratio:.2f}; auto takes {choice}")
    return 0


if __name__ == "__main__":
    run_command(main)
