"""The report's 27 claims: for each its text in our words, what the report measured or argued, and its predicate.

A predicate reads a RunTable, or what the timing pass measured, and says whether the claim holds and with which
numbers. A claim of several parts holds if all of them do and holds in part if some do; the sentence says which. The
definitions are those of statistics.py and compare.py.
"""

import itertools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from experiments import compare
from experiments.figure_list import (
    ACTIVATIONS,
    AT_BATCH_10,
    BATCHES,
    DECAYS,
    EUCLIDEAN,
    FIGURES,
    HINGE,
    LOSSES,
    RATES,
    SHORT_LOSS,
    SOFTMAX,
)
from experiments.statistics import CurveStats, MissingRun, RunTable
from experiments.wording import (
    Finding,
    conclude,
    convergence,
    final_test,
    final_train,
    how_many,
    listed,
    mean_and_sd,
    percent,
    percentage_points,
    rates_of,
    tally,
    three_digits,
    verdict_of,
)

# What a verdict depends on: the runs at the audited batch size, the runs of all batch sizes, the timing pass.
CURVES, BATCH_SIZES, TIMES = "curves", "batch sizes", "times"

ALMOST_ALL = 0.95  # test accuracy that is almost everything right
STEEPEST = 0.25  # the largest slope of a sigmoid; below half of it counts as small
MANY = 1 / 3  # of the settings
VANISHING = 0.1  # δ(first)/δ(last) below this
SMOOTHED = 10_000  # samples in a point of the smoothed training curve
SCATTER = 1.05  # ratio of two times that are the same but for the noise of the machine
REPORT_SECONDS = {"Relu": 22, "Sigmoid": 29, "Gelu": 47}  # claim 12, 50 epochs
REPORT_BATCHES = {"one layer, Euclidean": (134, 29), "two layers, softmax": (191, 40)}  # claim 27, at 10 and at 200


class Claim(NamedTuple):
    number: int
    text: str  # the claim, in our words
    said: str  # what the report measured or argued
    on: str
    predicate: Callable[[RunTable], Finding] | Callable[[dict | None], Finding]

    @property
    def by_batch(self) -> bool:
        """Whether an audit at another batch size may come to another verdict."""
        return self.on == CURVES

    def check(self, table: RunTable, timing: dict | None) -> Finding:
        """What these curves and times say of it: `not measured`, with the name, if one of them is missing."""
        try:
            return self.predicate(timing if self.on == TIMES else table)
        except MissingRun as missing:
            return Finding("not measured", f"{missing}.")


CLAIMS: list[Claim] = []


def claim(number: int, text: str, said: str, on: str = CURVES):
    """Enter the function below into CLAIMS as the predicate of this claim."""

    def enter(predicate):
        CLAIMS.append(Claim(number, text, said, on, predicate))
        return predicate

    return enter


# ---- groups of curves


def by_loss(table: RunTable, layers: int = 1, activation: str = "Sigmoid") -> dict[str, CurveStats]:
    return {SHORT_LOSS[loss]: table.run(f"{layers}_{activation}_{loss}") for loss in LOSSES}


def by_activation(table: RunTable, layers: int = 1, loss: str = EUCLIDEAN) -> dict[str, CurveStats]:
    return {activation: table.run(f"{layers}_{activation}_{loss}") for activation in ACTIVATIONS}


def by_layers(table: RunTable) -> dict[str, tuple[CurveStats, CurveStats]]:
    """One and two hidden layers, by activation and loss."""
    return {
        f"{activation} {SHORT_LOSS[loss]}": tuple(table.run(f"{layers}_{activation}_{loss}") for layers in (1, 2))
        for activation in ACTIVATIONS
        for loss in LOSSES
    }


