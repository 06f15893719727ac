"""Known bugs, planted one at a time into copies of our own code, are caught and named.

Each bug is a replacement in the text of layers.py or loss.py. Only the row that it touches is run, in this process.
"""

import importlib.util
from pathlib import Path
from typing import NamedTuple

import pytest

from gradcheck.check_project import layer_row, loss_row
from gradcheck.submission import check_class

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


class Bug(NamedTuple):
    row: str  # the class whose row must catch it
    right: str  # stands in the file
    wrong: str  # stands there instead
    mistake: str | None  # the catalogue's name for it; None: caught, but in no catalogue


GRAD_W = "product(self._input.T, grad_output, out=self._grad_W)"
GRAD_B = "grad_output.sum(axis=0, out=self._grad_b)"
GRAD_X = "return grad_output @ self._W.T"
RELU = "return grad_output * (self._input > 0)"
SIGMOID = "return grad_output * (self._output * (1.0 - self._output))"
GELU = "return grad_output * (0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * slope)"
GELU_SLOPE = "slope = SQRT_2_OVER_PI * (1.0 + 3.0 * GELU_CUBIC * x * x)"
GELU_FORWARD = "return 0.5 * input * (1.0 + self._tanh)"
DECAY = 'step = grads + config["weight_decay"] * params'
STEP = 'np.multiply(step, config["learning_rate"], out=grads)'
UPDATE = "sgd_step(self.params, self.grads.copy(), self._velocity, config)"
SUBTRACT = "np.subtract(input, target, dtype=input.dtype)"
EUCLID = f"        grad = {SUBTRACT}\n        grad *= 1.0 / len(input)"
SOFTMAX = "        grad -= target\n        grad *= 1.0 / len(input)"
HINGE = "        grad -= grad.sum(axis=1, keepdims=True) * target\n        grad *= 1.0 / len(input)"
MASK = "(self._violations(input, target) > 0).astype(input.dtype)"
SHIFTED = "np.exp(input - input.max(axis=1, keepdims=True))"

