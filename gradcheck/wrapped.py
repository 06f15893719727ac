"""An object under test: called with copies of its own, in whichever orientation, and watched for what it writes."""

import inspect
import re
from collections.abc import Callable

import numpy as np

from gradcheck.errors import place, plain
from gradcheck.reference import IN, OUT
from gradcheck.report_rows import NotWritten, Row, Unusable
from gradcheck.source import first_line, is_stub, last_line, mentions

WORDS = {"W": "(w|weights?)", "b": "(b|bias(es)?)"}
METHODS = ("forward", "backward", "update")


class Wrapped:
    """An object under test: it gets a copy of every array, and every copy is compared afterwards.

    With columns, the object takes and gives arrays with a sample in each column; here they stay in rows.
    gradient_columns: the same for gradients, where they lie otherwise than forward's arrays (None: they do not).
    """

    gradient_columns = None

    def __init__(self, make: Callable, row: Row, columns: bool = False):
        self.make, self.row, self.columns = make, row, columns
        self.subject = make()
        self.cls = type(self.subject)
        if getattr(self.subject, "trainable", None) is False and mentions(self.cls, "forward", "trainable"):
            self.subject.trainable = True
            message = "forward keeps its input only if self.trainable, which is False: set to True here"
            row.remark("use", message, mistake="trainable", at="forward")
        own = {name: value for name, value in getattr(self.subject, "__dict__", {}).items() if name in METHODS}
        if own:  # self.forward = ... in the constructor
            self.cls = type(self.cls.__name__, (self.cls,), own)
        row.cls = self.cls
        self.calls = []  # since the last forward, that one included: (method, arrays as the object got them)
        self.held = []
        self.names = {}  # of the arguments of each method

    def _turned(self, method: str, is_result: bool) -> bool:
        gradient = method == "backward" and self.gradient_columns is not None
        return self.gradient_columns if gradient else self.columns

    def call(self, method: str, *arrays: np.ndarray):
        """What the method returns, unchanged."""
        if method not in self.names:
            self.names[method] = self._expects(method, arrays)
        names = self.names[method]
        if method == "forward":
            self.held, self.calls = [], []
            np.random.seed(0)  # dropout is the same each time
        turned = self._turned(method, is_result=False)
        copies = [np.array(array.T if turned else array, order="C") for array in arrays]
        self.calls.append((method, [copy.copy() for copy in copies]))
        self.held += [(copy, copy.copy(), name, method) for copy, name in zip(copies, [*names, "argument"])]
        with np.errstate(all="ignore"):
            result = getattr(self.subject, method)(*copies)
        for number, (copy, original, name, owner) in enumerate(self.held):
            if not np.array_equal(copy, original, equal_nan=True):
                message = f"{method} writes into an array that is not its own: the {name} of {owner}"
                where = self.line_that_fails(method, read_only=True)[0]
                more = {"mistake": "writes-argument", "where": where, "at": f"{method} {name}"}
                self.row.unsafe("arguments", message, **more)
                self.held[number] = (copy, copy.copy(), name, owner)
        if not isinstance(result, np.ndarray) and is_stub(getattr(self.cls, method, None)):
            raise NotWritten(method)  # a number may stand in a stub too
        if result is None or result is ...:
            message = f"{method} returns None: its return is missing"
            raise Unusable(message, mistake="return-missing", where=last_line(self.cls, method))
        return result

    def line_that_fails(self, method: str, read_only: bool = False, calls: list | None = None) -> tuple:
        """(the line, the error's text) where method writes into a read-only argument or, without that, where a number
        overflows; (None, ""), if that cannot be seen. The calls since the last forward are repeated on a new object."""
        strict = {} if read_only else {"over": "raise", "divide": "raise", "invalid": "raise"}
        given = []
        try:
            fresh = self.make()
            for called, arrays in list(self.calls if calls is None else calls):
                given += [array.copy() for array in arrays]
                # forward may write into its own: it is backward that is looked at.
                for copy in given if called == method else ():
                    copy.flags.writeable = not read_only
                with np.errstate(**{"all": "ignore"} | (strict if called == method else {})):
                    getattr(fresh, called)(*given[-len(arrays) :])
        except (ValueError, FloatingPointError) as error:
            if isinstance(error, FloatingPointError) or "read-only" in str(error):
                return place(error), str(error)
        except Exception:
            pass
        return None, ""

    def _expects(self, method: str, arrays: tuple) -> list[str]:
        """The names of the method's arguments; Unusable if it cannot take these arrays."""
        try:
            signature = inspect.signature(getattr(self.subject, method))
        except (TypeError, ValueError):  # a function of C's
            return []
        try:
            signature.bind(*arrays)
        except TypeError:
            given = "(input, target)" if len(arrays) == 2 else "(input)" if method == "forward" else "(grad_output)"
            where = first_line(self.cls, method)
            message = f"{method} takes {signature}, not {given}"
            parameters = list(inspect.signature(getattr(self.cls, method)).parameters)
            if len(parameters) == len(arrays) and parameters[0] not in ("self", "cls"):
                message = f"self is missing: def {method}(self, {given[1:]}"
                self.row.verdict = "raises"
            raise Unusable(message, mistake="signature", where=where) from None
        return list(signature.parameters)

    def array(self, method: str, *arrays: np.ndarray) -> np.ndarray:
        """What the method returns, as an array of its own, a sample in each row."""
        result = self.call(method, *arrays)
        if isinstance(result, (tuple, dict)):
            raise Unusable(f"{method} returns a {type(result).__name__}, not an array", at=method)
        if isinstance(result, list):
            self.row.wrong("use", f"{method} returns a list, not an array", mistake="list", at=method)
        result = np.array(result)
        if result.dtype == object:
            message = f"{method} returns an array of objects (np.frompyfunc, np.vectorize): add .astype(float)"
            self.row.wrong("use", message, mistake="objects", at=method)
            result = result.astype(float)
        if result.dtype.kind not in "fiub":
            raise Unusable(f"{method} returns {plain(result.dtype)}, not an array of numbers")
        return np.array(result.T if self._turned(method, is_result=True) else result, order="C")

    def total(self, g: np.ndarray) -> Callable[[np.ndarray], float]:
        """x -> sum(forward(x) g), whose gradient backward(g) is."""
        return lambda x: float((self.array("forward", x) * g).sum())

    def gradients(self, g: np.ndarray) -> list[np.ndarray]:
        """All that backward leaves."""
        return [self.array("backward", g)]


