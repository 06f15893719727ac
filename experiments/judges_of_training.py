"""The judges of what trains (claims 17 to 24), of batch sizes (25, 26) and of times (5, 12, 27).

Each reads a Book, or what the timing pass measured. A claim of several parts holds if all of them do.
"""

import itertools

import numpy as np

from experiments import compare
from experiments.compare import better, faster, together
from experiments.figures import ACTIVATIONS, BATCHES, DECAYS, LOSSES, RATES
from experiments.judging import (
    EUCLIDEAN,
    HINGE,
    SHORT,
    SOFTMAX,
    Verdict,
    at_equal_step,
    by_activation,
    by_loss,
    convergence,
    final_test,
    judged,
    listed,
    number,
    percent,
    spread,
    tally,
)
from experiments.measures import Book, Measured, MissingRun

VANISHING = 0.1  # δ(first)/δ(last) below this
SMOOTHED = 10_000  # samples in a point of the smoothed training curve
SCATTER = 1.05  # ratio of two times that are the same but for the noise of the machine
REPORT_SECONDS = {"Relu": 22, "Sigmoid": 29, "Gelu": 47}  # claim 12, 50 epochs
REPORT_BATCHES = {"one layer, Euclidean": (134, 29), "two layers, softmax": (191, 40)}  # claim 27, at 10 and at 200


def hinge_alone_trains(book: Book) -> Verdict:
    curves = by_loss(book, layers=2)
    euclidean, softmax, hinge = curves.values()
    chance = [name for name, curve in curves.items() if curve.at_chance]
    return judged(
        [
            (f"softmax fails ({final_test(softmax)})", softmax.failed),
            (f"Euclidean fails ({final_test(euclidean)})", euclidean.failed),
            (f"hinge trains ({final_test(hinge)})", hinge.trained),
        ],
        f"At chance, almost all predictions in one class: {', '.join(chance) or 'none'}.",
    )


def vanishing_gradients(book: Book) -> Verdict:
    parts, trained_yet = [], []
    for loss in LOSSES:
        curves, one = by_activation(book, 2, loss), book.run(f"1_Sigmoid_{loss}")
        sigmoid = curves["Sigmoid"]
        trained_yet += [f"{name} {SHORT[loss]}" for name, each in curves.items() if _vanishes(each) and each.trained]
        if loss == HINGE:
            continue
        smallest = all(_vanishes_more(sigmoid, curves[other]) for other in ("Relu", "Gelu"))
        parts += [
            (
                f"{SHORT[loss]}: δ(first)/δ(last) at epochs 0 and 1 below {VANISHING} and smallest for Sigmoid "
                f"({listed(curves, _ratios)})",
                _vanishes(sigmoid) and smallest,
            ),
            (
                f"{SHORT[loss]}: smaller with two Sigmoid layers than with one ({_ratios(one)})",
                _vanishes_more(sigmoid, one),
            ),
        ]
    sizes = listed(by_loss(book, 2), lambda curve: " → ".join(number(layer) for layer in curve.gradient_ratio(0).T))
    return judged(
        parts,
        f"Below {VANISHING} as well and yet trained: {', '.join(trained_yet) or 'none'}. Gradient/weights with two "
        f"Sigmoid layers at epoch 0, first → last layer: {sizes}.",
    )


def _ratios(curve: Measured) -> str:
    return " and ".join(number(curve.delta_ratio(epoch)) for epoch in (0, 1))


def _vanishes(curve: Measured) -> bool:
    return all(bool((curve.delta_ratio(epoch) < VANISHING).all()) for epoch in (0, 1))


def _vanishes_more(first: Measured, second: Measured) -> bool:
    first, second = together(first, second)
    return all(bool((first.delta_ratio(epoch) < second.delta_ratio(epoch)).all()) for epoch in (0, 1))


