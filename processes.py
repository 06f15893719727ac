"""Each implementation in a process of its own, so that no library's waiting threads take time from another's.

    python benchmarks/processes.py NAME --cores N     asked by compare.py, a JSON line for each request and answer
    python benchmarks/processes.py NAME --once        loads, trains an epoch at batch 10 and ends: a whole process

The parent's side comes first: bound, Worker, run_process. What runs in the child is below: Server, serve, once.
Between two requests a child sleeps on its pipe.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from training.command import ROOT, run_command  # first: it says which package is missing

# isort: split
import contextlib
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from benchmarks.cases import CASES, TITLES, Case, parser
from benchmarks.implementations import IMPLEMENTATIONS, ThisProgram
from load_data import load_dataset
from utils import Error

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
CACHE_VARIABLE = "TORCHINDUCTOR_CACHE_DIR"
FIRST_STEP = "first step done"  # what --once prints after it
SETTLE = 0.05  # seconds after which a library's waiting threads have gone to sleep
CHECK_STEPS = 20


def cores_here() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def bound(cores: int) -> Iterator[None]:
    """Keep this process, and those that it starts meanwhile, on so many processors, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    every = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(every)[-cores:])
    try:
        yield
    finally:
        os.sched_setaffinity(0, every)


class Worker:
    """One implementation's process. Its first `answer` says that it has loaded."""

    def __init__(self, name: str, cores: int, cache: str):
        self.name = name
        # Compiled kernels go to a folder that is removed at the end, and are found again there by later processes.
        environment = os.environ | dict.fromkeys(THREAD_VARIABLES, str(cores)) | {CACHE_VARIABLE: cache}
        self.errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 (closed by close)
        with bound(cores):
            self.process = subprocess.Popen(
                [sys.executable, __file__, name, "--cores", str(cores)],
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
        """Read the next answer. Error if it tells of one, or if the process has ended."""
        line = self.process.stdout.readline()
        if not line:
            raise Error(f"{TITLES[self.name]}: its process ended ({_last_line(self.errors)})")
        answer = json.loads(line)
        if "error" in answer:
            raise Error(f"{TITLES[self.name]}: {answer['error']}")
        return answer

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


def _last_line(errors) -> str:
    errors.seek(0)
    return (errors.read().strip().splitlines() or ["without a message"])[-1]


class ProcessRun(NamedTuple):
    """A process from its start to its end."""

    first_line: float  # seconds from the start
    first_step: float  # seconds to the first line that holds the mark
    end: float  # seconds to the end
    peak: float  # MB of resident memory


def run_process(command: list[str], mark: str, cache: str | None = None) -> ProcessRun:
    """Run a command to its end, watching its output. Error if it fails or never prints the mark."""
    if not hasattr(os, "wait4"):
        raise Error("this system does not tell a process's peak memory: run this on Linux or macOS")
    environment = os.environ | ({CACHE_VARIABLE: cache} if cache else {})
    begin, first, marked = time.perf_counter(), None, None
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment)
        with process.stdout:
            for line in process.stdout:
                now = time.perf_counter() - begin
                first = now if first is None else first
                marked = now if marked is None and mark in line else marked
        _, status, usage = os.wait4(process.pid, 0)
        end = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode or marked is None:
            raise Error(f"{Path(command[1]).name} ended with {process.returncode}: {_last_line(errors)}")
    return ProcessRun(first, marked, end, usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3))


def run_ours(*flags: str) -> ProcessRun:
    """Run `python run_mlp.py --max-epoch 1` as a user would, to its first training line and to its end."""
    with tempfile.TemporaryDirectory() as folder:
        flags = ("--max-epoch", "1", "--run-dir", folder, "--plot-dir", folder, *flags)
        return run_process([sys.executable, "-u", str(ROOT / "run_mlp.py"), *flags], "Training iter")


