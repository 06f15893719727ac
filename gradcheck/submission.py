"""A submission from the inside, in the worker process: its files loaded, its classes found, made and checked."""

import ast
import importlib.util
import inspect
import itertools
import os
import signal
import sys
from collections.abc import Callable
from contextlib import contextmanager
from types import ModuleType

import numpy as np

from gradcheck.check_activation import check_activation, check_extra
from gradcheck.check_linear import check_linear
from gradcheck.check_loss import check_loss
from gradcheck.errors import StillRunning, describe, plain
from gradcheck.loss_conventions import batch
from gradcheck.reference import CLASSES, LOSSES
from gradcheck.report_rows import Row

# Softmax and hinge show the orientation of a batch, which the Euclidean loss alone may hide.
ORDER = ("SoftmaxCrossEntropyLoss", "HingeLoss", "EuclideanLoss")
ARGUMENTS = {
    "name": ("name", "layer_name"),
    "in_num": ("in_num", "in_dim", "input_dim", "in_features", "n_in", "in_size", "input_size", "num_in", "fan_in"),
    "out_num": ("out_num", "out_dim", "output_dim", "out_features", "n_out", "out_size", "output_size", "num_out"),
    "init_std": ("init_std", "std", "sigma", "weight_std", "init_scale", "scale"),
}
# What an argument that the assignment does not know is given.
GUESSES = {
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
}


def load(path: str, time_limit: float = 10.0) -> tuple[ModuleType, BaseException | None]:
    """Run a file as the module of its name. What it defined before it failed stays usable, for other files too."""
    name = os.path.splitext(os.path.basename(path))[0]
    # `from .utils import x` looks into the folder, as if it were a package.
    package = sys.modules.setdefault("submitted", ModuleType("submitted"))
    package.__path__ = [os.path.dirname(path)]
    spec = importlib.util.spec_from_file_location("submitted." + name, path)
    module = importlib.util.module_from_spec(spec)
    names = [key for key in (name, "submitted." + name) if key not in sys.modules]
    sys.modules.update(dict.fromkeys(names, module))
    try:
        with _alarm(time_limit):
            spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if isinstance(error, SyntaxError):
            for key in names:
                sys.modules.pop(key, None)
        return module, error
    return module, None


