"""How rows are shown: the table, what was found below it, one line per class for many submissions, and JSON."""

import csv
import json
import os
import sys
import textwrap

from gradcheck.check_together import notes
from gradcheck.report_rows import COLUMNS, KINDS, RAISES, Finding, Row

HEAD = {
    "finite": ("finite", "±1000"),
    "float32": ("float32", "stays"),
    "arguments": ("arguments", "unharmed"),
    "mean": ("mean over", "the batch"),
    "agreement": ("value and", "gradient"),
    "step": ("SGD", "step"),
}
MARKS = {"ok": "✓", "wrong": "✗", "unsafe": "!", "remark": "~", "note": "~", None: "·"}
COLOURS = {"✓": "32", "✗": "31;1", "!": "35;1", "~": "33", "·": "2"}
ASCII = {"✓": "ok", "✗": "BAD", "·": "-", "±": "+-", "½": "1/2", "–": "-", "…": "...", "×": "x"}
LEGEND = "✓ holds   ✗ wrong   ! unsafe: right, will fail some day   ~ differs, harmless   · not applicable, not reached"


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
        self.colours = bool(sys.stdout and sys.stdout.isatty()) and "NO_COLOR" not in os.environ and os.name != "nt"

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
        colour = "31;1" if row.fails else "32" if row.verdict == "right" else "33"
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


def details(rows: list[Row]) -> str:
    """What was found: a paragraph per row that has something to say, then the notes of each file."""
    paragraphs = []
    for row in rows:
        findings = [finding for finding in _sorted(row) if finding.kind != "note"]
        could_not_be_run = any(finding.column == "import" for finding in findings) and row.name != row.file
        if not findings or row.verdict == "missing" or (could_not_be_run and findings[0].kind == "remark"):
            continue
        title = row.name if row.name == row.file else f"{row.name} ({row.file})"
        lines = [f"{title}: {row.verdict}"]
        for finding in findings:
            lines += _paragraph({"absent": "open"}.get(finding.kind, finding.kind), finding)
        paragraphs.append("\n".join(lines))
    for file, names, finding in notes(rows):
        paragraphs.append("\n".join([f"{file}: a note on {names}", *_paragraph("note", finding)]))
    return "\n\n".join(paragraphs)


def _sorted(row: Row) -> list[Finding]:
    return sorted(row.findings, key=lambda finding: KINDS.index(finding.kind))


def _paragraph(kind: str, finding: Finding) -> list[str]:
    def wrapped(text: str, first: str, indent: int) -> list[str]:
        return textwrap.wrap(text, 110, initial_indent=first, subsequent_indent=" " * indent, break_on_hyphens=False)

    where = [" " * 10 + finding.where] if finding.where else []
    return wrapped(finding.message, f"  {kind:<8}", 10) + where + wrapped(finding.evidence or "", " " * 10, 12)


def first_finding(row: Row) -> tuple[str, str]:
    """(the weightiest message and how many others there are, its line)."""
    findings = [finding for finding in _sorted(row) if finding.kind != "note"]
    if not findings:
        return "", ""
    more = f" (+{len(findings) - 1})" if len(findings) > 1 else ""
    return findings[0].message + more, next((finding.where for finding in findings if finding.where), "")


def one_line(path: str, row: Row, widths: tuple[int, int]) -> str:
    """A row in a list of many submissions: folder, class, verdict, and the first thing found."""
    message = first_finding(row)[0]
    return f"{path:<{widths[0]}}  {row.name:<{widths[1]}}  {row.verdict:<{WIDEST}}  {message}".rstrip()


WIDEST = len("imported, with repairs")


def counts(rows: list[Row]) -> dict[str, int]:
    """How many rows there are of each verdict."""
    order = ("right", "right, with remarks", "WRONG", "UNSAFE", *RAISES, "not written yet", "missing", "not checked")
    order += ("imported, with repairs", "cannot be imported")
    found = {verdict: sum(row.verdict == verdict for row in rows) for verdict in order}
    return {verdict: count for verdict, count in found.items() if count}


def tally(rows: list[Row]) -> str:
    """Counts in words, such as `4 right, 2 WRONG, 1 UNSAFE, 1 missing`."""
    return ", ".join(
        f"{count} file{'s' * (count > 1)} {verdict}" if "import" in verdict else f"{count} {verdict}"
        for verdict, count in counts(rows).items()
    )


def as_json(submissions: list[tuple[str, list[Row]]], exit_code: int) -> str:
    """For graders: every submission with its rows, their columns and findings, and the exit code."""
    every = [row for _, rows in submissions for row in rows]
    contents = {
        "columns": COLUMNS,
        "exit_code": exit_code,
        "counts": counts(every),
        "submissions": [{"path": path, "rows": [_cleaned(row) for row in rows]} for path, rows in submissions],
    }
    return json.dumps(contents, indent=2, allow_nan=False)


def _cleaned(row: Row) -> dict:
    contents = row.as_dict()
    del contents["hints"], contents["strict"]
    return contents | {"wrong": row.has("wrong"), "unsafe": row.has("unsafe")}


class CsvFile:
    """A file with a line for each class of many submissions, for a spreadsheet."""

    def __init__(self, path):
        # The mark at its beginning tells a spreadsheet that it is UTF-8.
        self.file = open(path, "w", newline="", encoding="utf-8-sig")  # noqa: SIM115 (closed by close)
        self.writer = csv.writer(self.file)
        self.writer.writerow(["submission", "class", "verdict", "finding", "line"])

    def write(self, path: str, rows: list[Row]) -> None:
        self.writer.writerows([path, row.name, row.verdict, *first_finding(row)] for row in rows)
        self.file.flush()

    def close(self) -> None:
        self.file.close()
