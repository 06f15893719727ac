"""check_gradients.py: our own table, hand-ins as people send them, and no false alarm."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from handing_in import HANDINS, handed_in, mistakes, said, written
from other_ways import WAYS

import check_gradients
import layers
import loss
from checks import catalogue, steps, table
from checks.errors import plain
from checks.handin import check_class
from checks.isolation import check_hand_in
from checks.mistakes_layers import WRONG_LAYERS
from checks.own import loss_row, network_cases, own_rows
from checks.truth import (
    ACTIVATIONS,
    LOSSES,
    central_differences,
    gelu_erf,
    gelu_erf_slope,
    gelu_sigmoid,
    gelu_sigmoid_slope,
    loss_gradient,
    loss_value,
    one_hot,
    points,
    relative_error,
    sgd,
)
from running.settings import UsageError

ROOT = Path(__file__).resolve().parent.parent


def command(*arguments, **environment) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(ROOT / "check_gradients.py"), *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONIOENCODING": "utf-8"} | environment,
        timeout=120,
    )


# What everything is held against


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_true_slopes_are_those_of_the_true_values(name):
    value, slope = ACTIVATIONS[name]
    x = points(3, 40, spread=2.0)
    assert relative_error(slope(x), central_differences(lambda at: float(value(at).sum()), x, 1e-5)) < 1e-7


@pytest.mark.parametrize(("value", "slope"), [(gelu_erf, gelu_erf_slope), (gelu_sigmoid, gelu_sigmoid_slope)])
def test_other_gelus(value, slope):
    x = points(3, 40, spread=2.0)
    assert relative_error(slope(x), central_differences(lambda at: float(value(at).sum()), x, 1e-5)) < 1e-7


@pytest.mark.parametrize("name", LOSSES)
def test_true_loss_gradients(name):
    o, t = points(4, 6, 5, spread=3.0), one_hot(5, 6, 5)
    true = central_differences(lambda at: loss_value(name, at, t), o, 1e-5)
    assert relative_error(loss_gradient(name, o, t), true) < 1e-6


def test_sgd_by_hand():
    config = {"learning_rate": 0.5, "weight_decay": 0.1, "momentum": 0.9}
    # v = 1 + 0.2 = 1.2, p = 2 - 0.6 = 1.4; v = 1.08 + 1 + 0.14 = 2.22, p = 1.4 - 1.11 = 0.29
    assert np.allclose(sgd(np.array([2.0]), [np.array([1.0])] * 2, config), [[1.4], [0.29]])


def test_differences_leave_out_a_kink_and_nothing_else():
    x = np.array([-1.0, 0.0, 3e-8, 1.0])
    slopes = central_differences(lambda at: float(np.maximum(at, 0).sum()), x, 1e-5)
    assert np.isnan(slopes[1]) and np.isnan(slopes[2])
    assert np.allclose(slopes[[0, 3]], [0, 1])
    near = np.array([3e-6])  # nearer to the kink than the first step
    assert np.allclose(central_differences(lambda at: float(np.maximum(at, 0).sum()), near, 1e-5), 1.0)


# Our own code


def test_own_table_is_right_and_complete():
    rows = own_rows()
    assert [row.verdict for row in rows] == ["right"] * (4 + 3 + 21)
    assert len(set(network_cases())) == 21
    assert max(row.error for row in rows) < 1e-6
    for row in rows:
        promised = {"gradient", "finite", "float32", "arguments", "agreement"}
        promised |= {"mean"} if row.file != "layers.py" else set()
        promised |= {"step"} if row.name == "Linear" or row.file == "network.py" else set()
        assert promised <= {column for column, mark in row.columns.items() if mark == "ok"}, row.name


def test_own_command():
    done = command()
    assert done.returncode == 0 and done.stderr == ""
    assert "12-7-6-5 Gelu SoftmaxCrossEntropy" in done.stdout and "28 right" in done.stdout
    assert "✗" not in done.stdout.replace(table.LEGEND, "")


def test_own_command_fails_with_a_bug(monkeypatch, capsys):
    monkeypatch.setattr(layers.Relu, "backward", lambda self, grad_output: grad_output * (self._input < 0))
    assert check_gradients.main([]) == 5
    shown = capsys.readouterr().out
    assert "the comparison of the mask is the wrong way round" in shown
    assert "12-7-5 Relu Hinge" in shown and "the gradient of the whole network is wrong" in shown


def test_own_network_is_held_against_the_formulas(monkeypatch):
    forward, backward = layers.Gelu.forward, layers.Gelu.backward
    monkeypatch.setattr(layers.Gelu, "forward", lambda self, input: 2 * forward(self, input))
    monkeypatch.setattr(layers.Gelu, "backward", lambda self, grad_output: 2 * backward(self, grad_output))
    row = next(row for row in own_rows() if row.name == "12-7-5 Gelu Hinge")
    assert row.error < 1e-6 and "by the formulas" in said(row)


def test_own_code_may_not_have_a_convention_of_its_own(monkeypatch):
    monkeypatch.setattr(loss.HingeLoss, "__init__", lambda self, name: setattr(self, "margin", 1))
    assert loss_row(loss, "HingeLoss").wrong


# Hand-ins


def test_python_2():
    rows = handed_in("python2")
    assert rows["Linear"].verdict == "raises"
    assert said(rows["Linear"]).startswith(
        "this is Python 2: xrange is range in Python 3 layers.py line 16, in forward"
    )
    assert rows["Relu"].verdict == "right"
    assert rows["loss.py"].verdict == "cannot be imported"
    assert "this is Python 2: the print statement" in said(rows["loss.py"]) and "line 9" in said(rows["loss.py"])
    assert rows["HingeLoss"].verdict == "not checked"


def test_stubs_are_no_faults():
    rows = handed_in("stubs")
    assert rows["Linear"].verdict == "right"
    assert {name for name, row in rows.items() if row.verdict == "not written yet"} == {
        "Relu",
        "Sigmoid",
        "Gelu",
        "EuclideanLoss",
    }
    assert "backward is not written yet" in said(rows["Sigmoid"])
    assert rows["HingeLoss"].verdict == "missing"
    assert not any(row.wrong for row in rows.values())


@pytest.mark.parametrize("path", ["", str(ROOT), os.pathsep.join([str(ROOT / "checks"), str(ROOT)])])
def test_our_modules_never_satisfy_an_import(path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.chdir(ROOT)
    rows = handed_in("helper")
    assert rows["Sigmoid"].verdict == "right"  # by way of its own helper
    assert "No module named 'utils'" in said(rows["loss.py"]) and "line 3" in said(rows["loss.py"])


@pytest.mark.parametrize("name", ["checks", "checks.truth", "network", "running.settings", "load_data", "worker"])
def test_no_module_of_ours_is_there(name, tmp_path):
    rows = written(tmp_path, layers=f"import {name}\n")
    assert f"No module named '{name.split('.')[0]}'" in said(rows["layers.py"])


def test_our_layers_are_not_there_for_a_loss_alone(tmp_path):
    rows = written(tmp_path, loss="from layers import Linear\n")
    assert "No module named 'layers'" in said(rows["loss.py"])


def test_a_hand_in_may_have_modules_of_our_names(tmp_path):
    (tmp_path / "utils.py").write_text("def half(x):\n    return x / 2\n")
    (tmp_path / "checks.py").write_text("from utils import half\n")
    text = (
        "import numpy as np\nfrom checks import half\n\n\nclass Relu:\n    def __init__(self, name):\n        pass\n\n"
        "    def forward(self, input):\n        self.mask = input > 0\n        return half(input + np.abs(input))\n\n"
        "    def backward(self, grad_output):\n        return grad_output * self.mask\n"
    )
    assert written(tmp_path, layers=text)["Relu"].verdict == "right"


def test_columns_and_sums_are_remarks():
    rows = handed_in("columns")
    assert not any(row.wrong for row in rows.values())
    assert "columns" in mistakes(rows["Linear"]) and "no-decay-on-b" in mistakes(rows["Linear"])
    assert "no-half" in mistakes(rows["EuclideanLoss"]) and "columns" in mistakes(rows["EuclideanLoss"])
    assert "sum" in mistakes(rows["SoftmaxCrossEntropyLoss"])
    assert "the margin is 1 unless given" in said(rows["HingeLoss"])


def test_accidents_become_rows():
    rows = handed_in("accidents", time_limit=4.0)
    verdicts = {name: row.verdict for name, row in rows.items()}
    assert verdicts == {
        "Linear": "raises",
        "Relu": "no end",
        "Sigmoid": "raises",
        "Gelu": "crashed",
        "EuclideanLoss": "crashed",
        "SoftmaxCrossEntropyLoss": "right, see remarks",
        "HingeLoss": "raises",
    }
    assert "more memory than it may have" in said(rows["Linear"]) and "layers.py line 17" in said(rows["Linear"])
    assert "had not ended after 4 s" in said(rows["Relu"]) and "in forward" in said(rows["Relu"])
    assert "calls sys.exit(done) layers.py line 42" in said(rows["Sigmoid"])
    assert "exit code 0" in said(rows["Gelu"])
    assert "loss.py line 15, in forward" in said(rows["EuclideanLoss"])
    assert "prints" in said(rows["SoftmaxCrossEntropyLoss"])
    assert "\033" not in said(rows["HingeLoss"])


def test_untidy_but_right():
    rows = handed_in("untidy")
    assert [row.verdict for row in rows.values() if row.wrong] == []
    assert "update is not written yet" in said(rows["Linear"])
    assert "wants learning_rate=0.1 (guessed here)" in said(rows["Linear"]) and "prints" in mistakes(rows["Linear"])
    assert "the class is called ReLU" in said(rows["Relu"])
    assert "gelu-erf" in mistakes(rows["Gelu"]) and rows["Gelu"].verdict == "right, see remarks"
    assert rows["Tanh"].verdict == "right" and rows["FocalLoss"].verdict.startswith("right")
    assert rows["Dropout"].verdict == "not checked"
    assert "stateful" in mistakes(rows["SoftmaxCrossEntropyLoss"])
    assert "the margin is 0.5 unless given" in said(rows["HingeLoss"])


def test_tabs_do_not_hide_the_other_file():
    rows = handed_in("tabs")
    assert "tabs and spaces are mixed" in said(rows["layers.py"]) and "line 10" in said(rows["layers.py"])
    assert "sum" in mistakes(rows["EuclideanLoss"]) and not rows["EuclideanLoss"].wrong
    assert rows["HingeLoss"].verdict == "raises" and "IndexError" in said(rows["HingeLoss"])


def test_wrong_hand_in_is_diagnosed():
    rows = handed_in("wrong")
    assert {"over-n", "mean-not-sum", "decay-sign", "decay-and-momentum-missing"} <= set(mistakes(rows["Linear"]))
    assert "Linear divides by N what the losses do not" in said(rows["Linear"])
    assert mistakes(rows["Relu"]) == ["writes-argument", "mask-on-grad"]
    assert "layers.py line 28, in forward: input[input < 0] = 0" in said(rows["Relu"])
    assert mistakes(rows["Sigmoid"]) == ["overflow-sigmoid"] and "(1 + tanh(x / 2)) / 2" in said(rows["Sigmoid"])
    assert "gelu-tanh-squared" in mistakes(rows["Gelu"])
    assert mistakes(rows["Softplus"]) == [None] and "at x = " in said(rows["Softplus"])
    assert "times-n" in mistakes(rows["EuclideanLoss"])
    assert mistakes(rows["SoftmaxCrossEntropyLoss"]) == ["clipped"] and "27.6" in said(rows["SoftmaxCrossEntropyLoss"])
    assert mistakes(rows["HingeLoss"]) == ["target-column"]


def test_what_runs_at_import():
    rows = handed_in("at_import", time_limit=4.0)
    assert "train_images.npy" in said(rows["layers.py"]) and "line 16" in said(rows["layers.py"])
    assert rows["Relu"].verdict == "right"
    assert rows["loss.py"].verdict == "cannot be imported" and "after 4 s" in said(rows["loss.py"])


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
        ("return 'y'", "not an array of numbers"),
        ("return self.forward(input)", "RecursionError"),
        ("return input.relu()", "has no attribute 'relu'"),
        ("raise KeyboardInterrupt", "killed by signal 2" if os.name == "posix" else "ended the whole process"),
        ("return {}.iteritems()", "this is Python 2: iteritems is items in Python 3"),
        ("input()", "object is not callable"),
    ],
)
def test_odd_returns_have_their_own_words(line, words, tmp_path):
    row = written(tmp_path, layers=RELU.format(line))["Relu"]
    assert row.wrong and words in said(row)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"class Relu:\n    def f(self):\n    return 1\n", "does not parse: expected an indented block"),
        ('x = "é"\n'.encode("latin-1"), "is not UTF-8"),
        ("x = 1\n".encode("utf-16"), "cannot be imported"),
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
    row = check_hand_in(tmp_path / "layers.py", None, 20.0)[0]
    assert row.verdict == "cannot be imported" and words in said(row) + row.verdict


def test_memory_that_grows_is_bounded(tmp_path):
    pytest.importorskip("resource")
    if sys.platform != "linux":
        pytest.skip("only Linux bounds the address space")
    text = "import numpy as np\n" + RELU.format(
        "kept = []\n        while True:\n            kept.append(np.zeros(10**8))"
    )
    row = written(tmp_path, layers=text)["Relu"]
    assert row.wrong and "more memory" in said(row)


def test_nothing_is_written_beside_a_hand_in(tmp_path):
    written(tmp_path, layers=RELU.format("return input"), helper="x = 1\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["helper.py", "layers.py"]


def test_losses_in_columns_without_layers():
    rows = {row.name: row for row in check_hand_in(None, HANDINS / "columns" / "loss.py", 20.0)}
    assert not any(row.wrong for row in rows.values()) and "columns" in mistakes(rows["EuclideanLoss"])


# The command


def test_exit_codes_and_usage(tmp_path, capsys):
    assert check_gradients.main([str(HANDINS / "columns")]) == 0
    assert check_gradients.main(["--loss", str(HANDINS / "wrong" / "loss.py")]) == 5
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "loss.py").write_text("")
    with pytest.raises(check_gradients.NoHandIn, match="deep") as error:
        check_gradients.main([str(tmp_path)])
    assert error.value.exit_code == 3
    for wrong in (
        ["nowhere"],
        [str(tmp_path), "--layers", str(HANDINS / "wrong" / "layers.py")],
        ["--layers", str(tmp_path)],
        ["--time-limit", "0"],
        ["--nonsense"],
    ):
        with pytest.raises(UsageError):
            check_gradients.main(wrong)
    capsys.readouterr()


def test_many_hand_ins_and_json(tmp_path, capsys):
    folders = [str(HANDINS / "stubs"), str(tmp_path), str(HANDINS / "columns")]
    with pytest.raises(check_gradients.NoHandIn):
        check_gradients.main(folders)
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith(folders[0]) for line in lines) == 7
    assert sum(line.startswith(folders[2]) for line in lines) == 7
    assert any("neither layers.py nor loss.py" in line for line in lines)
    assert check_gradients.main(["--json", str(HANDINS / "wrong")]) == 5
    contents = json.loads(capsys.readouterr().out)
    relu = next(row for row in contents["hand_ins"][0]["rows"] if row["name"] == "Relu")
    assert contents["exit_code"] == 5 and relu["verdict"] == "WRONG" and relu["columns"]["arguments"] == "fault"
    assert relu["findings"][1]["mistake"] == "mask-on-grad"


def test_our_own_files_as_a_hand_in():
    rows = check_hand_in(ROOT / "layers.py", ROOT / "loss.py", 20.0)
    assert [row.verdict for row in rows] == ["right"] * 7


def test_ascii_terminal():
    done = command("--layers", HANDINS / "helper" / "layers.py", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.returncode == 0 and done.stdout.isascii()
    assert "ok holds" in done.stdout


def test_help_says_what_it_is_not():
    done = command("--help")
    assert done.returncode == 0 and "not a security sandbox" in " ".join(done.stdout.split())


def test_plain_text_cannot_upset_a_terminal():
    assert plain("a\n\033[31mb\x07" + "c" * 900) == "a [31mb " + "c" * 289 + "..."


# No false alarm, and a catalogue that can be told apart


@pytest.mark.parametrize(("part", "name", "cls", "remark"), WAYS, ids=[way[2].__name__ for way in WAYS])
def test_other_ways_of_being_right(part, name, cls, remark):
    row = check_class(part, part + ".py", name, cls, None)
    assert not row.wrong, said(row)
    assert remark is None or remark in mistakes(row)


def test_the_catalogue_is_large_and_its_mistakes_differ():
    entries = [m for value in catalogue.WRONG.values() for m in value] + [*catalogue.FACTORS, *catalogue.ANY]
    keys = {entry[0] for entry in entries} | {step.key for step in steps.WRONG_STEPS}
    assert len(keys) >= 60
    x, g = points(1, 5, 4), points(2, 5, 4)
    for name in ACTIVATIONS:
        case = SimpleNamespace(x=x, g=g, n=5, k=4, true=g * ACTIVATIONS[name][1](x))
        found = [(m.key, np.asarray(m.wrong(case), float)) for m in WRONG_LAYERS[f"{name}.grad_input"]]
        for key, wrong in found:
            true_of_other_form = key == "gelu-of-other-form" and relative_error(wrong, case.true) < 1e-9
            assert true_of_other_form or relative_error(wrong, case.true) > 1e-5, key
        for (key, one), (other, two) in itertools.combinations(found, 2):
            assert key == other or relative_error(one, two) > 1e-6, (key, other)
