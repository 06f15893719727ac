"""What is measured on the curves: every definition, once. When one is better or faster than another is in compare.py.

Numbers come as arrays with one entry for each seed. A run that diverged has nan in all that its end is needed for.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from experiments.figure_list import SWEEPS, curve_name
from experiments.store import Result
from utils import FileError

LAST = 5  # epochs that a final value averages
FIRST = 2  # epochs that count as the very start
TRAINED, FAILED, CHANCE, ONE_CLASS = 0.8, 0.5, 0.12, 0.95
GAIN = 0.95
OVERFIT = 1.05
MEDIAN_OF = 11  # points in the window of the moving median
MAD_TO_SD = 1.4826  # of a normal distribution
MNIST_SAMPLES = 60_000


class MissingRun(FileError):
    """A curve that no result is there for; the message names it."""


class Series(NamedTuple):
    """The train or test rows of one run as arrays."""

    epoch: np.ndarray
    seen: np.ndarray  # training samples since training began
    loss: np.ndarray
    accuracy: np.ndarray


class _RunStats:
    """One run: its train, validation and test rows as arrays, and what is read from them. samples: in an epoch."""

    def __init__(self, result: Result, samples: int):
        self.result, self.settings = result, result.settings
        self.train, self.valid, self.test = (self._series(split, samples) for split in ("train", "valid", "test"))
        self.weights = np.diff(self.train.seen, prepend=0)  # how many samples each training point averages
        reached = len(self.test.epoch) > 0 and self.test.epoch[-1] == self.settings["max_epoch"]
        self.finished = bool(reached and np.isfinite(self.train.loss).all() and np.isfinite(self.test.loss).all())

    def _series(self, split: str, samples: int) -> Series:
        rows = [row for row in self.result.rows if row.split == split]
        epoch, iteration = (np.array([getattr(row, field) for row in rows], int) for field in ("epoch", "iteration"))
        loss, accuracy = (np.array([getattr(row, field) for row in rows], float) for field in ("loss", "accuracy"))
        batch = self.settings["batch_size"]
        before = np.maximum(epoch - 1, 0)
        within = (iteration - before * -(-samples // batch)) * batch
        return Series(epoch, before * samples + np.minimum(within, samples), loss, accuracy)

    def final(self, split: str, field: str) -> float:
        """The mean of the last 5 epochs; in training, of their logged points."""
        series = getattr(self, split)
        last = series.epoch > max(self.settings["max_epoch"] - LAST, 0)
        return float(np.average(getattr(series, field)[last], weights=self.weights[last] if split == "train" else None))

    def samples_to(self, accuracy: float) -> float:
        """Samples seen up to the end of the first training point with this accuracy; nan: never."""
        reached = np.flatnonzero(self.train.accuracy >= accuracy)
        return float(self.train.seen[reached[0]]) if len(reached) else float("nan")

    def samples_to_gain(self) -> float:
        """Samples seen until train accuracy has made 95 % of its way from the untrained network to its final value.

        The untrained network's accuracy is that on the test set. nan: the run gained nothing.
        """
        start, end = self.test.accuracy[0], self.final("train", "accuracy")
        return self.samples_to(start + GAIN * (end - start)) if end > start else float("nan")

    def start_accuracy(self) -> float:
        """The very start: the area under train accuracy over the first 2 epochs, divided by them, a mean accuracy."""
        first = self.train.epoch <= FIRST
        return float(np.average(self.train.accuracy[first], weights=self.weights[first]))

    def overfits(self) -> bool:
        """The run trained, its final test loss is > 1.05 × its minimum and above train loss, and train loss falls.

        It falls if it ends below its mean in the epoch of that minimum.
        """
        lowest = int(np.argmin(self.test.loss))
        then = self.train.epoch == max(self.test.epoch[lowest], 1)
        end, train_end = self.final("test", "loss"), self.final("train", "loss")
        falls = train_end < np.average(self.train.loss[then], weights=self.weights[then])
        trained = self.final("test", "accuracy") >= TRAINED
        return bool(trained and end > OVERFIT * self.test.loss[lowest] and falls and end > train_end)

    def correlation(self) -> float:
        """Pearson's correlation of test loss and test accuracy over the epochs; nan where one of them never moves."""
        loss, accuracy = self.test.loss[1:], self.test.accuracy[1:]
        if len(loss) < 2 or np.ptp(loss) == 0 or np.ptp(accuracy) == 0:
            return float("nan")
        return float(np.corrcoef(loss, accuracy)[0, 1])

    def residual_sd(self, split: str) -> float:
        """Robust deviation of an accuracy about its moving median of 11 points, where that has all 11.

        Robust: 1.4826 times the median distance from the median. On the test set the same images count at every point;
        a training point is a count over other images each time, and has `counting_sd` from that alone.
        """
        values = getattr(self, split).accuracy[1 if split == "test" else 0 :]  # the untrained network is no noise
        if len(values) < MEDIAN_OF:
            return float("nan")
        windows = np.lib.stride_tricks.sliding_window_view(values, MEDIAN_OF)
        half = MEDIAN_OF // 2
        residuals = values[half:-half] - np.median(windows, axis=1)
        return float(MAD_TO_SD * np.median(np.abs(residuals - np.median(residuals))))

    def counting_sd(self) -> float:
        """Deviation that a training point has because it counts so many samples: √(p (1 − p) / n), the median."""
        share = self.train.accuracy
        return float(np.sqrt(np.median(share * (1 - share) / self.weights)))


