"""Submissions for the tests of the checker: those in tests/gradcheck/submissions, and files that a test writes."""

import contextlib
import io
import sys
from pathlib import Path

import numpy as np

from gradcheck import submission
from gradcheck.loading import FolderFinder
from gradcheck.report_rows import Row
from gradcheck.subprocess_runner import check_submission, complete

SUBMISSIONS = Path(__file__).resolve().parent / "submissions"

# Classes to be filled in: a name, the body of forward, the body of backward.
LAYER = """
import numpy as np


class {}:
    def __init__(self, name):
        self.name = name

    def forward(self, input):
        {}

    def backward(self, grad_output):
        {}
"""
LOSS = """
import numpy as np


class {}:
    def __init__(self, name):
        self.name = name

    def forward(self, input, target):
        {}

    def backward(self, input, target):
        {}
"""


def in_process(layers: Path | None, loss: Path | None, time_limit: float = 20.0) -> list[Row]:
    """check_submission without a process of its own: for code that neither crashes nor hangs nor counts on it."""
    files = [("layers", str(layers or loss)), ("loss", str(loss or layers))]
    folders = list(dict.fromkeys(str(Path(path).parent) for _, path in files))
    context = {"columns": None, "gradient_columns": None}
    request = {"files": files, "done": [], "time_limit": time_limit, **context}
    finder, path, modules = FolderFinder(folders), sys.path[:], dict(sys.modules)
    for name in ("layers", "loss", "utils", "network"):
        sys.modules.pop(name, None)
    sys.meta_path.insert(0, finder)
    sys.path[:0] = folders
    rows: list[Row] = []
    try:
        with np.errstate(), contextlib.redirect_stdout(io.StringIO()):
            submission.check_files(request, lambda *_: None, rows.append)
    finally:
        sys.meta_path.remove(finder)
        sys.path[:] = path
        for name in set(sys.modules) - set(modules):
            del sys.modules[name]
        sys.modules.update(modules)
    return complete([Row.from_dict(row.as_dict()) for row in rows], layers, loss)


def checked_folder(name: str, time_limit: float = 20.0, own_process: bool = True) -> dict[str, Row]:
    folder = SUBMISSIONS / name
    check = check_submission if own_process else in_process
    return by_name(check(folder / "layers.py", folder / "loss.py", time_limit))


def written(folder: Path, own_process: bool = False, **files: str) -> dict[str, Row]:
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    paths = [folder / f"{name}.py" if name in files else None for name in ("layers", "loss")]
    return by_name((check_submission if own_process else in_process)(*paths, 20.0))


def by_name(rows: list[Row]) -> dict[str, Row]:
    """The rows by name; every message is short and one line."""
    for finding in (finding for row in rows for finding in row.findings):
        assert len(finding.message) <= 160 and "\n" not in finding.message, finding.message
    return {row.name: row for row in rows}


def said(row: Row) -> str:
    return " | ".join(" ".join(filter(None, (f.message, f.where, f.evidence))) for f in row.findings)


def mistakes(row: Row) -> list[str | None]:
    return [finding.mistake for finding in row.findings]
