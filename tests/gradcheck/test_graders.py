"""What graders and students bring and want: files under any name, folders in folders, a spreadsheet, a starter kit."""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from alternative_implementations import ALTERNATIVES
from submissions_helper import LAYER, LOSS, SUBMISSIONS, in_process, said, written
from test_planted_bugs import BUGS

import check_gradients
from gradcheck.catalogue import ANY, FACTORS, WRONG
from gradcheck.check_step import WRONG_STEPS
from gradcheck.loss_conventions import SHAPES, SPREAD, batch
from utils import FileError, UsageError

ROOT = Path(__file__).resolve().parents[2]
RELU = LAYER.format("Relu", "self.on = input > 0; return input * self.on", "return grad_output * self.on")

# A course's skeleton, every class of every year open.
SKELETON = """
import numpy as np

class Layer(object):
    def __init__(self, name, trainable=False):
        self.name = name
        self.trainable = trainable
        self._saved_tensor = None

    def forward(self, input):
        pass

    def backward(self, grad_output):
        pass

    def update(self, config):
        pass

    def _saved_for_backward(self, tensor):
        self._saved_tensor = tensor
"""
OPEN_LAYER = '''

class {0}(Layer):
    def __init__(self, name):
        super({0}, self).__init__(name)

    def forward(self, input):
        # TODO START
        """Your codes here"""
        pass
        # TODO END

    def backward(self, grad_output):
        # TODO START
\t\t# and here
        pass
        # TODO END
'''
OPEN_LINEAR = OPEN_LAYER.format("Linear").replace(
    "name):\n        super(Linear, self).__init__(name)",
    "name, in_num, out_num, init_std):\n        super(Linear, self).__init__(name, trainable=True)\n"
    "        self.W = np.random.randn(in_num, out_num) * init_std\n        self.b = np.zeros(out_num)",
)
LAYERS = ("Relu", "Sigmoid", "Gelu", "Selu", "Swish", "HardSwish", "Tanh", "Mish", "LeakyRelu", "Softmax")
LOSSES = ("EuclideanLoss", "SoftmaxCrossEntropyLoss", "HingeLoss", "MSELoss", "KLDivLoss", "FocalLoss", "BrierLoss")


def test_a_course_skeleton_has_nothing_wrong(tmp_path):
    layers = SKELETON + "".join(OPEN_LAYER.format(name) for name in LAYERS) + OPEN_LINEAR
    loss = "".join(LOSS.format(name, "'''todo'''\n        pass", "pass") for name in LOSSES)
    rows = written(tmp_path, layers=layers, loss=loss)
    assert {row.verdict for row in rows.values()} == {"not written yet"}
    assert len(rows) == len(LAYERS) + 1 + len(LOSSES)


def test_the_starter_kit_is_not_written_yet_in_every_row(tmp_path, capsys):
    assert check_gradients.main(["--starter", str(tmp_path / "mine")]) == 0
    rows = in_process(tmp_path / "mine" / "layers.py", tmp_path / "mine" / "loss.py")
    assert [row.verdict for row in rows] == ["not written yet"] * 7
    with pytest.raises(FileError, match="is there already"):
        check_gradients.main(["--starter", str(tmp_path / "mine")])
    assert "fill in layers.py" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["layers.txt", "layers.py3", "my layers", "layers.py.bak"])
def test_a_file_under_any_name(name, tmp_path):
    (tmp_path / name).write_text(RELU)
    assert {row.name: row.verdict for row in in_process(tmp_path / name, None)}["Relu"] == "right"


