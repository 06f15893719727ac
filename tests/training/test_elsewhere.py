"""Anywhere: folders with spaces and letters of any script, another working directory, no home, no warnings."""

import os
import subprocess
import sys

import pytest
from fault_injection import ROOT, TIMEOUT
from helpers import run_here, without_diagnosis
from idx_files import small_set, write_set
from invariants import assert_complete_picture, assert_same, assert_sound, only

import run_mlp

FLAGS = ["--quiet", "--momentum", 0.5]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_set(tmp_path_factory.mktemp("data") / "ðata und 数字 %41", small_set())


@pytest.fixture
def command(tmp_path):
    def run(*arguments, before=(), **how):
        how = {"cwd": tmp_path, "env": os.environ | {"PYTHONIOENCODING": "utf-8"}} | how
        process = subprocess.run(
            [sys.executable, *before, str(ROOT / "run_mlp.py"), *map(str, arguments)],
            capture_output=True,
            encoding="utf-8",
            timeout=TIMEOUT,
            **how,
        )
        assert (process.returncode, without_diagnosis(process.stderr)) == (0, "")
        return process.stdout

    return run


def test_spaces_and_letters_of_any_script_in_every_path(command, data, tmp_path):
    runs, plots = tmp_path / "läufe a b", tmp_path / "bilder ☂"
    command(*FLAGS, "--no-plot", "--max-epoch", 1, "--data-dir", data, "--run-dir", runs)
    folder = only(runs)
    again = tmp_path / "nochmal é"
    command(*FLAGS, "--no-plot", "--config", folder / "config.json", "--run-dir", again, "--max-epoch", 2)
    assert "bilder ☂" in command(*FLAGS, "--resume", folder, "--max-epoch", 2, "--plot-dir", plots)
    assert_sound(folder)
    assert_same(folder, only(again))
    (picture,) = plots.iterdir()
    assert_complete_picture(picture)


def test_relative_paths_are_from_the_working_directory_and_a_run_may_be_resumed_from_inside(
    data, tmp_path, monkeypatch
):
    def here(*arguments, cwd=tmp_path):
        monkeypatch.chdir(cwd)
        ended = run_here(run_mlp.main, *FLAGS, *arguments)
        assert (ended.code, ended.stderr) == (0, "")
        return ended.stdout

    here("--max-epoch", 1, "--data-dir", os.path.relpath(data, tmp_path), "--run-dir", "r", "--no-plot")
    folder = only(tmp_path / "r")
    assert f"{folder.name}.png" in here("--resume", ".", "--max-epoch", 2, "--plot-dir", tmp_path / "p", cwd=folder)
    assert [path.name for path in (tmp_path / "p").iterdir()] == [f"{folder.name}.png"]
    here("--resume", f"r/../r/{folder.name}/", "--max-epoch", 3, "--plot-dir", "p")
    assert [path.name for path in (tmp_path / "p").iterdir()] == [f"{folder.name}.png"]
    assert_sound(folder)


def test_without_a_home_and_with_every_warning_an_error(command, data, tmp_path):
    kept = {key: os.environ[key] for key in ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH") if key in os.environ}
    where = ["--run-dir", "r", "--plot-dir", "p", "--data-dir", data]
    strict = {"before": ["-W", "error", "-X", "utf8"], "env": kept}
    # Some versions of matplotlib warn by themselves, when its parser is newer than it.
    alone = [sys.executable, *strict["before"], "-c", "import matplotlib.figure"]
    draw = [] if subprocess.run(alone, env=kept, capture_output=True).returncode == 0 else ["--no-plot"]
    command(*FLAGS, "--no-plot", "--max-epoch", 2, *where, "--probe", 0, 1, **strict)
    folder = only(tmp_path / "r")
    command(*FLAGS, *draw, "--resume", folder, "--max-epoch", 3, "--plot-dir", "p", **strict)
    assert_sound(folder)
    if not draw:
        pictures = sorted((tmp_path / "p").iterdir())
        assert [path.name for path in pictures] == [f"{folder.name}.png", f"{folder.name}_gradients.png"]
        for path in pictures:
            assert_complete_picture(path)