def _per_seed(read: Callable[[_RunStats], float]) -> cached_property:
    """A property of a curve: what `read` finds in each of its runs, nan where a run diverged."""
    return cached_property(lambda curve: curve.each(read))


class CurveStats:
    """One curve over its seeds. images: the size of the training set; self.samples: what an epoch of it trains on.

    What is measured is an array with one entry for each seed; _RunStats says how.
    """

    def __init__(self, results: list[Result], images: int = MNIST_SAMPLES):
        self.results, self.images = sorted(results, key=lambda result: result.settings["seed"]), images
        self.settings = self.results[0].settings
        first, held_out = (self.settings[key] for key in ("train_images", "validation"))
        self.samples = images - held_out if first == "all" else first
        self.name = curve_name(self.settings)
        self.seeds = [result.settings["seed"] for result in self.results]
        self.runs = [_RunStats(result, self.samples) for result in self.results]
        self.finished = np.array([run.finished for run in self.runs])  # to the last epoch, with finite losses

    def __repr__(self) -> str:
        return f"CurveStats({self.name}, seeds {self.seeds})"

    def only(self, seeds: list[int]) -> "CurveStats":
        """The same curve over these of its seeds."""
        if seeds == self.seeds:
            return self
        return CurveStats([result for result in self.results if result.settings["seed"] in seeds], self.images)

    def each(self, read: Callable[[_RunStats], float]) -> np.ndarray:
        return np.array([read(run) if run.finished else np.nan for run in self.runs])

    test_accuracy = _per_seed(lambda run: run.final("test", "accuracy"))
    valid_accuracy = _per_seed(lambda run: run.final("valid", "accuracy"))
    train_accuracy = _per_seed(lambda run: run.final("train", "accuracy"))
    test_loss = _per_seed(lambda run: run.final("test", "loss"))
    train_loss = _per_seed(lambda run: run.final("train", "loss"))
    best_test_accuracy = _per_seed(lambda run: run.test.accuracy.max())
    loss_left = _per_seed(lambda run: run.test.loss[1] / run.test.loss[0])  # of the initial test loss, after an epoch
    samples_to_80 = _per_seed(lambda run: run.samples_to(TRAINED))
    samples_to_gain = _per_seed(_RunStats.samples_to_gain)
    start_accuracy = _per_seed(_RunStats.start_accuracy)
    correlation = _per_seed(_RunStats.correlation)

    def residual_sd(self, split: str) -> np.ndarray:
        return self.each(lambda run: run.residual_sd(split))

    def counting_sd(self) -> np.ndarray:
        return self.each(_RunStats.counting_sd)

    def mean(self, of: str = "test_accuracy") -> float:
        """The mean of a measure over the seeds; a run that diverged counts as 0."""
        return float(np.nan_to_num(getattr(self, of)).mean())

    @property
    def initial_loss(self) -> np.ndarray:
        """Test loss before training, also of a run that diverged."""
        return np.array([run.test.loss[0] if len(run.test.loss) else np.nan for run in self.runs])

    @cached_property
    def overfits(self) -> np.ndarray:
        return np.array([run.finished and run.overfits() for run in self.runs])

    @property
    def mostly_overfits(self) -> bool:
        """In two of three seeds."""
        return bool(self.overfits.mean() >= 2 / 3)

    @property
    def class_share(self) -> np.ndarray:
        """The share of the test images that end in the class predicted most."""
        return np.array([run.result.made_with.get("class_share", np.nan) for run in self.runs], float)

    @property
    def trained(self) -> bool:
        """Final test accuracy of at least 0.8 in every seed."""
        return bool((self.test_accuracy >= TRAINED).all())

    @property
    def failed(self) -> bool:
        """Final test accuracy below 0.5 in every seed; a run that diverged failed."""
        return bool((np.nan_to_num(self.test_accuracy) < FAILED).all())

    @property
    def at_chance(self) -> bool:
        """Final test accuracy of at most 0.12 and at least 95 % of the predictions in one class, in every seed."""
        return bool(((self.test_accuracy <= CHANCE) & (self.class_share >= ONE_CLASS)).all())

    def _probe(self, epoch: int, field: str, layers: str = "fc") -> np.ndarray:
        """(seeds, layers): a field of the probe's rows of the Linear layers, or of the activations ("act").

        nan where none was recorded.
        """
        values = np.full((len(self.runs), len(self.settings["hidden"]) + (layers == "fc")), np.nan)
        for line, run in zip(values, self.runs):
            rows = [row for row in run.result.probe if row.epoch == epoch and row.name.startswith(layers)]
            line[: len(rows)] = [getattr(row, field) for row in rows]
        return values

    def delta(self, epoch: int) -> np.ndarray:
        """(seeds, Linear layers): RMS of the back-propagated δ at each pre-activation."""
        return self._probe(epoch, "delta")

    def delta_ratio(self, epoch: int) -> np.ndarray:
        """δ of the first Linear layer / δ of the last."""
        delta = self.delta(epoch)
        return delta[:, 0] / delta[:, -1]

    def slope(self, epoch: int) -> np.ndarray:
        """(seeds, activations): the mean |dy/dx| over units and probe images."""
        return self._probe(epoch, "slope", "act")

    def flat_units(self, epoch: int) -> np.ndarray:
        """(seeds, activations): the share of units that are dead or saturated on every probe image."""
        return self._probe(epoch, "flat_units", "act")

    @property
    def first_gradient(self) -> np.ndarray:
        """The length of the whole gradient of the probe images before training."""
        return np.sqrt(np.sum(self._probe(0, "gradient") ** 2, axis=1))

    @property
    def first_share(self) -> np.ndarray:
        """The length of the first layer's gradient before training / that of the whole gradient."""
        return self._probe(0, "gradient")[:, 0] / self.first_gradient


