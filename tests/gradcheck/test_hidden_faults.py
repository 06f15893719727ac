"""Faults that an unusual spelling, ordinary inputs, the shape of a batch or a first fault might hide."""

import json

import pytest
from submissions_helper import LAYER, LOSS, in_process, mistakes, said, written

RELU = "self.x = input; return np.maximum(input, 0)"
SOFTMAX = "e = np.exp(input - input.max(1, keepdims=True)); self.p = e / e.sum(1, keepdims=True)\n        "
CROSS_ENTROPY = SOFTMAX + "return -(target * np.log(self.p)).sum() / len(input)"
EUCLID = "return ((input - target) ** 2).sum() / 2 / len(input)"
LINEAR = """
import numpy as np


class Linear:
    def __init__(self, name, in_num, out_num, init_std):
        self.W, self.b = {W}, np.zeros(out_num)
        self.vW = self.vb = 0

    def forward(self, input):
        self.x = input
        return {output}

    def backward(self, grad_output):
        {before}
        self.{grad_W} = np.dot(self.x.T, grad_output)
        self.grad_b = grad_output.sum(axis=0)
        {after}
        return np.asarray(np.dot(grad_output, self.W.T))

    def update(self, config):
        lr, m, wd = config["learning_rate"], config["momentum"], config["weight_decay"]
        self.vW = m * self.vW + self.{grad_W} + wd * self.W
        self.vb = m * self.vb + self.grad_b + wd * self.b
        self.W, self.b = self.W - lr * self.vW, self.b - lr * self.vb
"""


@pytest.fixture
def layer(tmp_path):
    return lambda name, forward, backward: written(tmp_path, layers=LAYER.format(name, forward, backward))[name]


@pytest.fixture
def loss(tmp_path):
    return lambda name, forward, backward: written(tmp_path, loss=LOSS.format(name, forward, backward))[name]


@pytest.fixture
def linear(tmp_path):
    def make(**changes):
        plain = {"W": "np.random.randn(in_num, out_num) * init_std", "output": "np.dot(input, self.W) + self.b"}
        text = LINEAR.format(**plain | {"grad_W": "grad_W", "before": "pass", "after": "pass"} | changes)
        return written(tmp_path, layers=text)["Linear"]

    return make


# Spellings


@pytest.mark.parametrize("name", ["Relu", "Gizmo"])
def test_methods_that_the_constructor_assigns_are_checked(name, tmp_path):
    text = (
        "class Base:\n    def forward(self, x): pass\n    def backward(self, g): pass\n"
        f"class {name}{{}}:\n    def __init__(self, name):\n"
        "        self.forward = lambda x: setattr(self, 'x', x) or x.clip(min=0)\n"
        "        self.backward = lambda g: g * (self.x {} 0)\n"
    )
    for base in ("", "(Base)"):
        assert written(tmp_path, layers=text.format(base, ">"))[name].verdict == "right"
        row = written(tmp_path, layers=text.format(base, "<"))[name]
        assert row.verdict == "WRONG" and "in <lambda>: self.backward = lambda g" in said(row)


def test_a_looked_up_name_alone_is_no_work(layer):
    assert layer("Relu", RELU, "x = self.x\n        ...").verdict == "not written yet"
    assert layer("Relu", RELU, "x = grad_output * (self.x > 0)\n        ...").verdict == "WRONG"


@pytest.mark.parametrize("method", ["forward(input)", "backward(grad_output)"])
def test_a_missing_self_is_named(method, tmp_path):
    right = method.replace("(", "(self, ")
    text = LAYER.format("Relu", RELU, "return grad_output * (self.x > 0)").replace(right, method)
    row = written(tmp_path, layers=text)["Relu"]
    assert row.verdict == "raises" and f"self is missing: def {right}" in said(row)


def test_a_gradient_under_another_name_is_named_and_checked(linear):
    for name in ("grad_w", "dW", "W_grad"):
        row = linear(grad_W=name)
        assert row.verdict == "WRONG" and row.columns["step"] == "ok" and row.error < 1e-6
        assert [f.message for f in row.findings] == [
            f"grad_W is called {name} here: rename it, other code reads grad_W"
        ]
    row = linear(grad_W="dW", before="grad_output = -grad_output")
    assert "grad_W is called dW" in said(row) and "grad_W is wrong: it has the opposite sign" in said(row)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_a_matrix_is_multiplied_as_one(linear):
    W = "np.asmatrix(np.random.randn(in_num, out_num) * init_std)"
    row = linear(W=W, output="np.asarray(input * self.W + self.b)")
    assert row.verdict == "right", said(row)


def test_tabs_alone_are_not_mixed(tmp_path):
    text = LOSS.format(
        "EuclideanLoss",
        "d = input - target\n        print 'loss', d\n        return (d * d).sum() / 2 / len(input)",
        "return (target - input) / len(input)",
    ).replace("    ", "\t")
    rows = written(tmp_path, loss=text)
    assert rows["loss.py"].verdict == "imported, with repairs" and "tabs" not in said(rows["loss.py"])
    assert mistakes(rows["EuclideanLoss"]) == ["opposite-sign"]


