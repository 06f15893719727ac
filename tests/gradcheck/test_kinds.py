"""Kinds of faults that real submissions have: each gets its own row, with the cause and the line that does it."""

import json

import pytest
from submissions_helper import LAYER, LOSS, in_process, mistakes, said, written

HEAD = "import numpy as np\n"
SOFTMAX = "e = np.exp(input - input.max(1, keepdims=True)); self.p = e / e.sum(1, keepdims=True)\n        "
LINEAR = """import numpy as np


class Linear:
    def __init__(self, name, in_num, out_num, init_std):
        self.W, self.b = init_std * np.random.randn(in_num, out_num), np.zeros(out_num)
        self.vW = self.vb = 0

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, g):
        {}
        return g @ self.W.T

    def update(self, config):
        lr, m, wd = config["learning_rate"], config["momentum"], config["weight_decay"]
        self.vW = m * self.vW + self.grad_W + wd * self.W
        self.vb = m * self.vb + self.grad_b + wd * self.b
        self.W, self.b = self.W - lr * self.vW, self.b - lr * self.vb
"""


@pytest.fixture
def loss(tmp_path):
    return lambda name, forward, backward: written(tmp_path, loss=LOSS.format(name, forward, backward))[name]


@pytest.fixture
def layer(tmp_path):
    return lambda name, forward, backward: written(tmp_path, layers=LAYER.format(name, forward, backward))[name]


def test_a_loss_with_one_weight_per_digit(loss):
    forward = SOFTMAX + "return -(np.full(10, 0.1) * target * (1 - self.p) ** 2 * np.log(self.p)).sum() / len(input)"
    backward = """q = self.p
        a = 0.1 * (target * (2 * q * (1 - q) * np.log(q) - (1 - q) ** 2)).sum(1, keepdims=True)
        return a * (target - q)"""
    row = loss("FocalLoss", forward, backward)
    assert row.verdict == "WRONG" and "the 1/N of the mean over the batch is forgotten" in said(row)
    assert "is not FocalLoss" not in said(row)


def test_stubs_of_classes_that_nobody_knows(layer, loss):
    for row in (layer("Swish", "'''todo'''\n        pass", "pass"), layer("Gizmo", "pass", "pass")):
        assert row.verdict == "not written yet" and said(row) == "forward is not written yet"
    for name in ("FocalLoss", "GizmoLoss"):
        assert loss(name, "pass", "pass").verdict == "not written yet"
        row = loss(name, "loss = ((input - target) ** 2).sum()", "pass")
        assert row.verdict == "WRONG" and "forward returns None: its return is missing" in said(row)


def test_an_import_that_nothing_uses_costs_only_itself(tmp_path):
    text = LOSS.format(
        "EuclideanLoss",
        "return ((input - target) ** 2).sum() / (2 * len(input))",
        "return (target - input) / len(input)",
    )
    rows = written(tmp_path, loss="from numpy.lib.function_base import flip\n" + text)
    assert rows["loss.py"].verdict == "imported, with repairs"
    assert said(rows["loss.py"]).startswith(
        "line 1 imports numpy.lib.function_base, which NumPy 2 no longer has; nothing here uses it: delete the line"
    )
    assert "it has the opposite sign" in said(rows["EuclideanLoss"])


def test_a_missing_module_costs_only_what_touches_it(tmp_path):
    (tmp_path / "patches.py").write_text("import fastpatch\ndef unfold(x, size): return fastpatch.unfold(x, size)\n")
    text = "from patches import unfold\n" + LAYER.format(
        "Relu", "self.on = input > 0; return input * self.on", "return grad_output * self.on"
    )
    text += LAYER.format("Conv", "return unfold(input, self.size)", "return grad_output").replace(
        "name):\n", "name, size):\n        self.size = size\n"
    )
    rows = written(tmp_path, layers=text)
    assert rows["Relu"].verdict == "right" and rows["layers.py"].verdict == "imported, with repairs"
    assert rows["Conv"].verdict == "not checked"
    assert "it needs fastpatch, which is neither in the folder nor installed here" in said(rows["Conv"])


