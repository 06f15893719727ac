"""The worker process: runs submitted code and writes its rows into a file, a line of JSON each.

Started by gradcheck/subprocess_runner.py as a script. Before the first submitted line runs, this process has given up
the project's folder: its modules can satisfy no import of a submission. What submitted code prints goes nowhere.
"""

import faulthandler
import io
import json
import os
import sys
import warnings

HERE = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.dirname(HERE)


def forget_the_project() -> None:
    """Take our folders from the search path and our modules from those that are loaded."""
    ours = [os.path.normcase(folder) for folder in (ROOT, HERE)]
    sys.path[:] = [p for p in sys.path if p and os.path.normcase(os.path.realpath(p)) not in ours]
    for name in [name for name in sys.modules if name == "gradcheck" or name.startswith("gradcheck.")]:
        del sys.modules[name]


# This script's own folder is on the path, the project's is not: change that for these imports alone.
forget_the_project()
sys.path.insert(0, ROOT)
import numpy.random  # noqa: E402, F401 (now: a submission's own random.py must not come in between)

from gradcheck import submission  # noqa: E402
from gradcheck.loading import FolderFinder, stand_in_for_libraries  # noqa: E402
from gradcheck.report_rows import Row  # noqa: E402

forget_the_project()


class Sink(io.TextIOWrapper):
    """Where submitted prints go: counted, and dropped."""

    def __init__(self):
        super().__init__(open(os.devnull, "wb"), encoding="utf-8", errors="replace")  # noqa: SIM115 (as long as we run)
        self.lines = 0

    def write(self, text: str) -> int:
        self.lines += str(text).count("\n")
        return super().write(text)


def limit_memory(megabytes: int) -> None:
    """Bound the address space, where the system offers that."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
    except (ImportError, AttributeError, ValueError, OSError):
        pass  # Windows has no such module, macOS refuses: there the time limit has to do


def silence() -> None:
    """What the rest of this process prints goes nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    sys.stdout = sys.stderr = Sink()
    sys.dont_write_bytecode = True
    warnings.simplefilter("ignore")


def main() -> None:
    request = json.loads(sys.stdin.buffer.read())
    silence()
    events, trace = (open(request[name], "w", encoding="utf-8") for name in ("events", "trace"))  # noqa: SIM115
    faulthandler.enable(trace)
    sink = sys.stdout
    sys.argv = [request["files"][0][1]]
    limit_memory(request["memory_limit"])
    process = os.getpid()

    def tell(**event) -> None:
        if os.getpid() != process:  # a fork made by submitted code came back into our loop
            os._exit(1)
        events.write(json.dumps(event) + "\n")
        events.flush()

    def begin(what: str, file: str, part: str, grace: float) -> None:
        faulthandler.dump_traceback_later(request["time_limit"] + grace, exit=True, file=trace)
        sink.lines = 0
        tell(begin=what, file=file, part=part)

    def tell_row(row: Row) -> None:
        if sink.lines:
            row.note("use", "prints while it computes", mistake="prints")
        tell(row=row.as_dict())

    sys.path[:0] = request["folders"]
    sys.meta_path.insert(0, FolderFinder(request["folders"]))
    stand_in_for_libraries()
    submission.check_files(request, begin, tell_row)
    tell(end=True)
    # Not sys.exit: threads and exit hooks of submitted code would run on.
    os._exit(0)


if __name__ == "__main__":
    main()
