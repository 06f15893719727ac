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
TINY = 1e-4  # standard deviation of initial weights that nothing can be told apart by
SLOW = 1e-4  # a step that changes no layer's weights by more than this part of their length


class Evidence(NamedTuple):
    """What the causes look at: the settings and rows of a run, and its last weights on at most 1,000 images a set.

    Those are drawn at random: in a set that is sorted by label, the first 1,000 are of one class.
    """

    settings: dict
    losses: dict[int, float]  # on the training set in each epoch; at 0 that on the test set before training
    reached: float  # accuracy on the test set
    learned: float  # accuracy on the training set in the last epoch
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
    shuffled: bool  # whether that is what it would be if the labels of the test set were shuffled


def diagnose(settings: dict, rows: list[Row], model, loss, data) -> str | None:
    """Return the sentence about a run that ended below 50 % test accuracy or at chance; None if it trained.

    Changes no weight, no state and no random stream, but the gradients.
    """
    end, chance = final_test(rows, settings["patience"] > 0), _most_frequent(data.test_labels)
    # Of a small test set, and of one that is nearly all of one class, three deviations would ask for more than 100 %.
    at_chance = chance + min(_deviations(chance, len(data.test_labels)), (1 - chance) / 2)
    if end is None or len(data.classes) == 1 or end.accuracy >= max(0.5, at_chance):
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
    if epoch == 0 or std > 1:
        if margin > 1e6 and settings["loss"] == "HingeLoss":
            return f"the margin {margin:g} is too large: try --margin 5"
        return f"the initial weights are too large, init_std is {std:g}: try --init {_init(settings)}"
    if momentum > 0.95:
        return f"a momentum of {momentum:g} sums up {1 / (1 - momentum):,.0f} steps: try --momentum 0"
    return f"learning rate {rate:g} is too high: try -lr {_lower_rate(settings):g}"


def gather(settings: dict, rows: list[Row], model, loss, data) -> Evidence:
    trained, count = split(settings, data), len(data.classes)
    images, labels = _some(trained.train, trained.train_labels)
    looked = probe(0, model, loss, images, labels)
    model.training = False
    tested, truth = _some(data.test_images, data.test_labels)
    inputs, known = normalise(tested), normalise(images)
    with np.errstate(all="ignore"):
        predicted = np.bincount(model.forward(inputs).argmax(axis=1), minlength=count) / len(inputs)
    named = labels[((known * known).sum(axis=1) - 2 * inputs @ known.T).argmin(axis=1)]
    nearest = float((named == truth).mean())
    alike = float(np.bincount(named, minlength=count) @ np.bincount(truth, minlength=count)) / len(truth) ** 2
    layers = list(zip(flatten(model.layers), looked))
    linear = [row for layer, row in layers if isinstance(layer, Linear)]
    sizes = [(layer.in_num, layer.out_num) for layer, _ in layers if isinstance(layer, Linear)]
    stds = [initial_std(settings["init"], *size, settings["init_std"]) for size in sizes]
    first = stds[0] * math.sqrt(math.prod(sizes[0]))
    rate = settings["learning_rate"] / (1 - settings["momentum"])
    return Evidence(
        *(settings, _means(rows, "loss"), final_test(rows, settings["patience"] > 0).accuracy),
        *(_means(rows, "accuracy")[rows[-1].epoch], data.classes, images, trained.train_labels, linear),
        units=[row for _, row in layers if not math.isnan(row.slope)],
        stds=stds,
        grown=linear[0].weights / first if first else 1.0,
        step=max(rate * row.gradient / row.weights if row.weights else math.inf for row in linear),
        predicted=predicted,
        nearest=nearest,
        shuffled=min(len(images), len(truth)) >= 100 and abs(nearest - alike) < _deviations(alike, len(truth)),
    )


# ---- the data


def images_alike(e: Evidence) -> str | None:
    if len(e.images) > 1 and e.images.std(axis=0).max() < 3:
        pixels = f"their pixels run from {e.images.min()} to {e.images.max()}"
        return f"the training images are all but alike, {pixels}: try images that use 0 to 255"


