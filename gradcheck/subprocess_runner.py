"""A submission from the outside: its code runs in a process of its own, and whatever that process does becomes a row.

A guard against accidents (endless loops, crashes, sys.exit, huge arrays), not a security sandbox: the code under test
can still read, write and connect as the user who runs the check.
"""

import json
import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

from gradcheck.errors import plain
from gradcheck.reference import CLASSES
from gradcheck.report_rows import Row

WORKER = Path(__file__).resolve().parent / "worker.py"
TIME_LIMIT = 10.0  # seconds for a class
MEMORY_LIMIT = 2048  # MiB of address space
GRACE = 5.0  # seconds that the worker has to stop by itself
START = 60.0  # seconds that Python and NumPy have to load


def check_submission(
    layers: Path | None, loss: Path | None, time_limit: float = TIME_LIMIT, memory_limit: int = MEMORY_LIMIT
) -> list[Row]:
    """The rows of a submission: every class of the assignment, extra ones, and files that cannot be imported."""
    # Where one file is all there is, it may hold both parts.
    files = [("layers", (layers or loss).absolute()), ("loss", (loss or layers).absolute())]
    # Files from one folder see each other, as they do where they were written.
    together = len({path.parent for _, path in files}) == 1
    rows, columns = [], None
    for group in [files] if together else [[file] for file in files]:
        folders = list(dict.fromkeys(str(path.parent) for _, path in group + files))
        rows += _run_all(group, folders, columns, time_limit, memory_limit)
        columns = next((row.hints["columns"] for row in rows if "columns" in row.hints), None)
    for part, path in (("layers", layers), ("loss", loss)):
        if path is None:
            rows = [
                row for row in rows if row.name not in CLASSES[part] or row.verdict not in ("missing", "not checked")
            ]
            found = [row.name for row in rows]
            rows += [_missing(name, part + ".py") for name in CLASSES[part] if name not in found]
    _note_shared_mean(rows)
    return sorted(rows, key=_order)


def _missing(name: str, file: str) -> Row:
    row = Row(name, file, verdict="missing")
    row.absent("class", f"{file} is not there")
    return row.close()


def _order(row: Row) -> tuple:
    """layers.py before loss.py, a file before its classes, the assignment's classes before the extra ones."""
    known = (*CLASSES["layers"], *CLASSES["loss"])
    is_loss = row.name in CLASSES["loss"] or row.hints.get("part") == "loss"
    place = -1 if row.name == row.file else known.index(row.name) if row.name in known else len(known)
    return (is_loss, place)


def _run_all(group: list, folders: list[str], columns, time_limit: float, memory_limit: int) -> list[Row]:
    """One worker after another, each going on behind the class at which the last one died."""
    rows, broken = [], set()
    while True:
        open_files = [(part, path) for part, path in group if path.name not in broken]
        if not open_files:
            return rows
        request = {
            "files": [(part, str(path)) for part, path in open_files],
            "folders": folders,
            "done": [row.name for row in rows],
            "columns": columns,
            "time_limit": time_limit,
            "memory_limit": memory_limit,
        }
        found, died_at, death = _run(request, time_limit + GRACE)
        for row in found:
            columns = row.hints.get("columns", columns)
        rows += found
        if died_at is None:
            return rows
        verdict, message, where = death
        parts = [(p, f) for p, f in group if f.name == died_at]
        if parts:  # importing it is what went wrong
            part, path = parts[0]
            broken.add(path.name)
            verdict, known = "cannot be imported", {row.name for row in rows}
            for name, owner in [(name, part) for part, _ in parts for name in CLASSES[part]]:
                if name not in known:
                    row = Row(name, path.name, verdict="not checked", hints={"part": owner})
                    row.remark("import", f"{path.name} could not be imported")
                    rows.append(row)
        else:
            known_to_be_layer = died_at in CLASSES["layers"] or not any(p == "loss" for p, _ in group)
            part = "loss" if died_at in CLASSES["loss"] else "layers" if known_to_be_layer else _last_part(found, group)
            path = next(f for p, f in group if p == part)
        row = Row(died_at, path.name, verdict=verdict, hints={"part": part})
        row.fault("gradient" if died_at != path.name else "import", message, where=where)
        rows.append(row.close())


