"""Writes REPORT.md and its appendix TABLES.md from stored results alone.

Every sentence with a number in it is made from the numbers, and which sentence stands there a predicate decides.
"""

import itertools
import os
import re
from collections import Counter
from pathlib import Path

import numpy as np

from experiments import compare, store
from experiments.claims import (
    CLAIMS,
    EXPLANATION,
    FACTORS,
    OBSERVATION,
    Claim,
    at_equal_gradient,
    by_loss,
    remedied,
    taken_apart,
)
from experiments.figure_list import (
    ACTIVATIONS,
    AT_BATCH_10,
    DECAY_PAIRS,
    FIGURES,
    HINGE,
    LOSSES,
    PROBE_EPOCHS,
    REMEDIES,
    RESTARTED,
    SHORT_LOSS,
    SOFTMAX,
    SWEEPS,
    at_batch_10,
    in_words,
    name_in,
    short_name,
)
from experiments.questions import QUESTIONS
from experiments.statistics import CurveStats, MissingRun, RunTable
from experiments.wording import (
    Finding,
    convergence,
    final_test,
    gain_epochs,
    listed,
    percent,
    percentage_points,
    scatter,
    three_digits,
)
from loss import EuclideanLoss, HingeLoss, SoftmaxCrossEntropyLoss
from utils import atomic_write

INTRODUCTION = """# The report, rerun and audited

A course report (2022) studied this multi-layer perceptron on MNIST in 13 figures. `python report.py --batch-10` reran all of it, and
what it did not try (figures 14 to 19), and wrote this page from the runs in `experiments/results/`; no number is typed by
hand. All tables are in [{appendix}]({appendix}).

## What the audit found

"""

DIFFERENCES = """## Where this differs from the original

* **Batch size.** The printed batch size is 10, but the report's own step axes (650 logged points = 50 epochs × (600 / 50
  + 1)), its running times and its failed runs belong to 100. The default of `config` is 10, as printed; figures 2 to 10
  are run at 100 here, and the claims are audited at both where the runs at 10 exist.
* **Weight decay.** The text of figures 7 and 8 says base settings, their legends say weight decay 1e-5. They are run at
  0 here; {decay}
* **Random streams.** Its code restarted one random stream in every layer, so its layers began with equal numbers. Here
  one seed gives one stream for all weights, and every setting is run with several seeds. {restarted}
* **Names.** In figures 2 to 6 a curve is `layers_activation_loss`, at learning rate 0.01, weight decay 0 and batch size
  100; elsewhere its name says these three as well (figure 1).
* **x axes** are epochs, but in figures 13 to 17 and 19; the original counted logged points of both kinds, which hides that batch sizes differ in steps.
  Figures 9 and 10 have the run without decay added.

"""

PAIRS = "Pairs of equal learning rate / batch size"
PAIRS_ANCHOR = "pairs-of-equal-learning-rate--batch-size"  # as GitHub makes it

METHODS = """## Methods

* Final = mean of the last 5 epochs (in training: of their logged points); ± is one standard deviation over the seeds.
* Better: the same order in every seed and at least 0.3 points on average; slightly: up to 3 points; clearly: at least
  twice the slight difference; not notable: up to 0.5 points; significant: 1 point or more in every seed.
* Trained: final test accuracy of at least 80 % in every seed; failed: below 50 %; at chance: at most 12 %, and 95 % of
  the predictions in one class.
* Faster: fewer epochs to 80 % train accuracy and to 95 % of the run's own gain, in every seed, and more than a ratio of
  1.25 on average; alike: up to that ratio.
* Overfitting: a run that trained whose test loss ends above its train loss and more than 5 % above its own minimum while
  train loss falls, in two of three seeds.
* Scatter: 1.4826 times the median distance from a moving median of 11 points.
* Equal gradient: at the learning rate at which the gradient at the output has, before the first step, the size that
  hinge's has at 0.01. The whole step still differs: what the images of a batch disagree about cancels in it.
* Times differ if the medians are more than 5 % apart and no round of one is as fast as any of the other.
* ≈ stands where the number that decides lies within one standard deviation of its threshold.

"""

