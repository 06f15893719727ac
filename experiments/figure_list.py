"""The figures of the report, as data: for each its title and the names of its curves.

A curve is a run without its seed. Its name is {hidden layers}_{activation}_{loss}_{learning rate}_{weight
decay}_{batch size}; the rest of a run is as in ASSIGNMENT, hidden layers have 100 units. Figure 1 explains a name, on
one curve; figure 13 zooms into the pairs of 11 and 12. What a claim says of these curves is in claims.py.
"""

import re

from training.settings import DEFAULTS, resolve, run_name

ACTIVATIONS = ("Sigmoid", "Relu", "Gelu")
LOSSES = EUCLIDEAN, SOFTMAX, HINGE = ("EuclideanLoss", "SoftmaxCrossEntropyLoss", "HingeLoss")
SHORT_LOSS = {EUCLIDEAN: "Euclidean", SOFTMAX: "softmax", HINGE: "hinge"}
RATES = (0.0001, 0.001, 0.01, 0.1, 1.0)
DECAYS = (0.0001, 0.001, 0.01, 0.1, 1.0)
BATCHES = (10, 20, 50, 100, 200)
BASE = "0.01_0.0_100"
EUCLIDEAN_1, SOFTMAX_2 = f"1_Sigmoid_{EUCLIDEAN}", f"2_Sigmoid_{SOFTMAX}"

# figure: (title, names of the curves)
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

# The figures that --batch-10 repeats at the printed batch size.
AT_BATCH_10 = range(2, 11)

# Runs without a figure of their own: the decay that the text of figures 7 and 8 does not mention, as pairs without
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

# Curves that also run at the learning rate at which their first step is as long as hinge's at 0.01 (claims 4, 6, 7,
# 19). That rate is measured (train_runs.equal_gradient_curves), not written here.
EQUAL_GRADIENT = [f"{layers}_Sigmoid_{loss}" for layers in (1, 2) for loss in LOSSES if loss != HINGE]

# Epochs at which every run looks into its layers (claims 13, 18).
PROBE_EPOCHS = (0, 1, 5, 50)

# The report's own settings stay as they are when somebody edits run_mlp.config.
ASSIGNMENT = DEFAULTS | {"threads": 1}

SHORT_NAMES = range(2, 7)  # the figures whose curves are named without rate, decay and batch


def complete(settings: dict) -> dict:
    """These settings and, for those that they do not say, the report's. A stored run may be older than a setting."""
    return resolve(ASSIGNMENT, settings)


def settings_of(name: str, seed: int, **others) -> dict:
    """The settings of a curve's name and a seed. One BLAS thread."""
    layers, activation, loss, rate, decay, batch = name.split("_")
    given = {
        "hidden": [100] * int(layers),
        "activation": activation,
        "loss": loss,
        "learning_rate": float(rate),
        "weight_decay": float(decay),
        "batch_size": int(batch),
        "seed": seed,
    }
    return complete(given | others)


def curve_name(settings: dict) -> str:
    """The name of a run without its seed. The number of threads changes no result worth a name."""
    return re.sub(r"_seed\d+", "", run_name(settings | {"threads": "auto"}))


def at_batch_10(name: str) -> str:
    """The same curve at batch size 10."""
    return name.rsplit("_", 1)[0] + "_10"


def name_in(number: int, name: str) -> str:
    """A curve's name as the report's figure of this number writes it."""
    return "_".join(name.split("_")[:3]) if number in SHORT_NAMES else name
