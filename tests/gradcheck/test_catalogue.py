"""Every wrong formula of the catalogue, computed and fed to the diagnosis, comes back under its own name."""

from types import SimpleNamespace

import numpy as np
import pytest

from gradcheck import definitions
from gradcheck.catalogue import ANY, FACTORS, WRONG, diagnose
from gradcheck.check_activation import Check, _check_value
from gradcheck.check_step import CONFIGS, STEPS, WRONG_STEPS, Walk, compare
from gradcheck.loss_conventions import SHAPES, Reduced, batch, find_form
from gradcheck.mistakes_layers import OTHER_FORMS
from gradcheck.mistakes_losses import OTHER_LOSSES, SCALES
from gradcheck.reference import (
    ACTIVATIONS,
    CUBIC,
    IN,
    LOSSES,
    OUT,
    SCALE,
    N,
    central_differences,
    gelu,
    gelu_slope,
    loss_gradient,
    loss_value,
    points,
    relative_error,
    sgd,
    softmax,
)
from gradcheck.report_rows import Row


def layer_case(value: str, out: int = OUT) -> SimpleNamespace:
    name, what = value.split(".")
    x, before_x = points(1, N, IN), points(3, N, IN)
    if name == "Linear":
        g, before_g, W, b = points(2, N, out), points(4, N, out), points(5, IN, out), points(6, out)
        case = SimpleNamespace(x=x, g=g, W=W, b=b, n=N, k=out)
        rules = {
            "forward": lambda x, g: x @ W + b,
            "grad_input": lambda x, g: g @ W.T,
            "grad_W": lambda x, g: x.T @ g,
            "grad_b": lambda x, g: g.sum(axis=0),
        }
    else:
        g, before_g = points(2, N, IN), points(4, N, IN)
        case = SimpleNamespace(x=x, g=g, n=N, k=IN, scale=SCALE, cubic=CUBIC)
        function = definitions.LAYERS.get(name) or ACTIVATIONS[name][0]
        rules = {
            "forward": lambda x, g: function(x),
            "grad_input": lambda x, g: central_differences(lambda at: float((function(at) * g).sum()), x, 1e-5),
        }
    case.true, case.before = rules[what](x, g), rules[what](before_x, before_g)
    case.sum, case.with_old_input = case.true + case.before, rules[what](before_x, g)
    case.of_grad, case.of_input = lambda other: rules[what](x, other), lambda other: rules[what](other, g)
    return case


def loss_case(value: str) -> SimpleNamespace:
    name = value.split(".")[0]
    o, t = batch(name, SHAPES[0])
    n, k = o.shape
    case = SimpleNamespace(o=o, t=t, n=n, k=k, margin=5.0, p=softmax(o), gamma=2.0, weights=1.0)
    if name in LOSSES:
        case.true = loss_gradient(name, o, t)
    else:
        case.true = central_differences(lambda at: definitions.LOSSES[name][0].total(at, t) / n, o, 1e-5)
    return case


def case_of(value: str) -> SimpleNamespace:
    return loss_case(value) if "Loss" in value else layer_case(value)


GRADIENTS = [value for value in WRONG if not value.endswith(".forward")]


def own_names(value: str, case: SimpleNamespace, wrong: np.ndarray) -> list[str]:
    """The names that the same numbers have among the mistakes of this value alone."""
    mistakes = [mistake for mistake in WRONG[value] if mistake.key != "untransposed-w"]
    return [m.key for m in mistakes if relative_error(np.asarray(m.wrong(case), float), wrong) < 1e-6]


@pytest.mark.parametrize(
    ("value", "mistake"),
    [(value, mistake) for value in WRONG for mistake in WRONG[value]],
    ids=lambda v: v if isinstance(v, str) else v.key,
)
def test_a_wrong_formula_has_its_own_name(value, mistake):
    # W for its transpose: elsewhere it raises, and check_linear looks at a square layer too.
    case = layer_case(value, IN) if mistake.key == "untransposed-w" else case_of(value)
    wrong = np.asarray(mistake.wrong(case), float)
    if relative_error(wrong, case.true) < 1e-9:
        assert mistake.key == "gelu-of-other-form"  # right beside the tanh form, wrong beside another forward
        return
    found = diagnose(value, wrong, case, 1e-6)
    assert found is not None and found.key == mistake.key


