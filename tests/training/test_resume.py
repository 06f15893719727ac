"""A run that was stopped and resumed is the run that was not stopped: weights, momentum, shuffle and curves."""

import random
import shutil

import numpy as np
import pytest
from fault_injection import CASES, MAY_GO_FURTHER
from idx_files import small_set, write_set
from invariants import assert_complete_picture, assert_same, assert_sound, contents, only

from network import Network
from training.checkpoint import load_checkpoint
from training.metrics import read_metrics
from training.settings import read_config

QUIET = ("--quiet", "--no-plot")


def probes(case: str) -> list[str]:
    """What a resumed run must be told again."""
    flags = CASES[case]
    return flags[flags.index("--probe") :] if "--probe" in flags else []


@pytest.fixture
def run_of(trainer, tmp_path):
    """A fresh run in a folder of its own."""

    def run(*flags, **fault):
        ended = trainer.run(tmp_path, *QUIET, *flags, **fault)
        return only(tmp_path / "runs"), ended

    return run


# ---- kills


@pytest.mark.parametrize("case", CASES)
def test_killed_before_an_operation_on_a_file_and_resumed_a_run_is_the_uninterrupted_one(
    trainer, uninterrupted, tmp_path, case
):
    flags = [*QUIET, "--max-epoch", 3, *CASES[case]]
    operations = trainer.run(tmp_path / "all", *flags).operations
    assert operations > 20  # each epoch opens, flushes and renames
    begun = 0
    for at in range(2, operations + 1, 3):
        place = tmp_path / str(at)
        assert trainer.run(place, *flags, at=at).code == -9
        if not list(place.glob("runs/*/config.json")):
            continue  # killed before there was a run
        begun += 1
        folder = only(place / "runs")
        assert_sound(folder)
        resumed = trainer.resume(folder, *QUIET, *probes(case))
        assert (resumed.code, resumed.stderr) == (0, "")
        assert_same(folder, uninterrupted(case))
        assert [path.name for path in folder.iterdir() if path.name.endswith(".part")] == []
    assert begun > operations // 5


@pytest.mark.parametrize("case", CASES)
def test_killed_at_random_moments_again_and_again_a_run_still_ends_as_the_uninterrupted_one(
    trainer, uninterrupted, run_of, case
):
    rng = random.Random(0)
    whole = uninterrupted(case, 25)
    flags = [*QUIET, *probes(case)]
    folder, ended = run_of("--max-epoch", 25, *CASES[case], kill_after=0.05)
    for _ in range(100):
        assert_sound(folder)
        if ended.code == 0:
            break
        ended = trainer.resume(folder, *flags, kill_after=rng.uniform(0.05, 0.3))
    assert trainer.resume(folder, *flags).code == 0
    assert_same(folder, whole)


def test_a_kill_while_the_picture_is_drawn_leaves_none_or_a_whole_one(trainer, uninterrupted, tmp_path):
    flags = ["--quiet", "--max-epoch", 3, *CASES["batches that divide"]]
    operations = trainer.run(tmp_path / "all", *flags).operations
    without = trainer.run(tmp_path / "none", *flags, "--no-plot").operations
    assert operations > without
    for at in range(without + 2, operations + 1, 4):
        place = tmp_path / str(at)
        trainer.run(place, *flags, at=at)
        folder = only(place / "runs")
        for picture in place.glob("plots/*.png"):
            assert_complete_picture(picture)
        assert trainer.resume(folder, "--quiet").code == 0
        assert_same(folder, uninterrupted("batches that divide"))
        pictures = [path for path in (place / "plots").iterdir() if not path.name.startswith(".")]
        assert [path.name for path in pictures] == [f"{folder.name}.png"]
        assert_complete_picture(pictures[0])


# ---- what a resumed run does


