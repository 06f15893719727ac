"""When one curve is better, faster, smoother than another, or like it: every definition, once."""

from collections.abc import Iterable

import numpy as np

from experiments.statistics import CurveStats, MissingRun

BETTER, SLIGHTLY, NOT_NOTABLE = 0.003, 0.03, 0.005  # differences of accuracies
SIGNIFICANT = 0.01
ALIKE = 1.25
SCATTER = 1.05  # ratio of two times that are the same but for the noise of the machine


def together(first: CurveStats, second: CurveStats) -> tuple[CurveStats, CurveStats]:
    """Both curves over the seeds that both have."""
    seeds = [seed for seed in first.seeds if seed in second.seeds]
    if not seeds:
        raise MissingRun(f"{first.name} and {second.name} have no seed in common")
    return first.only(seeds), second.only(seeds)


def gap(first: CurveStats, second: CurveStats, of: str = "test_accuracy") -> np.ndarray:
    """First minus second for each seed that both have; a run that diverged counts as 0."""
    first, second = together(first, second)
    return np.nan_to_num(getattr(first, of)) - np.nan_to_num(getattr(second, of))


def better(first: CurveStats, second: CurveStats, of: str = "test_accuracy") -> bool:
    """Higher in every seed, and by at least 0.3 points on average."""
    gaps = gap(first, second, of)
    return bool((gaps > 0).all() and gaps.mean() >= BETTER)


def slightly_better(first: CurveStats, second: CurveStats) -> bool:
    """Better, by at most 3 points."""
    return better(first, second) and bool(gap(first, second).mean() <= SLIGHTLY)


def clearly_better(first: CurveStats, second: CurveStats, slight: float) -> bool:
    """Better, by at least twice this slight difference of two others."""
    return better(first, second) and bool(gap(first, second).mean() >= 2 * abs(slight))


def difference(curves: Iterable[CurveStats]) -> float:
    """Largest minus smallest mean test accuracy; not notable up to 0.5 points. A run that diverged counts as 0."""
    means = [curve.mean() for curve in curves]
    return max(means) - min(means)


def best_held_out(curves: dict[float, CurveStats]) -> float:
    """The value, such as a learning rate, whose curve is best on the images held out from training."""
    return max(curves, key=lambda value: curves[value].mean("valid_accuracy"))


def lower(first: CurveStats, second: CurveStats, of: str) -> bool:
    """Lower in every seed. What was never reached, or is not there, is lower than nothing."""
    first, second = together(first, second)
    return bool((np.nan_to_num(getattr(first, of), nan=np.inf) < np.nan_to_num(getattr(second, of), nan=np.inf)).all())


def near(values: np.ndarray, threshold: float) -> bool:
    """Whether the mean lies within one standard deviation (over the seeds) of the threshold that decides on it."""
    return len(values) > 1 and bool(abs(np.mean(values) - threshold) <= np.std(values, ddof=1))


def faster(first: CurveStats, second: CurveStats) -> bool:
    """Fewer samples in every seed, and not alike on average: to train accuracy 0.80, and to 95 % of the own gain.

    Never is infinitely many.
    """
    first, second = together(first, second)
    for of in ("samples_to_80", "samples_to_gain"):
        means = (np.nan_to_num(getattr(curve, of), nan=np.inf).mean() for curve in (first, second))
        if not lower(first, second, of) or is_alike(*means):
            return False
    return True


def is_alike(first: float, second: float) -> bool:
    """Two numbers, neither more than 1.25 times the other; nan is like nothing."""
    return bool(first <= ALIKE * second and second <= ALIKE * first)


def converge_alike(first: CurveStats, second: CurveStats) -> bool:
    """Mean samples to train accuracy 0.80 alike, and to 95 % of the gain as well; never is like nothing."""
    first, second = together(first, second)
    return all(
        is_alike(np.mean(getattr(first, of)), np.mean(getattr(second, of)))
        for of in ("samples_to_80", "samples_to_gain")
    )


def smoother(first: CurveStats, second: CurveStats, split: str) -> bool:
    """The first's residual_sd is lower in every seed, and the means are not alike."""
    one, other = (curve.residual_sd(split) for curve in together(first, second))
    return bool((one < other).all() and not is_alike(one.mean(), other.mean()))


def times_differ(first: dict, second: dict) -> bool:
    """Whether the first takes longer in the timing pass: medians more than 5 % apart, and no round of it is as fast."""
    return first["median"] > SCATTER * second["median"] and first["min"] > second["max"]
