"""The figures of the report, as data: for each its title and the names of its curves.

A curve is a run without its seed. Its name is {hidden layers}_{activation}_{loss}_{learning rate}_{weight
decay}_{batch size}, then each further setting that is not as in ASSIGNMENT; hidden layers have 100 units. Figure 1
explains a name, on one curve; figure 13 zooms into the pairs of 11 and 12; 14 to 19 are what the original did not try.
What a claim says of these curves is in claims.py.
"""

import itertools
import math
import re

from training.settings import DEFAULTS, SETTINGS, resolve, run_name

ACTIVATIONS = ("Sigmoid", "Relu", "Gelu")
LOSSES = EUCLIDEAN, SOFTMAX, HINGE = ("EuclideanLoss", "SoftmaxCrossEntropyLoss", "HingeLoss")
SHORT_LOSS = {EUCLIDEAN: "Euclidean", SOFTMAX: "softmax", HINGE: "hinge"}
RATES = (0.0001, 0.001, 0.01, 0.1, 1.0)
DECAYS = (0.0001, 0.001, 0.01, 0.1, 1.0)
BATCHES = (10, 20, 50, 100, 200)
BASE = "0.01_0.0_100"
EUCLIDEAN_1, SOFTMAX_2, GELU_2 = f"1_Sigmoid_{EUCLIDEAN}", f"2_Sigmoid_{SOFTMAX}", f"2_Gelu_{HINGE}"

# The report's own settings stay as they are when somebody edits run_mlp.config.
ASSIGNMENT = DEFAULTS | {"threads": 1}

_FURTHER = re.compile(
    "_("
    + "|".join(sorted((key for key, row in SETTINGS.items() if row.named == "changed"), key=len, reverse=True))
    + ")"
)


# ---- names


def complete(settings: dict) -> dict:
    """These settings and, for those that they do not say, the report's. A stored run may be older than a setting."""
    return resolve(ASSIGNMENT, settings)


def settings_of(name: str, seed: int, dry_run: bool = False, **others) -> dict:
    """The settings of a curve's name and a seed, one BLAS thread; for a dry run 2 epochs and fewer images."""
    base, *further = _FURTHER.split(name)
    layers, activation, loss, rate, decay, batch = base.split("_")
    given = {
        "hidden": [100] * int(layers),
        "activation": activation,
        "loss": loss,
        "learning_rate": float(rate),
        "weight_decay": float(decay),
        "batch_size": int(batch),
        "seed": seed,
    }
    given |= {key: _value(text) for key, text in zip(further[::2], further[1::2])}
    if dry_run:
        given |= {"max_epoch": 2} | {key: 100 for key in ("train_images", "validation") if key in given}
    return complete(given | others)


def _value(text: str) -> bool | int | float | str:
    """A setting's value as a name writes it; a setting without one is on."""
    try:
        return int(text) if text.isdigit() else float(text or "no number")
    except ValueError:
        return text or True


def curve_name(settings: dict) -> str:
    """The name of a run without its seed. The number of threads changes no result worth a name."""
    return re.sub(r"_seed\d+", "", run_name(settings | {"threads": "auto"}))


def named(curve: str, rate: float = 0.01, decay: float = 0.0, batch: int = 100, **others) -> str:
    """The full name of {layers}_{activation}_{loss} at these settings."""
    return curve_name(settings_of(f"{curve}_{float(rate)}_{float(decay)}_{batch}", 0, **others))


# ---- the figures of the original: (title, names of the curves)

