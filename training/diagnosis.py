"""Why did it not train? One sentence, with its evidence and one thing to try, about a run that failed.

Every cause is an `if` over its evidence, and yields its sentence.
"""

import math
from collections.abc import Iterator

import numpy as np

from layers import Linear, flatten, initial_std
from load_data import normalise
from training.epochs import split
from training.metrics import Row, final_test
from training.probe import IMAGES, probe

MOST = 0.9  # of the units of a layer, of the training labels, of the predictions
VANISHED = 0.005  # δ at the first layer over that at the last; one Sigmoid layer, which trains, begins at 0.008
TINY = 1e-4  # standard deviation of initial weights that nothing can be told apart by
SLOW = 1e-4  # a step that changes no layer's weights by more than this part of their length


class Evidence:
    """What the causes look at: the settings and rows of a run, and its last weights on at most 1,000 images a set.

    Those are drawn at random: in a set that is sorted by label, the first 1,000 are of one class.
    """

    def __init__(self, settings: dict, rows: list[Row], model, loss, data):
        trained, count = split(settings, data), len(data.classes)
        self.settings, self.classes = settings, data.classes
        self.labels, self.steps = trained.train_labels, trained.steps  # all that it trains on, steps of an epoch
        self.losses = _means(rows, "loss")  # on the training set in each epoch; at 0 on the test set before training
        self.learned = _means(rows, "accuracy")[rows[-1].epoch]  # accuracy on the training set in the last epoch
        self.reached = final_test(rows, settings["patience"] > 0).accuracy  # on the test set

        self.images, labels = _some(trained.train, trained.train_labels)
        probed = probe(0, model, loss, self.images, labels)
        linear = [(layer, row) for layer, row in zip(flatten(model.layers), probed) if isinstance(layer, Linear)]
        sizes = [(layer.in_num, layer.out_num) for layer, _ in linear]
        self.linear = [row for _, row in linear]  # from the first layer
        self.units = [row for row in probed if not math.isnan(row.slope)]  # the activations
        self.stds = [initial_std(settings["init"], *size, settings["init_std"]) for size in sizes]
        begun = self.stds[0] * math.sqrt(math.prod(sizes[0]))  # length of the first layer's initial weights
        self.grown = self.linear[0].weights / begun if begun else 1.0  # that of its weights, in lengths of those
        rate = settings["learning_rate"] / (1 - settings["momentum"])
        steps = [rate * row.gradient / row.weights if row.weights else math.inf for row in self.linear]
        self.step = max(steps)  # length of a step over that of the weights, in the layer where it is largest

        tested, truth = _some(data.test_images, data.test_labels)
        inputs, known = normalise(tested), normalise(self.images)
        model.training = False
        with np.errstate(all="ignore"):
            predicted = model.forward(inputs).argmax(axis=1)
        self.predicted = np.bincount(predicted, minlength=count) / len(inputs)  # shares of the classes
        named = labels[((known * known).sum(axis=1) - 2 * inputs @ known.T).argmin(axis=1)]
        self.nearest = float((named == truth).mean())  # accuracy of the label of the nearest training image
        # Is that what it would be if the labels of the test set were shuffled?
        alike = float(np.bincount(named, minlength=count) @ np.bincount(truth, minlength=count)) / len(truth) ** 2
        enough = min(len(labels), len(truth)) >= 100
        self.shuffled = enough and abs(self.nearest - alike) < _deviations(alike, len(truth))


def diagnose(settings: dict, rows: list[Row], model, loss, data) -> str | None:
    """Return the sentence about a run that ended below 50 % test accuracy or at chance; None if it trained.

    Changes no weight, no state and no random stream, but the gradients.
    """
    end, chance = final_test(rows, settings["patience"] > 0), _most_frequent(data.test_labels)
    # Of a small test set, and of one that is nearly all of one class, three deviations would ask for more than 100 %.
    at_chance = chance + min(_deviations(chance, len(data.test_labels)), (1 - chance) / 2)
    if end is None or len(data.classes) == 1 or end.accuracy >= max(0.5, at_chance):
        return None
    sentence = next(causes(Evidence(settings, rows, model, loss, data)))
    return f"it ended at {end.accuracy:.2%} on the test set: {sentence}"


