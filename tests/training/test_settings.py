"""Settings: what is refused, in which form the rest comes back, and the name of a run."""

import json
import math

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from run_mlp import config
from training.command import ROOT
from training.flags import parse
from training.settings import DEFAULTS, resolve, run_name, settings_page
from utils import UsageError

ASSIGNMENT = {
    "learning_rate": 1e-2,
    "weight_decay": 0.0,
    "momentum": 0.0,
    "batch_size": 10,
    "max_epoch": 50,
    "disp_freq": 50,
    "test_epoch": 1,
}


def test_the_config_dict_holds_the_values_of_the_assignment():
    assert {key: config[key] for key in ASSIGNMENT} == ASSIGNMENT
    resolved = resolve(config, {})
    assert list(resolved) == list(config)
    assert (resolved["hidden"], resolved["activation"], resolved["loss"]) == ([100], "Relu", "SoftmaxCrossEntropyLoss")


def test_a_flag_beats_the_dict_and_the_dict_beats_nothing_else():
    edited = config | {"learning_rate": 0.5, "batch_size": 7, "hidden": [30]}
    resolved = resolve(edited, parse(["-lr", "0.2"], edited)[0])
    assert (resolved["learning_rate"], resolved["batch_size"], resolved["hidden"]) == (0.2, 7, [30])


@pytest.mark.parametrize("loss", ["EuclideanLoss", "SoftmaxCrossEntropyLoss", "HingeLoss"])
def test_a_loss_goes_by_its_name_in_any_case_with_and_without_loss(loss):
    short = loss.removesuffix("Loss")
    for name in (loss, short, loss.lower(), short.lower(), loss.upper(), short.upper()):
        assert resolve(config, {"loss": name})["loss"] == loss


@pytest.mark.parametrize("activation", ["Relu", "Sigmoid", "Gelu"])
def test_an_activation_goes_by_its_name_in_any_case(activation):
    for name in (activation, activation.lower(), activation.upper()):
        assert resolve(config, {"activation": name})["activation"] == activation


def test_without_hidden_layers_there_is_no_activation():
    assert resolve(config, {"hidden": []})["activation"] == "None"
    assert resolve(config, {"hidden": [], "activation": "None"})["activation"] == "None"
    for wrong in ({"hidden": [], "activation": "Relu"}, {"hidden": [10], "activation": "None"}):
        with pytest.raises(UsageError, match="activation"):
            resolve(config, wrong)


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("learning_rate", [0, 1e-60, -1, math.nan, math.inf, "0.1", None, True, 10**400, [1]]),
        ("weight_decay", [-1e-9, math.nan, math.inf, "0"]),
        ("momentum", [1, 1.0, -0.1, math.nan]),
        ("batch_size", [0, -1, 1.5, 10.0, "10", None, True]),
        ("max_epoch", [0, 2.5]),
        ("disp_freq", [0, None]),
        ("test_epoch", [0, -3]),
        ("hidden", [100, "100", [0], [100, -1], [1.5], [True], None]),
        ("activation", ["Tanh", "", None]),
        ("loss", ["Loss", "", "Euclid", None, 1]),
        ("margin", [0, -1, math.nan]),
        ("init_std", [-0.1, math.nan]),
        ("seed", [-1, 0.5, None]),
        ("threads", [0, -1, 1.5, None, "two"]),
        ("learn_rate", [0.1]),
        ("init", ["glorot", None]),
        ("dropout", [1, -0.1, "0.5"]),
        ("batch_norm", [1, "yes", None]),
        ("residual", [0, "no"]),
        ("schedule", ["step", 1]),
        ("warmup", [1.5, -1]),
        ("train_images", [0, "some", 1.5]),
        ("validation", [-1, 0.1]),
        ("patience", [-1, 0.5]),
    ],
)
def test_a_wrong_value_is_refused_by_name_in_one_sentence(key, values):
    for value in values:
        with pytest.raises(UsageError) as caught:
            resolve(config, {key: value})
        assert str(caught.value).startswith(key), value
        assert "\n" not in str(caught.value)
        assert caught.value.exit_code == 2