FIGURES = {
    1: ("How to read a curve's name", [f"1_Sigmoid_SoftmaxCrossEntropyLoss_{BASE}"]),
    2: ("No hidden layer, three losses", [f"0_None_{loss}_{BASE}" for loss in LOSSES]),
    3: ("One hidden layer", [f"1_{activation}_{loss}_{BASE}" for activation in ACTIVATIONS for loss in LOSSES]),
    4: ("One hidden layer, Sigmoid, three losses", [f"1_Sigmoid_{loss}_{BASE}" for loss in LOSSES]),
    5: ("One hidden layer, Euclidean, three activations", [f"1_{act}_EuclideanLoss_{BASE}" for act in ACTIVATIONS]),
    6: ("Two hidden layers", [f"2_{activation}_{loss}_{BASE}" for activation in ACTIVATIONS for loss in LOSSES]),
    7: ("Learning rate, one Sigmoid layer, Euclidean", [f"{EUCLIDEAN_1}_{rate}_0.0_100" for rate in RATES]),
    8: ("Learning rate, two Sigmoid layers, softmax", [f"{SOFTMAX_2}_{rate}_0.0_100" for rate in RATES]),
    9: ("Weight decay, two Gelu layers, hinge", [f"2_Gelu_HingeLoss_0.01_{decay}_100" for decay in (0.0, *DECAYS)]),
    10: (
        "Weight decay, two Sigmoid layers, softmax, learning rate 1",
        [f"{SOFTMAX_2}_1.0_{decay}_100" for decay in (0.0, *DECAYS)],
    ),
    11: ("Batch size, one Sigmoid layer, Euclidean", [f"{EUCLIDEAN_1}_0.01_0.0_{size}" for size in BATCHES]),
    12: (
        "Batch size, two Sigmoid layers, softmax, learning rate 1",
        [f"{SOFTMAX_2}_1.0_0.0_{size}" for size in BATCHES],
    ),
    13: (
        "Train accuracy at the start, batch size 10 against 200",
        [f"{curve}_0.0_{size}" for curve in (f"{EUCLIDEAN_1}_0.01", f"{SOFTMAX_2}_1.0") for size in (10, 200)],
    ),
}

# ---- what the original did not try

MARGINS, MOMENTA, DEPTHS = (0.5, 1.0, 5.0, 20.0), (0.0, 0.5, 0.9, 0.99), (1, 2, 4, 8)
BEST_OF = (0.001, 0.01, 0.1, 1.0)
HELD_OUT = 10_000  # training images on which the best rate is chosen
SMALL_SET = {"train_images": 1000, "max_epoch": 200}
RELU_SOFTMAX = "1_Relu_SoftmaxCrossEntropyLoss"
MOMENTUM_CURVES = (EUCLIDEAN_1, SOFTMAX_2, "2_Relu_SoftmaxCrossEntropyLoss")

# What is tried against the failure of two Sigmoid layers, one at a time. 0.04 and 0.178 take the factor of the sigmoids
# (1/4 a layer) and that of the initial weights (0.01·√100, 0.01·√10) out of δ at the first layer.
REMEDIES = {
    "nothing": {},
    "Xavier weights": {"init": "xavier"},
    "weights N(0, 0.04²)": {"init_std": 0.04},
    "weights N(0, 0.178²)": {"init_std": 0.178},
    "momentum 0.9": {"momentum": 0.9},
    "batch normalisation": {"batch_norm": True},
    "a residual block": {"residual": True},
    "dropout 0.5": {"dropout": 0.5},
    "learning rate × 10": {"rate": 0.1},
}
AGAINST_OVERFITTING = {
    "nothing": {},
    "decay 0.001": {"decay": 0.001},
    "decay 0.01": {"decay": 0.01},
    "dropout 0.2": {"dropout": 0.2},
    "dropout 0.5": {"dropout": 0.5},
    "decay 0.01 and dropout 0.5": {"decay": 0.01, "dropout": 0.5},
}