APPENDIX = """# Tables of the report

Written by `python report.py` with [REPORT.md](../REPORT.md). Final = mean of the last 5 epochs; ± is one standard deviation
over the seeds; the last column is of runs that trained.

"""


def write(path: Path, tables: Path, table: RunTable, table_10: RunTable | None, timing: dict | None, pictures) -> None:
    """REPORT.md and TABLES.md. table: the runs at batch 100 (and figures 11 to 13's); table_10: those at 10, or None."""
    shown, appendix = {picture.stem: _from(path, picture) for picture in pictures}, _from(path, tables)
    checked = {claim: claim.check(table, timing) for claim in (*CLAIMS, *QUESTIONS)}
    at_10 = {claim: claim.check(table_10, timing) for claim in checked if table_10 and claim.by_batch}
    at_10 = {claim: finding for claim, finding in at_10.items() if finding.verdict != "not measured"}
    findings = (
        _one_knob(table, table_10, _flips(checked, at_10), appendix),
        _larger_step(table, table_10),
        _two_sigmoid_layers(table, table_10),
    )
    parts = [
        INTRODUCTION.format(appendix=appendix),
        *(f"{number}. {sentence}\n" for number, sentence in enumerate(filter(None, findings), 1)),
        f"\n![{_summary_seen(table)}]({shown['summary']})\n" if "summary" in shown else "",
        _verdicts(checked, at_10),
        _evidence(checked, at_10),
        "## Figures\n\n",
        *(_figure(number, table, checked, shown, appendix) for number in FIGURES),
        _gradients(table, shown),
        _losses(),
        DIFFERENCES.format(decay=_decay(table), restarted=_restarted(table)),
        METHODS,
        _times(timing),
        _made_with(table, timing),
    ]
    shown = {picture.stem: _from(tables, picture) for picture in pictures}
    for written, content in ((path, parts), (tables, _tables(table, table_10, shown))):
        with atomic_write(written) as file:
            file.write("".join(content).encode())


def _markdown(head: str, rows: list[str]) -> str:
    """A table: its head and each of its rows are given as cells between bars."""
    return "\n".join([f"| {head} |", "|---" * (head.count("|") + 1) + "|", *(f"| {row} |" for row in rows)]) + "\n\n"


def _from(page: Path, other: Path) -> str:
    return Path(os.path.relpath(other, page.parent)).as_posix()


# ---- findings


def _one_knob(table: RunTable, table_10: RunTable | None, flips: str, appendix: str) -> str:
    """Learning rate / batch size, over all pairs of which one at least trains."""
    pairs = [pair for pair in table.pairs() if pair[0].trained or pair[1].trained]
    if not pairs or not table_10:
        return ""
    both = [pair for pair in pairs if pair[0].trained and pair[1].trained]
    equal = [pair for pair in both if compare.difference(pair) <= compare.NOT_NOTABLE]
    first = "one knob while the step is small enough" if 2 * len(equal) > len(pairs) else "not one knob"
    closest = sorted(equal, key=compare.difference)[:4]
    text = (
        f"**Learning rate and batch size are {first}.** At the same ratio of learning rate to batch size, from the same "
        f"initial weights and in the same order, batch 100 and batch 10 end within 0.5 points in {len(equal)} of the "
        f"{len(pairs)} pairs of which one at least trains ({', '.join(map(_pair, closest))}"
        f"{' …' * (len(equal) > len(closest))}; [all pairs]({appendix}#{PAIRS_ANCHOR})). So the misprinted "
        f"batch size (10, but axes and times show 100) is a factor of ten in the learning rate (Goyal et al. 2017, arXiv 1706.02677); at a fixed rate it changes the verdict on {flips} "
        f"([figure 11](#{_anchor(11)}))."
    )
    for words, some in (
        ("These end further apart:", [pair for pair in both if pair not in equal]),
        ("It stops holding where a step of batch 100 is too large:", [pair for pair in pairs if pair not in both]),
    ):
        if some:
            text += f" {words} {', '.join(map(_pair, some))}."
    return text


