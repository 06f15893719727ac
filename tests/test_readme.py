"""The README keeps its word: its example runs, its flags are the program's."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
from other_ways import WAYS
from test_planted_bugs import BUGS

from checks.catalogue import ANY, FACTORS, WRONG
from checks.steps import WRONG_STEPS

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


def test_the_counts_of_the_checker_are_those_of_the_readme():
    text = " ".join(README.split())
    formulas = sum(len(mistakes) for mistakes in WRONG.values())
    assert (
        f"A catalogue holds {formulas} wrong formulas of values and gradients, {len(ANY) + len(FACTORS)} faults" in text
    )
    assert f"and {len(WRONG_STEPS)} wrong steps of SGD" in text
    named = sum(bug.mistake is not None for _, bug in BUGS)
    assert f"plants {len(BUGS)} known bugs" in text and f"{named} of them must be named" in text
    assert f"holds {len(WAYS)} correct implementations" in text
