"""The README keeps its word: its example runs, its flags are the program's."""

import re
import subprocess
import sys
from pathlib import Path

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
    report = (ROOT / "REPORT.md").read_text(encoding="utf-8")
    assert f"Of the {counted}" in report
    (runs,) = re.findall(r"(\d+) runs, and audits", README)
    assert f"* {runs} training runs of" in report