def test_numpy_numbers_come_back_as_plain_ones_that_json_can_hold():
    given_ = {
        "learning_rate": np.float32(0.5),
        "batch_size": np.int64(20),
        "hidden": (np.int32(7),),
        "seed": np.uint8(3),
    }
    resolved = resolve(config, given_)
    assert json.loads(json.dumps(resolved)) == resolved
    assert (resolved["learning_rate"], resolved["batch_size"], resolved["hidden"]) == (0.5, 20, [7])


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"hidden": [], "dropout": 0.5}, "dropout is 0.5, but there is no hidden layer"),
        ({"hidden": [], "batch_norm": True}, "batch_norm is True"),
        ({"init": "he", "init_std": 0.1}, "leave init_std out"),
        ({"patience": 3}, "patience needs validation images"),
        ({"warmup": 0.2}, "warmup belongs to schedule one-cycle"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(values, part):
    with pytest.raises(UsageError, match=part):
        resolve(config, values)


def test_config_has_the_defaults_of_the_table():
    assert config == DEFAULTS


# ---- any settings

FOLDER_NAME = st.text("ab2_- .+ä", min_size=1, max_size=6).filter(lambda name: name.strip(".") != "")
POSITIVE = st.floats(1e-9, 1e9)
VALID = {
    "learning_rate": POSITIVE,
    "weight_decay": st.just(0.0) | POSITIVE,
    "momentum": st.floats(0, 1, exclude_max=True),
    "batch_size": st.integers(1, 10**6),
    "max_epoch": st.integers(1, 10**4),
    "disp_freq": st.integers(1, 10**4),
    "test_epoch": st.integers(1, 100),
    "hidden": st.lists(st.sampled_from([1, 2, 10, 100, 101]), min_size=1, max_size=4),
    "activation": st.sampled_from(["Relu", "Sigmoid", "Gelu"]),
    "loss": st.sampled_from(["EuclideanLoss", "SoftmaxCrossEntropyLoss", "HingeLoss"]),
    "margin": POSITIVE,
    "init_std": st.just(0.0) | POSITIVE,
    "seed": st.integers(0, 2**40),
    "data_dir": FOLDER_NAME,
    "threads": st.just("auto") | st.integers(1, 64),
    "init": st.just("normal"),  # another contradicts init_std
    "dropout": st.just(0.0) | st.floats(0, 0.9),
    "batch_norm": st.booleans(),
    "residual": st.booleans(),
    "schedule": st.sampled_from(["constant", "cosine", "one-cycle"]),
    "warmup": st.just(0.1),
    "train_images": st.just("all") | st.integers(1, 50_000),
    "validation": st.integers(1, 9_000),
    "patience": st.just(0),  # another needs validation
}
SETTINGS = st.fixed_dictionaries({}, optional=VALID)
ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.binary(max_size=3),
    st.complex_numbers(),
    st.lists(st.integers() | st.text(max_size=2) | st.floats(), max_size=3),
)


def test_every_setting_is_drawn_here():
    assert set(VALID) == set(config)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(list(config)), ANYTHING, min_size=1, max_size=3))
def test_any_values_are_resolved_or_refused(values):
    try:
        resolved = resolve(config, values)
    except UsageError as error:
        assert "\n" not in str(error)
    else:
        assert json.loads(json.dumps(resolved)) == resolved


@settings(deadline=None)
@given(SETTINGS)
def test_resolved_settings_resolve_to_themselves(values):
    once = resolve(config, values)
    assert resolve(config, once) == once


@settings(max_examples=200, deadline=None)
@given(SETTINGS, SETTINGS)
@example({"hidden": [100, 100]}, {"hidden": [100]})
@example({"hidden": [30, 20]}, {"hidden": [20, 30]})
@example({"data_dir": "a", "threads": 2}, {"data_dir": "a_threads2", "threads": "auto"})
@example({"data_dir": "a b"}, {"data_dir": "a-b"})
def test_different_settings_have_different_names(some, change):
    one, other = resolve(config, some), resolve(config, some | change)
    assume(one != other)
    assert run_name(one) != run_name(other)


@settings(deadline=None)
@given(SETTINGS)
def test_a_name_is_that_of_one_folder_and_says_what_the_report_wants(values):
    resolved = resolve(config, values)
    name = run_name(resolved)
    assert not set(name) & set('/\\:*?"<>| \0')
    keys = ("activation", "loss", "learning_rate", "weight_decay", "batch_size")
    head = "_".join([str(len(resolved["hidden"])), *(str(resolved[key]) for key in keys), f"seed{resolved['seed']}"])
    assert name == head or name.startswith(head + "_")


def test_the_usual_settings_have_the_short_name_of_the_report():
    assert run_name(resolve(config, {})) == "1_Relu_SoftmaxCrossEntropyLoss_0.01_0.0_10_seed0"
    given_ = {"hidden": [100, 100], "activation": "sigmoid", "learning_rate": 1, "batch_size": 200}
    assert run_name(resolve(config, given_)) == "2_Sigmoid_SoftmaxCrossEntropyLoss_1.0_0.0_200_seed0"
    given_ = {"hidden": [], "loss": "euclidean", "seed": 4}
    assert run_name(resolve(config, given_)) == "0_None_EuclideanLoss_0.01_0.0_10_seed4"


def test_the_page_of_settings_is_what_the_table_prints():
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert page == settings_page(), "python -m training.settings > docs/settings.md"


def test_every_setting_has_its_flag(tmp_path):
    given_ = ["--batch-norm", "--residual", "--dropout", "0.5", "--init", "He", "--schedule", "cosine", "-n", "2"]
    resolved, _ = parse([*given_, "--validation", "9", "--patience", "2", "--train-images", "50"], config)
    assert (resolved["batch_norm"], resolved["dropout"], resolved["init"], resolved["train_images"]) == (
        True,
        0.5,
        "he",
        50,
    )
    assert run_name(resolved).endswith(
        "_inithe_dropout0.5_batch_norm_residual_schedulecosine_train_images50_validation9_patience2"
    )


def test_a_switch_can_be_turned_off_again():
    on = config | {"batch_norm": True, "residual": True}
    resolved, _ = parse(["--no-batch-norm", "-n", "2"], on)
    assert (resolved["batch_norm"], resolved["residual"]) == (False, True)
