"""Faults from outside: whatever strikes a run, what was finished stays as it is and the run can be resumed.

The campaigns in their short form (tests/training/torture.py is the long one), and the faults that are met once.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from campaigns import CAMPAIGNS, Lab, carry_out
from faults import CASES, ROOT, TIMEOUT, leave_free, small_disk
from idx_files import small_set, write_set
from torture import MARKERS, PAGE
from wholeness import assert_same, assert_sound, contents, only

from network import Network
from utils import read_metrics, whole_file

QUIET = ("--quiet", "--no-plot")
READ_ONLY, OPEN = 0o555, 0o755


@pytest.fixture(scope="module")
def lab(trainer, tmp_path_factory):
    return Lab(trainer, tmp_path_factory.mktemp("lab"))


@pytest.mark.parametrize("title", CAMPAIGNS)
def test_nothing_is_lost(lab, title):
    try:
        result = carry_out(title, lab, quick=True)
    except OSError as error:
        pytest.skip(f"needs a small file system: {error}")
    assert result.lost == []
    assert result.injected > 0


# ---- what a refusal says


@pytest.mark.parametrize("which", ["runs", "plots"])
def test_a_read_only_output_folder_is_refused_before_training_and_stays_as_it_was(trainer, tmp_path, which):
    for name in ("runs", "plots"):
        (tmp_path / name).mkdir()
    (tmp_path / which).chmod(READ_ONLY)
    ended = trainer.run(tmp_path, obey=True)
    (tmp_path / which).chmod(OPEN)
    assert ended.code == 2
    assert f"{tmp_path / which} cannot be written (Permission denied)" in ended.sentence
    assert [*tmp_path.glob("*/*")] == []


def test_a_read_only_folder_of_a_run_is_not_resumed_and_stays_as_it_was(trainer, tmp_path):
    trainer.run(tmp_path, *QUIET, "--max-epoch", 1)
    folder = only(tmp_path / "runs")
    before = contents(folder)
    folder.chmod(READ_ONLY)
    ended = trainer.resume(folder, *QUIET, "--max-epoch", 2, obey=True)
    folder.chmod(OPEN)
    assert ended.code == 1
    assert "Permission denied" in ended.sentence and str(folder) in ended.sentence
    assert contents(folder) == before


def test_a_full_disk_is_refused_before_training_and_leaves_no_half_run(trainer, tmp_path):
    try:
        with small_disk(tmp_path / "disk", 1 << 20) as disk:
            (disk / "plots").mkdir()
            (disk / "runs").mkdir()
            leave_free(disk, 0)
            ended = trainer.run(disk, *QUIET)
            assert list((disk / "runs").iterdir()) == []
    except OSError as error:
        pytest.skip(str(error))
    assert ended.code == 2
    assert "cannot be written (No space left on device)" in ended.sentence


def test_a_refused_write_names_the_file_and_the_command_that_goes_on(trainer, undisturbed, tmp_path):
    flags = ["--max-epoch", 3, *CASES["batches that divide"]]
    ended = trainer.run(tmp_path, *QUIET, *flags, most=20_000)
    folder = only(tmp_path / "runs")
    assert ended.code == 1
    assert "checkpoint.npz cannot be written (File too large)" in ended.sentence
    command = shlex.join(["python", "run_mlp.py", "--resume", str(folder), "--plot-dir", str(tmp_path / "plots")])
    assert f"{command} goes on" in ended.sentence
    assert_sound(folder)
    assert trainer.resume(folder, *QUIET).code == 0
    assert_same(folder, undisturbed("batches that divide"))


def test_a_row_that_does_not_fit_leaves_no_half_row(trainer, tmp_path):
    ended = trainer.run(tmp_path, *QUIET, "-b", 1, "--disp-freq", 1, most=3000)
    assert ended.code == 1
    assert "metrics.csv cannot be written" in ended.sentence
    metrics = only(tmp_path / "runs") / "metrics.csv"
    assert 2900 < metrics.stat().st_size <= 3000
    assert read_metrics(metrics)[-1].split == "train"


def test_a_picture_that_does_not_fit_loses_no_number_of_the_run(trainer, tmp_path):
    ended = trainer.run(tmp_path, "--quiet", "--max-epoch", 2, most=60_000)
    assert ended.code == 1
    assert ".png" in ended.sentence
    assert ended.stdout.startswith("test accuracy")
    assert list((tmp_path / "plots").iterdir()) == []
    assert_sound(only(tmp_path / "runs"))
    assert trainer.resume(only(tmp_path / "runs"), "--quiet").code == 0
    assert [path.suffix for path in (tmp_path / "plots").iterdir()] == [".png"]


def test_a_reader_that_goes_away_ends_the_run_with_a_sentence_and_keeps_it(small_data, tmp_path):
    where = ["--data-dir", small_data, "--run-dir", tmp_path / "runs", "--no-plot", "--max-epoch", "1000000"]
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "run_mlp.py"), *map(str, where)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(TIMEOUT) == 1
    errors = process.stderr.read()
    process.stderr.close()
    assert "--resume" in errors and errors.count("\n") == 1
    assert_sound(only(tmp_path / "runs"))


# ---- one folder, one process


def test_a_run_that_is_being_trained_is_not_resumed_beside_it_but_after_it(trainer, small_data, tmp_path):
    where = ["--data-dir", small_data, "--run-dir", tmp_path / "runs", *QUIET, "--max-epoch", "1000000"]
    with subprocess.Popen([sys.executable, str(ROOT / "run_mlp.py"), *map(str, where)]) as process:
        try:
            while not list((tmp_path / "runs").glob("*/checkpoint.npz")):
                assert process.poll() is None
                time.sleep(0.01)
            folder = only(tmp_path / "runs")
            ended = trainer.resume(folder, *QUIET)
            assert ended.code == 2
            assert f"{folder} is being trained by another process" in ended.sentence
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    epoch = read_metrics(folder / "metrics.csv")[-1].epoch
    assert trainer.resume(folder, *QUIET, "--max-epoch", epoch + 1).code == 0
    assert_sound(folder)


def test_data_that_cannot_be_read_takes_no_checkpoint_away(trainer, tmp_path):
    trainer.run(tmp_path, *QUIET, "--max-epoch", 1)
    folder = only(tmp_path / "runs")
    before = contents(folder)
    for data in (tmp_path / "nowhere", tmp_path):
        assert trainer.resume(folder, *QUIET, "--max-epoch", 2, "--data-dir", data).code == 3
        assert contents(folder) == before


def test_a_file_under_a_new_name_takes_no_other_ones_place(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    for links in (True, False):
        if not links:  # a file system without them

            def link(*_):
                raise PermissionError

            monkeypatch.setattr(os, "link", link)
            path.unlink()
        with whole_file(path, new=True) as file:
            file.write(b"first")
        with pytest.raises(FileExistsError), whole_file(path, new=True) as file:
            file.write(b"second")
        assert path.read_bytes() == b"first"
        assert list(tmp_path.iterdir()) == [path]


# ---- numbers that go wrong


def test_divergence_is_found_at_the_next_point_names_layer_and_rate_and_keeps_the_last_good_epoch(trainer, tmp_path):
    flags = ["-l", "Euclidean", "-lr", 3, "--disp-freq", 1, "-b", 20, "-n", 2]
    ended = trainer.run(tmp_path, *QUIET, *flags, "--max-epoch", 50)
    folder = only(tmp_path / "runs")
    rows = read_metrics(folder / "metrics.csv")
    assert ended.code == 4
    assert [row for row in rows if not np.isfinite(row.loss)] == [rows[-1]]
    assert "fc" in ended.sentence and "learning rate 3.0" in ended.sentence
    good = rows[-1].epoch - 1
    assert f"the weights after epoch {good}" in ended.sentence
    assert trainer.run(tmp_path / "good", *QUIET, *flags, "--max-epoch", max(good, 1)).code in (0, 4)
    assert np.isfinite(Network.load(folder / "model.npz").params).all()
    if good:
        same = Network.load(only(tmp_path / "good" / "runs") / "model.npz").params
        assert np.array_equal(Network.load(folder / "model.npz").params, same)


@pytest.mark.parametrize("std", ["1e30", "1e37"])
def test_weights_that_are_too_large_from_the_start_are_told_apart_from_a_large_rate(trainer, tmp_path, std):
    ended = trainer.run(tmp_path, *QUIET, "--init-std", std, "-l", "Euclidean")
    assert ended.code == 4
    assert "try a smaller init_std" in ended.sentence
    assert_sound(only(tmp_path / "runs"))


def test_weights_beyond_float32_are_refused_by_name(trainer, tmp_path):
    ended = trainer.run(tmp_path, *QUIET, "--init-std", "1e39")
    assert ended.code == 2
    assert "init_std is 1e+39" in ended.sentence


@pytest.mark.parametrize("loss", ["SoftmaxCrossEntropy", "Hinge", "Euclidean"])
@pytest.mark.parametrize("kind", ["constant images", "a single class", "one sample"])
def test_data_without_information_trains(trainer, tmp_path, kind, loss):
    arrays = small_set(*(1, 1) if kind == "one sample" else (205, 60), classes=range(1 if "class" in kind else 4))
    if kind == "one sample":
        arrays["test_labels"] = arrays["train_labels"]
    if kind == "constant images":
        arrays |= {key: np.full_like(array, 255) for key, array in arrays.items() if key.endswith("images")}
    data = write_set(tmp_path / "data", arrays)
    how = ["--quiet"] if loss == "Hinge" else QUIET  # a loss of 0 has no place on a logarithmic axis
    ended = trainer.run(tmp_path, *how, "-l", loss, "--data-dir", data, "--max-epoch", 2, "--probe", 0, 2)
    assert ended.code == 0, ended.stderr
    folder = only(tmp_path / "runs")
    assert_sound(folder)
    assert all(np.isfinite(row.loss) for row in read_metrics(folder / "metrics.csv"))


def test_more_memory_than_there_is_is_refused_with_a_sentence(trainer, tmp_path):
    ended = trainer.run(tmp_path, *QUIET, "--hidden", 10**14)
    assert ended.code == 1
    assert "more memory is needed than there is" in ended.sentence
    shutil.rmtree(tmp_path / "runs")


# ---- the page that says so


def test_every_test_that_the_page_names_is_there_and_every_campaign_is_in_its_table():
    text = PAGE.read_text(encoding="utf-8")
    table = text.split("| promise |")[1].split(MARKERS[0])[0]
    for part in re.findall(r"`(test_\w+\.py)`:((?:\s*`test_\w+`,?)+)", table):
        names = set(re.findall(r"^def (test_\w+)", next(PAGE.parent.rglob(part[0])).read_text(encoding="utf-8"), re.M))
        assert set(re.findall(r"`(test_\w+)`", part[1])) <= names
    written = text.split(MARKERS[0])[1].split(MARKERS[1])[0]
    assert [title for title in CAMPAIGNS if f"| {title} |" not in written] == []
