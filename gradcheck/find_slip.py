"""Where a wrong method is wrong: the smallest change of one expression in it that makes its numbers right.

Each change is tried on the submission's own code: another number, operator, comparison, axis or name, a factor or a
sign more or less. The first one after which the method gives the true numbers is the slip, and its line the line.
"""

import __future__

import ast
import copy
import inspect
import time
import warnings
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import NamedTuple

from gradcheck.errors import StillRunning, plain
from gradcheck.loading import alarm
from gradcheck.source import definition, place

CHANGES, IF_NAMED = 1500, 500  # after so many the slip counts as not found; where only the line is not known
SECONDS = 2.0  # of this process: the same, for slow code; twice that on the clock for what a change has made endless
OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div)
COMPARISONS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
TWINS = {"sum": ("mean", "max"), "mean": ("sum",), "max": ("sum",), "maximum": ("minimum",), "minimum": ("maximum",)}
TWINS |= {"argmax": ("argmin",), "tanh": ("cosh", "exp"), "sinh": ("cosh",), "zeros_like": ("ones_like",)}
TWINS |= {"empty_like": ("zeros_like",), "empty": ("zeros",)}
FORMS = ("-({})", "1 - ({})", "({}) ** 2", "({}) > 0", "({}).T", "np.exp({})")
FLIPPED = {ast.Add: ast.Sub, ast.Sub: ast.Add}
SWAPS = {ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr}
# Of GELU, its derivative and its other form, of SELU and HardSwish.
CONSTANTS = {0.044715, 0.134145, 0.7978845608028654, 1.702, 1.0507009873554805, 1.6732632423543772, 6}


# The flags of `from __future__ import ...` in a code object.
FUTURE = 0
for _name in __future__.all_feature_names:
    FUTURE |= getattr(__future__, _name).compiler_flag & ~0xFFFF


class Slip(NamedTuple):
    where: str  # file, line, function and code
    words: str  # what stands there, and what makes it right


def find_slip(
    cls: type, method: str, works: Callable[[], bool], ranks: tuple = (0, 1, 2, 3, 4), most: int = CHANGES
) -> Slip | None:
    """The first change of a method, or of a function that it calls, after which works() holds.

    backward may be wrong by what forward kept for it: forward is tried last. ranks: which changes, see _changed.
    """
    functions = _reached([getattr(cls, method, None)], cls)
    kept = [f for f in _reached([getattr(cls, "forward", None)], cls) if f not in functions]
    trees = [definition(function) for function in functions + kept]
    numbers = {part.value for tree in trees for part in ast.walk(tree) if _is_number(part)}
    codes = {function: function.__code__ for function in functions + kept}
    try:
        return _search(cls, works, (functions, kept), ranks, most, numbers)
    except StillRunning:
        return None
    finally:
        for function, code in codes.items():  # the alarm may ring while a change is taken back
            function.__code__ = code


def _search(cls: type, works: Callable, groups: tuple, ranks: tuple, most: int, numbers: set) -> Slip | None:
    until, tried = time.process_time() + SECONDS, 0
    with alarm(2 * SECONDS):
        for function, rank in [(f, rank) for group in groups for rank in ranks for f in group]:
            for node, new, code in _changed(function, cls, rank, numbers):
                tried += 1
                if tried > most or time.process_time() > until:
                    return None
                if _holds(function, code, works):
                    before, after = _shown(ast.unparse(node), ast.unparse(new))
                    words = f"with {after} in place of {before} it is right"
                    return Slip(place(function, node.lineno), words.replace("with pass in place of", "without"))
    return None


def _shown(before: str, after: str) -> tuple[str, str]:
    """Both texts, short enough for a message: of long ones what is the same at the beginning is left out."""
    same = next((n for n, (one, other) in enumerate(zip(before, after)) if one != other), min(len(before), len(after)))
    cut = max(0, min(same - 15, max(len(before), len(after)) - 52)) if max(len(before), len(after)) > 55 else 0
    return tuple(plain(("..." if cut else "") + text[cut:], 55) for text in (before, after))


def _reached(waiting: list, cls: type) -> list[FunctionType]:
    """Functions of the submission and those of its file and class that they call, the nearest first."""
    found = []
    while waiting:
        function = waiting.pop(0)
        function = inspect.unwrap(function) if isinstance(function, FunctionType) else None
        node = definition(function)
        loops = isinstance(node, ast.FunctionDef) and any(isinstance(part, ast.While) for part in ast.walk(node))
        if function in found or not isinstance(node, ast.FunctionDef) or loops:  # a changed `while` may have no end
            continue
        found.append(function)
        for call in (part.func for part in ast.walk(node) if isinstance(part, ast.Call)):
            name = getattr(call, "attr", getattr(call, "id", ""))
            owner = cls if isinstance(call, ast.Attribute) else None
            if isinstance(call, ast.Attribute) and isinstance(function.__globals__.get(_first(call)), ModuleType):
                owner = function.__globals__[_first(call)]  # a helper module's function
            called = getattr(owner, name, None) if owner else function.__globals__.get(name)
            waiting += [called] if isinstance(called, FunctionType) and "numpy" not in str(called.__module__) else []
    return found


