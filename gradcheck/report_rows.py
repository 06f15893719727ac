"""What a check finds: a Row per class with its verdicts, and a Finding per fault or remark."""

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

import numpy as np

from gradcheck.errors import describe, innermost
from gradcheck.reference import relative_errors

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
    """A method is there but is a stub: it computes nothing, or raises NotImplementedError."""


class Unusable(Exception):
    """What a method returns or an attribute holds cannot be checked; the message says why, in full."""

    def __init__(self, message: str, **more):
        super().__init__(message)
        self.more = more  # mistake and where, as in a Finding


@dataclass
class Finding:
    kind: str  # fault, remark or absent
    column: str
    message: str
    mistake: str | None = None  # key of the catalogue
    where: str | None = None  # file, line and code
    evidence: str | None = None  # first element that differs, theirs and the true one, the inputs that show it


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

    def fault(self, column: str, message: str, **more) -> None:
        self._add(Finding("fault", column, message, **more))

    def remark(self, column: str, message: str, **more) -> None:
        self._add(Finding("fault" if self.strict else "remark", column, message, **more))

    def absent(self, column: str, message: str, **more) -> None:
        self._add(Finding("fault" if self.strict else "absent", column, message, **more))

    def _add(self, finding: Finding) -> None:
        if finding.column in COLUMNS and self.columns.get(finding.column) != "fault" and finding.kind != "absent":
            self.columns[finding.column] = finding.kind
        if finding.message not in [other.message for other in self.findings]:
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
            self.fault(column, str(error), **error.more)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit too: submitted sys.exit() is a finding, not an order
            if not self.has("fault") and column in ("gradient", "agreement"):
                self.verdict = "raises"
            message, where = describe(error)
            self.fault(column, message, where=where)
        else:
            if not self.has("absent", column):
                self.ok(column)

    def close(self) -> "Row":
        """Settle the verdict."""
        if self.columns.get("gradient") == "fault" and "agreement" in self.columns:
            self.columns["agreement"] = "fault"
        if self.error is None and self.columns.get("agreement") == "ok":
            del self.columns["agreement"]  # no gradient was there to belong to the value
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


def report(row: Row, column: str, what: str, found, where: str | None, evidence: str) -> None:
    """A wrong value: what it is, the diagnosis (None: none fits), the line, and the first element that differs."""
    message = f"{what} is wrong" + (f": {found.message}" if found else "")
    row.fault(column, message, mistake=found.key if found else None, where=where, evidence=evidence)


def first_difference(what: str, theirs: np.ndarray, true: np.ndarray, inputs: Callable, tolerance: float) -> str:
    """The first element that differs, theirs and the true one, and the inputs that show it."""
    if theirs.shape != true.shape:
        return f"{what} has shape {theirs.shape}, true {true.shape}"
    index = tuple(int(i) for i in np.argwhere(relative_errors(theirs, true) > tolerance)[0])
    place = ", ".join(map(str, index))
    # + 0.0: a negative zero would only puzzle.
    pair = theirs[index] + 0.0, true[index] + 0.0
    # As many digits as tell the two apart.
    digits = next((d for d in range(6, 17) if f"{pair[0]:.{d}g}" != f"{pair[1]:.{d}g}"), 17)
    return f"{what}[{place}] is {pair[0]:.{digits}g}, true {pair[1]:.{digits}g}, at {inputs(index)}"


def numbers(array: np.ndarray) -> str:
    return "[" + ", ".join(f"{value:g}" for value in np.ravel(array)) + "]"
