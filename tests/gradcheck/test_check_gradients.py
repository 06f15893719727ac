"""check_gradients.py: our own table, submissions as people send them, and no false alarm."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from alternative_implementations import ALTERNATIVES
from submissions_helper import SUBMISSIONS, mistakes, said

import check_gradients
import layers
import loss
import network
from gradcheck import catalogue, check_step, table
from gradcheck.check_project import ADDED, NetworkCheck, loss_row, network_cases, project_rows
from gradcheck.errors import plain
from gradcheck.mistakes_layers import WRONG_LAYERS
from gradcheck.reference import (
    ACTIVATIONS,
    CLASSES,
    CUBIC,
    LOSSES,
    SCALE,
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
from gradcheck.submission import check_class
from gradcheck.subprocess_runner import check_submission
from layers import BatchNorm, Dropout, Residual
from utils import FileError, UsageError

ROOT = Path(__file__).resolve().parents[2]


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
    rows = project_rows()
    assert [row.verdict for row in rows] == ["right"] * (4 + 3 + 21 + len(ADDED))
    assert len(set(network_cases())) == 21
    assert max(row.error for row in rows) < 1e-6
    for row in rows:
        promised = {"gradient", "finite", "float32", "arguments", "agreement"}
        promised |= {"mean"} if row.file != "layers.py" else set()
        promised -= {"agreement", "mean"} if "12-7-7-5" in row.name else set()
        promised |= {"step"} if row.name == "Linear" or row.file == "network.py" else set()
        assert promised <= {column for column, mark in row.columns.items() if mark == "ok"}, row.name


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (BatchNorm, lambda self, grad: grad * self._gamma / self._deviation),
        (Dropout, lambda self, grad: grad),
        (Residual, lambda self, grad: grad),
    ],
)
def test_a_wrong_gradient_of_a_newer_layer_is_seen_in_its_row_and_in_that_of_all(monkeypatch, kind, wrong):
    monkeypatch.setattr(kind, "backward", wrong)
    rows = {row.name: row.verdict for row in project_rows() if "12-7-7-5" in row.name}
    assert [name for name, verdict in rows.items() if verdict == "WRONG"] == [
        f"12-7-7-5 Gelu, {kind.__name__}",
        "12-7-7-5 Gelu, all three",
    ]


def test_own_command():
    done = command()
    assert done.returncode == 0 and done.stderr == ""
    assert "12-7-6-5 Gelu SoftmaxCrossEntropy" in done.stdout and "32 right" in done.stdout
    assert "✗" not in done.stdout.replace(table.LEGEND, "")


def test_own_command_fails_with_a_bug(monkeypatch, capsys):
    monkeypatch.setattr(layers.Relu, "backward", lambda self, grad_output: 2 * grad_output * (self._input > 0))
    assert check_gradients.main([]) == 5
    shown = capsys.readouterr().out
    assert "it is twice the right one" in shown
    assert "12-7-5 Relu Hinge" in shown and "the gradient of the whole network is wrong" in shown


def test_own_network_is_held_against_the_formulas(monkeypatch):
    forward, backward = layers.Gelu.forward, layers.Gelu.backward
    monkeypatch.setattr(layers.Gelu, "forward", lambda self, input: 2 * forward(self, input))
    monkeypatch.setattr(layers.Gelu, "backward", lambda self, grad_output: 2 * backward(self, grad_output))
    row = next(row for row in project_rows() if row.name == "12-7-5 Gelu Hinge")
    assert row.error < 1e-6 and "by the formulas" in said(row)


def test_own_code_may_not_have_a_convention_of_its_own(monkeypatch):
    monkeypatch.setattr(loss.HingeLoss, "__init__", lambda self, name: setattr(self, "margin", 1))
    assert loss_row(loss, "HingeLoss").fails


def far(method):
    return lambda self, *given: np.where(np.abs(given[0]) > 100, np.nan, method(self, *given))


def wide(method):
    return lambda self, *given: method(self, *given).astype(float)


def writes(method):
    def forward(self, input):
        output = method(self, input)
        input += 1
        return output

    return forward


def total(method):
    return lambda self, *given: method(self, *given) * len(given[0])


def twice(method):
    return lambda self, config: method(self, config | {"learning_rate": 2 * config["learning_rate"]})


@pytest.mark.parametrize(
    ("column", "cls", "methods", "changed"),
    [
        ("finite", layers.Relu, ["forward"], far),
        ("float32", layers.Relu, ["forward"], wide),
        ("arguments", network.Network, ["forward"], writes),
        ("mean", loss.EuclideanLoss, ["forward", "backward"], total),
        ("step", network.Network, ["update"], twice),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_each_column_of_an_own_network_can_fail(monkeypatch, column, cls, methods, changed):
    for method in methods:
        monkeypatch.setattr(cls, method, changed(getattr(cls, method)))
    modules = SimpleNamespace(layers=layers, losses=loss, network=network)
    assert NetworkCheck(modules, 1, "Relu", "EuclideanLoss").check().columns[column] == "wrong"


# The command


def test_exit_codes_and_usage(tmp_path, capsys):
    assert check_gradients.main([str(SUBMISSIONS / "columns")]) == 0
    assert check_gradients.main(["--loss", str(SUBMISSIONS / "wrong" / "loss.py")]) == 5
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "losses.py").write_text("")
    with pytest.raises(FileError, match="deep") as error:
        check_gradients.main([str(tmp_path)])
    assert error.value.exit_code == 3
    for wrong in (
        ["nowhere"],
        [str(tmp_path), "--layers", str(SUBMISSIONS / "wrong" / "layers.py")],
        ["--layers", str(tmp_path)],
        ["--time-limit", "0"],
        ["--starter", str(tmp_path / "new"), "--json"],
        ["--starter", str(tmp_path / "new"), str(SUBMISSIONS / "wrong")],
        ["--starter", str(tmp_path / "new"), "--time-limit", "3"],
        ["--csv", str(tmp_path / "marks.csv")],
        ["--nonsense"],
    ):
        with pytest.raises(UsageError):
            check_gradients.main(wrong)
    assert not (tmp_path / "new").exists() and not (tmp_path / "marks.csv").exists()
    capsys.readouterr()


def test_the_time_limit_reaches_the_submission(monkeypatch):
    seen = []
    monkeypatch.setattr(check_gradients, "check_submission", lambda *given: seen.append(given[2:]) or [])
    for flag in ("--time-limit", "--time_limit"):
        assert check_gradients.main([str(SUBMISSIONS / "columns"), flag, "2.5"]) == 0
    assert check_gradients.main([str(SUBMISSIONS / "columns")]) == 0
    assert seen == [(2.5,), (2.5,), (10.0,)]


def test_colours_on_a_terminal_unless_no_color_is_set(monkeypatch):
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(encoding="utf-8", isatty=lambda: True))
    monkeypatch.setattr(table.os, "name", "posix")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert table.Screen().paint("right", "32") == "\033[32mright\033[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert table.Screen().paint("right", "32") == "right"


def test_many_submissions_and_json(tmp_path, capsys):
    folders = [str(SUBMISSIONS / "stubs"), str(tmp_path), str(SUBMISSIONS / "columns")]
    with pytest.raises(FileError):
        check_gradients.main(folders)
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith(folders[0]) for line in lines) == 7
    assert sum(line.startswith(folders[2]) for line in lines) == 7
    assert any("neither layers.py nor loss.py" in line for line in lines)
    assert check_gradients.main(["--json", str(SUBMISSIONS / "wrong")]) == 5
    contents = json.loads(capsys.readouterr().out)
    relu = next(row for row in contents["submissions"][0]["rows"] if row["name"] == "Relu")
    assert (
        contents["exit_code"] == 5
        and relu["verdict"] == "WRONG"
        and relu["columns"]["arguments"] == "unsafe"
        and relu["unsafe"]
    )
    assert relu["findings"][1]["mistake"] == "mask-on-grad"


def test_our_own_files_as_a_submission():
    rows = {row.name: row.verdict for row in check_submission(ROOT / "layers.py", ROOT / "loss.py", 20.0)}
    assert [rows[name] for name in (*CLASSES["layers"], *CLASSES["loss"])] == ["right"] * 7


def test_ascii_terminal():
    done = command("--layers", SUBMISSIONS / "helper" / "layers.py", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.returncode == 0 and done.stdout.isascii()
    assert "ok holds" in done.stdout


def test_help_says_what_it_is_not():
    done = command("--help")
    assert done.returncode == 0 and "not a security sandbox" in " ".join(done.stdout.split())


def test_plain_text_cannot_upset_a_terminal():
    assert plain("a\n\033[31mb\x07" + "c" * 900) == "a [31mb " + "c" * 109 + "..."


# No false alarm, and a catalogue that can be told apart


@pytest.mark.parametrize(("part", "name", "cls", "remark"), ALTERNATIVES, ids=[way[2].__name__ for way in ALTERNATIVES])
def test_alternative_implementations_are_right(part, name, cls, remark):
    row = check_class(part, part + ".py", name, cls)
    assert not row.fails and row.error < 1e-4, said(row)
    assert remark in mistakes(row) if remark else "newer" not in cls.__module__ or row.verdict == "right", said(row)
    if cls.__name__ in ("DictLinear", "ListLinear", "HeldLinear", "PropertyLinear"):
        assert "float32-lost" not in mistakes(row)


def test_the_catalogue_is_large_and_its_mistakes_differ():
    entries = [m for value in catalogue.WRONG.values() for m in value] + [*catalogue.FACTORS, *catalogue.ANY]
    keys = {entry[0] for entry in entries} | {step.key for step in check_step.WRONG_STEPS}
    assert len(keys) >= 60
    x, g = points(1, 5, 4), points(2, 5, 4)
    for name in ACTIVATIONS:
        case = SimpleNamespace(x=x, g=g, n=5, k=4, scale=SCALE, cubic=CUBIC, true=g * ACTIVATIONS[name][1](x))
        found = [(m.key, np.asarray(m.wrong(case), float)) for m in WRONG_LAYERS[f"{name}.grad_input"]]
        for key, wrong in found:
            true_of_other_form = key == "gelu-of-other-form" and relative_error(wrong, case.true) < 1e-9
            assert true_of_other_form or relative_error(wrong, case.true) > 1e-5, key
        for (key, one), (other, two) in itertools.combinations(found, 2):
            assert key == other or relative_error(one, two) > 1e-6, (key, other)
