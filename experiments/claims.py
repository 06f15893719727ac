"""The report's claims: for each its text in our words, what the report measured or argued, and its predicate.

The table CLAIMS is at the end. A predicate reads a RunTable, or what the timing pass measured, and says whether the
claim holds and with which numbers. A claim of several parts holds if all of them do and holds in part if some do; the
sentence says which. The definitions are those of statistics.py and compare.py. What the report did not ask is in
questions.py.
"""

import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from experiments import compare
from experiments.figure_list import (
    ACTIVATIONS,
    AT_BATCH_10,
    BASE,
    BATCHES,
    BEST_OF,
    DECAYS,
    EUCLIDEAN,
    EUCLIDEAN_1,
    FIGURES,
    GELU_2,
    HINGE,
    LOSSES,
    RATES,
    SHORT_LOSS,
    SOFTMAX,
    SOFTMAX_2,
    SWEEPS,
    in_words,
)
from experiments.statistics import TRAINED, CurveStats, MissingRun, RunTable
from experiments.wording import (
    Finding,
    at,
    conclude,
    convergence,
    does_not_apply,
    epochs,
    final_test,
    final_train,
    how_many,
    listed,
    mean_and_sd,
    means,
    percent,
    percentage_points,
    rates_of,
    scatter,
    tally,
    three_digits,
    verdict_of,
)

# What a claim is: something seen, a reason given for it, a time, a guess.
OBSERVATION, EXPLANATION, TIMING, GUESS = "observation", "explanation", "timing", "guess"

# What a verdict depends on: the runs at the audited batch size, runs that are there once, the timing pass.
CURVES, ONCE, TIMES = "curves", "once", "times"

ALMOST_ALL = 0.95  # test accuracy that is almost everything right
STEEPEST = 0.25  # the largest slope of a sigmoid; below half of it counts as small
MANY = 1 / 3  # of the settings
VANISHING = 0.1  # δ(first)/δ(last) below this
# What makes δ small, and the remedy of figure 16 that takes its factor out.
FACTORS = {"initial weights": "weights N(0, 0.178²)", "sigmoids": "weights N(0, 0.04²)"}
REPORT_SECONDS = {"Relu": 22, "Sigmoid": 29, "Gelu": 47}  # claim 12, 50 epochs
# Claims 25 to 28: the curve, its learning rate, and the report's seconds for 50 epochs at batch 10 and at 200.
BATCH_CURVES = {
    "one layer, Euclidean": (EUCLIDEAN_1, 0.01, (134, 29)),
    "two layers, softmax": (SOFTMAX_2, 1.0, (191, 40)),
}
SMALL, LARGE = min(BATCHES), max(BATCHES)


class Claim(NamedTuple):
    number: int
    kind: str
    figure: str  # where it is seen
    on: str
    predicate: Callable[[RunTable], Finding] | Callable[[dict | None], Finding]
    short: str  # in at most twelve words, ours
    said: str  # what the report measured or argued
    in_full: str = ""  # where it has parts

    @property
    def text(self) -> str:
        return self.in_full or f"{self.short}."

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


# ---- groups of curves


def by_loss(table: RunTable, layers: int = 1, activation: str = "Sigmoid") -> dict[str, CurveStats]:
    return {SHORT_LOSS[loss]: table.run(f"{layers}_{activation}_{loss}") for loss in LOSSES}


def by_activation(table: RunTable, layers: int = 1, loss: str = EUCLIDEAN) -> dict[str, CurveStats]:
    return {activation: table.run(f"{layers}_{activation}_{loss}") for activation in ACTIVATIONS}


def by_layers(table: RunTable) -> dict[str, tuple[CurveStats, CurveStats]]:
    """One and two hidden layers, by activation and loss."""
    return {
        f"{activation} {SHORT_LOSS[loss]}": tuple(table.run(f"{layers}_{activation}_{loss}") for layers in (1, 2))
        for activation, loss in itertools.product(ACTIVATIONS, LOSSES)
    }


def by_batch_size(table: RunTable) -> dict[str, dict[int, CurveStats]]:
    """The curves of figures 11 and 12, by batch size."""
    return {
        name: {size: table.run(curve, rate, batch=size) for size in BATCHES}
        for name, (curve, rate, _) in BATCH_CURVES.items()
    }


def at_equal_gradient(table: RunTable, layers: int = 1) -> dict[str, CurveStats]:
    """By loss, at the learning rates that give all three the output gradient of hinge at 0.01."""
    found = {SHORT_LOSS[loss]: table.equal_gradient(f"{layers}_Sigmoid_{loss}") for loss in (EUCLIDEAN, SOFTMAX)}
    return found | {SHORT_LOSS[HINGE]: table.run(f"{layers}_Sigmoid_{HINGE}")}


def remedied(table: RunTable, loss: str, remedy: str) -> CurveStats:
    """The curve of figure 16 for a loss, by its short name, and one remedy."""
    return table.named(SWEEPS[16][loss][""][remedy])


def _without(curves: dict[str, CurveStats], name: str) -> dict[str, CurveStats]:
    return {other: curve for other, curve in curves.items() if other != name}


