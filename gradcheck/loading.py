"""Loads the files of a submission, in the worker process. What cannot be read, parsed or run costs one statement.

A file is parsed once and run statement by statement. A statement that fails is left out and said; what it would have
defined is a StandIn, which raises Needs when it is used, so that everything that does not touch it can be checked.
"""

import __future__

import ast
import builtins
import functools
import importlib.machinery
import importlib.util
import inspect
import io
import json
import math
import os
import re
import signal
import sys
import threading
import tokenize
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import NamedTuple

import numpy as np

from gradcheck import errors
from gradcheck.errors import Needs, StillRunning, describe, label, plain
from gradcheck.source import register


class Repair(NamedTuple):
    """What had to be left out or put right so that a file could be run; fatal: Python itself cannot run the file."""

    message: str
    where: str | None
    fatal: bool = False


class Loaded(NamedTuple):
    module: ModuleType
    error: BaseException | None  # nothing of the file could be run
    repairs: list[Repair]
    failed: dict[str, str]  # name that a statement would have defined -> what it needs


class BareLayer:
    """Stands for a base class that could not be imported: what the course's Layer does, which is little."""

    def __init__(self, name: str = "", trainable: bool = False):
        self.name, self.trainable, self._saved_tensor = name, trainable, None

    def _saved_for_backward(self, tensor) -> None:
        self._saved_tensor = tensor


class StandIn:
    """Stands for what could not be imported or computed: whoever computes with it learns what is missing."""

    def __init__(self, needs: str):
        self.__dict__["needs"] = needs

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        return StandIn(self.needs)

    def __call__(self, *args, **keywords):
        if len(args) == 1 and not keywords and (inspect.isfunction(args[0]) or inspect.isclass(args[0])):
            return args[0]  # a decorator, such as numba's: what it decorates can do without it
        return self  # a log message hurts nobody; who computes with the result is told

    def _refuse(self, *_, **__):
        raise Needs(self.needs)

    def __mro_entries__(self, bases: tuple) -> tuple:
        return (BareLayer,)

    __iter__ = __getitem__ = __len__ = __bool__ = __float__ = __array__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __matmul__ = _refuse
    __rmatmul__ = __pow__ = __neg__ = __lt__ = __gt__ = __array_ufunc__ = __enter__ = _refuse


class PutBack(ExitStack):
    """Names that NumPy or Python 3 has removed, put back until the end of the `with`."""

    def __init__(self):
        super().__init__()
        self.messages = []

    def add(self, error: BaseException) -> bool:
        """Put back the name that this error misses; False if it is not one of those or has been put back already."""
        fix = errors.removed_name(error)
        if fix is None or fix[0] in self.messages:
            return False
        self.messages.append(fix[0])
        if isinstance(error, ImportError):
            sys.modules[error.name] = importlib.import_module(fix[1])
            self.callback(sys.modules.pop, error.name, None)
        else:
            owner, name = builtins, error.name
            if isinstance(error, AttributeError):
                owner, name = np, errors.removed_attribute(error)
            setattr(owner, name, eval(fix[1], {"np": np, "functools": functools}))
            self.callback(delattr, owner, name)
        return True


# Reading


def read(path: str) -> tuple[str, list[Repair]]:
    """The text of a Python file or of the code cells of a notebook, in whatever encoding it was saved."""
    data = Path(path).read_bytes()
    if path.endswith(".ipynb"):
        return _notebook(path, data), []
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return _lines(data.decode(encoding)), []
    except (SyntaxError, UnicodeDecodeError):
        pass
    line = 1 + data[: next((n for n, byte in enumerate(data) if byte > 127), 0)].count(b"\n")
    for encoding in ("utf-16",) if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ("gb18030", "latin-1"):
        try:
            text = _lines(data.decode(encoding))
        except UnicodeDecodeError:
            continue
        where = f"{os.path.basename(path)} line {line}: {plain(text.split(chr(10))[line - 1], 100)}"
        return text, [Repair(f"is not UTF-8: save it as UTF-8; read as {encoding}", where)]
    raise SyntaxError("Non-UTF-8", (path, line, 0, ""))


