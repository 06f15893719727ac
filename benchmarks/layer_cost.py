"""What dropout, batch normalisation and residual connections add to a training step. Takes half a minute.

784-100-100-10, Relu, softmax, batch size 100, one thread: forward, loss, backward, update of one mini-batch. The
networks take turns, round after round; the table has the medians, and the difference to the plain network per hidden
layer of 100 units.
"""

import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from training.command import run_command  # isort: split

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks import cases
from run_mlp import build
from training.settings import DEFAULTS, resolve
from utils import onehot_encoding

ADDED = {
    "plain": {},
    "dropout 0.5": {"dropout": 0.5},
    "batch norm": {"batch_norm": True},
    "residual": {"residual": True},
}
ROUNDS, STEPS = 15, 200


def microseconds(settings: dict, images: np.ndarray, target: np.ndarray) -> float:
    """The time of a step, over STEPS steps."""
    model, loss, _ = build(settings, images.shape[1], target.shape[1])
    start = time.perf_counter()
    for _ in range(STEPS):
        model.backward(loss.backward(model.forward(images), target))
        model.update(settings)
    return (time.perf_counter() - start) / STEPS * 1e6


def main(arguments: list[str]) -> int:
    cases.parser("layer_cost", __doc__).parse_args(arguments)
    rng = np.random.default_rng(0)
    images = rng.normal(size=(100, 784)).astype(np.float32)
    target = onehot_encoding(rng.integers(0, 10, 100), 10)
    times = {name: [] for name in ADDED}
    with threadpool_limits(1, user_api="blas"):
        for _ in range(ROUNDS):
            for name, more in ADDED.items():
                settings = resolve(DEFAULTS, {"hidden": [100, 100], "batch_size": 100} | more)
                times[name].append(microseconds(settings, images, target))
    plain = statistics.median(times["plain"])
    print(f"{'network':14}{'step, µs':>10}{'added per hidden layer, µs':>28}")
    for name, each in times.items():
        blocks = 1 if name == "residual" else 2  # of the two hidden layers only the second is as wide as the one below
        print(f"{name:14}{statistics.median(each):10.0f}{(statistics.median(each) - plain) / blocks:28.0f}")
    return 0


if __name__ == "__main__":
    run_command(main)