def test_wildcards_and_a_folder_in_a_folder(tmp_path, capsys):
    inner = tmp_path / "hw" / "anna" / "homework1" / "code"
    inner.mkdir(parents=True)
    (tmp_path / "hw" / "anna" / "__MACOSX").mkdir()
    (inner / "layers.py").write_text(RELU)
    shutil.copytree(SUBMISSIONS / "columns", tmp_path / "hw" / "ben")
    sheet = tmp_path / "marks.csv"
    assert check_gradients.main([str(tmp_path / "hw" / "*"), "--csv", str(sheet)]) == 0
    shown = capsys.readouterr().out
    assert "2 submissions: " in shown and "Relu                     right" in shown
    assert sheet.read_bytes().startswith(b"\xef\xbb\xbf")  # a spreadsheet takes it for UTF-8 by this alone
    with open(sheet, newline="", encoding="utf-8-sig") as file:
        lines = list(csv.DictReader(file))
    assert list(lines[0]) == ["submission", "class", "verdict", "finding", "line"] and len(lines) == 14
    linear = next(line for line in lines if line["class"] == "Linear" and "ben" in line["submission"])
    assert linear["verdict"] == "right, with remarks" and "samples in columns" in linear["finding"]
    with pytest.raises(UsageError, match="stands for no folder"):
        check_gradients.main([str(tmp_path / "nobody*")])


def test_chinese_text_on_a_gbk_console(tmp_path):
    text = RELU.replace("self.on = input", "# 前向\n        self.on = input")
    text += LAYER.format("Gelu", "raise ValueError('还没有写好')", "pass")
    (tmp_path / "layers.py").write_bytes(text.encode("gbk"))
    done = subprocess.run(
        [sys.executable, ROOT / "check_gradients.py", tmp_path],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "gbk", "PYTHONUTF8": "0"},
        timeout=120,
    )
    shown = done.stdout.decode("gbk")
    assert done.returncode == 5 and not done.stderr
    assert "还没有写好" in shown and "read as gb18030" in shown and "ok holds" in shown


def test_unsafe_is_counted_apart(tmp_path, capsys):
    forward = "self.y = np.exp(input) / (1 + np.exp(input)); return self.y"
    (tmp_path / "layers.py").write_text(
        RELU + LAYER.format("Sigmoid", forward, "return grad_output * self.y * (1 - self.y)")
    )
    assert check_gradients.main([str(tmp_path)]) == 5
    assert "1 right, 1 UNSAFE, 5 missing" in capsys.readouterr().out


def test_notes_stand_once_per_file_and_turn_no_verdict(tmp_path, capsys):
    body = "self.y = input * np.sqrt(2); return self.y", "return grad_output * np.sqrt(2)"
    (tmp_path / "layers.py").write_text(LAYER.format("One", *body) + LAYER.format("Two", *body))
    assert check_gradients.main([str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert shown.count("turn float32 into float64") == 1 and "a note on One, Two" in shown
    assert "2 right, 7 missing" in shown


@pytest.mark.parametrize("name", SPREAD)
def test_targets_of_both_signs_and_violations_on_both_sides(name):
    o, t = batch(name, SHAPES[0])
    chosen = (o * t).sum(axis=1)
    assert chosen.min() < 0 < chosen.max()
    margins = (5 - chosen[:, None] + o)[t == 0]
    assert name != "HingeLoss" or (0 < margins[margins > 0].min() < 0.2 and 0 < -margins[margins < 0].max() < 0.2)


def test_the_sample_that_differs_is_shown(tmp_path):
    forward = "d = np.where(input > 1, 1, input) - target; return 0.5 * (d * d).sum() / len(input)"
    row = written(tmp_path, loss=LOSS.format("EuclideanLoss", forward, "return (input - target) / len(input)"))[
        "EuclideanLoss"
    ]
    evidence = next(finding.evidence for finding in row.findings if finding.column == "agreement")
    theirs, true = evidence.split(": ")[1].split(", true ")
    assert row.verdict == "WRONG" and abs(float(theirs) - float(true)) > 1e-3, said(row)


def test_the_readme_counts_what_there_is():
    text = " ".join((ROOT / "gradcheck" / "README.md").read_text(encoding="utf-8").split())
    formulas = sum(len(mistakes) for mistakes in WRONG.values())
    assert f"A catalogue holds {formulas} wrong formulas of values and gradients, {len(ANY) + len(FACTORS)} fau" in text
    assert f"and {len(WRONG_STEPS)} wrong steps of SGD" in text
    named = sum(bug.mistake is not None for _, bug in BUGS)
    assert f"plants {len(BUGS)} known bugs" in text and f"and {named} of them must be named" in text
    assert f"holds {len(ALTERNATIVES)} correct implementations" in text
