"""Submissions that a checker is easily wrong about: what looks unwritten, passes by luck, or only seems wrong."""

import signal

import pytest
from submissions_helper import LAYER, LOSS, mistakes, said, written

from gradcheck.subprocess_runner import check_submission

LINEAR = """
import numpy as np


class Linear:
    def __init__(self, name, in_num, out_num, init_std):
        self.W = np.random.randn(in_num, out_num) * init_std
        self.b = np.zeros(out_num)
        self.v = {"W": 0, "b": 0}

    def forward(self, input):
        self.x = input
        return input @ self.W + self.b

    def backward(self, grad_output):
        self.grad_W = self.x.T @ grad_output
        self.grad_b = grad_output.sum(0)
        return grad_output @ self.W.T

    def update(self, config):
        for name in ("W", "b"):
            grad = getattr(self, "grad_" + name) + config["weight_decay"] * getattr(self, name)
            self.v[name] = config["momentum"] * self.v[name] + grad
            setattr(self, name, getattr(self, name) - config["learning_rate"] * self.v[name])
"""
UPDATE = LINEAR[LINEAR.index("        for name in") :]


def linear(tmp_path, *changes):
    text = LINEAR
    for right, wrong in changes:
        assert right in text
        text = text.replace(right, wrong)
    return written(tmp_path, layers=text)["Linear"]


def relu(tmp_path, forward="self.x = input; return np.maximum(input, 0)", backward="return grad_output * (self.x > 0)"):
    return written(tmp_path, layers=LAYER.format("Relu", forward, backward))["Relu"]


def test_the_plain_linear_is_right(tmp_path):
    row = linear(tmp_path)
    assert row.verdict == "right" and row.columns["step"] == "ok"


# A forgotten return is no stub


def test_a_forgotten_return_is_a_fault(tmp_path):
    row = linear(tmp_path, ("return grad_output @", "grad_input = grad_output @"))
    assert row.fails and "return-missing" in mistakes(row)
    assert "backward returns None: its return is missing layers.py line 18, in backward: grad_input" in said(row)
    assert "ok" not in (row.columns.get("agreement"), row.columns.get("finite"))
    row = relu(tmp_path, "self.x = input; out = np.maximum(input, 0)")
    assert row.fails and "forward returns None: its return is missing" in said(row)
    rows = written(tmp_path, loss=LOSS.format("EuclideanLoss", "loss = ((input - target) ** 2).sum()", "pass"))
    assert mistakes(rows["EuclideanLoss"]) == ["return-missing"]


@pytest.mark.parametrize(
    "body",
    [
        "pass",
        "...",
        "return",
        "return None",
        "return ...",
        "raise NotImplementedError",
        "raise NotImplementedError('later')",
        "'your code here'",
        "'doc'; out = None; return out",
        "0",
        "# TODO\n        'Your codes here'\n        pass",
    ],
)
def test_a_stub_is_not_written_yet(body, tmp_path):
    for row in (relu(tmp_path, body), relu(tmp_path, backward=body)):
        assert row.verdict == "not written yet", said(row)
        assert "ok" not in row.columns.values()


def test_a_stub_with_an_empty_constructor_is_not_written_yet(tmp_path):
    text = "class Linear:\n    def __init__(self, *a): pass\n    def forward(self, x): pass\n"
    assert written(tmp_path, layers=text)["Linear"].verdict == "not written yet"


def test_an_update_of_local_names_is_a_fault(tmp_path):
    row = linear(tmp_path, (UPDATE, "        W = self.W - config['learning_rate'] * self.grad_W\n"))
    assert row.fails and row.columns["step"] == "wrong"
    assert "update changes neither W nor b: is it assigned to a local name? layers.py line 21, in update: W =" in said(
        row
    )


def test_what_is_not_checked_has_no_mark(tmp_path):
    row = linear(tmp_path, (UPDATE, "        pass\n"))
    assert not row.fails and "step" not in row.columns and "update is not written yet" in said(row)