def test_what_notebooks_alone_understand_is_passed_over(tmp_path):
    text = LAYER.format("Relu", RELU, "return grad_output * (self.x > 0)")
    cells = [text, "Relu?\n?Relu\nfiles = !ls\nRelu.forward??"]
    notebook = {"cells": [{"cell_type": "code", "source": [cell]} for cell in cells]}
    (tmp_path / "work.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    rows = {row.name: row for row in in_process(tmp_path / "work.ipynb", None)}
    assert "work.ipynb" not in rows and rows["Relu"].verdict == "right"


def test_an_iterator_where_python_2_had_a_list_is_named(loss):
    forward = "e = map(lambda row: ((row ** 2).sum() / 2), input - target)\n        return sum(e) / len(e)"
    row = loss("EuclideanLoss", forward, "return (input - target) / len(input)")
    assert row.verdict == "raises" and row.findings[0].message == (
        "this is Python 2: map gives no list in Python 3: write list(map(...)); with that it is right"
    )


# Far out


def test_a_branch_beyond_ordinary_inputs(layer):
    forward = "self.x = input; return np.clip(input, 0, 6)"
    assert layer("ReLU6", forward, "return grad_output * ((self.x > 0) & (self.x < 6))").verdict == "right"
    row = layer("ReLU6", forward, "return grad_output * (self.x > 0)")
    assert row.verdict == "WRONG" and "backward is wrong at large inputs, such as 8" in said(row)
    row = layer("Relu", RELU, "return grad_output * (self.x > 0) * (self.x < 500)")
    assert row.verdict == "WRONG" and "such as 1000" in said(row)


def test_clipped_gradients_are_named(layer, linear):
    assert mistakes(layer("Relu", RELU, "return np.clip(grad_output, -1, 1) * (self.x > 0)")) == ["grad-clipped"]
    assert mistakes(layer("Relu", RELU, "return np.clip(grad_output * (self.x > 0), -1.7, 1.7)")) == ["result-clipped"]
    row = layer("Relu", RELU, "return np.clip(grad_output, -5, 5) * (self.x > 0)")
    assert row.verdict == "UNSAFE" and "grad_output is clipped in backward" in said(row)
    assert mistakes(linear(before="grad_output = grad_output.clip(-1, 1)")) == ["grad-clipped"] * 3
    row = linear(before="grad_output = grad_output.clip(-10, 10)")
    assert row.verdict == "UNSAFE" and "grad_W is wrong where inputs and grad_output are ±1000" in said(row)


@pytest.mark.parametrize("bound", [50, 20])
def test_clipped_outputs_are_unsafe_in_any_loss(loss, bound):
    clip = f"input = np.clip(input, -{bound}, {bound})\n        "
    for name, value, slope in (
        ("SoftmaxCrossEntropyLoss", CROSS_ENTROPY, "return (self.p - target) / len(input)"),
        ("CrossEntropyLoss", CROSS_ENTROPY, "return (self.p - target) / len(input)"),
        (
            "EuclideanLoss",
            "return ((input - target) ** 2).sum() / 2 / len(input)",
            "return (input - target) / len(input)",
        ),
        ("MSELoss", "return ((input - target) ** 2).mean()", "return 2 * (input - target) / input.size"),
    ):
        row = loss(name, clip + value, slope)
        assert row.verdict == "UNSAFE" and "a large loss is cut off by a clip" in said(row), name
        assert loss(name, value.replace("np.log(self.p)", "(input - input.max(1, keepdims=True) - np.log(e.sum(1,"
                    " keepdims=True)))"), slope).verdict == "right", name  # fmt: skip


def test_a_loss_without_a_definition_is_looked_at_far_out(loss):
    forward = "d = np.abs(input - target); return np.where(d < 20, d * d / 2, 20 * d - 200).sum() / len(input)"
    assert loss("HuberLoss", forward, "return np.clip(input - target, -20, 20) / len(input)").verdict == "right"
    row = loss("HuberLoss", forward, "return (input - target) / len(input)")
    assert row.verdict == "WRONG" and "right for others" in said(row) and "loss.py line 13, in backward" in said(row)


def test_an_exception_far_out_is_no_wrong_gradient(layer):
    forward = "import math; self.y = np.vectorize(lambda v: 1 / (1 + math.exp(-v)))(input); return self.y"
    row = layer("Sigmoid", forward, "return grad_output * self.y * (1 - self.y)")
    assert row.verdict == "UNSAFE" and "math range error, at inputs of ±1000" in said(row)


# The shape of a batch


def test_fewer_samples_than_columns(layer):
    loop = """g = grad_output.copy()
        for i in range(len(g)):
            for j in range(min(len(g), g.shape[1])):
                g[i, j] *= self.x[i, j] > 0
        return g"""
    row = layer("Relu", RELU, loop)
    assert mistakes(row) == ["few-samples"] and "for a batch of 2 samples: are rows and columns exchanged" in said(row)


def test_more_samples_than_columns(loss):
    loop = """g = np.zeros(input.shape)
        for i in range(min(input.shape)):
            g[i] = (input[i] - target[i]) / len(input)
        return g"""
    row = loss("EuclideanLoss", "return ((input - target) ** 2).sum() / 2 / len(input)", loop)
    assert row.verdict == "WRONG" and "backward is wrong for 12 samples" in said(row)


# Causes


def test_a_softmax_over_the_batch_is_wrong(layer, loss):
    forward = "e = np.exp(input - input.max(0)); self.p = e / e.sum(0); return self.p"
    row = layer("Softmax", forward, "return self.p * (grad_output - (grad_output * self.p).sum(0))")
    assert row.verdict == "WRONG" and "forward is a softmax over the batch" in said(row)
    row = loss(
        "SoftmaxCrossEntropyLoss",
        CROSS_ENTROPY.replace("e.sum(1, keepdims=True)", "e.sum(0)"),
        "return (self.p - target) / len(input)",
    )
    assert mistakes(row)[:2] == ["wrong-axis"] * 2 and "runs over the batch (axis 0)" in said(row)


@pytest.mark.parametrize("part", ["forward", "backward", ""])
def test_an_argument_with_a_default_is_used_in_both_methods(part, loss, tmp_path):
    """part: the method in which a number stands for the argument."""
    margin = {name: "5" if part == name else "self.margin" for name in ("forward", "backward")}
    value = "self.v = ({} - (input * target).sum(1, keepdims=True) + input).clip(0) * (1 - target)\n        "
    text = LOSS.format(
        "HingeLoss",
        value.format(margin["forward"]) + "return self.v.sum() / len(input)",
        value.format(margin["backward"])
        + "g = np.sign(self.v); return (g - g.sum(1, keepdims=True) * target) / len(input)",
    ).replace("name):\n        self", "name, margin=5):\n        self.margin = margin; self")
    row = written(tmp_path, loss=text)["HingeLoss"]
    words = {
        "forward": "the argument margin changes nothing",
        "backward": "backward is wrong with another margin: a number is written for margin, or it is left out",
        "": "",
    }
    assert row.verdict == ("WRONG" if part else "right") and words[part] in said(row)
    text = text.replace("self.margin -", "5 -")
    row = written(tmp_path, loss=text)["HingeLoss"]
    assert row.verdict == "right, with remarks" and "the argument margin changes nothing" in said(row)
    slope = {name: "0.01" if part == name else "self.slope" for name in ("forward", "backward")}
    text = LAYER.format(
        "LeakyRelu",
        f"self.x = input; return np.where(input > 0, input, {slope['forward']} * input)",
        f"return grad_output * np.where(self.x > 0, 1, {slope['backward']})",
    ).replace("name):\n        self", "name, slope=0.01):\n        self.slope = slope; self")
    row = written(tmp_path, layers=text)["LeakyRelu"]
    assert row.verdict == ("WRONG" if part else "right") and words[part].replace("margin", "slope") in said(row)


def test_a_variant_with_the_gradient_of_the_definition_is_wrong(loss):
    forward = """self.v = (5 - (input * target).sum(1, keepdims=True) + input).clip(0) * (1 - target)
        return self.v.max(1).mean()"""
    row = loss("HingeLoss", forward, "g = np.sign(self.v); return (g - g.sum(1, keepdims=True) * target) / len(input)")
    assert row.verdict == "WRONG" and "backward is that of the assignment's loss, forward another" in said(row)


def test_a_batch_of_one_sample(linear, loss):
    row = linear(output="np.squeeze(np.dot(input, self.W)) + self.b")
    assert row.verdict == "WRONG" and "a batch of 1 sample" in said(row)
    backward = "return (input - target) / max(len(input), 2)"
    row = loss("EuclideanLoss", "return ((input - target) ** 2).sum() / 2 / max(len(input), 2)", backward)
    assert "single-sample" in mistakes(row)
    row = loss("EuclideanLoss", EUCLID, backward)
    assert row.verdict == "WRONG" and "backward is wrong for 1 sample with" in said(row)


def test_a_loss_that_keeps_its_first_batch(loss):
    forward = "self.p = getattr(self, 'p', input).copy()\n        " + EUCLID.replace("input -", "self.p -")
    row = loss("EuclideanLoss", forward, "return (self.p - target) / len(input)")
    assert row.verdict == "WRONG" and "it keeps something from earlier batches" in said(row)


def test_the_right_class_under_a_second_name_is_no_remark(tmp_path):
    text = LAYER.format("ReLU", RELU, "return grad_output * (self.x > 0)")
    assert "class-name" in mistakes(written(tmp_path, layers=text)["Relu"])
    assert written(tmp_path, layers=text + "\n\nRelu = ReLU\n")["Relu"].verdict == "right"


def test_what_is_computed_with_numba_or_only_logged_is_checked(tmp_path):
    text = """import numba
from course import log
from numba import njit, prange

@njit(parallel=True)
def total(o, t):
    loss = 0.0
    for n in prange(len(o)):
        loss += ((o[n] - t[n]) ** 2).sum() / 2
    return loss / len(o)
""" + LOSS.format(
        "EuclideanLoss", "log('forward'); return total(input, target)", "return (input - target) / len(input)"
    )
    assert written(tmp_path, own_process=True, loss=text)["EuclideanLoss"].verdict == "right"


def test_causes_that_were_only_wrong(layer, linear, loss):
    row = linear(after="self.grad_W = self.grad_W + 5e-4 * self.W")
    assert "0.0005 W is added to it: weight decay is update's" in said(row)
    row = layer("Sigmoid", "self.x = input.astype(int); self.y = 1 / (1 + np.exp(-input)); return self.y",
                "y = 1 / (1 + np.exp(-self.x)); return grad_output * y * (1 - y)")  # fmt: skip
    assert "truncated" in mistakes(row)
    row = loss("EuclideanLoss", EUCLID.replace("/ len", "// len"), "return (input - target) / len(input)")
    assert "forward is rounded to an integer" in said(row)
    row = loss("EuclideanLoss", EUCLID, "return np.clip(input - target, -1, 1) / len(input)")
    assert "each sample's is clipped to ±1" in said(row)
    focal = SOFTMAX + "return -(0.1 * target * (1 - self.p) ** 2 * np.log(self.p)).sum() / len(input)"
    slope = "p = (self.p * target).sum(1, keepdims=True); return 0.1 * (1 - p) ** 2 * (self.p - target) / len(p)"
    assert "power-constant" in mistakes(loss("FocalLoss", focal, slope))


def test_missing_parentheses_are_one_fault(layer):
    row = layer(
        "Sigmoid", "self.y = 1 / 1 + np.exp(-input); return self.y", "return grad_output * self.y * (1 - self.y)"
    )
    assert mistakes(row)[0] == "parentheses" and not [f for f in row.findings if f.message.startswith("backward is wr")]


# A first fault hides no second


def test_two_writes_are_two_findings_each_with_its_line(layer):
    row = layer(
        "Relu",
        "self.off = input <= 0\n        out = input\n        out[self.off] = 0\n        return out",
        "grad_output[self.off] = 0\n        return grad_output",
    )
    assert row.verdict == "UNSAFE" and [f.message.split()[0] for f in row.findings] == ["forward", "backward"]
    assert "in forward: out[self.off] = 0" in row.findings[0].where
    assert "in backward: grad_output[self.off] = 0" in row.findings[1].where


def test_labels_hide_no_second_fault(loss):
    forward = SOFTMAX + "return -np.log(self.p[np.arange(len(input)), target]).mean()"
    backward = "g = self.p.copy(); g[np.arange(len(input)), target] -= 1; return g{}"
    for name in ("SoftmaxCrossEntropyLoss", "CrossEntropyLoss"):
        row = loss(name, forward, backward.format(""))
        assert mistakes(row)[:2] == ["labels", "times-n"] or set(mistakes(row)) >= {"labels", "times-n"}
        row = loss(name, forward, backward.format(" / len(g)"))
        assert "labels" in mistakes(row) and row.error < 1e-6


def test_a_loss_per_sample_with_the_opposite_sign(loss):
    forward = SOFTMAX + "return -(target * np.log(self.p)).sum(axis=1)"
    row = loss("SoftmaxCrossEntropyLoss", forward, "return target - self.p")
    assert "opposite-sign" in mistakes(row) and "1/N" not in said(row)
    row = loss("SoftmaxCrossEntropyLoss", forward, "return (target - self.p) / len(input)")
    assert "opposite-sign" in mistakes(row) and "1/N" not in said(row)


# What real submissions showed


def test_a_config_read_by_attribute_is_a_convention(tmp_path):
    text = LINEAR.format(
        W="np.random.randn(in_num, out_num) * init_std",
        output="np.dot(input, self.W) + self.b",
        grad_W="grad_W",
        before="pass",
        after="pass",
    )
    for name in ("learning_rate", "momentum", "weight_decay"):
        text = text.replace(f'config["{name}"]', f"config.{name}")
    row = written(tmp_path, layers=text)["Linear"]
    assert (row.verdict, mistakes(row)) == ("right, with remarks", ["config-attribute"])
    assert "config.learning_rate" in said(row) and row.columns["step"] == "remark"
    row = written(tmp_path, layers=text.replace("config.momentum", "config.beta"))["Linear"]
    assert row.verdict == "raises" and "the dict config has no beta" in said(row)


def test_a_name_of_python_in_place_of_a_kept_array_is_named(layer):
    row = layer("Relu", RELU, "return grad_output * (input + 1.0 > 0)")
    assert row.verdict == "raises" and "`input` is Python's own function here" in said(row)


def test_a_mask_of_grad_output_alone_is_named(layer):
    row = layer("Relu", RELU, "return grad_output > 0")
    assert "it is a mask alone, and that of grad_output" in said(row)


@pytest.mark.parametrize(("name", "forward", "words"), [
    ("EuclideanLoss", "return np.linalg.norm(input - target) / (2 * len(input))", "the norm of the whole batch"),
    ("EuclideanLoss", SOFTMAX + "return ((self.p - target) ** 2).sum() / 2 / len(input)", "this loss has no softmax"),
    ("SoftmaxCrossEntropyLoss", SOFTMAX + "return (target * self.p).sum() / len(input)",
     "the probability without its logarithm, and the sign is the opposite one"),
    ("SoftmaxCrossEntropyLoss", "return -(target * np.log(input)).sum()",
     "forward is nan for ordinary outputs: softmax is missing"),
    ("HingeLoss", SOFTMAX + "s = (self.p * target).sum(1, keepdims=True)\n"
     "        return (np.maximum(0.5 - s + self.p, 0) * (1 - target)).sum() / len(input)", "this loss has no softmax"),
    ("HingeLoss", "s = (input * target).max(1, keepdims=True); return np.maximum(5 - s + input, 0).sum() / len(input)",
     "max(o t) for o_t, wrong where o_t is negative, and the target's own column is counted"),
])  # fmt: skip
def test_another_forward_is_named_and_hides_no_backward(name, forward, words, loss):
    row = loss(name, forward, "return 0 * input")
    assert row.verdict == "WRONG" and words in said(row)
    assert "backward is wrong: it is all zeros" in said(row)


def test_a_wrong_formula_is_named_whatever_its_scale(loss):
    forward = SOFTMAX + "return -np.mean(target * np.log(self.p))"
    row = loss("SoftmaxCrossEntropyLoss", forward, "return target - input")
    assert "it is that of the logits" in said(row) and "the sum over the batch with the opposite sign" in said(row)
    row = loss("SoftmaxCrossEntropyLoss", CROSS_ENTROPY, "return target - input")
    assert "it is that of the logits" in said(row) and "opposite sign, and the 1/N" in said(row)
    row = loss("KLDivLoss", forward, "return self.p - target")
    assert "forward is the mean over all N K numbers" in said(row) and "that of the sum over the batch" in said(row)


def test_a_number_against_a_division_by_zero_is_not_varied(tmp_path):
    forward = SOFTMAX + "self.p += self.threshold; return -(target * np.log(self.p)).sum() / len(input)"
    text = LOSS.format("SoftmaxCrossEntropyLoss", forward, "return (self.p - target) / len(target)")
    text = text.replace("(self, name):", "(self, name, threshold=1e-10):\n        self.threshold = threshold")
    row = written(tmp_path, loss=text)["SoftmaxCrossEntropyLoss"]
    assert row.verdict == "UNSAFE" and mistakes(row).count("clipped") == 1


def test_a_large_epsilon_is_said_once(loss):
    forward = SOFTMAX + "return -(target * np.log(self.p + 0.001)).sum() / len(input)"
    row = loss("SoftmaxCrossEntropyLoss", forward, "return (self.p - target) / len(target)")
    assert mistakes(row).count("clipped") == 1


def test_newer_slips_of_real_submissions_are_named(layer):
    inner = "u = np.sqrt(2 / np.pi) * (x + 0.044715 * x ** 3)"
    gelu = f"self.x = x = input; {inner}; return x / 2 * (1 + np.tanh(u))"
    slope = f"x = self.x; {inner}; d = np.sqrt(2 / np.pi) * (1 + 0.134145 * x * x)\n        "
    slope += "return grad_output / 2 * (1 + np.tanh(u) + x * d / np.cosh({}) ** 2)"
    assert "1 - tanh^2 is taken at x" in said(layer("Gelu", gelu, slope.format("x")))
    assert layer("Gelu", gelu, slope.format("u")).verdict == "right"
    selu = "y = 1.0507 * np.where(input > 0, input, 1.67326 * (np.exp(np.minimum(input, 0)) - 1))\n        "
    selu += "self.d = 1.0507 * np.where(input > 0, 1, y + {})\n        return y"
    assert "y + lambda alpha belongs" in said(layer("Selu", selu.format(1.67326), "return grad_output * self.d"))
    minus = "self.y = 1 / (1 - np.exp(-input)); return self.y"
    assert "1 - exp(-x) stands where" in said(layer("Sigmoid", minus, "return grad_output * self.y * (1 - self.y)"))


def test_a_linear_without_b_is_checked_without_it(tmp_path):
    text = LINEAR.format(
        W="np.random.randn(in_num, out_num) * init_std",
        output="np.dot(input, self.W)",
        grad_W="grad_W",
        before="self.grad_W = -np.dot(self.x.T, grad_output); return np.dot(grad_output, self.W.T)",
        after="pass",
    ).replace("self.W, self.b = ", "self.W, _ = ")
    row = written(tmp_path, layers=text)["Linear"]
    assert row.verdict == "WRONG" and "Linear has no attribute b" in said(row) and "b is not added" in said(row)
    assert "grad_W is wrong: it has the opposite sign" in said(row)


def test_a_base_class_that_is_missing_costs_no_class(tmp_path):
    text = "from work.base import Layer\n" + LAYER.format("Relu(Layer)", RELU, "return grad_output * (self.x > {})")
    text = text.replace("self.name = name", "super().__init__(name)")
    rows = written(tmp_path, layers=text.format("0", "0"))
    assert rows["layers.py"].verdict == "imported, with repairs" and rows["Relu"].verdict == "right"


def test_the_line_is_the_one_that_computes_what_is_returned(loss):
    for after, line in (
        ("d = input - target; d = 0.5 * d * d\n        v = d.sum()\n        return v", "v = d.sum()"),
        ("self.v = 0.5 * ((input - target) ** 2).sum()\n        return self.v.copy()", "self.v = 0.5"),
        ("d = input - target\n        d[...] = d * d\n        return np.sum(d) / 2.0", "d[...] = d * d"),
        ("d = []\n        d.extend(input - target)\n        return 0.5 * np.sum(np.square(d))", "return 0.5 *"),
    ):
        row = loss("EuclideanLoss", after, "return input - target")
        assert "the sum over the batch" in said(row) and f"in forward: {line}" in row.findings[0].where


def test_what_raises_says_what_is_missing(layer, loss):
    text = "self.y = None; return 1 / (1 + np.exp(-input))"
    row = layer("Sigmoid", text, "return self.y * (1 - self.y) * grad_output")
    assert row.verdict == "raises" and "forward did not keep what is used here" in said(row)
    forward = "e = np.exp(input); p = e / e.sum(axis=1); return -(target * np.log(p)).sum() / len(p)"
    row = loss("SoftmaxCrossEntropyLoss", forward, "return input - target")
    assert row.verdict == "raises" and "is keepdims=True missing?" in said(row)


FOCAL = """
import numpy as np


class FocalLoss:
    def __init__(self, name, alpha=None, gamma=2.0):
        {init}
        self.gamma = gamma

    def forward(self, input, target):
        z = input - input.max(1, keepdims=True)
        self.l = z - np.log(np.exp(z).sum(1, keepdims=True))
        self.p, self.a = np.exp(self.l), {weight}
        return -(self.a * target * (1 - self.p) ** self.gamma * self.l).sum() / len(input)

    def backward(self, input, target):
        p, g = self.p, self.gamma
        q = (p * target).sum(1, keepdims=True)
        slope = {slope} * ((1 - q) ** g - g * q * (1 - q) ** (g - 1) * (self.l * target).sum(1, keepdims=True))
        return slope * (p - target) / len(input)
"""


def test_a_focal_loss_is_given_weights_of_its_classes(tmp_path):
    right = {"init": "self.alpha = np.ones(10) if alpha is None else alpha", "weight": "np.array(self.alpha)"}
    right["slope"] = "(self.a * target).sum(1, keepdims=True)"

    def row(**changes):
        return written(tmp_path, loss=FOCAL.format(**right | changes))["FocalLoss"]

    assert row().verdict == "right"
    found = row(init="if alpha is None: self.alpha = np.ones(10)")  # the handout's own slip
    assert found.verdict == "right, with remarks" and "alpha cannot be given, only left out" in said(found)
    found = row(weight="np.array(self.alpha)[self.l.argmax(1)][:, None]")
    assert found.verdict == "WRONG" and "it is not the weight of the target's class" in said(found)
    found = row(slope="1")
    assert found.verdict == "WRONG" and "backward is wrong with another alpha" in said(found)


def test_a_batch_as_wide_as_the_layer(linear, layer):
    row = linear(before="self.x = self.x.T if len(self.x) == self.W.shape[0] else self.x")
    assert row.verdict == "WRONG" and "a batch of 4 samples" in said(row)
    row = layer("Relu", RELU, "m = self.x > 0\n        return grad_output * (m.T if len(m) == m.shape[1] else m)")
    assert row.verdict == "WRONG" and "a batch of 4 samples" in said(row)


def test_outputs_that_are_equal(loss):
    forward = "s = (input * target).sum(1, keepdims=True); v = np.maximum(5 - s + input, 0)\n        "
    row = loss("HingeLoss", forward + "v[input == s] = 0; return v.sum() / len(v)", "return 0 * input")
    assert "forward is wrong where outputs are equal (ties)" in said(row) and "o = [0, 0" in said(row)
    root = (
        "d = input - target; self.n = np.sqrt((d * d).sum(1, keepdims=True)); return (self.n ** 2).sum() / 2 / len(d)"
    )
    row = loss("EuclideanLoss", root, "return self.n * ((input - target) / self.n) / len(input)")
    assert row.verdict == "UNSAFE" and "nan where the outputs equal the target" in said(row)


def test_a_hinge_loss_of_clipped_outputs_is_cut_off(loss):
    forward = "o = np.clip(input, -100, 100); s = (o * target).sum(1, keepdims=True)\n        "
    forward += "self.v = np.maximum(5 - s + o, 0) * (1 - target); return self.v.sum() / len(o)"
    row = loss("HingeLoss", forward, "g = np.sign(self.v); return (g - g.sum(1, keepdims=True) * target) / len(g)")
    assert row.verdict == "UNSAFE" and "clipped" in mistakes(row)


def test_a_gradient_in_a_local_name_is_no_fault_of_update(linear):
    row = linear(before="grad_W = np.dot(self.x.T, grad_output); return np.dot(grad_output, self.W.T)")
    assert row.verdict == "WRONG" and "backward leaves no grad_W" in said(row)
    row = linear(W="np.random.randn(in_num, out_num) * init_std", before="self.grad_W, self.grad_b = 0 * self.W, 0 * "
                 "self.b; grad_W = np.dot(self.x.T, grad_output); return np.dot(grad_output, self.W.T)")  # fmt: skip
    assert "grad_W is wrong: it is set to a local name: write self.grad_W" in said(row)
    assert "grad_W = np.dot" in row.findings[0].where and "update" not in said(row)


def test_a_sign_that_update_turns_round_is_said_on_both(tmp_path):
    text = LINEAR.format(W="np.random.randn(in_num, out_num) * init_std", output="np.dot(input, self.W) + self.b",
                         grad_W="grad_W", before="pass", after="pass")  # fmt: skip
    text = text.replace("- lr * self.vW", "+ lr * self.vW").replace("- lr * self.vb", "+ lr * self.vb")
    for scale in ("/ len(input)", ""):
        rows = written(
            tmp_path, layers=text, loss=LOSS.format("EuclideanLoss", EUCLID, f"return (target - input) {scale}")
        )
        for name in ("Linear", "EuclideanLoss"):
            assert rows[name].verdict == "WRONG" and "together right" in said(rows[name])


def test_a_layer_that_keeps_its_input_only_if_trainable(tmp_path):
    forward = "if self.trainable: self.x = input\n        return np.maximum(input, 0)"
    text = LAYER.format("Relu", forward, "return grad_output * (self.x > 0)")
    text = text.replace("        self.name", "        self.x, self.trainable = None, False\n        self.name")
    row = written(tmp_path, layers=text)["Relu"]
    assert row.verdict == "right, with remarks" and mistakes(row) == ["trainable"]


def test_a_central_difference_is_a_remark(layer):
    value = "x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x ** 3)))"
    backward = f"f = lambda x: {value}\n        return grad_output * (f(self.x + 1e-6) - f(self.x - 1e-6)) / 2e-6"
    row = layer("Gelu", f"self.x = x = input; return {value}", backward)
    assert row.verdict == "right, with remarks" and "backward is a central difference" in said(row)


def test_rounded_constants_hide_no_branch_far_out(layer):
    inner = "u = np.sqrt(2 / np.pi) * (x + 0.044715 * x ** 3)"
    forward = f"self.x = x = input; {inner}; return x / 2 * (1 + np.tanh(u))"
    slope = f"x = self.x; {inner}; t = np.tanh(u)\n        "
    slope += "d = 0.5 * (1 + t) + (0.398942 * x + 0.0535161 * x ** 3) * (1 - t * t)"
    assert layer("Gelu", forward, slope + "\n        return d * grad_output").verdict == "right, with remarks"
    row = layer("Gelu", forward, slope + "\n        d[abs(x) > 6] = 0\n        return d * grad_output")
    assert row.verdict == "WRONG" and "at large inputs, such as 8" in said(row)


def test_the_line_that_cuts_off_a_loss_is_named(loss):
    forward = SOFTMAX + "q = np.clip(self.p, 1e-12, 1)\n        return -(target * np.log(q)).sum() / len(input)"
    row = loss("SoftmaxCrossEntropyLoss", forward, "return (self.p - target) / len(input)")
    assert row.verdict == "UNSAFE" and "in forward: q = np.clip" in said(row)
    row = loss("KLDivLoss", forward, "return self.p - target")  # beside a wrong gradient too
    assert row.verdict == "WRONG" and "clipped" in mistakes(row) and "in forward: q = np.clip" in said(row)


def test_what_the_parser_lets_pass_and_python_does_not(tmp_path):
    text = "import numpy as np\nfrom __future__ import division\n" + LAYER.format(
        "Relu", RELU, "return grad_output * (self.x > 0)"
    )
    rows = written(tmp_path, layers=text)
    assert rows["layers.py"].verdict == "cannot be imported" and "__future__" in said(rows["layers.py"])
    assert rows["Relu"].verdict == "right"


def test_an_output_array_of_one_type_is_a_note(linear):
    row = linear(before="self.grad_W = np.zeros(self.W.shape); np.dot(self.x.T, grad_output, out=self.grad_W); "
                 "self.grad_b = grad_output.sum(axis=0); return np.dot(grad_output, self.W.T)")  # fmt: skip
    assert row.verdict == "right" and "a float32 batch raises ValueError" in said(row)


def test_the_line_of_an_argument_that_is_not_used(tmp_path):
    text = LAYER.format("LeakyRelu", "self.x = input; return np.where(input > 0, input, self.slope * input)",
                        "return grad_output * np.where(self.x > 0, 1, self.slope)")  # fmt: skip
    text = text.replace("self, name):", "self, name, slope=0.1):").replace(
        "= name\n", "= name\n        self.slope = 0.1\n"
    )
    row = written(tmp_path, layers=text)["LeakyRelu"]
    assert "the argument slope changes nothing" in said(row) and "in __init__: self.slope = 0.1" in said(row)


def test_nan_far_from_ordinary_outputs_never_passes_for_a_kink(layer):
    row = layer("Relu", RELU, "return grad_output * (self.x > 0) / (1 if len(self.x) != 2 else np.nan)")
    assert row.verdict == "WRONG"


def test_a_number_by_default_is_no_name_and_no_other_order(linear, tmp_path):
    text = LAYER.format("Swish", "self.x = input; return input / (1 + np.exp(-self.beta * input))",
                        "s = 1 / (1 + np.exp(-self.beta * self.x))\n        "
                        "return grad_output * (s + self.beta * self.x * s * (1 - s))")  # fmt: skip
    text = text.replace("(self, name):\n        self.name = name", "(self, beta=1.0):\n        self.beta = beta")
    assert written(tmp_path, layers=text)["Swish"].verdict in ("right", "UNSAFE")
    text = LINEAR.format(W="np.random.randn(in_num, out_num) * init_std", output="np.dot(input, self.W) + self.b",
                         grad_W="grad_W", before="pass", after="pass")  # fmt: skip
    text = text.replace("init_std):", "init_std=0.1):")
    assert written(tmp_path, layers=text)["Linear"].verdict == "right"


def test_remarks_name_their_line(layer, linear):
    row = linear(W="np.random.RandomState(7).randn(in_num, out_num) * init_std")
    assert mistakes(row) == ["seed-in-constructor"] and "in __init__: self.W, self.b = np.random.Ran" in said(row)
    forward = "self.y = np.where(input > 0, input, 0.01 * input); return self.y"
    row = layer(
        "LeakyRelu",
        forward,
        "d = self.y\n        d[d > 0] = 1\n        d[d < 0] = 0.01\n        return grad_output * d",
    )
    assert "output-overwritten" in mistakes(row) and "in backward: d[d > 0] = 1" in said(row)


@pytest.mark.parametrize(("name", "forward", "backward", "words"), [
    ("SoftmaxCrossEntropyLoss", CROSS_ENTROPY, "return -target / self.p / len(input)", "it is -t / p"),
    ("SoftmaxCrossEntropyLoss", CROSS_ENTROPY, "return (1 / (1 + np.exp(-input)) - target) / len(input)", "a sigmoid"),
    ("SoftmaxCrossEntropyLoss", CROSS_ENTROPY,
     "e = np.exp(input - input.max(0)); return (e / e.sum(0) - target) / len(input)", "over the batch"),
    ("SoftmaxCrossEntropyLoss", "return -(target * input).sum() / len(input)", "return 0 * input", "it is -t o"),
    ("SoftmaxCrossEntropyLoss", "p = 1 / (1 + np.exp(-input)); return -(target * np.log(p)).sum() / len(input)",
     "return 0 * input", "a sigmoid where softmax belongs"),
    ("EuclideanLoss", EUCLID, "return (input - target) ** 2 / len(input)", "it is the square"),
    ("EuclideanLoss", "return np.abs(input - target).sum() / len(input)", "return 0 * input", "the absolute error"),
    ("HingeLoss", "s = (input * target).sum(1, keepdims=True); self.v = np.maximum(5 - s + input, 0) * (1 - target)\n"
     "        return self.v.sum() / len(input)", "m = (self.v == self.v.max(1, keepdims=True)) * (self.v > 0)\n"
     "        return (m - target * m.sum(1, keepdims=True)) / len(m)", "only the worst violation counts"),
    ("FocalLoss", SOFTMAX + "return -(0.1 * target * (1 - self.p) ** 2 * np.log(self.p)).sum() / len(input)",
     "return 0.1 * (self.p - target) / len(input)", "that of the cross-entropy"),
])  # fmt: skip
def test_what_no_single_change_says_is_said_by_a_formula(name, forward, backward, words, loss):
    assert words in said(loss(name, forward, backward))


@pytest.mark.parametrize(("name", "forward", "backward", "words"), [
    ("Relu", "self.x = input; return 1 * input", "return grad_output * (self.x > 0)", "it hands x on as it is"),
    ("Gelu", "return 1 * input", "return grad_output", "it hands x on as it is"),
    ("Sigmoid", "self.y = np.tanh(input); return self.y", "return grad_output * self.y * (1 - self.y)", "it is tanh"),
    ("Tanh", "self.y = np.tanh(input); return self.y", "return grad_output * self.y * (1 - self.y)", "y (1 - y)"),
])  # fmt: skip
def test_another_activation_is_named(name, forward, backward, words, layer):
    assert words in said(layer(name, forward, backward))


def test_a_b_that_update_forgets_is_named(tmp_path):
    text = LINEAR.format(W="np.random.randn(in_num, out_num) * init_std", output="np.dot(input, self.W) + self.b",
                         grad_W="grad_W", before="pass", after="pass")  # fmt: skip
    text = text.replace(
        "self.W, self.b = self.W - lr * self.vW, self.b - lr * self.vb", "self.W = self.W - lr * self.vW"
    )
    assert "update of b is wrong: it is not updated at all" in said(written(tmp_path, layers=text)["Linear"])


def test_an_argument_that_is_not_known_hides_no_fault(tmp_path):
    def row(name, forward, backward):
        text = LAYER.format(name, forward, backward).replace(
            "(self, name):", "(self, name, knob):\n        self.k = knob"
        )
        return written(tmp_path, layers=text)[name]

    found = row("Relu", RELU, "raise ValueError('no')")
    assert found.verdict == "raises" and "knob=None (guessed here)" in said(found)
    found = row("Gizmo", "self.x = input; return self.k * input", "return self.k * grad_output")
    assert found.verdict == "right, with remarks" and "the constructor wants knob: 0.5 is given here" in said(found)
    found = row("Gizmo", "return input[self.k]", "return grad_output")
    assert found.verdict == "not checked" and "its constructor wants knob, unknown here" in said(found)