def at_equal_step(table: RunTable, layers: int = 1) -> dict[str, CurveStats]:
    """By loss, at the learning rates that give all three the first step of hinge at 0.01."""
    found = {SHORT_LOSS[loss]: table.equal_step(f"{layers}_Sigmoid_{loss}") for loss in (EUCLIDEAN, SOFTMAX)}
    return found | {SHORT_LOSS[HINGE]: table.run(f"{layers}_Sigmoid_{HINGE}")}


# ---- the claims


@claim(
    1,
    "Without a hidden layer the result stays below what one hidden layer reaches, for each loss and activation.",
    said="below in all 9 settings",
)
def without_hidden_layer(table: RunTable) -> Finding:
    without = {loss: table.run(f"0_None_{loss}") for loss in LOSSES}
    outcomes, gaps = {}, []
    for loss, activation in itertools.product(LOSSES, ACTIVATIONS):
        one = table.run(f"1_{activation}_{loss}")
        outcomes[f"{activation} {SHORT_LOSS[loss]}"] = compare.better(one, without[loss])
        gaps.append(compare.gap(one, without[loss]).mean())
    numbers = listed({SHORT_LOSS[loss]: curve for loss, curve in without.items()}, final_test)
    least, most = mean_and_sd(np.array([min(gaps)]), "+.2f", 100), percentage_points(np.array([max(gaps)]))
    return Finding(
        verdict_of(list(outcomes.values())),
        f"Below one hidden layer {tally(outcomes, 'settings')}; the hidden layer brings {least} to {most}. "
        f"Without one: {numbers}.",
    )


@claim(
    2,
    "One hidden layer, Sigmoid: hinge has the best accuracy and Euclidean the worst, on test and train.",
    said="hinge > softmax > Euclidean",
)
def order_of_losses(table: RunTable) -> Finding:
    curves = by_loss(table)
    euclidean, softmax, hinge = curves.values()
    parts = []
    for of, words in (("test_accuracy", final_test), ("train_accuracy", final_train)):
        name = of.split("_")[0]
        best = compare.better(hinge, softmax, of) and compare.better(hinge, euclidean, of)
        worst = compare.better(softmax, euclidean, of) and compare.better(hinge, euclidean, of)
        parts += [(f"hinge best on {name} ({listed(curves, words)})", best), (f"Euclidean worst on {name}", worst)]
    return conclude(parts)


@claim(
    3,
    "Same runs: the three loss values are clearly different in size and can't be compared; hinge's falls fastest.",
    said="read off figure 4",
)
def sizes_of_losses(table: RunTable) -> Finding:
    curves = by_loss(table)
    parts = []
    for when, of in (("before training", "initial_loss"), ("at the end", "test_loss")):
        ordered = sorted(curves.values(), key=lambda curve: np.mean(getattr(curve, of)))
        apart = True
        for pair in itertools.pairwise(ordered):
            small, large = (getattr(curve, of) for curve in compare.together(*pair))
            apart &= bool((large > compare.ALIKE * small).all())
        numbers = listed(curves, lambda curve, of=of: three_digits(getattr(curve, of)))
        parts.append((f"test losses {when} differ by more than a ratio of {compare.ALIKE} ({numbers})", apart))
    hinge = curves["hinge"]
    first = all(compare.lower(hinge, curves[name], "loss_left") for name in ("Euclidean", "softmax"))
    left = listed(curves, lambda curve: percent(curve.loss_left))
    parts.append((f"hinge's falls fastest (left of the initial loss after one epoch: {left})", first))
    return conclude(parts)


@claim(4, "Same runs: hinge converges fastest, Euclidean slowest.", said="read off figure 4")
def convergence_of_losses(table: RunTable) -> Finding:
    curves = by_loss(table)
    euclidean, softmax, hinge = curves.values()
    equal = at_equal_step(table)
    return conclude(
        [
            ("hinge converges fastest", compare.faster(hinge, softmax) and compare.faster(hinge, euclidean)),
            ("Euclidean slowest", compare.faster(softmax, euclidean) and compare.faster(hinge, euclidean)),
        ],
        f"Samples to 80 % train accuracy / to 95 % of the gain: {listed(curves, convergence)}. With an equal first "
        f"step (learning rates: {rates_of(equal)}): {listed(equal, convergence)}.",
    )