def _first(node: ast.Attribute) -> str | None:
    return getattr(node.value, "id", None)


def _holds(function: FunctionType, code: CodeType, works: Callable[[], bool]) -> bool:
    """Whether works() holds while the function runs this code."""
    before = function.__code__
    try:
        function.__code__ = code
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return works()
    except Exception:
        return False
    finally:
        function.__code__ = before


def _changed(function: FunctionType, cls: type, rank: int, numbers: set) -> Iterator[tuple[ast.AST, ast.AST, CodeType]]:
    """Old and new node and the code of every change of this rank: 0 operators, 1 names, 2 signs, 3 factors, 4 terms."""
    tree = copy.deepcopy(definition(function))
    tree.decorator_list = []
    names = _names(tree, cls)
    forms = _forms(tree, names, numbers)
    own = {id(part) for part in ast.walk(tree)}
    for parent, field, number, node in list(_places(tree)):
        for new in _other_operators(node, numbers) if rank == 0 else _changes(node, names, forms, rank):
            for part in (part for part in ast.walk(new) if id(part) not in own):
                part.lineno, part.end_lineno, part.col_offset, part.end_col_offset = node.lineno, node.lineno, 0, 0
            _put(parent, field, number, new)
            code = _compiled(tree, function, cls.__name__)
            _put(parent, field, number, node)
            if code is not None:
                yield node, new, code


def _places(tree: ast.FunctionDef) -> Iterator[tuple]:
    """Every expression and statement in the body: the node that holds it, the field and the place in a list."""
    body = ast.Module(tree.body, [])  # the list of statements itself: what is put into it is put into the function
    for parent in ast.walk(body):
        for field, value in ast.iter_fields(parent):
            for number, node in enumerate(value if isinstance(value, list) else [value]):
                if isinstance(node, (ast.expr, ast.stmt)) and not isinstance(getattr(node, "ctx", None), ast.Store):
                    yield parent, field, number if isinstance(value, list) else None, node


def _put(parent: ast.AST, field: str, number: int | None, node: ast.AST) -> None:
    if number is None:
        setattr(parent, field, node)
    else:
        getattr(parent, field)[number] = node


def _compiled(tree: ast.FunctionDef, function: FunctionType, owner: str) -> CodeType | None:
    """The code of a changed function; in a class of the same name, as private attributes want it."""
    outer = ast.ClassDef(name=owner, bases=[], keywords=[], body=[tree], decorator_list=[], type_params=[])
    module = ast.Module([ast.copy_location(outer, tree)], [])
    try:
        code = compile(module, function.__code__.co_filename, "exec", function.__code__.co_flags & FUTURE, True)
    except (SyntaxError, ValueError, TypeError):
        return None
    body = next(part for part in code.co_consts if isinstance(part, CodeType))
    inside = (part for part in body.co_consts if isinstance(part, CodeType) and part.co_name == function.__name__)
    return next(inside, None)


def _names(tree: ast.FunctionDef, cls: type) -> list[ast.expr]:
    """What an array may have been mistaken for: arguments, local names, attributes that the class sets."""
    local = [arg.arg for arg in tree.args.args if arg.arg != "self"]
    local += [n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    nodes = [definition(function) for _, function in inspect.getmembers(cls, inspect.isfunction)]
    own = [
        part.attr
        for part in (part for node in nodes if node for part in ast.walk(node))
        if isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store)
    ]
    sizes = [f"{local[0]}.shape[{axis}]" for axis in (0, 1)] if local else []
    texts = [*dict.fromkeys(local), *(f"self.{name}" for name in dict.fromkeys(own)), *sizes]
    return [ast.parse(text, mode="eval").body for text in texts]


def _is_number(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) in (int, float)


def _forms(tree: ast.FunctionDef, names: list[ast.expr], numbers: set) -> dict[int, list[str]]:
    """By rank: a sign, a square, a mask, a function that is called here too; a factor; a term."""
    calls = [ast.unparse(n.func) + "({})" for n in ast.walk(tree) if isinstance(n, ast.Call) and len(n.args) == 1]
    sizes = [f"{name.arg}.shape[{axis}]" for name in tree.args.args[1:2] for axis in (0, 1)]
    factors = [str(number) for number in sorted(numbers | {2}) if number not in (0, 1)] + sizes
    factors += [ast.unparse(name) for name in names]
    terms = [name.id for name in names if isinstance(name, ast.Name)]
    return {
        2: [*FORMS, *dict.fromkeys(calls)],
        3: [f"({{}}) {sign} {factor}" for factor in factors for sign in "*/"],
        4: [f"({{}}) {sign} {term}" for term in terms for sign in "+-"],
    }


