"""Layers and losses that newer years of the assignment ask for: their definitions, and what others call by their names.

A class of these names is held against its own forward, as every class; what its forward is only earns a remark.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gradcheck.mistakes_losses import SCALES
from gradcheck.reference import points, relative_error, selu, sigmoid, softmax

# The constants of Selu as handouts print them count as exact.
PRINTED = 1e-5
ROUNDED = 1e-3  # constants with fewer digits than that


LAYERS: dict[str, Callable] = {
    "Tanh": np.tanh,
    "Softmax": softmax,  # over the columns of each row
    "Swish": lambda x: x * sigmoid(x),  # Ramachandran, Zoph, Le 2017, arXiv:1710.05941, section 4, beta = 1
    "HardSwish": lambda x: x * np.clip(x + 3, 0, 6) / 6,  # Howard et al. 2019, arXiv:1905.02244, section 5.2
    "Mish": lambda x: x * np.tanh(np.logaddexp(0, x)),  # Misra 2019, arXiv:1908.08681, section 2
    "Selu": selu,  # Klambauer et al. 2017, arXiv:1706.02515, equation 2
    "LeakyRelu": lambda x: np.where(x > 0, x, 0.01 * x),  # Maas, Hannun, Ng 2013, section 2
}


def layer_convention(name: str, x: np.ndarray, output: np.ndarray) -> tuple[str, str] | None:
    """(key, words) of a variant that goes by the same name, its parameter read off the numbers; None: there is none."""
    with np.errstate(all="ignore"):
        ratio = output / x
        if relative_error(output, LAYERS[name](x)) < ROUNDED:
            return "rounded", "its constants are rounded"
        if name == "LeakyRelu" and np.allclose(ratio[x > 0], 1) and np.ptp(ratio[x < 0]) < 1e-6:
            return "slope", f"other convention: the slope for x < 0 is {ratio[x < 0].mean():.4g}, 0.01 in the paper"
        if name == "Swish":
            beta = np.log(ratio / (1 - ratio)) / x
            if np.ptp(beta) < 1e-6:
                return "beta", f"other convention: x sigmoid(beta x) with beta = {beta.mean():.4g}, not 1"
        if name == "Selu":
            scale, both = ratio[x > 0], (output / np.expm1(x))[x < 0]
            if np.ptp(scale) < 1e-6 and np.ptp(both) < 1e-6:
                found = f"scale {scale[0]:.5g} and alpha {both[0] / scale[0]:.5g}"
                return "selu-constants", f"forward is Selu with {found}, not 1.0507 and 1.67326"
        if name == "Softmax" and relative_error(output, softmax(x, 0)) < 1e-6:
            return "wrong-axis", "forward is a softmax over the batch, not over the columns of each row"
    return None


class LossDefinition(NamedTuple):
    """One thing that a name stands for: its sum over the batch. words: None for the definition itself."""

    words: str | None
    total: Callable  # (o, t) -> sum over the batch


def _log_softmax(o: np.ndarray) -> np.ndarray:
    shifted = o - o.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def _cross_entropy(o: np.ndarray, t: np.ndarray) -> float:
    return -(t * _log_softmax(o)).sum()


def _divergence(log_p: np.ndarray, t: np.ndarray) -> float:
    """sum t (log t - log p), with 0 log 0 = 0."""
    return (t * (np.log(np.where(t > 0, t, 1.0)) - log_p)).sum()


OF_PROBABILITIES = "other convention: it takes probabilities, not outputs before softmax"
WITHOUT_SOFTMAX = "other convention: it takes probabilities: there is no softmax in it"
KL_OF_P = "forward is KL(p || t), with target and prediction exchanged: KL(t || p) is meant"
# The first is the definition. MSELoss: half the square, so that both usual factors are known scales of it.
LOSSES: dict[str, tuple[LossDefinition, ...]] = {
    "MSELoss": (LossDefinition(None, lambda o, t: 0.5 * ((o - t) ** 2).sum()),),
    "CrossEntropyLoss": (
        LossDefinition(None, _cross_entropy),
        LossDefinition(OF_PROBABILITIES, lambda o, t: -(t * np.log(o)).sum()),
    ),
    "KLDivLoss": (  # Kullback and Leibler 1951, of the target from softmax(o)
        LossDefinition(None, lambda o, t: _divergence(_log_softmax(o), t)),
        LossDefinition("other convention: it takes the logarithms of probabilities", _divergence),
        LossDefinition(OF_PROBABILITIES, lambda o, t: _divergence(np.log(o), t)),
        *(
            LossDefinition(KL_OF_P, lambda o, t, small=small: _divergence(np.log(t + small), softmax(o)))
            for small in (1e-8, 1e-10, 1e-12, 1e-7, 1e-6, 1e-5)
        ),
    ),
    "BrierLoss": (  # Brier 1950, equation 2
        LossDefinition(None, lambda o, t: ((softmax(o) - t) ** 2).sum()),
        LossDefinition(WITHOUT_SOFTMAX, lambda o, t: ((o - t) ** 2).sum()),
    ),
    "FocalLoss": (LossDefinition(None, lambda o, t: focal(o, t)),),  # Lin et al. 2017, arXiv:1708.02002, eq. 5
    "LabelSmoothingCrossEntropyLoss": (LossDefinition(None, lambda o, t: _smoothed(o, t)),),  # Szegedy et al. 2016, 7
}
# Scales that an author of this loss may choose without a word.
SILENT = {"MSELoss": ("mean", "no-half", "mean-of-all", "mean-of-all-no-half")}


def focal(o: np.ndarray, t: np.ndarray, gamma: float = 2.0, weights=1.0) -> float:
    """-w (1 - p)^gamma log p of the target's class."""
    log_p = _log_softmax(o)
    return -(weights * t * (1 - np.exp(log_p)) ** gamma * log_p).sum()


