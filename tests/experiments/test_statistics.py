"""What is measured on curves, and when one is better than another, against numbers worked by hand."""

import numpy as np
import pytest
from fake_results import EQUAL_STEP, NAN, fake_run, fake_table

from experiments import compare
from experiments.statistics import CurveStats, MissingRun, RunTable
from experiments.store import Result
from training.metrics import Row
from training.probe import ProbeRow

NAME = "1_Sigmoid_EuclideanLoss_0.01_0.0_100"


def by_hand(train, test, seed=0, batch=10, share=0.11, probe=(), samples=100) -> CurveStats:
    """A run over 100 samples. train: (epoch, iteration, loss, accuracy), test: (loss, accuracy) from epoch 0."""
    epochs = len(test) - 1
    settings = fake_run(NAME, seed, epochs=1).settings | {"batch_size": batch, "max_epoch": epochs, "disp_freq": 5}
    rows = [Row("train", *values, NAN) for values in train]
    rows += [Row("test", epoch, epoch * -(-samples // batch), *values, NAN) for epoch, values in enumerate(test)]
    return CurveStats([Result(settings, {"class_share": share}, rows, list(probe))], samples)


def several(*curves: CurveStats) -> CurveStats:
    results = [curve.results[0] for curve in curves]
    results = [r._replace(settings=r.settings | {"seed": seed}) for seed, r in enumerate(results)]
    return CurveStats(results, 100)


def accuracies(*values: float) -> CurveStats:
    """One run for each value, a seed each, with that accuracy from the first epoch on."""
    return several(*(by_hand([(1, 10, 1.0, v)], [(1.0, 0.1), (1.0, v)]) for v in values))


def test_final_is_the_mean_of_the_last_five_epochs():
    test = [(9.0, 0.0)] + [(float(e), e / 10) for e in range(1, 8)]
    train = [(e, 10 * e - 5 + 5 * half, 10.0 * e, e / 10 + 0.01 * half) for e in range(1, 8) for half in (0, 1)]
    curve = by_hand(train, test)
    assert curve.test_accuracy == pytest.approx([0.5])  # epochs 3 to 7
    assert curve.test_loss == pytest.approx([5.0])
    assert curve.train_accuracy == pytest.approx([0.505])
    assert curve.train_loss == pytest.approx([50.0])
    assert curve.best_test_accuracy == pytest.approx([0.7])
    assert curve.initial_loss == [9.0]
    assert curve.loss_left == pytest.approx([1 / 9])


def test_a_short_run_is_final_from_its_first_epoch():
    curve = by_hand([(1, 10, 1.0, 0.3), (2, 20, 1.0, 0.5)], [(1.0, 0.1), (1.0, 0.2), (1.0, 0.4)])
    assert curve.test_accuracy == pytest.approx([0.3])
    assert curve.train_accuracy == pytest.approx([0.4])


def test_a_point_weighs_the_samples_that_it_averages():
    # Batches of 30 over 100 samples: 4 steps an epoch, of 30, 30, 30 and 10 samples.
    train = [(1, 3, 1.0, 0.2), (1, 4, 1.0, 0.6), (2, 7, 1.0, 0.4), (2, 8, 1.0, 0.9)]
    curve = by_hand(train, [(1.0, 0.1), (1.0, 0.2), (1.0, 0.4)], batch=30)
    assert curve.runs[0].train.seen.tolist() == [90, 100, 190, 200]
    assert curve.runs[0].test.seen.tolist() == [0, 100, 200]
    assert curve.train_accuracy == pytest.approx([(90 * 0.2 + 10 * 0.6 + 90 * 0.4 + 10 * 0.9) / 200])


def test_samples_to_80_ends_with_the_first_point_there():
    train = [(1, 5, 1.0, 0.5), (1, 10, 1.0, 0.799), (2, 15, 1.0, 0.8), (2, 20, 1.0, 0.7)]
    assert by_hand(train, [(1.0, 0.1)] * 3).samples_to_80 == [150]
    never = [(*row[:3], 0.7) for row in train]
    assert np.isnan(by_hand(never, [(1.0, 0.1)] * 3).samples_to_80).all()
    assert by_hand(train, [(1.0, 0.1)] * 3, batch=20, samples=200).samples_to_80 == [300]


def test_samples_to_gain_is_of_the_runs_own_way():
    # From 0.1 to the mean of the five last epochs, 0.5: 95 % of the way is 0.48.
    train = [(e, 10 * e, 1.0, a) for e, a in enumerate([0.2, 0.47, 0.49, 0.5, 0.5, 0.5, 0.51], 1)]
    curve = by_hand(train, [(1.0, 0.1)] + [(1.0, 0.5)] * 7)
    assert curve.samples_to_gain == [300]
    falling = [(*row[:3], 0.05 if row[0] > 1 else 0.2) for row in train]
    assert np.isnan(by_hand(falling, [(1.0, 0.1)] * 8).samples_to_gain).all()


def test_the_very_start_is_the_first_two_epochs():
    train = [(e, 10 * e, 1.0, a) for e, a in enumerate([0.2, 0.4, 0.9], 1)]
    assert by_hand(train, [(1.0, 0.1)] * 4).start_accuracy == pytest.approx([0.3])


@pytest.mark.parametrize(
    ("test_losses", "train_losses", "overfits"),
    [
        ([2.0, 1.0, 1.0, 1.06, 1.06, 1.06, 1.06, 1.06], [9, 5, 4, 3, 2, 1, 1], True),
        ([2.0, 1.0, 1.0, 1.04, 1.04, 1.04, 1.04, 1.04], [9, 5, 4, 3, 2, 1, 1], False),
        ([2.0, 1.0, 1.0, 1.5, 1.5, 1.5, 1.5, 1.5], [9, 10, 11, 12, 13, 14, 15], False),
        ([2.0, 1.5, 1.2, 1.0, 1.5, 1.5, 1.5, 1.5], [9, 5, 2, 3, 4, 5, 6], False),
        ([2.0, 1.0, 1.0, 1.5, 1.5, 1.5, 1.5, NAN], [9, 5, 4, 3, 2, 1, 1], False),
    ],
)
def test_overfitting(test_losses, train_losses, overfits):
    train = [(e, 10 * e, float(loss), 0.9) for e, loss in enumerate(train_losses, 1)]
    assert by_hand(train, [(loss, 0.9) for loss in test_losses]).overfits.tolist() == [overfits]


def test_correlation_leaves_the_untrained_network_out():
    train = [(3, 30, 1.0, 0.9)]
    assert by_hand(train, [(9.0, 0.0), (1.0, 0.5), (2.0, 0.6), (3.0, 0.7)]).correlation == pytest.approx([1.0])
    assert by_hand(train, [(9.0, 0.0), (1.0, 0.5), (2.0, 0.4), (3.0, 0.3)]).correlation == pytest.approx([-1.0])
    assert np.isnan(by_hand(train, [(9.0, 0.0), (1.0, 0.5), (2.0, 0.5)]).correlation).all()


def test_residuals_are_about_a_moving_median():
    # A straight climb has none; one point of 13 that stands out by 0.13 leaves three residuals: 0, 0.13, 0.
    def curve(values):
        train = [(1 + i // 2, 5 * (i + 1), 1.0, v) for i, v in enumerate(values)]
        return by_hand(train, [(1.0, 0.1)] * 8)

    climb = [0.02 * i for i in range(14)]
    assert curve(climb).residual_sd() == pytest.approx([0.0], abs=1e-12)
    flat = [0.5] * 14
    flat[6] = 0.63
    assert curve(flat).residual_sd() == pytest.approx([np.std([0, 0.13, 0, 0])])
    assert np.isnan(curve(flat).residual_sd(100)).all()  # 7 points are fewer than a window


def test_a_smoothed_point_averages_its_samples():
    noisy = CurveStats([fake_run(NAME[:-3] + "10", noise=0.02, tau=0.01, epochs=10)])
    still = CurveStats([fake_run(NAME[:-3] + "200", noise=0.02, tau=0.01, epochs=10)])
    assert noisy.residual_sd() == pytest.approx(still.residual_sd(), rel=0.3)
    assert noisy.residual_sd(10_000) == pytest.approx(noisy.residual_sd() / np.sqrt(20), rel=0.3)
    assert still.residual_sd(10_000) == pytest.approx(still.residual_sd(), rel=1e-9)


@pytest.mark.parametrize(
    ("values", "share", "trained", "failed", "chance"),
    [
        ((0.8, 0.9), 0.1, True, False, False),
        ((0.79, 0.9), 0.1, False, False, False),
        ((0.49, 0.1), 0.1, False, True, False),
        ((0.5, 0.1), 0.1, False, False, False),
        ((0.12, 0.1), 0.95, False, True, True),
        ((0.12, 0.1), 0.94, False, True, False),
        ((0.13, 0.1), 1.0, False, True, False),
    ],
)
def test_trained_failed_and_at_chance(values, share, trained, failed, chance):
    curve = accuracies(*values)
    for each in curve.results:
        each.made_with["class_share"] = share
    assert (curve.trained, curve.failed, curve.at_chance) == (trained, failed, chance)


def test_the_probe_is_read_by_layer_and_epoch():
    rows = [
        ProbeRow(1, 0, "fc1", 0.02, 3.0, 6.0, NAN, NAN),
        ProbeRow(1, 1, "act1", NAN, NAN, NAN, 0.2, 0.3),
        ProbeRow(1, 2, "fc2", 0.5, 4.0, 2.0, NAN, NAN),
    ]
    probe = [row._replace(epoch=0, gradient=row.gradient * 10) for row in rows] + rows
    curve = by_hand([(1, 10, 1.0, 0.9)], [(1.0, 0.1), (1.0, 0.9)], probe=probe)
    assert curve.delta(1).tolist() == [[0.02, 0.5]]
    assert curve.delta_ratio(1) == pytest.approx([0.04])
    assert curve.gradient_ratio(1).tolist() == [[0.5, 2.0]]
    assert curve.slope(1).tolist() == [[0.2]]
    assert curve.flat_units(1).tolist() == [[0.3]]
    assert curve.first_gradient == pytest.approx([50.0])
    assert curve.delta(5).shape == (1, 2) and np.isnan(curve.delta(5)).all()


@pytest.mark.parametrize("epoch", [1, 30])
def test_a_run_that_diverged_failed_and_breaks_nothing(epoch):
    curve = CurveStats([fake_run(NAME, seed=0), fake_run(NAME, seed=1, diverged_in=epoch)])
    assert curve.finished.tolist() == [True, False]
    for name in (
        "test_accuracy",
        "train_loss",
        "best_test_accuracy",
        "samples_to_80",
        "samples_to_gain",
        "correlation",
    ):
        assert np.isnan(getattr(curve, name)).tolist() == [False, True], name
    assert not curve.trained and not curve.failed and not curve.at_chance
    assert CurveStats(curve.results[1:]).failed
    assert curve.overfits.tolist() == [False, False]
    assert np.isnan(curve.residual_sd()).tolist() == [False, True]
    assert np.isnan(curve.slope(1)[:, 0]).tolist() == [False, epoch == 1]
    assert (
        compare.better(CurveStats(curve.results[:1]), CurveStats([curve.results[0], curve.results[1]]).only([0]))
        is False
    )
    assert not compare.converge_alike(curve, curve)


# ---- comparisons


@pytest.mark.parametrize(
    ("first", "second", "outcome"),
    [
        ((0.954, 0.953), (0.950, 0.950), True),
        ((0.953, 0.952), (0.950, 0.950), False),  # 0.25 points
        ((0.990, 0.949), (0.950, 0.950), False),  # another order in one seed
        ((0.950, 0.950), (0.954, 0.953), False),
    ],
)
def test_better(first, second, outcome):
    assert compare.better(accuracies(*first), accuracies(*second)) is outcome


def test_slightly_and_clearly():
    top, below, bottom = accuracies(0.95, 0.95), accuracies(0.93, 0.93), accuracies(0.88, 0.88)
    assert compare.slightly_better(top, below) and not compare.slightly_better(below, bottom)
    assert compare.clearly_better(below, bottom, 0.02) and not compare.clearly_better(below, bottom, 0.026)
    assert compare.clearly_better(below, bottom, -0.02) and not compare.clearly_better(below, bottom, -0.026)
    assert not compare.clearly_better(bottom, below, 0.001)
    assert not compare.slightly_better(accuracies(0.951), accuracies(0.949))
    assert compare.difference([top, below, bottom]) == pytest.approx(0.07)


def test_seeds_are_compared_with_their_own_kind():
    first, second = accuracies(0.9, 0.8, 0.7), accuracies(0.89, 0.79, 0.69)
    assert compare.gap(first, second) == pytest.approx([0.01] * 3)
    assert compare.gap(first, second.only([1, 2])) == pytest.approx([0.01] * 2)
    assert compare.better(first, second.only([2]))
    with pytest.raises(MissingRun, match="no seed in common"):
        compare.together(first.only([0]), second.only([1]))


def speeds(to_80, to_gain) -> CurveStats:
    curve = accuracies(*to_80)
    curve.samples_to_80, curve.samples_to_gain = np.array(to_80, float), np.array(to_gain, float)
    return curve


def test_faster_needs_both_measures_in_every_seed():
    slow = speeds((1000, 1000), (5000, 5000))
    assert compare.faster(speeds((900, 999), (4000, 4999)), slow)
    assert not compare.faster(speeds((900, 1000), (4000, 4999)), slow)
    assert not compare.faster(speeds((900, 900), (6000, 4000)), slow)
    assert not compare.faster(speeds((NAN, 900), (4000, 4000)), slow)
    never = speeds((NAN, NAN), (9000, 9000))
    assert compare.faster(slow, never) and not compare.faster(never, slow) and not compare.faster(never, never)


def test_alike_is_a_ratio_of_means_up_to_five_quarters():
    slow = speeds((1000, 1000), (5000, 5000))
    assert compare.converge_alike(speeds((800, 800), (4000, 4000)), slow)
    assert compare.converge_alike(slow, speeds((800, 800), (4000, 4000)))
    assert not compare.converge_alike(speeds((790, 790), (4000, 4000)), slow)
    assert not compare.converge_alike(speeds((800, 800), (3900, 3900)), slow)
    assert not compare.converge_alike(speeds((800, NAN), (4000, 4000)), slow)
    assert not compare.is_alike(1.0, NAN) and not compare.is_alike(NAN, 1.0)


def test_steadier_is_lower_in_every_seed_and_not_alike():
    def noisy(*levels):
        return CurveStats([fake_run(NAME, seed, noise=level, tau=0.01) for seed, level in enumerate(levels)])

    assert compare.steadier(noisy(0.01, 0.01), noisy(0.02, 0.02))
    assert not compare.steadier(noisy(0.02, 0.02), noisy(0.01, 0.01))
    assert not compare.steadier(noisy(0.01, 0.03), noisy(0.04, 0.02))
    assert not compare.steadier(noisy(0.0190, 0.0190), noisy(0.02, 0.02))


# ---- the table of all curves


def test_a_table_finds_curves_by_name_and_names_what_is_missing():
    full = fake_table({})
    assert full.run("1_Sigmoid_EuclideanLoss") is full.named(NAME)
    assert full.run("1_Sigmoid_EuclideanLoss", 1).name == "1_Sigmoid_EuclideanLoss_1.0_0.0_100"
    assert full.run("1_Sigmoid_EuclideanLoss", batch=200).settings["batch_size"] == 200
    assert full.equal_step("2_Sigmoid_EuclideanLoss").name == "2_Sigmoid_EuclideanLoss_0.08_0.0_100"
    with pytest.raises(MissingRun, match="1_Sigmoid_EuclideanLoss_7"):
        full.run("1_Sigmoid_EuclideanLoss", 7)
    with pytest.raises(MissingRun, match="2_Relu_EuclideanLoss"):
        full.equal_step("2_Relu_EuclideanLoss")
    with pytest.raises(MissingRun, match="1_Gelu_HingeLoss_0"):
        RunTable({"1_Gelu_HingeLoss_0.01_0.0_100": []}).run("1_Gelu_HingeLoss")


def test_a_table_at_batch_size_10_reads_the_curves_of_that_size():
    name = "2_Sigmoid_EuclideanLoss_0.08_0.0_10"
    small = RunTable({name: [fake_run(name, epochs=1)]}, 10, EQUAL_STEP)
    assert small.equal_step("2_Sigmoid_EuclideanLoss").settings["batch_size"] == 10
    assert small.run("2_Sigmoid_EuclideanLoss", 0.08) is small.named(name)
