"""What an exception of the code under test means, in one line, and where it was raised. Python 2 is named as such."""

import os
import re
import traceback
from bisect import bisect

LONGEST = 120  # characters of the text of submitted code
UNDER_MAIN = 'under if __name__ == "__main__":'


class StillRunning(BaseException):
    """Time is up for the import of a file; no `except Exception` of submitted code shall catch it."""


class RemovedName(BaseException):
    """Submitted code uses a name that NumPy or Python has removed: the caller puts it back and tries again."""

    def __init__(self, error: BaseException):
        super().__init__(str(error))
        self.error = error


class Needs(ImportError):
    """Submitted code uses what could not be imported or computed; the message names it."""


def plain(text, longest: int = LONGEST) -> str:
    """Text of submitted code as one line that cannot upset a terminal."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return line if len(line) <= longest else line[: longest - 3] + "..."


# Python 2's names -> what Python 3 has in their place.
PYTHON_2_NAMES = {
    "xrange": "range", "raw_input": "input", "unicode": "str", "basestring": "str", "unichr": "chr", "long": "int",
    "reduce": "functools.reduce", "reload": "importlib.reload", "cmp": "(a > b) - (a < b)", "file": "open",
    "execfile": "exec(open(...).read())", "iteritems": "items", "itervalues": "values", "iterkeys": "keys",
    "has_key": "the operator in", "cPickle": "pickle", "Queue": "queue", "ConfigParser": "configparser",
    "StringIO": "io", "cStringIO": "io", "urllib2": "urllib.request", "__builtin__": "builtins",
}  # fmt: skip
PYTHON_2_MODULES = ("cPickle", "Queue", "ConfigParser", "StringIO", "cStringIO", "urllib2", "__builtin__")
PYTHON_2_BUILTINS = ("xrange", "unicode", "basestring", "unichr", "long", "reduce")  # those that can be put back
PYTHON_2_METHODS = ("iteritems", "itervalues", "iterkeys", "has_key")
# Names that NumPy has removed -> the version, and what to write.
REMOVED_FROM_NUMPY = {name: ("1.24", name) for name in ("int", "float", "bool", "object", "complex", "str")} | {
    "long": ("1.24", "int"), "unicode": ("1.24", "str"), "float_": ("2", "np.float64"), "Inf": ("2", "np.inf"),
    "Infinity": ("2", "np.inf"), "infty": ("2", "np.inf"), "PINF": ("2", "np.inf"), "NINF": ("2", "-np.inf"),
    "NaN": ("2", "np.nan"), "NAN": ("2", "np.nan"), "product": ("2", "np.prod"), "cumproduct": ("2", "np.cumprod"),
    "sometrue": ("2", "np.any"), "alltrue": ("2", "np.all"), "row_stack": ("2", "np.vstack"),
    "round_": ("2", "np.round"), "asfarray": ("2", "np.asarray"), "mat": ("2", "np.asmatrix"),
    "in1d": ("2.4", "np.isin"),
    "trapz": ("2.4", "np.trapezoid"), "complex_": ("2", "np.complex128"), "unicode_": ("2", "np.str_"),
    "string_": ("2", "np.bytes_"), "asscalar": ("1.23", "np.ndarray.item"), "msort": ("2", "np.sort"),
}  # fmt: skip
# Syntax errors: what the message or the line of code looks like -> what it means.
SYNTAX = (
    ("msg", r"codec can't decode|Non-UTF-8", "is not UTF-8: save it as UTF-8"),
    ("msg", r"Missing parentheses in call to 'print'", "this is Python 2: the print statement: write print(...)"),
    ("msg", r"Missing parentheses in call to 'exec'", "this is Python 2: the exec statement: write exec(...)"),
    ("msg", r"multiple exception types must be", "this is Python 2: `except X, e`: write `except X as e`"),
    ("msg", r"leading zeros in decimal integer", "this is Python 2: octal numbers are 0o17 in Python 3"),
    ("code", r"^```", "a fence of Markdown (```) is left in the file: delete this line"),
    ("code", r"^(<{7}|={7}|>{7})", "a conflict of a merge is left in the file: keep one of the two versions"),
    ("code", r"\b\d+L\b", "this is Python 2: a long integer such as 10L: write 10"),
    ("code", r"<>", "this is Python 2: `<>`: write !="),
    ("code", r"^raise \w+\s*,", "this is Python 2: `raise X, text`: write raise X(text)"),
    ("code", r"`", "this is Python 2: backticks: write repr(...)"),
)


def removed_name(error: BaseException) -> tuple[str, str] | None:
    """(a sentence, what to write) if the error comes from a name that NumPy or Python 3 has removed."""
    name = getattr(error, "name", None)
    if isinstance(error, AttributeError) and removed_attribute(error):
        name = removed_attribute(error)
        version, instead = REMOVED_FROM_NUMPY[name]
        return f"NumPy {version} removed np.{name}: write {instead}", instead
    known = {ModuleNotFoundError: PYTHON_2_MODULES, NameError: PYTHON_2_BUILTINS}
    if any(isinstance(error, kind) and name in names for kind, names in known.items()):
        return f"this is Python 2: {name} is {PYTHON_2_NAMES[name]} in Python 3", PYTHON_2_NAMES[name]
    return None


def removed_attribute(error: AttributeError) -> str | None:
    """The name after np. that this error misses, where NumPy once had it."""
    found = re.search(r"module 'numpy' has no attribute '(\w+)'|`np\.(\w+)` was removed", str(error))
    name = found and (found[1] or found[2])
    return name if name in REMOVED_FROM_NUMPY else None


def missing_module(error: BaseException) -> str | None:
    """What submitted code needed and could not have; None if that is not why it failed."""
    if isinstance(error, Needs):
        return str(error)
    if isinstance(error, ModuleNotFoundError) and error.name and error.name not in PYTHON_2_NAMES:
        return f"{error.name.removeprefix('submitted.')}, which is neither in the folder nor installed here"
    return None


def describe(error: BaseException) -> tuple[str, str | None]:
    """What an exception of the code under test means, in one line, and where it was raised."""
    if isinstance(error, SyntaxError):
        return _describe_syntax(error)
    _, line, function, code = innermost(error)
    where = place(error) if line else None
    name = type(error).__name__
    if isinstance(error, StillRunning):
        return f"{error}: put training {UNDER_MAIN}", where
    if name == "BdbQuit":
        return "stops in the debugger: delete set_trace() or breakpoint()", where
    if isinstance(error, EOFError):
        return f"asks for input, and nobody is there to give it: put what asks {UNDER_MAIN}", where
    if isinstance(error, SystemExit):
        return f"calls sys.exit({plain(error.code, 40) if error.code is not None else ''})", where
    if isinstance(error, MemoryError):
        return f"asks for more memory than it may have ({plain(error) or name})", where
    # NumPy's longer texts give advice about other versions: their first sentence says what happened.
    text = plain(re.split(r"\n|\. ", str(error), maxsplit=1)[0])
    missing = getattr(error, "name", None)
    known = PYTHON_2_METHODS if isinstance(error, AttributeError) else PYTHON_2_NAMES
    if missing in known and isinstance(error, (NameError, AttributeError, ImportError)):
        return f"this is Python 2: {missing} is {PYTHON_2_NAMES[missing]} in Python 3", where
    if isinstance(error, KeyError):
        return f"raises {name}: asks for the key {text}, which is not there", where
    if isinstance(error, ValueError) and re.search(r"broadcast together with shapes \((\d+),\d+\) \(\1,\)", text):
        text += ": is keepdims=True missing?"
    if "NoneType" in text and function == "backward":
        text += ": forward did not keep what is used here"
    own = re.search(r"\b(input|sum|max|min|abs|round|id|iter)\b(?! *\()", code)
    if own and "builtin_function_or_method" in text:
        return f"raises {name}: `{own[1]}` is Python's own function here: this method never sets it", where
    return f"raises {name}" + (f": {text}" if text else ""), where


def _describe_syntax(error: SyntaxError) -> tuple[str, str | None]:
    code, message = plain(error.text or "", 100), plain(error.msg)
    where = label(error.filename, error.lineno) if error.filename and error.lineno else "?"
    where += f": {code}" if code else ""
    for of, pattern, meaning in SYNTAX:
        if re.search(pattern, message if of == "msg" else code):
            return meaning, where
    if "expected an indented block" in message:
        return f"does not parse: {message}: what has no line of code yet needs `pass`", where
    if isinstance(error, TabError) or (isinstance(error, IndentationError) and "\t" in (error.text or "")):
        return "tabs and spaces are mixed in the indentation: use spaces alone", where
    return f"does not parse: {message}", where


def place(error: BaseException) -> str:
    """The line of submitted code that raised, as file, line, function and code."""
    file, line, function, code = innermost(error)
    return f"{label(file, line)}, in {function}" + (f": {plain(code, 100)}" if code else "")


CELLS: dict[str, list[int]] = {}  # path of a notebook -> the first line of each of its cells


def label(path: str, line: int) -> str:
    """`layers.py line 12`, or `homework.ipynb cell 3 line 2`."""
    file = os.path.basename(path)
    if path not in CELLS:
        return f"{file} line {line}"
    cell = bisect(CELLS[path], line)
    return f"{file} cell {cell} line {line - CELLS[path][cell - 1] + 1}"


def innermost(error: BaseException) -> tuple[str, int, str, str]:
    """Path, line, function and code of the last frame that is neither ours nor a library's."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = os.path.dirname(os.path.abspath(__file__))
    library = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
    for frame in reversed(frames):
        path = os.path.abspath(frame.filename)
        of_library = path.startswith(library) or "site-packages" in frame.filename
        if os.path.dirname(path) != ours and not of_library and os.path.exists(frame.filename):
            return frame.filename, frame.lineno or 0, frame.name, frame.line or ""
    return "?", 0, frames[-1].name if frames else "?", ""
