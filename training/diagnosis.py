"""Why did it not train? One sentence, with its evidence and one thing to try, about a run that failed.

A cause is a function that returns its sentence, or None where its evidence is missing. The most certain come first.
"""

import math
from typing import NamedTuple

import numpy as np

from layers import Linear, flatten, initial_std
from load_data import normalise
from training.epochs import split
from training.metrics import Row, final_test
from training.probe import IMAGES, ProbeRow, probe

MOST = 0.9  # of the units of a layer, of the training labels, of the predictions
VANISHED = 0.005  # δ at the first layer over that at the last; one Sigmoid layer, which trains, begins at 0.008
SLOW = 1e-4  # a step that changes no layer's weights by more than this part of their length


class Evidence(NamedTuple):
    """What the causes look at: the settings and rows of a run, and its last weights on at most 1,000 images a set."""

    settings: dict
    rows: list[Row]
    classes: list[int]  # the label that each class number stands for
    images: np.ndarray  # of the training set, uint8
    labels: np.ndarray  # all that were trained on
    linear: list[ProbeRow]  # the Linear layers, from the first
    units: list[ProbeRow]  # the activations
    stds: list[float]  # of the initial weights of the Linear layers
    grown: float  # length of the first layer's weights, in lengths of its initial ones
    step: float  # length of a step over that of the weights, in the layer where it is largest
    predicted: np.ndarray  # shares of the classes among the predictions for the test set
    nearest: float  # accuracy on the test set of the label of the nearest training image
    by_chance: float  # what it would reach at most with labels drawn at random


def diagnose(settings: dict, rows: list[Row], model, loss, data) -> str | None:
    """Return the sentence about a run that ended below 50 % test accuracy or at chance; None if it trained.

    Changes no weight, no state and no random stream, but the gradients.
    """
    end = final_test(rows, settings["patience"] > 0)
    if end is None or len(data.classes) == 1 or end.accuracy >= max(0.5, _by_chance(data.test_labels)):
        return None
    evidence = gather(settings, rows, model, loss, data)
    sentence = next(filter(None, (cause(evidence) for cause in CAUSES)))
    return f"it ended at {end.accuracy:.2%} on the test set: {sentence}"


def why_diverged(settings: dict, epoch: int) -> str:
    """Return what to try after a run that diverged in this epoch (0: before training)."""
    rate, decay, momentum, std, margin = (
        settings[key] for key in ("learning_rate", "weight_decay", "momentum", "init_std", "margin")
    )
    if rate * decay >= 1:
        return f"each step turns the weights round, learning rate · weight decay is {rate * decay:g}: try -w 0.0001"
    if epoch == 0 or std > 1e6:
        if margin > 1e6 and settings["loss"] == "HingeLoss":
            return f"the margin {margin:g} is too large: try --margin 5"
        return f"the initial weights are too large, init_std is {std:g}: try --init {_init(settings)}"
    if momentum > 0.95:
        return f"a momentum of {momentum:g} sums up {1 / (1 - momentum):,.0f} steps: try --momentum 0"
    return f"learning rate {rate:g} is too high: try -lr {_lower_rate(settings):g}"


def gather(settings: dict, rows: list[Row], model, loss, data) -> Evidence:
    trained = split(settings, data)
    looked = probe(0, model, loss, trained.train, trained.train_labels)
    model.training = False
    inputs, labels = normalise(data.test_images[:IMAGES]), data.test_labels[:IMAGES]
    with np.errstate(all="ignore"):
        predicted = np.bincount(model.forward(inputs).argmax(axis=1), minlength=len(data.classes)) / len(inputs)
    known = normalise(trained.train[:IMAGES])
    nearest = ((known * known).sum(axis=1) - 2 * inputs @ known.T).argmin(axis=1)
    layers = list(zip(flatten(model.layers), looked))
    linear = [row for layer, row in layers if isinstance(layer, Linear)]
    sizes = [(layer.in_num, layer.out_num) for layer, _ in layers if isinstance(layer, Linear)]
    stds = [initial_std(settings["init"], *size, settings["init_std"]) for size in sizes]
    first = stds[0] * math.sqrt(math.prod(sizes[0]))
    rate = settings["learning_rate"] / (1 - settings["momentum"])
    return Evidence(
        *(settings, rows, data.classes, trained.train[:IMAGES], trained.train_labels, linear),
        units=[row for _, row in layers if not math.isnan(row.slope)],
        stds=stds,
        grown=linear[0].weights / first if first else math.inf,
        step=max(rate * row.gradient / row.weights if row.weights else math.inf for row in linear),
        predicted=predicted,
        nearest=float((trained.train_labels[nearest] == labels).mean()),
        by_chance=_by_chance(labels),
    )