@pytest.mark.parametrize(("tab", "who"), [("\t", "Python 2 let it pass"), ("    ", "")])
def test_tabs_as_python_2_counted_them(tab, who, tmp_path):
    text = LAYER.format("Relu", "self.on = input > 0\n        return input * self.on", "return grad_output * self.on")
    rows = written(
        tmp_path,
        layers=text.replace("        return", tab + tab.strip(" ") * 0 + ("return" if tab == "\t" else "    return")),
    )
    assert rows["Relu"].verdict == "right"
    assert ("layers.py" in rows) == bool(who) and who in (said(rows["layers.py"]) if who else "")


def test_tabs_that_an_editor_showed_as_four_spaces(tmp_path):
    text = "class Relu:\n\tdef __init__(self, name):\n\t\tself.name = name\n"
    text += "\tdef forward(self, x):\n        # here\n        pass\n"
    rows = written(tmp_path, layers=text)
    assert "the editor showed a tab as 4 spaces" in said(rows["layers.py"])
    assert rows["Relu"].verdict == "not written yet"


@pytest.mark.parametrize(("name", "instead"), [("int", "int"), ("float_", "np.float64")])
def test_a_name_that_numpy_has_removed(name, instead, layer):
    forward = f"self.mask = (input > 0).astype(np.{name}); return input * self.mask"
    row = layer("Relu", forward, "return grad_output * self.mask")
    assert row.verdict == "raises" and f"removed np.{name}: write {instead}; with that it is right" in said(row)
    assert "layers.py line 10, in forward" in said(row)
    row = layer("Relu", forward, "return -grad_output * self.mask")
    assert row.verdict == "raises" and "with that it is WRONG" in said(row) and "opposite sign" in said(row)


@pytest.mark.parametrize("name", ["EuclideanLoss", "CubeLoss"])
def test_losses_of_samples_each_divided_by_n(name, loss):
    power, factor, slope = ("** 2", 0.5, "d") if name[0] == "E" else ("** 3", 1, "3 * d * np.abs(d)")
    forward = f"return {factor} * (np.abs(input - target) {power}).sum(axis=1, keepdims=True) / len(input)"
    row = loss(name, forward, f"d = input - target; return {slope}")
    assert "forward returns shape (7, 1), the losses of the samples, each divided by N already: sum them" in said(row)
    assert "it is N times too large" in said(row) and row.verdict == "WRONG"


def test_one_loss_per_sample_is_a_convention(tmp_path):
    loss = LOSS.format("EuclideanLoss", "return 0.5 * ((input - target) ** 2).sum(axis=1)", "return input - target")
    linear = LINEAR.format("self.grad_W, self.grad_b = self.x.T @ g / len(g), g.mean(0)")
    rows = written(tmp_path, loss=loss, layers=linear)
    assert rows["EuclideanLoss"].verdict == "right, with remarks"
    assert "one loss per sample, not their mean; backward is the derivative of their sum" in said(rows["EuclideanLoss"])
    for row in (rows["EuclideanLoss"], rows["Linear"]):
        assert "the losses leave out the 1/N and Linear divides by N: together right" in said(row)


def test_a_bias_gradient_that_keeps_its_row(tmp_path):
    rows = written(
        tmp_path, layers=LINEAR.format("self.grad_W, self.grad_b = self.x.T @ g, g.sum(axis=0, keepdims=True)")
    )
    assert rows["Linear"].verdict == "right, with remarks"
    assert "grad_b has shape (1, 3), b (3,): keepdims; b becomes (1, 3) at the first update" in said(rows["Linear"])
    assert "layers.py line 14, in backward" in said(rows["Linear"])


def test_an_epsilon_in_the_logarithm_hides_nothing(loss):
    row = loss(
        "SoftmaxCrossEntropyLoss",
        SOFTMAX + "return -(target * np.log(self.p + 1e-8)).sum() / len(input)",
        "return self.p - target",
    )
    assert row.verdict == "WRONG" and "it is N times too large" in said(row)
    assert "1e-08 is added in the logarithm" in said(row)


