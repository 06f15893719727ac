"""What is measured on curves, and when one is better than another, against numbers worked by hand."""

import numpy as np
import pytest
from fake_results import EQUAL_GRADIENT, NAN, fake_run, fake_table

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


FALLING = [9, 5, 0.9, 0.9, 0.8, 0.7, 0.7]
RISEN = [2.0, 1.0, 1.0, 1.06, 1.06, 1.06, 1.06, 1.06]


@pytest.mark.parametrize(
    ("test_losses", "train_losses", "accuracy", "overfits"),
    [
        (RISEN, FALLING, 0.9, True),
        (RISEN, FALLING, 0.79, False),  # it did not train
        ([2.0, 1.0, 1.0, 1.04, 1.04, 1.04, 1.04, 1.04], FALLING, 0.9, False),
        ([2.0, 1.0, 1.0, 1.5, 1.5, 1.5, 1.5, 1.5], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7], 0.9, False),
        (RISEN, [9, 5, 4, 3, 2, 2, 2], 0.9, False),  # train loss above test loss
        ([2.0, 1.0, 1.0, 1.5, 1.5, 1.5, 1.5, NAN], FALLING, 0.9, False),
    ],
)
def test_overfitting(test_losses, train_losses, accuracy, overfits):
    train = [(e, 10 * e, float(loss), 0.9) for e, loss in enumerate(train_losses, 1)]
    curve = by_hand(train, [(loss, accuracy) for loss in test_losses])
    assert curve.overfits.tolist() == [overfits] and curve.mostly_overfits is overfits


def test_it_mostly_overfits_in_two_of_three_seeds():
    train = [(e, 10 * e, float(loss), 0.9) for e, loss in enumerate(FALLING, 1)]
    over, not_over = (by_hand(train, [(loss, 0.9) for loss in losses]) for losses in (RISEN, [2.0] + [1.0] * 7))
    assert several(over, over, not_over).mostly_overfits and not several(over, not_over, not_over).mostly_overfits


def test_correlation_leaves_the_untrained_network_out():
    train = [(3, 30, 1.0, 0.9)]
    assert by_hand(train, [(9.0, 0.0), (1.0, 0.5), (2.0, 0.6), (3.0, 0.7)]).correlation == pytest.approx([1.0])
    assert by_hand(train, [(9.0, 0.0), (1.0, 0.5), (2.0, 0.4), (3.0, 0.3)]).correlation == pytest.approx([-1.0])
    assert np.isnan(by_hand(train, [(9.0, 0.0), (1.0, 0.5), (2.0, 0.5)]).correlation).all()


