"""Submissions as people send them (submissions/): each accident, stub and convention gets its own clear row."""

import os
import sys
from pathlib import Path

import pytest
from submissions_helper import SUBMISSIONS, checked_folder, mistakes, said, written

from gradcheck.subprocess_runner import check_submission

ROOT = Path(__file__).resolve().parents[2]


def test_python_2():
    rows = checked_folder("python2")
    assert rows["Linear"].verdict == "raises"
    assert said(rows["Linear"]).startswith(
        "this is Python 2: xrange is range in Python 3; with that it is right, with remarks layers.py line 16"
    )
    assert rows["Relu"].verdict == "right"
    assert rows["loss.py"].verdict == "imported, with repairs"
    assert "this is Python 2: the print statement" in said(rows["loss.py"]) and "line 9" in said(rows["loss.py"])
    assert rows["EuclideanLoss"].verdict == "right" and rows["HingeLoss"].verdict == "missing"


def test_stubs_are_no_faults():
    rows = checked_folder("stubs")
    assert rows["Linear"].verdict == "right"
    assert {name for name, row in rows.items() if row.verdict == "not written yet"} == {
        "Relu",
        "Sigmoid",
        "Gelu",
        "EuclideanLoss",
    }
    assert "backward is not written yet" in said(rows["Sigmoid"])
    assert rows["HingeLoss"].verdict == "missing"
    assert not any(row.fails for row in rows.values())