# ---- the data


def images_alike(e: Evidence) -> str | None:
    if len(e.images) > 1 and e.images.std(axis=0).max() < 3:
        pixels = f"their pixels run from {e.images.min()} to {e.images.max()}"
        return f"the first training images are all but alike, {pixels}: try images that use 0 to 255"


def one_class(e: Evidence) -> str | None:
    shares = np.bincount(e.labels, minlength=len(e.classes)) / len(e.labels)
    most = int(shares.argmax())
    if shares[most] > MOST and e.predicted[most] > MOST:
        labels = f"as {shares[most]:.0%} of the {len(e.labels):,} training labels are"
        return f"it calls {e.predicted[most]:.0%} of the images {e.classes[most]}, {labels}: try images of all classes"


def labels_shuffled(e: Evidence) -> str | None:
    if e.nearest < e.by_chance:
        nearest = (
            f"the nearest of {len(e.images):,} training images has a test image's label in {e.nearest:.1%} of cases"
        )
        return f"the labels look shuffled, {nearest}, as by chance: check that image k and label k belong together"


# ---- the settings


def zero_weights(e: Evidence) -> str | None:
    if not all(e.stds) and e.settings["hidden"]:
        return f"all initial weights are 0, so the units of a layer remain alike: try --init {_init(e.settings)}"


def decay_shrinks(e: Evidence) -> str | None:
    decay, name = e.settings["weight_decay"], e.linear[0].name
    if decay and e.grown < 0.5:
        return (
            f"weight decay {decay:g} has shrunk the weights of {name} to {e.grown:.1%} of their length: try -w 0.0001"
        )


def too_narrow(e: Evidence) -> str | None:
    width, rate, classes = min(e.settings["hidden"], default=math.inf), e.settings["dropout"], len(e.classes)
    if width < classes / 2:
        return f"a hidden layer of width {width} is narrow for {classes} classes: try --hidden 100"
    if width * (1 - rate) < classes / 2:
        return f"dropout {rate:g} leaves {width * (1 - rate):.2g} of {width} units in a step: try --dropout 0.5"


# ---- the gradients


def large_weights(e: Evidence) -> str | None:
    saturated = [row for row in e.units if row.slope < 0.025]  # a sigmoid's slope is 0.25 at most
    if saturated and e.grown < 1.5 and e.settings["activation"] == "Sigmoid":
        slope = f"{saturated[0].name}, its mean slope is {saturated[0].slope:.1g} of 0.25"
        return f"initial weights of standard deviation {e.stds[0]:g} saturate {slope}: try --init xavier"


def vanishing(e: Evidence) -> str | None:
    first, last, activation = e.linear[0], e.linear[-1], e.settings["activation"]
    if first.delta >= VANISHED * last.delta or e.grown > 1.1:
        return None
    widths = [*e.settings["hidden"][1:], len(e.classes)]
    weights = math.prod(std * math.sqrt(width) for std, width in zip(e.stds[1:], widths))
    slopes = math.prod(row.slope ** (0.5 if activation == "Relu" else 1) for row in e.units)
    parts = f" (at the start {_part(weights)} by the initial weights · {_part(slopes)} by the slopes of {activation})"
    if e.settings["batch_norm"] or e.settings["residual"]:  # which have a share of their own
        parts = ""
    what = f"δ at {first.name} is {_part(first.delta / last.delta)} of that at {last.name}{parts}"
    return f"the gradient vanishes, {what}: try {'--batch-norm' if activation == 'Sigmoid' else '--init he'}"