def why_diverged(settings: dict, epoch: int) -> str:
    """Return what to try after a run that diverged in this epoch (0: before training)."""
    rate, decay, momentum = (settings[key] for key in ("learning_rate", "weight_decay", "momentum"))
    std, margin = settings["init_std"], settings["margin"]
    if rate * decay >= 1:
        return f"each step turns the weights round, learning rate · weight decay is {rate * decay:g}: try -w 0.0001"
    if epoch == 0 or std > 1:
        if margin > 1e6 and settings["loss"] == "HingeLoss":
            return f"the margin {margin:g} is too large: try --margin 5"
        return f"the initial weights are too large, init_std is {std:g}: try --init {_init(settings)}"
    if momentum > 0.95:
        return f"a momentum of {momentum:g} sums up {1 / (1 - momentum):,.0f} steps: try --momentum 0"
    return f"learning rate {rate:g} is too high: try -lr {_lower_rate(settings):g}"


def causes(e: Evidence) -> Iterator[str]:
    """Yield the sentence of every cause that shows, the most certain first; the last one always shows."""
    yield from _in_the_data(e)
    yield from _in_the_settings(e)
    yield from _in_the_gradients(e)
    yield from _in_the_steps(e)


def _in_the_data(e: Evidence) -> Iterator[str]:
    if len(e.images) > 1 and e.images.std(axis=0).max() < 3:
        pixels = f"their pixels run from {e.images.min()} to {e.images.max()}"
        yield f"the training images are all but alike, {pixels}: try images that use 0 to 255"
    shares = np.bincount(e.labels, minlength=len(e.classes)) / len(e.labels)
    most = int(shares.argmax())
    if e.reached < 0.5 and shares[most] > MOST and e.predicted[most] > MOST:
        labels = f"as {shares[most]:.0%} of the {len(e.labels):,} training labels are"
        yield f"it calls {e.predicted[most]:.0%} of the images {e.classes[most]}, {labels}: try images of all classes"
    if e.reached < 0.5 and e.shuffled:
        nearest = (
            f"the nearest of {len(e.images):,} training images has a test image's label in {e.nearest:.1%} of cases"
        )
        yield f"the labels look shuffled, {nearest}, as by chance: check that image k and label k belong together"
    if e.reached < 0.5 and e.learned > 0.75:
        way = ": try --train-images all"
        if e.settings["train_images"] == "all":
            way = " or the test images differ: check that both sets are made alike"
        yield f"on the {len(e.labels):,} training images its accuracy is {e.learned:.0%}, it overfits{way}"
    if len(e.images) >= 100 and shares[most] < e.nearest < e.reached < 0.5:
        nearest = f"the label of the nearest training image is right in only {e.nearest:.1%} of cases"
        yield f"{nearest}, the images may not show their labels: check some of both"


def _in_the_settings(e: Evidence) -> Iterator[str]:
    decay, dropout, classes = e.settings["weight_decay"], e.settings["dropout"], len(e.classes)
    if min(e.stds) < TINY and e.settings["hidden"]:
        std = f"initial weights of standard deviation {min(e.stds):g}"
        yield f"{std} leave the units of a layer alike: try --init {_init(e.settings)}"
    if decay and e.grown < 0.5:
        weights = f"the weights of {e.linear[0].name} to {e.grown:.1%} of their length"
        yield f"weight decay {decay:g} has shrunk {weights}: try -w 0.0001"
    width = min(e.settings["hidden"], default=math.inf)
    if width < classes / 2:
        yield f"a hidden layer of width {width} is narrow for {classes} classes: try --hidden 100"
    elif width * (1 - dropout) < classes / 2:
        yield f"dropout {dropout:g} leaves {width * (1 - dropout):.2g} of {width} units in a step: try --dropout 0.5"
    std = f"initial weights of standard deviation {e.stds[0]:g}"
    if e.settings["activation"] == "Sigmoid":
        saturated = [row for row in e.units if row.slope < 0.025]  # a sigmoid's slope is 0.25 at most
        if saturated and (e.grown < 1.5 or e.stds[0] > 10):
            slope = f"{saturated[0].name}, its mean slope is {saturated[0].slope:.1g} of 0.25"
            yield f"{std} saturate {slope}: try --init xavier"
    elif e.stds[0] > 1 and e.losses[0] > 100 and e.grown < 1.5:
        yield f"{std} give a loss of {e.losses[0]:.3g} before training: try --init he"