class RunTable:
    """All curves of an audit, by name, at one batch size.

    equal_gradient_names: the curves whose learning rate gives them the first step of hinge's at 0.01.
    """

    def __init__(
        self,
        results: dict[str, list[Result]],
        batch: int = 100,
        equal_gradient_names: Sequence[str] = (),
        images: int = MNIST_SAMPLES,
    ):
        self.results, self.batch, self.equal_gradient_names, self.images = results, batch, equal_gradient_names, images
        self._measured = {}

    def named(self, name: str) -> CurveStats:
        """The curve of a full name; MissingRun if there is no result of it."""
        if name not in self._measured:
            results = self.results.get(name)
            if not results:
                raise MissingRun(f"{name} has no result")
            self._measured[name] = CurveStats(results, self.images)
        return self._measured[name]

    def run(self, curve: str, rate: float = 0.01, decay: float = 0.0, batch: int | None = None) -> CurveStats:
        """The curve {layers}_{activation}_{loss} at these settings; the table's batch size if none is given."""
        return self.named(f"{curve}_{float(rate)}_{float(decay)}_{batch or self.batch}")

    def equal_gradient(self, curve: str) -> CurveStats:
        """The curve {layers}_{activation}_{loss} at the rate that makes its first step as large as hinge's at 0.01."""
        for name in self.equal_gradient_names:
            if name.startswith(curve + "_"):
                return self.named(f"{name.rsplit('_', 1)[0]}_{self.batch}")
        raise MissingRun(f"{curve} has no result at an equal first step")

    def swept(self, number: int) -> dict[str, dict[str, dict]]:
        """The curves of figures 14 to 19 as SWEEPS has their names: panel: line: value: curve."""
        return {
            panel: {line: {value: self.named(name) for value, name in names.items()} for line, names in lines.items()}
            for panel, lines in SWEEPS[number].items()
        }

    def pairs(self) -> list[tuple[CurveStats, CurveStats]]:
        """Curves without decay at batch sizes 100 and 10 of equal learning rate / batch size."""
        found = []
        for name in self.results:
            parts = name.split("_")  # a seventh is a further setting
            if parts[4:] == ["0.0", "100"]:
                other = "_".join([*parts[:3], str(float(f"{float(parts[3]) / 10:.6g}")), "0.0", "10"])
                if other in self.results:
                    found.append((self.named(name), self.named(other)))
        return sorted(found, key=lambda pair: pair[0].name)