def test_a_gradient_of_another_shape_is_one_fault(tmp_path):
    assert mistakes(linear(tmp_path, ("self.x.T @ grad_output", "grad_output.T @ self.x"))) == ["transposed"]
    assert mistakes(linear(tmp_path, ("grad_output.sum(0)", "grad_output.sum()"))) == ["total-sum"]


# State that two layers share


def test_what_forward_saved_is_not_shared(tmp_path):
    row = relu(tmp_path, "Relu.x = input; return np.maximum(input, 0)", "return grad_output * (Relu.x > 0)")
    assert mistakes(row) == ["shared"] and "class attribute or global" in said(row)
    forward = "global last; last = input; return np.maximum(input, 0)"
    assert mistakes(relu(tmp_path, forward, "return grad_output * (last > 0)")) == ["shared"]
    row = linear(tmp_path, ("self.x = input", "Linear.x = input"))
    assert mistakes(row) == ["shared"] and row.columns["agreement"] == "wrong"


def test_a_smaller_batch_of_linear(tmp_path):
    row = linear(tmp_path, ("+ self.b\n", "+ np.tile(self.b, (5, 1))\n"))
    assert "fixed-batch" in mistakes(row) and "in forward: return input @ self.W + np.tile" in said(row)
    row = linear(tmp_path, ("self.x = input\n", "self.x = input if len(input) != 2 else self.x[:2]\n"))
    assert "stale" in mistakes(row)


def test_a_velocity_is_not_shared(tmp_path):
    row = linear(
        tmp_path,
        ('        self.v = {"W": 0, "b": 0}\n', ""),
        ("class Linear:", "class Linear:\n    v = {'W': 0, 'b': 0}"),
    )
    assert mistakes(row) == ["shared"] and row.columns["step"] == "wrong"


# What the caller has


def test_an_update_that_changes_its_settings_is_unsafe(tmp_path):
    row = linear(tmp_path, (UPDATE, UPDATE + '        config["learning_rate"] *= 0.9\n'))
    assert row.verdict == "UNSAFE" and "update writes into config" in said(row)


@pytest.mark.parametrize(
    ("forward", "words"),
    [
        ("self.y = np.maximum(input, 0); return self.y", "backward overwrites the array that forward returned"),
        (
            "self.y = getattr(self, 'y', np.empty(input.shape)) if len(input) == 5 else np.empty(input.shape)\n"
            "        return np.maximum(input, 0, out=self.y)",
            "forward writes into the array that it returned before",
        ),
    ],
)
def test_an_output_that_is_written_into_later_is_a_remark(forward, words, tmp_path):
    backward = "self.y *= 1\n        return grad_output * (self.y > 0)"
    if words.startswith("backward"):
        backward = "on = self.y > 0\n        self.y[...] = grad_output * on\n        return self.y.copy()"
    row = relu(tmp_path, forward, backward)
    assert row.verdict == "right, with remarks" and words in said(row)


def test_an_activation_that_is_clipped_beyond_ordinary_inputs_is_unsafe(tmp_path):
    forward = "self.y = 1 / (1 + np.exp(-np.clip(input, -10, 10))); return self.y"
    text = LAYER.format("Sigmoid", forward, "return grad_output * self.y * (1 - self.y)")
    row = written(tmp_path, layers=text)["Sigmoid"]
    assert row.verdict == "UNSAFE" and "forward is finite but wrong at large inputs: 4.53979e-05, true 0" in said(row)


# Files