def _in_the_gradients(e: Evidence) -> Iterator[str]:
    first, last, activation = e.linear[0], e.linear[-1], e.settings["activation"]
    if first.delta >= VANISHED * last.delta or e.grown > 1.1:
        return
    widths = [*e.settings["hidden"][1:], len(e.classes)]
    weights = math.prod(std * math.sqrt(width) for std, width in zip(e.stds[1:], widths))
    slopes = math.prod(row.slope ** (0.5 if activation == "Relu" else 1) for row in e.units)
    parts = f" (at the start {_part(weights)} by the initial weights · {_part(slopes)} by the slopes of {activation})"
    if e.settings["batch_norm"] or e.settings["residual"] or e.settings["dropout"]:  # which have a share of their own
        parts = ""
    remedies = {
        f"--init {_init(e.settings)}": e.settings["init"] == "normal",
        "--dropout 0": e.settings["dropout"] > 0.5,
        "--batch-norm": not e.settings["batch_norm"],
    }
    if activation == "Sigmoid":  # whose slopes of at most 1/4 no initial weights make up for
        remedies = {"--batch-norm": remedies.pop("--batch-norm")} | remedies
    advice = next((flag for flag, helps in remedies.items() if helps), "--residual")
    part = f"δ at {first.name} is {_part(first.delta / last.delta)} of that at {last.name}"
    yield f"the gradient vanishes, {part}{parts}: try {advice}"


def _in_the_steps(e: Evidence) -> Iterator[str]:
    rate, momentum, batch_size = (e.settings[key] for key in ("learning_rate", "momentum", "batch_size"))
    last, worst = max(e.losses), max(e.losses, key=e.losses.get)
    unmoved, tiny = 0.9 < e.grown < 1.1, e.stds[0] <= 10 * TINY
    too_high = f"at learning rate {rate:g}: try -lr {_lower_rate(e.settings):g}"
    growth = f"the weights of {e.linear[0].name} are {e.grown:,.0f} times as long as at the start"
    rose = f"the loss rose from {e.losses[0]:.3g} to"
    if momentum > 0.95 and e.grown > 2 and not tiny:
        yield f"a momentum of {momentum:g} sums up {1 / (1 - momentum):,.0f} steps, {growth}: try --momentum 0"
    if e.losses[worst] > 2 * e.losses[0]:
        yield f"{rose} {e.losses[worst]:.3g} in epoch {worst} {too_high}"
    flat = next((row for row in e.units if row.flat_units > MOST), None)
    if flat:
        what = {"Relu": "dead", "Sigmoid": "saturated"}.get(e.settings["activation"], "flat")
        units = f"{flat.flat_units:.0%} of the units of {flat.name} are {what}"
        yield f"{units}, |dy/dx| < 0.01 on each of {len(e.images):,} images {too_high}"
    if e.grown > 20 and not tiny:
        yield f"{growth} {too_high}"
    if not unmoved and e.losses[last] > 1.02 * e.losses[0]:
        yield f"{rose} {e.losses[last]:.3g} in epoch {last} {too_high}"
    if unmoved and e.step < SLOW:  # a run that has converged has small steps too
        better = 10.0 ** math.ceil(math.log10(rate * 2e-3 / e.step)) if e.step else 10 * rate
        step = f"a step changes no layer's weights by more than {e.step:.1g} of their length"
        yield f"{step} at learning rate {rate:g}: try -lr {better:g}"
    converged = not unmoved and e.losses[last] > 0.99 * e.losses[last - 1]
    if converged and not e.settings["hidden"] and e.nearest > 0.5:
        nearest = f"the label of the nearest training image is right in {e.nearest:.1%} of cases"
        yield f"without a hidden layer it is linear in the pixels, and {nearest}: try -n 1"
    steps = last * e.steps
    told = f"in {steps:,} steps the loss went from {e.losses[0]:.3g} to {e.losses[last]:.3g}"
    more = "-b 10" if batch_size > 100 else f"--max-epoch {10 * e.settings['max_epoch']}"
    why = f"no unit or gradient tells why: try -lr {10 * rate:g}" if steps >= 5000 else f"so few say little: try {more}"
    yield f"{told}, and {why}"


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


def _init(settings: dict) -> str:
    return "xavier" if settings["activation"] == "Sigmoid" else "he"


def _lower_rate(settings: dict) -> float:
    """A rate at which this loss and activation train at any batch size tried, or a tenth."""
    return min(settings["learning_rate"] / 10, 0.1 if settings["activation"] == "Sigmoid" else 0.01)
