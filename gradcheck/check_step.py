"""The row's last column: a few steps of SGD with momentum and weight decay, and the catalogue of wrong steps."""

import functools
import itertools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gradcheck.find_slip import IF_NAMED, find_slip
from gradcheck.reference import relative_error, sgd
from gradcheck.report_rows import Row
from gradcheck.source import last_line

SETTINGS = {"batch_size": 5, "max_epoch": 1, "disp_freq": 50, "test_epoch": 1}
CONFIGS = (
    {"learning_rate": 0.2, "weight_decay": 0.3, "momentum": 0.9},
    {"learning_rate": 0.2, "weight_decay": 0.0, "momentum": 0.0},
)
STEPS = 3


# Wrong steps whose slip need not stand in the line that moves the parameter.
INSIDE = ("momentum-missing", "decay-missing", "decay-and-momentum-missing", "decay-sign", "gradient-sign")


class Config(dict):
    """The dict that update gets; it can be read by attribute too, and remembers that."""

    by_attribute = None

    def __getattr__(self, name: str):
        if name not in self:
            raise AttributeError(f"the dict config has no {name}")
        self.by_attribute = self.by_attribute or name
        return self[name]


class WrongStep(NamedTuple):
    key: str
    message: str
    one: Callable  # (p, v, grad, learning_rate, weight_decay, momentum) -> (p, v)
    convention: bool = False  # known under a name: a remark


def _nesterov(p, v, g, lr, wd, m):
    step = g + wd * p
    v = m * v + step
    return p - lr * (step + m * v), v


def _plain(velocity: Callable, rate: Callable = lambda lr: lr) -> Callable:
    """A step p - rate(lr) v with v as `velocity` says."""

    def one(p, v, g, lr, wd, m):
        v = velocity(p, v, g, wd, m)
        return p - rate(lr) * v, v

    return one


def _right(p, v, g, wd, m):
    return m * v + g + wd * p


# fmt: off
WRONG_STEPS = [WrongStep(*row) for row in (
    ("not-updated", "it is not updated at all", lambda p, v, g, lr, wd, m: (p, v)),
    ("adds-step", "it is added where it must be subtracted", _plain(_right, lambda lr: -lr)),
    ("momentum-missing", "the momentum term is missing", _plain(lambda p, v, g, wd, m: g + wd * p)),
    ("decay-missing", "the weight decay term is missing", _plain(lambda p, v, g, wd, m: m * v + g)),
    ("decay-and-momentum-missing", "momentum and weight decay are missing", _plain(lambda p, v, g, wd, m: g)),
    ("decay-sign", "weight decay has the wrong sign", _plain(lambda p, v, g, wd, m: m * v + g - wd * p)),
    ("momentum-is-one", "the momentum coefficient is left out", _plain(lambda p, v, g, wd, m: v + g + wd * p)),
    ("decay-without-p", "weight decay is added without the parameter", _plain(lambda p, v, g, wd, m: m * v + g + wd)),
    ("rate-missing", "the learning rate is missing", _plain(_right, lambda lr: 1.0)),
    ("rate-twice", "the learning rate is applied twice", _plain(_right, lambda lr: lr * lr)),
    ("gradient-sign", "the gradient has the wrong sign", _plain(lambda p, v, g, wd, m: m * v - g + wd * p)),
    ("decay-doubled", "weight decay 2 wd p: the penalty is wd ||p||^2, not half of it",
     _plain(lambda p, v, g, wd, m: m * v + g + 2 * wd * p), True),
    ("decay-decoupled", "weight decay is decoupled from the momentum (p - lr v - lr wd p)",
     lambda p, v, g, lr, wd, m: (p - lr * (m * v + g) - lr * wd * p, m * v + g), True),
    ("decay-decoupled", "weight decay is decoupled and acts after the step",
     lambda p, v, g, lr, wd, m: ((p - lr * (m * v + g)) * (1 - lr * wd), m * v + g), True),
    ("nesterov", "momentum is Nesterov's", _nesterov, True),
    ("dampened", "the new gradient is weighted with 1 - momentum",
     _plain(lambda p, v, g, wd, m: m * v + (1 - m) * (g + wd * p)), True),
)]
# fmt: on


class Walk(NamedTuple):
    """What a parameter did in a few steps."""

    name: str
    before: np.ndarray
    grads: list[np.ndarray]
    after: np.ndarray  # of each step
    config: dict
    tolerance: float

    def fits(self, true: np.ndarray) -> bool:
        return relative_error(self.after, true) <= self.tolerance


