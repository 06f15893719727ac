"""What the report did not try: figures 14 to 19, each a question with a predicate of the form of those in claims.py."""

import numpy as np

from experiments import compare
from experiments.claims import ONCE, Claim
from experiments.figure_list import HINGE, SHORT_LOSS, SOFTMAX, SWEEPS, in_words, named
from experiments.statistics import TRAINED, CurveStats, RunTable
from experiments.wording import (
    Finding,
    conclude,
    final_test,
    how_many,
    listed,
    means,
    percentage_points,
    tally,
    three_digits,
)

QUESTION = "question"
USUAL_MARGIN = 5.0


def swept(number: int, table: RunTable) -> dict[str, dict[str, dict]]:
    """The curves of figures 14 to 19 as SWEEPS has their names: panel: line: value: curve."""
    return {
        panel: {line: {value: table.named(name) for value, name in names.items()} for line, names in lines.items()}
        for panel, lines in SWEEPS[number].items()
    }


def _at(curves: dict[float, CurveStats]) -> dict[str, CurveStats]:
    return {f"{value:g}:": curve for value, curve in curves.items()}


def hinge_margin(table: RunTable) -> Finding:
    """A margin m with initial weights × √(m / 5) against margin 5: with Relu all but the biases scales along."""
    lines = swept(14, table)
    apart = {name: {what: _furthest(curves) for what, curves in each.items()} for name, each in lines.items()}
    same, scaled = apart["Relu"].values()
    text = (
        f"with Relu and initial weights × √(margin / 5) the whole test curve is that of margin 5 ({100 * scaled:.2f} "
    )
    text += f"points apart at most, at the same weights {100 * same:.2f})"
    parts = [(text, scaled <= compare.NOT_NOTABLE and scaled < same)]
    for activation, (at_same, _) in ((name, each.values()) for name, each in lines.items()):
        above = [margin for margin, curve in at_same.items() if compare.better(curve, at_same[USUAL_MARGIN])]
        text = f"{activation}: at the same weights no margin is better than 5 ({listed(_at(at_same), final_test)})"
        parts.append((text, not above))
    by_sigmoid = " and ".join(f"{100 * each:.2f}" for each in apart["Sigmoid"].values())
    context = f"With Sigmoid the curves are {by_sigmoid} points apart, at the same and at scaled weights."
    return conclude(
        parts, context, f"Relu: {100 * same:.2f} points apart at the same, {100 * scaled:.2f} at scaled weights"
    )


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
    for name, lines in swept(15, table).items():
        same, divided = lines.values()
        none = same[0.0]
        apart = compare.difference(list(divided.values()))
        failed = all(curve.failed for curve in divided.values())
        short = in_words(name)
        text = (
            f"{short}: at 0.01 · (1 − m) all {'fail' if failed else 'end within 0.5 points'} ({100 * apart:.2f} apart"
        )
        parts.append((f"{text}; {listed(_at(divided), final_test)})", failed or apart <= compare.NOT_NOTABLE))
        best = max(same, key=lambda value: np.nan_to_num(same[value].test_accuracy).mean())
        gains.append(f"{short} {percentage_points(compare.gap(same[best], none))} at {best:g}")
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
    outcomes = {}
    for loss, lines in swept(16, table).items():
        for remedy, curve in lines[""].items():
            if remedy != "nothing":
                outcomes.setdefault(remedy, {})[loss] = curve
    both = {remedy: all(curve.trained for curve in curves.values()) for remedy, curves in outcomes.items()}
    parts = [(f"{remedy}: both train ({listed(outcomes[remedy], final_test)})", ok) for remedy, ok in both.items()]
    near = any(compare.near(curve.test_accuracy, TRAINED) for curves in outcomes.values() for curve in curves.values())
    return conclude(parts, key=f"both train {tally(both, 'remedies')}", near=near)


def deepest(curves: dict[int, CurveStats]) -> int:
    """The largest depth that ends at 0.8 or more in every seed; 0 for none."""
    return max((depth for depth, curve in curves.items() if curve.trained), default=0)


def depth(table: RunTable) -> Finding:
    parts, keys = [], []
    for activation, lines in swept(17, table).items():
        plain = deepest(lines["plain"])
        for remedy, curves in lines.items():
            if remedy != "plain":
                text = f"{activation}, {remedy}: deeper than plain, or as deep as was tried (to {deepest(curves)}; "
                text += f"{listed(_at(curves), final_test)})"
                parts.append((text, deepest(curves) > plain or deepest(curves) == max(curves)))
        keys.append(f"{activation} " + ", ".join(f"{remedy} {deepest(curves)}" for remedy, curves in lines.items()))
    plain = "; ".join(
        f"{activation} {listed(_at(lines['plain']), final_test)}" for activation, lines in swept(17, table).items()
    )
    return conclude(parts, f"Plain: {plain}.", f"deepest that trains: {'; '.join(keys)}")


def regularisation(table: RunTable) -> Finding:
    curves = swept(18, table)[""][""]
    nothing = curves["nothing"]
    parts, gains = [], {}
    for remedy, curve in curves.items():
        if curve is nothing:
            continue
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
    whole = [table.run(f"2_Gelu_{HINGE}"), table.run(f"2_Sigmoid_{SOFTMAX}", 1.0)]
    over = [curve.name for curve in whole if curve.mostly_overfits]
    context += f" Of claim 24's networks, on all images and without decay, overfit {how_many(over, 2)}."
    best = max(gains, key=lambda remedy: gains[remedy].mean())
    return conclude(parts, context, f"at best {percentage_points(gains[best])}, by {best}")


def best_rates(table: RunTable) -> dict[str, dict[str, CurveStats]]:
    """For each setting of figure 19 and each loss: the curve that is best on the images held out."""
    return {
        setting: {
            SHORT_LOSS[loss]: max(rates.values(), key=lambda curve: np.nan_to_num(curve.valid_accuracy).mean())
            for loss, rates in lines.items()
        }
        for setting, lines in swept(19, table).items()
    }


def each_at_its_best(table: RunTable) -> Finding:
    parts, finals, near = [], [], False
    for setting, chosen in best_rates(table).items():
        euclidean, softmax, hinge = chosen.values()
        rates = listed(chosen, lambda curve: f"{curve.settings['learning_rate']:g}")
        name, gap = setting.replace("_", " "), compare.gap(softmax, hinge)
        below = compare.better(softmax, euclidean)
        parts += [
            (
                f"{name}: hinge best and Euclidean worst (claim 2; at {rates}: {listed(chosen, final_test)})",
                compare.better(hinge, softmax) and below,
            ),
            (
                f"softmax within 0.5 points of hinge (claim 6; {percentage_points(gap)})",
                compare.difference([softmax, hinge]) <= compare.NOT_NOTABLE,
            ),
            (f"Euclidean worse than softmax (claim 7; {percentage_points(compare.gap(euclidean, softmax))})", below),
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
