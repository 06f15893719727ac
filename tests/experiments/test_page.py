"""REPORT.md on fake results: every claim with its verdict, and no crash where runs diverged or are missing."""

import re

import pytest
from fake_results import EQUAL_STEP, fake_run

from experiments import page
from experiments.claims import CLAIMS
from experiments.figure_list import AT_BATCH_10, EXTRA_RUNS, FIGURES, at_batch_10
from experiments.statistics import RunTable

MADE_WITH = {
    "data": "this data",
    "python": "3",
    "numpy": "2",
    "machine": "a machine",
    "seconds": 3600.0,
    "ended": 3600,
    "images": 60_000,
    "class_share": 0.1,
}


def finished(name: str, **shape):
    return [fake_run(name, seed, epochs=6, **shape)._replace(made_with=MADE_WITH) for seed in (0, 1)]


@pytest.fixture
def results():
    names = [name for _, drawn in FIGURES.values() for name in drawn]
    names += EXTRA_RUNS + EQUAL_STEP
    return {name: finished(name) for name in names}


def written(tmp_path, results, results_10=None) -> str:
    pictures = [tmp_path / "figures" / f"figure_{number:02}.png" for number in FIGURES]
    pictures += [tmp_path / "figures" / f"figure_{number:02}_batch_10.png" for number in AT_BATCH_10]
    pictures.append(tmp_path / "figures" / "gradients.png")
    table_10 = None if results_10 is None else RunTable(results_10, 10, EQUAL_STEP)
    page.write(tmp_path / "REPORT.md", RunTable(results, 100, EQUAL_STEP), table_10, None, pictures)
    return (tmp_path / "REPORT.md").read_text(encoding="utf-8")


def test_every_claim_has_a_line_and_every_figure_its_picture_and_table(tmp_path, results):
    text = written(tmp_path, results)
    audit = text.split("## Audit")[1]
    lines = dict(re.findall(r"^\| (\d+) \| .*\| \*\*(.+?)\*\* \|$", audit, re.M))
    assert list(lines) == [str(claim.number) for claim in CLAIMS]
    assert set(lines.values()) <= {"holds", "holds in part", "does not hold", "not measured"}
    assert {claim.number for claim in CLAIMS if lines[str(claim.number)] == "not measured"} == {5, 12, 27}
    for number, (_, names) in FIGURES.items():
        section = text.split(f"### Figure {number}. ")[1].split("### ")[0]
        assert f"figures/figure_{number:02}.png" in section
        assert section.count("\n| ") == len(names) + 1
    assert "nan" not in text


def test_a_seed_that_diverged_is_the_worst_and_breaks_nothing(tmp_path, results):
    bad = "2_Gelu_HingeLoss_0.01_1.0_100"
    results[bad] = [fake_run(bad, 0, epochs=6, diverged_in=1)._replace(made_with=MADE_WITH), results[bad][1]]
    section = written(tmp_path, results).split("### Figure 9. ")[1].split("### ")[0]
    assert f"{bad} worst" in section and "diverged" in section


def test_runs_that_failed_leave_the_rest_of_the_page(tmp_path, results):
    for name in [EQUAL_STEP[0], "2_Sigmoid_EuclideanLoss_1.0_0.0_100"]:
        del results[name]
    text = written(tmp_path, results)
    assert "not run" in text and re.search(r"^\| 21 \|.*\*\*not measured\*\* \|$", text, re.M)


def test_other_versions_and_other_data_are_named(tmp_path, results):
    assert "Mixed results" not in written(tmp_path, results)
    name = FIGURES[2][1][0]
    runs = results[name]
    for other, words in (({"data": "other data"}, "`other data`"), ({"version": 7}, "of results version 7")):
        results[name] = [each._replace(made_with=MADE_WITH | other) for each in runs]
        text = written(tmp_path, results)
        assert "**Mixed results:** today's version is 1" in text and words in text


def test_where_batch_10_changes_a_verdict_both_are_given(tmp_path, results):
    results_10 = {at_batch_10(name): finished(at_batch_10(name)) for name in results if name.endswith("_100")}
    results_10 |= {name: runs for name, runs in results.items() if name.endswith("_10")}
    assert "at batch 10" not in written(tmp_path, results, results_10).split("## Audit")[1]
    for loss in ("EuclideanLoss", "SoftmaxCrossEntropyLoss"):
        name = f"2_Sigmoid_{loss}_0.01_0.0_10"
        results_10[name] = finished(name, final=0.11, share=0.99)
    text = written(tmp_path, results, results_10)
    assert re.search(r"verdict changes for .*17", text)
    (line,) = re.findall(r"^\| 17 \|.*$", text, re.M)
    assert "**holds in part**<br>" in line and "<br>at batch 10: **holds" in line


def test_times_are_hours_of_one_core_and_minutes_in_which_something_ran(results):
    runs = [each for each in results[FIGURES[2][1][0]]]
    spans = [(100, 200), (150, 250), (400, 460)]
    made = [runs[0]._replace(made_with=MADE_WITH | {"seconds": end - start, "ended": end}) for start, end in spans]
    assert page._time(made, "they") == "they took 0.1 hours of one core, in 4 minutes"