def _lines(text: str) -> str:
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


IPYTHON = r"[%!?].*|[\w.]+\?{1,2}|\w+ *= *[%!].*"  # magics, the shell, help


def _notebook(path: str, data: bytes) -> str:
    """The code cells, one below the other; lines that IPython alone understands become `pass`."""
    try:
        cells = json.loads(data)["cells"]
        code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError):
        raise SyntaxError("is not a notebook", (path, 1, 0, "")) from None
    code = ["" if re.match(r"%%(?!time|capture)", cell) else cell for cell in code]
    code = [re.sub(rf"(?m)^([ \t]*)({IPYTHON})$", r"\1pass", cell) for cell in code]
    lengths = [cell.count("\n") + 1 for cell in code]
    errors.CELLS[path] = [1 + sum(lengths[:number]) for number in range(len(code))]
    return "\n".join(code) + "\n"


# Parsing

# What Python 2 or a slip left in a line -> the line as Python 3 wants it.
SUBSTITUTIONS = (
    (r"^(\s*)(```|%|!).*$", r"\1pass"),
    (r"except\s+(.+?)\s*,\s*(\w+)\s*:", r"except \1 as \2:"),
    (r"raise\s+(\w+)\s*,\s*(.+)", r"raise \1(\2)"),
    (r"<>", "!="),
    (r"\b(\d+)L\b", r"\1"),
)


def parse(text: str, path: str) -> tuple[ast.Module, str, list[Repair], dict[str, str]]:
    """The tree, the text that it is the tree of, what was repaired, and the classes that were cut out."""
    repairs, cut, first = [], {}, None
    for _ in range(60):
        try:
            tree = ast.parse(text, path)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            if not isinstance(error, SyntaxError) or not error.lineno:
                raise first or error from None
            first = first or error
            text, repair = _repaired(text, error, cut)
            repairs.append(repair)
            continue
        if cut and not any(isinstance(node, ast.ClassDef) for node in tree.body):
            break
        try:
            compile(tree, path, "exec")
        except SyntaxError as error:  # what the parser lets pass, such as a late `from __future__`
            repairs.append(Repair(*describe(error), fatal=True))
        return tree, text, list(dict.fromkeys(repairs)), cut
    raise first


def _repaired(text: str, error: SyntaxError, cut: dict[str, str]) -> tuple[str, Repair]:
    message, where = describe(error)
    lines = text.split("\n")
    number = min(error.lineno, len(lines)) - 1
    if isinstance(error, IndentationError) and re.search(r"(?m)^ *\t", text):
        for width, who in ((8, "Python 2 let it pass"), (4, "the editor showed a tab as 4 spaces")):
            spaces = re.sub(r"(?m)^[ \t]+", lambda blanks, width=width: blanks[0].expandtabs(width), text)
            try:
                ast.parse(spaces)
            except IndentationError:
                continue
            except SyntaxError:
                pass
            mixed = f"tabs and spaces are mixed in the indentation ({who}): use spaces alone"
            return spaces, Repair(f"{mixed}; checked with a tab as {width} columns", where)
    if "Missing parentheses in call to" in error.msg:
        lines[number] = lines[number][: error.offset - 1] + "pass"
        lines[number + 1 : error.end_lineno] = [""] * ((error.end_lineno or 0) - number - 1)
        return "\n".join(lines), Repair(f"{message}; checked without it", where)
    for pattern, instead in SUBSTITUTIONS:
        changed = re.sub(pattern, instead, lines[number])
        if changed != lines[number]:
            lines[number] = changed
            return "\n".join(lines), Repair(f"{message}; checked with that", where)
    starts = [n for n, line in enumerate(lines) if re.match(r"[^\s#)\]}]", line)]
    begin = max((n for n in starts if n <= number), default=0)
    end = min((n for n in starts if n > number), default=len(lines))
    while begin and lines[begin - 1].startswith("@"):
        begin -= 1
    if not any(lines[begin:end]):  # nothing is left to cut: give up
        raise error
    for name in re.findall(r"(?m)^class (\w+)", "\n".join(lines[begin:end])):
        cut[name] = f"to be parsed: {plain(error.msg)}"
    lines[begin:end] = [""] * (end - begin)
    return "\n".join(lines), Repair(f"{message}; checked without lines {begin + 1} to {end}", where, fatal=True)