def test_residuals_are_robust_and_about_a_moving_median():
    def curve(values):
        train = [(1 + i // 2, 5 * (i + 1), 1.0, v) for i, v in enumerate(values)]
        return by_hand(train, [(1.0, 0.1)] + [(1.0, v) for v in values])

    climb = curve([0.02 * i for i in range(24)])
    flat = [0.5] * 24
    flat[12] = 0.63  # one point alone moves no median
    for split in ("train", "test"):
        assert climb.residual_sd(split) == pytest.approx([0.0], abs=1e-12)
        assert curve(flat).residual_sd(split) == pytest.approx([0.0], abs=1e-12)
        assert np.isnan(curve(flat[:10]).residual_sd(split)).all()  # fewer points than a window


def test_residuals_of_noise_are_its_deviation():
    curve = CurveStats([fake_run(NAME, noise=0.02, test_noise=0.01, tau=0.01, epochs=400)])
    assert curve.residual_sd("test") == pytest.approx([0.01], rel=0.2)
    assert curve.residual_sd("train") == pytest.approx([0.02], rel=0.2)


def test_a_training_point_scatters_by_counting_alone():
    small, large = (CurveStats([fake_run(f"{NAME[:-3]}{size}", final=0.9, tau=0.01, epochs=10)]) for size in (10, 200))
    assert small.counting_sd() == pytest.approx([np.sqrt(0.9 * 0.1 / 500)], rel=0.01)
    assert large.counting_sd() == pytest.approx([np.sqrt(0.9 * 0.1 / 10_000)], rel=0.01)


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
    assert curve.slope(1).tolist() == [[0.2]]
    assert curve.flat_units(1).tolist() == [[0.3]]
    assert curve.first_gradient == pytest.approx([50.0])
    assert curve.first_share == pytest.approx([0.6])
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
    assert np.isnan(curve.residual_sd("test")).tolist() == [False, True]
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


def test_faster_needs_both_measures_in_every_seed_and_more_than_a_quarter():
    slow = speeds((1000, 1000), (5000, 5000))
    assert compare.faster(speeds((700, 800), (3000, 4000)), slow)
    assert not compare.faster(speeds((900, 999), (3000, 4000)), slow)  # alike
    assert not compare.faster(speeds((500, 1000), (3000, 4000)), slow)
    assert not compare.faster(speeds((700, 700), (6000, 1000)), slow)
    assert not compare.faster(speeds((NAN, 700), (3000, 3000)), slow)
    never = speeds((NAN, NAN), (9000, 9000))
    assert compare.faster(slow, never) and not compare.faster(never, slow) and not compare.faster(never, never)


def test_near_is_within_one_deviation_of_the_threshold():
    values = np.array([0.02, 0.04])  # 0.03 ± 0.014
    assert compare.near(values, 0.02) and compare.near(values, 0.044) and not compare.near(values, 0.01)
    assert not compare.near(values[:1], 0.02)


def test_times_differ_if_no_round_is_as_fast_and_the_medians_are_apart():
    fast = {"median": 1.0, "min": 0.9, "max": 1.1}
    assert compare.times_differ({"median": 1.3, "min": 1.11, "max": 1.5}, fast)
    assert not compare.times_differ({"median": 1.3, "min": 1.09, "max": 1.5}, fast)
    assert not compare.times_differ({"median": 1.05, "min": 1.04, "max": 1.06}, {"median": 1.0, "min": 1, "max": 1})
    assert not compare.times_differ(fast, fast)


def test_alike_is_a_ratio_of_means_up_to_five_quarters():
    slow = speeds((1000, 1000), (5000, 5000))
    assert compare.converge_alike(speeds((800, 800), (4000, 4000)), slow)
    assert compare.converge_alike(slow, speeds((800, 800), (4000, 4000)))
    assert not compare.converge_alike(speeds((790, 790), (4000, 4000)), slow)
    assert not compare.converge_alike(speeds((800, 800), (3900, 3900)), slow)
    assert not compare.converge_alike(speeds((800, NAN), (4000, 4000)), slow)
    assert not compare.is_alike(1.0, NAN) and not compare.is_alike(NAN, 1.0)


def test_smoother_is_lower_in_every_seed_and_not_alike():
    def noisy(*levels):
        return CurveStats([fake_run(NAME, seed, test_noise=level, tau=0.01) for seed, level in enumerate(levels)])

    assert compare.smoother(noisy(0.01, 0.01), noisy(0.02, 0.02), "test")
    assert not compare.smoother(noisy(0.02, 0.02), noisy(0.01, 0.01), "test")
    assert not compare.smoother(noisy(0.01, 0.03), noisy(0.04, 0.02), "test")
    assert not compare.smoother(noisy(0.0190, 0.0190), noisy(0.02, 0.02), "test")


# ---- the table of all curves


def test_a_table_finds_curves_by_name_and_names_what_is_missing():
    full = fake_table({})
    assert full.run("1_Sigmoid_EuclideanLoss") is full.named(NAME)
    assert full.run("1_Sigmoid_EuclideanLoss", 1).name == "1_Sigmoid_EuclideanLoss_1.0_0.0_100"
    assert full.run("1_Sigmoid_EuclideanLoss", batch=200).settings["batch_size"] == 200
    assert full.equal_gradient("2_Sigmoid_EuclideanLoss").name == "2_Sigmoid_EuclideanLoss_0.08_0.0_100"
    with pytest.raises(MissingRun, match="1_Sigmoid_EuclideanLoss_7"):
        full.run("1_Sigmoid_EuclideanLoss", 7)
    with pytest.raises(MissingRun, match="2_Relu_EuclideanLoss"):
        full.equal_gradient("2_Relu_EuclideanLoss")
    with pytest.raises(MissingRun, match="1_Gelu_HingeLoss_0"):
        RunTable({"1_Gelu_HingeLoss_0.01_0.0_100": []}).run("1_Gelu_HingeLoss")


def test_a_table_at_batch_size_10_reads_the_curves_of_that_size():
    name = "2_Sigmoid_EuclideanLoss_0.08_0.0_10"
    small = RunTable({name: [fake_run(name, epochs=1)]}, 10, EQUAL_GRADIENT)
    assert small.equal_gradient("2_Sigmoid_EuclideanLoss").settings["batch_size"] == 10
    assert small.run("2_Sigmoid_EuclideanLoss", 0.08) is small.named(name)


def test_pairs_have_equal_rate_by_batch_size():
    names = ["1_Relu_HingeLoss_0.01_0.0_100", "1_Relu_HingeLoss_0.001_0.0_10", "1_Relu_HingeLoss_0.01_0.0_10"]
    names += ["1_Relu_HingeLoss_0.1_0.01_100", "1_Relu_HingeLoss_0.01_0.01_10", "2_Relu_HingeLoss_0.01_0.0_100"]
    found = RunTable({name: [fake_run(name, epochs=1)] for name in names}).pairs()
    assert [[curve.settings["learning_rate"] for curve in pair] for pair in found] == [[0.01, 0.001]]
