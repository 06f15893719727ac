"""predict.py: what it prints, draws and refuses."""

import io
import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from small_run import ROOT, drawn

import predict
from digits.figures import confusion, draw_mistakes, draw_weights
from digits.page import LAYERS, page
from layers import Layer, Residual
from model_file import KINDS
from network import Network
from run_mlp import build
from training.settings import DEFAULTS
from utils import FileError, UsageError

no_pictures = pytest.mark.usefixtures("nothing_drawn")


@pytest.fixture
def command(small_run, tmp_path, monkeypatch, capsys):
    """predict.py with this model unless another is given; the figures go to tmp_path/plots."""
    monkeypatch.setattr(predict, "ROOT", tmp_path)

    def run(*arguments, model=small_run):
        code = predict.main([*map(str, arguments), *(["--model", str(model)] if model else [])])
        return code, capsys.readouterr()

    return run


@pytest.fixture
def copy_of_run(small_run, tmp_path):
    return shutil.copytree(small_run, tmp_path / "a $copy")


@pytest.fixture
def nothing_drawn(monkeypatch):
    monkeypatch.setattr(predict, "save_figure", lambda run, what, draw, *contents: f"{what}.png")


def save_run(folder, side: int = 28, **settings):
    """A run that has not been trained."""
    settings = DEFAULTS | {"init_std": 0.1} | settings
    folder.mkdir(parents=True)
    build(settings, side * side, 10)[0].save(folder / "model.npz")
    (folder / "config.json").write_text(json.dumps({"settings": settings}), encoding="utf-8")
    return folder