# Running

DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.Import, ast.ImportFrom)
pending: list[Repair] = []  # of the file that is loaded, and of the helpers that it imports


def load(path: str, time_limit: float) -> Loaded:
    """Run a file as the module of its name."""
    name = os.path.splitext(os.path.basename(path))[0]
    # `from .utils import x` looks into the folder, as if it were a package.
    package = sys.modules.setdefault("submitted", ModuleType("submitted"))
    package.__path__ = [os.path.dirname(path)]
    loader = StatementLoader("submitted." + name, path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader, origin=path))
    module.__file__ = path
    names = [key for key in (name, loader.name) if key not in sys.modules]
    sys.modules.update(dict.fromkeys(names, module))
    pending.clear()
    try:
        with alarm(time_limit):
            loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        for key in names:
            sys.modules.pop(key, None)
        return Loaded(module, error, [], {})
    return Loaded(module, None, list(dict.fromkeys(pending)), loader.failed)


class StatementLoader(importlib.machinery.SourceFileLoader):
    """Runs a module statement by statement."""

    def exec_module(self, module: ModuleType) -> None:
        text, unread = read(self.path)
        tree, text, repairs, self.failed = parse(text, self.path)
        pending.extend([*unread, *repairs])
        register(self.path, text, tree)
        flags = 0
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and node.module == "__future__":
                for alias in node.names:
                    flags |= getattr(__future__, alias.name).compiler_flag
        said = set()  # packages that are missing
        unsure = None  # a star import failed: any name may come from there
        late = False
        for node in _statements(tree):
            if late and not isinstance(node, DEFINITIONS):
                continue
            if isinstance(node, ast.ImportFrom) and node.level:
                message = "imports relatively (from .x import y): that needs a package around it; checked with one"
                pending.append(Repair(message, label(self.path, node.lineno)))
            code = compile(ast.Module([node], []), self.path, "exec", flags, True)
            error = _execute(code, module)
            if error is None:
                continue
            if isinstance(error, StillRunning):
                if late:
                    break
                late = True
            if isinstance(error, NameError) and unsure:
                error = Needs(unsure)
            needs = errors.missing_module(error) or f"what line {node.lineno} failed to define"
            names = _bound(node)
            if "*" in names:
                unsure = needs
            repair = _repair(self.path, tree, node, names, error)
            package = getattr(error, "name", None) if isinstance(error, ModuleNotFoundError) else None
            if not isinstance(error, Needs) and package not in said:
                pending.append(repair)
                said |= {package} - {None}
            for name in names:
                if not hasattr(module, name):
                    self.failed[name] = needs
                    setattr(module, name, StandIn(needs))


def _statements(tree: ast.Module):
    """The statements of a file; `import a, b` is two."""
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (ast.copy_location(ast.Import([alias]), node) for alias in node.names)
        else:
            yield node


def _execute(code, module: ModuleType) -> BaseException | None:
    """Run a statement, with removed names put back if it needs them: that is a repair too."""
    with PutBack() as names:
        while True:
            try:
                exec(code, vars(module))
                return None
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                if not names.add(error):
                    return error
                pending.append(Repair(f"{names.messages[-1]}; checked with that", describe(error)[1]))


def _bound(node: ast.stmt) -> list[str]:
    """The names that a statement would define."""
    if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
        return [node.name]
    names = []
    for part in ast.walk(node):
        if isinstance(part, (ast.ClassDef, ast.FunctionDef)):
            names.append(part.name)
        elif isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            names.append(part.id)
        elif isinstance(part, (ast.Import, ast.ImportFrom)):
            names += [alias.asname or alias.name.split(".")[0] for alias in part.names]
    return names


