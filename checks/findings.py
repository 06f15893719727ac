"""What a check finds: a Row per class with its verdicts, a Finding per fault or remark, and the line it stands on."""

import ast
import inspect
import os
import re
import textwrap
import traceback
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

import numpy as np

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
LONGEST = 300  # characters of a stranger's message


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
            if not self.findings and column in ("gradient", "agreement"):
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


def plain(text, longest: int = LONGEST) -> str:
    """A stranger's text as one line that cannot upset a terminal."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return line if len(line) <= longest else line[: longest - 3] + "..."


# Python 2's names -> what Python 3 has in their place.
PYTHON_2_NAMES = {
    "xrange": "range",
    "raw_input": "input",
    "unicode": "str",
    "basestring": "str",
    "unichr": "chr",
    "long": "int",
    "reduce": "functools.reduce",
    "reload": "importlib.reload",
    "cmp": "(a > b) - (a < b)",
    "file": "open",
    "execfile": "exec(open(...).read())",
    "iteritems": "items",
    "itervalues": "values",
    "iterkeys": "keys",
    "has_key": "in",
    "cPickle": "pickle",
    "Queue": "queue",
    "ConfigParser": "configparser",
    "StringIO": "io.StringIO",
    "cStringIO": "io.StringIO",
    "urllib2": "urllib.request",
    "__builtin__": "builtins",
}
PYTHON_2_SYNTAX = (
    ("Missing parentheses in call to 'print'", "the print statement: write print(...)"),
    ("Missing parentheses in call to 'exec'", "the exec statement: write exec(...)"),
    ("multiple exception types must be parenthesized", "`except X, e`: write `except X as e`"),
    ("leading zeros in decimal integer", "octal numbers are 0o17 in Python 3"),
)


def describe(error: BaseException) -> tuple[str, str | None]:
    """What an exception of the code under test means, in one line, and where it was raised."""
    if isinstance(error, SyntaxError):
        return _describe_syntax(error)
    file, line, function, code = innermost(error)
    where = f"{file} line {line}, in {function}" + (f": {plain(code, 100)}" if code else "") if line else None
    name = type(error).__name__
    if isinstance(error, SystemExit):
        return f"calls sys.exit({plain(error.code, 40) if error.code is not None else ''})", where
    if isinstance(error, MemoryError):
        return f"asks for more memory than it may have ({plain(error) or name})", where
    message = f"{name}: {plain(error)}" if str(error) else name
    missing = getattr(error, "name", None)
    if missing in PYTHON_2_NAMES and isinstance(error, (NameError, AttributeError, ImportError)):
        return f"this is Python 2: {missing} is {PYTHON_2_NAMES[missing]} in Python 3", where
    if isinstance(error, ModuleNotFoundError) and missing:
        message += f" ({missing}.py was not handed in, and no such package is installed here)"
    elif isinstance(error, KeyError):
        message = f"asks for the key {plain(error)}, which is not there"
    return f"raises {message}", where


def _describe_syntax(error: SyntaxError) -> tuple[str, str | None]:
    file, code = os.path.basename(error.filename or "?"), plain(error.text or "", 100)
    if "codec can't decode" in str(error.msg) or "Non-UTF-8" in str(error.msg):
        return "is not UTF-8: save it as UTF-8", f"{file} line {error.lineno}" if error.lineno else file
    where = f"{file} line {error.lineno}" + (f": {code}" if code else "") if error.lineno else file
    for message, meaning in PYTHON_2_SYNTAX:
        if message in str(error.msg):
            return f"this is Python 2: {meaning}", where
    if re.search(r"\b\d+L\b", code):
        return "this is Python 2: a long integer such as 10L: write 10", where
    if "<>" in code:
        return "this is Python 2: `<>`: write !=", where
    if code.startswith("raise ") and "," in code:
        return "this is Python 2: `raise X, text`: write raise X(text)", where
    if "`" in code:
        return "this is Python 2: backticks: write repr(...)", where
    if isinstance(error, TabError) or (isinstance(error, IndentationError) and "\t" in (error.text or "")):
        return "tabs and spaces are mixed in the indentation (Python 2 let it pass): use spaces alone", where
    return f"does not parse: {plain(error.msg)}", where


def innermost(error: BaseException) -> tuple[str, int, str, str]:
    """File name, line, function and code of the last frame that is neither ours nor a library's."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = os.path.dirname(os.path.abspath(__file__))
    theirs = [
        frame
        for frame in frames
        if os.path.dirname(os.path.abspath(frame.filename)) != ours
        and "site-packages" not in frame.filename
        and os.path.exists(frame.filename)
        and os.path.abspath(frame.filename) != os.path.abspath(inspect.__file__)
        and os.sep + "importlib" + os.sep not in frame.filename
    ]
    if not theirs:
        return "?", 0, frames[-1].name if frames else "?", ""
    frame = theirs[-1]
    return os.path.basename(frame.filename), frame.lineno or 0, frame.name, frame.line or ""


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


class Guarded:
    """An object under test: it gets a copy of every array, and every copy is compared afterwards.

    With columns, the object takes and gives arrays with a sample in each column; here they stay in rows.
    """

    def __init__(self, subject, row: Row, columns: bool = False):
        self.subject, self.row, self.columns = subject, row, columns
        self.held = []

    def call(self, method: str, *arrays: np.ndarray):
        """What the method returns, unchanged."""
        names = list(inspect.signature(getattr(self.subject, method)).parameters)
        if method == "forward":
            self.held = []
        copies = [np.array(array.T if self.columns else array, order="C") for array in arrays]
        self.held += [(copy, copy.copy(), name, method) for copy, name in zip(copies, [*names, "argument"])]
        with np.errstate(all="ignore"):
            result = getattr(self.subject, method)(*copies)
        for number, (copy, original, name, owner) in enumerate(self.held):
            if not np.array_equal(copy, original, equal_nan=True):
                self.row.fault(
                    "arguments",
                    f"{method} writes into an array that is not its own: the {name} of {owner}",
                    mistake="writes-argument",
                    where=line_of(type(self.subject), method, name),
                )
                self.held[number] = (copy, copy.copy(), name, owner)
        if result is None:
            raise NotWritten(method)
        return result

    def array(self, method: str, *arrays: np.ndarray) -> np.ndarray:
        """What the method returns, as an array of its own, a sample in each row."""
        result = self.call(method, *arrays)
        if isinstance(result, (tuple, dict)):
            raise Unusable(f"{method} returns a {type(result).__name__}, not an array")
        result = np.array(result)
        if result.dtype.kind not in "fiub":
            raise Unusable(f"{method} returns {plain(result.dtype)}, not an array of numbers")
        return np.array(result.T if self.columns else result, order="C")
