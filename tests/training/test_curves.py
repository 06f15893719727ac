"""The curves: what is drawn is what metrics.csv says, and drawing leaves the user's matplotlib alone."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import curves
from curves import COLOURS, LOG_IN_ERROR, Curve, config_of, draw, final, looks, of_runs, points, steps_of
from training.metrics import Row
from training.pictures import draw_gradients, save
from training.probe import ProbeRow

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


def config(**settings) -> dict:
    """The config.json of a run on 39 images in batches of 10, so of 4 steps an epoch."""
    sha = {"training images": "a1"}
    return {"images": {"train": 39}, "labels": list(range(10)), "settings": {"batch_size": 10} | settings} | {
        "pixels": 784,
        "data_sha256": sha,
    }


@pytest.mark.parametrize("config_json", [None, config()])
def test_an_epoch_cut_short_is_not_stretched(config_json):
    x, _ = points(Curve("a", [rows(epochs=2, last=2)], config=config_json), "train", "loss")
    assert x.tolist() == [0.5, 1.0, 1.5]


def test_the_first_epoch_cut_short_is_placed_by_the_steps_of_config_json(tmp_path):
    assert points(Curve("a", [rows(epochs=1, last=2)], config=config()), "train", "loss")[0].tolist() == [0.5]
    assert steps_of(config(validation=9)) == 3
    assert steps_of(config(validation=9, train_images=15)) == 2
    for text, found in ((json.dumps(config()), config()), ("{}", None), ('{"settings": 1}', None)):
        (tmp_path / "config.json").write_text(text)
        assert config_of(tmp_path) == found


def test_runs_of_several_seeds_are_drawn_as_their_mean_and_range():
    figure = draw([Curve("a", [rows(accuracy=0.4), rows(accuracy=0.6)]), Curve("b", [rows()])])
    (line, _), (band,) = figure.axes[2].lines, figure.axes[2].collections
    assert line.get_ydata() == pytest.approx([10, 51, 52, 53])
    heights = band.get_paths()[0].vertices[:, 1]
    assert sorted({round(height) for height in heights}) == [10, 41, 42, 43, 61, 62, 63]


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
    assert draw([Curve("a", [zero])]).axes[0].get_yscale() == "log"


def test_no_two_of_many_curves_look_alike():
    many = looks([Curve(str(number), []) for number in range(28)])
    assert len({(look["color"], look["linestyle"]) for look in many}) == 28
    assert len({look["color"] for look in many[: len(COLOURS)]}) == len(COLOURS)


def test_the_accuracy_axis_tells_97_from_98_and_comes_back():
    percent = np.linspace(0, 100, 101)
    assert curves._unstretch(curves._stretch(percent)) == pytest.approx(percent)
    assert np.all(np.diff(curves._stretch(percent)) > 0)
    assert curves._stretch(98) - curves._stretch(97) > 10 * (curves._stretch(51) - curves._stretch(50))


def test_drawing_leaves_the_backend_alone():
    code = (
        "import sys; from curves import Curve, draw; from training.metrics import Row; "
        "figure = draw([Curve('a', [[Row('test', 0, 0, 1.0, 0.1, 0.0), Row('train', 1, 1, 1.0, 0.1, 0.0)]])]); "
        "import matplotlib.figure; assert isinstance(figure, matplotlib.figure.Figure); "
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


# ---- the picture of one run, and of runs that differ in their seed alone


def texts(figure) -> list[list[str]]:
    return [[text.get_text() for text in panel.get_legend().get_texts()] for panel in figure.axes]


def test_one_run_is_two_panels_with_train_and_test_in_each_and_a_title_in_words():
    figure = draw([Curve("a name", [rows()], config=config(learning_rate=0.05, momentum=0.9, seed=3))])
    assert figure.get_suptitle() == (
        "784-100-10, Relu, softmax cross-entropy, SGD 0.05, batch 10, momentum 0.9, seed 3: 53.00 % on the test set"
    )
    assert [panel.get_ylabel() for panel in figure.axes] == ["loss", LOG_IN_ERROR]
    assert [[line.split(",")[0] for line in panel] for panel in texts(figure)] == [["training set", "test set"]] * 2
    train, test = figure.axes[1].lines
    assert test.get_ydata() == pytest.approx([10, 51, 52, 53]) and len(train.get_ydata()) == 6
    assert draw([Curve("a name", [rows()])]).get_suptitle() == "a name: 53.00 % on the test set"
    assert draw([Curve("a name", [rows()])], "mine").get_suptitle() == "mine"


def test_a_run_with_patience_is_titled_with_the_accuracy_of_the_weights_that_it_keeps():
    valid = [Row("valid", epoch, 4 * epoch, loss, 0.5, 0.0) for epoch, loss in ((0, 2.0), (1, 0.7), (2, 0.6), (3, 0.9))]
    made = [*rows(), *valid]
    patient = config(patience=1, validation=9)
    assert draw([Curve("a", [made], config=patient)]).get_suptitle().endswith(": 52.00 % on the test set")
    assert draw([Curve("a", [made], config=config())]).get_suptitle().endswith(": 53.00 % on the test set")
    assert [line.split(",")[0] for line in texts(draw([Curve("a", [made], config=patient)]))[0]] == [
        *("training set", "validation set", "test set")
    ]


def write_run(folder, settings: dict, accuracy: float, **more):
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config(**settings) | more))
    lines = [",".join(map(str, row._replace(learning_rate=""))) for row in rows(accuracy=accuracy)]
    (folder / "metrics.csv").write_text("\n".join([",".join(Row._fields), *lines, ""]))
    return folder


def test_runs_that_differ_in_their_seed_alone_are_one_curve_and_others_are_not(tmp_path):
    made = [
        write_run(tmp_path / "m_seed0_x", {"seed": 0}, 0.4),
        write_run(tmp_path / "m_seed1_x", {"seed": 1}, 0.6),
        write_run(tmp_path / "faster_seed1", {"seed": 1, "learning_rate": 0.5}, 0.5),
        write_run(tmp_path / "other_data_seed2", {"seed": 2}, 0.5, data_sha256={"training images": "b2"}),
        write_run(tmp_path / "m_seed1_x-2", {"seed": 1}, 0.6),
    ]
    pooled, code = of_runs(made)
    assert code == 0
    assert {curve.name: len(curve.runs) for curve in pooled} == {
        "m_x, 2 seeds": 2,
        "faster_seed1": 1,
        "other_data_seed2": 1,
        "m_seed1_x-2": 1,
    }
    assert final(pooled[0], "test", "accuracy") == "final 53.0 (43.0 – 63.0) %"
    assert draw(pooled[:1]).get_suptitle().endswith("batch 10, 2 seeds: 53.0 (43.0 – 63.0) % on the test set")


def test_runs_without_a_config_json_are_not_pooled(tmp_path):
    for name in "ab":
        (write_run(tmp_path / name, {}, 0.5) / "config.json").unlink()
    assert [curve.name for curve in of_runs([tmp_path / "a", tmp_path / "b"])[0]] == ["a", "b"]


# ---- the picture of the gradient statistics

NAN = float("nan")


def probed(epochs=(0, 2), layers: int = 2, zero: bool = False) -> list[ProbeRow]:
    made = []
    for epoch in epochs:
        for layer in range(layers):
            size = 0.0 if zero and layer == 0 else 10.0 ** (layer - layers + epoch)
            made.append(ProbeRow(epoch, 2 * layer, f"fc{layer + 1}", size, 2 * size, 4.0, NAN, NAN))
            made.append(ProbeRow(epoch, 2 * layer + 1, f"act{layer + 1}", NAN, NAN, NAN, 0.5, 0.25 * layer))
    return made


def names_beside(panel) -> dict[str, float]:
    return {text.get_text(): text.xy[1] for text in panel.texts}


def test_the_gradients_of_each_layer_are_drawn_over_the_probed_epochs_and_named_at_their_end():
    delta, ratio, flat = draw_gradients(probed(), "a $ title").axes
    assert [line.get_xydata().tolist() for line in delta.lines] == [[[0, 0.01], [2, 1]], [[0, 0.1], [2, 10]]]
    assert [line.get_ydata().tolist() for line in ratio.lines] == [[0.005, 0.5], [0.05, 5]]
    assert [line.get_ydata().tolist() for line in flat.lines] == [[0, 0], [25, 25]]
    assert [panel.get_yscale() for panel in (delta, ratio, flat)] == ["log", "log", "linear"]
    assert list(names_beside(delta)) == ["fc1", "fc2"] and list(names_beside(flat)) == ["act1", "act2"]
    assert 0 < names_beside(delta)["fc1"] < names_beside(delta)["fc2"] < 1
    light = [sum(line.get_color()[:3]) for line in delta.lines]
    assert light == sorted(light) and light[0] < light[1]


def test_a_gradient_of_0_is_named_at_the_bottom_and_many_layers_are_not_written_over_one_another():
    delta = draw_gradients(probed(zero=True), "t").axes[0]
    assert names_beside(delta)["fc1: 0"] == 0
    for flat in (0.0, 1.0):
        many = [row._replace(flat_units=flat + row.flat_units * 0) for row in probed(epochs=[0], layers=40)]
        heights = sorted(names_beside(draw_gradients(many, "t").axes[2]).values())
        assert 5 < len(heights) <= 12 and min(np.diff(heights)) > 0.05 and heights[0] >= 0 and heights[-1] <= 1


def test_a_network_without_activations_and_gradients_that_are_all_0_are_drawn(tmp_path):
    linear = [row for row in probed(layers=1) if row.name == "fc1"]
    save(draw_gradients(linear, "t"), tmp_path / "a.png")
    save(
        draw_gradients([row._replace(delta=0.0, gradient=0.0, weights=0.0) for row in linear], "t"), tmp_path / "b.png"
    )
