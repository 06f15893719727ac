"""The curves: what is drawn is what metrics.csv says, and drawing leaves the user's matplotlib alone."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from curves import COLOURS, Curve, _stretch, _unstretch, draw, final, looks, points, steps_of
from training.metrics import Row

ROOT = Path(__file__).resolve().parents[2]


def rows(epochs: int = 3, per_epoch: int = 4, loss: float = 1.0, accuracy: float = 0.5, last: int | None = None):
    """Rows of a run with two points per epoch; `last` cuts the last epoch short after so many iterations."""
    made = [Row("test", 0, 0, 2 * loss, 0.1, 0.0)]
    for epoch in range(1, epochs + 1):
        before = (epoch - 1) * per_epoch
        for within in (per_epoch // 2, per_epoch):
            if epoch == epochs and last is not None and within > last:
                return made
            made.append(Row("train", epoch, before + within, loss / (before + within), accuracy, 0.0))
        made.append(Row("test", epoch, before + per_epoch, loss / (before + per_epoch), accuracy + epoch / 100, 0.0))
    return made


def test_points_stand_at_their_epochs():
    x, values = points(Curve("a", [rows()]), "train", "loss")
    assert x.tolist() == [0.5, 1.0, 1.5, 2.0, 2.5, 3.0]
    assert values.tolist() == [[1 / 2, 1 / 4, 1 / 6, 1 / 8, 1 / 10, 1 / 12]]
    assert points(Curve("a", [rows()]), "test", "accuracy")[0].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("steps", [None, 4])
def test_an_epoch_cut_short_is_not_stretched(steps):
    x, _ = points(Curve("a", [rows(epochs=2, last=2)], steps=steps), "train", "loss")
    assert x.tolist() == [0.5, 1.0, 1.5]


def test_the_first_epoch_cut_short_is_placed_by_the_steps_of_config_json(tmp_path):
    (tmp_path / "config.json").write_text('{"images": {"train": 39}, "settings": {"batch_size": 10}}')
    assert steps_of(tmp_path) == 4
    assert points(Curve("a", [rows(epochs=1, last=2)], steps=4), "train", "loss")[0].tolist() == [0.5]
    part = '{"images": {"train": 39}, "settings": {"batch_size": 10, "train_images": %s, "validation": 9}}'
    for chosen, steps in (('"all"', 3), ("15", 2)):
        (tmp_path / "config.json").write_text(part % chosen)
        assert steps_of(tmp_path) == steps
    (tmp_path / "config.json").write_text("{}")
    assert steps_of(tmp_path) is None


def test_runs_of_several_seeds_are_drawn_as_their_mean_and_band():
    figure = draw([Curve("a", [rows(accuracy=0.4), rows(accuracy=0.6)]), Curve("b", [rows()])])
    (line, _), (band,) = figure.axes[2].lines, figure.axes[2].collections
    assert line.get_ydata() == pytest.approx([10, 51, 52, 53])
    heights = band.get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == pytest.approx((10, 53 + 100 * np.std([0.43, 0.63], ddof=1)))


def test_final_numbers_are_the_last_of_the_test_set_and_the_last_epoch_of_training():
    curve = Curve("a", [rows()])
    assert final(curve, "test", "accuracy") == "final 53.00 %"
    assert final(curve, "train", "loss") == f"last epoch {(1 / 10 + 1 / 12) / 2:.4f}"
    assert final(Curve("a", [[Row("test", 0, 0, 1.0, 0.1, 0.0)]]), "train", "loss") == ""


def test_a_loss_that_is_no_longer_a_number_does_not_stop_the_drawing(tmp_path):
    diverged = [*rows(epochs=1), Row("train", 2, 6, float("nan"), 0.1, 0.0), Row("test", 2, 8, float("inf"), 0.1, 0.0)]
    draw([Curve("a", [diverged])]).savefig(tmp_path / "a.png")


def test_a_loss_of_exactly_0_leaves_the_axis_logarithmic():
    zero = [*rows(), Row("train", 4, 14, 0.0, 1.0, 0.0)]
    assert [panel.get_yscale() for panel in draw([Curve("a", [zero])]).axes[:2]] == ["log", "log"]


def test_no_two_of_many_curves_look_alike():
    many = looks([Curve(str(number), []) for number in range(28)])
    assert len({(look["color"], look["linestyle"]) for look in many}) == 28
    assert len({look["color"] for look in many[: len(COLOURS)]}) == len(COLOURS)


def test_the_accuracy_axis_tells_97_from_98_and_comes_back():
    percent = np.linspace(0, 100, 101)
    assert _unstretch(_stretch(percent)) == pytest.approx(percent)
    assert np.all(np.diff(_stretch(percent)) > 0)
    assert _stretch(98) - _stretch(97) > 10 * (_stretch(51) - _stretch(50))


def test_drawing_leaves_the_backend_alone():
    code = (
        "import sys; from curves import Curve, draw; from training.metrics import Row; "
        "figure = draw([Curve('a', [[Row('test', 0, 0, 1.0, 0.1, 0.0), Row('train', 1, 1, 1.0, 0.1, 0.0)]])]); "
        "import matplotlib.figure; assert isinstance(figure, matplotlib.figure.Figure); "
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