@pytest.mark.parametrize("value", GRADIENTS)
def test_factors_have_their_own_name(value):
    case = case_of(value)
    for key, factor, _ in FACTORS:
        wrong = factor(case) * case.true
        same = [other for other, size, _ in FACTORS if np.isclose(size(case), factor(case))]
        assert diagnose(value, wrong, case, 1e-6).key in (key, *same, *own_names(value, case, wrong))


@pytest.mark.parametrize("value", [value for value in GRADIENTS if "Loss" not in value])
def test_what_any_gradient_may_have(value):
    case = case_of(value)
    for mistake in ANY:
        if mistake.key == "grad-left-out" and value.startswith("Linear"):
            continue  # its gradients have other shapes than grad_output
        wrong = np.asarray(mistake.wrong(case), float)
        if relative_error(wrong, case.true) < 1e-9:  # a vector is its own transpose
            continue
        found = diagnose(value, wrong, case, 1e-6)
        assert found is not None and found.key in (mistake.key, *own_names(value, case, wrong))


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        (lambda case: -case.g[-1], "last-sample"),  # of this value alone
        (lambda case: 0.5 * case.before, "stale"),  # of any gradient
    ],
)
def test_a_mistake_and_a_factor_on_top_are_both_named(wrong, key):
    case = layer_case("Linear.grad_b")
    found = diagnose("Linear.grad_b", wrong(case), case, 1e-6)
    assert found.key == key and "; and it " in found.message


@pytest.mark.parametrize("step", WRONG_STEPS, ids=lambda step: step.key)
def test_a_wrong_step_has_its_own_name(step):
    grads = [points(31 + number, IN, OUT) for number in range(STEPS)]
    start, row = points(5, IN, OUT), Row("Linear")
    after = sgd(start, grads, CONFIGS[0], step.one)
    compare(row, Walk("W", start, grads, after, CONFIGS[0], 1e-9))
    assert [finding.mistake for finding in row.findings] == [step.key]


def form_of(name: str, forward) -> list[str]:
    """The names that a loss with this forward gets."""
    row = Row(name)
    subject = SimpleNamespace(forward=lambda input, target: forward(input, target))
    find_form(Reduced(lambda: subject, row), name, False)
    return [finding.mistake for finding in row.findings]


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(("key", "factor"), [scale[:2] for scale in SCALES[1:]], ids=[scale[0] for scale in SCALES[1:]])
def test_a_scaled_loss_has_its_own_name(name, key, factor):
    assert form_of(name, lambda o, t: factor(*o.shape) * loss_value(name, o, t)) == [key]


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("size", [20, 64, 100])
def test_a_fixed_batch_size_has_its_own_name(name, size):
    assert form_of(name, lambda o, t: len(o) * loss_value(name, o, t) / size) == ["fixed-batch"]


@pytest.mark.parametrize(
    ("name", "key", "total"), [(name, key, total) for name, others in OTHER_LOSSES.items() for key, _, total in others]
)
def test_another_loss_has_its_own_name(name, key, total):
    assert form_of(name, lambda o, t: total(o, t, 5.0) / len(o)) == [key]


def test_other_gelus_have_their_own_name():
    for form in OTHER_FORMS["Gelu.forward"]:
        row, case = Row("Gelu"), layer_case("Gelu.forward")
        check = Check(row=row, name="Gelu", right=ACTIVATIONS["Gelu"][0], elementwise=True)
        _check_value(check, form.wrong(case), case, 1e-6)
        assert [finding.mistake for finding in row.findings] == [form.key]


@pytest.mark.parametrize("value", ["Gelu.forward", "Gelu.grad_input"])
@pytest.mark.parametrize(
    "scale, cubic", [(SCALE, 0.44715), (SCALE, 0.0), (0.8, 0.045), (2 / np.pi, CUBIC), (2.5, CUBIC)]
)
def test_the_constants_of_a_gelu_are_fitted(value, scale, cubic):
    case = layer_case(value)
    function = gelu if value == "Gelu.forward" else lambda *at: case.g * gelu_slope(*at)
    found = diagnose(value, function(case.x, scale, cubic), case, 1e-6)
    assert found.key == "gelu-constants"
    assert (f"sqrt(2/pi) is {scale:.6g}" in found.message) == (scale != SCALE)
    assert (f"0.044715 is {cubic:.6g}" in found.message) == (cubic != CUBIC)