def test_a_difference_quotient_of_a_forward_with_a_wrong_constant(layer):
    curve = "np.tanh(0.7978845608 * ({0} + 0.44715 * ({0}) ** 3))"
    f = f"({{0}}) / 2 * (1 + {curve})"
    backward = f"x, h = self.x, 1e-5; return grad_output * ({f.format('(x + h)')} - {f.format('x')}) / h"
    row = layer("Gelu", f"self.x = input; return {f.format('input')}", backward)
    assert "backward is wrong: it is a difference quotient with h = 1e-05" in said(row)
    assert "0.044715 is 0.44715" in said(row)


def test_the_line_that_writes_and_the_line_that_overflows(tmp_path):
    relu = LAYER.format(
        "Relu",
        "y = input\n        y[y < 0] = 0\n        self.y = y\n        return y",
        "return grad_output * (self.y > 0)",
    )
    loss = LOSS.format(
        "SoftmaxCrossEntropyLoss",
        "self.q = self.share(input)\n        return -(target * np.log(self.q)).sum() / len(input)",
        "return (self.q - target) / len(input)",
    )
    loss += (
        "\n    def share(self, z):\n        z -= z.max()\n        return np.exp(z) / np.exp(z).sum(1, keepdims=True)\n"
    )
    rows = written(tmp_path, layers=relu, loss=loss)
    assert rows["Relu"].verdict == rows["SoftmaxCrossEntropyLoss"].verdict == "UNSAFE"
    assert "layers.py line 11, in forward: y[y < 0] = 0" in said(rows["Relu"])
    assert "loss.py line 17, in share: z -= z.max()" in said(rows["SoftmaxCrossEntropyLoss"])
    assert "loss.py line 18, in share: return np.exp(z)" in said(rows["SoftmaxCrossEntropyLoss"])


def test_two_signs_that_cancel(tmp_path):
    loss = LOSS.format(
        "EuclideanLoss", "return ((input - target) ** 2).sum() / 2 / len(input)", "return (target - input) / len(input)"
    )
    rows = written(tmp_path, loss=loss, layers=LINEAR.format("self.grad_W, self.grad_b = -self.x.T @ g, -g.sum(0)"))
    for row in (rows["Linear"], rows["EuclideanLoss"]):
        assert row.verdict == "WRONG" and "it has the opposite sign" in said(row)
        assert "hand on minus the gradient and Linear turns it round: together right" in said(row)


def test_a_hinge_that_subtracts_the_target_in_its_own_column(loss):
    forward = "return (np.maximum(0, 5 - input * target + input) * (1 - target)).sum() / len(input)"
    backward = """on = (5 - input * target + input > 0) * (1 - target)
        return (on - target * on.sum(1, keepdims=True)) / len(input)"""
    row = loss("HingeLoss", forward, backward)
    assert "the target's output subtracted in its own column only: sum o * t over the columns first" in said(row)
    assert "backward is wrong: it has a wrong mask" in said(row)


def test_nan_is_a_fault_in_any_class(layer, loss):
    forward = "self.x, self.y = input, input / (1 + np.exp(-input)); return self.y"
    for name in ("Swish", "Gizmo"):
        row = layer(name, forward, "s = self.y / self.x\n        return grad_output * (s + self.y * (1 - s))")
        assert row.verdict == "WRONG" and "backward is nan at x = 0: 0 / 0" in said(row)
        assert "layers.py line 13, in backward: s = self.y / self.x" in said(row)
    forward = (
        "e = np.exp(input); self.p = e / e.sum(1, keepdims=True); return -(target * np.log(self.p)).sum() / len(input)"
    )
    row = loss("KLDivLoss", forward, "return (self.p - target) / len(input)")
    assert row.verdict == "UNSAFE" and "exp overflows; subtract each row's largest output first" in said(row)


def test_an_array_of_integers_makes_float64(layer):
    row = layer(
        "Relu", "self.on = np.where(input > 0, 1, 0); return np.maximum(input, 0)", "return self.on * grad_output"
    )
    assert (
        row.verdict == "right"
        and "an array of integers too (np.where(x > 0, 1, 0)); a mask of bool does not" in said(row)
    )


