"""What one step of the training loop costs beside the arithmetic that it cannot avoid: a minute, no other library.

    python benchmarks/step_cost.py

One thread, 784-100-10, Relu, float32, the full training set. In turn, in one process: an epoch of
solve_net.train_net with all it does (drawing and normalising batches, forward, loss, backward, update, records), and
as many times the bare matrix products and the in-place update of the same shapes (limit.py). Prints the median of
each and their ratio, and exits 5 if a ratio is above its limit.
"""

import statistics
import sys
import time
from pathlib import Path

from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import run_mlp
from benchmarks.cases import ROOT, Case
from benchmarks.limit import Bare
from load_data import load_dataset
from solve_net import train_net
from training.command import run_command
from training.settings import resolve

LIMITS = {10: 2.2, 100: 1.6}
ROUNDS = 7


def whole_steps(data, case: Case) -> float:
    """Seconds per step of an epoch of the training loop."""
    settings = resolve(run_mlp.config, {"hidden": list(case.hidden), "batch_size": case.batch_size})
    model, loss, rng = run_mlp.build(settings, case.widths[0], case.widths[-1])
    start = time.perf_counter()
    train_net(model, loss, settings, data.train_images, data.train_labels, case.batch_size, 50, rng)
    return (time.perf_counter() - start) / (len(data.train_images) / case.batch_size)


def bare_steps(case: Case) -> float:
    """Seconds per step of the products and the update alone."""
    bare = Bare(case.widths, case.batch_size)
    start = time.perf_counter()
    bare.steps(case.steps)
    return (time.perf_counter() - start) / case.steps


def main(arguments: list[str]) -> int:
    threadpool_limits(1)
    data = load_dataset(ROOT / "data")
    above = False
    for batch_size, limit in LIMITS.items():
        case = Case((100,), batch_size, len(data.train_images) // batch_size)
        rounds = [(whole_steps(data, case), bare_steps(case)) for _ in range(ROUNDS)]
        whole, bare = (statistics.median(times) * 1e6 for times in zip(*rounds))
        ratio = statistics.median(one / other for one, other in rounds)
        above |= ratio > limit
        print(f"batch {batch_size}: step {whole:.0f} µs, bare products and update {bare:.0f} µs", end="")
        print(f", ratio {ratio:.2f} (limit {limit})")
    return 5 if above else 0


if __name__ == "__main__":
    run_command(main)