class LinearAdapter(Wrapped):
    """A Linear in whichever orientation: W (in, out) and a sample in each row, to those who look through this."""

    def __init__(self, make: Callable, row: Row, columns: bool = False, gradient_columns: bool | None = None):
        super().__init__(make, row, columns)
        self.gradient_columns = gradient_columns
        self.parameters = {}
        self.given = {}  # what put has put, as the subject holds it
        self.boxes = {}  # parameters that forward may read from a dict or a list: (that, the key)
        for name, shapes in (("W", ((IN, OUT), (OUT, IN))), ("b", ((OUT,), (1, OUT), (OUT, 1)))):
            held = self._held(name)
            if held is None and is_stub(getattr(self.cls, "forward", None)):
                raise NotWritten("forward")
            if held is None and not hasattr(self.subject, name):
                if name == "W":
                    raise Unusable("Linear has no attribute W")
                row.wrong("use", "Linear has no attribute b: forward is x W + b")
                self.subject.b = held = np.zeros(OUT)
            array = np.asarray(held)
            if array.shape not in shapes:
                raise Unusable(f"{name} has shape {array.shape}, not {shapes[0]}")
            self.parameters[name] = array.shape
            for box in getattr(self.subject, "__dict__", {}).values():
                items = box.items() if isinstance(box, dict) else enumerate(box) if isinstance(box, list) else ()
                self.boxes.update((name, (box, key)) for key, value in items if value is held)
        self.transposed = self.parameters["W"] == (OUT, IN)

    def _held(self, name: str):
        """What the object holds under this name, or under one that means the same, which is a fault; None: nothing."""
        called = spelled(self.subject, name)
        if called not in (None, name):
            message = f"{name} is called {called} here: rename it, other code reads {name}"
            self.row.wrong("use", message, mistake="name", at=f"backward {called}")
        return getattr(self.subject, called or name, None)

    def get(self, name: str) -> np.ndarray:
        """W or grad_W as (in, out), b or grad_b as (out,), where they have the shape of their parameter."""
        value = self._held(name)
        if name in self.boxes and np.array_equal(value, self.given.get(name)):  # what moved is what update moves
            box, key = self.boxes[name]
            value = box[key]
        if value is None:
            raise Unusable(f"{name} is {'None' if hasattr(self.subject, name) else 'not there'}")
        array = np.array(value)
        shape = self.parameters[name[-1]]
        if array.shape == shape or (name[-1] == "b" and array.size == OUT and max(array.shape, default=0) == OUT):
            standard = (IN, OUT) if name[-1] == "W" else (OUT,)
            return np.array(array.T if self.transposed and name[-1] == "W" else array.reshape(standard), order="C")
        return array

    def gradients(self, g: np.ndarray) -> list[np.ndarray]:
        return [*super().gradients(g), self.get("grad_W"), self.get("grad_b")]

    def put(self, name: str, value: np.ndarray) -> None:
        """Make W, b, grad_W or grad_b this value, wherever the object keeps it."""
        turned = value.T if self.transposed and name[-1] == "W" else value.reshape(self.parameters[name[-1]])
        new = np.array(turned, order="C")
        called, held = spelled(self.subject, name) or name, self._held(name)
        if isinstance(held, np.matrix):  # whose * is the product of matrices
            new = np.asmatrix(new)
        self.given[name] = new.copy()
        if isinstance(held, np.ndarray) and (held.shape, held.dtype) == (new.shape, new.dtype) and held.flags.writeable:
            held[...] = new
            if np.array_equal(getattr(self.subject, called), new):  # and not into a copy
                return
        if name in self.boxes:
            box, key = self.boxes[name]
            box[key] = new
        try:
            setattr(self.subject, called, new)
        except AttributeError:  # a property without a setter
            if name not in self.boxes:
                held[...] = new


def spelled(subject, name: str) -> str | None:
    """The attribute that stands for W, b, grad_W or grad_b: of this name, or of one such as weights, dW, grad_w."""
    if hasattr(subject, name):
        return name
    word, grad = WORDS[name[-1]], "(grad(ient)?s?|d)"
    pattern = f"{grad}{word}|{word}grad(ient)?s?" if len(name) > 1 else word
    found = [other for other in dir(subject) if re.fullmatch(pattern, other.lower().replace("_", ""))]
    return next((other for other in found if np.ndim(getattr(subject, other))), None)
