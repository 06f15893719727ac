"""The faults that the tests inject into runs: kills, full disks, limits, vanished folders. For Linux.

A Trainer forks: one process loads NumPy and the program once, and every run is a child of it that ends for itself, by a
kill or by a limit. So a run on a small set takes some hundredths of a second, and hundreds of kills fit into a test.
`python tests/training/fault_injection.py` is that process; it reads a request a line.
"""

import contextlib
import ctypes
import json
import mmap
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 120
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from helpers import Ended, without_diagnosis  # noqa: E402

# Batches of 41 divide the 205 samples of idx_files.small_set, batches of 20 do not.
CASES = {
    "batches that divide": ["-b", 41, "--momentum", 0.9, "-w", 0.001, "-lr", 0.05, "--disp-freq", 2],
    "batches that do not": [
        *["-b", 20, "--momentum", 0.5, "-w", 0.01, "-n", 2, "-a", "Gelu", "-l", "Hinge", "--test-epoch", 2],
        *["--probe", 0, 2, 3],
    ],
    "everything at once": [
        *["-b", 20, "-n", 2, "--dropout", 0.3, "--batch-norm", "--residual", "--init", "he", "--momentum", 0.9],
        *["--schedule", "one-cycle", "--validation", 40, "--patience", 1, "--train-images", 150],
    ],
}
MAY_GO_FURTHER = list(CASES)[:2]  # a schedule fixes the number of epochs
CHANGES_FILES = ("os.mkdir", "os.rename", "os.link", "os.remove", "os.rmdir", "os.truncate")


class Trainer:
    """Runs run_mlp.py on a data set, into two folders of `place`, as forked processes."""

    def __init__(self, data: Path):
        self.data = data
        # One thread: a process that forks must have no other.
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"}
        self.server = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def run(self, place: Path, *arguments, **fault) -> Ended:
        """One run. fault: at, the number of a file operation, and fault, what happens before it to `folder` (act_of;
        a kill if left out); kill_after, seconds after there is a config.json; most, bytes in a file; memory, bytes;
        obey, the permissions."""
        return self.together([self.arguments(place, *arguments)], place, **fault)[0]

    def resume(self, folder: Path, *arguments, **fault) -> Ended:
        return self.run(folder.parent.parent, "--resume", folder, *arguments, **fault)

    def arguments(self, place: Path, *arguments) -> list[str]:
        where = ["--data-dir", self.data, "--plot-dir", place / "plots", *arguments]
        return [str(part) for part in (where if "--resume" in arguments else [*where, "--run-dir", place / "runs"])]

    def together(self, runs: list[list[str]], place: Path, **request) -> list[Ended]:
        """Several runs at once, with these arguments; operations below the place are counted."""
        request = {key: str(value) if isinstance(value, Path) else value for key, value in request.items()}
        print(json.dumps(request | {"runs": runs, "place": str(place)}), file=self.server.stdin, flush=True)
        ended = [Ended(*each) for each in json.loads(self.server.stdout.readline())]
        return [each._replace(stderr=without_diagnosis(each.stderr)) for each in ended]

    def close(self) -> None:
        self.server.stdin.close()
        self.server.stdout.close()
        self.server.wait()


# ---- the surroundings