# fmt: off
LAYER_BUGS = [
    # Linear
    Bug("Linear", GRAD_W, GRAD_W + "\n        self._grad_W /= len(grad_output)", "over-n"),
    Bug("Linear", GRAD_W, "self._grad_W += self._input.T @ grad_output", "accumulated"),
    Bug("Linear", GRAD_W, "product(self._input.T, -grad_output, out=self._grad_W)", "opposite-sign"),
    Bug("Linear", GRAD_W, "product(self._input[-1:].T, grad_output[-1:], out=self._grad_W)", "last-sample"),
    Bug("Linear", GRAD_W, "pass", "zero"),
    Bug("Linear", GRAD_W, GRAD_W + "\n        self._grad_W += self._W", "with-decay"),
    Bug("Linear", GRAD_W, "np.matmul(np.abs(self._input).T, grad_output, out=self._grad_W)", "absolute-input"),
    Bug("Linear", GRAD_B, "grad_output.mean(axis=0, out=self._grad_b)", "mean-not-sum"),
    Bug("Linear", GRAD_B, "self._grad_b += grad_output.sum(axis=0)", "accumulated"),
    Bug("Linear", GRAD_B, "self._grad_b[...] = grad_output.sum()", "total-sum"),
    Bug("Linear", GRAD_B, "self._grad_b[...] = 1", "bias-ones"),
    Bug("Linear", GRAD_B, "self._grad_b = grad_output", "no-batch-sum"),
    Bug("Linear", GRAD_X, "return grad_output @ self._W", "untransposed-w"),
    Bug("Linear", GRAD_X, "return (grad_output @ self._W.T) / len(grad_output)", "over-n"),
    Bug("Linear", GRAD_X, "return -grad_output @ self._W.T", "opposite-sign"),
    Bug("Linear", GRAD_X, "self._W -= 0.1 * self._grad_W\n        return grad_output @ self._W.T", "backward-steps"),
    Bug("Linear", "output += self._b\n        return output", "return output", "no-bias"),
    Bug("Linear", "output += self._b\n        return", "output -= self._b\n        return", "bias-sign"),
    Bug("Linear", "        self._input = input\n        output = input @",
        "        self._input = getattr(self, '_input', input)\n        output = input @", "stale"),
    Bug("Linear", GRAD_X, "grad_output *= 1.0 / 1.0000001\n        " + GRAD_X, "writes-argument"),
    Bug("Linear", GRAD_X, "return np.ones(1) * (grad_output @ self._W.T)", "float32-lost"),
    Bug("Linear", GRAD_X, "grad_input = grad_output @ self._W.T", "return-missing"),
    Bug("Linear", "self._input = input", "type(self)._input = input", "shared"),
    # Relu
    Bug("Relu", RELU, "grad_output * (self._input > 0)", "return-missing"),
    Bug("Relu", "self._input = input", "type(self)._input = input", "shared"),
    Bug("Relu", RELU, "return grad_output * (grad_output > 0)", "mask-on-grad"),
    Bug("Relu", RELU, "return grad_output * (self._input < 0)", "mask-reversed"),
    Bug("Relu", RELU, "return grad_output", "mask-missing"),
    Bug("Relu", RELU, "return (self._input > 0) * 1.0", "grad-left-out"),
    Bug("Relu", RELU, "return grad_output * np.maximum(self._input, 0)", "times-output"),
    Bug("Relu", RELU, "return np.where(self._input > 0, grad_output, 0.01 * grad_output)", "relu-leaky"),
    Bug("Relu", RELU, "grad_output[self._input <= 0] = 0\n        return grad_output", "writes-argument"),
    Bug("Relu", "return np.maximum(input, 0)", "input[input < 0] = 0\n        return input", "writes-argument"),
    Bug("Relu", "return np.maximum(input, 0)", "return np.abs(input)", "relu-abs"),
    Bug("Relu", "return np.maximum(input, 0)", "return np.maximum(input, 0).astype(float)", "float32-lost"),
    Bug("Relu", RELU, "return grad_output * (self._input > 0.3)", None),
    # Sigmoid
    Bug("Sigmoid", SIGMOID, SIGMOID.replace("self._output", "self._x"), "from-input"),
    Bug("Sigmoid", SIGMOID, "return grad_output * self._output", "second-factor-missing"),
    Bug("Sigmoid", SIGMOID, "return grad_output * (1.0 - self._output)", "first-factor-missing"),
    Bug("Sigmoid", SIGMOID, "return grad_output * (1.0 - self._output**2)", "tanh-slope"),
    Bug("Sigmoid", SIGMOID, "return self._output * (1.0 - self._output)", "grad-left-out"),
    Bug("Sigmoid", SIGMOID, "return grad_output * (self._output * (1.0 + self._output))", "sigmoid-plus"),
    Bug("Sigmoid", SIGMOID, "e = np.exp(-self._x)\n        return grad_output * e / (1 + e) ** 2", "overflow-sigmoid"),
    Bug("Sigmoid", "np.tanh(input * 0.5)", "np.tanh(input)", "sigmoid-half"),
    Bug("Sigmoid", "        output = np.tanh(input * 0.5)\n        output *= 0.5\n        output += 0.5",
        "        output = np.exp(input) / (1 + np.exp(input))", "overflow-sigmoid"),
    Bug("Sigmoid",
        SIGMOID,
        "s = lambda z: 0.5 + np.tanh(z / 2) / 2\n        return grad_output * (s(self._x + 1e-3) - s(self._x)) / 1e-3",
        "numerical-differentiation"),
    # Gelu
    Bug("Gelu", GELU, GELU.replace("(1.0 - t * t)", "(1.0 - t) ** 2"), "gelu-tanh-squared"),
    Bug("Gelu", GELU, GELU.replace("(1.0 - t * t)", "(1.0 - t)"), "gelu-tanh-unsquared"),
    Bug("Gelu", GELU, GELU.replace("0.5 * x *", "x *"), "gelu-half-missing"),
    Bug("Gelu", GELU, GELU.replace("0.5 * x *", "0.5 *"), "gelu-x-missing"),
    Bug("Gelu", GELU, GELU.replace(" * slope", ""), "gelu-no-inner"),
    Bug("Gelu", GELU, "return grad_output * 0.5 * (1.0 + t)", "gelu-first-term-only"),
    Bug("Gelu", GELU_SLOPE, GELU_SLOPE.replace("3.0 * ", ""), "gelu-no-three"),
    Bug("Gelu", GELU_SLOPE, GELU_SLOPE.replace("x * x", "x * x * x"), "gelu-cube-left"),
    Bug("Gelu", GELU_SLOPE, GELU_SLOPE.replace("SQRT_2_OVER_PI * ", ""), "gelu-no-scale"),
    Bug("Gelu", "GELU_CUBIC = 0.044715", "GELU_CUBIC = 0.04715", "gelu-constants"),
    Bug("Gelu", "SQRT_2_OVER_PI = 0.7978845608028654", "SQRT_2_OVER_PI = 0.6366197723675814", "gelu-constants"),
    Bug("Gelu", GELU_FORWARD, "return input * (1.0 + self._tanh)", "gelu-half-missing"),
    Bug("Gelu", GELU, GELU.replace("0.5 * x * (1.0 - t * t)", "0.4 * x * (1.0 - t * t)"), None),
    # The SGD step
    Bug("Linear", "params -= grads", "params += grads", "adds-step"),
    Bug("Linear", STEP, "grads[...] = step", "rate-missing"),
    Bug("Linear", "params -= grads", "params = params - grads", "not-updated"),
    Bug("Linear", STEP, STEP.replace("step", "grads"), "decay-and-momentum-missing"),
    Bug("Linear", DECAY, DECAY.replace("+", "-"), "decay-sign"),
    Bug("Linear", DECAY, "pass", "decay-missing"),
    Bug("Linear", DECAY, DECAY.replace(" * params", ""), "decay-without-p"),
    Bug("Linear", DECAY, DECAY.replace('config["weight_decay"]', '2 * config["weight_decay"]'), "decay-doubled"),
    Bug("Linear", UPDATE, UPDATE.replace(".copy()", ""), "update-writes-grads"),
    Bug("Linear", 'velocity *= config["momentum"]', "velocity *= 0", "momentum-missing"),
    Bug("Linear", 'velocity *= config["momentum"]', 'velocity *= -config["momentum"]', "momentum-sign"),
    Bug("Linear", 'velocity *= config["momentum"]', "pass", "momentum-is-one"),
    Bug("Linear", "velocity += step", 'velocity += (1 - config["momentum"]) * step', "dampened"),
    Bug("Linear", UPDATE, "pass", "not-updated"),
    Bug("Linear", "self.W = rng.normal(0.0, init_std, (in_num, out_num))", "pass", "w-zero"),
    Bug("Linear", "rng.normal(0.0, init_std", "rng.normal(init_std, init_std", "start-spread"),
    Bug("Linear", "rng.normal(0.0, init_std", "rng.normal(0.0, init_std**2", "start-spread"),
    Bug("Linear", "np.random.default_rng() if rng", "np.random.default_rng(0) if rng", "seed-in-constructor"),
]