def _pair(pair: tuple[CurveStats, CurveStats]) -> str:
    means = (np.nanmean(curve.test_accuracy) if curve.finished.any() else np.nan for curve in pair)
    finals = " and ".join("diverged" if np.isnan(mean) else f"{100 * mean:.2f}" for mean in means)
    return f"{in_words(pair[0].name)} at {pair[0].settings['learning_rate']:g}: {finals}"


def _larger_step(table: RunTable, table_10: RunTable | None) -> str:
    """Hinge against softmax at ten times its learning rate: at an equal gradient at the output."""
    hinge, softmax = (_output_gradient(loss) for loss in (HingeLoss("hinge"), SoftmaxCrossEntropyLoss("softmax")))
    times = hinge[0] / softmax[0]
    gaps, words = [], []
    for each, activations in ((table, ACTIVATIONS), (table_10, ("Sigmoid",))):
        for activation, layers in itertools.product(activations if each else (), (1, 2)):
            curve = f"{layers}_{activation}"
            try:
                gap = compare.gap(each.run(f"{curve}_{SOFTMAX}", 0.01 * times), each.run(f"{curve}_{HINGE}"))
            except MissingRun:
                continue
            gaps.append(gap)
            words.append(f"{percentage_points(gap)} ({layers} {activation}, batch {each.batch})")
    if not gaps:
        return ""
    leads = sum(bool((gap > 0).all()) for gap in gaps)
    notably = sum(bool((gap > 0).all() and gap.mean() >= compare.BETTER) for gap in gaps)
    lead = "Hinge's lead is a larger step" if leads == len(gaps) else "Hinge's lead is mostly a larger step"
    lead = lead if 2 * leads > len(gaps) else "Hinge's lead is not a larger step alone"
    return (
        f"**{lead}.** At the start its gradient at the output is {_vector(hinge)}, softmax's {_vector(softmax)}: "
        f"{times:.0f} times as large at the same learning rate. At an equal gradient, softmax at 0.1 and hinge at 0.01, "
        f"softmax ends above in every seed in {leads} of {len(gaps)} settings, in {notably} by 0.3 points or more: by {', '.join(words)} ([figure 4](#{_anchor(4)}), claims 4, 6, 19)."
    )


def _two_sigmoid_layers(table: RunTable, table_10: RunTable | None) -> str:
    """What makes softmax and Euclidean train with two Sigmoid layers at 0.01, where plain they fail."""
    failed = [loss for loss in SWEEPS[16] if remedied(table, loss, "nothing").failed]
    if not failed:
        return ""
    curves = {remedy: {loss: remedied(table, loss, remedy) for loss in failed} for remedy in REMEDIES}
    trains = {remedy: all(curve.trained for curve in each.values()) for remedy, each in curves.items()}
    del trains["nothing"]
    if trains["learning rate × 10"]:
        lead = "Two Sigmoid layers are slow, not stuck: the first layer's steps are too small for 50 epochs"
    elif any(trains[remedy] for remedy in FACTORS.values()):
        lead = "A vanishing gradient stops two Sigmoid layers"
    else:
        lead = "No vanishing gradient stops two Sigmoid layers"
    taken_out = "; ".join(
        f"with {remedy}, which make up for the factor of the {factor}, {listed(curves[remedy], final_test)}"
        for factor, remedy in FACTORS.items()
    )
    rate = listed(curves["learning rate × 10"], final_test)
    steps = ""
    if table_10:
        ten_times = {loss: curve for loss, curve in by_loss(table_10, layers=2).items() if loss in failed}
        steps = f", and at batch 10, in ten times the steps, {listed(ten_times, final_test)}"
    not_these = ", ".join(remedy for remedy, ok in trains.items() if not ok)
    return (
        f"**{lead}.** At learning rate 0.01 {' and '.join(failed)} fail. There δ falls from the last layer to the first to "
        f"{taken_apart(curves['nothing'][failed[-1]])}. They end at: {taken_out}; with δ as small as it was, "
        f"but ten times the rate, {rate}{steps}. Of {len(trains)} remedies, each used alone, {sum(trains.values())} make both "
        f"train{f' (not {not_these})' * bool(not_these)} ([figure 16](#{_anchor(16)}), claim 18)."
    )


