"""How soon the command answers, and how much memory a default run takes.

    python benchmarks/start.py

Starts `python run_mlp.py --max-epoch 1` as a user would and prints the seconds to its first line and to its first
training line, and the peak of its resident memory, picture included. Exits 5 above the limits.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MEMORY_LIMIT = 200  # MB
LINE_LIMIT = 2.0  # seconds to the first training line
ROUNDS = 5


def start(folder: str) -> tuple[float, float]:
    """Seconds to the first line and to the first training line of a run of one epoch."""
    command = [sys.executable, ROOT / "run_mlp.py", "--max-epoch", "1", "--run-dir", folder, "--plot-dir", folder]
    begin, first, training = time.perf_counter(), None, None
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            now = time.perf_counter() - begin
            first = now if first is None else first
            training = now if training is None and "Training iter" in line else training
    if process.returncode:
        sys.exit(f"run_mlp.py ended with {process.returncode}")
    return first, training


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        rounds = [start(folder) for _ in range(ROUNDS)]
    first, training = (statistics.median(seconds) for seconds in zip(*rounds))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    print(
        f"first line after {first:.2f} s, first training line after {training:.2f} s (limit {LINE_LIMIT:g} s), medians"
    )
    print(f"peak resident memory {peak:.0f} MB (limit {MEMORY_LIMIT} MB), {os.cpu_count()} cores")
    return 5 if peak > MEMORY_LIMIT or training > LINE_LIMIT else 0


if __name__ == "__main__":
    sys.exit(main())
