"""A gradient that is right once: is it still, for a second and smaller batch, and beside a second layer?"""

from collections.abc import Callable

import numpy as np

from gradcheck.errors import describe
from gradcheck.reference import relative_error
from gradcheck.report_rows import Row

SHARED = "two layers share what {} saved (class attribute or global): keep it in self"


def check_other_batches(row: Row, new: Callable, run: Callable, batches: list, true: list, tolerance: float) -> None:
    """new() -> a layer; run(layer, batch) -> its results; batches and their true results: one, another, a small one.

    The layer itself computes what is true where the caller has no formula: from a first batch of its own.
    """
    layer = new()
    differ = [not _same(run(layer, batch), right, tolerance) for batch, right in zip(batches[:2], true)]
    if any(differ):
        row.wrong("gradient", "the first backward of a new layer differs from later ones", mistake="stale")
        return
    one, two = new(), new()
    _half(one, batches[0])
    _half(two, batches[1])
    if not _same(run(one, batches[0], forward=False), true[0], tolerance):
        row.wrong("gradient", SHARED.format("forward"), mistake="shared")
        return
    try:
        small = run(layer, batches[2])
    except Exception as error:
        message, where = describe(error)
        row.wrong("gradient", f"a second, smaller batch {message}", mistake="fixed-batch", where=where)
        return
    if not _same(small, true[2] if len(true) > 2 else run(new(), batches[2]), tolerance):
        row.wrong("gradient", "it is wrong when the last batch is smaller than the ones before", mistake="stale")


def _half(layer, batch) -> None:
    layer.array("forward", batch[0])


def _same(theirs: list[np.ndarray], true: list[np.ndarray], tolerance: float) -> bool:
    return all(relative_error(*pair) <= tolerance for pair in zip(theirs, true))
