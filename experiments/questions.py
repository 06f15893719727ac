"""What the report did not try: figures 14 to 19, each a question with a predicate of the form of those in claims.py."""

import numpy as np

from experiments import compare
from experiments.claims import ONCE, Claim, remedied
from experiments.figure_list import GELU_2, REMEDIES, SHORT_LOSS, SOFTMAX_2, SWEEPS, in_words, named
from experiments.statistics import TRAINED, CurveStats, RunTable
from experiments.wording import (
    Finding,
    at,
    conclude,
    final_test,
    how_many,
    listed,
    means,
    percentage_points,
    rates_of,
    tally,
    three_digits,
)

QUESTION = "question"
USUAL_MARGIN = 5.0


def hinge_margin(table: RunTable) -> Finding:
    """A margin m with initial weights × √(m / 5) against margin 5: with Relu all but the biases scales along."""
    lines = table.swept(14)
    apart = {name: [_furthest(curves) for curves in each.values()] for name, each in lines.items()}
    same, scaled = apart["Relu"]
    ends = f"{100 * scaled:.2f} points apart at most, at the same weights {100 * same:.2f}"
    text = f"with Relu and initial weights × √(margin / 5) the whole test curve is that of margin 5 ({ends})"
    parts = [(text, scaled <= compare.NOT_NOTABLE and scaled < same)]
    for activation, each in lines.items():
        curves = each["the same initial weights"]
        above = any(compare.better(curve, curves[USUAL_MARGIN]) for curve in curves.values())
        text = f"{activation}: at the same weights no margin is better than 5 ({listed(at(curves), final_test)})"
        parts.append((text, not above))
    by_sigmoid = " and ".join(f"{100 * each:.2f}" for each in apart["Sigmoid"])
    context = f"With Sigmoid the curves are {by_sigmoid} points apart, at the same and at scaled weights."
    key = f"Relu: {100 * same:.2f} points apart at the same, {100 * scaled:.2f} at scaled weights"
    return conclude(parts, context, key)


def _furthest(curves: dict[float, CurveStats]) -> float:
    """The largest distance of a margin's mean test accuracy, at any epoch after the start, from that of margin 5."""
    means = {}
    for margin, curve in curves.items():
        runs = np.zeros((len(curve.runs), curve.settings["max_epoch"]))  # after a run diverged it is right on nothing
        for line, run in zip(runs, curve.runs):
            line[: len(run.test.accuracy) - 1] = run.test.accuracy[1:]
        means[margin] = runs.mean(axis=0)
    return float(max(np.abs(mean - means[USUAL_MARGIN]).max() for mean in means.values()))


def momentum(table: RunTable) -> Finding:
    """In the long run a step is learning rate / (1 − m): with the rate divided, and against a larger rate without m."""
    parts, keys, gains = [], [], []
    for name, lines in table.swept(15).items():
        short, (same, divided) = in_words(name), lines.values()
        apart = compare.difference(divided.values())
        failed = all(curve.failed for curve in divided.values())
        numbers = f"{100 * apart:.2f} apart; {listed(at(divided), final_test)}"
        text = f"{short}: at 0.01 · (1 − m) all {'fail' if failed else 'end within 0.5 points'} ({numbers})"
        parts.append((text, failed or apart <= compare.NOT_NOTABLE))
        best = max(same, key=lambda value: same[value].mean())
        gains.append(f"{short} {percentage_points(compare.gap(same[best], same[0.0]))} at {best:g}")
        for value, rate in ((0.9, 0.1), (0.99, 1.0)):
            if named(name, rate) not in table.results:
                continue
            larger = table.run(name, rate)
            ok = compare.difference([same[value], larger]) <= compare.NOT_NOTABLE
            ends = f"{final_test(same[value])} and {final_test(larger)}"
            parts.append((f"{short}: m {value:g} at 0.01 ends within 0.5 points of rate {rate:g} without ({ends})", ok))
            keys.append(f"{short}, m {value:g} against rate {rate:g}: {ends}")
    context = f"At the same learning rate, the best against none: {', '.join(gains)}."
    return conclude(parts, context, "; ".join(keys[:2]))


def rescued(table: RunTable) -> Finding:
    parts, both, near = [], {}, False
    for remedy in REMEDIES:
        if remedy == "nothing":
            continue
        curves = {loss: remedied(table, loss, remedy) for loss in SWEEPS[16]}
        both[remedy] = all(curve.trained for curve in curves.values())
        parts.append((f"{remedy}: both train ({listed(curves, final_test)})", both[remedy]))
        near |= any(compare.near(curve.test_accuracy, TRAINED) for curve in curves.values())
    return conclude(parts, key=f"both train {tally(both, 'remedies')}", near=near)


