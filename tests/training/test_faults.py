"""Faults from outside: whatever strikes a run, what was finished stays as it is and the run can be resumed."""

import shlex
import shutil
import signal
import time

import numpy as np
import pytest
from fault_injection import CASES, TIMEOUT, leave_free, small_disk
from idx_files import small_set, write_set
from invariants import assert_same, assert_sound, contents, only

from run_mlp import config
from training.flags import parse
from training.metrics import read_metrics
from training.settings import run_name

QUIET = ("--quiet", "--no-plot")
READ_ONLY, OPEN = 0o555, 0o755
FLAGS = ("--max-epoch", 3, *CASES["batches that divide"])


@pytest.fixture(scope="module")
def finished(trainer, tmp_path_factory):
    place = tmp_path_factory.mktemp("finished") / "place"
    assert trainer.run(place, "--quiet", *FLAGS).code == 0
    return place


@pytest.fixture
def place(finished, tmp_path):
    """A place with a finished run and its picture, whose bytes must be the same afterwards."""
    place = shutil.copytree(finished, tmp_path / "place")
    before = contents(place)
    yield place
    assert all(path.read_bytes() == content for path, content in before.items()), "a finished run was damaged"


def assert_resumes(trainer, uninterrupted, folder) -> None:
    """Every file is complete, and resumed without the fault the run is the uninterrupted one."""
    assert_sound(folder)
    resumed = trainer.resume(folder, *QUIET)
    assert (resumed.code, resumed.stderr) == (0, "")
    assert_same(folder, uninterrupted("batches that divide"))


def second_folder(place):
    """The folder of the run that follows the finished one; None if it left none."""
    found = [path for path in (place / "runs").iterdir() if path.name.endswith("-2")]
    return found[0] if found and (found[0] / "config.json").exists() else None


@pytest.mark.parametrize("fault", ["fill", "protect", "delete"])
def test_a_fault_before_an_operation_on_a_file_ends_in_a_sentence_and_the_run_can_be_resumed(
    trainer, uninterrupted, tmp_path, fault
):
    """fill: the disk is full from then on; protect: the folder is read-only; delete: it is deleted."""
    operations = trainer.run(tmp_path / "all", *QUIET, *FLAGS).operations
    codes = []
    for at in range(3, operations + 1, 7):
        try:
            with small_disk(tmp_path / str(at), 8 << 20) as disk:
                ended = trainer.run(
                    disk, *QUIET, *FLAGS, at=at, fault=fault, folder=_target(trainer, disk, fault), obey=True
                )
                leave_free(disk, 4 << 20)
                codes.append(ended.code)
                folders = list((disk / "runs").iterdir()) if (disk / "runs").exists() else []
                if ended.code:
                    assert ended.sentence
                for folder in folders:
                    folder.chmod(OPEN)
                    assert_resumes(trainer, uninterrupted, folder)
        except OSError as error:
            pytest.skip(f"needs a small file system: {error}")
    assert codes.count(1) > len(codes) // 3
    assert set(codes) <= {0, 1, 2}


def _target(trainer, disk, fault):
    settings, _ = parse([str(flag) for flag in (*FLAGS, "--data-dir", trainer.data)], config)
    return disk if fault == "fill" else disk / "runs" / run_name(settings)


def test_a_file_that_may_not_grow_loses_nothing_that_was_complete(trainer, uninterrupted, place):
    for most in (3_000, 9_000, 20_000, 60_000):
        ended = trainer.run(place, *QUIET, *FLAGS, most=most)
        folder = second_folder(place)
        assert ended.code in (0, 1, 2)
        if folder is not None:
            assert_resumes(trainer, uninterrupted, folder)
            shutil.rmtree(folder)


def test_several_runs_of_one_name_at_once_get_a_folder_and_a_picture_each(trainer, uninterrupted, place):
    runs = [trainer.arguments(place, "--quiet", *FLAGS) for _ in range(3)]
    assert [ended.code for ended in trainer.together(runs, place)] == [0] * 3
    assert len(list((place / "runs").iterdir())) == len(list((place / "plots").glob("*.png"))) == 4
    for folder in (place / "runs").iterdir():
        assert_same(folder, uninterrupted("batches that divide"))


def test_of_several_that_resume_one_run_at_once_one_does_and_the_others_say_why_not(trainer, uninterrupted, place):
    trainer.run(place, *QUIET, *FLAGS, at=24)
    folder = second_folder(place)
    resumes = [trainer.arguments(place, *QUIET, "--resume", folder) for _ in range(4)]
    ended = trainer.together(resumes, place)
    assert {each.code for each in ended} <= {0, 2} and 0 in [each.code for each in ended]
    assert all("is being trained by another process" in each.sentence for each in ended if each.code == 2)
    assert_same(folder, uninterrupted("batches that divide"))


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