def _all_seconds(times: dict[str, float]) -> str:
    return listed(times, lambda seconds: f"{seconds:.3g} s") + " per epoch"


def _seconds(timing: dict | None, name: str) -> float:
    """The median of a curve's seconds per epoch in the timing pass; MissingRun if it was not timed."""
    try:
        return timing["seconds_per_epoch"][name]["median"]
    except (KeyError, TypeError):
        raise MissingRun(f"{name} has not been timed") from None


@claim(5, "Same runs: training times hardly differ.", said="hinge 29 s, Euclidean 29 s, softmax 31 s", on=TIMES)
def times_of_losses(timing: dict | None) -> Finding:
    times = {SHORT_LOSS[loss]: _seconds(timing, f"1_Sigmoid_{loss}_0.01_0.0_100") for loss in LOSSES}
    ratio = max(times.values()) / min(times.values())
    return conclude([(f"{_all_seconds(times)}: slowest to fastest {ratio:.2f}", ratio <= compare.ALIKE)])


@claim(6, "Softmax cross-entropy is a smoothed hinge, so the two train about alike.", said="an argument")
def softmax_like_hinge(table: RunTable) -> Finding:
    curves, equal = by_loss(table), at_equal_step(table)
    for each in (curves, equal):
        del each["Euclidean"]
    softmax, hinge = curves.values()
    same = compare.difference([softmax, hinge]) <= compare.NOT_NOTABLE
    return conclude(
        [
            (f"final test accuracies at most 0.5 points apart ({listed(curves, final_test)})", same),
            (
                f"convergence alike (samples to 80 % / to 95 % of the gain: {listed(curves, convergence)})",
                compare.converge_alike(softmax, hinge),
            ),
        ],
        f"With an equal first step (learning rates: {rates_of(equal)}): {listed(equal, final_test)}; "
        f"{listed(equal, convergence)}.",
    )


@claim(7, "Euclidean is worse than softmax because its target suits classification less.", said="an argument")
def euclidean_below_softmax(table: RunTable) -> Finding:
    parts = []
    for when, curves in (("at the base settings", by_loss(table)), ("with an equal first step", at_equal_step(table))):
        del curves["hinge"]
        euclidean, softmax = curves.values()
        text = f"worse {when} ({listed(curves, final_test)}; learning rates: {rates_of(curves)})"
        parts.append((text, compare.better(softmax, euclidean)))
    return conclude(parts, "Were the target the reason, it would stay worse when the first step is as large.")


@claim(
    8,
    "Euclidean climbs faster than softmax at the very start (a), because its initial loss is larger (b).",
    said="read off figure 4",
)
def euclidean_at_the_start(table: RunTable) -> Finding:
    curves = by_loss(table)
    del curves["hinge"]
    euclidean, softmax = curves.values()
    early = listed(curves, lambda curve: percent(curve.start_accuracy))
    initial = listed(curves, lambda curve: three_digits(curve.initial_loss))
    return conclude(
        [
            (
                f"(a) Euclidean climbs faster (mean train accuracy of the first 2 epochs: {early})",
                compare.better(euclidean, softmax, "start_accuracy"),
            ),
            (f"(b) its initial loss is larger ({initial})", compare.lower(softmax, euclidean, "initial_loss")),
        ]
    )