def momentum_high(e: Evidence) -> str | None:
    momentum = e.settings["momentum"]
    if momentum > 0.95 and e.grown > 2:
        return f"a momentum of {momentum:g} sums up {1 / (1 - momentum):,.0f} steps, {_growth(e)}: try --momentum 0"


def loss_jumped(e: Evidence) -> str | None:
    losses = _losses(e.rows)
    worst = max(losses, key=losses.get)
    if losses[worst] > 2 * losses[0]:
        return _too_high(f"the loss rose from {losses[0]:.3g} to {losses[worst]:.3g} in epoch {worst}", e)


def dead_or_saturated(e: Evidence) -> str | None:
    what = {"Relu": "dead", "Sigmoid": "saturated"}.get(e.settings["activation"], "flat")
    for row in e.units:
        if row.flat_units > MOST:
            units = f"{row.flat_units:.0%} of the units of {row.name}"
            return _too_high(f"{units} are {what}, |dy/dx| < 0.01 on each of {len(e.images):,} images", e)


def weights_grown(e: Evidence) -> str | None:
    if e.grown > 20:
        return _too_high(_growth(e), e)


def slow(e: Evidence) -> str | None:
    rate = e.settings["learning_rate"]
    if e.step < SLOW:
        better = 10.0 ** math.ceil(math.log10(rate * 2e-3 / e.step)) if e.step else 10 * rate
        step = f"a step changes no layer's weights by more than {e.step:.1g} of their length"
        return f"{step} at learning rate {rate:g}: try -lr {better:g}"


def linear_network(e: Evidence) -> str | None:
    if not e.settings["hidden"] and e.nearest > 0.5:
        nearest = f"the label of the nearest training image is right in {e.nearest:.1%} of cases"
        return f"without a hidden layer it is linear in the pixels, and {nearest}: try -n 1"


def few_steps(e: Evidence) -> str:
    losses, steps = _losses(e.rows), e.rows[-1].iteration
    told = f"in {steps:,} steps the loss went from {losses[0]:.3g} to {losses[max(losses)]:.3g}"
    if steps < 5000:
        return f"{told}, and so few say little: try --max-epoch {10 * e.settings['max_epoch']}"
    return f"{told}, and no unit or gradient tells why: try -lr {10 * e.settings['learning_rate']:g}"


CAUSES = (
    *(images_alike, one_class, labels_shuffled, zero_weights, decay_shrinks, too_narrow, large_weights, vanishing),
    *(momentum_high, loss_jumped, dead_or_saturated, weights_grown, slow, linear_network, few_steps),
)


def _by_chance(labels: np.ndarray) -> float:
    """Three standard deviations above the accuracy of always naming the most frequent of these labels."""
    chance = np.bincount(labels).max() / len(labels)
    return chance + 3 * math.sqrt(chance * (1 - chance) / len(labels))


def _losses(rows: list[Row]) -> dict[int, float]:
    """The mean training loss of each epoch; at 0 the test loss before training."""
    losses = {}
    for row in rows:
        if row.split == "train" or row.epoch == 0:
            losses.setdefault(row.epoch, []).append(row.loss)
    return {epoch: float(np.mean(found)) for epoch, found in losses.items()}


def _part(number: float) -> str:
    return f"1/{1 / number:,.0f}" if number > 1e-6 else f"{number:.1g}"


def _growth(e: Evidence) -> str:
    return f"the weights of {e.linear[0].name} are {e.grown:,.0f} times as long as at the start"


def _too_high(evidence: str, e: Evidence) -> str:
    return f"{evidence} at learning rate {e.settings['learning_rate']:g}: try -lr {_lower_rate(e.settings):g}"


def _init(settings: dict) -> str:
    return "xavier" if settings["activation"] == "Sigmoid" else "he"


def _lower_rate(settings: dict) -> float:
    """A rate at which this loss and activation train at any batch size tried, or a tenth."""
    return min(settings["learning_rate"] / 10, 0.1 if settings["activation"] == "Sigmoid" else 0.01)
