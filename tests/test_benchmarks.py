"""The benchmarks measure what they say, and their pages and README say what was measured."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import compare, growth
from benchmarks.cases import LOWER_BOUND, Case, read_rounds, write_rounds
from benchmarks.implementations import NEGLIGIBLE_RATE, GivenOrder, LowerBound, Textbook, ThisProgram, settings_of
from load_data import Dataset
from run_mlp import build
from training.command import ROOT
from utils import FileError

FOLDER = ROOT / "benchmarks"


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (400, 784), dtype=np.uint8)
    labels = rng.integers(0, 10, 400)
    return Dataset(images, labels, images[:100], labels[:100], list(range(10)), {})


@pytest.mark.parametrize("hidden, batch_size", [((), 7), ((5,), 1), ((5,), 4), ((6, 3), 9)])
def test_the_lower_bound_makes_every_product_of_a_step_and_the_update(hidden, batch_size):
    case = Case(hidden, batch_size, 1)
    bound = LowerBound(case)
    params = bound.params.copy()
    bound.steps(1)
    for x, W, output in bound.forward:
        np.testing.assert_allclose(output, x @ W, rtol=1e-4, atol=1e-4)
    gradients = [(x, grad, out) for x, grad, out in bound.backward if out.base is bound.grads]
    assert [out.shape for _, _, out in gradients] == [(a, b) for a, b in zip(case.widths, case.widths[1:])]
    assert [out.shape for _, _, out in bound.backward if out.base is None] == [(batch_size, width) for width in hidden]
    for x, grad, out in gradients:
        np.testing.assert_allclose(out, NEGLIGIBLE_RATE * (x @ grad), rtol=1e-3, atol=1e-12)
    assert bound.params.size == case.parameters == build(settings_of(case), 784, 10)[0].params.size
    np.testing.assert_array_equal(bound.params, params - bound.grads)


def test_the_textbook_loop_computes_what_ours_does(data):
    case, order = Case((20, 20), 10, 30), np.random.default_rng(1).permutation(300)
    ours, theirs = ThisProgram(data), Textbook(data)
    for each in (ours, theirs):
        each.prepare(case)
    before = [array.copy() for array in ours.weights()]
    for each in (ours, theirs):
        each.train(order)
    change = max(abs(a - b).max() for a, b in zip(ours.weights(), before))
    assert change > 1e-4
    for our, their in zip(ours.weights(), theirs.weights()):
        np.testing.assert_allclose(our, their, atol=1e-3 * change)


def test_a_given_order_is_the_one_that_is_trained():
    order = np.array([2, 0, 1])
    assert GivenOrder(order).permutation(3) is order


def test_ratios_are_taken_within_a_round():
    seconds = {"ours": [1.0, 4.0], "torch": [2.0, 4.0], LOWER_BOUND: [0.5, 3.0]}
    assert compare.ratios(seconds, "torch") == [2.0, 1.0]
    assert compare.ratios(seconds, LOWER_BOUND) == [0.5, 0.75]
    assert compare.ratios(seconds, "jax") == []


def test_rounds_are_kept_as_they_were_and_damage_is_named(tmp_path):
    rounds = {"seconds": {"1": {"a, b": {"ours": [1e-05, 0.25]}}}, "left_out": ["no Ω"]}
    write_rounds(tmp_path / "a.json", rounds)
    assert read_rounds(tmp_path / "a.json") == rounds
    (tmp_path / "a.json").write_text("{")
    for name in ("a.json", "none.json"):
        with pytest.raises(FileError, match=name):
            read_rounds(tmp_path / name)


@pytest.mark.parametrize(("module", "page"), [(compare, "RESULTS.md"), (growth, "GROWTH.md")])
def test_a_page_is_what_its_rounds_say(module, page):
    rounds = json.loads((FOLDER / f"{module.__name__.split('.')[1]}.json").read_text(encoding="utf-8"))
    assert (FOLDER / page).read_text(encoding="utf-8") == module.page(rounds)


def test_the_sentence_of_the_readme_is_what_the_rounds_say():
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert compare.in_a_sentence(read_rounds(FOLDER / "compare.json")) in readme


COMMANDS = sorted(path.name for path in FOLDER.glob("*.py") if "run_command(main)" in path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_says_what_it_measures_and_refuses_what_it_does_not_know(command):
    def run(flag):
        words = [sys.executable, Path("benchmarks") / command, flag]
        return subprocess.run(words, cwd=ROOT, capture_output=True, text=True)

    told = run("--help")
    assert told.returncode == 0 and len(told.stdout) > 150
    wrong = run("--fast")
    assert wrong.returncode == 2
    assert len(wrong.stderr.splitlines()) == 1 and command.removesuffix(".py") in wrong.stderr
