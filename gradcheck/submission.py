"""A submission from the inside, in the worker process: its classes found, made and checked, file by file."""

import builtins
import functools
import inspect
import itertools
import os
import sys
from collections.abc import Callable
from contextlib import suppress

import numpy as np

from gradcheck import definitions
from gradcheck.check_activation import check_activation, check_extra
from gradcheck.check_linear import check_linear
from gradcheck.check_loss import check_loss
from gradcheck.errors import RemovedName, describe
from gradcheck.loading import Loaded, PutBack, load
from gradcheck.reference import CLASSES, IN
from gradcheck.report_rows import Finding, Row
from gradcheck.source import defines

# Softmax and hinge show the orientation of a batch, which the Euclidean loss alone may hide.
ORDER = ("SoftmaxCrossEntropyLoss", "HingeLoss", "EuclideanLoss")
ARGUMENT_NAMES = {
    "name": ("name", "layer_name"),
    "in_num": ("in_num", "in_dim", "input_dim", "in_features", "n_in", "in_size", "input_size", "num_in", "fan_in"),
    "out_num": ("out_num", "out_dim", "output_dim", "out_features", "n_out", "out_size", "output_size", "num_out"),
    "init_std": ("init_std", "std", "sigma", "weight_std", "init_scale", "scale"),
}
ARGUMENTS = {name: argument for argument, names in ARGUMENT_NAMES.items() for name in names}
# What an argument that the assignment does not know is given.
GUESSED_FOR = {
    ("margin", "threshold", "delta", "thresh"): 5.0,
    ("learning_rate", "lr"): 0.1,
    ("momentum", "weight_decay", "bias_init", "dropout", "eps", "epsilon"): 0.0,
    ("seed", "random_state"): 0,
    ("batch_size",): 5,
    ("dtype",): np.float64,
    ("trainable", "bias", "use_bias"): True,
    ("alpha",): None,  # weights of the classes in a focal loss
    ("gamma",): 2.0,
    ("slope", "negative_slope"): 0.01,
    ("dim", "size", "num", "features", "num_features", "n_features", "width", "units", "channels"): IN,
    ("p", "rate", "ratio", "prob", "keep_prob", "drop_prob", "dropout_rate"): 0.5,
}
UNKNOWN = 0.5  # for an argument that no year of the assignment knows
GUESSES = {name: value for names, value in GUESSED_FOR.items() for name in names}


def check_files(request: dict, begin: Callable, tell: Callable) -> None:
    """All rows of the files of a request: begin(what, file, part, grace) before each file and class, tell(row)
    after it."""
    context = {"columns": request["columns"], "gradient_columns": request["gradient_columns"]}
    loaded: dict[str, Loaded] = {}
    for part, path in request["files"]:
        file = os.path.basename(path)
        both = [other for _, other in request["files"]].count(path) > 1
        if path not in loaded:
            # The alarm in load comes first, where there is one, and rings twice at most.
            begin(file, file, part, request["time_limit"] + 2.0)
            loaded[path] = load(path, request["time_limit"])
            row = file_row(path, loaded[path], part)
            if row is not None and file not in request["done"]:
                tell(row)
        for name, cls in find(loaded[path], part, both).items():
            if name in request["done"]:
                continue
            begin(name, file, part, 0.0)
            if cls is None and loaded[path].error is not None:
                row = Row(name, file, verdict="not checked")
                row.remark("import", f"{file} could not be imported")
            elif cls is None and name in loaded[path].failed:
                row = Row(name, file, verdict="not checked")
                row.absent("import", f"it needs {loaded[path].failed[name]}")
            else:
                row = check_class(part, file, name, cls, context)
            row.hints["part"] = part
            for key in context:
                if context[key] is None:
                    context[key] = row.hints.get(key)
            tell(row)


def file_row(path: str, loaded: Loaded, part: str) -> Row | None:
    """The row of a file that could not be run as it is; None for one that could."""
    if loaded.error is None and not loaded.repairs:
        return None
    file = os.path.basename(path)
    fatal = loaded.error is not None or any(repair.fatal for repair in loaded.repairs)
    row = Row(file, file, verdict="cannot be imported" if fatal else "imported, with repairs", hints={"part": part})
    if loaded.error is not None:
        message, where = describe(loaded.error)
        row.wrong("import", message, where=where)
    for repair in loaded.repairs:
        row.add("wrong" if repair.fatal else "repair", "import", repair.message, where=repair.where)
    return row.close()