def test_forward_that_is_not_what_its_name_says(layer):
    forward = "self.x = x = input; return np.where(x <= -3, 0, np.where(x < 3, x, x * (x + 3) / 6))"
    row = layer(
        "HardSwish",
        forward,
        "x = self.x; return grad_output * np.where(x <= -3, 0, np.where(x < 3, 1, (2 * x + 3) / 6))",
    )
    assert row.verdict == "right, with remarks" and "forward is not HardSwish: 1.38, true 1.0074, at x = 1.38" in said(
        row
    )


@pytest.mark.parametrize(("forward", "words"), [
    ("((input - target) ** 2 / 2).sum(axis=0) / len(input)", "(10,), a number for each column: sum over the columns"),
    ("(input - target) ** 2 / 2 / len(input)", "(7, 10), a number for each output: sum over the columns"),
])  # fmt: skip
def test_a_missing_sum_hides_nothing(forward, words, loss):
    row = loss("EuclideanLoss", f"return {forward}", "return (input - target) / len(input)")
    assert row.verdict == "WRONG" and f"forward returns shape {words}" in said(row) and row.error < 1e-6
    assert "it is twice the right one" in said(
        loss("EuclideanLoss", f"return {forward}", "return 2 * (input - target) / len(input)")
    )


def test_a_comment_behind_tabs_hides_no_method(tmp_path):
    text = LOSS.format("EuclideanLoss", "return ((input - target) ** 2).sum() / 2 / len(input)", "pass").replace(
        "        pass", "\t\t# my part\n        return input - target"
    )
    text += LOSS.format("MSELoss", "return ((input - target) ** 2).sum() / len(input)", "pass").replace(
        "        pass", "\t\t# my part\n        d = 2 * (input - target) / len(input)"
    )
    rows = written(tmp_path, loss=text)
    assert "loss.py line 14, in backward: return input - target" in said(rows["EuclideanLoss"])
    assert rows["MSELoss"].verdict == "WRONG" and "backward returns None: its return is missing" in said(
        rows["MSELoss"]
    )


def test_no_internal_names(tmp_path):
    row = written(tmp_path, layers=LINEAR.format("self.grad_W, self.grad_b = -self.x.T @ g / len(g), -g"))["Linear"]
    assert "and it has the opposite sign" in said(row) and "opposite-sign" not in said(row)


# Beside the kinds


def test_classes_beside_a_syntax_error_are_checked(tmp_path):
    text = LAYER.format("Relu", "self.on = input > 0; return input * self.on", "return grad_output * self.on")
    rows = written(
        tmp_path,
        layers=text + "\nclass Sigmoid:\n    def forward(self, x)\n        return x\n" + text.replace("Relu", "Gelu"),
    )
    assert rows["layers.py"].verdict == "cannot be imported" and rows["Relu"].verdict == "right"
    assert "checked without lines 15 to 18" in said(rows["layers.py"])
    assert rows["Sigmoid"].verdict == "not checked" and rows["Gelu"].fails


def test_a_decorator_that_is_not_there_is_left_out(tmp_path):
    text = "from numba import jit\n" + LAYER.format(
        "Relu", "self.on = input > 0; return input * self.on", "return grad_output * self.on"
    )
    for line in ("    @jit\n", "    @jit(nopython=True)\n"):
        rows = written(
            tmp_path, layers=text.replace("    def forward", line + "    def forward").replace("numba", "numba_or_not")
        )
        assert rows["Relu"].verdict == "right" and "imports numba_or_not" in said(rows["layers.py"])


def test_a_layer_that_wants_its_width_is_checked(tmp_path):
    text = """import numpy as np


class BatchNorm:
    def __init__(self, name, dim, eps=1e-5):
        self.eps, self.g = eps, np.ones(dim)

    def forward(self, x):
        self.s = np.sqrt(x.var(0) + self.eps)
        self.xh = (x - x.mean(0)) / self.s
        return self.g * self.xh

    def backward(self, d):
        d = d * self.g
        return (d - d.mean(0) - self.xh * (d * self.xh).mean(0)) / self.s
"""
    assert written(tmp_path, layers=text)["BatchNorm"].verdict == "right"
    assert written(tmp_path, layers=text.replace(" - d.mean(0)", ""))["BatchNorm"].verdict == "WRONG"