def _output_gradient(loss) -> np.ndarray:
    """dE/d(output) at an output of zeros, of ten classes, for an image of the first."""
    return loss.backward(np.zeros((1, 10)), np.eye(10)[:1])[0]


def _vector(values: np.ndarray) -> str:
    return f"({values[0]:g}, {values[1]:g} … {values[-1]:g})".replace("-", "−")


def _summary_seen(table: RunTable) -> str:
    curves = [table.named(name) for number in (2, 3, 6) for name in FIGURES[number][1]]
    worst, best = (
        f"{percent(curve.test_accuracy)} ({short_name(curve.name)})"
        for curve in (chosen(curves, key=CurveStats.mean) for chosen in (min, max))
    )
    settings = "Final test accuracy of the settings of figures 2, 3 and 6, a dot for each seed."
    return f"{settings} At batch 100 from {worst} to {best}"


# ---- verdicts


def _flips(checked: dict[Claim, Finding], at_10: dict[Claim, Finding]) -> str:
    """The numbers of the claims whose verdict is another at batch size 10."""
    numbers = [str(claim.number) for claim, other in at_10.items() if other.verdict != checked[claim].verdict]
    return ", ".join(numbers) or "no claim"


PLURAL = {
    "holds": "hold",
    "holds in part": "hold in part",
    "does not hold": "do not hold",
    "does not apply": "do not apply",
    "not measured": "are not measured",
}


def _counted(claims: list[Claim], checked: dict[Claim, Finding]) -> str:
    counts = Counter(checked[claim].verdict for claim in claims)
    return ", ".join(f"{counts[verdict]} {words}" for verdict, words in PLURAL.items() if counts[verdict])


def _verdicts(checked: dict[Claim, Finding], at_10: dict[Claim, Finding]) -> str:
    kinds = {kind: [claim for claim in CLAIMS if claim.kind == kind] for kind in (OBSERVATION, EXPLANATION)}
    by_kind = "; ".join(f"of the {len(some)} {kind}s {_counted(some, checked)}" for kind, some in kinds.items())
    rows = []
    for claim, found in checked.items():
        other = _verdict(at_10[claim]) if claim in at_10 else ""
        cells = (claim.number, claim.short, claim.kind, _verdict(found), other, found.key, _links(claim.figure))
        rows.append(" | ".join(map(str, cells)))
    head = " | claim | kind | batch 100 | batch 10 | key number | figure"
    counted = f"Of the {len(CLAIMS)} claims {_counted(CLAIMS, checked)}: {by_kind}. "
    counted += f"{QUESTIONS[0].number} to {QUESTIONS[-1].number} are our own questions."
    return f"\n## The verdicts\n\n{counted}\n\n{_markdown(head, rows)}"


def _verdict(finding: Finding) -> str:
    return f"{finding.verdict}{' ≈' * finding.near}"


def _evidence(checked: dict[Claim, Finding], at_10: dict[Claim, Finding]) -> str:
    rows = []
    for claim, found in checked.items():
        measured = found.measured + (f"<br>**At batch 10:** {at_10[claim].measured}" if claim in at_10 else "")
        rows.append(f"{claim.number} | {claim.text} | {claim.said} | {measured}")
    summary = "<details><summary>The numbers behind each verdict, and what the report said</summary>\n\n"
    return f"{summary}{_markdown(' | claim | the report said | measured', rows)}</details>\n\n"


def _links(figures: str) -> str:
    links = []
    for each in filter(None, figures.split(", ")):
        anchor = {"gradients": "what-reaches-each-layer", "times": "times"}.get(each) or _anchor(int(each))
        links.append(f"[{each}](#{anchor})")
    return ", ".join(links)


def _anchor(number: int) -> str:
    """The anchor that GitHub gives the heading of a figure."""
    return re.sub(r"[^\w -]", "", _heading(number).lower()).replace(" ", "-")


def _heading(number: int) -> str:
    return f"Figure {number}. {FIGURES[number][0]}"


# ---- figures


