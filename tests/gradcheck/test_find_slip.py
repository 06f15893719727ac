"""The slip in a wrong method is found by its numbers: the line, and what makes it right."""

import pytest
from submissions_helper import LAYER, LOSS, said, written

from gradcheck import find_slip

SLIPS = [  # class, forward, right backward, what to write in it, for what
    ("Sigmoid", "self.y = 1 / (1 + np.exp(-input)); return self.y",
     "d = self.y * (1 - self.y)\n        return d * grad_output",
     "(1 - self.y)", "(2 - self.y)"),
    ("Tanh", "self.y = np.tanh(input); return self.y",
     "y = self.y\n        d = 1 - y ** 2\n        return d * grad_output",
     "y ** 2", "y ** 3"),
    ("Swish", "self.x = input; return input * sigmoid(input)",
     "s = sigmoid(self.x)\n        d = s + self.x * s * (1 - s)\n        return d * grad_output", "(1 - s)", "1 - s"),
    ("Swish", "self.x = input; return input * sigmoid(input)",
     "s = sigmoid(self.x)\n        d = s + self.x * s * (1 - s)\n        return d * grad_output",
     "s + self.x", "s - self.x"),
    ("HardSwish", "self.x = input; return input * np.clip(input + 3, 0, 6) / 6",
     "x = self.x\n        d = np.where(x < -3, 0, np.where(x > 3, 1, (2 * x + 3) / 6))\n        return d * grad_output",
     "(2 * x + 3) / 6", "(2 * x + 3) / 3"),
    ("LeakyRelu", "self.x = input; return np.where(input > 0, input, 0.2 * input)",
     "d = np.where(self.x > 0, 1, 0.2)\n        return d * grad_output", "self.x > 0", "self.x < 0"),
    ("Softmax", "e = np.exp(input - input.max(1, keepdims=True)); self.p = e / e.sum(1, keepdims=True); return self.p",
     "s = np.sum(grad_output * self.p, axis=1, keepdims=True)\n        return self.p * (grad_output - s)",
     "axis=1", "axis=0"),
]  # fmt: skip


def finding(row):
    return next(finding for finding in row.findings if finding.kind == "wrong")


SIGMOID = "\n\ndef sigmoid(x):\n    return 1 / (1 + np.exp(-x))\n"


@pytest.mark.parametrize(("name", "forward", "backward", "right", "wrong"), SLIPS)
def test_the_line_of_the_slip_is_named(name, forward, backward, right, wrong, tmp_path):
    lines = backward.split("\n")
    text = LAYER.format(name, forward, backward) + SIGMOID
    assert written(tmp_path, layers=text)[name].verdict in ("right", "right, with remarks")
    assert backward.count(right) == 1
    row = written(tmp_path, layers=text.replace(backward, backward.replace(right, wrong)))[name]
    changed = next(line for line in lines if right in line).strip().replace(right, wrong)
    assert row.verdict == "WRONG" and changed in finding(row).where, said(row)


def test_a_slip_in_a_helper_is_found_there_and_said(tmp_path):
    helper = "\n\ndef step(x):\n    inner = x + 3\n    return np.clip(inner, 0, 6) / 6 + x * ((x > -3) & (x < 3)) / 5\n"
    forward = "self.x = input; return input * np.clip(input + 3, 0, 6) / 6"
    row = written(tmp_path, layers=LAYER.format("HardSwish", forward, "return grad_output * step(self.x)") + helper)[
        "HardSwish"
    ]
    assert "with 6 in place of 5 it is right" in said(row) and "in step: return np.clip" in finding(row).where


def test_what_forward_keeps_may_be_the_slip(tmp_path):
    forward = "self.d = np.where(input > 0, 1, 0.3)\n        return np.where(input > 0, input, 0.2 * input)"
    row = written(tmp_path, layers=LAYER.format("LeakyRelu", forward, "return grad_output * self.d"))["LeakyRelu"]
    assert "in forward: self.d = np.where" in finding(row).where, said(row)


def test_a_statement_too_many_is_named(tmp_path):
    forward = "e = np.exp(input - input.max(1, keepdims=True)); self.p = e / e.sum(1, keepdims=True)\n        "
    forward += "return -(target * np.log(self.p)).sum() / len(input)"
    backward = "g = (self.p - target) / len(input)\n        g[-1] = 0\n        return g"
    text = LOSS.format("SoftmaxCrossEntropyLoss", forward, backward)
    row = written(tmp_path, loss=text)["SoftmaxCrossEntropyLoss"]
    assert "without g[-1] = 0 it is right" in said(row) and "in backward: g[-1] = 0" in finding(row).where