# ---- the claims


def without_hidden_layer(table: RunTable) -> Finding:
    without, outcomes, gaps = by_loss(table, 0, "None"), {}, []
    for loss, activation in itertools.product(LOSSES, ACTIVATIONS):
        name, one = SHORT_LOSS[loss], table.run(f"1_{activation}_{loss}")
        outcomes[f"{activation} {name}"] = compare.better(one, without[name])
        gaps.append(compare.gap(one, without[name]))
    smallest, largest = (chosen(gaps, key=np.mean).mean() for chosen in (min, max))
    least, most = mean_and_sd(np.array([smallest]), "+.2f", 100), percentage_points(np.array([largest]))
    return Finding(
        verdict_of(list(outcomes.values())),
        f"Below one hidden layer {tally(outcomes, 'settings')}; the hidden layer brings {least} to {most}. "
        f"Without one: {listed(without, final_test)}.",
        f"one hidden layer brings {least} to {most}",
        any(compare.near(each, compare.BETTER) for each in gaps),
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
    near = compare.near(compare.gap(hinge, softmax), compare.BETTER)
    return conclude(parts, key=means(curves), near=near)


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
    context = "At output 0 they are ½, ln 10 and 9 · 5, whatever the network: the formulas say so."
    return conclude(parts, context, f"at the start {listed(curves, lambda c: f'{c.initial_loss.mean():.3g}')}")


def convergence_of_losses(table: RunTable) -> Finding:
    curves, equal = by_loss(table), at_equal_gradient(table)
    euclidean, softmax, hinge = curves.values()
    fastest = compare.faster(hinge, softmax) and compare.faster(hinge, euclidean)
    slowest = compare.faster(softmax, euclidean) and compare.faster(hinge, euclidean)
    alike = compare.is_alike(euclidean.samples_to_80.mean(), softmax.samples_to_80.mean())
    but = f" (Euclidean and softmax alike, up to a ratio of {compare.ALIKE})" if alike else ""
    return conclude(
        [("hinge converges fastest", fastest), ("Euclidean slowest", slowest)],
        f"Epochs to 80 % train accuracy / to 95 % of the gain: {listed(curves, convergence)}. With an equal output "
        f"gradient (learning rates: {rates_of(equal)}): {listed(equal, convergence)}.",
        f"epochs to 80 %: {listed(curves, _mean_epochs)}{but}",
    )


def _mean_epochs(curve: CurveStats) -> str:
    mean = curve.samples_to_80.mean() / curve.samples
    return f"{mean:.1f}" if np.isfinite(mean) else "never"


def _timed(timing: dict | None, names: dict[str, str]) -> dict[str, dict]:
    """What the timing pass measured of these curves; MissingRun if it did not."""
    for name in names.values():
        if name not in (timing or {}).get("seconds_per_epoch", {}):
            raise MissingRun(f"{name} has not been timed")
    return {words: timing["seconds_per_epoch"][name] for words, name in names.items()}


def _seconds(times: dict[str, dict]) -> str:
    return listed(times, lambda each: f"{each['median']:.3g} s ({each['min']:.3g}–{each['max']:.3g})") + " per epoch"


def times_of_losses(timing: dict | None) -> Finding:
    times = _timed(timing, {SHORT_LOSS[loss]: f"1_Sigmoid_{loss}_{BASE}" for loss in LOSSES})
    fastest, *_, slowest = sorted(times.values(), key=lambda each: each["median"])
    ratio, alike = slowest["median"] / fastest["median"], not compare.times_differ(slowest, fastest)
    return conclude([(f"{_seconds(times)}: equal, slowest to fastest {ratio:.3f}", alike)], key=f"ratio {ratio:.3f}")


def softmax_like_hinge(table: RunTable) -> Finding:
    parts, gaps = [], []
    for when, curves in (("at equal rates", by_loss(table)), ("at an equal gradient", at_equal_gradient(table))):
        curves = _without(curves, "Euclidean")
        softmax, hinge = curves.values()
        gaps.append(compare.gap(softmax, hinge))
        close = compare.difference([softmax, hinge]) <= compare.NOT_NOTABLE
        text = f"{when} ({rates_of(curves)}) test accuracies at most 0.5 points apart ({listed(curves, final_test)})"
        parts.append((text, close))
        text = f"convergence alike (epochs to 80 % / to 95 % of the gain: {listed(curves, convergence)})"
        parts.append((text, compare.converge_alike(softmax, hinge)))
    key = f"softmax − hinge {percentage_points(gaps[0])}, at an equal gradient {percentage_points(gaps[1])}"
    return conclude(parts, key=key, near=any(compare.near(abs(gap), compare.NOT_NOTABLE) for gap in gaps))


def euclidean_below_softmax(table: RunTable) -> Finding:
    sigmoid, equal = (_without(curves, "hinge") for curves in (by_loss(table), at_equal_gradient(table)))
    outcomes, gaps = {}, {}
    for layers, activation in itertools.product((1, 2), ("Relu", "Gelu")):
        name, curves = f"{layers}_{activation}", by_loss(table, layers, activation)
        outcomes[name] = compare.better(curves["softmax"], curves["Euclidean"])
        gaps[name] = compare.gap(curves["softmax"], curves["Euclidean"])
    worse = compare.better(sigmoid["softmax"], sigmoid["Euclidean"])
    by_target = (
        f"(b) were it the target, it would be worse with any activation: {tally(outcomes, 'settings')}, "
        f"softmax − Euclidean {listed(gaps, percentage_points)}"
    )
    return conclude(
        [
            (f"(a) with one Sigmoid layer it is worse ({listed(sigmoid, final_test)})", worse),
            (by_target, all(outcomes.values())),
        ],
        f"With an equal output gradient (learning rates: {rates_of(equal)}): {listed(equal, final_test)}.",
        f"worse with Relu and Gelu {tally(outcomes, 'settings')}",
        any(compare.near(gap, compare.BETTER) for gap in gaps.values()),
    )


def euclidean_at_the_start(table: RunTable) -> Finding:
    curves = _without(by_loss(table), "hinge")
    euclidean, softmax = curves.values()
    early = listed(curves, lambda curve: percent(curve.start_accuracy))
    faster = compare.better(euclidean, softmax, "start_accuracy")
    initial = listed(curves, lambda curve: three_digits(curve.initial_loss))
    larger = compare.lower(softmax, euclidean, "initial_loss")
    return conclude(
        [
            (f"(a) Euclidean climbs faster (mean train accuracy of the first 2 epochs: {early})", faster),
            (f"(b) its initial loss is larger ({initial})", larger),
        ],
        key=f"initial loss {listed(curves, lambda curve: f'{curve.initial_loss.mean():.3g}')}",
    )


def order_of_activations(table: RunTable) -> Finding:
    curves = by_activation(table)
    sigmoid, relu, gelu = curves.values()
    slight = compare.gap(relu, gelu)
    below = all(compare.clearly_better(curve, sigmoid, slight.mean()) for curve in (relu, gelu))
    to_relu, to_gelu = (percentage_points(compare.gap(sigmoid, curve)) for curve in (relu, gelu))
    return conclude(
        [
            (f"Relu slightly above Gelu ({percentage_points(slight)})", compare.slightly_better(relu, gelu)),
            (f"Sigmoid clearly below both ({to_relu} to Relu, {to_gelu} to Gelu)", below),
        ],
        f"Test accuracy: {listed(curves, final_test)}.",
        means(curves),
        compare.near(slight, compare.BETTER) or compare.near(slight, compare.SLIGHTLY),
    )


def losses_of_activations(table: RunTable) -> Finding:
    curves = by_activation(table)
    sigmoid, relu, gelu = curves.values()
    slight = np.mean(compare.gap(gelu, relu, "test_loss"))
    far = all(
        np.mean(compare.gap(sigmoid, curve, "test_loss")) >= 2 * abs(slight)
        and compare.lower(curve, sigmoid, "test_loss")
        for curve in (relu, gelu)
    )
    falls = all((curve.correlation < 0).all() for curve in curves.values())
    correlations = listed(curves, lambda curve: three_digits(curve.correlation))
    return conclude(
        [
            ("Relu's loss below Gelu's", compare.lower(relu, gelu, "test_loss")),
            ("Sigmoid's above both by at least twice the difference between those", far),
            (f"loss falls as accuracy rises (correlation over the epochs: {correlations})", falls),
        ],
        f"Test loss: {listed(curves, lambda curve: three_digits(curve.test_loss))}.",
        listed(curves, lambda curve: f"{curve.mean('test_loss'):.3f}"),
    )


def convergence_of_activations(table: RunTable) -> Finding:
    curves = by_activation(table)
    sigmoid, relu, gelu = curves.values()
    slowest = compare.faster(relu, sigmoid) and compare.faster(gelu, sigmoid)
    lowest = all(compare.better(curve, sigmoid, "train_accuracy") for curve in (relu, gelu))
    return conclude(
        [
            ("Relu and Gelu converge alike", compare.converge_alike(relu, gelu)),
            ("Sigmoid slowest", slowest),
            (f"Sigmoid lowest (train accuracy: {listed(curves, final_train)})", lowest),
        ],
        f"Epochs to 80 % train accuracy / to 95 % of the gain: {listed(curves, convergence)}.",
        f"epochs to 80 %: {listed(curves, _mean_epochs)}",
    )


def times_of_activations(timing: dict | None) -> Finding:
    times = _timed(timing, {name: f"1_{name}_{EUCLIDEAN}_{BASE}" for name in REPORT_SECONDS})
    parts, ratios = [], []
    for slow, fast in (("Sigmoid", "Relu"), ("Gelu", "Sigmoid")):
        ratios.append(f"{times[slow]['median'] / times[fast]['median']:.3f}")
        said = f"{REPORT_SECONDS[slow] / REPORT_SECONDS[fast]:.2f}"
        text = f"{slow} takes longer than {fast} (ratio {ratios[-1]}, report {said})"
        parts.append((text, compare.times_differ(times[slow], times[fast])))
    return conclude(parts, f"{_seconds(times)}.", f"ratios {', '.join(ratios)}")


def small_derivative(table: RunTable) -> Finding:
    losses, (sigmoid, fast) = by_loss(table), (table.run(EUCLIDEAN_1, rate) for rate in (0.01, 1.0))
    larger = all(compare.lower(losses[name], sigmoid, "initial_loss") for name in ("softmax", "hinge"))
    initial = listed(losses, lambda curve: three_digits(curve.initial_loss))
    slopes = {f"epoch {epoch}": sigmoid.slope(epoch)[:, 0] for epoch in (0, 1, 50)}
    recorded = [slope for slope in slopes.values() if np.isfinite(slope).all()]
    small = (
        f"the mean slope of its sigmoids is small at each epoch, below half of the largest possible {STEEPEST} "
        f"({listed(slopes, three_digits)})"
    )
    at_the_end = listed(losses, lambda curve: three_digits(curve.slope(50)[:, 0]))
    return conclude(
        [
            (f"Euclidean's initial loss is larger than the others' ({initial})", larger),
            (small, all((slope < STEEPEST / 2).all() for slope in recorded)),
        ],
        f"At epoch 50, by loss: {at_the_end}. At learning rate 1 it does happen: "
        f"{percent(fast.flat_units(50)[:, 0])} of its units are flat on every image then.",
        f"slope {three_digits(recorded[-1])} of {STEEPEST}",
        any(compare.near(slope, STEEPEST / 2) for slope in recorded),
    )


def no_overfitting(table: RunTable) -> Finding:
    names = [name.rsplit("_", 1)[0] for number in AT_BATCH_10 for name in FIGURES[number][1]]
    curves = [table.named(f"{name}_{table.batch}") for name in dict.fromkeys(names)]
    curves = [curve for curve in curves if curve.trained]
    overfit = [curve.name for curve in curves if curve.mostly_overfits]
    positive = [curve.name for curve in curves if not (curve.correlation < 0).all()]
    none_overfits = (
        "no curve of figures 2 to 10 that trained overfits in two of three seeds: test loss above train loss and more "
        f"than 5 % above its minimum ({how_many(overfit, len(curves))})"
    )
    correlated = (
        "test loss and test accuracy are negatively correlated over the epochs, in each of these curves and every seed "
        f"(not so: {how_many(positive, len(curves))})"
    )
    parts = [(none_overfits, not overfit), (correlated, not positive)]
    return conclude(parts, key=f"{len(overfit)} of {len(curves)} overfit")


def almost_everything(table: RunTable) -> Finding:
    curves = {name: one for name, (one, _) in by_layers(table).items()}
    outcomes = {name: bool((curve.test_accuracy >= ALMOST_ALL).all()) for name, curve in curves.items()}
    lowest, highest = (100 * chosen(curve.mean() for curve in curves.values()) for chosen in (min, max))
    return Finding(
        verdict_of(list(outcomes.values())),
        f"At least {100 * ALMOST_ALL:.0f} % in every seed {tally(outcomes, 'settings')}. "
        f"Test accuracy: {listed(curves, final_test)}.",
        f"{lowest:.2f} to {highest:.2f} %, {tally(outcomes, 'settings').split(' (')[0]} at least 95",
        any(compare.near(np.nan_to_num(curve.test_accuracy), ALMOST_ALL) for curve in curves.values()),
    )


def second_layer(table: RunTable) -> Finding:
    both = by_layers(table)
    gaps = {name: compare.gap(two, one) for name, (one, two) in both.items()}
    train = {name: compare.gap(two, one, "train_accuracy") for name, (one, two) in both.items()}
    gained = [name for name, each in gaps.items() if (each >= compare.SIGNIFICANT).all()]
    worse = [name for name, (one, two) in both.items() if compare.better(one, two)]
    return conclude(
        [
            (f"no setting gains 1 point or more in every seed ({how_many(gained, len(both))})", not gained),
            (f"many, at least a third, are worse ({how_many(worse, len(both))})", len(worse) >= MANY * len(both)),
        ],
        f"Two layers against one: {listed(gaps, percentage_points)}. On the training set: "
        f"{listed(train, percentage_points)}.",
        f"{len(gained)} gain a point, {len(worse)} of {len(both)} are worse",
        any(compare.near(each, compare.SIGNIFICANT) for each in gaps.values()),
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
        means(curves),
    )


def vanishing_gradients(table: RunTable) -> Finding:
    failed = {name: curve for name, curve in by_loss(table, layers=2).items() if name in SWEEPS[16] and curve.failed}
    if not failed:
        return does_not_apply(f"all train here ({listed(by_loss(table, layers=2), final_test)})", "all train")
    parts, trained_yet, near = [], [], False
    for loss in LOSSES:
        curves, one = by_activation(table, 2, loss), table.run(f"1_Sigmoid_{loss}")
        sigmoid, name = curves["Sigmoid"], SHORT_LOSS[loss]
        trained_yet += [f"{other} {name}" for other, each in curves.items() if _vanishes(each) and each.trained]
        if name not in failed:
            continue
        small = f"{name}: δ(first)/δ(last) at epochs 0 and 1 below {VANISHING} and smallest for Sigmoid"
        smallest = all(_vanishes_more(sigmoid, curves[other]) for other in ("Relu", "Gelu"))
        parts.append((f"{small} ({listed(curves, _ratios)})", _vanishes(sigmoid) and smallest))
        smaller = f"{name}: smaller with two Sigmoid layers than with one ({_ratios(one)})"
        parts.append((smaller, _vanishes_more(sigmoid, one)))
    for factor, remedy in FACTORS.items():
        without = {name: remedied(table, name, remedy) for name in failed}
        text = f"without the factor of the {factor}, by {remedy}, they train ({listed(without, final_test)})"
        parts.append((text, all(curve.trained for curve in without.values())))
        near |= any(compare.near(curve.test_accuracy, TRAINED) for curve in without.values())
    faster = {name: remedied(table, name, "learning rate × 10") for name in failed}
    trained_yet += [f"Sigmoid {name} at 0.1" for name, curve in faster.items() if _vanishes(curve) and curve.trained]
    said = f"what has such a ratio fails (below {VANISHING} and yet trained: {', '.join(trained_yet) or 'none'})"
    parts.append((said, not trained_yet and all(_vanishes(curve) for curve in failed.values())))
    falls = taken_apart(next(iter(failed.values())))
    key = f"δ falls to {falls}; {len(trained_yet)} train with a ratio below {VANISHING}"
    return conclude(parts, f"Before training it is {falls}.", key, near)


def taken_apart(curve: CurveStats) -> str:
    """δ(first)/δ(last) before training, and what settings and widths alone make of it.

    A layer's W, of deviation s and with K outputs, multiplies the size of δ by s √K; a sigmoid at 0 by 1/4.
    """
    std, (_, *widths) = curve.settings["init_std"], [*curve.settings["hidden"], 10]
    by_weights = 1 / math.prod(std * math.sqrt(width) for width in widths)
    by_sigmoids = STEEPEST ** -len(curve.settings["hidden"])
    products = " × ".join(f"{std:g}·√{width}" for width in widths)
    return (
        f"1/{1 / curve.delta_ratio(0).mean():,.0f} (the initial weights' {products} = 1/{by_weights:,.0f} times the "
        f"sigmoids' 1/{by_sigmoids:,.0f} is 1/{by_weights * by_sigmoids:,.0f})"
    )


def _ratios(curve: CurveStats) -> str:
    return " and ".join(three_digits(curve.delta_ratio(epoch)) for epoch in (0, 1))


def _vanishes(curve: CurveStats) -> bool:
    return all(bool((curve.delta_ratio(epoch) < VANISHING).all()) for epoch in (0, 1))


def _vanishes_more(first: CurveStats, second: CurveStats) -> bool:
    first, second = compare.together(first, second)
    return all(bool((first.delta_ratio(epoch) < second.delta_ratio(epoch)).all()) for epoch in (0, 1))


def more_expressive(table: RunTable) -> Finding:
    equal, base = at_equal_gradient(table, 2), by_loss(table, layers=2)
    if any(base[name].trained for name in ("Euclidean", "softmax")):
        return does_not_apply(f"hinge is not alone here ({listed(base, final_test)})", "not alone")
    slow_hinge, fast_softmax = table.run(f"2_Sigmoid_{HINGE}", 0.001), table.run(SOFTMAX_2, 0.1)
    parts = []
    for name, curve in _without(equal, "hinge").items():
        there = f"learning rate {curve.settings['learning_rate']:g}: {final_test(curve)}"
        text = f"{name} does not train even with an output gradient as large as hinge's ({there})"
        parts.append((text, not curve.trained))
    if fast_softmax.name != equal["softmax"].name:
        parts.append((f"nor does softmax at 0.1 ({final_test(fast_softmax)})", not fast_softmax.trained))
    parts.append((f"hinge trains at 0.001, a step like theirs ({final_test(slow_hinge)})", slow_hinge.trained))
    at_output = listed(base, lambda curve: three_digits(curve.delta(0)[:, -1]))
    first_layer = listed(base, lambda curve: three_digits(curve.first_share))
    return conclude(
        parts,
        f"Before training at the base settings: RMS of one image's δ at the output {at_output}; the first layer's "
        f"share of the length of the whole gradient {first_layer}.",
        f"at an equal gradient {means(equal)}",
    )


def rate_makes_it_train(table: RunTable) -> Finding:
    low, high = (table.run(SOFTMAX_2, rate) for rate in (0.01, 1.0))
    if low.trained:
        return does_not_apply(f"it trains at 0.01 ({final_test(low)})", f"{means({'at 0.01:': low})} %")
    text = f"does not train at 0.01 ({final_test(low)}) and trains at 1 ({final_test(high)})"
    return conclude([(text, high.trained)], key=means({"0.01:": low, "1:": high}))


def hard_at_any_rate(table: RunTable) -> Finding:
    curves = {rate: table.run(f"2_Sigmoid_{EUCLIDEAN}", rate) for rate in RATES}
    trains = f"trains at {', '.join(f'{rate:g}' for rate, curve in curves.items() if curve.trained) or 'no rate'}"
    finals = {name: 100 * np.nan_to_num(curve.test_accuracy) for name, curve in at(curves).items()}
    seeds = listed(finals, lambda each: " / ".join(f"{final:.1f}" for final in each))
    none = not any(curve.trained for curve in curves.values())
    return conclude([(f"{trains} (test accuracy of each seed at {seeds} %)", none)], key=trains)


def learning_rates(table: RunTable) -> Finding:
    curves = {rate: table.run(EUCLIDEAN_1, rate) for rate in RATES}
    low, lower_rate, base, tenth, one = curves.values()
    below = compare.better(base, lower_rate) and compare.better(lower_rate, low)
    speeds = {
        f"{slow:g} to {fast:g}": compare.faster(curves[fast], curves[slow])
        for slow, fast in itertools.pairwise(RATES)
        if np.isfinite(np.append(curves[slow].samples_to_80, curves[fast].samples_to_80)).any()
    }
    faster = (
        f"(b) a larger rate converges faster ({tally(speeds, 'steps')}, leaving out those between rates that never "
        f"reach 80 %; epochs to 80 % / to 95 % of the gain at {listed(at(curves), convergence)})"
    )
    moving = {rate: curve for rate, curve in curves.items() if not curve.at_chance}
    all_move = len(moving) == len(RATES)
    rises = all(compare.smoother(slow, fast, "test") for slow, fast in itertools.pairwise(moving.values()))
    steps = np.diff([curve.residual_sd("test").mean() for curve in moving.values()])
    most = all_move and bool(np.argmax(steps) == len(steps) - 1)
    rougher = (
        "(c) and less steadily, most of all 1 against 0.1 (deviation of test accuracy at "
        f"{listed(at(moving), _residual)}{'' if all_move else '; a run at chance has no noise to compare'})"
    )
    return conclude(
        [
            ("(a) below 0.01 test accuracy falls with the rate", below),
            (faster, bool(speeds) and all(speeds.values())),
            (rougher, rises and most),
            ("(d) 1 ends below 0.1", compare.better(tenth, one)),
        ],
        f"Test accuracy at {listed(at(curves), final_test)}.",
        means(at(curves)),
    )


def _residual(curve: CurveStats, split: str = "test") -> str:
    return scatter(curve.residual_sd(split))


def others_train(table: RunTable) -> Finding:
    curves = {
        f"{layers}_{activation}_{SHORT_LOSS[loss]}": table.run(f"{layers}_{activation}_{loss}")
        for layers, activation, loss in itertools.product((1, 2), ("Relu", "Gelu"), LOSSES)
    }
    outcomes = {name: curve.trained for name, curve in curves.items()}
    worst = min(curves.values(), key=CurveStats.mean)
    text = f"trained {tally(outcomes, 'models with Relu or Gelu')}; the worst is {worst.name} at {final_test(worst)}"
    key = f"{sum(outcomes.values())} of {len(outcomes)} train"
    return conclude([(text, sum(outcomes.values()) > len(outcomes) / 2)], key=key)


def weight_decay(table: RunTable) -> Finding:
    parts, keys, losses = [], [], []
    for curve, rate in ((GELU_2, 0.01), (SOFTMAX_2, 1.0)):
        name, runs = in_words(curve), {decay: table.run(curve, rate, decay) for decay in (0.0, *DECAYS)}
        without, largest = runs[0.0], runs[1.0]
        falls, harmless, left_out = {}, 0.0, ""
        for (less, first), (more, second) in itertools.pairwise(runs.items()):
            step = f"{less:g} to {more:g}"
            if first.at_chance and second.at_chance:
                left_out = f", leaving out {step}, both at chance"
            else:
                falls[step] = compare.better(first, second)
            if harmless == less and compare.difference([without, second]) <= compare.NOT_NOTABLE:
                harmless = more
        at_each = f"{tally(falls, 'steps')}{left_out}; test accuracy at {listed(at(runs), final_test)}"
        parts.append((f"{name} falls at each step ({at_each})", all(falls.values())))
        share = f"{percent(largest.class_share)} of the predictions in one class"
        parts.append((f"{name} is at chance at 1 ({share})", largest.at_chance))
        effect = f"no effect up to {harmless:g}" if harmless else f"harm from {DECAYS[0]:g}"
        keys.append(f"{name}: {effect}")
        losses.append(f"{name} {three_digits(without.test_loss)} and {three_digits(runs[0.001].test_loss)}")
    return conclude(parts, f"Final test loss without and at 0.001: {', '.join(losses)}.", "; ".join(keys))


def batch_and_accuracy(table: RunTable) -> Finding:
    parts, keys = [], []
    for name, curves in by_batch_size(table).items():
        apart = compare.difference(curves.values())
        keys.append(f"{100 * apart:.2f}")
        numbers = f"{keys[-1]} points; at batch size {listed(at(curves), final_test)}"
        parts.append((f"{name}: final means at most 0.5 points apart ({numbers})", apart <= compare.NOT_NOTABLE))
    equal = [100 * compare.difference(pair) for pair in table.pairs() if pair[0].trained and pair[1].trained]
    context = (
        f"At equal learning rate / batch size the {len(equal)} pairs at 100 and 10 that both train end "
        f"{np.median(equal):.2f} points apart in the median, {max(equal):.2f} at most."
        if equal
        else ""
    )
    return conclude(parts, context, f"{' and '.join(keys)} points at a fixed rate")


def batch_and_smoothness(table: RunTable) -> Finding:
    parts, trains, keys = [], [], []
    for name, curves in by_batch_size(table).items():
        text = f"{name}: test accuracy scatters less at {LARGE} than at {SMALL} ({listed(at(curves), _residual)})"
        parts.append((text, compare.smoother(curves[LARGE], curves[SMALL], "test")))
        counted = listed(at(curves), lambda curve: f"{_residual(curve, 'train')}, {scatter(curve.counting_sd())}")
        trains.append(f"{name} {counted}")
        small, large = (scatter(curves[size].residual_sd("test"), ".2f") for size in (SMALL, LARGE))
        keys.append(f"{name}: {small} at {SMALL}, {large} at {LARGE}")
    return conclude(
        parts,
        "Robust deviation about a moving median, the same 10,000 images at every point. A logged training point counts "
        f"50 batches and scatters by that alone (deviation, and what counting alone brings): {'; '.join(trains)}.",
        "; ".join(keys),
    )


def times_of_batches(timing: dict | None) -> Finding:
    parts, ratios = [], []
    for name, (curve, rate, (small, large)) in BATCH_CURVES.items():
        times = _timed(timing, {f"at {size}": f"{curve}_{rate}_0.0_{size}" for size in (SMALL, LARGE)})
        slow, fast = times.values()
        ratios.append(f"{slow['median'] / fast['median']:.1f}")
        text = f"{name}: {_seconds(times)}, a ratio of {ratios[-1]} (report {small / large:.1f})"
        parts.append((text, compare.times_differ(slow, fast)))
    return conclude(parts, key=f"ratios {', '.join(ratios)}")


def batch_and_samples(table: RunTable) -> Finding:
    parts, keys = [], []
    for name, curves in by_batch_size(table).items():
        reached = listed(at(curves), lambda curve: epochs(curve.samples_to_80, curve.samples))
        text = f"{name}: {SMALL} reaches 80 % train accuracy in fewer epochs than {LARGE} (at batch size {reached})"
        parts.append((text, compare.lower(curves[SMALL], curves[LARGE], "samples_to_80")))
        keys.append(f"{_mean_epochs(curves[SMALL])} against {_mean_epochs(curves[LARGE])} epochs")
    return conclude(parts, "All of it at a fixed learning rate.", "; ".join(keys))


def decay_at_the_best_rate(table: RunTable) -> Finding:
    """Each model's learning rate against all others that were tried: none better."""
    parts, keys = [], []
    for curve, chosen, rates in ((GELU_2, 0.01, BEST_OF), (SOFTMAX_2, 1.0, RATES)):
        name, runs = in_words(curve), {rate: table.run(curve, rate) for rate in rates}
        above = [f"{rate:g}" for rate in rates if rate != chosen and compare.better(runs[rate], runs[chosen])]
        text = f"{name}: no rate is better than {chosen:g} (test accuracy at {listed(at(runs), final_test)})"
        parts.append((text, not above))
        keys.append(f"{name}: " + (f"better at {' and '.join(above)}" if above else f"{chosen:g} is best"))
    return conclude(parts, key="; ".join(keys))


def jumps_between_optima(table: RunTable) -> Finding:
    curve = table.run(EUCLIDEAN_1, 1.0)
    flat, share = curve.flat_units(50)[:, 0], curve.class_share
    text = (
        f"at learning rate 1, {percent(flat)} of the units are flat on every image, and {percent(share)} of the test "
        "images get one class"
    )
    return conclude([(text, bool((flat < 1).all() and not curve.at_chance))], key=f"{percent(flat)} of the units flat")


# fmt: off
CLAIMS = (
    Claim(1, OBSERVATION, "2", CURVES, without_hidden_layer,
          "Without a hidden layer every setting stays below one hidden layer", "cannot reach the expected effect"),
    Claim(2, OBSERVATION, "4", CURVES, order_of_losses,
          "One Sigmoid layer: hinge is best and Euclidean worst, test and train", "hinge > softmax > Euclidean"),
    Claim(3, OBSERVATION, "4", CURVES, sizes_of_losses,
          "The three loss values differ in size; hinge's falls fastest", "read off figure 4"),
    Claim(4, OBSERVATION, "4", CURVES, convergence_of_losses,
          "One Sigmoid layer: hinge converges fastest, Euclidean slowest", "read off figure 4"),
    Claim(5, TIMING, "times", TIMES, times_of_losses,
          "The three losses take equal time", "hinge 29 s, Euclidean 29 s, softmax 31 s"),
    Claim(6, EXPLANATION, "4", CURVES, softmax_like_hinge,
          "Softmax is a smoothed hinge, so the two train about alike", "an argument"),
    Claim(7, EXPLANATION, "3", CURVES, euclidean_below_softmax,
          "Euclidean is worse than softmax, because its target suits less", "an argument",
          "Euclidean is worse than softmax (a) because its target suits classification less (b)."),
    Claim(8, EXPLANATION, "4", CURVES, euclidean_at_the_start,
          "Euclidean starts faster than softmax, because its initial loss is larger", "read off figure 4",
          "Euclidean climbs faster than softmax at the very start (a), because its initial loss is larger (b)."),
    Claim(9, OBSERVATION, "5", CURVES, order_of_activations,
          "Euclidean: Relu slightly above Gelu, Sigmoid clearly below both", "Relu > Gelu ≫ Sigmoid"),
    Claim(10, OBSERVATION, "5", CURVES, losses_of_activations,
          "Relu's loss slightly below Gelu's, Sigmoid's far above", "Relu < Gelu ≪ Sigmoid"),
    Claim(11, OBSERVATION, "5", CURVES, convergence_of_activations,
          "Relu and Gelu converge alike, Sigmoid slowest and lowest", "read off figure 5"),
    Claim(12, TIMING, "times", TIMES, times_of_activations,
          "Relu takes less time than Sigmoid, Sigmoid less than Gelu",
          "22 s < 29 s < 47 s (Gelu differentiated numerically)"),
    Claim(13, EXPLANATION, "5", CURVES, small_derivative,
          "Sigmoid lags because Euclidean's loss keeps its derivative small", "an argument"),
    Claim(14, OBSERVATION, "6", CURVES, no_overfitting,
          "No overfitting; test loss and test accuracy correlate negatively",
          "no obvious overfitting; basically negatively correlated"),
    Claim(15, OBSERVATION, "3", CURVES, almost_everything,
          "One hidden layer already gets almost everything right", "read off figure 3"),
    Claim(16, OBSERVATION, "6", CURVES, second_layer,
          "A second layer brings no significant gain; many settings get worse", "figure 6 against figure 3"),
    Claim(17, OBSERVATION, "6", CURVES, hinge_alone_trains,
          "Two Sigmoid layers: softmax and Euclidean fail, hinge trains", "softmax and Euclidean fail"),
    Claim(18, EXPLANATION, "gradients", CURVES, vanishing_gradients,
          "They fail because gradients vanish; the more Sigmoid layers, the worse", "an argument"),
    Claim(19, EXPLANATION, "6", CURVES, more_expressive,
          "Hinge alone trains there because it is the more expressive loss", "an argument"),
    Claim(20, OBSERVATION, "8", CURVES, rate_makes_it_train,
          "Learning rate 1 instead of 0.01 makes softmax train there", "trains at 1"),
    Claim(21, OBSERVATION, "", CURVES, hard_at_any_rate,
          "Two Sigmoid layers, Euclidean: hard to train at any learning rate", "trains at no rate"),
    Claim(22, OBSERVATION, "7", CURVES, learning_rates,
          "One Sigmoid layer: smaller rates underfit, larger ones are faster, rougher", "figure 7; (d) a guess",
          "One Sigmoid layer, Euclidean: (a) below 0.01, a smaller rate lowers test accuracy (underfitting); (b) a "
          "larger rate converges faster; (c) and less steadily, most of all 1 against 0.1; (d) the author's guess: "
          "above 0.1 the final result suffers."),
    Claim(23, OBSERVATION, "6", CURVES, others_train,
          "At 0.01 most models with another activation train", "most"),
    Claim(24, OBSERVATION, "9, 10", CURVES, weight_decay,
          "Accuracy falls as weight decay grows; at 1 both sit at chance", "about 0.105 at 1"),
    Claim(25, OBSERVATION, "11, 12", ONCE, batch_and_accuracy,
          "Batch size makes no notable difference to final accuracy", "figures 11 and 12"),
    Claim(26, OBSERVATION, "13", ONCE, batch_and_smoothness,
          "A larger batch gives a smoother training curve", "figure 13"),
    Claim(27, TIMING, "times", TIMES, times_of_batches,
          "A larger batch trains faster",
          "50 epochs at 200 and at 10: 29 s and 134 s (one layer, Euclidean), 40 s and 191 s (two layers, softmax)"),
    Claim(28, OBSERVATION, "13", ONCE, batch_and_samples,
          "A large batch wastes data, a small one uses it fully", "figure 13"),
    Claim(29, OBSERVATION, "9, 10", ONCE, decay_at_the_best_rate,
          "Weight decay was tried on each model at its optimal learning rate", "each at its optimal learning rate"),
    Claim(30, GUESS, "7", CURVES, jumps_between_optima,
          "At a high rate the model jumps between local optima", "a guess, figure 7"),
)
# fmt: on
