"""report.py on 500 images: it trains what is missing, loses nothing, draws from files.

What needs no process of its own runs in this one; what is killed, interrupted or changed runs in a copy of the project.
"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import report
import run_mlp
from experiments import store, train_runs
from experiments.figure_list import FIGURES, RESTARTED, complete, curve_name, named, settings_of
from experiments.statistics import CurveStats
from utils import FileError, UsageError

ROOT = Path(__file__).resolve().parents[2]
DRY = Path("runs") / "dry-run-report"
RESULTS = DRY / "results"

no_pictures = pytest.mark.usefixtures("nothing_drawn")
posix = pytest.mark.skipif(os.name != "posix", reason="signals to a group of processes")


@pytest.fixture
def project(tmp_path):
    """A copy of the project without its results."""
    copy = tmp_path / "project"
    unneeded = ("__pycache__", "runs", "results", "figures", "plots", "tests", "benchmarks", "gradcheck", ".*")
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*unneeded))
    return copy


@pytest.fixture
def nothing_drawn(monkeypatch):
    monkeypatch.setattr(report.draw, "save_all", lambda figures, results, folder: [folder / name for name in figures])


@pytest.fixture
def dry_run(tmp_path, monkeypatch, capsys):
    """Runs a report here, as another folder's: its exit code, the runs that it trained, and what it wrote to stderr."""
    monkeypatch.setattr(report, "ROOT", tmp_path)

    def run(*flags: str) -> tuple[int, list[str], str]:
        code = report.main(["--dry-run", "--jobs", "1", *flags])
        output, errors = capsys.readouterr()
        return code, trained(output), errors

    return run


def start(project: Path, *flags: str, **others) -> subprocess.Popen:
    command = [sys.executable, "report.py", "--dry-run", *flags]
    return subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, text=True, **others)


def trained(output: str) -> list[str]:
    """The names of the runs that a report says it trained."""
    return [line.split("] ")[1].split("  ")[0] for line in output.splitlines() if line.startswith("[")]


def pictures(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / DRY / "figures").iterdir()}


def test_figures_share_their_runs_and_a_second_start_trains_nothing(dry_run, tmp_path, capsys):
    code, names, _ = dry_run("4", "--seeds", "1")
    assert code == 0 and len(names) == len(set(names)) == 3
    assert {f"{name}.npz" for name in names} == {path.name for path in (tmp_path / RESULTS).iterdir()}
    first = pictures(tmp_path)
    assert sorted(first) == ["figure_04.png"]
    assert report.main(["--dry-run", "4", "--seeds", "1", "--list"]) == 0
    listed = capsys.readouterr().out
    assert listed.count("1/1 seeds") == 3 and "no figure" not in listed and "figures 3, 4, 5, 7, 11" in listed
    assert dry_run("4", "--seeds", "1", "--draw-only") == (0, [], "")
    assert pictures(tmp_path) == first


@no_pictures
def test_fresh_trains_again_and_what_else_lies_there_is_no_result(dry_run, tmp_path):
    _, names, _ = dry_run("2", "--seeds", "1")
    assert len(names) == 3
    for other in (f".{names[0]}.npz.123.part", f"._{names[0]}.npz", f"{names[1]}.npz:Zone.Identifier", "a copy.npz"):
        (tmp_path / RESULTS / other).write_bytes(b"half")
    shutil.copy(tmp_path / RESULTS / f"{names[0]}.npz", tmp_path / RESULTS / f"{names[0]} (1).npz")
    assert dry_run("2", "--seeds", "1") == (0, [], "")
    assert dry_run("2", "--seeds", "1", "--draw-only") == (0, [], "")
    assert dry_run("2", "--seeds", "1", "--fresh")[1] == names


@no_pictures
def test_a_broken_result_is_trained_again_and_not_drawn(dry_run, tmp_path):
    _, names, _ = dry_run("2", "--seeds", "1")
    (tmp_path / RESULTS / f"{names[1]}.npz").write_bytes(b"PK\3\4 half")
    with pytest.raises(FileError, match=names[1]):
        dry_run("2", "--seeds", "1", "--draw-only")
    assert dry_run("2", "--seeds", "1")[1] == [names[1]]
    shutil.copy(tmp_path / RESULTS / f"{names[0]}.npz", tmp_path / RESULTS / f"{names[1]}.npz")
    with pytest.raises(FileError, match="other settings than its name says"):
        dry_run("2", "--seeds", "1", "--draw-only")