def more_expressive(book: Book) -> Verdict:
    equal, base = at_equal_step(book, 2), by_loss(book, layers=2)
    slow_hinge, fast_softmax = book.run(f"2_Sigmoid_{HINGE}", 0.001), book.run(f"2_Sigmoid_{SOFTMAX}", 0.1)
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
    at_output = listed(base, lambda curve: number(curve.delta(0)[:, -1]))
    whole = listed(base, lambda curve: number(curve.first_gradient))
    return judged(
        parts,
        f"Before training at the base settings: RMS of one image's δ at the output {at_output}; length of the whole "
        f"gradient of the probe images, which cancel in part, {whole}.",
    )


def rate_makes_it_train(book: Book) -> Verdict:
    low, high = (book.run(f"2_Sigmoid_{SOFTMAX}", rate) for rate in (0.01, 1.0))
    return judged(
        [
            (f"does not train at 0.01 ({final_test(low)})", not low.trained),
            (f"trains at 1 ({final_test(high)})", high.trained),
        ]
    )


def hard_at_any_rate(book: Book) -> Verdict:
    curves = {f"{rate:g}:": book.run(f"2_Sigmoid_{EUCLIDEAN}", rate) for rate in RATES}
    trains = [name.rstrip(":") for name, curve in curves.items() if curve.trained]
    text = f"trains at {', '.join(trains) or 'no rate'} (test accuracy at {listed(curves, final_test)})"
    return judged([(text, not trains)])


def learning_rates(book: Book) -> Verdict:
    curves = {rate: book.run(f"1_Sigmoid_{EUCLIDEAN}", rate) for rate in RATES}
    low, lower_rate, base, tenth, one = curves.values()
    pairs = [
        (f"{slow:g} to {fast:g}", curves[slow], curves[fast])
        for slow, fast in itertools.pairwise(RATES)
        if np.isfinite(np.append(curves[slow].samples_to_80, curves[fast].samples_to_80)).any()
    ]
    speeds = {name: faster(fast, slow) for name, slow, fast in pairs}
    noises = {rate: curve.residual_sd() for rate, curve in curves.items()}
    rises = [compare.steadier(curves[slow], curves[fast]) for slow, fast in itertools.pairwise(RATES)]
    steps = np.diff([noise.mean() for noise in noises.values()])
    named = {f"{rate:g}:": curve for rate, curve in curves.items()}
    return judged(
        [
            ("(a) below 0.01 test accuracy falls with the rate", better(base, lower_rate) and better(lower_rate, low)),
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
            ("(d) 1 ends below 0.1", better(tenth, one)),
        ],
        f"Test accuracy at {listed(named, final_test)}.",
    )


def _residual(values: np.ndarray) -> str:
    return f"{spread(values, '.3f', 100)} points"


def others_train(book: Book) -> Verdict:
    curves = {
        f"{layers}_{activation}_{SHORT[loss]}": book.run(f"{layers}_{activation}_{loss}")
        for layers in (1, 2)
        for activation in ACTIVATIONS
        if activation != "Sigmoid"
        for loss in LOSSES
    }
    outcomes = {name: curve.trained for name, curve in curves.items()}
    worst = min(curves.values(), key=lambda curve: np.nan_to_num(curve.test_accuracy).mean())
    text = f"trained {tally(outcomes, 'models with Relu or Gelu')}; the worst is {worst.name} at {final_test(worst)}"
    return judged([(text, sum(outcomes.values()) > len(outcomes) / 2)])


def weight_decay(book: Book) -> Verdict:
    parts = []
    for curve, rate in ((f"2_Gelu_{HINGE}", 0.01), (f"2_Sigmoid_{SOFTMAX}", 1.0)):
        name = f"{curve.split('_')[1]} {SHORT[curve.split('_')[2]]}"
        runs = {f"{decay:g}:": book.run(curve, rate, decay) for decay in (0.0, *DECAYS)}
        largest = runs["1:"]
        rises = any(better(more, less) for less, more in itertools.pairwise(runs.values()))
        falls = better(runs["0:"], largest) and not rises
        share = percent(largest.class_share)
        parts += [
            (f"{name} falls and never rises by 0.3 points (test accuracy at {listed(runs, final_test)})", falls),
            (f"{name} is at chance at 1 ({share} of the predictions in one class)", largest.at_chance),
        ]
    return judged(parts)