@contextlib.contextmanager
def small_disk(folder: Path, size: int):
    """A file system of so many bytes at this folder; OSError where this process may not mount one."""
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True).returncode:
        raise OSError("no file system can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def leave_free(disk: Path, size: int) -> None:
    """Fill a small disk, or empty it again, until so many bytes are free."""
    ballast = disk / "ballast"
    ballast.unlink(missing_ok=True)
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    ballast.write_bytes(b"\0" * max(0, free - size))


# ---- the process that forks


def obey_permissions() -> None:
    """Without its capabilities the system's administrator, too, may write only what the permissions allow."""
    header, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    if ctypes.CDLL(None).capset(header, none):
        raise OSError("the capabilities cannot be laid down")


def at_operation(place: str, number: int | None, act, counter) -> None:
    """Count what this process is about to do to files below `place`, and act before the operation of this number."""
    inner, acting = os.fsync, []

    def step() -> None:
        if acting:  # what the act itself does
            return
        counter[0] += 1
        if number is not None and counter[0] >= number:
            acting.append(True)
            act()

    def hook(event: str, arguments: tuple) -> None:
        writes = event in CHANGES_FILES
        if event == "open" and isinstance(arguments[0], str):
            writes = bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        if writes and str(arguments[0]).startswith(place):
            step()

    def fsync(descriptor: int) -> None:
        step()
        inner(descriptor)

    sys.addaudithook(hook)
    os.fsync = fsync


def act_of(fault: str, folder: str):
    """What happens in the midst of a run: to the process itself, or to its folder."""
    return {
        "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
        "delete": lambda: shutil.rmtree(folder, ignore_errors=True),
        "protect": lambda: os.path.isdir(folder) and os.chmod(folder, 0o555),
        "fill": lambda: leave_free(Path(folder), 0),
    }[fault]


def child(arguments: list[str], pipes: list, counter, request: dict) -> None:
    import resource

    from run_mlp import main
    from training.command import run_command

    for number, (_, end) in enumerate(pipes, 1):
        os.dup2(end, number)
    sys.stdout, sys.stderr = (open(number, "w", encoding="utf-8", closefd=False) for number in (1, 2))  # noqa: SIM115
    sys.argv = ["run_mlp.py", *arguments]
    signal.alarm(TIMEOUT // 2)  # a run that never ends is a failure too
    if request.get("obey"):
        obey_permissions()
    act = act_of(request.get("fault", "kill"), request.get("folder"))
    at_operation(request["place"], request.get("at"), act, counter)
    if request.get("most") is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["most"],) * 2)  # SIGXFSZ: Python ignores it
    if request.get("memory") is not None:
        resource.setrlimit(resource.RLIMIT_AS, (request["memory"],) * 2)
    code = 1
    try:
        run_command(main)
    except SystemExit as end:
        code = end.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def fork(arguments: list[str], request: dict) -> tuple:
    import fcntl

    pipes = [os.pipe() for _ in range(2)]
    for _, end in pipes:
        fcntl.fcntl(end, 1031, 1 << 20)  # F_SETPIPE_SZ: all that a run says, unread
    counter = memoryview(mmap.mmap(-1, 8)).cast("q")
    pid = os.fork()
    if pid == 0:
        child(arguments, pipes, counter, request)
    for _, end in pipes:
        os.close(end)
    return pid, [end for end, _ in pipes], counter


def serve() -> None:
    import curves  # once, before the forks: the modules, and what the first picture loads
    import run_mlp  # noqa: F401

    curves.as_bytes(curves.draw([curves.Curve("warm", [[curves.Row("test", 0, 0, 1.0, 0.5, 0.0)]])]))

    for line in sys.stdin:
        request = json.loads(line)
        started = [fork(arguments, request) for arguments in request["runs"]]
        if request.get("kill_after") is not None:
            begun, latest = Path(request["place"]), time.monotonic() + TIMEOUT / 4
            while not list(begun.glob("runs/*/config.json")) and time.monotonic() < latest:
                time.sleep(0.002)
            time.sleep(request["kill_after"])
            for pid, *_ in started:
                os.kill(pid, signal.SIGKILL)
        ended = []
        for pid, pipes, counter in started:
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            texts = []
            for pipe in pipes:
                with open(pipe, encoding="utf-8", errors="replace") as file:
                    texts.append(file.read())
            ended.append((code, *texts, counter[0]))
        print(json.dumps(ended), flush=True)


if __name__ == "__main__":
    from curves import use_project_cache

    use_project_cache()
    serve()