@no_pictures
def test_another_results_version_trains_again_and_a_file_that_says_none_is_the_first(dry_run, tmp_path, monkeypatch):
    _, names, _ = dry_run("2", "--seeds", "1")
    for name in names:
        result = store.load(tmp_path / RESULTS / f"{name}.npz")
        assert result.made_with.pop("version") == store.RESULTS_VERSION == 1
        store.save(result, tmp_path / RESULTS)
    assert dry_run("2", "--seeds", "1")[1] == []
    monkeypatch.setattr(store, "RESULTS_VERSION", 2)
    assert dry_run("2", "--seeds", "1")[1] == names
    assert dry_run("2", "--seeds", "1")[1] == []


@no_pictures
def test_a_new_setting_does_not_train_what_is_stored_again(dry_run, tmp_path):
    _, names, _ = dry_run("2", "--seeds", "1")
    for name in names:  # as if stored before there was a margin
        result = store.load(tmp_path / RESULTS / f"{name}.npz")
        old = {key: value for key, value in result.settings.items() if key != "margin"}
        path = store.path_of(result.settings, tmp_path / RESULTS)
        path.rename(path.with_name("old.npz"))
        with np.load(path.with_name("old.npz")) as file:
            arrays = dict(file)
        header = store.json.dumps({"settings": old, "made_with": result.made_with})
        np.savez_compressed(path, **(arrays | {"header": np.array(header)}))
    assert dry_run("2", "--seeds", "1")[1] == []
    assert dry_run("2", "--seeds", "1", "--draw-only")[0] == 0


@no_pictures
def test_fewer_seeds_than_asked_for_are_said(dry_run, tmp_path):
    _, names, _ = dry_run("2", "--seeds", "2")
    code, _, errors = dry_run("2", "--seeds", "3", "--draw-only")
    assert code == 0 and errors.count("\n") == 1
    assert "3 of 3 curves have fewer than 3 seeds (the most that one has is 2" in errors
    assert dry_run("2", "--seeds", "2", "--draw-only")[2] == ""
    (tmp_path / RESULTS / f"{names[0]}.npz").unlink()
    errors = dry_run("2", "--seeds", "2", "--draw-only")[2]
    assert "1 of 3 curves have fewer than 2 seeds" in errors and "0_None_EuclideanLoss_0.01_0.0_100 has 1" in errors


@no_pictures
def test_a_run_that_raises_is_reported_and_does_not_stop_the_others(dry_run, tmp_path, monkeypatch):
    honest = run_mlp.build

    def build(settings, *sizes):
        if settings["loss"] == "HingeLoss":
            raise RuntimeError("planted")
        return honest(settings, *sizes)

    monkeypatch.setattr(run_mlp, "build", build)
    with pytest.raises(FileError, match="no run of 0_None_HingeLoss"):
        dry_run("2", "--seeds", "1")
    assert len(list((tmp_path / RESULTS).glob("*.npz"))) == 2
    assert (tmp_path / RESULTS / "0_None_EuclideanLoss_0.01_0.0_100_seed0_max_epoch2.npz").exists()
    monkeypatch.setattr(report, "write", lambda options, home: [home])
    code, _, errors = dry_run("2", "--seeds", "1")
    assert code == 1
    assert errors.endswith("report.py: 0_None_HingeLoss_0.01_0.0_100_seed0_max_epoch2 failed: RuntimeError: planted\n")


def test_a_result_of_other_code_or_data_is_refused(tmp_path):
    settings = settings_of("0_None_HingeLoss_0.01_0.0_100", 0, max_epoch=2)
    _, result = train_runs.train_one(settings, dry_run=True)
    data = result.made_with["data"]
    assert train_runs._keep(settings, result, data, tmp_path) == []
    for other in ({"data": "other"}, {"version": 2}):
        (said,) = train_runs._keep(settings, result._replace(made_with=result.made_with | other), data, tmp_path)
        assert "update that worker's folder" in said


def test_a_run_that_diverges_is_a_result():
    settings = settings_of("0_None_EuclideanLoss_100000.0_0.0_100", 0, max_epoch=2)
    back, result = train_runs.train_one(settings, dry_run=True)
    assert back == settings and result.made_with["end"].startswith("diverged")
    assert not np.isfinite(result.rows[-1].loss)


