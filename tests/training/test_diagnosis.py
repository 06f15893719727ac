"""Why a run did not train: each cause provoked on real images, and its advice tried; healthy runs get no sentence."""

import re
import subprocess
import sys

import numpy as np
import pytest
from fault_injection import ROOT, TIMEOUT

import run_mlp
from load_data import Dataset, first_images, load_dataset
from training.diagnosis import SLOW, Evidence, causes, diagnose, why_diverged
from training.flags import parse
from training.metrics import RowList
from utils import Diverged


@pytest.fixture(scope="module")
def mnist():
    return first_images(load_dataset(ROOT / "data"), 2000, 1000)


def trained(flags: str, data: Dataset):
    """A run with these flags: its settings, rows, network, loss, and whether it diverged."""
    settings, _ = parse(flags.split(), run_mlp.config)
    model, loss, rng = run_mlp.build(settings, data.train_images.shape[1], len(data.classes))
    log = RowList(None, lambda epoch: None)
    try:
        run_mlp.fit(model, loss, rng, settings, data, log)
    except Diverged:
        return settings, log.rows, model, loss, True
    return settings, log.rows, model, loss, False


def outcome(flags: str, data: Dataset) -> tuple[float, str | None]:
    """Its final test accuracy and the sentence, if there is one."""
    settings, rows, model, loss, diverged = trained(flags, data)
    sentence = why_diverged(settings, rows[-1].epoch) if diverged else diagnose(settings, rows, model, loss, data)
    return [row.accuracy for row in rows if row.split == "test"][-1], sentence


# flags, of 5 epochs of 2,000 images unless they say another number; parts of the sentence; the advice, which is tried
START = r"δ at fc1 is 1/5,\d{3} of that at fc3 \(at the start 1/316 by the initial weights · 1/16 by the slopes of"
CASES = [
    ("-n 2 -a Sigmoid -b 100 --max-epoch 20", START, "--batch-norm"),
    ("-n 4", r"of that at fc5 \(at the start 1/31,623 by the initial weights · 1/\d by the", "--init he"),
    ("-n 20 -a Gelu --init he -lr 0.02 -b 50 --max-epoch 7", r"by the slopes of Gelu\)", "--batch-norm"),
    ("-lr 1", r"\d+% of the units of act1 are dead, .* on each of 1,000 images", "-lr 0.01"),
    ("-lr 3 -a Sigmoid", "100% of the units of act1 are saturated", "-lr 0.1"),
    ("-lr 1e-6", "no layer's weights by more than 3e-07 of their length", "-lr 0.01"),
    ("-lr 10", r"the loss rose from 2.3 to \d+.\d in epoch 1 at learning rate 10", "-lr 0.01"),
    ("-l Hinge -lr 0.1", "are dead", "-lr 0.01"),
    ("-l Euclidean -lr 1", "are dead", "-lr 0.01"),
    ("-lr 4 --batch-norm", r"the loss rose from 2.3\d* to 2.\d+ in epoch \d at learning rate 4", "-lr 0.01"),
    ("-lr 5 --batch-norm -a Gelu", r"the weights of fc1 are \d+ times as long as at the start", "-lr 0.01"),
    ("-w 1", "weight decay 1 has shrunk the weights of fc1 to 0.0% of their length", "-w 0.0001"),
    ("--momentum 0.99", "a momentum of 0.99 sums up 100 steps, the weights of fc1", "--momentum 0"),
    ("--init-std 0", "weights of standard deviation 0 leave the units of a layer alike", "--init he"),
    ("--init-std 1e-6", "weights of standard deviation 1e-06 leave the units of a layer alike", "--init he"),
    (
        "--init-std 10 -a Sigmoid -lr 0.1",
        r"10 saturate act1, its mean slope is 0.00\d* of 0.25",
        "--init xavier",
    ),
    ("--init-std 1000 -lr 0.001", r"of standard deviation 1000 give a loss of \S+ before training", "--init he"),
    ("--hidden 2", "a hidden layer of width 2 is narrow for 10 classes", "--hidden 100"),
    ("--dropout 0.99", "dropout 0.99 leaves 1 of 100 units", "--dropout 0.5"),
    ("-b 2000", "in 5 steps the loss went from 2.3 to 2.3", "-b 10"),
    (
        "--train-images 20 -lr 0.1 --max-epoch 50 --test-epoch 50",
        "20 .* is 100%, it overfits",
        "--train-images all",
    ),
    ("--max-epoch 1", "in 200 steps the loss went from 2.3 to 2.29", "--max-epoch 10"),
    ("-lr 0.0005 -b 1 --train-images 1000 --max-epoch 6", "no unit or gradient tells", "-lr 0.005"),
    ("-n 0 -l Euclidean -lr 0.006 --momentum 0.999", "of 0.999 sums up 1,000 steps", "--momentum 0"),
    # these diverge
    (
        "-n 0 -l Euclidean -lr 0.01 --momentum 0.999 --max-epoch 12",
        "^a momentum of 0.999 sums up 1,000 steps",
        "--momentum 0",
    ),
    ("-l Euclidean -lr 1e6", "learning rate 1e.06 is too high", "-lr 0.01"),
    ("-w 1000", "learning rate · weight decay is 10", "-w 0.0001"),
    ("-l Euclidean --init-std 1e30", "init_std is 1e.30", "--init he"),
    ("--init-std 10 -a Gelu -n 3", "init_std is 10", "--init he"),
    ("-l Hinge --margin 1e38", "the margin 1e.38 is too large", "--margin 5"),
]


