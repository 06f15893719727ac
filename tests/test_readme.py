"""The README keeps its word: its example runs, its flags are the program's."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_notebook_example_trains_and_draws():
    (example,) = re.findall(r"^```python\n(.*?)^```", README, re.M | re.S)
    names = {}
    exec(compile(example, "README.md", "exec"), names)
    assert names["records"][-1].accuracy > 0.9
    assert names["model"].params.dtype == np.float32


def test_every_flag_of_the_command_is_in_the_readme_and_none_that_is_not():
    shown = subprocess.run(
        [sys.executable, ROOT / "run_mlp.py", "--help"], capture_output=True, text=True, check=True
    ).stdout
    section = README.split("## Settings")[1].split("## Your own data")[0]
    table = "".join(line for line in section.splitlines() if line.startswith("|"))
    flags = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
    assigned = {"--help", "--activate-function", "--loss-function"}
    assert set(flags.findall(shown)) - assigned == set(flags.findall(table)) - assigned


def test_the_verdicts_that_the_readme_counts_are_those_of_the_report():
    counted = re.search(r"of the (\d+ claims[^:]*?do not hold)", " ".join(README.split())).group(1)
    assert f"Of the {counted}" in (ROOT / "REPORT.md").read_text(encoding="utf-8")