def test_a_stored_result_comes_back_and_is_known_by_what_it_computed(tmp_path):
    settings = settings_of("1_Relu_HingeLoss_0.01_0.0_100", 3, max_epoch=2)
    _, result = train_runs.train_one(settings, dry_run=True)
    store.save(result, tmp_path)
    back = store.find(settings, result.made_with["data"], tmp_path)
    assert back.made_with == result.made_with and len(back.rows) == len(result.rows)
    losses = [row.loss for split in ("train", "test") for row in result.rows if row.split == split]
    assert [row.loss for row in back.rows] == pytest.approx(losses, rel=1e-6)
    assert repr(back.probe) == repr(result.probe)
    assert store.find(settings | {"margin": 3.0}, result.made_with["data"], tmp_path) is None
    assert store.find(settings, "other data", tmp_path) is None


def test_a_curve_is_a_runs_name_without_its_seed():
    name = "2_Gelu_HingeLoss_0.01_0.001_100"
    assert curve_name(settings_of(name, 12)) == name
    assert curve_name(settings_of(name, 1, momentum=0.9, margin=2.0)) == name + "_momentum0.9_margin2.0"
    assert complete(settings_of(name, 0)) == settings_of(name, 0)
    for _, names in FIGURES.values():
        assert [curve_name(settings_of(each, 0)) for each in names] == names


def test_a_name_may_hold_further_settings():
    others = {"init_std": 0.003162, "dropout": 0.5, "batch_norm": True, "train_images": 1000, "schedule": "one-cycle"}
    name = named("4_Relu_HingeLoss", 0.1, 0.001, init_std=0.003162, **{k: others[k] for k in list(others)[1:]})
    settings = settings_of(name, 2)
    assert settings["hidden"] == [100] * 4 and settings["learning_rate"] == 0.1 and settings["weight_decay"] == 0.001
    assert {key: settings[key] for key in others} == others
    shrunk = settings_of(named("1_Relu_HingeLoss", validation=10_000), 0, dry_run=True)
    assert (shrunk["max_epoch"], shrunk["validation"]) == (2, 100)


def test_validation_rows_are_stored_and_an_epoch_is_what_it_trains_on(tmp_path):
    name = named("1_Relu_HingeLoss", validation=10_000)
    settings = settings_of(name, 0, dry_run=True)
    _, result = train_runs.train_one(settings, dry_run=True)
    store.save(result, tmp_path)
    back = store.find(settings, result.made_with["data"], tmp_path)
    assert sorted(row.accuracy for row in back.rows if row.split == "valid") == pytest.approx(
        sorted(row.accuracy for row in result.rows if row.split == "valid")
    )
    curve = CurveStats([back], train_runs.DRY_RUN_IMAGES)
    assert curve.samples == 400 and curve.runs[0].train.seen[-1] == 800
    assert curve.valid_accuracy == pytest.approx([np.mean([r.accuracy for r in back.rows if r.split == "valid"][1:])])


def test_restarted_weights_are_the_same_numbers_in_every_layer():
    model, _, _ = run_mlp.build(settings_of(RESTARTED, 5), 784, 10)
    before = model.layers[0].W.copy()
    train_runs._restart(model, settings_of(RESTARTED, 5))
    first, last = model.layers[0].W, model.layers[2].W
    assert np.array_equal(first, before)
    assert np.array_equal(first.ravel()[:1000], last.ravel())
    _, ours = train_runs.train_one(settings_of(RESTARTED, 0, dry_run=True), dry_run=True)
    _, theirs = train_runs.train_one(settings_of(RESTARTED, 0, dry_run=True), dry_run=True, restarted=True)
    assert ours.probe[0] != theirs.probe[0] and ours.rows[-1].loss != theirs.rows[-1].loss


def test_the_stored_runs_are_all_there():
    curves = train_runs.needed_curves([], True, store.RESULTS, dry_run=False)
    paths = {store.path_of(settings_of(name, seed)) for name in curves for seed in range(3)}
    paths |= {store.path_of(settings_of(RESTARTED, seed), store.RESULTS / "restarted") for seed in range(3)}
    assert paths <= set(store.RESULTS.rglob("*.npz"))
    for path in sorted(paths)[::40]:
        result = store.load(path)
        assert result.version == 1 and store.path_of(result.settings, path.parent) == path


