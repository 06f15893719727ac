"""What an exception of the code under test means, in one line, and where it was raised. Python 2 is named as such."""

import inspect
import os
import re
import traceback


class StillRunning(BaseException):
    """Time is up for the import of a file; no `except Exception` of submitted shall catch it."""


LONGEST = 300  # characters of submitted message
UNDER_MAIN = 'under if __name__ == "__main__":'


def plain(text, longest: int = LONGEST) -> str:
    """Text of submitted code as one line that cannot upset a terminal."""
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
PYTHON_2_METHODS = ("iteritems", "itervalues", "iterkeys", "has_key")
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
    if isinstance(error, StillRunning):
        return f"{error}: put training {UNDER_MAIN}", where
    if isinstance(error, EOFError):
        return f"asks for input, and nobody is there to give it: put what asks {UNDER_MAIN}", where
    if isinstance(error, SystemExit):
        return f"calls sys.exit({plain(error.code, 40) if error.code is not None else ''})", where
    if isinstance(error, MemoryError):
        return f"asks for more memory than it may have ({plain(error) or name})", where
    message = f"{name}: {plain(error)}" if str(error) else name
    missing = getattr(error, "name", None)
    known = PYTHON_2_METHODS if isinstance(error, AttributeError) else PYTHON_2_NAMES
    if missing in known and isinstance(error, (NameError, AttributeError, ImportError)):
        return f"this is Python 2: {missing} is {PYTHON_2_NAMES[missing]} in Python 3", where
    if isinstance(error, ModuleNotFoundError) and missing:
        message += f" ({missing}.py is not in the folder, and no such package is installed here)"
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
    if code.startswith("```"):
        return "a fence of Markdown (```) is left in the file: delete this line", where
    if re.match(r"<{7}|={7}|>{7}", code):
        return "a conflict of a merge is left in the file: keep one of the two versions", where
    if re.search(r"\b\d+L\b", code) and "decimal literal" in str(error.msg):
        return "this is Python 2: a long integer such as 10L: write 10", where
    if "<>" in code:
        return "this is Python 2: `<>`: write !=", where
    if re.match(r"raise \w+\s*,", code):
        return "this is Python 2: `raise X, text`: write raise X(text)", where
    if "`" in code:
        return "this is Python 2: backticks: write repr(...)", where
    if "expected an indented block" in str(error.msg):
        return f"does not parse: {plain(error.msg)}: what has no line of code yet needs `pass`", where
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