def test_a_refused_write_names_the_file_and_the_command_that_resumes(trainer, uninterrupted, tmp_path):
    flags = ["--max-epoch", 3, *CASES["batches that divide"]]
    ended = trainer.run(tmp_path, *QUIET, *flags, most=20_000)
    folder = only(tmp_path / "runs")
    assert ended.code == 1
    assert "checkpoint.npz cannot be read or written (File too large)" in ended.sentence
    command = shlex.join(["python", "run_mlp.py", "--resume", str(folder), "--plot-dir", str(tmp_path / "plots")])
    assert f"resume with: {command}" in ended.sentence
    assert_sound(folder)
    assert trainer.resume(folder, *QUIET).code == 0
    assert_same(folder, uninterrupted("batches that divide"))


def test_a_row_that_does_not_fit_leaves_no_half_row(trainer, tmp_path):
    ended = trainer.run(tmp_path, *QUIET, "-b", 1, "--disp-freq", 1, most=3000)
    assert ended.code == 1
    assert "metrics.csv cannot be read or written" in ended.sentence
    metrics = only(tmp_path / "runs") / "metrics.csv"
    assert 2900 < metrics.stat().st_size <= 3000
    assert read_metrics(metrics)[-1].split == "train"


def test_a_picture_that_does_not_fit_loses_no_number_of_the_run(trainer, tmp_path):
    ended = trainer.run(tmp_path, "--quiet", "--max-epoch", 2, most=60_000)
    assert ended.code == 1
    assert "no picture was drawn" in ended.sentence and "curves.py" in ended.sentence
    assert ended.stdout.startswith("test accuracy")
    assert list((tmp_path / "plots").iterdir()) == []
    assert_sound(only(tmp_path / "runs"))
    assert trainer.resume(only(tmp_path / "runs"), "--quiet").code == 0
    assert [path.suffix for path in (tmp_path / "plots").iterdir()] == [".png"]


def test_a_reader_that_goes_away_ends_the_run_with_a_sentence_and_keeps_it(start, tmp_path):
    process = start(tmp_path, "--no-plot", "--max-epoch", 1_000_000)
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(TIMEOUT) == 1
    errors = process.stderr.read()
    process.stderr.close()
    assert "--resume" in errors and errors.count("\n") == 1
    assert_sound(only(tmp_path / "runs"))


# ---- one folder, one process


def test_a_run_that_is_being_trained_is_not_resumed_beside_it_but_after_it(trainer, start, tmp_path):
    with start(tmp_path, *QUIET, "--max-epoch", 1_000_000) as process:
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


# ---- numbers that go wrong


def test_divergence_is_found_at_the_next_point_names_layer_and_rate_and_keeps_the_last_good_epoch(trainer, tmp_path):
    flags = ["-l", "Euclidean", "-lr", 3, "--disp-freq", 1, "-b", 20, "-n", 2]
    ended = trainer.run(tmp_path, *QUIET, *flags, "--max-epoch", 50)
    folder = only(tmp_path / "runs")
    rows = read_metrics(folder / "metrics.csv")
    assert ended.code == 4
    assert [row for row in rows if not np.isfinite(row.loss)] == [rows[-1]]
    assert "fc" in ended.sentence and "learning rate 3 is too high" in ended.sentence
    good = rows[-1].epoch - 1
    assert f"the weights after epoch {good}" in ended.sentence
    assert_sound(folder)


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
    # A loss of 0 has no place on a logarithmic axis.
    how = ["--quiet"] if loss == "Hinge" and kind == "a single class" else QUIET
    ended = trainer.run(tmp_path, *how, "-l", loss, "--data-dir", data, "--max-epoch", 2, "--probe", 0, 2)
    assert ended.code == 0, ended.stderr
    folder = only(tmp_path / "runs")
    assert_sound(folder)
    assert all(np.isfinite(row.loss) for row in read_metrics(folder / "metrics.csv"))


def test_more_memory_than_there_is_is_refused_with_a_sentence(trainer, tmp_path):
    data = write_set(tmp_path / "data", small_set(20, 8, (60, 60)))
    ended = trainer.run(tmp_path, *QUIET, "--hidden", 10**6, "--data-dir", data, memory=2 << 30)
    assert ended.code == 1
    assert "more memory is needed than there is" in ended.sentence