def _last_part(found: list[Row], group: list) -> str:
    return found[-1].hints["part"] if found else group[0][0]


def _run(request: dict, limit: float) -> tuple[list[Row], str | None, tuple | None]:
    """One worker: its rows, and if it did not reach its end, at what it died and how."""
    # Small arrays need no threads, and submitted plt.show() no window.
    threads = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
    environment = os.environ | dict.fromkeys(threads, "1") | {"MPLBACKEND": "Agg"}
    with tempfile.TemporaryDirectory(prefix="check_gradients_") as folder:
        request["trace"] = os.path.join(folder, "trace.txt")
        process = subprocess.Popen(
            [sys.executable, str(WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=request["folders"][0],
            env=environment,
            start_new_session=os.name == "posix",  # what it starts dies with it
        )
        try:
            events = _reader(process)
            with suppress(OSError), process.stdin:
                process.stdin.write(json.dumps(request).encode())
            rows, at, stuck = [], None, False
            while True:
                try:
                    line = events.get(timeout=limit if at else START)
                except queue.Empty:
                    stuck = True
                    break
                event = json.loads(line) if line else {}
                if event.get("end"):
                    return rows, None, None
                if not event:
                    break
                if "row" in event:
                    rows.append(Row.from_dict(event["row"]))
                at = event.get("begin", at)
            if at is None:
                raise OSError("the process for the submission did not start: is there memory and a working NumPy?")
            if not stuck:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(GRACE)
        finally:
            _kill(process)
        return rows, at, _death(process, stuck, request)


def _reader(process: subprocess.Popen) -> queue.Queue:
    """The lines that the process writes, and an empty one at the end."""
    lines = queue.Queue()

    def read() -> None:
        with suppress(OSError, ValueError), process.stdout:
            for line in process.stdout:
                lines.put(line)
        lines.put(b"")

    threading.Thread(target=read, daemon=True).start()
    return lines


def _kill(process: subprocess.Popen) -> None:
    with suppress(OSError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


def _death(process: subprocess.Popen, stuck: bool, request: dict) -> tuple[str, str, str | None]:
    """Verdict, words and place of a worker's early end; the place from what faulthandler wrote."""
    try:
        trace = Path(request["trace"]).read_text(encoding="utf-8", errors="replace")
    except OSError:
        trace = ""
    where = None
    # Threads of the submitted code come first; the one that ran the check is the last, or said to be the current one.
    threads = trace.split("\n\n")
    threads = [text for text in threads if text.lstrip().startswith("Current thread")] or threads[::-1]
    for path, line, function in re.findall(r'File "(.+?)", line (\d+) in (.+)', "\n".join(threads)):
        if any(Path(path).is_relative_to(folder) for folder in request["folders"]):
            code = _line(path, int(line))
            where = f"{os.path.basename(path)} line {line}, in {function}" + (f": {code}" if code else "")
            break
    if stuck or trace.startswith("Timeout"):
        return "no end", f"had not ended after {request['time_limit']:g} s: an endless loop?", where
    fatal = re.search(r"(?:Fatal Python error|Windows fatal exception): (.+)", trace)
    code = process.returncode
    if fatal:
        return "crashed", f"crashed the interpreter: {plain(fatal[1])}", where
    if code < 0:
        return "crashed", f"the process was killed by signal {-code}", where
    return "crashed", f"ended the whole process with exit code {code} (os._exit, or a crash)", where


def _line(path: str, number: int) -> str:
    try:
        return plain(Path(path).read_text(encoding="utf-8", errors="replace").splitlines()[number - 1], 100)
    except (OSError, IndexError):
        return ""


def _note_shared_mean(rows: list[Row]) -> None:
    """Linear divides by N and the losses do not: two wrongs that make a right network."""
    hints = {key: value for row in rows for key, value in row.hints.items() if key.startswith("grad_")}
    if hints.get("grad_W") == "over-n" and hints.get("grad_input") == "times-n":
        for row in rows:
            if row.hints.get("grad_W") == "over-n" or row.hints.get("grad_input") == "times-n":
                row.remark("use", "Linear divides by N what the losses do not: together right, but 1/N is the loss's")