LOSS_BUGS = [
    Bug("EuclideanLoss", EUCLID, EUCLID.replace("len(input)", "100"), "fixed-batch"),
    Bug("SoftmaxCrossEntropyLoss", SHIFTED, "np.exp(input - input.max())", "underflow-softmax"),
    Bug("HingeLoss", HINGE,
        HINGE.replace("grad.sum(axis=1, keepdims=True) *", "(grad.sum(axis=1, keepdims=True) - 1) *"), "target-column"),
    Bug("EuclideanLoss", EUCLID, EUCLID.split("\n")[0], "times-n"),
    Bug("EuclideanLoss", EUCLID, EUCLID.replace(SUBTRACT, "target - input"), "opposite-sign"),
    Bug("EuclideanLoss", EUCLID, EUCLID.replace(SUBTRACT, "2 * (input - target)"), "factor-two"),
    Bug("EuclideanLoss", EUCLID, EUCLID.replace("1.0 / len(input)", "1.0 / input.size"), "over-k"),
    Bug("EuclideanLoss", EUCLID, EUCLID.replace("1.0 / len(input)", "1.0 / input.shape[1]"), "n-over-k"),
    Bug("EuclideanLoss", EUCLID, EUCLID.replace("1.0 / len(input)", "1.0 / len(input) ** 2"), "over-n"),
    Bug("EuclideanLoss", EUCLID, EUCLID.replace(SUBTRACT, "np.abs(input - target)"), "absolute"),
    Bug("EuclideanLoss", "0.5 * float(np.vdot", "float(np.vdot", "no-half"),
    Bug("EuclideanLoss", "difference)) / len(input)", "difference))", "sum"),
    Bug("EuclideanLoss", "difference)) / len(input)", "difference)) / input.shape[1]", "over-k"),
    Bug("EuclideanLoss", EUCLID, "        input -= target\n        grad = input / len(input)", "writes-argument"),
    Bug("EuclideanLoss", f"        difference = {SUBTRACT}", "        difference = input + target", None),
    Bug("SoftmaxCrossEntropyLoss", SHIFTED, "input.copy()\n        return (grad - target) / len(grad)", "of-logits"),
    Bug("SoftmaxCrossEntropyLoss", SHIFTED, "np.exp(input)", "overflow-softmax"),
    Bug("SoftmaxCrossEntropyLoss", SOFTMAX, "        grad -= target", "times-n"),
    Bug("SoftmaxCrossEntropyLoss", SOFTMAX, "        grad *= 1.0 / len(input)", "target-left-out"),
    Bug("SoftmaxCrossEntropyLoss", SOFTMAX,
        "        grad = -target / grad\n        grad *= 1.0 / len(input)", "of-probabilities"),
    Bug("SoftmaxCrossEntropyLoss", "grad /= grad.sum(axis=1, keepdims=True)",
        "grad = np.exp(input)\n        grad /= grad.sum(axis=0, keepdims=True)", "wrong-axis"),
    Bug("SoftmaxCrossEntropyLoss", SOFTMAX,
        "        grad = (grad - target) * grad * (1 - grad)\n        grad *= 1.0 / len(input)", "sigmoid-slope"),
    Bug("SoftmaxCrossEntropyLoss", "np.vdot(target, log_sum_exp - shifted)",
        "-(target * np.log(np.clip(np.exp(shifted - log_sum_exp), 1e-12, 1))).sum()", "clipped"),
    Bug("SoftmaxCrossEntropyLoss", "np.vdot(target, log_sum_exp - shifted)",
        "-(target * np.log(np.exp(shifted - log_sum_exp))).sum()", "log-of-zero"),
    Bug("SoftmaxCrossEntropyLoss", "np.log(np.exp(", "np.log2(np.exp(", None),
    Bug("SoftmaxCrossEntropyLoss", "float(np.vdot(target, log", "float(-np.vdot(target, log", "opposite-sign"),
    Bug("HingeLoss", HINGE, "        grad *= 1.0 / len(input)", "target-column"),
    Bug("HingeLoss", HINGE, "        grad -= target\n        grad *= 1.0 / len(input)", "target-column"),
    Bug("HingeLoss", HINGE, HINGE.replace("grad *= 1.0 / len(input)", "pass"), "times-n"),
    Bug("HingeLoss", HINGE, HINGE.replace("grad -=", "grad +="), None),
    Bug("HingeLoss",
        MASK,
        "(((input - (input * target).sum(axis=1, keepdims=True)) > 0) * (1 - target)).astype(input.dtype)",
        "margin-missing"),
    Bug("HingeLoss", MASK, "self._violations(input, target)", "values-not-mask"),
    Bug("HingeLoss", MASK, MASK.replace("> 0", "<= 0"), "mask-reversed"),
    Bug("HingeLoss", MASK, MASK.replace("> 0", "> 1"), None),
    Bug("HingeLoss", "        violations *= 1 - target\n", "", "target-counted"),
    Bug("HingeLoss", "input - correct + self.margin", "input - correct", "margin-missing"),
    Bug("HingeLoss", "input - correct + self.margin", "input - correct - self.margin", "margin-sign"),
    Bug("HingeLoss", "margin: float = 5", "margin: float = 1", "margin-default"),
    Bug("HingeLoss", ".astype(input.dtype)", ".astype(float)", "float32-lost"),
]