# ---- batch sizes and times


def _batch_curves(book: Book) -> dict[str, dict[int, Measured]]:
    curves = {
        "one layer, Euclidean": (f"1_Sigmoid_{EUCLIDEAN}", 0.01),
        "two layers, softmax": (f"2_Sigmoid_{SOFTMAX}", 1),
    }
    return {
        name: {size: book.run(curve, rate, batch=size) for size in BATCHES} for name, (curve, rate) in curves.items()
    }


def batch_and_accuracy(book: Book) -> Verdict:
    parts = []
    for name, curves in _batch_curves(book).items():
        apart = compare.difference(list(curves.values()))
        numbers = listed({f"{size}:": curve for size, curve in curves.items()}, final_test)
        text = f"{name}: final means at most 0.5 points apart ({100 * apart:.2f} points; at batch size {numbers})"
        parts.append((text, apart <= compare.NOT_NOTABLE))
    return judged(parts)


def batch_and_steadiness(book: Book) -> Verdict:
    parts = []
    for name, curves in _batch_curves(book).items():
        for per_point, what in (
            (None, "a logged point"),
            (SMOOTHED, f"{SMOOTHED:,} samples a point"),
        ):
            smoother = compare.steadier(curves[max(BATCHES)], curves[min(BATCHES)], per_point)
            numbers = ", ".join(f"{size}: {_residual(curve.residual_sd(per_point))}" for size, curve in curves.items())
            parts.append((f"{name}, {what}: steadier at {max(BATCHES)} than at {min(BATCHES)} ({numbers})", smoother))
    return judged(parts, "Residual standard deviation of train accuracy about its moving median, by batch size.")


def _seconds(timing: dict | None, name: str) -> float:
    """The median of a curve's seconds per epoch in the timing pass; MissingRun if it was not timed."""
    try:
        return timing["seconds_per_epoch"][name]["median"]
    except (KeyError, TypeError):
        raise MissingRun(f"{name} has not been timed") from None


def _all_seconds(times: dict[str, float]) -> str:
    return listed(times, lambda seconds: f"{seconds:.3g} s") + " per epoch"


def times_of_losses(timing: dict | None) -> Verdict:
    times = {SHORT[loss]: _seconds(timing, f"1_Sigmoid_{loss}_0.01_0.0_100") for loss in LOSSES}
    ratio = max(times.values()) / min(times.values())
    return judged([(f"{_all_seconds(times)}: slowest to fastest {ratio:.2f}", ratio <= compare.ALIKE)])


def times_of_activations(timing: dict | None) -> Verdict:
    times = {name: _seconds(timing, f"1_{name}_{EUCLIDEAN}_0.01_0.0_100") for name in REPORT_SECONDS}
    parts = []
    for slow, fast in (("Sigmoid", "Relu"), ("Gelu", "Sigmoid")):
        ratio, said = times[slow] / times[fast], REPORT_SECONDS[slow] / REPORT_SECONDS[fast]
        text = f"{fast} takes less than {slow}, by a ratio above {SCATTER:.2f} ({ratio:.2f}, report {said:.2f})"
        parts.append((text, ratio > SCATTER))
    return judged(parts, f"{_all_seconds(times)}.")


def times_of_batches(timing: dict | None) -> Verdict:
    curves = (f"1_Sigmoid_{EUCLIDEAN}_0.01_0.0", f"2_Sigmoid_{SOFTMAX}_1.0_0.0")
    parts = []
    for (name, (small, large)), curve in zip(REPORT_BATCHES.items(), curves):
        times = {f"at {size}": _seconds(timing, f"{curve}_{size}") for size in (10, 200)}
        ratio = times["at 10"] / times["at 200"]
        text = f"{name}: {_all_seconds(times)}, a ratio of {ratio:.1f} (report {small / large:.1f})"
        parts.append((text, ratio > compare.ALIKE))
    return judged(parts)