def _changes(node: ast.AST, names: list[ast.expr], forms: dict[int, list[str]], rank: int) -> Iterator[ast.AST]:
    """What may stand in this place instead."""
    if rank == 1 and isinstance(node, ast.BinOp):
        yield from (node.left, node.right)
    elif rank == 1 and isinstance(node, (ast.Call, ast.Subscript)):
        yield from node.args[:1] if isinstance(node, ast.Call) else [node.value]
        if isinstance(node, ast.Call) and len(node.args) > 1:  # np.where with its branches exchanged
            yield ast.Call(node.func, [*node.args[:-2], node.args[-1], node.args[-2]], node.keywords)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node.func.value
        yield from names
    elif rank == 1 and isinstance(node, (ast.Name, ast.Attribute)) and getattr(node, "id", "") not in ("np", "self"):
        same = ast.dump(node, annotate_fields=False)
        yield from (name for name in names if ast.dump(name, annotate_fields=False) != same)
    elif rank == 1 and isinstance(node, (ast.Assign, ast.AugAssign, ast.Expr)):
        yield ast.copy_location(ast.Pass(), node)
    elif rank == 1 and _is_number(node):
        yield from (name for name in names if isinstance(name, ast.Attribute))
    elif rank >= 2 and isinstance(node, (ast.BinOp, ast.Call, ast.Name, ast.Attribute, ast.UnaryOp)):
        text = ast.unparse(node)
        for form in forms[rank]:
            yield ast.parse(form.replace("{}", text), mode="eval").body


def _other_operators(node: ast.AST, numbers: set) -> Iterator[ast.AST]:
    """Another number, operator, comparison, function or axis, or other brackets."""
    if _is_number(node):
        values = {0, 1, 2, 3, -1, 0.5, -node.value, node.value + 1, node.value - 1, node.value * 10, node.value / 10}
        values = sorted(values | numbers | CONSTANTS, key=lambda value: abs(value - node.value))
        yield from (ast.Constant(value) for value in values if value != node.value)
    elif isinstance(node, ast.BinOp):
        yield from (ast.BinOp(node.left, op(), node.right) for op in OPERATORS if not isinstance(node.op, op))
        yield ast.BinOp(node.right, node.op, node.left)
        if type(node.op) in SWAPS:
            yield ast.BinOp(node.left, SWAPS[type(node.op)](), node.right)
        inner = node.left
        if type(node.op) in FLIPPED and isinstance(inner, ast.BinOp) and type(inner.op) in FLIPPED:
            flipped = ast.BinOp(inner.left, FLIPPED[type(inner.op)](), inner.right)  # two outputs exchanged
            yield ast.BinOp(flipped, FLIPPED[type(node.op)](), node.right)
        if isinstance(node.op, ast.Add):
            yield ast.BinOp(node.left, ast.Mult(), ast.BinOp(ast.Constant(1), ast.Add(), node.right))
        if isinstance(node.left, ast.BinOp):  # brackets that are missing
            yield ast.BinOp(node.left.left, node.left.op, ast.BinOp(node.left.right, node.op, node.right))
        if isinstance(node.right, ast.BinOp):
            yield ast.BinOp(ast.BinOp(node.left, node.op, node.right.left), node.right.op, node.right.right)
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.Compare) and len(node.ops) == 1:
        for op in COMPARISONS:
            yield ast.Compare(node.left, [op()], node.comparators)
    elif isinstance(node, ast.AugAssign):
        yield from (ast.AugAssign(node.target, op(), node.value) for op in OPERATORS if not isinstance(node.op, op))
        yield ast.Assign([node.target], node.value)
    elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
        yield ast.AugAssign(node.targets[0], ast.Mult(), node.value)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        func = node.func
        if func.attr in ("dot", "matmul") and len(node.args) == 2:
            yield ast.BinOp(node.args[0], ast.Mult(), node.args[1])
        for twin in TWINS.get(func.attr, ()):
            yield ast.Call(ast.Attribute(func.value, twin, ast.Load()), node.args, node.keywords)
        if func.attr in TWINS:
            rest = [keyword for keyword in node.keywords if keyword.arg not in ("axis", "keepdims")]
            for axis, keep in ((0, False), (1, True), (1, False), (None, False)):
                more = [ast.keyword("axis", ast.Constant(axis))] + [ast.keyword("keepdims", ast.Constant(True))] * keep
                yield ast.Call(func, node.args[:1] if node.keywords else node.args, [*rest, *more])
