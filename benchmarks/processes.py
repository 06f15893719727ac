"""An implementation in a process of its own, so that no library's waiting threads take time from another's.

The parent's side: Worker, asked one thing at a time; whole_process, watched from start to end. The child's side:
`python benchmarks/processes.py NAME --cores N`, bound to so many processors before its library is imported, with a line
of JSON for each request and answer; and `NAME --once`, which trains an epoch and ends.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.cases import CASES, TITLES, Case
from training.command import ROOT, Parser, run_command
from utils import Error

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
CACHE_VARIABLE = "TORCHINDUCTOR_CACHE_DIR"
FIRST_STEP = "first step done"  # what --once prints after it
SETTLE = 0.05  # seconds after which a library's waiting threads have gone to sleep
CHECK_STEPS = 20


def cores_here() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def bind(cores: int) -> None:
    """Keep this process on so many processors, the last ones it may use, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-cores:])


# ---- the parent's side


def last_line(errors) -> str:
    """The last line of the file that a process wrote its errors to; empty for none."""
    errors.seek(0)
    return errors.read().strip().split("\n")[-1]


class Worker:
    """An implementation's process. Its first `answer` says that it has loaded, and about itself."""

    def __init__(self, name: str, cores: int, cache: str):
        self.name = name
        # Compiled kernels go to a folder that is removed at the end, and are found again there by later processes.
        kept = {key: value for key, value in os.environ.items() if key not in THREAD_VARIABLES}
        environment = kept | dict.fromkeys(THREAD_VARIABLES, str(cores)) | {CACHE_VARIABLE: cache}
        self.errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 (closed by close)
        self.process = subprocess.Popen(
            [sys.executable, __file__, name, "--cores", str(cores)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env=environment,
            preexec_fn=partial(bind, cores) if hasattr(os, "sched_setaffinity") else None,
        )

    def ask(self, do: str, **request) -> dict:
        time.sleep(SETTLE)
        with contextlib.suppress(OSError):  # it has ended: the answer will say so
            self.process.stdin.write(json.dumps({"do": do} | request) + "\n")
            self.process.stdin.flush()
        return self.answer()

    def answer(self) -> dict:
        """Return the fields of the next answer. Error if it is one, or if the process has ended."""
        line = self.process.stdout.readline()
        if line:
            answer = json.loads(line)
            if "error" in answer:
                raise Error(f"{TITLES[self.name]}: {answer['error']}")
            return answer
        raise Error(f"{TITLES[self.name]}: its process ended ({last_line(self.errors) or 'without a word'})")

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
    first_step: float  # seconds to the first line that says so
    peak: float  # MB of resident memory


def whole_process(command: list, mark: str, environment: dict | None = None) -> Whole:
    """Run a command to its end; `mark` is in the line that says that the first step is done. Error if it fails.

    On Linux a child's peak memory counts from what its parent holds: import nothing heavy before.
    """
    if not hasattr(os, "wait4"):
        raise Error("this system does not tell a process's peak memory: run this on Linux or macOS")
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
            raise Error(f"{os.path.basename(command[1])} ended with {process.returncode}: {last_line(errors)}")
    return Whole(first, marked, usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3))


def our_process(*flags: str) -> Whole:
    """`python run_mlp.py --max-epoch 1` as a user starts it, to its first training line and to its end."""
    with tempfile.TemporaryDirectory() as folder:
        where = ["--run-dir", folder, "--plot-dir", folder]
        command = [sys.executable, str(ROOT / "run_mlp.py"), "--max-epoch", "1", *where, *flags]
        return whole_process(command, "Training iter")


def their_process(name: str, cache: str) -> Whole:
    """A script that does the same with another implementation."""
    return whole_process([sys.executable, __file__, name, "--once"], FIRST_STEP, {CACHE_VARIABLE: cache})


# ---- the child's side. What is heavy is imported after the process is bound.


