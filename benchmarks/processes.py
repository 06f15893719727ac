"""The parent's side: persistent worker processes, asked one at a time, and whole processes from start to end.

Imports nothing heavy: on Linux a child's peak memory counts from what its parent holds when it is started.
"""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

from benchmarks.cases import ROOT, TITLES
from utils import UsageError

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
CACHE_VARIABLE = "TORCHINDUCTOR_CACHE_DIR"
FIRST_STEP = "first step done"  # what `worker.py --once` prints after it
SETTLE = 0.05  # seconds after which a library's waiting threads have gone to sleep


class BenchmarkError(Exception):
    """What stops a benchmark; the message names the contestant and what is wrong."""

    exit_code = 1


class DifferentResult(BenchmarkError):
    """A peer computes something else, so its time says nothing."""

    exit_code = 5


def rounds_of(options, usual: int) -> int:
    """How many rounds the flags ask for: --rounds, else two for --quick, else the usual number."""
    if options.rounds is not None and options.rounds < 1:
        raise UsageError(f"--rounds is {options.rounds}: give a whole number from 1")
    return options.rounds or (2 if options.quick else usual)


def cores_here() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Worker:
    """One contestant's process (worker.py). Its first `answer` says that it has loaded, and about itself."""

    def __init__(self, name: str, cores: int, cache: str):
        self.name = name
        # Compiled kernels go to a folder that is removed at the end, and are found again there by later processes.
        kept = {key: value for key, value in os.environ.items() if key not in THREAD_VARIABLES}
        environment = kept | dict.fromkeys(THREAD_VARIABLES, str(cores)) | {CACHE_VARIABLE: cache}
        self.errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 (closed by close)
        self.process = subprocess.Popen(
            [sys.executable, ROOT / "benchmarks" / "worker.py", name, "--cores", str(cores)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env=environment,
        )

    def ask(self, do: str, **request) -> dict:
        time.sleep(SETTLE)
        with contextlib.suppress(OSError):  # it has ended: the answer will say so
            self.process.stdin.write(json.dumps({"do": do} | request) + "\n")
            self.process.stdin.flush()
        return self.answer()

    def answer(self) -> dict:
        line = self.process.stdout.readline()
        if line:
            answer = json.loads(line)
            if "error" in answer:
                raise BenchmarkError(f"{TITLES[self.name]}: {answer['error']}")
            return answer
        self.errors.seek(0)
        last = self.errors.read().strip().splitlines()[-1:]
        raise BenchmarkError(f"{TITLES[self.name]}: its process ended ({last[0] if last else 'without a word'})")

    def close(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.errors.close()


class Whole(NamedTuple):
    """A process from its start to its end."""

    first_line: float  # seconds from the start
    first_mark: float  # seconds to the first line that holds the mark
    peak: float  # MB of resident memory


def whole_process(command: list, mark: str, environment: dict | None = None) -> Whole:
    """Run a command to its end, watching its output."""
    if not hasattr(os, "wait4"):
        raise BenchmarkError("this system does not tell a process's peak memory: run this on Linux or macOS")
    begin, first, marked = time.perf_counter(), None, None
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env=os.environ | (environment or {})
        )
        with process.stdout:
            for line in process.stdout:
                now = time.perf_counter() - begin
                first = now if first is None else first
                marked = now if marked is None and mark in line else marked
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode or marked is None:
            errors.seek(0)
            last = errors.read().strip().splitlines()[-1:]
            raise BenchmarkError(f"{os.path.basename(command[1])} ended with {process.returncode}: {' '.join(last)}")
    return Whole(first, marked, usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3))


def our_process(*flags: str) -> Whole:
    """`python run_mlp.py --max-epoch 1` as a user starts it, to its first training line and to its end."""
    with tempfile.TemporaryDirectory() as folder:
        where = ["--run-dir", folder, "--plot-dir", folder]
        return whole_process(
            [sys.executable, str(ROOT / "run_mlp.py"), "--max-epoch", "1", *where, *flags], "Training iter"
        )


def spread(values: list[float]) -> tuple[float, float, float]:
    """Median, least and greatest."""
    return statistics.median(values), min(values), max(values)
