"""How soon the command answers, and how much memory a default run takes. About 15 seconds.

Starts `python run_mlp.py --max-epoch 1` as a user would, five times, and prints the seconds to its first line and to
its first training line, and the peak of its resident memory, picture included.
"""

import os
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import cases
from benchmarks.processes import our_process
from training.command import run_command

ROUNDS = 5


def main(arguments: list[str]) -> int:
    cases.parser("start", __doc__).parse_args(arguments)
    rounds = [our_process() for _ in range(ROUNDS)]
    first, training, peak = (statistics.median(values) for values in zip(*rounds))
    print(f"first line after {first:.2f} s, first training line after {training:.2f} s, medians of {ROUNDS}")
    print(f"peak resident memory {peak:.0f} MB, {os.cpu_count()} cores")
    return 0


if __name__ == "__main__":
    run_command(main)