# figure: panel: line: value: the name of its curve
SWEEPS = {
    14: {
        activation: {
            "the same initial weights": {margin: named(f"1_{activation}_{HINGE}", margin=margin) for margin in MARGINS},
            "initial weights × √(margin / 5)": {
                margin: named(
                    f"1_{activation}_{HINGE}", margin=margin, init_std=float(f"{0.01 * math.sqrt(margin / 5):.4g}")
                )
                for margin in MARGINS
            },
        }
        for activation in ("Relu", "Sigmoid")
    },
    15: {
        curve: {
            "learning rate 0.01": {momentum: named(curve, momentum=momentum) for momentum in MOMENTA},
            "learning rate 0.01 · (1 − m)": {
                momentum: named(curve, float(f"{0.01 * (1 - momentum):.4g}"), momentum=momentum) for momentum in MOMENTA
            },
        }
        for curve in MOMENTUM_CURVES
    },
    16: {
        SHORT_LOSS[loss]: {
            "": {remedy: named(f"2_Sigmoid_{loss}", **settings) for remedy, settings in REMEDIES.items()}
        }
        for loss in (SOFTMAX, EUCLIDEAN)
    },
    17: {
        activation: {
            remedy: {
                depth: named(f"{depth}_{activation}_{SOFTMAX}", **settings)
                for depth in DEPTHS
                if remedy != "residual" or depth > 1
            }
            for remedy, settings in {
                "plain": {},
                "Xavier or He": {"init": init},
                "batch normalisation": {"batch_norm": True},
                "residual": {"residual": True},
            }.items()
        }
        for activation, init in (("Sigmoid", "xavier"), ("Relu", "he"))
    },
    18: {
        "": {
            "": {
                remedy: named(RELU_SOFTMAX, **{"rate": 0.1} | settings | SMALL_SET)
                for remedy, settings in AGAINST_OVERFITTING.items()
            }
        }
    },
    19: {
        f"{layers}_{activation}": {
            loss: {rate: named(f"{layers}_{activation}_{loss}", rate, validation=HELD_OUT) for rate in BEST_OF}
            for loss in LOSSES
        }
        for layers, activation in itertools.product((1, 2), ("Sigmoid", "Relu"))
    },
}
SWEEP_TITLES = {
    14: "Margin of the hinge loss, one hidden layer",
    15: "Momentum, at the same learning rate and at the same step in the long run",
    16: "Two Sigmoid layers at learning rate 0.01: what makes them train",
    17: "Depth, softmax",
    18: "Overfitting on 1,000 training images, one Relu layer, softmax, learning rate 0.1",
    19: "Each loss at its best learning rate",
}
FIGURES |= {
    number: (
        SWEEP_TITLES[number],
        list(dict.fromkeys(name for panel in panels.values() for line in panel.values() for name in line.values())),
    )
    for number, panels in SWEEPS.items()
}

# The figures that --batch-10 repeats at the printed batch size.
AT_BATCH_10 = range(2, 11)

# ---- runs without a figure of their own

# The decay that the text of figures 7 and 8 does not mention, as pairs without
# and with it; learning rates for claim 21; each loss at the other's step for claim 19.
DECAY_PAIRS = [
    (f"{EUCLIDEAN_1}_0.01_0.0_100", f"{EUCLIDEAN_1}_0.01_1e-05_100"),
    (f"{SOFTMAX_2}_1.0_0.0_100", f"{SOFTMAX_2}_1.0_1e-05_100"),
]
EXTRA_RUNS = [
    *(with_decay for _, with_decay in DECAY_PAIRS),
    *(f"2_Sigmoid_EuclideanLoss_{rate}_0.0_100" for rate in RATES),
    f"{SOFTMAX_2}_0.1_0.0_100",
    "2_Sigmoid_HingeLoss_0.001_0.0_100",
]

# At batch 100 alone: the missing halves of the pairs of equal learning rate / batch size, the rates of claim 29.
PAIR_RUNS = [
    named(f"{layers}_{activation}_{loss}", 0.1)
    for layers, activation in ((0, "None"), (1, "Relu"), (1, "Gelu"), (2, "Relu"), (2, "Gelu"))
    for loss in LOSSES
]
RATES_OF_DECAY = [named(f"2_Gelu_{HINGE}", rate) for rate in (0.001, 0.1, 1.0)]

# Trained a second time from weights as the original drew them: one random stream, restarted in every layer.
RESTARTED = named(EUCLIDEAN_1, 1.0)

# Curves that also run at the learning rate at which their first step is as long as hinge's at 0.01 (claims 4, 6, 7,
# 19). That rate is measured (train_runs.equal_gradient_curves), not written here.
EQUAL_GRADIENT = [f"{layers}_Sigmoid_{loss}" for layers in (1, 2) for loss in LOSSES if loss != HINGE]

# Epochs at which every run looks into its layers (claims 13, 18).
PROBE_EPOCHS = (0, 1, 5, 50)

SHORT_NAMES = range(2, 7)  # the figures whose curves are named without rate, decay and batch


def at_batch_10(name: str) -> str:
    """The same curve at batch size 10."""
    return name.rsplit("_", 1)[0] + "_10"


def short_name(name: str) -> str:
    """{layers}_{activation}_{loss} of a curve."""
    return "_".join(name.split("_")[:3])


def in_words(name: str) -> str:
    """The same with spaces and the short names of the losses, such as 2 Sigmoid softmax."""
    return " ".join(SHORT_LOSS.get(part, part) for part in name.split("_")[:3] if part != "None")


def name_in(number: int, name: str) -> str:
    """A curve's name as the report's figure of this number writes it."""
    return short_name(name) if number in SHORT_NAMES else name
