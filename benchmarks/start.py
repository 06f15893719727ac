"""How soon the command answers, and how much memory a default run takes.

    python benchmarks/start.py

Starts `python run_mlp.py --max-epoch 1` as a user would and prints the seconds to its first line and to its first
training line, and the peak of its resident memory, picture included. Exits 5 above the limits.
"""

import os
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.bars import LINE_LIMIT, MEMORY_LIMIT
from benchmarks.processes import our_process
from training.command import run_command

ROUNDS = 5


def main(arguments: list[str]) -> int:
    rounds = [our_process() for _ in range(ROUNDS)]
    first, training = (statistics.median(values) for values in list(zip(*rounds))[:2])
    peak = max(whole.peak for whole in rounds)
    print(
        f"first line after {first:.2f} s, first training line after {training:.2f} s (limit {LINE_LIMIT:g} s), medians"
    )
    print(f"peak resident memory {peak:.0f} MB (limit {MEMORY_LIMIT:g} MB), {os.cpu_count()} cores")
    return 5 if peak > MEMORY_LIMIT or training > LINE_LIMIT else 0


if __name__ == "__main__":
    run_command(main)