def _figure(number: int, table: RunTable, checked: dict[Claim, Finding], shown: dict[str, str], appendix: str) -> str:
    curves = {name_in(number, name): table.named(name) for name in FIGURES[number][1]}
    seen = _scatter(list(curves.values())) if number == 13 else _ends(curves)
    decided = [claim for claim in checked if str(number) in claim.figure.split(", ")]
    claims = ", ".join(f"{claim.number} ({_verdict(checked[claim])})" for claim in decided)
    text = _answer(number, checked)[:-1] if number in SWEEPS else f"Claim{'s' * (len(decided) > 1)} {claims}"
    if not decided or number == 13:
        text = seen[:-1] + f". {text}" * bool(decided)
    more = f" [Table]({appendix}#{_anchor(number)})." if number != 1 else ""
    return (
        f"### {_heading(number)}\n\n![{_heading(number)}: {seen}]({shown[f'figure_{number:02}']})\n\n{text}.{more}\n\n"
    )


def _answer(number: int, checked: dict[Claim, Finding]) -> str:
    """What a figure of what the report did not try shows."""
    (question,) = (each for each in QUESTIONS if each.figure == str(number))
    finding = checked[question]
    return f"{question.text[:-1]}: {_verdict(finding)} ({finding.key})."


def _scatter(curves: list[CurveStats]) -> str:
    """What figure 13 shows: how much an evaluation scatters at the smallest and the largest batch."""
    words = [
        f"{scatter(curve.residual_sd('train'), '.2f')} at {curve.settings['batch_size']} (counting alone brings "
        f"{scatter(curve.counting_sd(), '.2f')})"
        for curve in curves
    ]
    return f"A logged point scatters by {' and '.join(words[:2])} in (a), by {' and '.join(words[2:])} in (b)."


def _ends(curves: dict[str, CurveStats]) -> str:
    """One sentence or two: who ends best and worst, how many train, who overfits."""
    if len(curves) == 1:
        ((name, curve),) = curves.items()
        return f"{name} ends at {final_test(curve)} on the test set and {percent(curve.train_accuracy)} in training."
    worst, *_, best = sorted(curves, key=lambda name: curves[name].mean())
    trained = sum(curve.trained for curve in curves.values())
    over = [name for name, curve in curves.items() if curve.mostly_overfits]
    train = "all train" if trained == len(curves) else f"{trained} of {len(curves)} train"
    ends = f"{best} ends best, at {final_test(curves[best])}, {worst} worst, at {final_test(curves[worst])}; {train}."
    return ends + (f" Overfitting: {', '.join(over)}." if over else "")


def _gradients(table: RunTable, shown: dict[str, str]) -> str:
    if "gradients" not in shown:
        return ""
    ratios = {SHORT_LOSS[loss]: table.run(f"2_Sigmoid_{loss}").delta_ratio(0) for loss in LOSSES}
    seen = ", ".join(f"1/{1 / ratio.mean():,.0f} ({name})" for name, ratio in ratios.items())
    return (
        "### What reaches each layer\n\n"
        f"![With two Sigmoid layers δ falls from the last layer to the first to {seen}]({shown['gradients']})\n\n"
        f"The runs of figure 6 on the first 1,000 training images: with two Sigmoid layers δ falls from the last layer to "
        f"the first to {seen}, before training. Claims 18, 19.\n\n"
    )


def _losses() -> str:
    """The report's worked example, by our own classes: an output of (0, 0, 0, 100) for the last of four classes."""
    output, target = np.array([[0.0, 0.0, 0.0, 100.0]]), np.array([[0.0, 0.0, 0.0, 1.0]])
    rows = [
        f"{type(loss).__name__} | {loss.forward(output, target):,.1f} | {loss.backward(output, target)[0, -1]:,.1f} | "
        f"{loss.forward(np.zeros((1, 10)), np.eye(10)[:1]):.4g} | {_vector(_output_gradient(loss))}"
        for loss in (EuclideanLoss("loss"), SoftmaxCrossEntropyLoss("loss"), HingeLoss("loss"))
    ]
    text = (
        "## The three losses by hand\n\nThe report's example: output (0, 0, 0, 100) for target (0, 0, 0, 1) is right, and Euclidean alone "
        "punishes it. At an output of zeros of ten classes, where every network begins, values and gradients are those of "
        "the formulas.\n\n"
    )
    head = "loss | value at (0, 0, 0, 100) | δ of the right class | value at 0 | gradient at 0"
    return text + _markdown(head, rows)