def test_a_slip_in_update_is_named(tmp_path):
    text = """
import numpy as np


class Linear:
    def __init__(self, name, in_num, out_num, init_std):
        self.W, self.b = init_std * np.random.randn(in_num, out_num), np.zeros(out_num)
        self.vW, self.vb = np.zeros_like(self.W), np.zeros_like(self.b)

    def forward(self, input):
        self.x = input
        return input @ self.W + self.b

    def backward(self, grad_output):
        self.grad_W, self.grad_b = self.x.T @ grad_output, grad_output.sum(axis=0)
        return grad_output @ self.W.T

    def update(self, config):
        lr, m, wd = config["learning_rate"], config["momentum"], config["weight_decay"]
        self.vW = m * self.vW + self.grad_W + wd * self.grad_W
        self.W = self.W - lr * self.vW
        self.vb = m * self.vb + self.grad_b + wd * self.b
        self.b = self.b - lr * self.vb
"""
    row = written(tmp_path, layers=text)["Linear"]
    assert "with self.W in place of self.grad_W it is right" in said(row)
    assert "in update: self.vW = m * self.vW" in finding(row).where


def test_no_slip_is_made_up_and_the_code_is_left_as_it_was(tmp_path):
    forward = "self.x = input; return np.where(input > 0, input, 0.2 * input)"
    backward = "return grad_output * np.where(self.x > 0, 1.7 + self.x, 0.5 - self.x)"
    row = written(tmp_path, layers=LAYER.format("LeakyRelu", forward, backward))["LeakyRelu"]
    assert row.verdict == "WRONG" and "in place of" not in said(row) and backward in finding(row).where
    assert finding(row).evidence and row.error > 0.1


def test_a_slip_in_a_helper_module_is_found_there(tmp_path):
    helper = "import numpy as np\n\n\ndef slope(y):\n    d = y * (2 - y)\n    return d\n"
    (tmp_path / "functions.py").write_text(helper, encoding="utf-8")
    text = LAYER.format(
        "Sigmoid", "self.y = 1 / (1 + np.exp(-input)); return self.y", "return grad_output * F.slope(self.y)"
    )
    row = written(tmp_path, layers="import functions as F\n" + text)["Sigmoid"]
    assert "with 1 in place of 2 it is right" in said(row) and "functions.py line 5, in slope" in finding(row).where


def test_a_change_that_spoils_another_value_is_no_slip(tmp_path):
    forward = "m = input.max(1, keepdims=True)\n        lse = np.log(np.exp(input - m).sum(1, keepdims=True))\n        "
    forward += "return (target * (lse - input)).sum() / len(input)"  # m is not added: exp(input) would overflow
    row = written(tmp_path, loss=LOSS.format("SoftmaxCrossEntropyLoss", forward, "return 0 * input"))
    assert "in place of input - m" not in said(row["SoftmaxCrossEntropyLoss"])


@pytest.mark.parametrize(("right", "wrong"), [
    ("(x > -3) & (x < 3)", "(x > -3) | (x < 3)"), ("np.zeros_like(x)", "np.empty_like(x) - 7"),
    ("d[x > 3] *= 1.0", "d[x > 3] = 0.5"), ("0.25 * x * (1 + x)", "0.25 * x + (1 + x)"),
])  # fmt: skip
def test_brackets_masks_and_assignments_are_changed_too(right, wrong, tmp_path):
    backward = "x = self.x\n        d = np.zeros_like(x)\n        m = (x > -3) & (x < 3)\n        d[m] = 0.25\n        "
    backward += "d += 0.25 * x * (1 + x)\n        d[x > 3] *= 1.0\n        return grad_output * d"
    forward = (
        "self.x = x = input\n        v = (x / 4 * ((x > -3) & (x < 3))) + x * x / 8 + x ** 3 / 12\n        return v"
    )
    text = LAYER.format("Bump", forward, backward)
    assert written(tmp_path, layers=text)["Bump"].verdict in ("right", "right, with remarks")
    row = written(tmp_path, layers=text.replace(right, wrong, 2 if "&" not in right else 1))["Bump"]
    assert row.verdict == "WRONG", said(row)


def test_the_edge_of_a_mask_is_looked_for_near_zero(tmp_path):
    forward = "self.x = input; return np.maximum(input, 0)"
    for edge in ("0.05", "-0.1", "0.3", "1", "-1", "2"):
        text = LAYER.format("Relu", forward, f"return grad_output * (self.x > {edge})")
        row = written(tmp_path, layers=text)["Relu"]
        assert row.verdict == "WRONG" and "integers" not in said(row)
        assert "in place of" not in said(row) or "with 0 in place of" in said(row)


def test_long_texts_are_shown_where_they_differ(tmp_path):
    forward = "return input * (1 + np.tanh(np.sqrt(2 / np.pi) * (input + 0.044715 * input ** 3)))"
    message = finding(written(tmp_path, layers=LAYER.format("Gelu", forward, "return grad_output"))["Gelu"]).message
    after, before = message.removeprefix("forward is wrong: with ").removesuffix(" it is right").split(" in place of ")
    assert after != before and len(message) <= 160, message


def test_a_change_that_makes_the_code_endless_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(find_slip, "SECONDS", 0.2)
    backward = "rows = [1, 2]\n        for r in rows:\n            if len(rows) < 2: rows.append(r)\n        "
    text = LAYER.format("Sigmoid", "self.y = 1 / (1 + np.exp(-input)); return self.y", backward
                        + "return grad_output * (self.y ** 5 + rows[1] * self.y ** 7)")  # fmt: skip
    row = written(tmp_path, layers=text)["Sigmoid"]
    assert row.verdict == "WRONG" and row.error > 0.1
