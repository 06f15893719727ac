"""What the text of a class says: the line where something becomes what it is, and whether a method is only a stub.

A file is parsed once; a method is found in it by its line, so that no comment or tab can hide it.
"""

import ast
import functools
import inspect
import linecache
from pathlib import Path

from gradcheck.errors import label, plain

_files: dict[str, tuple[list[str], ast.Module]] = {}


def register(path: str, text: str, tree: ast.Module) -> None:
    """From now on this is the text of the file, for tracebacks too."""
    _files[path] = text.split("\n"), tree
    _find.cache_clear()
    linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)


def line_of(cls: type, method: str, about: str | None = None) -> str | None:
    """Where a class says what `about` becomes (an attribute such as grad_W, an argument), or what a method returns.

    about "return": the statement that returns; None: the one that computes what is returned.
    """
    computed, about = about is None, None if about == "return" else about
    functions = [getattr(cls, method, None)]
    if about is not None:
        functions += [f for name, f in inspect.getmembers(cls, inspect.isfunction) if name != "__init__"]
    for function in functions:
        found = definition(function)
        if found is None:
            continue
        nodes = [node for node in ast.walk(found) if _sets(node, about)]
        if nodes or about is None:
            last = max(nodes, key=lambda node: node.lineno, default=found)
            return place(function, (_computed(found, last) if computed else last).lineno)
    return None if about is None else line_of(cls, method)


SIMPLE = ("sum", "mean", "copy", "float", "array", "asarray", "squeeze")


def _computed(function: ast.FunctionDef | ast.Lambda, last: ast.AST) -> ast.AST:
    """For a return that only scales, sums or copies what was set before it, as `return y / n`: the last such line."""
    value, called = getattr(last, "value", None), False
    while not isinstance(value, (ast.Name, ast.Attribute)):
        if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Div) and not called:
            value = value.left
        elif isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mult) and not called:
            sides = [side for side in (value.left, value.right) if isinstance(side, (ast.Name, ast.Constant))]
            value = next((side for side in sides if len(sides) == 2 and _lines(function, side, last)), None)
        elif isinstance(value, ast.Call) and getattr(value.func, "attr", getattr(value.func, "id", "")) in SIMPLE:
            value, called = value.args[0] if value.args else getattr(value.func, "value", None), True
        else:
            return last
    return max(_lines(function, value, last), key=lambda node: node.lineno, default=last)


def _lines(function: ast.AST, value: ast.AST, last: ast.AST) -> list[ast.AST]:
    """The statements before the last one that set a name or an attribute."""
    name = getattr(value, "id", getattr(value, "attr", None))
    return [node for node in ast.walk(function) if name and _binds(node, name) and node.lineno < last.lineno]


def _binds(node: ast.AST, name: str) -> bool:
    """Whether a statement sets name, self.name or a part of either."""
    if not isinstance(node, (ast.Assign, ast.AugAssign)) or getattr(node.value, "elts", 1) == []:
        return False  # y = [] is not where y becomes what it is
    targets = getattr(node, "targets", None) or [node.target]
    parts = [part for target in targets for part in getattr(target, "elts", [target])]
    while any(isinstance(part, ast.Subscript) for part in parts):
        parts = [part.value if isinstance(part, ast.Subscript) else part for part in parts]
    return name in [getattr(part, "id", getattr(part, "attr", None)) for part in parts]


def first_line(cls: type, method: str) -> str | None:
    """Where a method is defined."""
    found = definition(getattr(cls, method, None))
    return None if found is None else place(getattr(cls, method), found.lineno)


def last_line(cls: type, method: str) -> str | None:
    """Where a method ends, or its last assignment to a local W or b if it has one."""
    function = getattr(cls, method, None)
    found = definition(function)
    if found is None or isinstance(found, ast.Lambda):
        return None
    local = local_line(cls, method, "W") or local_line(cls, method, "b")
    return local or place(function, max(node.lineno for node in found.body))