def one_class(e: Evidence) -> str | None:
    shares = np.bincount(e.labels, minlength=len(e.classes)) / len(e.labels)
    most = int(shares.argmax())
    if shares[most] > MOST and e.predicted[most] > MOST and e.reached < 0.5:
        labels = f"as {shares[most]:.0%} of the {len(e.labels):,} training labels are"
        return f"it calls {e.predicted[most]:.0%} of the images {e.classes[most]}, {labels}: try images of all classes"


def labels_shuffled(e: Evidence) -> str | None:
    if e.shuffled and e.reached < 0.5:
        nearest = (
            f"the nearest of {len(e.images):,} training images has a test image's label in {e.nearest:.1%} of cases"
        )
        return f"the labels look shuffled, {nearest}, as by chance: check that image k and label k belong together"


def overfitted(e: Evidence) -> str | None:
    if e.learned > 0.75 and e.reached < 0.5:
        images = f"on the {len(e.labels):,} training images its accuracy is {e.learned:.0%}"
        if e.settings["train_images"] == "all":
            return f"{images}, it overfits or the test images differ: check that both sets are made alike"
        return f"{images}, it overfits: try --train-images all"


def hard(e: Evidence) -> str | None:
    if len(e.images) >= 100 and _most_frequent(e.labels) < e.nearest < e.reached < 0.5:
        nearest = f"the label of the nearest training image is right in only {e.nearest:.1%} of cases"
        return f"{nearest}, the images may not show their labels: check some of both"


# ---- the settings


def small_weights(e: Evidence) -> str | None:
    if min(e.stds) < TINY and e.settings["hidden"]:
        std = f"initial weights of standard deviation {min(e.stds):g}"
        return f"{std} leave the units of a layer alike: try --init {_init(e.settings)}"


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
    std = f"initial weights of standard deviation {e.stds[0]:g}"
    saturated = [row for row in e.units if row.slope < 0.025]  # a sigmoid's slope is 0.25 at most
    if e.settings["activation"] == "Sigmoid":
        if saturated and (e.grown < 1.5 or e.stds[0] > 10):
            slope = f"{saturated[0].name}, its mean slope is {saturated[0].slope:.1g} of 0.25"
            return f"{std} saturate {slope}: try --init xavier"
    elif e.stds[0] > 1 and e.losses[0] > 100 and e.grown < 1.5:
        return f"{std} give a loss of {e.losses[0]:.3g} before training: try --init he"


def vanishing(e: Evidence) -> str | None:
    first, last, activation = e.linear[0], e.linear[-1], e.settings["activation"]
    if first.delta >= VANISHED * last.delta or e.grown > 1.1:
        return None
    widths = [*e.settings["hidden"][1:], len(e.classes)]
    weights = math.prod(std * math.sqrt(width) for std, width in zip(e.stds[1:], widths))
    slopes = math.prod(row.slope ** (0.5 if activation == "Relu" else 1) for row in e.units)
    parts = f" (at the start {_part(weights)} by the initial weights · {_part(slopes)} by the slopes of {activation})"
    if e.settings["batch_norm"] or e.settings["residual"] or e.settings["dropout"]:  # which have a share of their own
        parts = ""
    what = f"δ at {first.name} is {_part(first.delta / last.delta)} of that at {last.name}{parts}"
    remedies = {
        f"--init {_init(e.settings)}": e.settings["init"] == "normal",
        "--dropout 0": e.settings["dropout"] > 0.5,
        "--batch-norm": not e.settings["batch_norm"],
    }
    if activation == "Sigmoid":  # whose slopes of at most 1/4 no initial weights make up for
        remedies = {"--batch-norm": remedies.pop("--batch-norm")} | remedies
    advice = next((flag for flag, helps in remedies.items() if helps), "--residual")
    return f"the gradient vanishes, {what}: try {advice}"


def momentum_high(e: Evidence) -> str | None:
    momentum = e.settings["momentum"]
    if momentum > 0.95 and e.grown > 2 and e.stds[0] > 10 * TINY:
        return f"a momentum of {momentum:g} sums up {1 / (1 - momentum):,.0f} steps, {_growth(e)}: try --momentum 0"


def loss_jumped(e: Evidence) -> str | None:
    return _rise(e, max(e.losses, key=e.losses.get), 2)