class Server:
    """An implementation, and what can be asked of it; the answers are the fields of a JSON object."""

    def __init__(self, name: str, cores: int):
        self.name, self.cores = name, cores
        self.implementation, self.data = made(name)

    def about(self) -> dict:
        """Its setting, and the libraries that share out threads in this process."""
        from threadpoolctl import threadpool_info

        pools = {f"{pool['internal_api']} {pool['version'] or ''}".strip() for pool in threadpool_info()}
        if self.name in ("torch", "compiled") and self.implementation.torch.backends.mkl.is_available():
            pools.add("mkl (PyTorch's own)")
        return {"setting": self.implementation.setting, "pools": sorted(pools)}

    def prepare(self, case: list) -> dict:
        """Take up a case with the number of threads that is fastest for it; check 20 steps against ours."""
        self.case = Case(tuple(case[0]), *case[1:])
        if self.name == "ours":
            self.implementation.prepare(self.case)
            return {"threads": self.implementation.threads}
        threads = self.cores
        if hasattr(self.implementation, "set_threads"):
            threads = self.fastest_threads()
            self.implementation.set_threads(threads)
        self.implementation.prepare(self.case)
        return {"threads": threads, "difference": self.difference()}

    def fastest_threads(self) -> int:
        """One thread or one for each core: what its user would find out by trying."""
        if self.cores == 1:
            return 1
        seconds = {}
        for count in (1, self.cores):
            self.implementation.set_threads(count)
            self.implementation.prepare(self.case)
            tries = [self.timed(max(2, min(200, self.case.steps // 8)), seed)[0] for seed in range(4)]
            seconds[count] = min(tries[1:])
        return min(seconds, key=seconds.get)

    def difference(self) -> float:
        """The largest difference of a weight from ours after a few steps, as a share of the largest change there."""
        import numpy as np
        from threadpoolctl import threadpool_limits

        from benchmarks.implementations import ThisProgram

        count = self.case.batch_size * min(CHECK_STEPS, self.case.steps)
        order = np.random.default_rng(1).permutation(count)
        self.implementation.check(order)
        with threadpool_limits():  # puts the numbers of threads back
            ours = ThisProgram(self.data)
            ours.prepare(self.case)
            before = [array.copy() for array in ours.weights()]
            ours.train(order)
        change = max(float(abs(a - b).max()) for a, b in zip(ours.weights(), before))
        theirs = self.implementation.weights()
        return max(float(abs(a - b).max()) for a, b in zip(theirs, ours.weights())) / change

    def timed(self, steps: int, seed: int) -> tuple[float, float]:
        """Wall and processor seconds of so many steps in a new order, drawing the order included."""
        import numpy as np

        rng, count = np.random.default_rng(seed), steps * self.case.batch_size
        cpu, start = time.process_time(), time.perf_counter()
        self.implementation.train(rng.permutation(count))
        return time.perf_counter() - start, time.process_time() - cpu

    def run(self, seed: int) -> dict:
        seconds, cpu = self.timed(self.case.steps, seed)
        return {"seconds": seconds / self.case.steps, "busy": cpu / seconds}

    def lower_bound(self) -> dict:
        return {"seconds": self.implementation.lower_bound.seconds_per_step(self.case.steps)}


def made(name: str) -> tuple:
    """The implementation of this name with its data. ImportError if its library is not installed."""
    from benchmarks.implementations import IMPLEMENTATIONS
    from load_data import load_dataset

    data = load_dataset(ROOT / "data")
    return IMPLEMENTATIONS[name](data), data


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
        if name == "ours":
            server.implementation.cores = cores
        answer(bound=cores_here() == cores, **server.about())
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
    """What a user's script would do: load, train one step, say so, train an epoch."""
    import numpy as np

    implementation, _ = made(name)
    case = CASES[0]
    implementation.prepare(case)
    order = np.random.default_rng(0).permutation(case.batch_size * case.steps)
    implementation.train(order[: case.batch_size])
    print(FIRST_STEP, flush=True)
    implementation.train(order)


def main(arguments: list[str]) -> int:
    parser = Parser(prog="benchmarks/processes.py", description="An implementation in a process of its own.")
    parser.add_argument("name", choices=TITLES)
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--cores", type=int, metavar="N", help="serve compare.py, on so many processors")
    how.add_argument("--once", action="store_true", help="train one epoch at batch 10 and end")
    options = parser.parse_args(arguments)
    if options.once:
        once(options.name)
    else:
        serve(options.name, options.cores)
    return 0


if __name__ == "__main__":
    run_command(main)
