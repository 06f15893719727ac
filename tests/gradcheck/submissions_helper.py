"""Submissions for the tests of the checker: those in tests/gradcheck/submissions, and files that a test writes."""

from pathlib import Path

from gradcheck.report_rows import Row
from gradcheck.subprocess_runner import check_submission

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


def checked_folder(name: str, time_limit: float = 20.0) -> dict[str, Row]:
    folder = SUBMISSIONS / name
    rows = check_submission(folder / "layers.py", folder / "loss.py", time_limit)
    return {row.name: row for row in rows}


def written(folder: Path, **files: str) -> dict[str, Row]:
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    paths = [folder / f"{name}.py" if name in files else None for name in ("layers", "loss")]
    return {row.name: row for row in check_submission(*paths, 20.0)}


def said(row: Row) -> str:
    return " | ".join(" ".join(filter(None, (f.message, f.where, f.evidence))) for f in row.findings)


def mistakes(row: Row) -> list[str | None]:
    return [finding.mistake for finding in row.findings]
