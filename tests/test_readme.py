"""The README keeps its word: its example runs, its flags are the program's."""

import re
import subprocess
import sys
from pathlib import Path

from other_ways import WAYS
from test_planted_bugs import BUGS

from gradcheck.catalogue import ANY, FACTORS, WRONG
from gradcheck.steps import WRONG_STEPS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_flag_of_the_readmes_table_is_one_of_the_command():
    shown = subprocess.run(
        [sys.executable, ROOT / "run_mlp.py", "--help"], capture_output=True, text=True, check=True
    ).stdout
    section = README.split("## Settings")[1].split("## What a run leaves")[0]
    flags = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
    assert len(set(flags.findall(section))) > 10
    assert set(flags.findall(section)) - {"--help"} <= set(flags.findall(shown))


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
