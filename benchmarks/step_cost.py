"""What one step of the training loop costs beside the arithmetic that it cannot avoid.

    python benchmarks/step_cost.py

One thread, 784-100-10, float32, the full training set. In turn, in one process: an epoch of solve_net.train_net with
all it does (drawing and normalising batches, forward, loss, backward, update, records), and as many times the bare
matrix products and the in-place update of the same shapes. Prints the median of each and their ratio, and exits 5 if
a ratio is above its limit.
"""

import statistics
import sys
import time
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from layers import Linear, Relu, sgd_step
from load_data import load_dataset
from loss import SoftmaxCrossEntropyLoss
from network import Network
from solve_net import train_net

LIMITS = {10: 2.2, 100: 1.6}
ROUNDS = 7
SGD = {"learning_rate": 1e-2, "weight_decay": 0.0, "momentum": 0.0}


def whole_steps(data, batch_size: int) -> float:
    """Seconds per step of an epoch of the training loop."""
    rng = np.random.default_rng(0)
    model = Network()
    model.add(Linear("fc1", 784, 100, 0.01, rng))
    model.add(Relu("act1"))
    model.add(Linear("fc2", 100, 10, 0.01, rng))
    loss = SoftmaxCrossEntropyLoss("loss")
    start = time.perf_counter()
    train_net(model, loss, SGD, data.train_images, data.train_labels, batch_size, 50, rng)
    return (time.perf_counter() - start) / (len(data.train_images) / batch_size)


def bare_steps(count: int, batch_size: int) -> float:
    """Seconds per step of the five products and the update alone, on arrays that stay in the cache."""
    rng = np.random.default_rng(0)
    x, hidden, grad_hidden, grad_output = (
        rng.normal(size=(batch_size, width)).astype(np.float32) for width in (784, 100, 100, 10)
    )
    params, grads, velocity = (np.zeros(784 * 100 + 100 + 100 * 10 + 10, np.float32) for _ in range(3))
    W1, grad_W1 = (vector[:78400].reshape(784, 100) for vector in (params, grads))
    W2, grad_W2 = (vector[78500:79500].reshape(100, 10) for vector in (params, grads))
    start = time.perf_counter()
    for _ in range(count):
        x @ W1
        hidden @ W2
        np.matmul(hidden.T, grad_output, out=grad_W2)
        grad_output @ W2.T
        np.matmul(x.T, grad_hidden, out=grad_W1)
        sgd_step(params, grads, velocity, SGD)
    return (time.perf_counter() - start) / count


def main() -> int:
    threadpool_limits(1)
    data = load_dataset(ROOT / "data")
    above = False
    for batch_size, limit in LIMITS.items():
        rounds = [
            (whole_steps(data, batch_size), bare_steps(len(data.train_images) // batch_size, batch_size))
            for _ in range(ROUNDS)
        ]
        whole, bare = (statistics.median(times) * 1e6 for times in zip(*rounds))
        ratio = statistics.median(one / other for one, other in rounds)
        above |= ratio > limit
        print(f"batch {batch_size}: step {whole:.0f} µs, bare products and update {bare:.0f} µs", end="")
        print(f", ratio {ratio:.2f} (limit {limit})")
    return 5 if above else 0


if __name__ == "__main__":
    sys.exit(main())