@pytest.mark.parametrize(("flags", "part", "advice"), CASES, ids=[case[0] for case in CASES])
def test_each_cause_has_its_sentence_and_what_it_says_to_try_trains(mnist, flags, part, advice):
    flags = flags if "--max-epoch" in flags else f"{flags} --max-epoch 5"
    before, sentence = outcome(flags, mnist)
    assert before < 0.5 and sentence, before
    assert re.search(part, sentence), sentence
    assert sentence.endswith(f": try {advice}") and "\n" not in sentence
    if "--init" in advice:  # which sets the standard deviation itself
        flags = re.sub(r"--init-std \S+", "", flags)
    after, again = outcome(f"{flags} {advice}", mnist)
    assert after > 0.5 and again is None, (after, again)


def by_label(data: Dataset, part: str = "train") -> Dataset:
    images, labels = (getattr(data, f"{part}_{kind}") for kind in ("images", "labels"))
    order = np.argsort(labels, kind="stable")
    return data._replace(**{f"{part}_images": images[order], f"{part}_labels": labels[order]})


def thresholded(data: Dataset, high: int) -> Dataset:
    images = {key: getattr(data, key) for key in ("train_images", "test_images")}
    return data._replace(**{key: np.where(each > 127, high, 0).astype(np.uint8) for key, each in images.items()})


def shuffled(data: Dataset, key: str) -> Dataset:
    return data._replace(**{key: np.random.default_rng(0).permutation(getattr(data, key))})