def test_losses_in_layers_py_are_checked(tmp_path):
    text = LAYER.format("Relu", "self.x = input; return np.maximum(input, 0)", "return grad_output * (self.x > 0)")
    text += LOSS.format("EuclideanLoss", "return 0.5 * ((input - target) ** 2).sum(1).mean()", "return input - target")
    text += LOSS.format("CubicLoss", "return ((input - target) ** 3).mean()", "return input - target")
    text += LAYER.format("Half", "return input / 2", "return grad_output / 2").replace("input):", "input, train=True):")
    rows = written(tmp_path, layers=text)
    assert rows["Half"].verdict == "right" and rows["Half"].hints["part"] == "layers"
    assert rows["Relu"].verdict == "right" and mistakes(rows["EuclideanLoss"]) == ["times-n"]
    assert rows["HingeLoss"].verdict == "missing" and said(rows["HingeLoss"]) == "loss.py is not there"
    assert rows["CubicLoss"].fails and len(rows) == 9
    file = tmp_path / "layers.py"
    again = check_submission(file, file, 20.0)  # for --layers and --loss too
    assert [row.name for row in again] == [*rows] and again[5].file == "layers.py"
    file.write_text(text + "import os; os._exit(3)\n")
    assert [row.verdict for row in check_submission(file, file, 20.0)] == ["cannot be imported"] + ["not checked"] * 7


def test_relative_imports(tmp_path):
    (tmp_path / "utils.py").write_text("import numpy as np\n\n\ndef up(x):\n    return np.maximum(x, 0)\n")
    text = "from .utils import up\n" + LAYER.format(
        "Relu", "self.x = input; return up(input)", "return grad_output * (self.x > 0)"
    )
    loss = "from .layers import Relu\n" + LOSS.format("HingeLoss", "pass", "pass")
    rows = written(tmp_path, layers=text, loss=loss)
    assert rows["Relu"].verdict == "right" and "imports relatively" in said(rows["layers.py"])
    assert rows["HingeLoss"].verdict == "not written yet"


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no alarm on this system")
def test_training_at_the_end_of_a_file_hides_no_class(tmp_path):
    text = LAYER.format("Relu", "self.x = input; return np.maximum(input, 0)", "return grad_output * (self.x > 0)")
    (tmp_path / "layers.py").write_text(text + "while True:\n    pass\n")
    rows = {row.name: row for row in check_submission(tmp_path / "layers.py", None, 0.5)}
    assert rows["Relu"].verdict == "right" and rows["layers.py"].verdict == "imported, with repairs"
    assert 'still running after 0.5 s: put training under if __name__ == "__main__":' in said(rows["layers.py"])


def test_a_broken_line_at_the_end_hides_nothing(tmp_path):
    text = LAYER.format("Relu", "self.x = input; return np.maximum(input, 0)", "return grad_output * (self.x > 0)")
    loss = "from layers import *\n" + LOSS.format("HingeLoss", "pass", "pass")
    rows = written(tmp_path, own_process=True, layers=text + "input('rate? ')\n", loss=loss)
    assert rows["Relu"].verdict == "right" and rows["HingeLoss"].verdict == "not written yet"
    assert "asks for input" in said(rows["layers.py"]) and "__main__" in said(rows["layers.py"])


def test_a_file_named_like_one_of_python(tmp_path):
    for name in ("random", "copy", "json"):
        (tmp_path / f"{name}.py").write_text("raise ValueError\n")
    assert relu(tmp_path).verdict == "right"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("```python\nx = 1\n```\n", "a fence of Markdown"),
        ("x = 1\n```\n", "a fence of Markdown"),
        ("<<<<<<< HEAD\nx = 1\n", "a conflict of a merge is left in the file"),
        ("def f():\n    raise ValueError('a, b'\n", "does not parse: '(' was never closed"),
        ("class A:\n\tdef f(self):\n\n\tdef g(self):\n\t\tpass\n", "needs `pass`"),
        ("x = 10L\n", "this is Python 2: a long integer"),
        ("class A: pass\nA().reduce\n", "raises AttributeError"),
        ("{}.has_key(1)\n", "this is Python 2: has_key"),
    ],
)
def test_python_2_is_said_only_of_python_2(text, words, tmp_path):
    row = written(tmp_path, layers=text)["layers.py"]
    assert words in said(row) and ("Python 2" in words or "Python 2" not in said(row))
