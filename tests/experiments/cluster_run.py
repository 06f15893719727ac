"""The report on a real Dask cluster: a scheduler and two worker processes on this machine, one killed half way.

    pip install 'dask[distributed]' && python tests/experiments/cluster_run.py

Outside the test suite: it needs Dask, a minute, and port 8790 of this machine. Starts the scheduler and the workers as
a user would, runs `python report.py --dry-run --cluster …`, kills one worker after a few runs, and exits 5 unless every
run arrives.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ADDRESS = "tcp://127.0.0.1:8790"
RUNS = ("3", "6", "--seeds", "6")  # 18 curves
EXPECTED = 108


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.parse_args()  # it has no flags but --help, and refuses others
    with tempfile.TemporaryDirectory() as scratch:
        project = Path(scratch) / "project"
        unneeded = ("runs", "results", "figures", "plots", "tests", ".*", "__pycache__")
        shutil.copytree(ROOT, project, ignore=shutil.ignore_patterns(*unneeded))
        started, killed = [], False

        def start(*command: str) -> subprocess.Popen:
            log = open(Path(scratch) / f"{len(started)}.log", "w")  # noqa: SIM115 (lives as long as the process)
            started.append(subprocess.Popen(command, cwd=project, stdout=log, stderr=log, start_new_session=True))
            return started[-1]

        try:
            dask = [sys.executable, "-m"]
            start(*dask, "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "8790", "--no-dashboard")
            worker = [*dask, "distributed.cli.dask_worker", ADDRESS, "--nthreads", "1", "--no-dashboard"]
            workers = [start(*worker) for _ in range(2)]
            report = subprocess.Popen(
                [sys.executable, "report.py", "--dry-run", "--cluster", ADDRESS, *RUNS],
                cwd=project,
                stdout=subprocess.PIPE,
                text=True,
            )
            for line in report.stdout:
                print(line, end="", flush=True)
                if line.startswith(f"[{EXPECTED // 3}/"):
                    os.killpg(workers[0].pid, signal.SIGKILL)
                    killed = workers[0].wait() == -signal.SIGKILL
                    print("-- one of the two workers was killed", flush=True)
            code = report.wait()
            arrived = len(list((project / "runs" / "dry-run-report" / "results").glob("*.npz")))
        finally:
            for process in started:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    print(f"report.py exited with {code}; one worker killed: {killed}; {arrived} of {EXPECTED} runs arrived")
    return 0 if code == 0 and killed and arrived == EXPECTED else 5


if __name__ == "__main__":
    sys.exit(main())
