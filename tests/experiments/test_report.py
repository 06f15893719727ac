"""report.py as a real process, in a copy of the project: it trains what is missing, loses nothing, draws from files."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from experiments import store, work

ROOT = Path(__file__).resolve().parents[2]
DRY = Path("runs") / "dry-run-report"


@pytest.fixture
def project(tmp_path):
    """A copy of the project without its results."""
    copy = tmp_path / "project"
    ignored = shutil.ignore_patterns("__pycache__", "runs", "results", "plots", "tests", ".*")
    shutil.copytree(ROOT, copy, ignore=ignored)
    return copy


def report(project: Path, *flags: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "report.py", "--dry-run", *flags], cwd=project, capture_output=True, text=True, timeout=120
    )


def trained(process: subprocess.CompletedProcess) -> list[str]:
    """The names of the runs that a report says it trained."""
    return [line.split("] ")[1].split("  ")[0] for line in process.stdout.splitlines() if line.startswith("[")]


def test_figures_share_their_runs_and_a_second_start_trains_nothing(project):
    first = report(project, "4", "5", "--seeds", "1", "--jobs", "1")
    assert first.returncode == 0, first.stderr
    assert len(trained(first)) == len(set(trained(first))) == 5
    pictures = {path.name: path.read_bytes() for path in (project / DRY / "plots").iterdir()}
    assert sorted(pictures) == ["figure_04.png", "figure_05.png"]
    second = report(project, "4", "5", "--seeds", "1", "--list")
    assert second.returncode == 0 and "1/1 seeds" in second.stdout and "0/1" not in second.stdout
    drawn = report(project, "4", "5", "--seeds", "1", "--draw-only")
    assert drawn.returncode == 0 and trained(drawn) == []
    assert {path.name: path.read_bytes() for path in (project / DRY / "plots").iterdir()} == pictures


posix = pytest.mark.skipif(os.name != "posix", reason="signals to a group of processes")


@posix
def test_after_a_kill_only_what_was_in_flight_is_trained_again(project):
    arguments = [sys.executable, "report.py", "--dry-run", "2", "--seeds", "12", "--jobs", "2"]
    process = subprocess.Popen(arguments, cwd=project, stdout=subprocess.PIPE, text=True, start_new_session=True)
    for line in process.stdout:
        if line.startswith("[5/"):
            break
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    time.sleep(0.5)
    kept = {path.name for path in (project / DRY / "results").glob("*.npz")}
    assert len(kept) >= 5
    for name in kept:
        store.load(project / DRY / "results" / name)
    again = report(project, "2", "--seeds", "12", "--jobs", "2")
    assert again.returncode == 0, again.stderr
    assert {f"{name}.npz" for name in trained(again)}.isdisjoint(kept)
    assert len(kept) + len(trained(again)) == 36


@posix
def test_ctrl_c_exits_130_and_keeps_what_was_finished(project):
    arguments = [sys.executable, "report.py", "--dry-run", "2", "--seeds", "12", "--jobs", "2"]
    process = subprocess.Popen(
        arguments, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    for line in process.stdout:
        if line.startswith("[3/"):
            break
    os.kill(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in stderr.split("report.py: interrupted")[0]
    kept = list((project / DRY / "results").glob("*.npz"))
    assert len(kept) >= 3 and all(store.load(path) for path in kept)


def test_fresh_trains_again_and_a_part_of_a_file_disturbs_nobody(project):
    assert len(trained(report(project, "2", "--seeds", "1"))) == 3
    (project / DRY / "results" / ".1_Relu.npz.123.part").write_bytes(b"half")
    assert trained(report(project, "2", "--seeds", "1")) == []
    assert len(trained(report(project, "2", "--seeds", "1", "--fresh"))) == 3


def test_two_reports_at_once_leave_whole_results(project):
    arguments = [sys.executable, "report.py", "--dry-run", "2", "--seeds", "6", "--jobs", "1"]
    both = [subprocess.Popen(arguments, cwd=project, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    results = list((project / DRY / "results").iterdir())
    assert len(results) == 18
    assert all(store.load(path).made_with["end"] == "finished" for path in results)


def test_changed_code_is_trained_again_and_changed_comments_are_not(project):
    report(project, "2", "--seeds", "1")
    loss = project / "loss.py"
    loss.write_text(
        loss.read_text(encoding="utf-8").replace('"""Per sample', '# why\n    """For one sample'), encoding="utf-8"
    )
    assert trained(report(project, "2", "--seeds", "1")) == []
    loss.write_text(
        loss.read_text(encoding="utf-8").replace("return 0.5 * float", "return 0.25 * float"), encoding="utf-8"
    )
    assert len(trained(report(project, "2", "--seeds", "1"))) == 3


