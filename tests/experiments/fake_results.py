"""Fake results: curves of a known shape, for the tests of statistics and claims."""

import math
from fnmatch import fnmatchcase
from functools import cache

import numpy as np

from experiments.figure_list import EXTRA_RUNS, FIGURES, PAIR_RUNS, RATES_OF_DECAY, at_batch_10, settings_of
from experiments.statistics import RunTable
from experiments.store import Result
from training.metrics import Row
from training.probe import ProbeRow

EQUAL_GRADIENT = [
    f"{layers}_Sigmoid_{loss}_0.08_0.0_100"
    for layers in (1, 2)
    for loss in ("EuclideanLoss", "SoftmaxCrossEntropyLoss")
]
NAN = float("nan")


@cache
def fake_run(
    name: str,
    seed: int = 0,
    final: float = 0.95,  # test accuracy
    train: float | None = None,  # train accuracy, if another
    start: float = 0.1,  # accuracy before training
    tau: float = 1.0,  # epochs in which all but 1/e of the way is made
    loss: tuple[float, float] = (2.0, 0.1),  # before training and at the end
    rise: float = 1.0,  # final test loss / its minimum, which is half way
    noise: float = 0.0,  # standard deviation of a training point
    test_noise: float = 0.0,  # and of an evaluation
    share: float = 0.11,  # of the class predicted most
    ratio: tuple[float, float] = (0.5, 0.5),  # delta of the first / of the last Linear layer, at epoch 0 and later
    slope: float = 0.2,
    flat: float = 0.0,  # share of flat units
    gradient: float = 1.0,
    diverged_in: int | None = None,  # the epoch
    epochs: int = 50,
    samples: int = 60_000,
) -> Result:
    settings = settings_of(name, seed, max_epoch=epochs)
    batch, train = settings["batch_size"], final if train is None else train
    if settings["train_images"] != "all":
        samples = settings["train_images"]
    per_epoch, rng = math.ceil(samples / batch), np.random.default_rng(seed)

    def between(before: float, after: float, epoch: np.ndarray) -> np.ndarray:
        return after + (before - after) * np.exp(-epoch / tau)

    last = epochs if diverged_in is None else diverged_in - 1
    epoch = np.arange(last + 1)
    rising = 1 + (rise - 1) * np.clip((epoch - epochs / 2) / max(epochs / 2 - 5, 1), 0, 1)
    accuracy = between(start, final, epoch) + test_noise * rng.standard_normal(last + 1)
    columns = epoch, epoch * per_epoch, between(*loss, epoch) * rising, accuracy
    rows = [Row("test", *values, NAN) for values in zip(*(column.tolist() for column in columns))]
    ends = sorted({*range(50, per_epoch + 1, 50), per_epoch})
    epoch = np.repeat(epoch[1:], len(ends))
    iteration = (epoch - 1) * per_epoch + np.tile(ends, last)
    passed = iteration / per_epoch
    accuracy = between(start, train, passed) + noise * rng.standard_normal(len(epoch))
    columns = epoch, iteration, between(*loss, passed), accuracy
    rows += [Row("train", *values, NAN) for values in zip(*(column.tolist() for column in columns))]
    if diverged_in is not None:
        rows.append(Row("train", diverged_in, last * per_epoch + ends[0], NAN, start, NAN))
    if settings["validation"]:
        rows += [row._replace(split="valid") for row in rows if row.split == "test"]
    layers = len(settings["hidden"])
    probe = []
    for epoch in (0, 1, 50):
        if diverged_in is not None and epoch >= diverged_in:
            continue
        for position in range(layers + 1):
            delta = ratio[min(epoch, 1)] ** ((layers - position) / layers) if layers else 1.0
            probe.append(ProbeRow(epoch, 2 * position, f"fc{position + 1}", delta, gradient, 2.0, NAN, NAN))
            if position < layers:
                probe.append(ProbeRow(epoch, 2 * position + 1, f"act{position + 1}", NAN, NAN, NAN, slope, flat))
    return Result(settings, {"class_share": share}, rows, probe)


class _OnDemand(dict):
    """Makes a curve's results when they are asked for: a claim looks at a few of them."""

    def get(self, name: str) -> list[Result]:
        return [fake_run(own, seed, **dict(parameters)) for own, seed, parameters in super().get(name, [])]


def fake_table(changes: dict, batch: int = 100, seeds: int = 2) -> RunTable:
    """Every curve of the figures and the extra runs. changes: {pattern of names: what `fake_run` is told}.

    The batch size in a pattern is 100 where it means the table's. A list instead of a dict has an entry for each seed.
    """
    results = _OnDemand()
    names = [name for _, drawn in FIGURES.values() for name in drawn]
    names += EXTRA_RUNS + PAIR_RUNS + RATES_OF_DECAY + EQUAL_GRADIENT
    for name in dict.fromkeys(names):
        given = [{} for _ in range(seeds)]
        for pattern, change in changes.items():
            if fnmatchcase(name, pattern):
                each = change if isinstance(change, list) else [change] * seeds
                given = [before | after for before, after in zip(given, each)]
        own = at_batch_10(name) if batch == 10 and name.endswith("_100") else name  # not those with further settings
        if batch == 100 or name.endswith("_100"):
            results[own] = [(own, seed, tuple(parameters.items())) for seed, parameters in enumerate(given)]
    return RunTable(results, batch, EQUAL_GRADIENT)
