"""A gradient that is right once: is it still, for a second and smaller batch, and beside a second layer?"""

from collections.abc import Callable

import numpy as np

from gradcheck.errors import describe
from gradcheck.reference import relative_error
from gradcheck.report_rows import Row
from gradcheck.source import line_of

SHARED = "two layers share what {} saved (class attribute or global): keep it in self"


def check_other_batches(row: Row, new: Callable, run: Callable, batches: list, true: list, tolerance: float) -> None:
    """new() -> a layer; run(layer, batch) -> its results; batches and their true results: one, another, a small one."""
    layer = new()
    differ = [not _same(run(layer, batch), right, tolerance) for batch, right in zip(batches[:2], true)]
    if any(differ):
        row.wrong("gradient", "the first backward of a new layer differs from later ones", mistake="stale")
        return
    one, two = new(), new()
    one.array("forward", batches[0][0])
    two.array("forward", batches[1][0])
    if not _same(run(one, batches[0], forward=False), true[0], tolerance):
        where = line_of(layer.cls, "backward")
        row.wrong("gradient", SHARED.format("forward"), mistake="shared", where=where)
        return
    try:
        small = run(layer, batches[2])
    except Exception as error:
        message, where = describe(error)
        row.wrong("gradient", f"a second, smaller batch {message}", mistake="fixed-batch", where=where)
        return
    if _near(small, true[2]):
        return
    where = line_of(layer.cls, "backward")
    try:
        alone = run(new(), batches[2])
    except Exception:
        alone = true[2]
    if _near(alone, true[2]):
        message = "it is wrong when the last batch is smaller than the ones before"
        row.wrong("gradient", message, mistake="stale", where=where)
    else:
        message = f"backward is wrong for a batch of {len(batches[2][0])} samples: are rows and columns exchanged?"
        row.wrong("gradient", message, mistake="few-samples", where=where)


def _near(theirs: list[np.ndarray], true: list[np.ndarray]) -> bool:
    """As _same, within what differences can tell where a layer has normalised two samples; NaN is a kink."""
    return all(
        one.shape == other.shape and not (np.abs(one - other) > 1e-4 * np.maximum(1, np.abs(other))).any()
        for one, other in zip(theirs, true)
    )


def _same(theirs: list[np.ndarray], true: list[np.ndarray], tolerance: float) -> bool:
    return all(relative_error(*pair) <= tolerance for pair in zip(theirs, true))