class Server:
    """An implementation, its data, and what can be asked of it; the answers are the fields of a JSON object."""

    def __init__(self, name: str, cores: int):
        self.cores, self.data = cores, load_dataset(ROOT / "data")
        self.implementation = IMPLEMENTATIONS[name](self.data)
        if name == "ours":
            self.implementation.cores = cores

    def prepare(self, case: list) -> dict:
        """Take up a case, check 20 steps against ours, choose the number of threads that is fastest for it."""
        self.case = Case(*case)
        if isinstance(self.implementation, ThisProgram):
            self.implementation.prepare(self.case)
            return {"threads": self.implementation.threads}
        self.set_up(self.cores)
        return {"difference": self.difference(), "threads": self.fastest_threads()}

    def set_up(self, threads: int) -> None:
        if hasattr(self.implementation, "set_threads"):
            self.implementation.set_threads(threads)
        self.implementation.prepare(self.case)

    def fastest_threads(self) -> int:
        """Take one thread or one for each core: what its user would find out by trying."""
        if self.cores == 1 or not hasattr(self.implementation, "set_threads"):
            return self.cores
        seconds = {}
        for count in (1, self.cores):
            self.set_up(count)
            tries = [self.timed(max(2, min(200, self.case.steps // 8)), seed)[0] for seed in range(4)]
            seconds[count] = min(tries[1:])
        fastest = min(seconds, key=seconds.get)
        self.set_up(fastest)
        return fastest

    def difference(self) -> float:
        """Return the largest difference of a weight from ours after a few steps, relative to the largest change."""
        order = np.random.default_rng(1).permutation(self.case.batch_size * min(CHECK_STEPS, self.case.steps))
        self.implementation.check(order)
        ours = ThisProgram(self.data, self.cores)
        ours.prepare(self.case)
        before = [array.copy() for array in ours.weights()]
        ours.train(order)
        after = ours.weights()
        change = max(float(abs(a - b).max()) for a, b in zip(after, before))
        return max(float(abs(a - b).max()) for a, b in zip(self.implementation.weights(), after)) / change

    def timed(self, steps: int, seed: int) -> tuple[float, float]:
        """Return wall and processor seconds of so many steps in a new order, drawing the order included."""
        rng, count = np.random.default_rng(seed), steps * self.case.batch_size
        cpu, start = time.process_time(), time.perf_counter()
        self.implementation.train(rng.permutation(count))
        return time.perf_counter() - start, time.process_time() - cpu

    def run(self, seed: int) -> dict:
        seconds, cpu = self.timed(self.case.steps, seed)
        return {"seconds": seconds / self.case.steps, "busy": cpu / seconds}

    def lower_bound(self) -> dict:
        start = time.perf_counter()
        self.implementation.lower_bound.steps(self.case.steps)
        return {"seconds": (time.perf_counter() - start) / self.case.steps}


def serve(name: str, cores: int) -> None:
    """Answer requests until the pipe is closed; an error is an answer too."""
    # What a library prints must not come between the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def answer(**fields) -> None:
        print(json.dumps(fields), file=answers, flush=True)

    def error_of(error: Exception) -> str:
        return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"

    try:
        server = Server(name, cores)
        answer(loaded=name)
    except Exception as error:
        return answer(error=error_of(error))
    known = {what: getattr(server, what) for what in ("prepare", "run", "lower_bound")}
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer(**known[request.pop("do")](**request))
        except Exception as error:
            answer(error=error_of(error))


def once(name: str) -> None:
    """Do what a user's script would: load, train one step, say so, train an epoch."""
    case = CASES[0]
    implementation = IMPLEMENTATIONS[name](load_dataset(ROOT / "data"))
    implementation.prepare(case)
    order = np.random.default_rng(0).permutation(case.batch_size * case.steps)
    implementation.train(order[: case.batch_size])
    print(FIRST_STEP, flush=True)
    implementation.train(order)


def main(arguments: list[str]) -> int:
    flags = parser("processes", __doc__)
    flags.add_argument("name", choices=TITLES, metavar="NAME", help=f"one of {', '.join(TITLES)}")
    how = flags.add_mutually_exclusive_group(required=True)
    how.add_argument("--cores", type=int, metavar="N", help="serve compare.py, on so many processors")
    how.add_argument("--once", action="store_true", help="train one epoch at batch 10 and end")
    options = flags.parse_args(arguments)
    if options.once:
        once(options.name)
    else:
        serve(options.name, options.cores)
    return 0


if __name__ == "__main__":
    run_command(main)