@pytest.mark.parametrize("case", MAY_GO_FURTHER)
def test_a_raised_max_epoch_goes_on_as_if_it_had_been_meant_from_the_start(trainer, uninterrupted, run_of, case):
    # Three epochs, of which every second is evaluated: the evaluation after the third was only that of the end.
    folder, ended = run_of("--max-epoch", 3, *CASES[case])
    assert ended.code == 0
    assert trainer.resume(folder, *QUIET, "--max-epoch", 5, *probes(case)).code == 0
    renamed = shutil.copytree(uninterrupted(case, 5), folder.with_name("five"))
    assert_same(folder, renamed)


def test_a_finished_run_resumed_changes_nothing_but_the_picture_it_lacked(trainer, uninterrupted, run_of):
    folder, _ = run_of("--max-epoch", 3, *CASES["batches that divide"])
    before = contents(folder)
    ended = trainer.resume(folder)
    assert ended.code == 0
    changed = [path for path, content in contents(folder).items() if before[path] != content]
    assert [path.name for path in changed] == ["config.json"]  # it says which picture is the run's own
    assert_complete_picture(folder.parent.parent / "plots" / f"{folder.name}.png")


def test_a_resumed_run_draws_over_its_own_picture_and_over_no_other(trainer, run_of):
    folder, _ = run_of("--max-epoch", 2)
    plots = folder.parent.parent / "plots"
    plots.mkdir()
    (plots / f"{folder.name}.png").write_bytes(b"of another run, which had the same name elsewhere")
    for epochs in (3, 4):
        assert trainer.resume(folder, "--max-epoch", epochs).code == 0
        assert (plots / f"{folder.name}.png").read_bytes() == b"of another run, which had the same name elsewhere"
        assert {path.name for path in plots.iterdir()} == {f"{folder.name}.png", f"{folder.name}-2.png"}


def test_after_a_kill_rows_behind_the_checkpoint_and_half_written_files_are_cleared_away(
    trainer, uninterrupted, run_of
):
    folder, ended = run_of("--max-epoch", 3, *CASES["batches that divide"], at=18)
    assert ended.code == -9
    (folder / ".checkpoint.npz.99.part").write_bytes(b"half")
    (folder / "metrics.csv").write_text((folder / "metrics.csv").read_text() + "train,2,99,0.5,0.5,9.0\n")
    assert trainer.resume(folder, *QUIET).code == 0
    assert_same(folder, uninterrupted("batches that divide"))
    assert {path.name for path in folder.iterdir()} == {"checkpoint.npz", "config.json", "metrics.csv", "model.npz"}


def test_diverged_and_resumed_it_diverges_again_and_says_so(trainer, run_of):
    folder, ended = run_of("-l", "Euclidean", "-lr", 3, "--max-epoch", 9)
    last = read_metrics(folder / "metrics.csv")[-1].epoch
    assert ended.code == 4 and last > 1  # or nothing would be resumed
    good = load_checkpoint(folder / "checkpoint.npz")
    assert f"the weights after epoch {good.epoch}" in ended.sentence
    np.testing.assert_array_equal(Network.load(folder / "model.npz").params, good.params)
    before = contents(folder)
    again = trainer.resume(folder, *QUIET)
    assert (again.code, again.sentence) == (4, ended.sentence)
    assert_sound(folder)
    assert contents(folder).keys() == before.keys()
    assert contents(folder)[folder / "model.npz"] == before[folder / "model.npz"]


# ---- what is refused

CHANGED = {
    "learning_rate": ["-lr", 0.02],
    "weight_decay": ["-w", 0.5],
    "momentum": ["--momentum", 0.1],
    "batch_size": ["-b", 11],
    "disp_freq": ["--disp-freq", 7],
    "test_epoch": ["--test-epoch", 2],
    "hidden": ["--hidden", 20],
    "activation": ["-a", "Gelu"],
    "loss": ["-l", "Hinge"],
    "margin": ["--margin", 2],
    "init_std": ["--init-std", 0.1],
    "seed": ["--seed", 5],
    "threads": ["--threads", 3],
    "dropout": ["--dropout", 0.5],
    "batch_norm": ["--batch-norm"],
    "schedule": ["--schedule", "cosine"],
    "validation": ["--validation", 9],
}


