"""Findings and numbers in words: a mean is followed by ± one standard deviation over the seeds."""

import math
from typing import NamedTuple

import numpy as np

from experiments.statistics import CurveStats


class Finding(NamedTuple):
    """What came of a claim."""

    verdict: str  # holds, holds in part, does not hold, not measured
    measured: str  # what was found, in sentences with numbers


def conclude(parts: list[tuple[str, bool]], context: str = "") -> Finding:
    """The finding from these parts of a claim, each with what was measured and whether it is as claimed."""
    if len(parts) == 1:
        sentence = parts[0][0]
    else:
        sentence = "; ".join(f"{text}: **{'yes' if ok else 'no'}**" for text, ok in parts)
    sentence = sentence[0].upper() + sentence[1:] + "."
    return Finding(verdict_of([ok for _, ok in parts]), f"{sentence} {context}".strip())


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


def whole(values: np.ndarray) -> str:
    """Numbers of samples, such as 460,000 ± 40,927."""
    return _of_finite(values, ",.0f", 1, "", "never")


def three_digits(values: np.ndarray) -> str:
    """Anything else: three digits of the mean, and the deviation to the same place."""
    finite = values[np.isfinite(values)]
    size = abs(finite.mean()) if len(finite) else 0
    decimals = 2 - math.floor(math.log10(size)) if 1e-6 < size < 1e6 else 0
    return _of_finite(values, f".{max(decimals, 0)}f" if decimals else ".3g", 1, "", "none")


def final_test(curve: CurveStats) -> str:
    return percent(curve.test_accuracy)


def final_train(curve: CurveStats) -> str:
    return percent(curve.train_accuracy)


def convergence(curve: CurveStats) -> str:
    """Samples to 80 % train accuracy / samples to 95 % of the gain."""
    return f"{whole(curve.samples_to_80)} / {whole(curve.samples_to_gain)}"


def listed(curves: dict, words) -> str:
    """Each name with words(curve) after it."""
    return ", ".join(f"{name} {words(curve)}" for name, curve in curves.items())


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