@claim(
    9,
    "One hidden layer, Euclidean: Relu slightly above Gelu in accuracy, Sigmoid clearly below both.",
    said="Relu > Gelu ≫ Sigmoid",
)
def order_of_activations(table: RunTable) -> Finding:
    curves = by_activation(table)
    sigmoid, relu, gelu = curves.values()
    slight = compare.gap(relu, gelu)
    below = [compare.clearly_better(curve, sigmoid, slight.mean()) for curve in (relu, gelu)]
    return conclude(
        [
            (f"Relu slightly above Gelu ({percentage_points(slight)})", compare.slightly_better(relu, gelu)),
            (
                f"Sigmoid clearly below both ({percentage_points(compare.gap(sigmoid, relu))} to Relu, "
                f"{percentage_points(compare.gap(sigmoid, gelu))} to Gelu)",
                all(below),
            ),
        ],
        f"Test accuracy: {listed(curves, final_test)}.",
    )


@claim(
    10,
    "Same runs: Relu's loss slightly below Gelu's, Sigmoid's far above; loss falls as accuracy rises.",
    said="Relu < Gelu ≪ Sigmoid",
)
def losses_of_activations(table: RunTable) -> Finding:
    curves = by_activation(table)
    sigmoid, relu, gelu = curves.values()
    slight = np.mean(compare.gap(gelu, relu, "test_loss"))
    far = [np.mean(compare.gap(sigmoid, curve, "test_loss")) >= 2 * abs(slight) for curve in (relu, gelu)]
    far += [compare.lower(curve, sigmoid, "test_loss") for curve in (relu, gelu)]
    falls = all((curve.correlation < 0).all() for curve in curves.values())
    return conclude(
        [
            ("Relu's loss below Gelu's", compare.lower(relu, gelu, "test_loss")),
            ("Sigmoid's above both by at least twice the difference between those", all(far)),
            (
                "loss falls as accuracy rises (correlation over the epochs: "
                f"{listed(curves, lambda curve: three_digits(curve.correlation))})",
                falls,
            ),
        ],
        f"Test loss: {listed(curves, lambda curve: three_digits(curve.test_loss))}.",
    )


@claim(11, "Same runs: Relu and Gelu converge alike, Sigmoid slowest and lowest.", said="read off figure 5")
def convergence_of_activations(table: RunTable) -> Finding:
    curves = by_activation(table)
    sigmoid, relu, gelu = curves.values()
    return conclude(
        [
            ("Relu and Gelu converge alike", compare.converge_alike(relu, gelu)),
            ("Sigmoid slowest", compare.faster(relu, sigmoid) and compare.faster(gelu, sigmoid)),
            (
                f"Sigmoid lowest (train accuracy: {listed(curves, final_train)})",
                all(compare.better(curve, sigmoid, "train_accuracy") for curve in (relu, gelu)),
            ),
        ],
        f"Samples to 80 % train accuracy / to 95 % of the gain: {listed(curves, convergence)}.",
    )


@claim(
    12,
    "Same runs: training takes Relu less time than Sigmoid, and Sigmoid less than Gelu.",
    said="22 s < 29 s < 47 s (Gelu differentiated numerically)",
    on=TIMES,
)
def times_of_activations(timing: dict | None) -> Finding:
    times = {name: _seconds(timing, f"1_{name}_{EUCLIDEAN}_0.01_0.0_100") for name in REPORT_SECONDS}
    parts = []
    for slow, fast in (("Sigmoid", "Relu"), ("Gelu", "Sigmoid")):
        ratio, said = times[slow] / times[fast], REPORT_SECONDS[slow] / REPORT_SECONDS[fast]
        text = f"{fast} takes less than {slow}, by a ratio above {SCATTER:.2f} ({ratio:.2f}, report {said:.2f})"
        parts.append((text, ratio > SCATTER))
    return conclude(parts, f"{_all_seconds(times)}.")


