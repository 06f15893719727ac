"""What the text of a class says: the line where something becomes what it is, and whether a method is only a stub."""

import ast
import inspect
import os
import textwrap

from gradcheck.errors import plain


def line_of(cls: type, method: str, about: str | None = None) -> str | None:
    """Where a class says what `about` becomes (an attribute such as grad_W, an argument), or what a method returns."""
    functions = [getattr(cls, method, None)]
    if about is not None:
        functions += [f for name, f in inspect.getmembers(cls, inspect.isfunction) if name != "__init__"]
    for function in functions:
        parsed = _parsed(function)
        if parsed is None:
            continue
        nodes = [node for node in ast.walk(parsed[1]) if _sets(node, about)]
        if nodes or about is None:
            return _place(function, parsed[0], max((node.lineno for node in nodes), default=1))
    return None if about is None else line_of(cls, method)


def first_line(cls: type, method: str) -> str | None:
    """Where a method is defined."""
    parsed = _parsed(getattr(cls, method, None))
    return None if parsed is None else _place(getattr(cls, method), parsed[0], 1)


def last_line(cls: type, method: str) -> str | None:
    """Where a method ends, or its last assignment to a local W or b if it has one."""
    function = getattr(cls, method, None)
    parsed = _parsed(function)
    if parsed is None:
        return None
    body = parsed[1].body[0].body
    local = [node for node in ast.walk(parsed[1]) if isinstance(node, ast.Assign) and _names(node) & {"W", "b"}]
    return _place(function, parsed[0], max(node.lineno for node in local or body))


def is_stub(function) -> bool:
    """Whether a method computes nothing: docstring, pass, ..., constants, return None, names that are set to None.

    Where the source cannot be read, it counts as one.
    """
    parsed = _parsed(function)
    if parsed is None:
        return True
    if not isinstance(parsed[1].body[0], (ast.FunctionDef, ast.AsyncFunctionDef)):
        return True
    empty = set()
    for node in parsed[1].body[0].body:
        if isinstance(node, ast.Raise):
            return "NotImplemented" in ast.dump(node)
        if isinstance(node, ast.Assign) and _is_nothing(node.value, empty):
            empty |= _names(node)
        elif isinstance(node, (ast.Expr, ast.Return)):
            if not _is_nothing(node.value, empty) and not isinstance(node.value, ast.Constant):
                return False
        elif not isinstance(node, (ast.Pass, ast.Import, ast.ImportFrom)):
            return False
    return True


def _parsed(function) -> tuple[list[str], ast.Module] | None:
    """The lines of a function, and their tree."""
    try:
        lines, _ = inspect.getsourcelines(function)
        return lines, ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, TypeError, SyntaxError, IndexError):
        return None


def _place(function, lines: list[str], line: int) -> str:
    first = inspect.getsourcelines(function)[1]
    file = os.path.basename(inspect.getsourcefile(function) or "?")
    return f"{file} line {first + line - 1}, in {function.__name__}: {plain(lines[line - 1], 100)}"


def _is_nothing(value: ast.AST | None, empty: set[str]) -> bool:
    """None, or a name that was set to it."""
    is_none = isinstance(value, ast.Constant) and value.value in (None, ...)
    return value is None or is_none or (isinstance(value, ast.Name) and value.id in empty)


def _names(node: ast.Assign) -> set[str]:
    return {target.id for target in node.targets if isinstance(target, ast.Name)}


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