def test_a_worker_that_dies_is_reported_and_does_not_stop_the_others(project):
    module = project / "experiments" / "work.py"
    text = module.read_text(encoding="utf-8")
    dies = '    if settings["loss"] == "HingeLoss":\n        os._exit(9)\n    rows, looked, last = [], [], {}\n'
    module.write_text(text.replace("    rows, looked, last = [], [], {}\n", dies), encoding="utf-8")
    process = report(project, "2", "--seeds", "2", "--jobs", "2")
    assert process.returncode != 0
    assert process.stderr.count("HingeLoss") >= 2
    assert len(list((project / DRY / "results").glob("*.npz"))) == 4


def test_a_run_that_raises_is_reported_and_does_not_stop_the_others(project):
    module = project / "loss.py"
    text = module.read_text(encoding="utf-8")
    module.write_text(
        text.replace("        self.margin = margin\n", "        raise RuntimeError('planted')\n"), encoding="utf-8"
    )
    process = report(project, "2", "--seeds", "1", "--jobs", "1")
    assert process.returncode != 0 and "planted" in process.stderr
    assert len(list((project / DRY / "results").glob("*.npz"))) == 2


def test_a_run_that_diverges_is_a_result():
    settings = work.settings_of("0_None_EuclideanLoss_100000.0_0.0_100", 0, max_epoch=2)
    back, result = work.train_one(settings, dry_run=True)
    assert back == settings and result.made_with["end"].startswith("diverged")
    assert not np.isfinite(result.rows[-1].loss)


def test_a_stored_result_comes_back_and_is_known_by_what_it_computed(tmp_path):
    settings = work.settings_of("1_Relu_HingeLoss_0.01_0.0_100", 3, max_epoch=2)
    _, result = work.train_one(settings, dry_run=True)
    store.save(result, tmp_path)
    back = store.find(settings, result.made_with["data"], tmp_path)
    assert back.made_with == result.made_with and len(back.rows) == len(result.rows)
    assert [row.loss for row in back.rows] == pytest.approx(sorted_rows(result), rel=1e-6)
    assert store.find(settings | {"margin": 3.0}, result.made_with["data"], tmp_path) is None
    assert store.find(settings, "other data", tmp_path) is None
    store.path_of(settings, tmp_path).write_bytes(b"broken")
    assert store.find(settings, result.made_with["data"], tmp_path) is None


def sorted_rows(result) -> list[float]:
    return [row.loss for split in ("train", "test") for row in result.rows if row.split == split]


def test_wrong_usage_and_missing_results_are_one_sentence():
    for flags, code, said in (
        (["14"], 2, "no figure 14"),
        (["--seeds", "0"], 2, "--seeds is 0"),
        (["--jobs", "-1"], 2, "--jobs is -1"),
    ):
        process = subprocess.run(
            [sys.executable, "report.py", *flags], cwd=ROOT, capture_output=True, text=True, timeout=60
        )
        assert process.returncode == code and said in process.stderr
        assert process.stderr.count("\n") == 1


def test_a_cluster_that_is_not_there_is_one_sentence(project):
    process = report(project, "2", "--seeds", "1", "--cluster", "tcp://127.0.0.1:9")
    assert process.returncode == 2 and "--cluster" in process.stderr and "Traceback" not in process.stderr


def test_draw_only_without_results_says_what_is_missing(project):
    process = report(project, "2", "--draw-only")
    assert process.returncode == 3
    assert "0_None_EuclideanLoss_0.01_0.0_100" in process.stderr and "Traceback" not in process.stderr