@claim(
    13,
    "Sigmoid lags there because Euclidean's large initial loss keeps it where its derivative is small.",
    said="an argument",
)
def small_derivative(table: RunTable) -> Finding:
    losses, sigmoid = by_loss(table), table.run(f"1_Sigmoid_{EUCLIDEAN}")
    slopes = [sigmoid.slope(epoch)[:, 0] for epoch in (0, 1)]
    larger = all(compare.lower(losses[name], sigmoid, "initial_loss") for name in ("softmax", "hinge"))
    initial = listed(losses, lambda curve: three_digits(curve.initial_loss))
    return conclude(
        [
            (f"Euclidean's initial loss is larger than the others' ({initial})", larger),
            (
                f"the mean slope of its sigmoids is small, below half of the largest possible {STEEPEST} "
                f"(epoch 0: {three_digits(slopes[0])}, epoch 1: {three_digits(slopes[1])})",
                all((slope < STEEPEST / 2).all() for slope in slopes),
            ),
        ]
    )


@claim(
    14,
    "No overfitting in these runs; test loss and test accuracy are negatively correlated.",
    said="read off the figures",
)
def no_overfitting(table: RunTable) -> Finding:
    names = [name.rsplit("_", 1)[0] for number in AT_BATCH_10 for name in FIGURES[number][1]]
    curves = [table.named(f"{name}_{table.batch}") for name in dict.fromkeys(names)]
    overfit = [
        f"{curve.name} ({curve.overfits.sum()} of {len(curve.overfits)} seeds{', failed' * curve.failed})"
        for curve in curves
        if curve.overfits.any()
    ]
    moving = [curve for curve in curves if np.isfinite(curve.correlation).all()]
    positive = [curve.name for curve in moving if not (curve.correlation < 0).all()]
    return conclude(
        [
            (f"no curve of figures 2 to 10 overfits in any seed ({how_many(overfit, len(curves))})", not overfit),
            (
                "test loss and test accuracy are negatively correlated over the epochs, in every curve and seed "
                f"(not so: {how_many(positive, len(moving))})",
                not positive,
            ),
        ],
        f"Without a correlation, as the accuracy never moves or the run diverged: {len(curves) - len(moving)}.",
    )


@claim(15, "One hidden layer already gets almost everything right.", said="read off figure 3")
def almost_everything(table: RunTable) -> Finding:
    curves = {name: one for name, (one, _) in by_layers(table).items()}
    outcomes = {name: bool((curve.test_accuracy >= ALMOST_ALL).all()) for name, curve in curves.items()}
    return Finding(
        verdict_of(list(outcomes.values())),
        f"At least {100 * ALMOST_ALL:.0f} % in every seed {tally(outcomes, 'settings')}. "
        f"Test accuracy: {listed(curves, final_test)}.",
    )


@claim(
    16,
    "Two hidden layers bring no significant gain over one, and many settings are worse.",
    said="figure 6 against figure 3",
)
def second_layer(table: RunTable) -> Finding:
    both = by_layers(table)
    gained = [name for name, (one, two) in both.items() if compare.better(two, one)]
    worse = [name for name, (one, two) in both.items() if compare.better(one, two)]
    changes = listed(both, lambda pair: percentage_points(compare.gap(pair[1], pair[0])))
    return conclude(
        [
            (f"the second layer makes no setting better ({how_many(gained, len(both))})", not gained),
            (f"many, at least a third, are worse ({how_many(worse, len(both))})", len(worse) >= MANY * len(both)),
        ],
        f"Two layers against one: {changes}.",
    )


@claim(
    17,
    "At the base settings two Sigmoid layers with softmax and with Euclidean fail to train; with hinge they train.",
    said="softmax and Euclidean fail",
)
def hinge_alone_trains(table: RunTable) -> Finding:
    curves = by_loss(table, layers=2)
    euclidean, softmax, hinge = curves.values()
    chance = [name for name, curve in curves.items() if curve.at_chance]
    return conclude(
        [
            (f"softmax fails ({final_test(softmax)})", softmax.failed),
            (f"Euclidean fails ({final_test(euclidean)})", euclidean.failed),
            (f"hinge trains ({final_test(hinge)})", hinge.trained),
        ],
        f"At chance, almost all predictions in one class: {', '.join(chance) or 'none'}.",
    )