def check_step(row: Row, start: Callable, gradients: Callable, trial: Callable) -> None:
    """start() -> a layer to look into with get; gradients(layer, step) runs a batch and returns its grads by name.

    trial() -> the same, for what is only tried.

    The gradients that the layer itself computed are taken as they are: a wrong backward is not a wrong step.
    """
    for config in CONFIGS:
        layer = start()
        before = {name: layer.get(name).astype(float) for name in "Wb"}
        tolerance = 1e-4 if any(layer.get(name).dtype == np.float32 for name in "Wb") else 1e-6  # a rate in float32
        grads, after = {"W": [], "b": []}, {"W": [], "b": []}
        for number in range(STEPS):
            for name, grad in gradients(layer, number).items():
                grads[name].append(grad.astype(float))
            given = Config(SETTINGS | config)
            with np.errstate(all="ignore"):
                layer.subject.update(given)
            if given != SETTINGS | config:
                row.unsafe("arguments", "update writes into config", mistake="writes-argument")
            if name := given.by_attribute:
                message = f'other convention: update reads config.{name}; the assignment\'s is a dict: config["{name}"]'
                row.remark("step", message, mistake="config-attribute", at="update")
            for name in "Wb":
                after[name].append(layer.get(name))
                if after[name][-1].shape != before[name].shape:
                    row.wrong(
                        "step", f"update changes the shape of {name} to {after[name][-1].shape}", at=f"update {name}"
                    )
                    return
        if any(not np.array_equal(layer.get("grad_" + name), grads[name][-1]) for name in "Wb"):
            row.remark("step", "update changes grad_W or grad_b", mistake="update-writes-grads")
        given = any(np.any(grad) for name in "Wb" for grad in grads[name])
        if given and all(np.array_equal(values[-1], before[name]) for name, values in after.items()):
            message = "update changes neither W nor b: is it assigned to a local name?"
            row.wrong("step", message, mistake="not-updated", where=last_line(row.cls, "update"))
            return
        for name in "Wb":
            seen = Walk(name, before[name], grads[name], np.array(after[name]), config, tolerance)
            compare(row, seen, functools.partial(_works, trial, seen, gradients))
        if row.has("wrong", "step"):
            return
        _check_two(row, start, gradients, config, after, tolerance)


def _check_two(row: Row, start: Callable, gradients: Callable, config: dict, after: dict, tolerance: float) -> None:
    """Two layers in turn: the first must walk as it did alone."""
    one, two = start(), start()
    for number in range(STEPS):
        for layer, batch in ((one, number), (two, number + STEPS)):
            gradients(layer, batch)
            with np.errstate(all="ignore"):
                layer.subject.update(Config(SETTINGS | config))
        if any(relative_error(one.get(name), after[name][number]) > tolerance for name in "Wb"):
            message = "two layers share what update saved, such as the velocity (class attribute or global)"
            row.wrong("step", message, mistake="shared", where=last_line(row.cls, "update"))
            return


def _works(start: Callable, seen: Walk, gradients: Callable) -> bool:
    """Whether a new layer walks as it should."""
    layer, after = start(), []
    for number in range(STEPS):
        gradients(layer, number)
        with np.errstate(all="ignore"):
            layer.subject.update(Config(SETTINGS | seen.config))
        after.append(layer.get(seen.name))
    return relative_error(np.array(after), sgd(seen.before, seen.grads, seen.config)) <= seen.tolerance


def compare(row: Row, seen: Walk, works: Callable | None = None) -> None:
    """What a parameter did against the right steps; a wrong step is named if its numbers are the submission's."""
    true, name = sgd(seen.before, seen.grads, seen.config), seen.name
    at = f"update {name}"
    if seen.fits(true):
        return
    # One mistake, or one beside a term that is missing.
    without = ((), ("momentum",), ("weight_decay",), ("momentum", "weight_decay"))
    for left_out, wrong in itertools.product(without, WRONG_STEPS):
        if not seen.fits(sgd(seen.before, seen.grads, seen.config | dict.fromkeys(left_out, 0.0), wrong.one)):
            continue
        where = last_line(row.cls, "update") if wrong.key == "not-updated" else None
        if wrong.key in ("adds-step", "gradient-sign"):
            row.hints["step_sign"] = -1
        missing = f", and there is no {' and no '.join(left_out).replace('_', ' ')}" if left_out else ""
        if wrong.key == "decay-missing" and name == "b" and not left_out:
            slip = find_slip(row.cls, "update", works) if works else None
            where = slip and slip.where
            row.remark("step", "other convention: no weight decay on b", mistake="no-decay-on-b", where=where, at=at)
        elif wrong.convention and not left_out:
            slip = find_slip(row.cls, "update", works, most=IF_NAMED) if works else None
            where = slip.where if slip else where
            row.remark("step", f"other convention: {wrong.message}", mistake=wrong.key, where=where, at=at)
        else:
            message = f"update of {name} is wrong: {wrong.message}{missing}"
            slip = find_slip(row.cls, "update", works, most=IF_NAMED) if works and wrong.key in INSIDE else None
            row.wrong("step", message, mistake=wrong.key, where=slip.where if slip else where, at=at)
        return
    first = np.argwhere(np.abs(seen.after - true) > seen.tolerance * np.abs(true))[0]
    step, index = int(first[0]), tuple(int(i) for i in first[1:])
    settings = ", ".join(f"{key} {value:g}" for key, value in seen.config.items())
    gradients = ", ".join(f"{grad[index]:g}" for grad in seen.grads[: step + 1])
    evidence = f"after step {step + 1}, {name}{list(index)} is {seen.after[step][index]:.6g}, "
    evidence += f"true {true[step][index]:.6g}, with {settings}, first {seen.before[index]:g}, gradients {gradients}"
    message = f"update of {name} is not v <- momentum v + (grad + decay {name}), {name} <- {name} - rate v"
    slip = find_slip(row.cls, "update", works) if works else None
    if slip:
        message = f"update of {name} is wrong: {slip.words}"
    row.wrong("step", message, at=at, where=slip and slip.where, evidence=evidence)