# ---- processes of their own


@posix
@no_pictures
def test_after_a_kill_only_what_was_in_flight_is_trained_again(project, monkeypatch, capsys):
    with start(project, "2", "--seeds", "2", "--jobs", "2", start_new_session=True) as process:
        for line in process.stdout:
            if line.startswith("[3/"):
                break
        os.killpg(process.pid, signal.SIGKILL)
    kept = {path.name for path in (project / RESULTS).glob("*.npz")}
    assert len(kept) >= 3
    for name in kept:
        store.load(project / RESULTS / name)
    monkeypatch.setattr(report, "ROOT", project)
    assert report.main(["--dry-run", "2", "--seeds", "2", "--jobs", "1"]) == 0
    again = {f"{name}.npz" for name in trained(capsys.readouterr().out)}
    assert again.isdisjoint(kept) and len(kept | again) == 6


@posix
def test_ctrl_c_exits_130_and_keeps_what_was_finished(project):
    def default_sigint():  # whoever runs the tests may ignore it
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    others = {"stderr": subprocess.PIPE, "start_new_session": True, "preexec_fn": default_sigint}
    with start(project, "2", "--seeds", "20", "--jobs", "2", **others) as process:
        for line in process.stdout:
            if line.startswith("[3/"):
                break
        os.kill(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in errors.split("report.py: interrupted")[0]
    kept = list((project / RESULTS).glob("*.npz"))
    assert 3 <= len(kept) < 60 and all(store.load(path) for path in kept)


def test_two_reports_at_once_leave_whole_results(project):
    both = [start(project, "1", "--seeds", "3", "--jobs", "1") for _ in range(2)]
    for process in both:
        process.communicate(timeout=120)
    assert [process.returncode for process in both] == [0, 0]
    results = list((project / RESULTS).iterdir())
    assert len(results) == 3
    assert all(store.load(path).made_with["end"] == "finished" for path in results)


def test_a_worker_that_dies_is_reported_and_does_not_stop_the_others(project):
    module = project / "experiments" / "train_runs.py"
    text = module.read_text(encoding="utf-8")
    before = "    rows, looked, last = [], [], {}\n"
    dies = f'    if settings["loss"] == "HingeLoss":\n        os._exit(9)\n{before}'
    assert before in text
    module.write_text(text.replace(before, dies), encoding="utf-8")
    with start(project, "2", "--seeds", "1", "--jobs", "2", stderr=subprocess.PIPE) as process:
        _, errors = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "0_None_HingeLoss_0.01_0.0_100_seed0_max_epoch2 failed: its process was ended" in errors
    assert len(list((project / RESULTS).glob("*.npz"))) == 2


def test_a_cluster_that_is_not_there_is_one_sentence(dry_run):
    with pytest.raises(UsageError, match="--cluster"):
        dry_run("2", "--seeds", "1", "--cluster", "tcp://127.0.0.1:9")


def test_wrong_usage_and_missing_results_are_one_sentence():
    for flags, said in (["20"], "no figure 20"), (["--seeds", "0"], "--seeds is 0"), (["--jobs", "-1"], "--jobs is -1"):
        with pytest.raises(UsageError, match=said):
            report.parse(flags)
    command = [sys.executable, "report.py", "2", "--draw-only", "--dry-run", "--seeds", "0"]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert process.returncode == 2 and process.stderr.count("\n") == 1


def test_draw_only_without_results_says_what_is_missing(dry_run):
    with pytest.raises(FileError, match=r"no run of 0_None_EuclideanLoss_0\.01_0\.0_100"):
        dry_run("2", "--draw-only")


def test_no_backend_of_a_notebook_is_looked_at(dry_run, tmp_path):
    assert dry_run("1", "--seeds", "1")[0] == 0
    here = pictures(tmp_path)
    command = "import sys, report; report.ROOT = report.Path(sys.argv[1]); report.main(sys.argv[2:])"
    subprocess.run(
        [sys.executable, "-c", command, str(tmp_path), "--dry-run", "1", "--seeds", "1", "--draw-only"],
        cwd=ROOT,
        env=os.environ | {"MPLBACKEND": "module://of_a_notebook.that_is_not_here"},
        check=True,
        timeout=60,
    )
    assert pictures(tmp_path) == here
