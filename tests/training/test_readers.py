"""Whoever reads a command's output may go away: one sentence, exit 1, and nothing from Python's own shutdown."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fault_injection import ROOT, TIMEOUT

pytestmark = pytest.mark.skipif(os.name == "nt", reason="pipes and /dev/full as POSIX has them")
COMMANDS = {
    "help": ["run_mlp.py", "--help"],
    "a run": ["run_mlp.py", "--dry-run", "--no-plot"],
    "a diverging run": ["run_mlp.py", "--dry-run", "--no-plot", "--quiet", "-l", "Euclidean", "-lr", "1e9"],
    "gradients": ["check_gradients.py"],
    "report": ["report.py", "--dry-run", "--list"],
}


def ended(arguments: list[str], place: Path, unbuffered: bool, **streams) -> subprocess.Popen:
    where = ["--run-dir", str(place / "runs"), "--data-dir", str(ROOT / "data")] if "--dry-run" in arguments else []
    where = where if arguments[0] == "run_mlp.py" else []
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return subprocess.Popen(
        [sys.executable, *arguments, *where],
        cwd=ROOT,
        env=kept | ({"PYTHONUNBUFFERED": "1"} if unbuffered else {}),
        stdin=subprocess.DEVNULL,
        text=True,
        **streams,
    )


def assert_one_sentence(process: subprocess.Popen, what: str) -> None:
    errors = process.communicate(timeout=TIMEOUT)[1]
    assert errors.count("\n") == 1, errors
    assert errors.startswith(COMMANDS[what][0])
    assert process.returncode == (4 if what == "a diverging run" else 1)


@pytest.mark.parametrize("unbuffered", [False, True])
@pytest.mark.parametrize("what", COMMANDS)
def test_a_reader_that_is_gone_is_one_sentence(tmp_path, what, unbuffered):
    process = ended(COMMANDS[what], tmp_path, unbuffered, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    process.stdout = None
    assert_one_sentence(process, what)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("what", ["help", "a run"])
def test_a_full_device_is_one_sentence(tmp_path, what):
    with open("/dev/full", "w") as full:
        process = ended(COMMANDS[what], tmp_path, False, stdout=full, stderr=subprocess.PIPE)
        assert_one_sentence(process, what)


@pytest.mark.parametrize("arguments", [["run_mlp.py", "-b", "0"], ["curves.py", "nowhere"], ["report.py", "99"]])
def test_a_refusal_that_nobody_reads_keeps_its_exit_code(tmp_path, arguments):
    process = ended(arguments, tmp_path, False, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stderr.close()
    process.stderr = None
    assert process.communicate(timeout=TIMEOUT)[0] == ""
    assert process.returncode == 2
