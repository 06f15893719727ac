"""One contestant in a process of its own, so that no library's waiting threads take time from another's.

    python benchmarks/worker.py NAME --cores N     asked by compare.py, a JSON line for each request and answer
    python benchmarks/worker.py NAME --once        loads, trains one epoch at batch 10 and ends: a whole process

The process is bound to so many processors before its library is imported. Between two requests it sleeps on its pipe.
"""

import json
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.cases import CASES, ROOT, TITLES, Case
from benchmarks.processes import FIRST_STEP
from training.command import Parser, run_command

CHECK_STEPS = 20


def bind(cores: int) -> bool:
    """Keep this process on so many processors, the last ones it may use. False where the system cannot."""
    if not hasattr(os, "sched_setaffinity"):
        return False
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-cores:])
    return True


class Server:
    """A contestant, its data, and what can be asked of it; the answers are the fields of a JSON object."""

    def __init__(self, name: str, cores: int):
        self.name, self.cores = name, cores
        self.contestant, self.data = contestant(name)

    def about(self) -> dict:
        """Its setting, and the libraries that share out threads in this process."""
        from threadpoolctl import threadpool_info

        pools = {f"{pool['internal_api']} {pool['version'] or ''}".strip() for pool in threadpool_info()}
        if self.name in ("torch", "compiled") and self.contestant.torch.backends.mkl.is_available():
            pools.add("mkl (PyTorch's own)")
        return {"setting": self.contestant.setting, "pools": sorted(pools)}

    def prepare(self, case: list) -> dict:
        """Take up a case with the number of threads that is fastest for it; check 20 steps against ours."""
        self.case = Case(*case)
        if self.name == "ours":
            self.contestant.prepare(self.case)
            return {"threads": self.contestant.threads or self.cores}
        threads = self.cores
        if hasattr(self.contestant, "set_threads"):
            threads = self.fastest_threads()
            self.contestant.set_threads(threads)
        self.contestant.prepare(self.case)
        return {"threads": threads, "difference": self.difference()}

    def fastest_threads(self) -> int:
        """One thread or one for each core: what its user would find out by trying."""
        if self.cores == 1:
            return 1
        seconds = {}
        for count in (1, self.cores):
            self.contestant.set_threads(count)
            self.contestant.prepare(self.case)
            tries = [self.timed(max(2, min(200, self.case.steps // 8)), seed)[0] for seed in range(4)]
            seconds[count] = min(tries[1:])
        return min(seconds, key=seconds.get)

    def difference(self) -> float:
        """The largest difference of a weight from ours after a few steps, as a share of the largest change there."""
        import numpy as np

        from benchmarks.ours import Ours

        count = self.case.batch_size * min(CHECK_STEPS, self.case.steps)
        order = np.random.default_rng(1).permutation(count)
        self.contestant.check(order)
        ours = Ours(self.data)
        ours.prepare(self.case)
        before = [array.copy() for array in ours.weights()]
        ours.train(order)
        after = ours.weights()
        ours.release_threads()
        change = max(float(abs(a - b).max()) for a, b in zip(after, before))
        return max(float(abs(a - b).max()) for a, b in zip(self.contestant.weights(), after)) / change

    def timed(self, steps: int, seed: int) -> tuple[float, float]:
        """Wall and processor seconds of so many steps in a new order, drawing the order included."""
        import numpy as np

        rng, count = np.random.default_rng(seed), steps * self.case.batch_size
        cpu, start = time.process_time(), time.perf_counter()
        self.contestant.train(rng.permutation(count))
        return time.perf_counter() - start, time.process_time() - cpu

    def run(self, seed: int) -> dict:
        seconds, cpu = self.timed(self.case.steps, seed)
        tasks = Path("/proc/self/task")
        threads = len(list(tasks.iterdir())) if tasks.is_dir() else None
        return {"seconds": seconds / self.case.steps, "busy": cpu / seconds, "threads": threads}

    def limit(self) -> dict:
        start = time.perf_counter()
        self.contestant.limit(self.case.steps)
        return {"seconds": (time.perf_counter() - start) / self.case.steps}

    def evaluate(self, times: int, bare: bool) -> dict:
        start = time.perf_counter()
        (self.contestant.bare_evaluate if bare else self.contestant.evaluate)(times)
        return {"seconds": (time.perf_counter() - start) / times}

    def epochs(self, batch_size: int, epochs: int, logged: bool) -> dict:
        return {"seconds": self.contestant.epochs(batch_size, epochs, logged)}


def contestant(name: str) -> tuple:
    """The contestant of this name with its data. ImportError if its library is not installed."""
    from load_data import load_dataset

    data = load_dataset(ROOT / "data")
    if name == "ours":
        from benchmarks.ours import Ours

        return Ours(data), data
    from benchmarks.peers import PEERS

    return PEERS[name](data), data


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
        bound = bind(cores)
        server = Server(name, cores)
        answer(bound=bound, **server.about())
    except Exception as error:
        return answer(error=error_of(error))
    known = {what: getattr(server, what) for what in ("prepare", "run", "limit", "evaluate", "epochs")}
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer(**known[request.pop("do")](**request))
        except Exception as error:
            answer(error=error_of(error))


def once(name: str) -> None:
    """What a user's script would do: load, train one step, say so, train an epoch."""
    import numpy as np

    trainer, _ = contestant(name)
    case = CASES[0]
    trainer.prepare(case)
    order = np.random.default_rng(0).permutation(case.batch_size * case.steps)
    trainer.train(order[: case.batch_size])
    print(FIRST_STEP, flush=True)
    trainer.train(order)


def main(arguments: list[str]) -> int:
    parser = Parser(prog="benchmarks/worker.py", description="One contestant of compare.py in a process of its own.")
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