def _repair(path: str, tree: ast.Module, node: ast.stmt, names: list[str], error: BaseException) -> Repair:
    message, where = describe(error)
    if isinstance(node, (ast.Import, ast.ImportFrom)) and isinstance(error, ImportError):
        where = label(path, node.lineno)
        name = (error.name or getattr(node, "module", None) or names[0]).removeprefix("submitted.")
        package = name.split(".")[0]
        if isinstance(error, ModuleNotFoundError) and package == name:
            message = f"imports {name}, which is neither in the folder nor installed here"
        elif isinstance(error, ModuleNotFoundError):
            owner = "NumPy 2" if package == "numpy" else f"the installed {package}"
            message = f"imports {name}, which {owner} no longer has"
        else:
            message = f"imports {', '.join(names)} from {name}, which has no such name"
        used = {part.id for part in ast.walk(tree) if isinstance(part, ast.Name)} | {"*"}
        unused = "" if used & {*names} else "nothing here uses it: delete the line; "
        return Repair(f"line {node.lineno} {message}; {unused}checked without it", where)
    return Repair(f"{message}; checked without this statement", where or label(path, node.lineno))


def stand_in_for_libraries() -> None:
    """Where SciPy or Numba is not installed: what layers and losses use of it; all else is a StandIn."""

    def erf(x):
        return np.vectorize(math.erf, otypes=[float])(x).astype(np.asarray(x).dtype)

    def logsumexp(a, axis=None, keepdims=False):
        most = np.max(a, axis=axis, keepdims=True)
        total = most + np.log(np.exp(a - most).sum(axis=axis, keepdims=True))
        return total if keepdims else np.squeeze(total, axis)

    special = {"erf": erf, "expit": lambda x: 0.5 + 0.5 * np.tanh(0.5 * x), "logsumexp": logsumexp}
    special["xlogy"] = xlogy = lambda x, y: np.where(x == 0, 0.0, x * np.log(np.where(x == 0, 1.0, y)))
    special |= {"entr": lambda x: -xlogy(x, x), "rel_entr": lambda x, y: xlogy(x, x) - xlogy(x, y)}
    special["log_softmax"] = lambda x, axis=None: x - logsumexp(x, axis, True)
    special["softmax"] = lambda x, axis=None: np.exp(x - logsumexp(x, axis, True))
    normal = SimpleNamespace(
        cdf=lambda x: 0.5 + 0.5 * erf(x / math.sqrt(2)), pdf=lambda x: np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
    )
    vectorize = lambda *f, **_: np.vectorize(*f) if f and callable(f[0]) else np.vectorize  # noqa: E731
    contents = {
        "scipy": {}, "scipy.special": special, "scipy.stats": {"norm": normal},
        "numba": {"prange": range, "vectorize": vectorize},
    }  # fmt: skip
    missing = [name for name in ("scipy", "numba") if importlib.util.find_spec(name) is None]
    for name in [name for name in contents if name.split(".")[0] in missing]:
        module = sys.modules[name] = ModuleType(name)
        needs = StandIn(f"{name}, which is not installed here")
        vars(module).update(contents[name], __path__=[], __getattr__=lambda key, needs=needs: getattr(needs, key))
        setattr(sys.modules[name.split(".")[0]], name.rpartition(".")[2], module)


class FolderFinder:
    """Finds a submission's own modules in its folders, to be run statement by statement too."""

    def __init__(self, folders: list[str]):
        self.folders = folders

    def find_spec(self, name: str, path=None, target=None):
        parts = name.removeprefix("submitted.").split(".")
        for folder in self.folders:
            place = os.path.join(folder, *parts)
            for file in (place + ".py", os.path.join(place, "__init__.py")):
                if os.path.isfile(file):
                    given = {"loader": StatementLoader(name, file)}
                    given["submodule_search_locations"] = [place] if file.endswith("__init__.py") else None
                    return importlib.util.spec_from_file_location(name, file, **given)
        return None


@contextmanager
def alarm(seconds: float):
    """StillRunning after so many seconds, where the system can do that: training at the end of a file, say."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(*_) -> None:
        raise StillRunning(f"still running after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds, seconds)  # and again, for what follows
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