def _decay(table: RunTable) -> str:
    """The pairs without and with 1e-5, in a sentence."""
    pairs = [map(table.named, pair) for pair in DECAY_PAIRS if all(name in table.results for name in pair)]
    ends = [f"{one.name} ends at {final_test(one)} without and {final_test(other)} with it" for one, other in pairs]
    return f"{'; '.join(ends) or 'the pair at 1e-5 is not run yet'}."


def _restarted(table: RunTable) -> str:
    """What such weights would change, where the original seems to have trained and these runs do not."""
    if "restarted" not in table.results:
        return ""
    again, ours = table.named("restarted"), table.named(RESTARTED)
    return (
        f"With weights drawn as it drew them {ours.name} ends at {final_test(again)}, with ours at {final_test(ours)}; "
        f"of its hidden units {percent(again.flat_units(1)[:, 0])} are flat on every image after one epoch, of ours "
        f"{percent(ours.flat_units(1)[:, 0])}. So the stream is {'not ' * (again.trained == ours.trained)}why its run "
        "seems to have trained."
    )


def _times(timing: dict | None) -> str:
    if timing is None:
        return "## Times\n\nNot measured yet: `python report.py` measures them when nothing else runs.\n\n"
    rows = [
        f"{name} | {seconds['median']:.3f} | {seconds['min']:.3f} – {seconds['max']:.3f}"
        for name, seconds in timing["seconds_per_epoch"].items()
    ]
    return (
        f"## Times\n\nOne process, one thread: rounds of {timing['epochs']} epochs, the curves in turn, median of "
        f"{timing['rounds']} rounds. On another machine only the ratios mean anything ({timing['machine']}).\n\n"
    ) + _markdown("curve | seconds per epoch | fastest and slowest round", rows)


def _made_with(table: RunTable, timing: dict | None) -> str:
    results = [result for runs in table.results.values() for result in runs]
    settings, images = results[0].settings, results[0].made_with["images"]
    versions = Counter((r.version, *(r.made_with[key] for key in ("data", "python", "numpy"))) for r in results)
    machines = Counter(r.made_with["machine"] for r in results)
    seeds = sorted({result.settings["seed"] for result in results})
    at_10 = [result for result in results if result.settings["batch_size"] == 10]
    lines = [
        "## How it was made\n",
        f"* {len(results)} training runs of {len(table.results)} settings, seeds {', '.join(map(str, seeds))}; where a curve's "
        f"name does not say otherwise, hidden layers of 100 units, {settings['max_epoch']} epochs of {images:,} training images, momentum {settings['momentum']:g}, weights from "
        f"N(0, {settings['init_std']:g}²), biases 0, pixels (x − 128) / 255, hinge margin {settings['margin']:g}.",
        f"* {_time(results, 'All runs')}; {_time(at_10, 'those at batch size 10')}. "
        f"Machine: {', '.join(machines)}{'; ' + timing['machine'] if timing else ''}.",
    ]
    lines += [
        f"* {count} runs of results version {version}, on the data `{data}`, with Python {python}, NumPy {numpy}."
        for (version, data, python, numpy), count in versions.items()
    ]
    if len(versions) > 1 or next(iter(versions))[0] != store.RESULTS_VERSION:
        lines.append(
            f"* **Mixed results:** today's version is {store.RESULTS_VERSION}; `python report.py --fresh` trains all again."
        )
    return "\n".join(lines) + "\n"


def _time(results: list[store.Result], what: str) -> str:
    """Hours of one core, and the minutes in which at least one of the runs was training."""
    spans = sorted((r.made_with["ended"] - r.made_with["seconds"], r.made_with["ended"]) for r in results)
    wall, until = 0.0, 0.0
    for start, end in spans:
        wall += max(0.0, end - max(start, until))
        until = max(until, end)
    hours = sum(end - start for start, end in spans) / 3600
    return f"{what} took {hours:.1f} hours of one core, in {wall / 60:.0f} minutes"


# ---- the appendix