def _key(name: str) -> str:
    return name.lower().replace("_", "").removesuffix("loss").removesuffix("layer")


def find(loaded: Loaded, part: str, both: bool = False) -> dict[str, type | None]:
    """Name of the assignment -> the class (None if missing), then this file's extra classes under their own names.

    both: the file holds layers and losses; its extra classes belong to the part that their forward fits.
    """
    module = loaded.module
    classes = {name: value for name, value in vars(module).items() if inspect.isclass(value)}
    own = {n: c for n, c in classes.items() if c.__module__ == module.__name__ and _is_layer(c)}
    found, taken = {}, set()
    for name in ORDER if part == "loss" else CLASSES[part]:
        cls = classes.get(name) or next((c for n, c in classes.items() if _key(n) == _key(name)), None)
        found[name] = cls
        taken.add(cls)
    bases = {base for cls in own.values() for base in cls.__mro__[1:]}
    # A class of the other file, where both are one file, is no extra.
    known = {_key(name) for names in CLASSES.values() for name in names}
    extras = {n: c for n, c in own.items() if c not in taken and c not in bases and _key(n) not in known}
    if both:
        extras = {n: c for n, c in extras.items() if (part == "loss") == _is_loss(n, c)}
    return found | extras


def _is_layer(cls: type) -> bool:
    """Whether a class has forward and backward, and is no network (with add)."""
    return all(defines(cls, name) for name in ("forward", "backward")) and not hasattr(cls, "add")


def _is_loss(name: str, cls: type) -> bool:
    try:
        inspect.signature(cls.backward).bind("self", "input", "target")
        return True
    except (AttributeError, TypeError, ValueError):
        return "loss" in name.lower()


def _parameters(cls: type) -> dict[str, inspect.Parameter]:
    """The parameters of a constructor by name, *args and **keywords left out."""
    try:
        parameters = inspect.signature(cls).parameters
    except (TypeError, ValueError):
        return {}
    return {n: p for n, p in parameters.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}


def _unknown_arguments(cls: type) -> list[str]:
    """What a constructor must be given and nobody here can guess."""
    known = {*GUESSES, *ARGUMENT_NAMES["name"]}
    return [n for n, p in _parameters(cls).items() if p.default is p.empty and n.lower() not in known]


def constructor(cls: type, row: Row, *classic: str, unknown: float | None = None) -> Callable:
    """(values of the classic arguments) -> an object, with what this class wants beside or instead of them."""
    parameters = _parameters(cls)
    wants_dtype = {"dtype": np.float64} if "dtype" in parameters else {}
    # Another order, such as (in_num, out_num, name), shows in the names.
    usual = all(ARGUMENTS.get(name.lower(), argument) == argument for name, argument in zip(parameters, classic))
    first = next(iter(parameters.values()), None)  # a number by default is no name
    if usual and (first is None or type(first.default) not in (int, float, bool)):
        try:
            inspect.signature(cls).bind(*classic)
            return lambda *values: cls(*values, **wants_dtype)
        except (TypeError, ValueError):
            pass
    given, guessed = {}, {}
    for name, parameter in parameters.items():
        argument = ARGUMENTS.get(name.lower())
        if argument in classic:
            given[name] = classic.index(argument)
        elif parameter.default is parameter.empty or name == "dtype":
            guessed[name] = GUESSES.get(name.lower(), unknown)
    extra = ", ".join(f"{name}={getattr(value, '__name__', value)}" for name, value in guessed.items())
    missing = [key for key in classic if classic.index(key) not in given.values()]
    words = [f"wants {extra} (guessed here)"] if extra else []
    words += [f"takes no {', '.join(missing)}"] if missing else []
    text = " and ".join(words) or "takes its arguments in another order"
    row.remark("use", f"other convention: the constructor {text}", mistake="constructor")
    return lambda *values: cls(**{name: values[index] for name, index in given.items()}, **guessed)


SETTABLE = ("margin", "threshold", "delta", "gamma", "slope", "negative_slope", "alpha", "beta", "smoothing")


def _settings(cls: type) -> dict[str, Callable]:
    """Argument of the constructor -> what makes an object with another value than its default."""
    found = {}
    for name, parameter in inspect.signature(cls).parameters.items():
        # A smaller number is one against a division by 0.
        if name in SETTABLE and type(parameter.default) in (int, float) and abs(parameter.default) >= 0.01:
            other = functools.partial(cls, **{name: parameter.default + 0.75})
            found[name] = functools.partial(constructor(other, Row(name), "name"), "other")
        elif name == "alpha" and parameter.default is None:
            other = functools.partial(cls, alpha=definitions.WEIGHTS)
            found[name] = functools.partial(constructor(other, Row(name), "name"), "other")
    return found


