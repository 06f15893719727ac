"""A submission from the outside: its code runs in a process of its own, and whatever that process does becomes a row.

A guard against accidents (endless loops, crashes, sys.exit, huge arrays), not a security sandbox: the code under test
can still read, write and connect as the user who runs the check.
"""

import json
import linecache
import os
import re
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from gradcheck.check_together import note_cancelling
from gradcheck.errors import plain
from gradcheck.reference import CLASSES
from gradcheck.report_rows import Row

WORKER = Path(__file__).resolve().parent / "worker.py"
TIME_LIMIT = 10.0  # seconds for a class
MEMORY_LIMIT = 2048  # MiB of address space
START = 60.0  # seconds that Python and NumPy have to load
CLASSES_AT_MOST = 50  # the worker ends itself when a class takes too long; this is for one that cannot


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
        found, died, death = _run(request)
        rows += found
        if died is None:
            return rows
        name, file, part = died["begin"], died["file"], died["part"]
        if name == file:  # importing it is what went wrong
            broken.add(file)
            rows += _rows_of_broken(file, group, {row.name for row in rows}, death)
        else:
            rows.append(Row(name, file, verdict=death[0], hints={"part": part}))
            rows[-1].wrong("gradient", death[1], where=death[2])


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


def _run(request: dict) -> tuple[list[Row], dict | None, tuple | None]:
    """One worker: its rows, and if it did not reach its end, what it had begun and how it died."""
    # Small arrays need no threads, and submitted plt.show() no window.
    threads = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
    environment = os.environ | dict.fromkeys(threads, "1") | {"MPLBACKEND": "Agg"}
    with tempfile.TemporaryDirectory(prefix="check_gradients_", ignore_cleanup_errors=True) as folder:
        request |= {name: os.path.join(folder, name) for name in ("events", "trace")}
        process = subprocess.Popen(
            [sys.executable, str(WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=request["folders"][0],
            env=environment,
            start_new_session=os.name == "posix",  # what it starts dies with it
        )
        stuck = False
        try:
            process.communicate(json.dumps(request).encode(), START + CLASSES_AT_MOST * request["time_limit"])
        except subprocess.TimeoutExpired:
            stuck = True
        finally:
            _kill(process)
        events = [json.loads(line) for line in _text(request["events"]).split("\n")[:-1]]
        trace = _text(request["trace"])
    rows = [Row.from_dict(event["row"]) for event in events if "row" in event]
    if {"end": True} in events:
        return rows, None, None
    begun = [event for event in events if "begin" in event]
    if not begun:
        raise OSError("the process for the submission did not start: is there memory and a working NumPy?")
    return rows, begun[-1], _death(trace, stuck, process.returncode, request)


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _kill(process: subprocess.Popen) -> None:
    with suppress(OSError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


def _death(trace: str, stuck: bool, code: int, request: dict) -> tuple[str, str, str | None]:
    """Verdict, words and place of a worker's early end; the place from what faulthandler wrote."""
    where = None
    # Threads of the submitted code come first; the one that ran the check is the last, or said to be the current one.
    threads = trace.split("\n\n")
    threads = [text for text in threads if text.lstrip().startswith("Current thread")] or threads[::-1]
    for path, line, function in re.findall(r'File "(.+?)", line (\d+) in (.+)', "\n".join(threads)):
        if any(Path(path).is_relative_to(folder) for folder in request["folders"]):
            code_there = plain(linecache.getline(path, int(line)), 100)
            where = f"{os.path.basename(path)} line {line}, in {function}" + (f": {code_there}" if code_there else "")
            break
    if stuck or trace.startswith("Timeout"):
        return "no end", f"had not ended after {request['time_limit']:g} s: an endless loop?", where
    fatal = re.search(r"(?:Fatal Python error|Windows fatal exception): (.+)", trace)
    if fatal:
        return "crashed", f"crashed the interpreter: {plain(fatal[1])}", where
    if code < 0:
        return "crashed", f"the process was killed by signal {-code}", where
    return "crashed", f"ended the whole process with exit code {code} (os._exit, or a crash)", where
