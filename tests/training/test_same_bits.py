"""One seed, one result: in two processes, beside busy ones, with and without a progress bar, and from config.json."""

import contextlib
import json
import os
import re
import struct
import subprocess
import sys
import threading

import pytest
from fault_injection import CASES, TIMEOUT
from helpers import without_diagnosis
from invariants import assert_same, only, state

from run_mlp import config
from training.settings import resolve

QUIET = ("--quiet", "--no-plot")
FLAGS = ["--max-epoch", 3, *CASES["batches that do not"]]
SILENT = {"stdout": subprocess.DEVNULL, "stderr": None}
posix = pytest.mark.skipif(os.name == "nt", reason="terminals as POSIX has them")


@pytest.fixture(scope="module")
def first(start, tmp_path_factory):
    place = tmp_path_factory.mktemp("first")
    assert start(place, *QUIET, *FLAGS, **SILENT).wait(TIMEOUT) == 0
    return only(place / "runs")


def test_beside_busy_processes_the_bits_are_the_same(start, first, tmp_path):
    busy = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"], start_new_session=True)
        for _ in range(1 + (os.cpu_count() or 1))
    ]
    try:
        runs = [start(tmp_path / str(number), *QUIET, *FLAGS, **SILENT) for number in range(2)]
        assert [run.wait(TIMEOUT) for run in runs] == [0, 0]
    finally:
        for process in busy:
            process.kill()
            process.wait()
    for number in range(2):
        assert_same(only(tmp_path / str(number) / "runs"), first)


def read_to_end(terminal: int) -> str:
    parts = [b""]
    with contextlib.suppress(OSError):  # Linux says so when the other side is closed
        while part := os.read(terminal, 65536):
            parts.append(part)
    os.close(terminal)
    return b"".join(parts).decode()


@posix
def test_on_a_terminal_a_bar_on_stderr_takes_the_place_of_lines_and_the_bits_are_the_same(start, first, tmp_path):
    import fcntl
    import pty
    import termios

    (out, out_side), (err, err_side) = pty.openpty(), pty.openpty()
    fcntl.ioctl(err_side, termios.TIOCSWINSZ, struct.pack("4H", 24, 120, 0, 0))
    texts = {}
    readers = [threading.Thread(target=lambda end=end: texts.update({end: read_to_end(end)})) for end in (out, err)]
    for reader in readers:
        reader.start()
    process = start(tmp_path / "bar", "--no-plot", *FLAGS, stdout=out_side, stderr=err_side)
    os.close(out_side)
    os.close(err_side)
    assert process.wait(TIMEOUT) == 0
    for reader in readers:
        reader.join()
    assert "Training" not in texts[out] and "Testing" not in texts[out] and "test accuracy" in texts[out]
    last = re.split(r"[\r\n]+", without_diagnosis(texts[err]).strip())[-1]
    assert "100%" in last and "33/33" in last  # 205 samples in batches of 20, three epochs
    assert re.search(r"loss \d+\.\d+ acc \d+\.\d+%", last)
    assert start(tmp_path / "lines", "--no-plot", *FLAGS, **SILENT).wait(TIMEOUT) == 0
    for how in ("bar", "lines"):
        assert_same(only(tmp_path / how / "runs"), first)


def test_a_forked_run_has_the_bits_of_the_start(trainer, first, tmp_path):
    """What the tests of faults rest on."""
    assert trainer.run(tmp_path, *QUIET, *FLAGS).code == 0
    assert_same(only(tmp_path / "runs"), first)


# ---- config.json: dict < file < flags


def test_a_config_json_repeats_its_run(trainer, first, tmp_path):
    ended = trainer.run(tmp_path, *QUIET, "--config", first / "config.json", "--probe", 0, 2, 3)
    assert (ended.code, ended.stderr) == (0, "")
    assert_same(only(tmp_path / "runs"), first)


def test_a_flag_beats_the_config_json_and_that_beats_the_dict(trainer, first, tmp_path):
    ended = trainer.run(tmp_path, *QUIET, "--config", first / "config.json", "--momentum", 0.1)
    assert ended.code == 0
    expected = json.loads((first / "config.json").read_text())["settings"]
    assert expected["batch_size"] == 20  # not the dict's 10
    assert state(only(tmp_path / "runs"))["settings"] == expected | {"momentum": 0.1}


def test_a_part_of_a_config_leaves_the_rest_to_the_dict(trainer, tmp_path):
    (tmp_path / "mine.json").write_text('{"settings": {"learning_rate": 0.5, "hidden": []}}')
    ended = trainer.run(tmp_path, *QUIET, "--config", tmp_path / "mine.json", "--max-epoch", 1)
    assert ended.code == 0, ended.stderr
    given = {"learning_rate": 0.5, "hidden": [], "max_epoch": 1, "data_dir": str(trainer.data)}
    assert state(only(tmp_path / "runs"))["settings"] == resolve(config, given)


def test_a_config_with_a_setting_that_there_is_not_is_refused_by_name(trainer, tmp_path):
    (tmp_path / "mine.json").write_text('{"settings": {"learning_rat": 0.5}}')
    ended = trainer.run(tmp_path, *QUIET, "--config", tmp_path / "mine.json")
    assert ended.code == 3
    assert "learning_rat is not a setting" in ended.sentence
    assert not (tmp_path / "runs").exists()