@contextmanager
def _alarm(seconds: float):
    """Training at the end of a file is interrupted where the system can do that: the classes above it are checked."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def ring(*_) -> None:
        raise StillRunning(f"still running after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def imports_relatively(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError):
        return False
    return any(isinstance(node, ast.ImportFrom) and node.level > 0 for node in ast.walk(tree))


def file_row(path: str, error: BaseException, part: str) -> Row:
    """The row of a file that did not run to its end."""
    file = os.path.basename(path)
    row = Row(file, file, verdict="cannot be imported", hints={"part": part})
    message, where = describe(error)
    row.fault("import", message, where=where)
    return row.close()


def _key(name: str) -> str:
    return name.lower().replace("_", "").removesuffix("loss").removesuffix("layer")


def find(module: ModuleType, part: str, both: bool = False) -> dict[str, type | None]:
    """Name of the assignment -> the class (None if missing), then this file's extra classes under their own names.

    both: the file holds layers and losses; its extra classes belong to the part that their forward fits.
    """
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
    return all(callable(getattr(cls, name, None)) for name in ("forward", "backward")) and not hasattr(cls, "add")


def _is_loss(name: str, cls: type) -> bool:
    try:
        inspect.signature(cls.backward).bind("self", "input", "target")
        return True
    except (TypeError, ValueError):
        return "loss" in name.lower()


def _role(parameter: str) -> str | None:
    """The classic argument that a parameter of this name is."""
    return next((role for role, names in ARGUMENTS.items() if parameter.lower() in names), None)


def _unknown_arguments(cls: type) -> list[str]:
    """What a constructor must be given and nobody here can guess."""
    try:
        parameters = inspect.signature(cls).parameters.items()
    except (TypeError, ValueError):
        return []
    known = {name for names in GUESSES for name in names} | {*ARGUMENTS["name"]}
    needed = [n for n, p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return [name for name in needed if name.lower() not in known]


def constructor(cls: type, row: Row, *classic: str) -> Callable:
    """(values of the classic arguments) -> an object, with what this class wants beside or instead of them."""
    try:
        parameters = inspect.signature(cls).parameters
    except (TypeError, ValueError):
        parameters = {}
    wants_dtype = {"dtype": np.float64} if "dtype" in parameters else {}
    # Another order, such as (in_num, out_num, name), shows in the names.
    if all(_role(name) in (None, role) for name, role in zip(parameters, classic)):
        try:
            inspect.signature(cls).bind(*classic)
            return lambda *values: cls(*values, **wants_dtype)
        except (TypeError, ValueError):
            pass
    given, guessed = {}, {}
    for name, parameter in parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if _role(name) in classic:
            given[name] = classic.index(_role(name))
        elif parameter.default is parameter.empty or name == "dtype":
            guessed[name] = next((value for names, value in GUESSES.items() if name.lower() in names), None)
    extra = ", ".join(f"{name}={getattr(value, '__name__', value)}" for name, value in guessed.items())
    missing = [key for key in classic if classic.index(key) not in given.values()]
    text = "other convention: the constructor" + (f" wants {extra} (guessed here)" if extra else "")
    text += " and" if extra and missing else ""
    text += f" takes no {', '.join(missing)}" if missing else ""
    text += " takes its arguments in another order" if not (extra or missing) else ""
    row.remark("use", text, mistake="constructor")
    return lambda *values: cls(**{name: values[index] for name, index in given.items()}, **guessed)


# A submission may have set NumPy to raise: our own arithmetic must not.
@np.errstate(all="ignore")
def check_class(part: str, file: str, name: str, cls: type | None, columns: bool | None) -> Row:
    """The row of one class of the submission; cls None: it is missing."""
    row = Row(name, file)
    if cls is None:
        row.verdict = "missing"
        row.absent("class", f"{file} has no class {name}")
        return row.close()
    number = itertools.count(1)  # every object has a name of its own: some keep what they save under it
    with row.stage("gradient"):
        if name in CLASSES[part] and cls.__name__ != name and not hasattr(sys.modules.get(cls.__module__), name):
            row.remark("use", f"other convention: the class is called {cls.__name__}", mistake="class-name")
        if not callable(getattr(cls, "forward", None)):
            row.absent("gradient", "forward is not written yet")
        elif name == "Linear":
            make = constructor(cls, row, "name", "in_num", "out_num", "init_std")
            check_linear(row, lambda in_num, out_num: make(f"fc{next(number)}", in_num, out_num, 0.1))
        elif name not in CLASSES[part] and _unknown_arguments(cls):
            wants = ", ".join(_unknown_arguments(cls))
            row.verdict = "not checked"
            row.remark("use", f"an extra class, not checked: its constructor wants {wants}, unknown here")
        else:
            # What an extra class is made with is its own business.
            make = constructor(cls, row if name in CLASSES[part] else Row(name), "name")
            _check(row, part, name, lambda: make(f"{name.lower()}{next(number)}"), columns)
    if row.error is None and not row.has("fault", "gradient"):
        row.columns.pop("gradient", None)  # nothing was compared
    return row.close()


def _check(row: Row, part: str, name: str, make: Callable, columns: bool | None) -> None:
    if part == "layers" and name in CLASSES["layers"]:
        check_activation(row, make, name)
    elif part == "layers":
        check_extra(row, make)
    elif name in LOSSES:
        check_loss(row, make, name, columns)
    else:
        try:
            pair = batch(name, (5, 7))
            values = [float(np.mean(make().forward(*(a.copy() for a in pair)))) for _ in range(2)]
            if np.isnan(values).any():
                raise ValueError("it is nan for arbitrary outputs: does it want probabilities?")
            if values[0] != values[1]:
                raise TypeError("two forwards of one batch differ")
        except Exception as error:
            row.verdict = "not checked"
            row.remark("use", f"an extra loss, not checked: {plain(error) or type(error).__name__}")
            return
        check_loss(row, make, name, columns)
