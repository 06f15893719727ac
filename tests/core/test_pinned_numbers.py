"""The numbers of a grid of tiny runs in float64, as they were when the report's runs were made (RESULTS_VERSION).

    python tests/core/test_pinned_numbers.py        prints the table

A failure means that the mathematics has changed: initial weights, order of the samples, a layer, a loss, a step of SGD
or a mean. If that was meant, print the table anew and raise RESULTS_VERSION in experiments/store.py, so that the
report trains its runs again.
"""

import sys
from pathlib import Path

import numpy as np
import pytest

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[folder]) for folder in (1, 2)]

from helpers import make_network

import run_mlp
from load_data import normalise
from solve_net import test_net as evaluate  # pytest would take test_net for a test
from solve_net import train_net
from training.settings import ACTIVATIONS, LOSSES, resolve

SAMPLES, PIXELS, CLASSES, EPOCHS = 53, 30, 4, 3  # batches of 10: the last of an epoch has 3
SETTINGS = {"learning_rate": 0.03, "batch_size": 10, "margin": 0.5, "init_std": 0.4, "seed": 7, "threads": 1}
SETTINGS |= {"max_epoch": EPOCHS, "disp_freq": 4, "test_epoch": 1}
GRID = [(activation, loss, 0.5, 0.02) for activation in ACTIVATIONS for loss in LOSSES]
GRID += [("Sigmoid", loss, 0.0, decay) for loss in LOSSES for decay in (0.0, 0.02)]

# activation, loss, momentum, decay: loss and right answers of 13 in the last window of training, loss and right answers
# of 53 in an evaluation after it, length of the parameters, length of the velocity
PINNED = {
    ("None", "EuclideanLoss", 0.5, 0.02): (1.0263621977, 4, 0.94459651236, 13, 3.8997044411, 1.9272097132),
    ("None", "SoftmaxCrossEntropyLoss", 0.5, 0.02): (1.5862719249, 4, 1.5142591977, 14, 4.1659230423, 1.089106888),
    ("None", "HingeLoss", 0.5, 0.02): (2.006301241, 4, 1.6054484945, 16, 4.0544721283, 3.1819623358),
    ("Relu", "EuclideanLoss", 0.5, 0.02): (0.37288596667, 5, 0.38382007809, 17, 5.9516655857, 0.60378867383),
    ("Relu", "SoftmaxCrossEntropyLoss", 0.5, 0.02): (1.3543926397, 7, 1.3694513723, 19, 5.9525983141, 0.55679058857),
    ("Relu", "HingeLoss", 0.5, 0.02): (1.1378597664, 6, 1.3005682209, 19, 5.960761081, 1.740837191),
    ("Sigmoid", "EuclideanLoss", 0.5, 0.02): (0.37666910571, 5, 0.37529707543, 19, 5.9568564912, 0.56863111282),
    ("Sigmoid", "SoftmaxCrossEntropyLoss", 0.5, 0.02): (1.4209572394, 1, 1.4002985402, 10, 5.9482512352, 0.60529794462),
    ("Sigmoid", "HingeLoss", 0.5, 0.02): (1.3071013468, 6, 1.3516253211, 19, 5.9554677225, 1.926099924),
    ("Gelu", "EuclideanLoss", 0.5, 0.02): (0.38009582237, 6, 0.38747046187, 17, 5.9523338183, 0.59721930466),
    ("Gelu", "SoftmaxCrossEntropyLoss", 0.5, 0.02): (1.3543034468, 6, 1.3688167846, 19, 5.9525493645, 0.5506449027),
    ("Gelu", "HingeLoss", 0.5, 0.02): (1.146547138, 6, 1.2959120301, 19, 5.9606854069, 1.6285943323),
    ("Sigmoid", "EuclideanLoss", 0.0, 0.0): (0.44993374619, 1, 0.42351799061, 10, 6.0734540956, 0),
    ("Sigmoid", "EuclideanLoss", 0.0, 0.02): (0.44986765317, 1, 0.42346305161, 10, 6.0082249916, 0),
    ("Sigmoid", "SoftmaxCrossEntropyLoss", 0.0, 0.0): (1.4638478571, 1, 1.426807081, 10, 6.0718859791, 0),
    ("Sigmoid", "SoftmaxCrossEntropyLoss", 0.0, 0.02): (1.4633912462, 1, 1.4264215739, 10, 6.0066196256, 0),
    ("Sigmoid", "HingeLoss", 0.0, 0.0): (1.4876621806, 1, 1.4267407614, 18, 6.0791026441, 0),
    ("Sigmoid", "HingeLoss", 0.0, 0.02): (1.4885070564, 1, 1.4263225133, 18, 6.0138033134, 0),
}


def tiny_run(activation: str, loss_name: str, momentum: float, decay: float, dtype=np.float64):
    """A network of 30-7-5-4 units (30-4 without activation) after three epochs, and the numbers of its row above."""
    hidden = [] if activation == "None" else [7, 5]
    given = {"hidden": hidden, "activation": activation, "loss": loss_name, "momentum": momentum, "weight_decay": decay}
    settings = resolve(run_mlp.config, SETTINGS | given)
    drawn, loss, order = run_mlp.build(settings, PIXELS, CLASSES)
    rng = np.random.default_rng(1)
    images = normalise(rng.integers(0, 256, (SAMPLES, PIXELS), np.uint8)).astype(dtype)
    labels = rng.integers(0, CLASSES, SAMPLES)
    model = make_network(rng, [PIXELS, *hidden, CLASSES], activation, dtype)
    model.params[:] = drawn.params
    for _ in range(EPOCHS):
        windows = train_net(model, loss, settings, images, labels, settings["batch_size"], settings["disp_freq"], order)
    tested = evaluate(model, loss, images, labels, 20)
    lengths = (float(np.linalg.norm(vector)) for vector in (model.params, model.velocity))
    right = windows[-1].accuracy * 13, tested.accuracy * SAMPLES
    return model, [windows[-1].loss, right[0], tested.loss, right[1], *lengths]


@pytest.mark.parametrize("case", GRID, ids=str)
def test_a_tiny_run_has_the_numbers_that_it_had(case):
    np.testing.assert_allclose(tiny_run(*case)[1], PINNED[case], rtol=1e-9)


@pytest.mark.parametrize("case", GRID, ids=str)
def test_in_float32_it_stays_float32_and_has_them_roughly(case):
    model, found = tiny_run(*case, np.float32)
    assert model.params.dtype == model.velocity.dtype == model.grads.dtype == np.float32
    assert model.forward(np.zeros((2, PIXELS), np.float32)).dtype == np.float32
    np.testing.assert_allclose(found, PINNED[case], rtol=1e-4)


if __name__ == "__main__":
    for case in GRID:
        print(f"    {case}: ({', '.join(f'{number:.11g}' for number in tiny_run(*case)[1])}),")