@pytest.fixture(scope="module")
def done(trainer, tmp_path_factory):
    place = tmp_path_factory.mktemp("done")
    assert trainer.run(place, *QUIET, "--max-epoch", 2).code == 0
    return only(place / "runs")


@pytest.mark.parametrize("key", CHANGED)
def test_a_setting_that_contradicts_the_run_is_refused_by_name(trainer, done, key):
    before = contents(done)
    ended = trainer.resume(done, *QUIET, "--max-epoch", 5, *CHANGED[key])
    assert ended.code == 2
    assert ended.sentence.startswith(f"run_mlp.py: {key} is ")
    assert str(done) in ended.sentence
    assert contents(done) == before


def test_fewer_epochs_than_are_done_are_refused(trainer, done):
    ended = trainer.resume(done, *QUIET, "--max-epoch", 1)
    assert ended.code == 2
    assert "max_epoch is 1" in ended.sentence


def test_an_epoch_that_was_passed_without_an_evaluation_cannot_become_the_last(trainer, run_of):
    folder, _ = run_of("--test-epoch", 5, "--max-epoch", 6, at=30)
    epoch = load_checkpoint(folder / "checkpoint.npz").epoch
    assert 1 <= epoch < 5
    assert "give more" in trainer.resume(folder, *QUIET, "--max-epoch", epoch).sentence
    assert trainer.resume(folder, *QUIET, "--max-epoch", epoch + 1).code == 0
    assert read_metrics(folder / "metrics.csv")[-1].split == "test"


def test_other_data_is_refused_and_the_same_data_elsewhere_is_taken(trainer, done, small_data, tmp_path):
    other = write_set(tmp_path / "other", small_set(train=206))
    moved = shutil.copytree(small_data, tmp_path / "moved")
    folder = shutil.copytree(done, tmp_path / "runs" / "copy")
    before = contents(folder)
    for data, code in ((other, 3), (moved, 0)):
        ended = trainer.resume(folder, *QUIET, "--max-epoch", 3, "--data-dir", data)
        assert ended.code == code, ended.stderr
        if code == 3:
            assert "does not hold the data" in ended.sentence
            assert contents(folder) == before
    assert read_metrics(folder / "metrics.csv")[-1].epoch == 3


def test_a_dry_run_that_was_stopped_is_not_resumed_with_the_whole_data(trainer, small_data, tmp_path):
    big = write_set(tmp_path / "big", small_set(train=600, test=300))
    trainer.run(tmp_path, "--dry-run", *QUIET, "--data-dir", big, at=12)
    folder = only(tmp_path / "runs")
    assert not (folder / "checkpoint.npz").exists()
    ended = trainer.resume(folder, *QUIET)
    assert ended.code == 3
    assert "dry run" in ended.sentence


@pytest.mark.parametrize("epochs", [1, 2])
def test_a_finished_run_without_a_checkpoint_is_not_trained_again(trainer, run_of, epochs):
    folder, _ = run_of("--max-epoch", epochs)
    (folder / "checkpoint.npz").unlink()
    if epochs == 2:
        (folder / "model.npz").unlink()
    before = contents(folder)
    ended = trainer.resume(folder, *QUIET)
    assert ended.code == 3 and "has no checkpoint.npz" in ended.sentence
    assert contents(folder) == before


# ---- a resumed run that is stopped again