def _smoothed(o: np.ndarray, t: np.ndarray, epsilon: float = 0.1) -> float:
    """The cross-entropy with (1 - epsilon) t + epsilon / K for the target."""
    return -(((1 - epsilon) * t + epsilon / t.shape[1]) * _log_softmax(o)).sum()


WEIGHTS = [0.2, 0.9, 0.3, 0.8, 0.4, 0.7, 0.5, 0.6, 0.25, 0.75]  # of the ten classes, where a focal loss is given some


def fitted(name: str, value: Callable, classes: int) -> tuple[LossDefinition, ...]:
    """What the name stands for, with the parameters that value(o, t) shows on single samples."""
    if name == "FocalLoss":
        return _fit_focal(value, classes) or LOSSES[name]
    if name == "LabelSmoothingCrossEntropyLoss":
        o, t = points(51, 1, classes), np.eye(classes)[:1]
        plain, spread = _cross_entropy(o, t), -_log_softmax(o).mean()
        epsilon = round((value(o, t) - plain) / (spread - plain), 9)
        others = round(epsilon * (classes - 1) / classes, 9)
        if 0 < epsilon < 1:
            words = None if epsilon == 0.1 else f"other convention: epsilon is {epsilon:g}, 0.1 in the paper"
            if others in (0.1, 0.05, 0.2, 0.01):
                words = f"other convention: epsilon = {others:g} is shared by the other K - 1 classes, not by all K"
            return (LossDefinition(words, lambda o, t: _smoothed(o, t, epsilon)),)
    return LOSSES[name]


def _fit_focal(value: Callable, classes: int) -> tuple[LossDefinition, ...] | None:
    """gamma and the weights of the classes from two samples of each class; None if no such numbers give the values."""
    samples, t = [points(seed, 1, classes) for seed in (51, 52)], np.eye(classes)
    p = np.array([softmax(o)[0] for o in samples])
    with np.errstate(all="ignore"):
        theirs = np.array([[value(o, t[k : k + 1]) for k in range(classes)] for o in samples]) / -np.log(p)
        gammas = np.log(theirs[0] / theirs[1]) / np.log((1 - p[0]) / (1 - p[1]))
        weights = theirs[0] / (1 - p[0]) ** gammas
    if not (np.isfinite(gammas).all() and np.ptp(gammas) < 1e-4 and (weights > 0).all()):
        return None
    gamma = round(float(gammas.mean()), 6)
    words = None if gamma == 2 else f"other convention: gamma is {gamma:g} unless given, 2 in the paper"
    return (LossDefinition(words, functools.partial(focal, gamma=gamma, weights=weights)),)


class Form(NamedTuple):
    """What the forward of a loss turned out to be: factor(n, k) times the mean over the batch of a definition."""

    key: str
    words: str | None  # None: nothing need be said
    factor: Callable
    total: Callable  # (o, t) -> the definition's sum over the batch
    convention: bool = True  # it is known under a name; False: it is a fault
    epsilon: float = 0.0  # added in the logarithm
    margin: float = 5.0
    extra: float = 0.0  # added to the loss of each sample


def match_loss(name: str, value: Callable, batches: list) -> Form | None:
    """Which definition, times which known factor, gives value on all batches."""
    theirs = np.array([value(*batch) for batch in batches])
    if name not in LOSSES or not np.isfinite(theirs).all():
        return None
    for definition in fitted(name, value, batches[0][0].shape[1]):
        with np.errstate(all="ignore"):
            true = np.array([definition.total(*batch) / len(batch[0]) for batch in batches])
        for key, factor, words, convention in SCALES:
            scaled = true * [factor(*batch[0].shape) for batch in batches]
            if not np.isfinite(scaled).all() or relative_error(theirs, scaled) > 1e-4:  # log(p + 1e-8) counts as log p
                continue
            silent = key in SILENT.get(name, ("mean",))
            scale = "" if silent else f"other convention: {words}" if convention else f"it is {words}"
            both = "; ".join(filter(None, (definition.words, scale)))
            return Form(key, both or None, factor, definition.total)
    return None