MASKED = "np.where(x <= -3, 0, np.where(x >= 3, 1, (2 * x + 3) / 6))"
SELU = "np.where(self.x > 0, 1, 1.67326 * np.exp(np.minimum(self.x, 0)))"
KL = "np.where(target > 0, target * (np.log(np.where(target > 0, target, 1)) - log_softmax(input)), 0)"
FOCAL = "self.alpha * target * (g * p * (1 - p) ** (g - 1) * log_p - (1 - p) ** g)"
NEWER_BUGS = [
    Bug("Tanh", "(1 - self.y**2)", "(1 - self.y)", "tanh-unsquared"),
    Bug("Tanh", "grad_output * (1 - self.y**2)", "1 - self.y**2", "grad-left-out"),
    Bug("Softmax", "self.p * (grad_output - ", "self.p * (1 - self.p) * (grad_output - 0 * ", "softmax-diagonal"),
    Bug("Softmax", "(grad_output * self.p).sum(axis=1, keepdims=True)", "0", "softmax-sum"),
    Bug("Softmax", "input.max(axis=1, keepdims=True)", "input.max()", "overflow-softmax"),
    Bug("Softmax", "e.sum(axis=1, keepdims=True)", "e.sum(axis=0, keepdims=True)", None),
    Bug("Swish", "(self.s + self.x * self.s * (1 - self.s))", "self.s", "product-rule"),
    Bug("Swish", "return input * self.s", "return 2 * input * self.s", None),
    Bug("HardSwish", MASKED, MASKED.replace("(2 * x + 3) / 6", "(x + 3) / 6"), "two-missing"),
    Bug("HardSwish", MASKED, MASKED.replace("x >= 3, 1", "x >= 3, x"), None),
    Bug("Mish", " + self.x * (1 - self.t**2) / (1 + np.exp(-self.x))", "", "product-rule"),
    Bug("Mish", "np.logaddexp(0, input)", "np.log(1 + np.exp(-input))", None),
    Bug("Selu", SELU,
        SELU.replace("np.exp(np.minimum(self.x, 0))", "np.expm1(np.minimum(self.x, 0))"), "selu-minus-one"),
    Bug("Selu", SELU, SELU.replace("1.67326 * ", ""), "selu-alpha"),
    Bug("LeakyRelu", "np.where(self.on, grad_output, self.slope * grad_output)",
        "grad_output * self.on", "slope-missing"),
    Bug("LeakyRelu", "np.where(self.on, grad_output, ", "np.where(grad_output > 0, grad_output, ", "mask-on-grad"),
    Bug("MSELoss", "2 * (input - target) / input.size", "2 * (input - target) / len(input)", None),
    Bug("MSELoss", "2 * (input - target) / input.size", "2 * (target - input) / input.size", "opposite-sign"),
    Bug("CrossEntropyLoss", "np.exp(log_softmax(input)) - target) / len(input)",
        "np.exp(log_softmax(input)) - target)", "times-n"),
    Bug("KLDivLoss", "(np.exp(log_softmax(input)) - target)", "(input - target)", "softmax-left-out"),
    Bug("KLDivLoss", KL, "target * (np.log(target) - log_softmax(input))", None),
    Bug("BrierLoss", "self.p * (d - (d * self.p).sum(axis=1, keepdims=True))", "d", "softmax-slope"),
    Bug("BrierLoss", "d - (d * self.p).sum(axis=1, keepdims=True)", "d * (1 - self.p)", "softmax-diagonal"),
    Bug("FocalLoss", FOCAL, FOCAL.replace("g * p", "p"), None),
    Bug("FocalLoss", "a - p * a.sum", "p * a.sum", None),
    Bug("LabelSmoothingCrossEntropyLoss", "- self.smooth(target))", "- target)", "unsmoothed"),
]
# fmt: on