def deepest(curves: dict[int, CurveStats]) -> int:
    """The largest depth that ends at 0.8 or more in every seed; 0 for none."""
    return max((depth for depth, curve in curves.items() if curve.trained), default=0)


def depth(table: RunTable) -> Finding:
    parts, keys, plain = [], [], []
    for activation, lines in table.swept(17).items():
        reached = {remedy: deepest(curves) for remedy, curves in lines.items()}
        for remedy, curves in lines.items():
            numbers = listed(at(curves), final_test)
            if remedy == "plain":
                plain.append(f"{activation} {numbers}")
                continue
            to = reached[remedy]
            text = f"{activation}, {remedy}: deeper than plain, or as deep as was tried (to {to}; {numbers})"
            parts.append((text, to > reached["plain"] or to == max(curves)))
        keys.append(f"{activation} {listed(reached, str)}")
    return conclude(parts, f"Plain: {'; '.join(plain)}.", f"deepest that trains: {'; '.join(keys)}")


def regularisation(table: RunTable) -> Finding:
    curves = dict(table.swept(18)[""][""])
    nothing = curves.pop("nothing")
    parts, gains = [], {}
    for remedy, curve in curves.items():
        gains[remedy] = compare.gap(curve, nothing)
        lower = compare.lower(curve, nothing, "test_loss")
        parts.append((f"{remedy}: the final test loss is lower ({three_digits(curve.test_loss)})", lower))
        text = f"its test accuracy is higher by 0.3 points or more ({percentage_points(gains[remedy])})"
        parts.append((text, compare.better(curve, nothing)))
    lowest = np.array([run.test.loss.min() for run in nothing.runs])
    context = (
        f"Without any, train accuracy ends at {100 * nothing.train_accuracy.mean():.2f} %, and test loss rises from "
        f"{three_digits(lowest)} to {three_digits(nothing.test_loss)}."
    )
    whole = [table.run(GELU_2), table.run(SOFTMAX_2, 1.0)]
    over = [curve.name for curve in whole if curve.mostly_overfits]
    context += f" Of claim 24's networks, on all images and without decay, overfit {how_many(over, 2)}."
    best = max(gains, key=lambda remedy: gains[remedy].mean())
    return conclude(parts, context, f"at best {percentage_points(gains[best])}, by {best}")


def each_at_its_best(table: RunTable) -> Finding:
    parts, finals, near = [], [], False
    for setting, lines in table.swept(19).items():
        chosen = {SHORT_LOSS[loss]: rates[compare.best_held_out(rates)] for loss, rates in lines.items()}
        euclidean, softmax, hinge = chosen.values()
        name, gap, lag = setting.replace("_", " "), compare.gap(softmax, hinge), compare.gap(euclidean, softmax)
        below = compare.better(softmax, euclidean)
        numbers = f"at {rates_of(chosen)}: {listed(chosen, final_test)}"
        order = compare.better(hinge, softmax) and below
        close = compare.difference([softmax, hinge]) <= compare.NOT_NOTABLE
        parts += [
            (f"{name}: hinge best and Euclidean worst (claim 2; {numbers})", order),
            (f"softmax within 0.5 points of hinge (claim 6; {percentage_points(gap)})", close),
            (f"Euclidean worse than softmax (claim 7; {percentage_points(lag)})", below),
        ]
        near |= compare.near(abs(gap), compare.NOT_NOTABLE)
        finals.append(f"{name}: {means(chosen)}")
    held = [sum(ok for _, ok in parts[claim::3]) for claim in range(3)]
    counted = ", ".join(f"claim {claim} in {count}" for claim, count in zip((2, 6, 7), held))
    return conclude(parts, key=f"{counted} of {len(finals)} settings; {'; '.join(finals)}", near=near)


# fmt: off
QUESTIONS = (
    Claim(31, QUESTION, "14", ONCE, hinge_margin,
          "With Relu a hinge margin scales the initial weights; 5 is good", ""),
    Claim(32, QUESTION, "15", ONCE, momentum,
          "Momentum m is a learning rate 1 / (1 − m) times as large", ""),
    Claim(33, QUESTION, "16", ONCE, rescued,
          "Two Sigmoid layers: each remedy alone makes softmax and Euclidean train", ""),
    Claim(34, QUESTION, "17", ONCE, depth,
          "Suitable initial weights, batch normalisation and residual connections train deeper networks", ""),
    Claim(35, QUESTION, "18", ONCE, regularisation,
          "Where a network overfits, weight decay and dropout help", ""),
    Claim(36, QUESTION, "19", ONCE, each_at_its_best,
          "Claims 2, 6 and 7 hold with each loss at its best rate", ""),
)
# fmt: on