@pytest.mark.parametrize("path", ["", str(ROOT), os.pathsep.join([str(ROOT / "gradcheck"), str(ROOT)])])
def test_our_modules_never_satisfy_an_import(path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.chdir(ROOT)
    rows = checked_folder("helper")
    assert rows["Sigmoid"].verdict == "right"  # by way of its own helper
    assert "line 3 imports utils, which is neither in the folder" in said(rows["loss.py"])
    assert rows["EuclideanLoss"].verdict == "right"


@pytest.mark.parametrize(
    "name", ["gradcheck", "gradcheck.reference", "network", "training.settings", "load_data", "worker"]
)
def test_no_module_of_ours_is_there(name, tmp_path):
    rows = written(tmp_path, own_process=True, layers=f"import {name}\n")
    assert f"imports {name.split('.')[0]}, which is neither in the folder" in said(rows["layers.py"])


def test_our_layers_are_not_there_for_a_loss_alone(tmp_path):
    rows = written(tmp_path, own_process=True, loss="from layers import Linear\n")
    assert "imports layers, which is neither in the folder" in said(rows["loss.py"])


def test_a_submission_may_have_modules_of_our_names(tmp_path):
    (tmp_path / "utils.py").write_text("def half(x):\n    return x / 2\n")
    (tmp_path / "gradcheck.py").write_text("from utils import half\n")
    text = (
        "import numpy as np\nfrom gradcheck import half\n\nclass Relu:\n    def __init__(self, name):\n        pass\n\n"
        "    def forward(self, input):\n        self.mask = input > 0\n        return half(input + np.abs(input))\n\n"
        "    def backward(self, grad_output):\n        return grad_output * self.mask\n"
    )
    assert written(tmp_path, own_process=True, layers=text)["Relu"].verdict == "right"


def test_columns_and_sums_are_remarks():
    rows = checked_folder("columns")
    assert not any(row.fails for row in rows.values())
    assert "columns" in mistakes(rows["Linear"]) and "no-decay-on-b" in mistakes(rows["Linear"])
    assert "no-half" in mistakes(rows["EuclideanLoss"]) and "columns" in mistakes(rows["EuclideanLoss"])
    assert "sum" in mistakes(rows["SoftmaxCrossEntropyLoss"])
    assert "the margin is 1 unless given" in said(rows["HingeLoss"])


def test_accidents_become_rows():
    rows = checked_folder("accidents", time_limit=1.0)
    verdicts = {name: row.verdict for name, row in rows.items()}
    assert verdicts == {
        "Linear": "raises",
        "Relu": "no end",
        "Sigmoid": "raises",
        "Gelu": "crashed",
        "EuclideanLoss": "crashed",
        "SoftmaxCrossEntropyLoss": "right",
        "HingeLoss": "raises",
    }
    assert "more memory than it may have" in said(rows["Linear"]) and "layers.py line 17" in said(rows["Linear"])
    assert "had not ended after 1 s" in said(rows["Relu"]) and "in forward" in said(rows["Relu"])
    assert "calls sys.exit(done) layers.py line 42" in said(rows["Sigmoid"])
    assert "exit code 0" in said(rows["Gelu"])
    assert "loss.py line 15, in forward" in said(rows["EuclideanLoss"])
    assert "prints" in said(rows["SoftmaxCrossEntropyLoss"])
    assert "\033" not in said(rows["HingeLoss"])


def test_untidy_but_right():
    rows = checked_folder("untidy")
    assert [row.verdict for row in rows.values() if row.fails] == []
    assert "update is not written yet" in said(rows["Linear"])
    assert "wants learning_rate=0.1 (guessed here)" in said(rows["Linear"]) and "prints" in mistakes(rows["Linear"])
    assert "the class is called ReLU" in said(rows["Relu"])
    assert "gelu-erf" in mistakes(rows["Gelu"]) and rows["Gelu"].verdict == "right, with remarks"
    assert rows["Tanh"].verdict == "right" and rows["FocalLoss"].verdict.startswith("right")
    assert rows["Dropout"].verdict == "not checked"
    assert "stateful" in mistakes(rows["SoftmaxCrossEntropyLoss"])
    assert "the margin is 0.5 unless given" in said(rows["HingeLoss"])


def test_tabs_do_not_hide_the_other_file():
    rows = checked_folder("tabs")
    assert "tabs and spaces are mixed" in said(rows["layers.py"]) and "line 10" in said(rows["layers.py"])
    assert "sum" in mistakes(rows["EuclideanLoss"]) and not rows["EuclideanLoss"].fails
    assert rows["HingeLoss"].verdict == "raises" and "IndexError" in said(rows["HingeLoss"])


def test_wrong_submission_is_diagnosed():
    rows = checked_folder("wrong")
    assert {"over-n", "mean-not-sum", "decay-sign", "decay-and-momentum-missing"} <= set(mistakes(rows["Linear"]))
    assert "the losses leave out the 1/N and Linear divides by N" in said(rows["Linear"])
    assert mistakes(rows["Relu"]) == ["writes-argument", "mask-on-grad"]
    assert "layers.py line 28, in forward: input[input < 0] = 0" in said(rows["Relu"])
    assert mistakes(rows["Sigmoid"]) == ["overflow-sigmoid"] and "(1 + tanh(x / 2)) / 2" in said(rows["Sigmoid"])
    assert "gelu-tanh-squared" in mistakes(rows["Gelu"])
    assert mistakes(rows["Softplus"])[0] is None and "at x = " in said(rows["Softplus"])
    assert "times-n" in mistakes(rows["EuclideanLoss"])
    assert mistakes(rows["SoftmaxCrossEntropyLoss"]) == ["clipped"] and "27.6" in said(rows["SoftmaxCrossEntropyLoss"])
    assert mistakes(rows["HingeLoss"]) == ["target-column"]


def test_what_runs_at_import():
    rows = checked_folder("at_import", time_limit=1.0)
    assert "train_images.npy" in said(rows["layers.py"]) and "line 16" in said(rows["layers.py"])
    assert rows["Relu"].verdict == "right"
    assert rows["loss.py"].verdict == "imported, with repairs" and "after 1 s" in said(rows["loss.py"])


RELU = """
class Relu:
    def __init__(self, name):
        self.name = name

    def forward(self, input):
        {}

    def backward(self, grad_output):
        return grad_output
"""


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("return [input]", "forward returns shape (1, 5, 4)"),
        ("return input, input", "forward returns a tuple, not an array"),
        ("return str(input)", "not an array of numbers"),
        ("return self.forward(input)", "RecursionError"),
        ("return input.relu()", "has no attribute 'relu'"),
        ("raise KeyboardInterrupt", "killed by signal 2" if os.name == "posix" else "ended the whole process"),
        ("return {}.iteritems()", "this is Python 2: iteritems is items in Python 3"),
        ("input()", "object is not callable"),
    ],
)
def test_odd_returns_have_their_own_words(line, words, tmp_path):
    row = written(tmp_path, own_process="Interrupt" in line, layers=RELU.format(line))["Relu"]
    assert row.fails and words in said(row)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"class Relu:\n    def f(self):\n    return 1\n", "does not parse: expected an indented block"),
        ('x = "é"\n'.encode("latin-1"), "is not UTF-8"),
        ("x = 1\n".encode("utf-16"), "is not UTF-8: save it as UTF-8; read as utf-16"),
        ("x = '中文'\n".encode("gbk"), "is not UTF-8: save it as UTF-8; read as gb18030"),
        (b"try:\n    pass\nexcept ValueError, e:\n    pass\n", "this is Python 2"),
        (b"raise ValueError, 'no'\n", "this is Python 2"),
        (b"x = 10L\n", "this is Python 2"),
        (b"import sys\nsys.exit()\n", "calls sys.exit()"),
        (b"import os\nos._exit(7)\n", "exit code 7"),
        (b"import cPickle\n", "this is Python 2: cPickle is pickle"),
    ],
)
def test_files_that_do_not_load(content, words, tmp_path):
    (tmp_path / "layers.py").write_bytes(content)
    (row,) = [row for row in check_submission(tmp_path / "layers.py", None, 20.0) if row.name == "layers.py"]
    cannot = b"os._exit" in content or b"return 1" in content
    assert row.verdict == ("cannot be imported" if cannot else "imported, with repairs")
    assert words in said(row) + row.verdict and row.fails == cannot


def test_memory_that_grows_is_bounded(tmp_path):
    pytest.importorskip("resource")
    if sys.platform != "linux":
        pytest.skip("only Linux bounds the address space")
    text = "import numpy as np\n" + RELU.format(
        "kept = []\n        while True:\n            kept.append(np.zeros(10**8))"
    )
    row = written(tmp_path, own_process=True, layers=text)["Relu"]
    assert row.fails and "more memory" in said(row)


def test_nothing_is_written_beside_a_submission(tmp_path):
    written(tmp_path, own_process=True, layers=RELU.format("return input"), helper="x = 1\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["helper.py", "layers.py"]


def test_losses_in_columns_without_layers():
    rows = {row.name: row for row in check_submission(None, SUBMISSIONS / "columns" / "loss.py", 20.0)}
    assert not any(row.fails for row in rows.values()) and "columns" in mistakes(rows["EuclideanLoss"])
