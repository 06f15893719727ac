"""What is measured: the networks and batches, and the contestants by name. Imports nothing heavy."""

import sys
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

PIXELS, CLASSES, TRAINING_IMAGES = 784, 10, 60_000

# The contestants, in the order of a round and of the tables.
TITLES = {
    "ours": "this program",
    "torch": "PyTorch eager",
    "compiled": "PyTorch compiled",
    "jax": "JAX jit + scan",
    "sklearn": "scikit-learn",
    "textbook": "textbook NumPy",
}
PACKAGES = {"torch": "torch", "compiled": "torch", "jax": "jax", "sklearn": "sklearn"}  # what they need
LIMIT = "limit"  # measured in our process, in turn with ours


class Case(NamedTuple):
    """A network and a batch size, and how many steps are timed at once."""

    hidden: tuple[int, ...]
    batch_size: int
    steps: int

    @property
    def widths(self) -> tuple[int, ...]:
        return (PIXELS, *self.hidden, CLASSES)

    @property
    def name(self) -> str:
        return f"{'-'.join(map(str, self.widths))}, batch {self.batch_size}"

    @property
    def size(self) -> str:
        """What the bars call it."""
        return "1024 wide" if 1024 in self.hidden else f"batch {self.batch_size}"

    @property
    def parameters(self) -> int:
        return sum(a * b + b for a, b in pairwise(self.widths))


# An epoch each, but for the wide network, whose epoch would take 7 s.
CASES = [
    *(Case((100,) * depth, batch, TRAINING_IMAGES // batch) for depth in (1, 2) for batch in (10, 100, 200)),
    Case((1024, 1024), 128, 60),
]
QUICK_CASES = {1: [Case((100,), 10, 200), Case((1024, 1024), 128, 2)], 2: [Case((100,), 100, 20)]}  # by cores


def settings_of(case: Case) -> dict:
    """run_mlp's settings for a case: Sigmoid, softmax cross-entropy, plain SGD."""
    import run_mlp
    from training.settings import resolve

    given = {
        "hidden": list(case.hidden),
        "batch_size": case.batch_size,
        "loss": "SoftmaxCrossEntropyLoss",
        "learning_rate": 0.01,
        "momentum": 0.0,
        "weight_decay": 0.0,
    }
    return resolve(run_mlp.config, given | ({"activation": "Sigmoid"} if case.hidden else {}))