BUGS = [("layers", bug) for bug in LAYER_BUGS] + [("loss", bug) for bug in LOSS_BUGS]
BUGS += [("alternative_newer_classes", bug) for bug in NEWER_BUGS]


def planted(file: str, bug: Bug, folder: Path):
    """The module of a copy of our file that has this bug."""
    folder_of = HERE if file.startswith("alternative") else ROOT
    text = (folder_of / f"{file}.py").read_text(encoding="utf-8")
    assert bug.right in text, f"{bug.right!r} is not in {file}.py any more: plant the bug elsewhere"
    text = text.replace(bug.right, bug.wrong)
    # What some of the bugs read and our Sigmoid does not keep.
    text = text.replace("output = np.tanh(input * 0.5)", "self._x = input\n        output = np.tanh(input * 0.5)")
    (folder / f"{file}.py").write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(f"planted_{file}", folder / f"{file}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def row_of(file: str, bug: Bug, folder: Path):
    module = planted(file, bug, folder)
    if file.startswith("alternative"):
        return check_class("loss" if "Loss" in bug.row else "layers", file, bug.row, getattr(module, bug.row))
    return layer_row(module, bug.row) if file == "layers" else loss_row(module, bug.row)


@pytest.mark.parametrize(("file", "bug"), BUGS, ids=[f"{n}-{bug.row}-{bug.mistake}" for n, (_, bug) in enumerate(BUGS)])
def test_is_caught_and_named(file, bug, tmp_path):
    row = row_of(file, bug, tmp_path)
    assert row.fails, f"{bug.wrong!r} passes"
    found = [finding.mistake for finding in row.findings]
    if bug.mistake is None:
        assert any(finding.evidence or finding.where for finding in row.findings)
    else:
        changed = any("it is right" in finding.message for finding in row.findings)  # named by what makes it right
        assert bug.mistake in found or changed, [(finding.mistake, finding.message) for finding in row.findings]


def test_the_line_is_named(tmp_path):
    bug = next(bug for bug in LAYER_BUGS if bug.mistake == "mask-on-grad")
    finding = row_of("layers", bug, tmp_path).findings[0]
    text = (tmp_path / "layers.py").read_text(encoding="utf-8").splitlines()
    number = next(n for n, line in enumerate(text, 1) if bug.wrong in line)
    assert finding.where == f"layers.py line {number}, in backward: {bug.wrong}"
    assert finding.evidence == "grad_input[0, 1] is 0, true -0.78, at x = 3.29, grad_output = -0.78"


def test_every_copy_without_a_bug_is_right(tmp_path):
    for file, rows in (("layers", ("Linear", "Relu", "Sigmoid", "Gelu")), ("loss", [b.row for b in LOSS_BUGS])):
        for name in dict.fromkeys(rows):
            assert (
                row_of(file, Bug(name, "import numpy as np", "import numpy as np", None), tmp_path).verdict == "right"
            )
