"""A gradient that is right once: is it still, for a second and smaller batch, and beside a second layer?"""

from collections.abc import Callable

import numpy as np

from gradcheck.errors import describe
from gradcheck.find_slip import find_slip
from gradcheck.reference import relative_error
from gradcheck.report_rows import Row
from gradcheck.source import line_of
from gradcheck.wrapped import Wrapped


def check_other_batches(row: Row, new: Callable, batches: list, true: list, tolerance: float) -> None:
    """new() -> a layer; batches (x, grad_output) and their true gradients: one, another, and small ones."""
    layer = new()
    same = [_same(_run(layer, *batch), right, tolerance) for batch, right in zip(batches[:2], true)]
    if not all(same):
        message = "the first backward of a new layer differs from later ones"
        row.wrong("gradient", message, mistake="stale", at="backward")
        return
    one, two = new(), new()
    one.array("forward", batches[0][0])
    two.array("forward", batches[1][0])
    if not _same(one.gradients(batches[0][1]), true[0], tolerance):
        message = "two layers share what forward saved (class attribute or global): keep it in self"
        row.wrong("gradient", message, mistake="shared", at="backward")
        return
    for batch, right in zip(batches[2:], true[2:]):
        if not _check_small(row, layer, new, batch, right):
            return


def _run(layer: Wrapped, x: np.ndarray, g: np.ndarray) -> list[np.ndarray]:
    output = layer.array("forward", x)
    return [*layer.gradients(g), output]


def _check_small(row: Row, layer: Wrapped, new: Callable, batch: tuple, true: list) -> bool:
    size = f"a batch of {len(batch[0])} sample{'s' * (len(batch[0]) > 1)}"
    try:
        if _near(_run(layer, *batch), true):
            return True
    except Exception as error:
        message, where = describe(error)
        row.wrong("gradient", f"{size} after a larger one {message}", mistake="fixed-batch", where=where)
        return False
    try:
        alone = _run(new(), *batch)
    except Exception:
        alone = true
    if _near(alone, true):
        message = "it is wrong when the last batch is smaller than the ones before"
        row.wrong("gradient", message, mistake="stale", at="backward")
    else:
        message = f"it is wrong for {size}: are rows and columns exchanged, or is an axis lost?"
        row.wrong("gradient", message, mistake="few-samples", at="backward")
    return False


def _near(theirs: list[np.ndarray], true: list[np.ndarray]) -> bool:
    """As _same, within what differences can tell where a layer has normalised two samples; NaN is a kink."""
    return all(
        one.shape == other.shape
        and np.isfinite(one).all()
        and not (np.abs(one - other) > 1e-4 * np.maximum(1, np.abs(other))).any()
        for one, other in zip(theirs, true)
    )


def _same(theirs: list[np.ndarray], true: list[np.ndarray], tolerance: float) -> bool:
    return all(relative_error(*pair) <= tolerance for pair in zip(theirs, true))


def report_setting(row: Row, argument: str, same: Callable[[], bool], fits: Callable[[], bool]) -> None:
    """What another value of a constructor's argument does: same: nothing to forward; fits: backward follows forward."""
    right = row.has("wrong") or fits()
    if same():
        slip = None if row.has("wrong") else find_slip(row.cls, "forward", lambda: not same() and fits(), (1,))
        where = slip.where if slip else line_of(row.cls, "__init__", argument)
        message = f"the argument {argument} changes nothing: its default is written as a number"
        row.add("remark" if right else "wrong", "agreement", message, mistake="argument-unused", where=where)
    elif not right:
        message = f"backward is wrong with another {argument}: a number is written for {argument}, or it is left out"
        slip = find_slip(row.cls, "backward", lambda: not same() and fits(), (1,))
        row.wrong("gradient", message, mistake="argument-unused", at="backward", where=slip and slip.where)
