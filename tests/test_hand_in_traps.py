"""Hand-ins that a checker is easily wrong about: what looks unwritten, passes by luck, or only seems wrong."""

import pytest
from handing_in import mistakes, said, written

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
LAYER = """
import numpy as np


class {}:
    def __init__(self, name):
        self.name = name

    def forward(self, input):
        {}

    def backward(self, grad_output):
        {}
"""
LOSS = """
import numpy as np


class {}:
    def __init__(self, name):
        self.name = name

    def forward(self, input, target):
        {}

    def backward(self, input, target):
        {}
"""


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
    assert row.wrong and "return-missing" in mistakes(row)
    assert "backward returns None: its return is missing layers.py line 18, in backward: grad_input" in said(row)
    assert "ok" not in (row.columns.get("agreement"), row.columns.get("finite"))
    row = relu(tmp_path, "self.x = input; out = np.maximum(input, 0)")
    assert row.wrong and "forward returns None: its return is missing" in said(row)
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
    assert row.wrong and row.columns["step"] == "fault"
    assert "update changes neither W nor b: is it assigned to a local name? layers.py line 21, in update: W =" in said(
        row
    )


def test_what_is_not_checked_has_no_mark(tmp_path):
    row = linear(tmp_path, (UPDATE, "        pass\n"))
    assert not row.wrong and "step" not in row.columns and "update is not written yet" in said(row)