def local_line(cls: type, method: str, name: str) -> str | None:
    """Where a method assigns to a local name."""
    found = definition(getattr(cls, method, None))
    nodes = [node for node in ast.walk(found) if isinstance(node, ast.Assign) and name in _names(node)] if found else []
    return place(getattr(cls, method), max(node.lineno for node in nodes)) if nodes else None


def defines(cls: type, method: str) -> bool:
    """Whether objects of a class have a method: by `def`, or because another method assigns it to self."""
    if callable(getattr(cls, method, None)):
        return True
    found = [definition(function) for _, function in inspect.getmembers(cls, inspect.isfunction)]
    return any(_sets(node, method) for definition in filter(None, found) for node in ast.walk(definition))


def calls(cls: type, method: str, *names: str) -> str | None:
    """The first line where a method calls one of these functions."""
    found = definition(getattr(cls, method, None))
    nodes = [node for node in ast.walk(found) if isinstance(node, ast.Call)] if found else []
    lines = [node.lineno for node in nodes if getattr(node.func, "attr", getattr(node.func, "id", "")) in names]
    return place(getattr(cls, method), min(lines)) if lines else None


def mentions(cls: type, method: str, attribute: str) -> bool:
    """Whether a method reads an attribute."""
    found = definition(getattr(cls, method, None))
    return found is not None and any(getattr(node, "attr", None) == attribute for node in ast.walk(found))


def is_stub(function) -> bool:
    """Whether a method computes nothing: docstring, pass, ..., constants, return None, names of what was kept."""
    found = definition(function)
    if found is None or isinstance(found, ast.Lambda):
        return False
    empty = set()
    for node in found.body:
        if isinstance(node, ast.Raise):
            return "NotImplemented" in ast.dump(node)
        if isinstance(node, ast.Assign) and _is_nothing(node.value, empty):
            empty |= _names(node)
        elif isinstance(node, ast.Assign) and isinstance(node.value, (ast.Name, ast.Attribute)):
            pass  # x = self._saved_tensor: something is looked up, nothing is computed
        elif isinstance(node, ast.Expr) and ast.unparse(node).startswith("print("):
            pass
        elif isinstance(node, (ast.Expr, ast.Return)):
            if not _is_nothing(node.value, empty) and not isinstance(node.value, ast.Constant):
                return False
        elif not isinstance(node, (ast.Pass, ast.Import, ast.ImportFrom)):
            return False
    return True


def definition(function) -> ast.FunctionDef | ast.Lambda | None:
    """The node of a function in the tree of its file."""
    code = getattr(inspect.unwrap(function), "__code__", None) if callable(function) else None
    return None if code is None else _find(code.co_filename, code.co_firstlineno, code.co_name)


@functools.cache
def _find(path: str, line: int, name: str) -> ast.FunctionDef | ast.Lambda | None:
    if path not in _files:
        try:
            text = Path(path).read_text(encoding="utf-8")
            register(path, text, ast.parse(text))
        except (OSError, SyntaxError, ValueError):
            return None
    for node in ast.walk(_files[path][1]):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            first = min(part.lineno for part in (node, *node.decorator_list))
            if first == line and node.name == name:
                return node
        elif isinstance(node, ast.Lambda) and name == "<lambda>" and node.lineno == line:
            return node
    return None


def place(function, line: int) -> str:
    code = inspect.unwrap(function).__code__
    text = _files[code.co_filename][0][line - 1]
    return f"{label(code.co_filename, line)}, in {code.co_name}: {plain(text, 100)}"


def _is_nothing(value: ast.AST | None, empty: set[str]) -> bool:
    """None, or a name that was set to it."""
    is_none = isinstance(value, ast.Constant) and value.value in (None, ...)
    return value is None or is_none or (isinstance(value, ast.Name) and value.id in empty)


def _names(node: ast.Assign) -> set[str]:
    return {target.id for target in node.targets if isinstance(target, ast.Name)}


def _sets(node: ast.AST, about: str | None) -> bool:
    if about is None:
        return isinstance(node, (ast.Return, ast.Lambda))
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
    names = [target.id for target in written if isinstance(target, ast.Name)]
    return about in names + [t.attr.strip("_") for t in targets + inside if isinstance(t, ast.Attribute)]