def test_a_raised_max_epoch_is_kept_by_a_resume_that_is_killed(trainer, uninterrupted, tmp_path):
    case = "batches that do not"  # of three epochs every second is evaluated, and the last
    assert trainer.run(tmp_path / "done", *QUIET, "--max-epoch", 3, *CASES[case]).code == 0
    shutil.copytree(tmp_path / "done", tmp_path / "all")
    raised = [*QUIET, "--max-epoch", 5, *probes(case)]
    operations = trainer.resume(only(tmp_path / "all" / "runs"), *raised).operations
    five = shutil.copytree(uninterrupted(case, 5), tmp_path / "five")
    kept = 0
    for at in range(1, operations, 3):
        shutil.copytree(tmp_path / "done", tmp_path / str(at))
        folder = only(tmp_path / str(at) / "runs")
        assert trainer.resume(folder, *raised, at=at).code == -9
        kept += read_config(folder / "config.json")["max_epoch"] == 5
        assert trainer.resume(folder, *raised).code == 0
        assert_same(folder, five)
    assert kept > 0


def test_what_is_not_ours_is_not_cleared_away(trainer, run_of, tmp_path):
    folder, _ = run_of("--max-epoch", 1)
    (folder / ".movie.mkv.1.part").write_bytes(b"somebody's")
    (folder / ".metrics.csv.1.part").write_bytes(b"ours")
    strange = tmp_path / "not a run"
    strange.mkdir()
    (strange / ".metrics.csv.1.part").write_bytes(b"who knows whose")
    assert trainer.resume(folder, *QUIET, "--max-epoch", 2).code == 0
    assert trainer.resume(strange, *QUIET).code == 3
    assert [path.name for path in folder.glob(".*.part")] == [".movie.mkv.1.part"]
    assert [path.name for path in strange.iterdir()] == [".metrics.csv.1.part"]


def test_epochs_behind_a_resumed_run_cannot_be_looked_at_and_that_is_said(trainer, run_of):
    folder, _ = run_of("--max-epoch", 2, "--probe", 0)
    ended = trainer.resume(folder, *QUIET, "--max-epoch", 3, "--probe", 0, 1, 3)
    assert ended.code == 0
    assert "--probe: epochs [1] are behind this run" in ended.sentence
    assert {line.split(",")[0] for line in (folder / "probe.csv").read_text().splitlines()[1:]} == {"0", "3"}


def test_a_finished_run_keeps_the_versions_it_was_made_with(trainer, run_of):
    folder, _ = run_of("--max-epoch", 1)
    path = folder / "config.json"
    older = path.read_text(encoding="utf-8").replace('"numpy": "', '"numpy": "1.0 of old, not ')
    path.write_text(older, encoding="utf-8")
    assert trainer.resume(folder, *QUIET).code == 0
    assert path.read_text(encoding="utf-8") == older


def test_weights_that_are_not_finite_give_way_to_those_of_the_last_completed_epoch(trainer, run_of):
    # One step an epoch: the update of the second epoch overflows, which no loss has seen yet.
    folder, ended = run_of("-l", "Euclidean", "-lr", 1e15, "-b", 205, "--test-epoch", 9, "--max-epoch", 9)
    assert ended.code == 4
    good = load_checkpoint(folder / "checkpoint.npz")
    np.testing.assert_array_equal(Network.load(folder / "model.npz").params, good.params)


# ---- validation and patience


def test_patience_stops_and_keeps_the_weights_of_the_lowest_validation_loss(trainer, run_of):
    flags = ["--train-images", 20, "--validation", 60, "--patience", 2, "--momentum", 0.99, "-b", 5, "--max-epoch", 99]
    folder, ended = run_of(*flags)
    assert ended.code == 0
    rows = read_metrics(folder / "metrics.csv")
    losses = {row.epoch: row.loss for row in rows if row.split == "valid"}
    best = min(losses, key=losses.get)
    assert max(losses) == best + 2 < 99
    checkpoint = load_checkpoint(folder / "checkpoint.npz")
    assert (checkpoint.best_epoch, checkpoint.best_loss) == (best, losses[best])
    np.testing.assert_array_equal(Network.load(folder / "model.npz").params, checkpoint.best_params)
    accuracy = next(row.accuracy for row in rows if (row.split, row.epoch) == ("test", best))
    assert f"test accuracy {accuracy:.2%} after epoch {best}, chosen by the validation loss" in ended.stdout
    before = contents(folder)
    again = trainer.resume(folder, "--no-plot", "--max-epoch", 200)
    assert again.code == 0 and "nothing is left to train" in again.stdout
    assert contents(folder) == before


