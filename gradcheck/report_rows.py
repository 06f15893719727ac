"""What a check finds: a Row per class with its verdict, and a Finding for each thing that there is to say."""

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partialmethod

import numpy as np

from gradcheck.errors import RemovedName, describe, innermost, missing_module, removed_name
from gradcheck.find_slip import CHANGES, IF_NAMED, find_slip
from gradcheck.reference import relative_errors
from gradcheck.source import line_of

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
# What a finding is, the weightiest first. A note says nothing about right or wrong and stands once per file.
KINDS = ("wrong", "unsafe", "repair", "absent", "remark", "note")
RAISES = ("raises", "no end", "crashed")
FAULTS = ("WRONG", "UNSAFE", *RAISES, "cannot be imported")
SETTLED = (*RAISES, "cannot be imported", "imported, with repairs", "not checked", "missing")
# An exception in this column leaves the gradient right.
UNSAFE_COLUMNS = ("finite", "float32", "arguments")


# Diagnoses of a factor: the line that returns is as good as any.
FACTOR_KEYS = {"times-n", "times-n-minus", "over-n", "factor-two", "factor-half"}
FACTOR_KEYS |= {"over-k", "times-k", "times-n-k"}
# Diagnoses that say where a value is wrong, not why.
VAGUE = ("region", "one-place", "constant-factor", "zero")


class NotWritten(Exception):
    """A method is there but is a stub: it computes nothing, or raises NotImplementedError."""


class Unusable(Exception):
    """What a method returns or an attribute holds cannot be checked; the message says why, in full."""

    def __init__(self, message: str, **more):
        super().__init__(message)
        self.more = more  # as for Row.add


@dataclass
class Finding:
    kind: str  # one of KINDS
    column: str
    message: str
    mistake: str | None = None  # key of the catalogue
    where: str | None = None  # file, line and code
    evidence: str | None = None  # first element that differs, its true value, the inputs that show it


@dataclass
class Row:
    """One line of the table. With strict, all findings are wrong: our own code keeps every promise of its contract."""

    name: str
    file: str = ""
    strict: bool = False
    verdict: str = ""
    error: float | None = None  # the largest relative error of the gradient
    columns: dict = field(default_factory=dict)  # column -> ok or a kind; nothing where it does not apply
    findings: list[Finding] = field(default_factory=list)
    hints: dict = field(default_factory=dict)  # what the next rows may want to know

    cls = None  # the class under test

    def ok(self, column: str) -> None:
        self.columns.setdefault(column, "ok")

    def add(self, kind: str, column: str, message: str, at: str = "", where: str | None = None, **more) -> None:
        """at: the method whose line is shown where no other is known, or the method and what it sets, "update W"."""
        kind = "wrong" if self.strict else kind
        before = self.columns.get(column)
        weightier = before in (None, "ok") or KINDS.index(kind) < KINDS.index(before)
        if column in COLUMNS and kind != "absent" and weightier:
            self.columns[column] = kind
        if message not in [other.message for other in self.findings]:
            where = where or (line_of(self.cls, *at.split()) if at else None)
            self.findings.append(Finding(kind, column, message, where=where, **more))

    wrong = partialmethod(add, "wrong")
    unsafe = partialmethod(add, "unsafe")
    remark = partialmethod(add, "remark")
    note = partialmethod(add, "note")
    absent = partialmethod(add, "absent")

    def report(self, column: str, what: str, found, at: str, evidence: str, works: Callable | None = None) -> None:
        """A wrong value: what it is, the diagnosis (None: none fits), where, and the first element that differs.

        works: whether it is right, with objects made anew: it is called while other code stands in the method.
        """
        named = found is not None and found.alone and found.key not in VAGUE
        factor = named and found.key in FACTOR_KEYS
        slip = None
        if works and not factor:
            slip = find_slip(self.cls, at.split()[0], works, most=IF_NAMED if named else CHANGES)
        words = slip.words if slip and not named else found and found.message
        message = f"{what} is wrong" + (f": {words}" if words else "")
        where = slip and slip.where
        at += " return" if factor and " " not in at else ""
        self.wrong(column, message, mistake=found.key if found else None, at=at, evidence=evidence, where=where)

    def has(self, kind: str, column: str | None = None) -> bool:
        return any(f.kind == kind and column in (None, f.column) for f in self.findings)

    @contextmanager
    def stage(self, column: str):
        """Whatever the code under test raises in here becomes a finding in this column, and the check continues."""
        try:
            yield
        except NotWritten as error:
            self.absent(column, f"{error} is not written yet")
        except NotImplementedError as error:
            self.absent(column, f"{innermost(error)[2]} is not written yet")
        except Unusable as error:
            self.wrong(column, str(error), **error.more)
        except (KeyboardInterrupt, RemovedName):
            raise
        except BaseException as error:  # SystemExit too: a submitted sys.exit() is a finding, not an order
            self._raised(column, error)
        else:
            if not self.has("absent", column):
                self.ok(column)

    def _raised(self, column: str, error: BaseException) -> None:
        if removed_name(error):
            raise RemovedName(error) from error
        message, where = describe(error)
        if missing_module(error):
            self.verdict = self.verdict or "not checked"
            self.add("absent", column, f"it needs {missing_module(error)}", where=where)
            return
        if not self.has("wrong") and column in ("gradient", "agreement", "step"):
            self.verdict = "raises"
        message = f"{message}, at inputs of ±1000" if column == "finite" else message
        self.add("unsafe" if column in UNSAFE_COLUMNS else "wrong", column, message, where=where)

    def close(self) -> "Row":
        """Settle the verdict."""
        if self.columns.get("gradient") == "wrong" and "agreement" in self.columns:
            self.columns["agreement"] = "wrong"
        if self.error is None and self.columns.get("agreement") == "ok":
            del self.columns["agreement"]  # no gradient was there to belong to the value
        if self.verdict not in SETTLED:
            first = next((kind for kind in ("wrong", "unsafe") if self.has(kind)), None)
            unwritten = any(finding.kind == "absent" and finding.column != "step" for finding in self.findings)
            remarks = any(finding.kind in ("remark", "absent") for finding in self.findings)
            self.verdict = (
                first.upper() if first
                else "not written yet" if unwritten
                else "right, with remarks" if remarks
                else "right"
            )  # fmt: skip
        return self

    @property
    def fails(self) -> bool:
        """Whether this row makes the command end with 5."""
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


def first_difference(what: str, theirs: np.ndarray, true: np.ndarray, inputs: Callable, tolerance: float) -> str:
    """The first element that differs, theirs and the true one, and the inputs that show it."""
    if theirs.shape != true.shape:
        return f"{what} has shape {theirs.shape}, true {true.shape}"
    index = tuple(int(i) for i in np.argwhere(relative_errors(theirs, true) > tolerance)[0])
    place = ", ".join(map(str, index))
    return f"{what}[{place}] is {pair(theirs[index], true[index])}, at {inputs(index)}"


def pair(theirs: float, true: float) -> str:
    """Two numbers with as many digits as tell them apart; + 0.0 because a negative zero would only puzzle."""
    theirs, true = theirs + 0.0, true + 0.0
    digits = next((d for d in range(6, 17) if f"{theirs:.{d}g}" != f"{true:.{d}g}"), 17)
    return f"{theirs:.{digits}g}, true {true:.{digits}g}"


def numbers(array: np.ndarray) -> str:
    return "[" + ", ".join(f"{value:g}" for value in np.ravel(array)) + "]"