def _ratios(curve: CurveStats) -> str:
    return " and ".join(three_digits(curve.delta_ratio(epoch)) for epoch in (0, 1))


def _vanishes(curve: CurveStats) -> bool:
    return all(bool((curve.delta_ratio(epoch) < VANISHING).all()) for epoch in (0, 1))


def _vanishes_more(first: CurveStats, second: CurveStats) -> bool:
    first, second = compare.together(first, second)
    return all(bool((first.delta_ratio(epoch) < second.delta_ratio(epoch)).all()) for epoch in (0, 1))


@claim(18, "The reason is vanishing gradients; the more Sigmoid layers, the worse.", said="an argument")
def vanishing_gradients(table: RunTable) -> Finding:
    parts, trained_yet = [], []
    for loss in LOSSES:
        curves, one = by_activation(table, 2, loss), table.run(f"1_Sigmoid_{loss}")
        sigmoid = curves["Sigmoid"]
        trained_yet += [
            f"{name} {SHORT_LOSS[loss]}" for name, each in curves.items() if _vanishes(each) and each.trained
        ]
        if loss == HINGE:
            continue
        smallest = all(_vanishes_more(sigmoid, curves[other]) for other in ("Relu", "Gelu"))
        parts += [
            (
                f"{SHORT_LOSS[loss]}: δ(first)/δ(last) at epochs 0 and 1 below {VANISHING} and smallest for Sigmoid "
                f"({listed(curves, _ratios)})",
                _vanishes(sigmoid) and smallest,
            ),
            (
                f"{SHORT_LOSS[loss]}: smaller with two Sigmoid layers than with one ({_ratios(one)})",
                _vanishes_more(sigmoid, one),
            ),
        ]
    sizes = listed(
        by_loss(table, 2), lambda curve: " → ".join(three_digits(layer) for layer in curve.gradient_ratio(0).T)
    )
    return conclude(
        parts,
        f"Below {VANISHING} as well and yet trained: {', '.join(trained_yet) or 'none'}. Gradient/weights with two "
        f"Sigmoid layers at epoch 0, first → last layer: {sizes}.",
    )


@claim(19, "Hinge alone trains there because it is the more expressive loss.", said="an argument")
def more_expressive(table: RunTable) -> Finding:
    equal, base = at_equal_step(table, 2), by_loss(table, layers=2)
    slow_hinge, fast_softmax = table.run(f"2_Sigmoid_{HINGE}", 0.001), table.run(f"2_Sigmoid_{SOFTMAX}", 0.1)
    parts = [
        (
            f"{name} still does not train with a first step as large as hinge's "
            f"(learning rate {equal[name].settings['learning_rate']:g}: {final_test(equal[name])})",
            not equal[name].trained,
        )
        for name in ("Euclidean", "softmax")
    ]
    if fast_softmax.name != equal["softmax"].name:
        parts.append((f"nor does softmax at 0.1 ({final_test(fast_softmax)})", not fast_softmax.trained))
    parts.append((f"hinge trains at 0.001, a step like theirs ({final_test(slow_hinge)})", slow_hinge.trained))
    at_output = listed(base, lambda curve: three_digits(curve.delta(0)[:, -1]))
    whole = listed(base, lambda curve: three_digits(curve.first_gradient))
    return conclude(
        parts,
        f"Before training at the base settings: RMS of one image's δ at the output {at_output}; length of the whole "
        f"gradient of the probe images, which cancel in part, {whole}.",
    )


@claim(20, "Raising the learning rate from 0.01 to 1 makes two Sigmoid layers with softmax train.", said="trains at 1")
def rate_makes_it_train(table: RunTable) -> Finding:
    low, high = (table.run(f"2_Sigmoid_{SOFTMAX}", rate) for rate in (0.01, 1.0))
    return conclude(
        [
            (f"does not train at 0.01 ({final_test(low)})", not low.trained),
            (f"trains at 1 ({final_test(high)})", high.trained),
        ]
    )