# A submission may have set NumPy to raise: our own arithmetic must not.
@np.errstate(all="ignore")
def check_class(part: str, file: str, name: str, cls: type | None, context: dict | None = None) -> Row:
    """The row of one class of the submission; cls None: it is missing.

    context: how the classes before it lay out their arrays. A name that NumPy or Python 3 has removed is put back and
    the check made again: the row says both.
    """
    removed = []
    with PutBack() as names:
        while True:
            row = Row(name, file)
            try:
                _check_class(row, part, cls, context or {})
                break
            except RemovedName as missed:
                if not names.add(missed.error):
                    raise missed.error from None
                removed.append((names.messages[-1], describe(missed.error)[1]))
    row.close()
    if row.verdict == "raises" and not removed:
        row, removed = _with_lists(row, part, cls, context)
    for message, where in removed:
        row.wrong("gradient", f"{message}; with that it is {row.verdict or 'checked'}", where=where)
    if removed:
        row.findings = row.findings[-len(removed) :] + row.findings[: -len(removed)]
        row.verdict = "raises"
    return row


def _with_lists(row: Row, part: str, cls: type, context: dict | None) -> tuple[Row, list]:
    """A class that raises, checked again with map, filter or zip as Python 2 had them: does it do then?"""
    module = vars(sys.modules[cls.__module__])
    for name in ("map", "zip", "filter"):
        lazy = getattr(builtins, name)
        module[name] = lambda *a, lazy=lazy: list(lazy(*a))
        again = Row(row.name, row.file)
        with suppress(RemovedName):
            _check_class(again, part, cls, context or {})
        del module[name]
        if again.error is not None and again.close().verdict != "raises":
            where = next((finding.where for finding in row.findings if finding.where), None)
            return again, [(f"this is Python 2: {name} gives no list in Python 3: write list({name}(...))", where)]
    return row, []


def _check_class(row: Row, part: str, cls: type | None, context: dict) -> None:
    name = row.name
    if cls is None:
        row.verdict = "missing"
        row.absent("class", f"{row.file} has no class {name}")
        return
    number = itertools.count(1)  # every object has a name of its own: some keep what they save under it
    known = _known(part, name)
    with row.stage("gradient"):
        if name in CLASSES[part] and vars(sys.modules[cls.__module__]).get(name) is not cls:
            row.remark("use", f"other convention: the class is called {cls.__name__}", mistake="class-name")
        if not defines(cls, "forward"):
            row.absent("gradient", "forward is not written yet")
        elif name == "Linear":
            make = constructor(cls, row, "name", "in_num", "out_num", "init_std")
            check_linear(row, lambda in_num, out_num: make(f"fc{next(number)}", in_num, out_num, 0.1))
        else:
            # What an extra class is made with is its own business.
            extra = name not in CLASSES[part]
            make = constructor(cls, Row(name) if extra else row, "name", unknown=UNKNOWN if extra else None)
            new = lambda: make(f"{name.lower()}{next(number)}")  # noqa: E731
            row.hints["gradient_columns_elsewhere"] = context.get("gradient_columns")
            settings = _settings(cls)
            if part == "loss":
                check_loss(row, new, known or name, context.get("columns"), settings)
            elif known:
                check_activation(row, new, known, settings)
            else:
                check_extra(row, new, settings)
            wants = ", ".join(_unknown_arguments(cls)) if extra else ""
            if wants and row.error is None:
                message = f"no class of the assignment, and its constructor wants {wants}, unknown here"
                row.findings, row.columns, row.verdict = [Finding("remark", "use", message)], {}, "not checked"
            elif wants:
                row.remark("use", f"the constructor wants {wants}: {UNKNOWN:g} is given here", mistake="constructor")
    if row.error is None and not row.has("wrong", "gradient"):
        row.columns.pop("gradient", None)  # nothing was compared


def _known(part: str, name: str) -> str | None:
    """What the assignment of any year calls this class."""
    names = [*CLASSES[part], *(definitions.LAYERS if part == "layers" else definitions.LOSSES)]
    return next((known for known in names if _key(known) == _key(name)), None)
