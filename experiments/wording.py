"""Findings and numbers in words: a mean is followed by ± one standard deviation over the seeds."""

import math
from typing import NamedTuple

import numpy as np

from experiments.statistics import TRAINED, CurveStats

TWO_MODES = 0.1  # seeds that end further apart than this are listed


class Finding(NamedTuple):
    """What came of a claim."""

    verdict: str  # holds, holds in part, does not hold, does not apply, not measured
    measured: str  # what was found, in sentences with numbers
    key: str = ""  # the number that decides, for a table
    near: bool = False  # whether that number lies within one standard deviation of its threshold


def conclude(parts: list[tuple[str, bool]], context: str = "", key: str = "", near: bool = False) -> Finding:
    """The finding from these parts of a claim, each with what was measured and whether it is as claimed."""
    sentence = "; ".join(f"{text}: **{'yes' if ok else 'no'}**" for text, ok in parts)
    sentence = sentence[0].upper() + sentence[1:] + "."
    return Finding(verdict_of([ok for _, ok in parts]), f"{sentence} {context}".strip(), key, near)


def does_not_apply(why: str, key: str = "") -> Finding:
    """The finding where the premise of a claim is false."""
    return Finding("does not apply", f"{why[0].upper()}{why[1:]}.", key)


def verdict_of(parts: list[bool]) -> str:
    """A claim holds if all its parts do, and holds in part if some do."""
    return "holds" if all(parts) else "holds in part" if any(parts) else "does not hold"


def mean_and_sd(values: np.ndarray, form: str, scale: float = 1.0) -> str:
    deviation = f" ± {scale * np.std(values, ddof=1):{form.lstrip('+')}}" if len(values) > 1 else ""
    return f"{scale * np.mean(values):{form}}".replace("-", "−") + deviation


def _of_finite(values: np.ndarray, form: str, scale: float, unit: str, if_not: str) -> str:
    finite = values[np.isfinite(values)]
    if not len(finite):
        return if_not
    lost = len(values) - len(finite)
    return mean_and_sd(finite, form, scale) + unit + (f" ({if_not} in {lost} of {len(values)} seeds)" if lost else "")


def percent(values: np.ndarray) -> str:
    """Shares of one, such as 97.93 ± 0.05 %."""
    return _of_finite(values, ".2f", 100, " %", "diverged")


def percentage_points(values: np.ndarray) -> str:
    """Differences of accuracies, such as +1.20 ± 0.05 points."""
    return f"{mean_and_sd(values, '+.2f', 100)} points"


def scatter(values: np.ndarray, form: str = ".3f") -> str:
    """Deviations of an accuracy, such as 0.474 ± 0.045 points."""
    return _of_finite(values, form, 100, " points", "too few points")


def epochs(samples: np.ndarray, of: int, if_not: str = "never") -> str:
    """Numbers of samples as epochs of so many, such as 7.7 ± 0.7."""
    return _of_finite(samples / of, ".1f", 1, "", if_not)


def three_digits(values: np.ndarray) -> str:
    """Anything else: three digits of the mean, and the deviation to the same place."""
    finite = values[np.isfinite(values)]
    size = abs(finite.mean()) if len(finite) else 0
    decimals = 2 - math.floor(math.log10(size)) if 1e-6 < size < 1e6 else 0
    return _of_finite(values, f".{max(decimals, 0)}f" if decimals else ".3g", 1, "", "none")


def final_test(curve: CurveStats) -> str:
    """Final test accuracy; of seeds more than 10 points apart each, as no mean speaks for them."""
    finals = curve.test_accuracy
    if np.isfinite(finals).all() and np.ptp(finals) > TWO_MODES:
        return f"{' / '.join(f'{100 * final:.2f}' for final in finals)} %"
    return percent(finals)


def final_train(curve: CurveStats) -> str:
    return percent(curve.train_accuracy)


def convergence(curve: CurveStats) -> str:
    """Epochs to 80 % train accuracy / epochs to 95 % of the gain, of runs that trained."""
    if curve.failed:
        return "did not train"
    return f"{epochs(curve.samples_to_80, curve.samples)} / {gain_epochs(curve)}"


def gain_epochs(curve: CurveStats) -> str:
    """Epochs to 95 % of the gain; a run that did not train has no gain worth one."""
    trained = np.nan_to_num(curve.test_accuracy) >= TRAINED
    return epochs(np.where(trained, curve.samples_to_gain, np.nan), curve.samples, "not trained")


def means(curves: dict[str, CurveStats]) -> str:
    """The mean test accuracies of these curves, for a table."""
    return listed(curves, lambda curve: f"{100 * curve.mean():.2f}")


def listed(curves: dict, words) -> str:
    """Each name with words(curve) after it."""
    return ", ".join(f"{name} {words(curve)}" for name, curve in curves.items())


def at(curves: dict[float, CurveStats]) -> dict[str, CurveStats]:
    """Curves by a value, such as a learning rate, as `listed` and `means` name them."""
    return {f"{value:g}:": curve for value, curve in curves.items()}


def rates_of(curves: dict[str, CurveStats]) -> str:
    return listed(curves, lambda curve: f"{curve.settings['learning_rate']:g}")


def tally(outcomes: dict[str, bool], what: str) -> str:
    """In how many of the cases, and in which not."""
    missed = [name for name, ok in outcomes.items() if not ok]
    if len(missed) == len(outcomes):
        return f"in none of {len(outcomes)} {what}"
    if not missed:
        return f"in all {len(outcomes)} {what}"
    return f"in {len(outcomes) - len(missed)} of {len(outcomes)} {what} (not {', '.join(missed)})"


def how_many(names: list[str], of: int) -> str:
    """How many of so many, and which."""
    return f"{len(names)} of {of}: {', '.join(names)}" if names else f"none of {of}"