def noisy(labels: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(len(labels))
    return np.where(rng.random(len(labels)) < 0.65, rng.integers(0, 10, len(labels)), labels)


def as_it_is(data: Dataset) -> Dataset:
    return data


SHUFFLED = r"labels look shuffled, the nearest of 1,000 training images .* in \d+\.\d% of cases, as by chance: check"
# what is wrong, flags, the sentence, what is right, flags that train on it
BAD_DATA = {
    "training labels shuffled": (lambda data: shuffled(data, "train_labels"), "", SHUFFLED, as_it_is, ""),
    "test labels shuffled": (lambda data: shuffled(data, "test_labels"), "", "the labels look shuffled", as_it_is, ""),
    "another kind of test images": (
        *(lambda data: data._replace(test_images=255 - data.test_images), "-lr 0.05"),
        r"on the 2,000 training images its accuracy is \d\d%, it overfits or the test images differ",
        *(as_it_is, "-lr 0.05"),
    ),
    "noisy labels": (
        lambda data: data._replace(train_labels=noisy(data.train_labels), test_labels=noisy(data.test_labels)),
        *("-lr 0.05", r"nearest training image is right in only \d\d\.\d% of cases, the images may not show"),
        *(as_it_is, "-lr 0.05"),
    ),
    "pixels from 0 to 1": (
        *(lambda data: thresholded(data, 1), "", "pixels run from 0 to 1: try images that use 0 to 255"),
        *(lambda data: thresholded(data, 255), ""),
    ),
    "one class": (
        *(by_label, "--max-epoch 20 --train-images 150"),
        "calls 100% of the images 0, as 100% of the 150 training labels are",
        *(by_label, "--max-epoch 20"),
    ),
}


@pytest.mark.parametrize("case", BAD_DATA)
def test_data_that_cannot_be_learned_is_named_and_with_better_data_it_trains(mnist, case):
    spoil, flags, part, repair, better = BAD_DATA[case]
    before, sentence = outcome(f"--max-epoch 5 {flags}", spoil(mnist))
    assert before < 0.5 and re.search(part, sentence), (before, sentence)
    after, again = outcome(f"--max-epoch 5 {better}", repair(mnist))
    assert after > 0.5 and again is None


def test_a_linear_network_on_what_is_not_linear_is_told_to_take_a_hidden_layer():
    rng = np.random.default_rng(0)
    places = rng.integers(0, 2, (1500, 2))  # exclusive or, each bit in eight pixels
    images = (np.repeat(places, 8, axis=1) * 200 + rng.integers(0, 55, (1500, 16))).astype(np.uint8)
    labels = places.sum(axis=1) % 2
    data = Dataset(images[:1000], labels[:1000], images[1000:], labels[1000:], [0, 1], {})
    before, sentence = outcome("-n 0 -lr 0.1 --max-epoch 20", data)
    assert before < 0.8 and sentence.endswith("right in 100.0% of cases: try -n 1")
    after, again = outcome("-n 1 -lr 0.1 --max-epoch 20", data)
    assert after > 0.99 and again is None


@pytest.mark.parametrize("sort", [by_label, lambda data: by_label(by_label(data), "test")])
def test_data_in_the_order_of_its_labels_is_not_taken_for_shuffled(sort):
    data = sort(first_images(load_dataset(ROOT / "data"), 12000, 3000))
    assert "a step changes no layer's weights" in outcome("-lr 1e-6 -b 100 --max-epoch 1", data)[1]


def test_one_or_two_training_images_do_not_show_that_labels_are_shuffled(mnist):
    for flags in ("--train-images 2 --max-epoch 20", "--train-images 1 -lr 1e-6 --max-epoch 1"):
        assert "shuffled" not in outcome(flags, mnist)[1]


def is_it_a_7(data: Dataset) -> Dataset:
    return data._replace(
        train_labels=(data.train_labels == 7).astype(int),
        test_labels=(data.test_labels == 7).astype(int),
        classes=[0, 1],
    )


def test_no_test_set_is_so_small_or_so_uneven_that_every_answer_right_is_chance(mnist):
    three = mnist._replace(test_images=mnist.test_images[:3], test_labels=mnist.test_labels[:3])
    few = is_it_a_7(mnist)._replace(
        test_images=mnist.test_images[:30], test_labels=(mnist.test_labels[:30] == 7).astype(int)
    )
    for data in (three, few):
        settings, rows, model, loss, _ = trained("-lr 0.05 --max-epoch 5", data)
        right = [row._replace(accuracy=1.0) for row in rows]
        assert diagnose(settings, right, model, loss, data) is None


def test_a_network_that_names_the_class_of_nearly_all_images_is_not_told_to_find_others(mnist):
    rare = is_it_a_7(mnist)
    keep = np.flatnonzero((rare.train_labels == 0) | (np.arange(2000) % 4 == 0))
    rare = rare._replace(train_images=rare.train_images[keep], train_labels=rare.train_labels[keep])
    assert rare.train_labels.mean() < 0.05
    reached, sentence = outcome("-lr 3 --max-epoch 3", rare)
    assert reached > 0.85 and "are dead" in sentence


def test_a_run_that_has_converged_is_not_called_slow(mnist):
    settings, rows, model, loss, _ = trained("--train-images 50 --max-epoch 1000 -lr 0.1 -b 50 --test-epoch 500", mnist)
    evidence = Evidence(settings, rows, model, loss, mnist)
    assert evidence.step < SLOW and not any("a step changes" in cause for cause in causes(evidence))


@pytest.mark.parametrize(
    "flags",
    [
        "-n 0 --init-std 0 -lr 1e-9",  # weights from 0 have not grown
        "-n 0 --init-std 0 -lr 1e-9 --momentum 0.99",
        "--init-std 1.5e-4 --momentum 0.97 --train-images 1000",  # nor did small ones by the momentum
        "-n 0 --train-images 100",  # still learns: needs no hidden layer yet
    ],
)
def test_a_run_of_few_steps_is_told_no_more_than_that(mnist, flags):
    assert "so few say little" in outcome(f"{flags} --max-epoch 1", mnist)[1]


HEALTHY = [
    "-lr 0.05",
    "-lr 0.1 -a Sigmoid",
    "-a Gelu --momentum 0.9",
    "-l Euclidean -lr 0.05",
    "-l Hinge -n 2 --init he -lr 0.003",
    "-n 8 --init he",
    "-n 2 --dropout 0.3 --momentum 0.9",
    "-n 2 -a Sigmoid --batch-norm -lr 0.05",
    "-n 3 --residual --init he --schedule one-cycle -lr 0.03",
    "-n 0 -b 20 -lr 0.02 --schedule cosine",
    "-n 1 -w 0.001 -lr 0.05 --validation 500 --patience 2 --disp-freq 1",
]


@pytest.mark.parametrize("flags", HEALTHY)
def test_a_healthy_run_gets_no_sentence_and_shows_the_evidence_of_no_cause(mnist, flags):
    settings, rows, model, loss, diverged = trained(f"{flags} --max-epoch 5", mnist)
    assert not diverged and [row.accuracy for row in rows if row.split == "test"][-1] > 0.7
    assert diagnose(settings, rows, model, loss, mnist) is None
    evidence = Evidence(settings, rows, model, loss, mnist)
    *shown, _ = causes(evidence)  # the last one always has something to say
    assert not shown or (flags.startswith("-n 0") and len(shown) == 1 and "it is linear in the pixels" in shown[0])


def test_a_diagnosis_changes_no_weight_no_state_and_no_random_stream(mnist):
    settings, rows, model, loss, _ = trained("--dropout 0.5 --batch-norm -lr 1e-6 --max-epoch 1", mnist)
    masks = model.layers[3].rng

    def everything():
        return model.params.tobytes(), model.state.tobytes(), model.velocity.tobytes(), str(masks.bit_generator.state)

    before = everything()
    assert diagnose(settings, rows, model, loss, mnist)
    assert everything() == before


def test_the_kept_weights_of_patience_are_judged_not_the_last_epochs(mnist):
    settings, rows, model, loss, _ = trained("-lr 0.1 --max-epoch 3 --validation 500 --patience 2", mnist)
    worse = [row._replace(accuracy=0.1, loss=row.loss + row.epoch) if row.epoch else row for row in rows]
    best = [row._replace(accuracy=0.9, loss=0.0) if row.epoch == 1 else row for row in worse]
    assert diagnose(settings, worse, model, loss, mnist) and diagnose(settings, best, model, loss, mnist) is None


def test_the_sentence_is_the_last_line_on_stderr_of_a_run_that_ended_and_a_dry_run_gets_none(small_data, tmp_path):
    where = ["--no-plot", "--max-epoch", "1", "--data-dir", small_data, "--run-dir", tmp_path / "runs"]
    for extra, lines in (["--quiet"], 1), (["--dry-run"], 0):
        command = [sys.executable, ROOT / "run_mlp.py", *where, *extra]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=TIMEOUT)
        assert done.returncode == 0 and done.stderr.count("\n") == lines, done.stderr
        assert "test accuracy" in done.stdout and "it ended" not in done.stdout
        assert not lines or re.match(r"run_mlp\.py: it ended at [\d.]+% on the test set: .*: try ", done.stderr)