def dead_or_saturated(e: Evidence) -> str | None:
    what = {"Relu": "dead", "Sigmoid": "saturated"}.get(e.settings["activation"], "flat")
    for row in e.units:
        if row.flat_units > MOST:
            units = f"{row.flat_units:.0%} of the units of {row.name}"
            return _too_high(f"{units} are {what}, |dy/dx| < 0.01 on each of {len(e.images):,} images", e)


def weights_grown(e: Evidence) -> str | None:
    if e.grown > 20 and e.stds[0] > 10 * TINY:
        return _too_high(_growth(e), e)


def loss_rose(e: Evidence) -> str | None:
    return None if _unmoved(e) else _rise(e, max(e.losses), 1.02)


def slow(e: Evidence) -> str | None:
    rate = e.settings["learning_rate"]
    if e.step < SLOW and _unmoved(e):  # a run that has converged has small steps too
        better = 10.0 ** math.ceil(math.log10(rate * 2e-3 / e.step)) if e.step else 10 * rate
        step = f"a step changes no layer's weights by more than {e.step:.1g} of their length"
        return f"{step} at learning rate {rate:g}: try -lr {better:g}"


def linear_network(e: Evidence) -> str | None:
    last = max(e.losses)
    converged = e.losses[last] > 0.99 * e.losses[last - 1] and not _unmoved(e)
    if not e.settings["hidden"] and e.nearest > 0.5 and converged:
        nearest = f"the label of the nearest training image is right in {e.nearest:.1%} of cases"
        return f"without a hidden layer it is linear in the pixels, and {nearest}: try -n 1"


def few_steps(e: Evidence) -> str:
    last = max(e.losses)
    steps = last * math.ceil(len(e.labels) / e.settings["batch_size"])
    told = f"in {steps:,} steps the loss went from {e.losses[0]:.3g} to {e.losses[last]:.3g}"
    if steps >= 5000:
        return f"{told}, and no unit or gradient tells why: try -lr {10 * e.settings['learning_rate']:g}"
    more = "-b 10" if e.settings["batch_size"] > 100 else f"--max-epoch {10 * e.settings['max_epoch']}"
    return f"{told}, and so few say little: try {more}"


# fmt: off
CAUSES = (
    images_alike, one_class, labels_shuffled, overfitted, hard, small_weights, decay_shrinks, too_narrow,
    large_weights, vanishing, momentum_high, loss_jumped, dead_or_saturated, weights_grown, loss_rose, slow,
    linear_network, few_steps,
)
# fmt: on


def _most_frequent(labels: np.ndarray) -> float:
    return np.bincount(labels).max() / len(labels)


def _deviations(part: float, count: int) -> float:
    """Three standard deviations of a part that is found in so many draws."""
    return 3 * math.sqrt(part * (1 - part) / count)


def _some(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    chosen = np.random.default_rng(0).permutation(len(images))[:IMAGES]
    return images[chosen], labels[chosen]


def _means(rows: list[Row], field: str) -> dict[int, float]:
    """The mean over the training rows of each epoch; at 0 that on the test set before training."""
    found = {}
    for row in rows:
        if row.split == "train" or row.epoch == 0:
            found.setdefault(row.epoch, []).append(getattr(row, field))
    return {epoch: float(np.mean(values)) for epoch, values in found.items()}


def _part(number: float) -> str:
    return f"1/{1 / number:,.0f}" if 1e-6 < number < 1 else f"{number:.1g}"


def _growth(e: Evidence) -> str:
    return f"the weights of {e.linear[0].name} are {e.grown:,.0f} times as long as at the start"


def _rise(e: Evidence, epoch: int, times: float) -> str | None:
    if e.losses[epoch] > times * e.losses[0]:
        return _too_high(f"the loss rose from {e.losses[0]:.3g} to {e.losses[epoch]:.3g} in epoch {epoch}", e)


def _unmoved(e: Evidence) -> bool:
    return 0.9 < e.grown < 1.1


def _too_high(evidence: str, e: Evidence) -> str:
    return f"{evidence} at learning rate {e.settings['learning_rate']:g}: try -lr {_lower_rate(e.settings):g}"


def _init(settings: dict) -> str:
    return "xavier" if settings["activation"] == "Sigmoid" else "he"


def _lower_rate(settings: dict) -> float:
    """A rate at which this loss and activation train at any batch size tried, or a tenth."""
    return min(settings["learning_rate"] / 10, 0.1 if settings["activation"] == "Sigmoid" else 0.01)
