"""run_mlp.py --seeds: each run is what it would be alone; what one does, and Ctrl-C, leaves the others whole."""

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fault_injection import ROOT, TIMEOUT
from helpers import run_here, without_diagnosis
from invariants import assert_complete_picture, assert_same, assert_sound, only

import run_mlp
from training.metrics import read_metrics

FLAGS = ["--max-epoch", 3, "-b", 20, "--hidden", 20, "--momentum", 0.9, "--dropout", 0.2, "-lr", 0.05]
# At this rate seed 4 diverges within an epoch, its neighbours do not.
ON_THE_EDGE = ["-l", "Euclidean", "--hidden", 20, 20, "--init-std", 0.5, "-lr", 1.6, "-b", 20, "--max-epoch", 3]


def end(process) -> tuple[int, str, str]:
    output, errors = process.communicate(timeout=TIMEOUT)
    return process.returncode, output, without_diagnosis(re.sub(r"seed \d+: it ended", "it ended", errors))


def accuracy(folder) -> float:
    return 100 * read_metrics(folder / "metrics.csv")[-1].accuracy


def test_each_seed_is_the_run_that_it_would_be_alone_and_all_are_one_picture_and_one_line(start, trainer, tmp_path):
    code, output, errors = end(start(tmp_path, *FLAGS, "--seeds", 0, 3, 5, "--probe", 0, 3))
    assert (code, errors) == (0, "")
    folders = sorted((tmp_path / "runs").iterdir())
    assert [re.search(r"_seed(\d+)", folder.name)[1] for folder in folders] == ["0", "3", "5"]
    for folder, seed in zip(folders, (0, 3, 5)):
        alone = tmp_path / f"alone {seed}"
        assert trainer.run(alone, "--quiet", "--no-plot", *FLAGS, "--seed", seed, "--probe", 0, 3).code == 0
        assert only(alone / "runs").name == folder.name
        assert_same(folder, only(alone / "runs"))
    assert_complete_picture(only(tmp_path / "plots"))
    assert "_3seeds_" in only(tmp_path / "plots").name and only(tmp_path / "plots").name in output
    reached = [accuracy(folder) for folder in folders]
    mean, low, high = sum(reached) / 3, min(reached), max(reached)
    assert low < high
    assert output.splitlines()[-1] == f"test accuracy {mean:.1f} ({low:.1f} – {high:.1f}) % over 3 seeds"
    assert re.findall(r"^seed (\d)", output, re.M) and output.count("Training") == 0


def test_one_that_diverges_does_not_stop_the_others_and_is_named(start, tmp_path):
    code, output, errors = end(start(tmp_path, *ON_THE_EDGE, "--seeds", 3, 4, 5))
    assert code == 4
    assert errors.startswith("run_mlp.py: seed 4: training diverged in epoch 1") and errors.count("\n") == 1
    assert "too high: try -lr 0.01" in errors
    assert output.splitlines()[-1].endswith("over 2 seeds")
    for folder in (tmp_path / "runs").iterdir():
        assert_sound(folder)
        assert read_metrics(folder / "metrics.csv")[-1].epoch == (1 if "_seed4" in folder.name else 3)
    assert_complete_picture(only(tmp_path / "plots"))


def test_without_a_picture_and_quiet_the_last_line_alone_is_printed(start, tmp_path):
    code, output, errors = end(start(tmp_path, *FLAGS, "--seeds", 7, "--quiet", "--no-plot"))
    assert (code, errors) == (0, "")
    (folder,) = (tmp_path / "runs").iterdir()
    assert output == f"test accuracy {accuracy(folder):.2f} % over 1 seed\n"
    assert not (tmp_path / "plots").exists()
    assert "\n1 run, 1 at once, " in end(start(tmp_path, *FLAGS, "--seeds", 8, "--no-plot"))[1]


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        (["--seeds", 0, 1, "--seed", 2], "--seed 2 and --seeds [0, 1] contradict each other"),
        (["--seeds", 0, 1, 0], "--seeds is [0, 1, 0]: give whole numbers from 0, each once"),
        (["--seeds", 0, -1], "--seeds is [0, -1]"),
        (["--seeds", 0, "--resume", "."], "resume each run by itself"),
        (["--seeds"], "expected at least one argument"),
    ],
)
def test_seeds_that_make_no_sense_are_refused(small_data, tmp_path, flags, part):
    ended = run_here(run_mlp.main, "--data-dir", small_data, "--run-dir", tmp_path / "runs", *FLAGS, *flags)
    assert (ended.code, ended.stdout) == (2, "")
    assert part in ended.sentence
    assert not (tmp_path / "runs").exists()


@pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them")
@pytest.mark.parametrize("whom", ["the command alone", "all of its processes, as a terminal does"])
def test_ctrl_c_exits_130_and_the_runs_can_be_resumed_by_the_commands_it_names(start, tmp_path, whom):
    process = start(tmp_path, *FLAGS, "--max-epoch", 1_000_000, "--no-plot", "--seeds", 0, 1, 2, start_new_session=True)
    try:
        latest = time.monotonic() + TIMEOUT / 2
        while len(list(tmp_path.glob("runs/*/checkpoint.npz"))) < min(2, os.cpu_count()):
            assert process.poll() is None and time.monotonic() < latest
            time.sleep(0.01)
        (os.kill if whom == "the command alone" else os.killpg)(process.pid, signal.SIGINT)
        code, _, errors = end(process)
    finally:  # no worker survives a failure
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert code == 130
    assert errors.startswith("run_mlp.py: interrupted; resume the runs that have begun with: ")
    assert errors.count("\n") == 1, errors
    commands = errors.strip().split("with: ")[1].split("; ")
    begun = [folder for folder in (tmp_path / "runs").iterdir() if (folder / "checkpoint.npz").exists()]
    assert len(commands) == len(begun) >= min(2, os.cpu_count())
    for command in commands:
        words = shlex.split(command)
        assert words[-2:] == ["--plot-dir", str(tmp_path / "plots")]
        folder = Path(words[words.index("--resume") + 1])
        assert_sound(folder)
        epochs = read_metrics(folder / "metrics.csv")[-1].epoch + 1
        more = ["--max-epoch", str(epochs), "--quiet", "--no-plot"]
        done = subprocess.run([sys.executable, *words[1:], *more], cwd=ROOT, capture_output=True, encoding="utf-8")
        assert done.returncode == 0, done.stderr
