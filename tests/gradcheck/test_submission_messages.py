"""What the checker says of a submission is true and names what is wrong: losses, constants, extremes, extra classes."""

import pytest
from submissions_helper import LAYER, LOSS, mistakes, said, written

import check_gradients
from utils import FileError


def softmax(tmp_path, forward, backward):
    return one(tmp_path, "SoftmaxCrossEntropyLoss", forward, backward)


def one(tmp_path, name, forward, backward):
    """The row of a loss with this forward and backward."""
    return written(tmp_path, loss=LOSS.format(name, forward, backward))[name]


def layer(tmp_path, name, forward, backward):
    return written(tmp_path, layers=LAYER.format(name, forward, backward))[name]


# Losses with another interface


def test_a_loss_that_returns_its_gradient_too(tmp_path):
    for value, words in (("(1.0, input, 2)", "a tuple"), ("{'loss': 1.0}", "a dict")):
        row = written(tmp_path, loss=LOSS.format("HingeLoss", f"return {value}", "return input"))["HingeLoss"]
        assert f"forward returns {words}, not a number: return the loss alone" in said(row)
    both = "d = input - target; return (d * d).sum() / 2 / len(d), d{}"
    for backward in ("return self.forward(input, target)[1]", "pass"):
        row = one(tmp_path, "EuclideanLoss", both.format(" / len(d)"), backward)
        assert row.verdict == "right, with remarks" and "forward returns (loss, gradient)" in said(row)
        row = one(tmp_path, "EuclideanLoss", both.format(""), backward)
        assert row.verdict == "WRONG" and "the 1/N of the mean over the batch is forgotten" in said(row)
    text = LOSS.format("HingeLoss", "return input.sum()", "return input").replace(
        "backward(self, input, target)", "backward(self)"
    )
    assert "backward takes (), not (input, target)" in said(written(tmp_path, loss=text)["HingeLoss"])


def test_a_list_is_no_array(tmp_path):
    row = layer(
        tmp_path, "Relu", "self.x = input; return np.maximum(input, 0)", "return (grad_output * (self.x > 0)).tolist()"
    )
    assert row.fails and "backward returns a list, not an array" in said(row)


def test_labels_for_one_hot(tmp_path):
    forward = "self.p = np.exp(input) / np.exp(input).sum(1, keepdims=True)\n        "
    for target in ("target", "target.astype(int)"):
        value = f"return -np.mean(np.log(self.p[np.arange(len(input)), {target}]))"
        row = softmax(tmp_path, forward + value, "return self.p")
        assert "labels" in mistakes(row) and "the target is taken as class numbers" in said(row)


def test_a_loss_that_keeps_a_running_mean(tmp_path):
    forward = (
        "self.all = [*getattr(self, 'all', []), 0.5 * ((input - target) ** 2).sum(1).mean()]; return np.mean(self.all)"
    )
    row = one(tmp_path, "EuclideanLoss", forward, "return (input - target) / len(input)")
    assert mistakes(row) == ["differs"] and "differs from call to call" in said(row)


def test_a_fixed_batch_size(tmp_path):
    forward = "return 0.5 * ((input - target) ** 2).sum() / {}"
    row = one(tmp_path, "EuclideanLoss", forward.format(100), "return (input - target) / 100")
    assert mistakes(row) == ["fixed-batch"] and "the sum divided by 100, a fixed number" in said(row)
    row = one(tmp_path, "EuclideanLoss", forward.format("len(input)"), "return (input - target) / 64")
    assert "it is divided by 64, a fixed number, where the batch size belongs" in said(row)


def test_a_mean_over_the_other_classes_is_a_remark(tmp_path):
    forward = """r = (input * target).sum(1, keepdims=True)
        self.v = np.maximum(0, 5 - r + input) * (1 - target)
        return self.v.sum() / len(input) / (input.shape[1] - 1)"""
    backward = """m = (self.v > 0) * 1.0
        return (m - target * m.sum(1, keepdims=True)) / len(input) / (input.shape[1] - 1)"""
    row = one(tmp_path, "HingeLoss", forward, backward)
    assert not row.fails and "over-others" in mistakes(row)