@claim(21, "Two Sigmoid layers with Euclidean stay hard to train at any learning rate.", said="trains at no rate")
def hard_at_any_rate(table: RunTable) -> Finding:
    curves = {f"{rate:g}:": table.run(f"2_Sigmoid_{EUCLIDEAN}", rate) for rate in RATES}
    trains = [name.rstrip(":") for name, curve in curves.items() if curve.trained]
    text = f"trains at {', '.join(trains) or 'no rate'} (test accuracy at {listed(curves, final_test)})"
    return conclude([(text, not trains)])


def _residual(values: np.ndarray) -> str:
    return f"{mean_and_sd(values, '.3f', 100)} points"


@claim(
    22,
    "One Sigmoid layer, Euclidean: (a) below 0.01, a smaller rate lowers test accuracy (underfitting); (b) a "
    "larger rate converges faster; (c) and less steadily, most of all 1 against 0.1; (d) the author's guess: "
    "above 0.1 the final result suffers.",
    said="figure 7; (d) a guess",
)
def learning_rates(table: RunTable) -> Finding:
    curves = {rate: table.run(f"1_Sigmoid_{EUCLIDEAN}", rate) for rate in RATES}
    low, lower_rate, base, tenth, one = curves.values()
    pairs = [
        (f"{slow:g} to {fast:g}", curves[slow], curves[fast])
        for slow, fast in itertools.pairwise(RATES)
        if np.isfinite(np.append(curves[slow].samples_to_80, curves[fast].samples_to_80)).any()
    ]
    speeds = {name: compare.faster(fast, slow) for name, slow, fast in pairs}
    noises = {rate: curve.residual_sd() for rate, curve in curves.items()}
    rises = [compare.steadier(curves[slow], curves[fast]) for slow, fast in itertools.pairwise(RATES)]
    steps = np.diff([noise.mean() for noise in noises.values()])
    named = {f"{rate:g}:": curve for rate, curve in curves.items()}
    return conclude(
        [
            (
                "(a) below 0.01 test accuracy falls with the rate",
                compare.better(base, lower_rate) and compare.better(lower_rate, low),
            ),
            (
                f"(b) a larger rate converges faster ({tally(speeds, 'steps')}, leaving out those between rates that "
                f"never reach 80 %; samples to 80 % / to 95 % of the gain at {listed(named, convergence)})",
                bool(speeds) and all(speeds.values()),
            ),
            (
                "(c) and less steadily, most of all 1 against 0.1 (residual standard deviation of train accuracy at "
                + ", ".join(f"{rate:g}: {_residual(noise)}" for rate, noise in noises.items())
                + ")",
                all(rises) and bool(np.argmax(steps) == len(steps) - 1),
            ),
            ("(d) 1 ends below 0.1", compare.better(tenth, one)),
        ],
        f"Test accuracy at {listed(named, final_test)}.",
    )


@claim(23, "At learning rate 0.01 most models with another activation train.", said="most")
def others_train(table: RunTable) -> Finding:
    curves = {
        f"{layers}_{activation}_{SHORT_LOSS[loss]}": table.run(f"{layers}_{activation}_{loss}")
        for layers in (1, 2)
        for activation in ACTIVATIONS
        if activation != "Sigmoid"
        for loss in LOSSES
    }
    outcomes = {name: curve.trained for name, curve in curves.items()}
    worst = min(curves.values(), key=lambda curve: np.nan_to_num(curve.test_accuracy).mean())
    text = f"trained {tally(outcomes, 'models with Relu or Gelu')}; the worst is {worst.name} at {final_test(worst)}"
    return conclude([(text, sum(outcomes.values()) > len(outcomes) / 2)])


