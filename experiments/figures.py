"""The figures of the report, as data: for each its title and the names of its curves.

A name is {hidden layers}_{activation}_{loss}_{learning rate}_{weight decay}_{batch size}; the rest of a run is as in
run_mlp.config, hidden layers have 100 units. Figure 1 explains a name, on one curve; figure 13 zooms into the pairs
of 11 and 12. Nothing else lives here: what a claim says of these curves is in claims.py.
"""

ACTIVATIONS = ("Sigmoid", "Relu", "Gelu")
LOSSES = ("EuclideanLoss", "SoftmaxCrossEntropyLoss", "HingeLoss")
RATES = (0.0001, 0.001, 0.01, 0.1, 1.0)
DECAYS = (0.0001, 0.001, 0.01, 0.1, 1.0)
BATCHES = (10, 20, 50, 100, 200)
BASE = "0.01_0.0_100"

# figure: (title, names of the curves)
FIGURES = {
    1: ("How to read a curve's name", ["1_Sigmoid_SoftmaxCrossEntropyLoss_0.01_0.0_100"]),
    2: ("No hidden layer, three losses", [f"0_None_{loss}_{BASE}" for loss in LOSSES]),
    3: ("One hidden layer", [f"1_{activation}_{loss}_{BASE}" for activation in ACTIVATIONS for loss in LOSSES]),
    4: ("One hidden layer, Sigmoid, three losses", [f"1_Sigmoid_{loss}_{BASE}" for loss in LOSSES]),
    5: ("One hidden layer, Euclidean, three activations", [f"1_{act}_EuclideanLoss_{BASE}" for act in ACTIVATIONS]),
    6: ("Two hidden layers", [f"2_{activation}_{loss}_{BASE}" for activation in ACTIVATIONS for loss in LOSSES]),
    7: ("Learning rate, one Sigmoid layer, Euclidean", [f"1_Sigmoid_EuclideanLoss_{rate}_0.0_100" for rate in RATES]),
    8: (
        "Learning rate, two Sigmoid layers, softmax",
        [f"2_Sigmoid_SoftmaxCrossEntropyLoss_{rate}_0.0_100" for rate in RATES],
    ),
    9: (
        "Weight decay, two Gelu layers, hinge",
        [f"2_Gelu_HingeLoss_0.01_{decay}_100" for decay in (0.0, *DECAYS)],
    ),
    10: (
        "Weight decay, two Sigmoid layers, softmax, learning rate 1",
        [f"2_Sigmoid_SoftmaxCrossEntropyLoss_1.0_{decay}_100" for decay in (0.0, *DECAYS)],
    ),
    11: ("Batch size, one Sigmoid layer, Euclidean", [f"1_Sigmoid_EuclideanLoss_0.01_0.0_{size}" for size in BATCHES]),
    12: (
        "Batch size, two Sigmoid layers, softmax, learning rate 1",
        [f"2_Sigmoid_SoftmaxCrossEntropyLoss_1.0_0.0_{size}" for size in BATCHES],
    ),
    13: (
        "Train accuracy at the start, batch size 10 against 200",
        [f"1_Sigmoid_EuclideanLoss_0.01_0.0_{size}" for size in (10, 200)]
        + [f"2_Sigmoid_SoftmaxCrossEntropyLoss_1.0_0.0_{size}" for size in (10, 200)],
    ),
}

# The figures that --batch-10 repeats at the printed batch size.
AT_BATCH_10 = range(2, 11)

# Runs without a figure of their own, and the claims they are for.
BESIDE = {
    "the text's weight decay (figures 7, 8)": [
        "1_Sigmoid_EuclideanLoss_0.01_1e-05_100",
        "2_Sigmoid_SoftmaxCrossEntropyLoss_1.0_1e-05_100",
    ],
    "learning rates (claim 21)": [f"2_Sigmoid_EuclideanLoss_{rate}_0.0_100" for rate in RATES],
    "one loss at another's step (claim 19)": [
        "2_Sigmoid_SoftmaxCrossEntropyLoss_0.1_0.0_100",
        "2_Sigmoid_HingeLoss_0.001_0.0_100",
    ],
}

# Learning rates at which the first step is as long as hinge's at 0.01: measured, not written here (claims 4, 19).
EQUAL_FIRST_STEP = [f"{layers}_Sigmoid_{loss}" for layers in (1, 2) for loss in LOSSES if loss != "HingeLoss"]

# Epochs at which every run looks into its layers (claims 13, 18).
PROBE_EPOCHS = (0, 1, 5, 50)