def test_without_validation_the_summary_says_final_and_that_the_best_is_no_result(run_of):
    _, ended = run_of("--max-epoch", 6, "-lr", 0.9)
    assert ", final" in ended.stdout
    assert "best" not in ended.stdout or "no honest result" in ended.stdout


def test_rates_stand_in_the_rows_of_training(run_of):
    folder, _ = run_of("--schedule", "cosine", "--max-epoch", 2, "-b", 41, "--disp-freq", 1)
    rates = [row.learning_rate for row in read_metrics(folder / "metrics.csv") if row.split == "train"]
    np.testing.assert_allclose(rates, 0.01 * (1 + np.cos(np.pi * np.arange(10) / 10)) / 2, rtol=1e-12)


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        (["--batch-norm", "-b", 51], "the last batch is a single one"),
        (["--batch-norm", "-b", 1], "the last batch is a single one"),
        (["--validation", 205], "give less"),
        (["--train-images", 200, "--validation", 6], "give less"),
        (["--residual", "--hidden", 7, 8], "residual needs a hidden layer as wide as the one below"),
    ],
)
def test_what_the_data_cannot_give_is_refused_before_training(trainer, tmp_path, flags, part):
    ended = trainer.run(tmp_path, *QUIET, *flags)
    assert ended.code == 2
    assert part in ended.sentence
    assert list((tmp_path / "runs").iterdir()) == []


def test_under_a_schedule_the_number_of_epochs_stays(trainer, run_of):
    folder, _ = run_of("--schedule", "cosine", "--max-epoch", 2)
    ended = trainer.resume(folder, *QUIET, "--max-epoch", 3)
    assert ended.code == 2 and "max_epoch is 3" in ended.sentence


def test_the_probe_changes_no_bit_and_sees_inside_a_residual(trainer, uninterrupted, run_of):
    folder, _ = run_of("--max-epoch", 3, *CASES["everything at once"], "--probe", 0, 1, 2)
    lines = (folder / "probe.csv").read_text().splitlines()
    assert {line.split(",")[2] for line in lines[1:]} >= {"fc2", "bn2", "act2", "res2", "drop2"}
    (folder / "probe.csv").unlink()
    assert_same(folder, uninterrupted("everything at once"))


def test_interrupted_with_patience_the_summary_speaks_of_the_weights_that_are_kept(trainer, run_of):
    """Divergence ends as Ctrl-C does here: the last completed epoch's weights, not the best ones, are in model.npz."""
    flags = ["--validation", 60, "--patience", 9, "-l", "Euclidean", "-lr", 3, "--max-epoch", 9]
    folder, ended = run_of(*flags)
    assert ended.code == 4
    assert "chosen by the validation loss" not in ended.stdout and "final" not in ended.stdout
    good = load_checkpoint(folder / "checkpoint.npz")
    np.testing.assert_array_equal(Network.load(folder / "model.npz").params, good.params)


def test_a_validation_loss_that_is_infinite_before_training_is_a_sentence(run_of):
    _, ended = run_of("--init-std", "1e30", "--validation", 60, "-l", "Euclidean")
    assert ended.code == 4 and "the valid loss became" in ended.sentence
    assert "accuracy" not in ended.stdout and ended.stdout.startswith("time")


def test_a_copied_run_draws_over_no_picture_of_the_one_it_was_copied_from(trainer, tmp_path):
    assert trainer.run(tmp_path, "--quiet", "--max-epoch", 1).code == 0
    folder = only(tmp_path / "runs")
    picture = only(tmp_path / "plots")
    before = picture.read_bytes()
    copied = shutil.copytree(folder, folder.with_name("copied"))
    assert trainer.resume(copied, "--quiet", "--max-epoch", 2).code == 0
    assert picture.read_bytes() == before
    assert (tmp_path / "plots" / "copied.png").exists()