@claim(
    24,
    "Accuracy falls, basically, as weight decay grows, for both models; at 1 both sit at chance.",
    said="about 0.105 at 1",
)
def weight_decay(table: RunTable) -> Finding:
    parts = []
    for curve, rate in ((f"2_Gelu_{HINGE}", 0.01), (f"2_Sigmoid_{SOFTMAX}", 1.0)):
        name = f"{curve.split('_')[1]} {SHORT_LOSS[curve.split('_')[2]]}"
        runs = {f"{decay:g}:": table.run(curve, rate, decay) for decay in (0.0, *DECAYS)}
        largest = runs["1:"]
        rises = any(compare.better(more, less) for less, more in itertools.pairwise(runs.values()))
        falls = compare.better(runs["0:"], largest) and not rises
        share = percent(largest.class_share)
        parts += [
            (f"{name} falls and never rises by 0.3 points (test accuracy at {listed(runs, final_test)})", falls),
            (f"{name} is at chance at 1 ({share} of the predictions in one class)", largest.at_chance),
        ]
    return conclude(parts)


def _batch_curves(table: RunTable) -> dict[str, dict[int, CurveStats]]:
    curves = {
        "one layer, Euclidean": (f"1_Sigmoid_{EUCLIDEAN}", 0.01),
        "two layers, softmax": (f"2_Sigmoid_{SOFTMAX}", 1),
    }
    return {
        name: {size: table.run(curve, rate, batch=size) for size in BATCHES} for name, (curve, rate) in curves.items()
    }


@claim(
    25,
    "After 50 epochs batch size makes no notable difference to final accuracy.",
    said="figures 11 and 12",
    on=BATCH_SIZES,
)
def batch_and_accuracy(table: RunTable) -> Finding:
    parts = []
    for name, curves in _batch_curves(table).items():
        apart = compare.difference(list(curves.values()))
        numbers = listed({f"{size}:": curve for size, curve in curves.items()}, final_test)
        text = f"{name}: final means at most 0.5 points apart ({100 * apart:.2f} points; at batch size {numbers})"
        parts.append((text, apart <= compare.NOT_NOTABLE))
    return conclude(parts)


@claim(26, "A larger batch gives a smoother training curve.", said="figure 13", on=BATCH_SIZES)
def batch_and_steadiness(table: RunTable) -> Finding:
    parts = []
    for name, curves in _batch_curves(table).items():
        for per_point, what in (
            (None, "a logged point"),
            (SMOOTHED, f"{SMOOTHED:,} samples a point"),
        ):
            smoother = compare.steadier(curves[max(BATCHES)], curves[min(BATCHES)], per_point)
            numbers = ", ".join(f"{size}: {_residual(curve.residual_sd(per_point))}" for size, curve in curves.items())
            parts.append((f"{name}, {what}: steadier at {max(BATCHES)} than at {min(BATCHES)} ({numbers})", smoother))
    return conclude(parts, "Residual standard deviation of train accuracy about its moving median, by batch size.")


@claim(
    27,
    "A larger batch trains faster.",
    said="50 epochs, batch 200 against 10: 29 s against 134 s (one layer, Euclidean), 40 s against 191 s (two, "
    "softmax)",
    on=TIMES,
)
def times_of_batches(timing: dict | None) -> Finding:
    curves = (f"1_Sigmoid_{EUCLIDEAN}_0.01_0.0", f"2_Sigmoid_{SOFTMAX}_1.0_0.0")
    parts = []
    for (name, (small, large)), curve in zip(REPORT_BATCHES.items(), curves):
        times = {f"at {size}": _seconds(timing, f"{curve}_{size}") for size in (10, 200)}
        ratio = times["at 10"] / times["at 200"]
        text = f"{name}: {_all_seconds(times)}, a ratio of {ratio:.1f} (report {small / large:.1f})"
        parts.append((text, ratio > compare.ALIKE))
    return conclude(parts)
