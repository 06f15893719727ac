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

from gradcheck.check_together import note_cancelling
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
    rows = []
    for group in [files] if together else [[file] for file in files]:
        folders = list(dict.fromkeys(str(path.parent) for _, path in group + files))
        request = {"folders": folders, "time_limit": time_limit, "memory_limit": memory_limit}
        rows += _run_all(group, request, _context(rows))
    return complete(rows, layers, loss)


def complete(rows: list[Row], layers: Path | None, loss: Path | None) -> list[Row]:
    """The rows in order, with those of classes whose file is missing, and what classes do to each other."""
    for part, path in (("layers", layers), ("loss", loss)):
        if path is None:
            unseen = ("missing", "not checked")
            rows = [row for row in rows if row.name not in CLASSES[part] or row.verdict not in unseen]
            for name in set(CLASSES[part]) - {row.name for row in rows}:
                rows.append(Row(name, part + ".py", verdict="missing"))
                rows[-1].absent("class", f"{part}.py is not there")
    note_cancelling(rows)
    return sorted(rows, key=_order)


def _order(row: Row) -> tuple:
    """layers.py before loss.py, a file before its classes, the assignment's classes before the extra ones."""
    known = (*CLASSES["layers"], *CLASSES["loss"])
    is_loss = row.name in CLASSES["loss"] or row.hints.get("part") == "loss"
    place = -1 if row.name == row.file else known.index(row.name) if row.name in known else len(known)
    return (is_loss, place)


def _context(rows: list[Row]) -> dict:
    """How the classes so far lay out their arrays."""
    keys = ("columns", "gradient_columns")
    return {key: next((row.hints[key] for row in rows if row.hints.get(key) is not None), None) for key in keys}


def _run_all(group: list, request: dict, context: dict) -> list[Row]:
    """One worker after another, each taking up the work behind the class at which the last one died."""
    rows, broken = [], set()
    while True:
        request["files"] = [(part, str(path)) for part, path in group if path.name not in broken]
        if not request["files"]:
            return rows
        request |= {"done": [row.name for row in rows]} | context
        found, died_at, death = _run(request, 2 * request["time_limit"] + GRACE)
        rows += found
        if died_at is None:
            return rows
        if any(path.name == died_at for _, path in group):  # importing it is what went wrong
            broken.add(died_at)
            rows += _rows_of_broken(died_at, group, {row.name for row in rows}, death)
        else:
            rows.append(_row_of_dead(died_at, group, found, death))


def _rows_of_broken(file: str, group: list, known: set[str], death: tuple) -> list[Row]:
    """A file whose import ended the process: its own row, and one for each class that nobody has seen."""
    parts = [part for part, path in group if path.name == file]
    row = Row(file, file, verdict="cannot be imported", hints={"part": parts[0]})
    row.wrong("import", death[1], where=death[2])
    rows = [row]
    for part in parts:
        for name in CLASSES[part]:
            if name not in known:
                row = Row(name, file, verdict="not checked", hints={"part": part})
                row.remark("import", f"{file} could not be imported")
                rows.append(row)
    return rows


def _row_of_dead(name: str, group: list, found: list[Row], death: tuple) -> Row:
    """A class whose check ended the process."""
    if name in CLASSES["loss"]:
        part = "loss"
    elif name in CLASSES["layers"] or not any(part == "loss" for part, _ in group):
        part = "layers"
    else:
        part = found[-1].hints["part"] if found else group[0][0]
    path = next(path for owner, path in group if owner == part)
    row = Row(name, path.name, verdict=death[0], hints={"part": part})
    row.wrong("gradient", death[1], where=death[2])
    return row


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
