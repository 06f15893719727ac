"""The benchmarks measure what they say: the limit's products, the peer without a library, the judge of the bars."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import bars
from benchmarks.bars import MET, MISSED, STRADDLES, UNKNOWN, Results
from benchmarks.cases import CASES, LIMIT, ROOT, Case, settings_of
from benchmarks.limit import LEARNING_RATE, Bare
from benchmarks.ours import GivenOrder, Ours
from benchmarks.peers import Textbook
from load_data import Dataset
from run_mlp import build


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (400, 784), dtype=np.uint8)
    labels = rng.integers(0, 10, 400)
    return Dataset(images, labels, images[:100], labels[:100], list(range(10)), {})


@pytest.mark.parametrize("hidden, batch_size", [((), 7), ((5,), 1), ((5,), 4), ((6, 3), 9)])
def test_the_limit_makes_every_product_of_a_step_and_the_update(hidden, batch_size):
    case = Case(hidden, batch_size, 1)
    bare = Bare(case.widths, batch_size)
    params = bare.params.copy()
    bare.steps(1)
    for x, W, output in bare.forward:
        np.testing.assert_allclose(output, x @ W, rtol=1e-4, atol=1e-4)
    gradients = [(x, grad, out) for x, grad, out in bare.backward if out.base is bare.grads]
    assert [out.shape for _, _, out in gradients] == [(a, b) for a, b in zip(case.widths, case.widths[1:])]
    assert [out.shape for _, _, out in bare.backward if out.base is None] == [(batch_size, width) for width in hidden]
    for x, grad, out in gradients:
        np.testing.assert_allclose(out, LEARNING_RATE * (x @ grad), rtol=1e-3, atol=1e-12)
    assert bare.params.size == case.parameters == build(settings_of(case), 784, 10)[0].params.size
    np.testing.assert_array_equal(bare.params, params - bare.grads)


def test_the_textbook_loop_computes_what_ours_does(data):
    case, order = Case((20, 20), 10, 30), np.random.default_rng(1).permutation(300)
    ours, theirs = Ours(data), Textbook(data)
    for each in (ours, theirs):
        each.prepare(case)
    before = [array.copy() for array in ours.weights()]
    for each in (ours, theirs):
        each.train(order)
    ours.release_threads()
    change = max(abs(a - b).max() for a, b in zip(ours.weights(), before))
    assert change > 1e-4
    for our, their in zip(ours.weights(), theirs.weights()):
        np.testing.assert_allclose(our, their, atol=1e-3 * change)


def test_a_given_order_is_the_one_that_is_trained():
    order = np.array([2, 0, 1])
    assert GivenOrder(order).permutation(3) is order


@pytest.mark.parametrize(
    "values, bound, at_least, verdict",
    [
        ([3.1, 3.2, 2.9], 3.0, True, MET),
        ([2.9, 2.8, 3.1], 3.0, True, STRADDLES),
        ([2.9, 2.8, 2.7], 3.0, True, MISSED),
        ([1.2, 1.1, 1.9], 1.3, False, MET),
        ([1.4, 1.2, 1.9], 1.3, False, STRADDLES),
        ([1.4, 1.5, 1.9], 1.3, False, MISSED),
        ([], 1.3, False, UNKNOWN),
    ],
)
def test_a_bar_is_judged_by_its_median_and_its_best_round(values, bound, at_least, verdict):
    assert bars.judge(values, bound, at_least) == verdict


def test_a_bar_for_several_cases_is_as_good_as_its_worst():
    one, two = (case.name for case in CASES if case.size == "batch 10")
    seconds = {
        1: {one: {"ours": [1.0, 1.0], "torch": [4.0, 4.1], LIMIT: [0.7, 0.7]}, two: {"ours": [1.0], "torch": [2.0]}}
    }
    verdicts = {v.what: v for v in bars.verdicts(Results(seconds, {}, {}, {}, {}, {}, []))}
    assert verdicts["against PyTorch eager, batch 10"].verdict == MISSED
    assert two in verdicts["against PyTorch eager, batch 10"].measured
    assert verdicts["share of the limit, batch 10"].verdict == MET
    assert verdicts["against JAX jit + scan, batch 10"].verdict == UNKNOWN


@pytest.mark.parametrize("command", ["compare.py", "growth.py"])
@pytest.mark.parametrize("wrong", [["--rounds", "0"], ["--rounds", "many"], ["fast"]])
def test_wrong_usage_is_one_sentence(command, wrong):
    process = subprocess.run(
        [sys.executable, Path("benchmarks") / command, *wrong], cwd=ROOT, capture_output=True, text=True
    )
    assert process.returncode == 2
    assert len(process.stderr.splitlines()) == 1 and command in process.stderr
