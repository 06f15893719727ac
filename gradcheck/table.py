"""How rows are shown: the table, what was found below it, one line per class for many submissions, and JSON."""

import json
import os
import sys
import textwrap
from collections.abc import Iterable

from gradcheck.report_rows import COLUMNS, Row

HEAD = {
    "finite": ("finite", "±1000"),
    "float32": ("float32", "stays"),
    "arguments": ("arguments", "unharmed"),
    "mean": ("mean over", "the batch"),
    "agreement": ("value and", "gradient"),
    "step": ("SGD", "step"),
}
MARKS = {"ok": "✓", "fault": "✗", "remark": "!", None: "·"}
COLOURS = {"✓": "32", "✗": "31;1", "!": "33", "·": "2"}
ASCII = {
    "✓": "ok", "✗": "BAD", "·": "-", "±": "+-", "½": "1/2", "–": "-", "…": "...", "×": "x",
}  # fmt: skip
LEGEND = "✓ holds   ✗ fault   ! remark: works, but differs from the assignment   · does not apply, or not reached"


class Screen:
    """Prints to stdout what stdout can show: without UTF-8 its ASCII form, colours on a terminal only."""

    def __init__(self):
        encoding = getattr(sys.stdout, "encoding", None) or "ascii"
        try:
            "".join(ASCII).encode(encoding)
            self.plain = False
        except (UnicodeEncodeError, LookupError):
            self.plain = True
        self.encoding = encoding
        self.colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.name != "nt"

    def text(self, text: str) -> str:
        if self.plain:
            for symbol, replacement in ASCII.items():
                text = text.replace(symbol, replacement)
        return text.encode(self.encoding, "backslashreplace").decode(self.encoding)

    def print(self, text: str = "") -> None:
        print(self.text(text), flush=True)

    def paint(self, text: str, colour: str) -> str:
        return f"\033[{colour}m{text}\033[0m" if self.colours else text


def table(rows: list[Row]) -> str:
    """One line per row: the largest relative error of the gradient, the marks, the verdict; files are headings."""
    screen = Screen()
    shown = {column: head for column, head in HEAD.items() if any(row.columns.get(column) for row in rows)}
    first = max([len(row.name) for row in rows], default=0) + 4
    lines = []
    for number in (0, 1):
        cells = [f"{('gradient', 'error')[number]:>9}  "]
        cells += [f"{head[number]:<{_width(head)}}" for head in shown.values()]
        lines.append((" " * first + "".join(cells) + ("verdict" if number else "")).rstrip())
    file = None
    gap = 11 + sum(_width(head) for head in shown.values())
    for row in rows:
        colour = "31;1" if row.wrong else "33" if row.findings else "32"
        if row.name == row.file:
            file = row.file
            lines.append(f"{file:<{first}}" + " " * gap + screen.paint(row.verdict, colour))
            continue
        if row.file != file:
            file = row.file
            lines.append(file)
        error = "" if row.error is None else f"{row.error:9.1e}"
        cells = [f"{error:>9}  "]
        for column, head in shown.items():
            mark = MARKS[row.columns.get(column)] if row.columns else " "
            width = _width(head) - len(screen.text(mark))
            cells.append(screen.paint(mark, COLOURS.get(mark, "0")) + " " * width)
        lines.append(f"  {row.name:<{first - 2}}" + "".join(cells) + screen.paint(row.verdict, colour))
    return "\n".join(lines)


def _width(head: tuple[str, str]) -> int:
    return max(map(len, head)) + 2


def details(rows: Iterable[Row]) -> str:
    """What was found: a paragraph per row that has something to say."""
    paragraphs = []
    for row in rows:
        if not row.findings or row.verdict == "missing" or (row.findings[0].column == "import" and not row.wrong):
            continue
        title = row.name if row.name == row.file else f"{row.name} ({row.file})"
        lines = [f"{title}: {row.verdict}"]
        for finding in sorted(row.findings, key=lambda f: ("fault", "absent", "remark").index(f.kind)):
            kind = {"absent": "open"}.get(finding.kind, finding.kind)
            lines += textwrap.wrap(
                finding.message, 110, initial_indent=f"  {kind:<8}", subsequent_indent=" " * 10, break_on_hyphens=False
            )
            lines += [" " * 10 + finding.where] if finding.where else []
            lines += _wrapped(finding.evidence) if finding.evidence else []
        paragraphs.append("\n".join(lines))
    return "\n\n".join(paragraphs)


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 110, initial_indent=" " * 10, subsequent_indent=" " * 12, break_on_hyphens=False)


def one_line(path: str, row: Row, widths: tuple[int, int]) -> str:
    """A row in a list of many submissions: folder, class, verdict, and the first thing found."""
    kinds = ("fault", "absent", "remark")
    findings = sorted(row.findings, key=lambda f: kinds.index(f.kind))
    message = findings[0].message if findings else ""
    if len(findings) > 1:
        message += f" (+{len(findings) - 1})"
    return f"{path:<{widths[0]}}  {row.name:<{widths[1]}}  {row.verdict:<18}  {message}".rstrip()


def tally(rows: list[Row]) -> str:
    """Counts in words, such as `4 right, 2 with faults, 1 missing`."""
    groups = {
        "right": sum(row.verdict.startswith("right") for row in rows),
        "with faults": sum(row.wrong for row in rows),
        "not written yet": sum(row.verdict == "not written yet" for row in rows),
        "missing": sum(row.verdict == "missing" for row in rows),
        "not checked": sum(row.verdict == "not checked" for row in rows),
    }
    return ", ".join(f"{count} {words}" for words, count in groups.items() if count)


def as_json(submissions: list[tuple[str, list[Row]]], exit_code: int) -> str:
    """For graders: every submission with its rows, their columns and findings, and the exit code."""
    contents = {
        "columns": COLUMNS,
        "exit_code": exit_code,
        "submissions": [
            {"path": path, "rows": [_cleaned(row.as_dict()) for row in rows]} for path, rows in submissions
        ],
    }
    return json.dumps(contents, indent=2, allow_nan=False)


def _cleaned(row: dict) -> dict:
    del row["hints"], row["strict"]
    return row
