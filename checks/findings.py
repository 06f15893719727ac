"""What a check finds: a Row per class with its verdicts, a Finding per fault or remark, and the line it stands on."""

import ast
import inspect
import os
import textwrap
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

import numpy as np

from checks.errors import describe, innermost, plain

# Column of the table -> what it promises.
COLUMNS = {
    "gradient": "backward against central differences of forward",
    "finite": "finite at ±1000",
    "float32": "float32 in, float32 out",
    "arguments": "arguments not modified",
    "mean": "mean over the batch",
    "agreement": "forward is as defined, and it and the gradient belong together",
    "step": "an SGD step with momentum and decay",
}
FAULTS = ("WRONG", "raises", "cannot be imported", "no end", "crashed")


class NotWritten(Exception):
    """A method is there but returns None or raises NotImplementedError: a stub."""


class Unusable(Exception):
    """What a method returns or an attribute holds cannot be checked; the message says why, in full."""


@dataclass
class Finding:
    kind: str  # fault, remark or absent
    column: str
    says: str
    mistake: str | None = None  # key of the catalogue
    where: str | None = None  # file, line and code
    seen: str | None = None  # first element that differs, theirs and the true one, the inputs that show it


@dataclass
class Row:
    """One line of the table. With strict, a remark is a fault: our own code keeps every promise of its contract."""

    name: str
    file: str = ""
    strict: bool = False
    verdict: str = ""
    error: float | None = None  # the largest relative error of the gradient
    columns: dict = field(default_factory=dict)  # column -> ok, remark, fault; nothing where it does not apply
    findings: list[Finding] = field(default_factory=list)
    hints: dict = field(default_factory=dict)  # what the next rows may want to know

    def ok(self, column: str) -> None:
        self.columns.setdefault(column, "ok")

    def fault(self, column: str, says: str, **more) -> None:
        self._add(Finding("fault", column, says, **more))

    def remark(self, column: str, says: str, **more) -> None:
        self._add(Finding("fault" if self.strict else "remark", column, says, **more))

    def absent(self, column: str, says: str, **more) -> None:
        self._add(Finding("fault" if self.strict else "absent", column, says, **more))

    def _add(self, finding: Finding) -> None:
        if finding.column in COLUMNS and self.columns.get(finding.column) != "fault" and finding.kind != "absent":
            self.columns[finding.column] = finding.kind
        if finding.says not in [other.says for other in self.findings]:
            self.findings.append(finding)

    def has(self, kind: str, column: str | None = None) -> bool:
        return any(f.kind == kind and column in (None, f.column) for f in self.findings)

    @contextmanager
    def stage(self, column: str):
        """Whatever the code under test raises in here becomes a finding in this column, and the check goes on."""
        try:
            yield
        except NotWritten as error:
            self.absent(column, f"{error} is not written yet")
        except NotImplementedError as error:
            self.absent(column, f"{innermost(error)[2]} is not written yet")
        except Unusable as error:
            self.fault(column, str(error))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit too: a stranger's sys.exit() is a finding, not an order
            if not self.has("fault") and column in ("gradient", "agreement"):
                self.verdict = "raises"
            says, where = describe(error)
            self.fault(column, says, where=where)
        else:
            self.ok(column)

    def close(self) -> "Row":
        """Settle the verdict."""
        if self.columns.get("gradient") == "fault" and "agreement" in self.columns:
            self.columns["agreement"] = "fault"
        if self.has("fault"):
            self.verdict = self.verdict or "WRONG"
        elif any(finding.kind == "absent" and finding.column != "step" for finding in self.findings):
            self.verdict = self.verdict if self.verdict == "missing" else "not written yet"
        elif self.verdict != "not checked":
            self.verdict = "right, see remarks" if self.findings else "right"
        return self

    @property
    def wrong(self) -> bool:
        return self.verdict in FAULTS

    def as_dict(self) -> dict:
        row = asdict(self)
        if self.error is not None and not np.isfinite(self.error):
            row["error"] = "infinite"
        return row

    @classmethod
    def from_dict(cls, row: dict) -> "Row":
        row = dict(row, findings=[Finding(**finding) for finding in row["findings"]])
        row["error"] = np.inf if row["error"] == "infinite" else row["error"]
        return cls(**row)


def line_of(cls: type, method: str, about: str | None = None) -> str | None:
    """Where a class says what `about` becomes (an attribute such as grad_W, an argument), or what a method returns."""
    functions = [getattr(cls, method, None)]
    if about is not None:
        functions += [f for name, f in inspect.getmembers(cls, inspect.isfunction) if name != "__init__"]
    for function in functions:
        try:
            lines, first = inspect.getsourcelines(function)
            tree = ast.parse(textwrap.dedent("".join(lines)))
        except (OSError, TypeError, SyntaxError, IndexError):
            continue
        nodes = [node for node in ast.walk(tree) if _sets(node, about)]
        if not nodes and about is not None:
            continue
        line = max((node.lineno for node in nodes), default=1)
        file = os.path.basename(inspect.getsourcefile(function) or "?")
        return f"{file} line {first + line - 1}, in {function.__name__}: {plain(lines[line - 1], 100)}"
    return None if about is None else line_of(cls, method)


def _sets(node: ast.AST, about: str | None) -> bool:
    if about is None:
        return isinstance(node, ast.Return)
    if isinstance(node, ast.Call):
        targets = [keyword.value for keyword in node.keywords if keyword.arg == "out"]
    elif isinstance(node, ast.Assign):
        targets = [t for target in node.targets for t in getattr(target, "elts", [target])]
    elif isinstance(node, ast.AugAssign):
        targets = [node.target]
    else:
        return False
    inside = [target.value for target in targets if isinstance(target, ast.Subscript)]
    # A plain `name = ...` binds the name anew; all else writes into the array.
    written = inside + ([] if isinstance(node, ast.Assign) else targets)
    return any(
        isinstance(target, ast.Attribute) and target.attr.strip("_") == about for target in targets + inside
    ) or any(isinstance(target, ast.Name) and target.id == about for target in written)
