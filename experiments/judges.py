"""The judges of accuracy, convergence and loss (claims 1 to 4, 6 to 11 and 13 to 16): each reads a Book.

A claim of several parts holds if all of them do and holds in part if some do; the sentence says which.
"""

import itertools

import numpy as np

from experiments import compare
from experiments.compare import better, faster, gap, lower, together
from experiments.figures import ACTIVATIONS, AT_BATCH_10, FIGURES, LOSSES
from experiments.judging import (
    EUCLIDEAN,
    SHORT,
    Verdict,
    at_equal_step,
    by_activation,
    by_layers,
    by_loss,
    convergence,
    final_test,
    final_train,
    judged,
    listed,
    number,
    percent,
    points,
    rates_of,
    spread,
    tally,
    which,
    word,
)
from experiments.measures import Book

ALMOST_ALL = 0.95  # test accuracy that is almost everything right
STEEPEST = 0.25  # the largest slope of a sigmoid; below half of it counts as small
MANY = 1 / 3  # of the settings


def without_hidden_layer(book: Book) -> Verdict:
    without = {loss: book.run(f"0_None_{loss}") for loss in LOSSES}
    outcomes, gaps = {}, []
    for loss, activation in itertools.product(LOSSES, ACTIVATIONS):
        one = book.run(f"1_{activation}_{loss}")
        outcomes[f"{activation} {SHORT[loss]}"] = better(one, without[loss])
        gaps.append(gap(one, without[loss]).mean())
    numbers = listed({SHORT[loss]: curve for loss, curve in without.items()}, final_test)
    return Verdict(
        word(list(outcomes.values())),
        f"Below one hidden layer {tally(outcomes, 'settings')}; the hidden layer brings "
        f"{spread(np.array([min(gaps)]), '+.2f', 100)} to {points(np.array([max(gaps)]))}. Without one: {numbers}.",
    )


def order_of_losses(book: Book) -> Verdict:
    curves = by_loss(book)
    euclidean, softmax, hinge = curves.values()
    parts = []
    for of, words in (("test_accuracy", final_test), ("train_accuracy", final_train)):
        name = of.split("_")[0]
        best = better(hinge, softmax, of) and better(hinge, euclidean, of)
        worst = better(softmax, euclidean, of) and better(hinge, euclidean, of)
        parts += [(f"hinge best on {name} ({listed(curves, words)})", best), (f"Euclidean worst on {name}", worst)]
    return judged(parts)


def sizes_of_losses(book: Book) -> Verdict:
    curves = by_loss(book)
    parts = []
    for when, of in (("before training", "initial_loss"), ("at the end", "test_loss")):
        ordered = sorted(curves.values(), key=lambda curve: np.mean(getattr(curve, of)))
        apart = True
        for pair in itertools.pairwise(ordered):
            small, large = (getattr(curve, of) for curve in together(*pair))
            apart &= bool((large > compare.ALIKE * small).all())
        numbers = listed(curves, lambda curve, of=of: number(getattr(curve, of)))
        parts.append((f"test losses {when} differ by more than a ratio of {compare.ALIKE} ({numbers})", apart))
    hinge = curves["hinge"]
    first = all(lower(hinge, curves[name], "loss_left") for name in ("Euclidean", "softmax"))
    left = listed(curves, lambda curve: percent(curve.loss_left))
    parts.append((f"hinge's falls fastest (left of the initial loss after one epoch: {left})", first))
    return judged(parts)


def convergence_of_losses(book: Book) -> Verdict:
    curves = by_loss(book)
    euclidean, softmax, hinge = curves.values()
    equal = at_equal_step(book)
    return judged(
        [
            ("hinge converges fastest", faster(hinge, softmax) and faster(hinge, euclidean)),
            ("Euclidean slowest", faster(softmax, euclidean) and faster(hinge, euclidean)),
        ],
        f"Samples to 80 % train accuracy / to 95 % of the gain: {listed(curves, convergence)}. With an equal first "
        f"step (learning rates: {rates_of(equal)}): {listed(equal, convergence)}.",
    )


