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


def test_the_times_of_others_are_those_that_the_benchmark_printed():
    page = (ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
    one_core = page.split("## One core")[1].split("## Two cores")[0]
    rows = {}
    for line in one_core.splitlines():
        case, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        if case.startswith("784-100-10,"):
            rows.setdefault(case.split("batch ")[1], []).append([cell.split()[0] for cell in cells])
    times, ratios = zip(*(rows[batch][:2] for batch in ("10", "100", "200")))
    text = " ".join(README.split("## Do you need a framework")[1].split("## The files")[0].split())
    assert f"takes {times[0][0]}, {times[1][0]} and {times[2][0]} µs at batch size 10, 100 and 200" in text
    torch, _, jax, sklearn, textbook, share = ([row[column] for row in ratios] for column in range(6))
    for found in (torch, sklearn, textbook):
        shown = [f"{float(ratio):.1f}" for ratio in found]
        assert f"{shown[0]}, {shown[1]} and {shown[2]}" in text
    assert f"wins at 10 ({jax[0]} of our time) and is level at 100 and 200 ({jax[1]} and {jax[2]})" in text
    assert f"are {share[0]}, {share[1]} and {share[2]} % of a step" in text