def io_bytes(image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def test_each_picture_gets_its_three_likeliest_labels_and_one_figure_shows_all(command, tmp_path, small_run):
    paths = [tmp_path / f"digit {digit}$.png" for digit in (2, 7)]
    for path, digit in zip(paths, (2, 7)):
        drawn(digit).save(path)
    code, out = command(*paths)
    assert (code, out.err) == (0, "")
    first, *lines, figure = out.out.splitlines()
    assert first == f"{small_run.name}: probabilities"
    for line, path, digit in zip(lines, paths, (2, 7), strict=True):
        found = re.fullmatch(
            re.escape(f"{path}: ") + r"(\d) \((.*) %\), (\d) \((.*) %\), (\d) \((.*) %\)", line
        ).groups()
        assert found[0] == str(digit)
        assert len(set(found[::2])) == 3
        shares = [float(share) for share in found[1::2]]
        assert shares == sorted(shares, reverse=True) and 50 < sum(shares) <= 100.2
    assert figure == str(tmp_path / "plots" / f"{small_run.name}_digits.png")
    assert Image.open(figure).width > 500


@no_pictures
def test_what_cannot_be_read_is_named_and_the_others_go_on(command, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    Image.new("L", (60, 60), 200).save(tmp_path / "empty.png")
    whole = io_bytes(drawn(3))
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    drawn(3).save(tmp_path / "good.png")
    names = ["broken.png", "empty.png", "cut.png", "missing.png", "good.png"]
    code, out = command(*(tmp_path / name for name in names))
    assert code == 3
    assert "good.png: 3 (" in out.out
    lines = out.err.splitlines()
    assert len(lines) == 4 and all(name in line for name, line in zip(names, lines))
    assert "broken.png cannot be read" in lines[0] and "shows nothing" in lines[1] and "does not exist" in lines[3]


@no_pictures
def test_a_folder_and_wildcards_stand_for_the_pictures_in_them(command, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for digit in (1, 2):
        drawn(digit).convert("RGB").save(folder / f"{digit}.JPG")
    (folder / "notes.txt").write_text("no picture")
    for given in (folder, folder / "*.JPG"):
        code, out = command(given)
        assert (code, out.err) == (0, "")
        assert re.findall(r"(\d)\.JPG: (\d)", out.out) == [("1", "1"), ("2", "2")]
    (tmp_path / "nothing").mkdir()
    (folder / "._1.JPG").write_bytes(b"what macOS leaves beside a file")
    code, out = command(tmp_path / "nothing", folder)
    assert code == 3 and out.out.count("JPG: ") == 2
    assert out.err.count("\n") == 1 and "nothing holds no picture" in out.err


def test_names_that_are_no_text_or_chinese_and_more_pictures_than_the_figure_holds(command, tmp_path, monkeypatch):
    monkeypatch.setattr(predict, "PICTURES", 2)
    folder = tmp_path / "我的 数字"
    folder.mkdir()
    for name in ("一.png", "$x$.png", "a.png"):
        drawn(1, 60).save(folder / name)
    if sys.platform == "linux":  # elsewhere names are text
        sys.stdout.reconfigure(errors="backslashreplace")  # as run_command does
        drawn(1, 60).save(folder / os.fsdecode(b" \xe6 $.png"), "PNG")  # the first
    code, out = command(folder)
    count = len(list(folder.iterdir()))
    assert (code, out.err) == (0, "") and out.out.count(".png: 1 (") == count
    assert f"the figure shows the first 2 of {count} pictures" in out.out
    assert "figure shows" not in command(folder / "一.png", folder / "a.png")[1].out


@no_pictures
def test_as_is_gives_the_network_the_pixels(command, tmp_path, small_run):
    pixels = np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    run = predict.load(small_run)
    (scores,) = run.scores(pixels[None])
    _, out = command(tmp_path / "a.png", "--as-is")
    assert f"a.png: {scores.argmax()} ({100 * scores.max():.1f} %)" in out.out
    drawn(3).save(tmp_path / "large.png")
    code, out = command(tmp_path / "large.png", "--as-is")
    assert code == 3 and "has 300 x 300 pixels, --as-is needs 28 x 28" in out.err


@no_pictures
@pytest.mark.parametrize("loss", ["HingeLoss", "EuclideanLoss"])
def test_scores_are_not_called_probabilities(command, tmp_path, loss):
    folder = save_run(tmp_path / "runs" / "other", loss=loss)
    drawn(3).save(tmp_path / "a.png")
    _, out = command(tmp_path / "a.png", model=folder)
    assert f"other: scores, no probabilities: {loss} trains none" in out.out and "%" not in out.out


@no_pictures
def test_labels_are_those_of_the_network_or_else_count_from_0(command, copy_of_run, tmp_path):
    drawn(1).save(tmp_path / "a.png")
    network = Network.load(copy_of_run / "model.npz")
    for labels, shown in ((list("abcdefghij"), "b"), (list(range(1, 11)), "2"), (None, "1")):
        network.labels = labels
        network.save(copy_of_run / "model.npz")
        assert f"a.png: {shown} (" in command(tmp_path / "a.png", model=copy_of_run)[1].out


@no_pictures
def test_the_newest_run_is_taken_if_none_is_given(command, tmp_path):
    drawn(1).save(tmp_path / "a.png")
    with pytest.raises(FileError, match="holds no run"):
        command(tmp_path / "a.png", model=None)
    for age, name in enumerate(["z", "old", "new", "a"]):
        folder = save_run(tmp_path / "runs" / name)
        time = 1e9 + (age if name != "a" else -1)
        os.utime(folder / "model.npz", (time, time))
    assert command(tmp_path / "a.png", model=None)[1].out.startswith("new: probabilities")


@no_pictures
def test_networks_on_images_of_another_size_get_theirs(command, tmp_path):
    drawn(3).save(tmp_path / "a.png")
    folder = save_run(tmp_path / "runs" / "small", side=12, hidden=[7, 5], activation="Gelu")
    assert command(tmp_path / "a.png", model=folder)[0] == 0
    model, _, _ = build(DEFAULTS, 30, 10)
    model.save(folder / "model.npz")
    with pytest.raises(UsageError, match="takes 30 pixels, which make no square"):
        command(tmp_path / "a.png", model=folder)


@pytest.mark.parametrize("name", ["config.json", "model.npz"])
def test_a_run_without_one_of_its_files_is_refused_by_its_name(command, copy_of_run, name):
    (copy_of_run / name).unlink()
    with pytest.raises(FileError, match=name):
        command("--weights", model=copy_of_run)


@pytest.mark.parametrize(
    "arguments",
    [[], ["a.png", "--mistakes"], ["--weights", "--mistakes"], ["--as-is", "--weights"], ["--page", "a.txt"]],
)
def test_wrong_usage_is_one_sentence(command, arguments):
    with pytest.raises(UsageError):
        command(*arguments)


def test_as_a_process_it_ends_in_a_sentence_and_an_exit_code(tmp_path):
    command = [sys.executable, str(ROOT / "predict.py"), "x.png", "--model", str(tmp_path / "none")]
    process = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr.startswith("predict.py: --model is ") and process.stderr.count("\n") == 1


def test_mistakes_are_counted_and_drawn(command, small_run, tmp_path, monkeypatch):
    change = {"data_dir": str(ROOT / "data")}
    run = predict.load(small_run)
    monkeypatch.setattr(predict, "load", lambda folder: run._replace(settings=run.settings | change))
    code, out = command("--mistakes")
    wrong = int(re.match(r"([\d,]+) of 10,000 test images are wrong", out.out)[1].replace(",", ""))
    rows = (small_run / "metrics.csv").read_text().splitlines()
    assert (code, wrong) == (0, 10_000 - round(float(rows[-1].split(",")[4]) * 10_000))
    assert (tmp_path / "plots" / f"{small_run.name}_mistakes.png").exists()
    other = run._replace(labels=list(range(1, 11)), settings=run.settings | change)
    monkeypatch.setattr(predict, "load", lambda folder: other)
    with pytest.raises(FileError, match="other images or labels"):
        command("--mistakes")


def test_the_figure_of_mistakes_begins_with_the_most_confident():
    from matplotlib.figure import Figure

    truth = np.array([0, 1, 2, 2])
    scores = np.array([[0.9, 0.1, 0], [0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0, 0.1, 0.9]])
    assert confusion(truth, scores).tolist() == [[1, 0, 0], [1, 0, 0], [0, 1, 1]]
    figure = Figure()
    draw_mistakes(figure, np.zeros((4, 2, 2)), truth, scores, ["a", "b", "c"], lambda score: f"{score:.2f}")
    matrix, *tiles = figure.axes
    assert [tile.get_title() for tile in tiles[:3]] == ["c → b, 0.80", "b → a, 0.70", ""]
    shown = {tuple(map(round, text.get_position())): text.get_text() for text in matrix.texts}
    assert shown == {(0, 0): "1", (0, 1): "1", (1, 2): "1", (2, 2): "1"}  # at (guess, truth)


def test_weights_before_are_those_that_training_began_with(command, small_run, monkeypatch):
    seen = {}
    monkeypatch.setattr(predict, "save_figure", lambda run, what, draw, *contents: seen.update({what: contents}))
    command("--weights")
    before, after, side = seen["weights"]
    run = predict.load(small_run)
    assert np.array_equal(before, build(run.settings, 784, 10)[0].layers[0].W)
    assert np.array_equal(after, run.model.layers[0].W) and side == 28


@pytest.mark.parametrize("units", [1, 10, 130])
def test_the_figure_of_weights_has_an_image_for_each_unit(units):
    from matplotlib.figure import Figure

    weights = np.random.default_rng(0).normal(size=(9, units))
    figure = Figure()
    draw_weights(figure, np.zeros((9, units)), weights, 3)
    tiles = np.ma.filled(figure.axes[1].images[0].get_array(), np.nan)
    assert np.isfinite(tiles).sum() == 9 * min(units, 100)
    if units <= 100:
        assert np.array_equal(tiles[:3, :3], weights[:, 0].reshape(3, 3))


def test_the_page_holds_the_network_and_asks_for_nothing(command, copy_of_run, tmp_path):
    path = tmp_path / "new folder" / "digit.html"
    assert command("--page", path, model=copy_of_run)[0] == 0
    text = path.read_text(encoding="utf-8")
    network = json.loads(re.search(r"^const NETWORK = (.*);$", text, re.M)[1])
    assert [layer["type"] for layer in network["layers"]] == ["Linear", "Relu", "Linear"]
    assert network["name"] == copy_of_run.name and network["labels"] == list(range(10))
    assert not re.search(r"https?:|src=|<link|import |fetch\(", text)
    assert "default-src 'none'" in text


def test_a_name_cannot_end_the_script_of_the_page(small_run):
    run = predict.load(small_run)
    text = page("</script><b>", run.model, run.labels, run.side, True)
    assert text.count("</script>") == 1


def test_the_page_knows_every_layer_and_refuses_others_by_name():
    class Convolution(Layer):
        pass

    assert set(LAYERS) == set(KINDS)
    template = (ROOT / "digits" / "page.html").read_text(encoding="utf-8")
    table = template.split("const LAYERS = {")[1].split("\n};")[0]
    assert tuple(re.findall(r"^  (\w+):", table, re.M)) == LAYERS
    model = Network()
    model.add(Residual("res1", Convolution("conv1")))
    with pytest.raises(UsageError, match=r"no layer Convolution \(conv1\)"):
        page("run", model, [0], 1, True)


def test_a_network_with_every_layer_predicts_as_its_evaluation_and_its_page_holds_all_arrays(command, tmp_path):
    folder = save_run(tmp_path / "deep", hidden=[784, 30, 30], dropout=0.5, batch_norm=True, residual=True)
    run = predict.load(folder)
    images = np.random.default_rng(0).integers(0, 256, (5, 28, 28), np.uint8)
    assert np.array_equal(run.scores(images), run.scores(images))  # dropout is the identity
    assert run.scores(images[:1]) == pytest.approx(run.scores(images)[:1])  # a batch of one has running statistics
    assert predict.first_linear(run.model) is run.model.layers[0].layers[0]
    network = json.loads(re.search(r"^const NETWORK = (.*);$", page("", run.model, run.labels, 28, True), re.M)[1])
    kinds = [layer["type"] for layer in network["layers"]]
    assert kinds == ["Residual", *("Linear", "BatchNorm", "Relu", "Dropout"), "Residual", "Linear"]
    norm = network["layers"][0]["layers"][1]
    assert list(norm["arrays"]) == ["gamma", "beta", "running_mean", "running_var"] and norm["epsilon"] == 1e-5