def softmax_like_hinge(book: Book) -> Verdict:
    curves, equal = by_loss(book), at_equal_step(book)
    for each in (curves, equal):
        del each["Euclidean"]
    softmax, hinge = curves.values()
    same = compare.difference([softmax, hinge]) <= compare.NOT_NOTABLE
    return judged(
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


def euclidean_below_softmax(book: Book) -> Verdict:
    parts = []
    for when, curves in (("at the base settings", by_loss(book)), ("with an equal first step", at_equal_step(book))):
        del curves["hinge"]
        euclidean, softmax = curves.values()
        text = f"worse {when} ({listed(curves, final_test)}; learning rates: {rates_of(curves)})"
        parts.append((text, better(softmax, euclidean)))
    return judged(parts, "Were the target the reason, it would stay worse when the first step is as large.")


def euclidean_at_the_start(book: Book) -> Verdict:
    curves = by_loss(book)
    del curves["hinge"]
    euclidean, softmax = curves.values()
    early = listed(curves, lambda curve: percent(curve.start_accuracy))
    initial = listed(curves, lambda curve: number(curve.initial_loss))
    return judged(
        [
            (
                f"(a) Euclidean climbs faster (mean train accuracy of the first 2 epochs: {early})",
                better(euclidean, softmax, "start_accuracy"),
            ),
            (f"(b) its initial loss is larger ({initial})", lower(softmax, euclidean, "initial_loss")),
        ]
    )


def order_of_activations(book: Book) -> Verdict:
    curves = by_activation(book)
    sigmoid, relu, gelu = curves.values()
    beside = gap(relu, gelu)
    below = [compare.clearly_better(curve, sigmoid, beside.mean()) for curve in (relu, gelu)]
    return judged(
        [
            (f"Relu slightly above Gelu ({points(beside)})", compare.slightly_better(relu, gelu)),
            (
                f"Sigmoid clearly below both ({points(gap(sigmoid, relu))} to Relu, "
                f"{points(gap(sigmoid, gelu))} to Gelu)",
                all(below),
            ),
        ],
        f"Test accuracy: {listed(curves, final_test)}.",
    )


def losses_of_activations(book: Book) -> Verdict:
    curves = by_activation(book)
    sigmoid, relu, gelu = curves.values()
    slight = np.mean(gap(gelu, relu, "test_loss"))
    far = [np.mean(gap(sigmoid, curve, "test_loss")) >= 2 * abs(slight) for curve in (relu, gelu)]
    far += [lower(curve, sigmoid, "test_loss") for curve in (relu, gelu)]
    falls = all((curve.correlation < 0).all() for curve in curves.values())
    return judged(
        [
            ("Relu's loss below Gelu's", lower(relu, gelu, "test_loss")),
            ("Sigmoid's above both by at least twice the difference between those", all(far)),
            (
                "loss falls as accuracy rises (correlation over the epochs: "
                f"{listed(curves, lambda curve: number(curve.correlation))})",
                falls,
            ),
        ],
        f"Test loss: {listed(curves, lambda curve: number(curve.test_loss))}.",
    )


def convergence_of_activations(book: Book) -> Verdict:
    curves = by_activation(book)
    sigmoid, relu, gelu = curves.values()
    return judged(
        [
            ("Relu and Gelu converge alike", compare.converge_alike(relu, gelu)),
            ("Sigmoid slowest", faster(relu, sigmoid) and faster(gelu, sigmoid)),
            (
                f"Sigmoid lowest (train accuracy: {listed(curves, final_train)})",
                all(better(curve, sigmoid, "train_accuracy") for curve in (relu, gelu)),
            ),
        ],
        f"Samples to 80 % train accuracy / to 95 % of the gain: {listed(curves, convergence)}.",
    )


def small_derivative(book: Book) -> Verdict:
    losses, sigmoid = by_loss(book), book.run(f"1_Sigmoid_{EUCLIDEAN}")
    slopes = [sigmoid.slope(epoch)[:, 0] for epoch in (0, 1)]
    larger = all(lower(losses[name], sigmoid, "initial_loss") for name in ("softmax", "hinge"))
    initial = listed(losses, lambda curve: number(curve.initial_loss))
    return judged(
        [
            (f"Euclidean's initial loss is larger than the others' ({initial})", larger),
            (
                f"the mean slope of its sigmoids is small, below half of the largest possible {STEEPEST} "
                f"(epoch 0: {number(slopes[0])}, epoch 1: {number(slopes[1])})",
                all((slope < STEEPEST / 2).all() for slope in slopes),
            ),
        ]
    )


def no_overfitting(book: Book) -> Verdict:
    names = [name.rsplit("_", 1)[0] for number in AT_BATCH_10 for name in FIGURES[number][1]]
    curves = [book.named(f"{name}_{book.batch}") for name in dict.fromkeys(names)]
    overfit = [
        f"{curve.name} ({curve.overfits.sum()} of {len(curve.overfits)} seeds{', failed' * curve.failed})"
        for curve in curves
        if curve.overfits.any()
    ]
    moving = [curve for curve in curves if np.isfinite(curve.correlation).all()]
    positive = [curve.name for curve in moving if not (curve.correlation < 0).all()]
    return judged(
        [
            (f"no curve of figures 2 to 10 overfits in any seed ({which(overfit, len(curves))})", not overfit),
            (
                "test loss and test accuracy are negatively correlated over the epochs, in every curve and seed "
                f"(not so: {which(positive, len(moving))})",
                not positive,
            ),
        ],
        f"Without a correlation, as the accuracy never moves or the run diverged: {len(curves) - len(moving)}.",
    )


def almost_everything(book: Book) -> Verdict:
    curves = {name: one for name, (one, _) in by_layers(book).items()}
    outcomes = {name: bool((curve.test_accuracy >= ALMOST_ALL).all()) for name, curve in curves.items()}
    return Verdict(
        word(list(outcomes.values())),
        f"At least {100 * ALMOST_ALL:.0f} % in every seed {tally(outcomes, 'settings')}. "
        f"Test accuracy: {listed(curves, final_test)}.",
    )


def second_layer(book: Book) -> Verdict:
    both = by_layers(book)
    gained = [name for name, (one, two) in both.items() if better(two, one)]
    worse = [name for name, (one, two) in both.items() if better(one, two)]
    changes = listed(both, lambda pair: points(gap(pair[1], pair[0])))
    return judged(
        [
            (f"the second layer makes no setting better ({which(gained, len(both))})", not gained),
            (f"many, at least a third, are worse ({which(worse, len(both))})", len(worse) >= MANY * len(both)),
        ],
        f"Two layers against one: {changes}.",
    )