def test_overflow_underflow_and_a_logarithm_of_zero(tmp_path):
    forward = """z = input - {}
        self.p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
        return {}"""
    stable = "-np.mean(np.sum(target * (z - np.log(np.exp(z).sum(1, keepdims=True))), 1))"
    backward = "return (self.p - target) / len(input)"
    for shift, value, key in (
        ("0", stable, "overflow-softmax"),
        ("input.max()", stable, "underflow-softmax"),
        ("input.max(1, keepdims=True)", "-np.mean(np.sum(target * np.log(self.p), 1))", "log-of-zero"),
    ):
        assert key in mistakes(softmax(tmp_path, forward.format(shift, value), backward))


def test_rounded_constants_are_a_remark_with_enough_digits(tmp_path):
    forward = "self.x = input; return 0.5 * input * (1 + np.tanh(np.sqrt(2 / np.pi) * (input + 0.044715 * input**3)))"
    backward = """t = np.tanh(0.0356774 * self.x**3 + 0.797885 * self.x)
        return grad_output * (0.5 * t + (0.0535161 * self.x**3 + 0.398942 * self.x) * (1 - t**2) + 0.5)"""
    row = layer(tmp_path, "Gelu", forward, backward)
    assert not row.fails and "right to 5 digits: its constants are rounded" in said(row)
    seen = next(finding.evidence for finding in row.findings if finding.mistake == "rounded")
    theirs, true = seen.split(" is ")[1].split(", at")[0].split(", true ")
    assert theirs != true


def test_gelu_with_a_quotient_of_exp(tmp_path):
    forward = """u = 0.7978845608028654 * (input + 0.044715 * input**3)
        self.t = (np.exp(2 * u) - 1) / (np.exp(2 * u) + 1)
        self.x = input
        return 0.5 * input * (1 + self.t)"""
    backward = """x, t = self.x, self.t
        slope = 0.7978845608028654 * (1 + 3 * 0.044715 * x * x)
        return grad_output * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * slope)"""
    assert mistakes(layer(tmp_path, "Gelu", forward, backward)) == ["overflow-gelu"]


def test_where_forward_is_nan_there_is_one_fault(tmp_path):
    row = layer(tmp_path, "Relu", "self.x = input; return input * (input > 0) / (input > 0)", "return grad_output")
    assert len(row.findings) == 1 and "forward is wrong" in said(row)


def test_extra_classes(tmp_path):
    text = LAYER.format("Exp", "self.y = np.exp(input); return self.y", "return grad_output * self.y")
    text += LAYER.format("Norm", "pass", "pass").replace("self, name", "self, name, banks")
    text += LAYER.format("Network", "return input", "pass") + "\n    def add(self, layer):\n        pass\n"
    loss = LOSS.format("CrossEntropy", "return -np.mean(np.sum(target * np.log(input), 1))", "return -target / input")
    rows = written(tmp_path, layers=text, loss=loss)
    assert rows["Exp"].verdict == "right, with remarks" and "not-finite" in mistakes(rows["Exp"])
    assert "its formula was not compared" in said(rows["Exp"])
    assert rows["Norm"].verdict == "not checked" and "its constructor wants banks" in said(rows["Norm"])
    assert "Network" not in rows
    assert rows["CrossEntropy"].fails and "times-n" in mistakes(rows["CrossEntropy"])
    assert "it takes probabilities" in said(rows["CrossEntropy"])


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["Layer.py", "losses.py"], "python check_gradients.py --layers {0}/Layer.py --loss {0}/losses.py"),
        (["src/hw/layers.py", "notes.txt"], "python check_gradients.py {0}/src/hw"),
        (["src/layers.py", "loss_functions.py"], "--layers {0}/src/layers.py --loss {0}/loss_functions.py"),
        (["load_data.py"], "there are load_data.py: give them to --layers and --loss"),
        ([], "give the folder that does"),
    ],
)
def test_files_under_other_names_are_found(names, words, tmp_path):
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    with pytest.raises(FileError) as error:
        check_gradients.main([str(tmp_path)])
    assert words.format(tmp_path) in str(error.value)