def _tables(table: RunTable, table_10: RunTable | None, shown: dict[str, str]) -> list[str]:
    parts = [APPENDIX]
    for number, (_, names) in FIGURES.items():
        if number == 1:
            continue
        parts.append(f"## {_heading(number)}\n\n{_table(number, names, table)}")
        if table_10 and number in AT_BATCH_10:
            picture = shown.get(f"figure_{number:02}_batch_10")
            image = f"![{_heading(number)}, at batch size 10]({picture})\n\n" if picture else ""
            at_10 = _table(number, [at_batch_10(name) for name in names], table_10)
            parts.append(f"At the printed batch size, 10:\n\n{image}{at_10}")
    return [*parts, _pairs(table), _first_gradients(table), _equal_gradients(table, table_10), _flat_units(table)]


def _table(number: int, names: list[str], table: RunTable) -> str:
    rows = []
    for name in names:
        curve, written = table.named(name), name if name.endswith("_10") else name_in(number, name)
        losses = f"{three_digits(curve.test_loss)} | {three_digits(curve.train_loss)}"
        accuracies = f"{final_test(curve)} | {percent(curve.best_test_accuracy)}"
        rows.append(f"{written} | {accuracies} | {losses} | {gain_epochs(curve)}")
    head = "curve | final test accuracy | best | final test loss | final train loss | epochs to 95 % of the gain"
    return _markdown(head, rows)


def _pairs(table: RunTable) -> str:
    text = (
        f"## {PAIRS}\n\nFrom the same initial weights, in the same order; the difference is batch 100 − batch 10.\n\n"
    )
    rows = []
    for large, small in table.pairs():
        rates = ", ".join(f"{curve.settings['learning_rate']:g}" for curve in (large, small))
        gap = percentage_points(compare.gap(large, small))
        gap = gap if large.finished.all() and small.finished.all() else "–"
        rows.append(f"{short_name(large.name)} | {rates} | {final_test(large)} | {final_test(small)} | {gap}")
    return text + _markdown("curve | learning rate at 100, at 10 | at 100 | at 10 | difference", rows)


def _first_gradients(table: RunTable) -> str:
    rows = []
    for layers, activation, loss in itertools.product((1, 2), ACTIVATIONS, LOSSES):
        curve = table.run(f"{layers}_{activation}_{loss}")
        sizes = (curve.delta(0)[:, -1], curve.first_gradient, curve.first_share)
        rows.append(" | ".join((f"{layers}, {activation}", SHORT_LOSS[loss], *map(three_digits, sizes))))
    text = (
        "## Gradients before training\n\nOn 1,000 training images. The whole gradient is that of their mean: what they "
        "disagree about cancels in it.\n\n"
    )
    head = "layers, activation | loss | RMS of δ at the output, one image | whole gradient | share of the first layer"
    return text + _markdown(head, rows)


def _equal_gradients(table: RunTable, table_10: RunTable | None) -> str:
    rows = []
    for each, layers in itertools.product(filter(None, (table, table_10)), (1, 2)):
        try:
            curves = at_equal_gradient(each, layers).values()
        except MissingRun as missing:
            rows.append(f"{missing} | | ")
            continue
        rows += [f"{curve.name} | {final_test(curve)} | {convergence(curve)}" for curve in curves]
    head = "curve | final test accuracy | epochs to 80 % / to 95 % of the gain"
    return "## At an equal gradient at the output\n\n" + _markdown(head, rows)


def _flat_units(table: RunTable) -> str:
    rows = []
    for name in FIGURES[6][1]:
        shares = [table.named(name).flat_units(epoch).mean(axis=0) for epoch in PROBE_EPOCHS]
        words = (", ".join("–" if np.isnan(share) else f"{share:.1%}" for share in each) for each in shares)
        rows.append(f"{name_in(6, name)} | {' | '.join(words)}")
    text = (
        "## Dead or saturated units\n\nThe share of units whose slope is below 0.01 on each of 1,000 training images, first "
        "and second layer.\n\n"
    )
    return text + _markdown(" | ".join(["curve", *(f"epoch {epoch}" for epoch in PROBE_EPOCHS)]), rows)
