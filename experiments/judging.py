"""What the judges share: the verdict, words for numbers (mean ± deviation over the seeds), groups of curves."""

import math
from typing import NamedTuple

import numpy as np

from experiments.figures import ACTIVATIONS, LOSSES
from experiments.measures import Book, Measured
from experiments.names import SHORT_LOSS as SHORT

EUCLIDEAN, SOFTMAX, HINGE = LOSSES


class Verdict(NamedTuple):
    verdict: str  # holds, holds in part, does not hold, not measured
    measured: str  # what was found, in sentences with numbers


def word(parts: list[bool]) -> str:
    """A claim holds if all its parts do, and holds in part if some do."""
    return "holds" if all(parts) else "holds in part" if any(parts) else "does not hold"


def judged(parts: list[tuple[str, bool]], context: str = "") -> Verdict:
    """The verdict on these parts of a claim, each with what was measured and whether it is as claimed."""
    if len(parts) == 1:
        sentence = parts[0][0]
    else:
        sentence = "; ".join(f"{text}: **{'yes' if ok else 'no'}**" for text, ok in parts)
    sentence = sentence[0].upper() + sentence[1:] + "."
    return Verdict(word([ok for _, ok in parts]), f"{sentence} {context}".strip())


def spread(values: np.ndarray, form: str, scale: float = 1.0) -> str:
    deviation = f" ± {scale * np.std(values, ddof=1):{form.lstrip('+')}}" if len(values) > 1 else ""
    return f"{scale * np.mean(values):{form}}".replace("-", "−") + deviation


def _where_there(values: np.ndarray, form: str, scale: float, unit: str, if_not: str) -> str:
    there = values[np.isfinite(values)]
    if not len(there):
        return if_not
    lost = len(values) - len(there)
    return spread(there, form, scale) + unit + (f" ({if_not} in {lost} of {len(values)} seeds)" if lost else "")


def percent(values: np.ndarray) -> str:
    """Shares of one, such as 97.93 ± 0.05 %."""
    return _where_there(values, ".2f", 100, " %", "diverged")


def points(values: np.ndarray) -> str:
    """Differences of accuracies, such as +1.20 ± 0.05 points."""
    return f"{spread(values, '+.2f', 100)} points"


def samples(values: np.ndarray) -> str:
    return _where_there(values, ",.0f", 1, "", "never")


def number(values: np.ndarray) -> str:
    """Anything else: three digits of the mean, and the deviation to the same place."""
    there = values[np.isfinite(values)]
    size = abs(there.mean()) if len(there) else 0
    decimals = 2 - math.floor(math.log10(size)) if 1e-6 < size < 1e6 else 0
    return _where_there(values, f".{max(decimals, 0)}f" if decimals else ".3g", 1, "", "none")


def final_test(curve: Measured) -> str:
    return percent(curve.test_accuracy)


def final_train(curve: Measured) -> str:
    return percent(curve.train_accuracy)


def convergence(curve: Measured) -> str:
    """Samples to 80 % train accuracy / samples to 95 % of the gain."""
    return f"{samples(curve.samples_to_80)} / {samples(curve.samples_to_gain)}"


def listed(curves: dict, words) -> str:
    return ", ".join(f"{name} {words(curve)}" for name, curve in curves.items())


def tally(outcomes: dict[str, bool], what: str) -> str:
    """In how many of the cases, and in which not."""
    missed = [name for name, ok in outcomes.items() if not ok]
    if len(missed) == len(outcomes):
        return f"in none of {len(outcomes)} {what}"
    if not missed:
        return f"in all {len(outcomes)} {what}"
    return f"in {len(outcomes) - len(missed)} of {len(outcomes)} {what} (not {', '.join(missed)})"


def which(names: list[str], of: int) -> str:
    return f"{len(names)} of {of}: {', '.join(names)}" if names else f"none of {of}"


def by_loss(book: Book, layers: int = 1, activation: str = "Sigmoid") -> dict[str, Measured]:
    return {SHORT[loss]: book.run(f"{layers}_{activation}_{loss}") for loss in LOSSES}


def by_activation(book: Book, layers: int = 1, loss: str = EUCLIDEAN) -> dict[str, Measured]:
    return {activation: book.run(f"{layers}_{activation}_{loss}") for activation in ACTIVATIONS}


def by_layers(book: Book) -> dict[str, tuple[Measured, Measured]]:
    """One and two hidden layers, by activation and loss."""
    return {
        f"{activation} {SHORT[loss]}": tuple(book.run(f"{layers}_{activation}_{loss}") for layers in (1, 2))
        for activation in ACTIVATIONS
        for loss in LOSSES
    }


def at_equal_step(book: Book, layers: int = 1) -> dict[str, Measured]:
    """By loss, at the learning rates that give all three the first step of hinge at 0.01."""
    found = {SHORT[loss]: book.equal_step(f"{layers}_Sigmoid_{loss}") for loss in (EUCLIDEAN, SOFTMAX)}
    return found | {SHORT[HINGE]: book.run(f"{layers}_Sigmoid_{HINGE}")}


def rates_of(curves: dict[str, Measured]) -> str:
    return listed(curves, lambda curve: f"{curve.settings['learning_rate']:g}")