def test_scipy_is_stood_in_for(tmp_path):
    body = """from scipy.special import erf
        from scipy.stats import norm
        self.x = input; return input * 0.5 * (1 + erf(input / np.sqrt(2)))"""
    text = LAYER.format(
        "Gelu", body, "return grad_output * (norm.cdf(self.x) + self.x * norm.pdf(self.x))".replace("norm", "self.norm")
    )
    text = text.replace("self.x = input;", "self.x, self.norm = input, norm;")
    text += LAYER.format("Relu", "from scipy.signal import convolve; return convolve(input)", "return grad_output")
    rows = written(tmp_path, own_process=True, layers=text)
    assert "gelu-erf" in mistakes(rows["Gelu"]) and rows["Gelu"].verdict == "right, with remarks"
    assert rows["Relu"].verdict in ("not checked", "raises")


def test_gradients_in_another_orientation_than_forward(tmp_path):
    linear = LINEAR.format("self.grad_W, self.grad_b = (g @ self.x).T, g.sum(1)").replace(
        "return g @ self.W.T", "return self.W @ g"
    )
    loss = LOSS.format(
        "EuclideanLoss",
        "return ((input - target) ** 2).sum() / 2 / len(input)",
        "return ((input - target) / len(input)).T",
    )
    rows = written(tmp_path, layers=linear, loss=loss)
    assert rows["Linear"].verdict == rows["EuclideanLoss"].verdict == "right, with remarks"
    assert all("gradients are handed back transposed" in said(rows[name]) for name in ("Linear", "EuclideanLoss"))
    assert (
        written(tmp_path, loss=loss, layers=LINEAR.format("self.grad_W, self.grad_b = self.x.T @ g, g.sum(0)"))[
            "EuclideanLoss"
        ].verdict
        == "WRONG"
    )


def test_a_rounded_constant_in_forward_hides_nothing(layer):
    forward = "self.x = input; self.t = np.tanh(0.8 * (input + 0.0447 * input**3)); return 0.5 * input * (1 + self.t)"
    backward = (
        "x, t = self.x, self.t; return grad_output * (0.5 * (1 + t) + 0.5 * x * (1 - t) * 0.8 * (1 + 0.1341 * x * x))"
    )
    row = layer("Gelu", forward, backward)
    assert "sqrt(2/pi) is 0.8, not 0.797885, and 0.044715 is 0.0447" in said(row)
    assert "1 - tanh stands where 1 - tanh^2 belongs" in said(row)


def test_a_notebook(tmp_path):
    relu = LAYER.format("Relu", "self.x = input; return np.maximum(input, 0)", "return grad_output * (grad_output > 0)")
    cells = [
        {"cell_type": "markdown", "source": ["# Homework"]},
        {"cell_type": "code", "source": ["%matplotlib inline\n", "!pip install something\n", "import numpy as np"]},
        {"cell_type": "code", "source": relu.splitlines(keepends=True)},
        {"cell_type": "code", "source": "%%time\nmodel.train()"},
        {
            "cell_type": "code",
            "source": LOSS.format(
                "EuclideanLoss", "return ((input - target) ** 2).sum()", "return 2 * (input - target)"
            ),
        },
    ]
    (tmp_path / "homework.ipynb").write_text(json.dumps({"cells": cells}))
    rows = {row.name: row for row in in_process(tmp_path / "homework.ipynb", tmp_path / "homework.ipynb")}
    assert "homework.ipynb cell 2 line 13, in backward: return grad_output * (grad_output > 0)" in said(rows["Relu"])
    assert "name 'model' is not defined" in said(rows["homework.ipynb"]) and "cell 3" in said(rows["homework.ipynb"])
    assert rows["EuclideanLoss"].verdict == "right, with remarks"
