"""REPORT.md on fake results: every claim with its verdict, and no crash where runs diverged or are missing."""

import re

import pytest
from fake_results import EQUAL_GRADIENT, fake_run

from experiments import page
from experiments.claims import CLAIMS
from experiments.figure_list import AT_BATCH_10, EXTRA_RUNS, FIGURES, PAIR_RUNS, RATES_OF_DECAY, at_batch_10
from experiments.questions import QUESTIONS
from experiments.statistics import RunTable

MADE_WITH = {"data": "this data", "python": "3", "numpy": "2", "machine": "a machine", "seconds": 3600.0, "ended": 3600}
MADE_WITH |= {"images": 60_000, "class_share": 0.1}


def finished(name: str, **shape):
    return [fake_run(name, seed, epochs=6, **shape)._replace(made_with=MADE_WITH) for seed in (0, 1)]


@pytest.fixture
def results():
    names = [name for _, drawn in FIGURES.values() for name in drawn]
    names += EXTRA_RUNS + PAIR_RUNS + RATES_OF_DECAY + EQUAL_GRADIENT
    return {name: finished(name) for name in names}


def written(tmp_path, results, results_10=None) -> tuple[str, str]:
    """REPORT.md and TABLES.md."""
    names = [f"figure_{number:02}" for number in FIGURES]
    names += [f"figure_{number:02}_batch_10" for number in AT_BATCH_10] + ["gradients", "summary"]
    pictures = [tmp_path / "inner" / "figures" / f"{name}.png" for name in names]
    (tmp_path / "inner").mkdir(exist_ok=True)
    report, tables = tmp_path / "REPORT.md", tmp_path / "inner" / "TABLES.md"
    table_10 = None if results_10 is None else RunTable(results_10, 10, EQUAL_GRADIENT)
    page.write(report, tables, RunTable(results, 100, EQUAL_GRADIENT), table_10, None, pictures)
    return report.read_text(encoding="utf-8"), tables.read_text(encoding="utf-8")


def lines_of(table: str) -> dict[int, list[str]]:
    """The cells after the first, by the number in the first."""
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if re.match(r"\| \d+ \|", line)]
    return {int(row[0]): row[1:] for row in rows}


def test_every_claim_has_a_line_and_every_figure_its_picture_and_table(tmp_path, results):
    text, tables = written(tmp_path, results)
    before, after = text.split("<details>")
    verdicts, evidence = lines_of(before), lines_of(after)
    assert list(verdicts) == list(evidence) == [claim.number for claim in (*CLAIMS, *QUESTIONS)]
    found = {number: cells[2] for number, cells in verdicts.items()}
    assert {number for number, verdict in found.items() if verdict == "not measured"} == {5, 12, 27}
    assert all(verdict.split(" ≈")[0] in page.PLURAL for verdict in found.values())
    for number, (title, names) in FIGURES.items():
        section = text.split(f"### Figure {number}. {title}\n")[1].split("### ")[0]
        assert f"](inner/figures/figure_{number:02}.png)" in section
        if number > 1:
            table = tables.split(f"## Figure {number}. {title}\n")[1].split("## ")[0]
            assert table.count("\n| ") == len(names) + 1
    assert "nan" not in text + tables and "inf" not in text.replace("inner", "")
    assert len(text.split("<details>")[0].splitlines()) <= 75


def test_every_link_within_the_page_has_its_heading(tmp_path, results):
    text, tables = written(tmp_path, results)

    def anchors(page_text):
        headings = re.findall(r"^#+ (.*)$", page_text, re.M)
        return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}

    assert set(re.findall(r"\]\(#([^)]*)\)", text)) <= anchors(text)
    assert set(re.findall(r"\]\(inner/TABLES.md#([^)]*)\)", text)) <= anchors(tables)


def test_a_seed_that_diverged_is_the_worst_and_breaks_nothing(tmp_path, results):
    bad = "2_Gelu_HingeLoss_0.01_1.0_100"
    results[bad] = [fake_run(bad, 0, epochs=6, diverged_in=1)._replace(made_with=MADE_WITH), results[bad][1]]
    section = written(tmp_path, results)[0].split("### Figure 9. ")[1].split("### ")[0]
    assert f"{bad} worst" in section and "diverged" in section


def test_runs_that_failed_leave_the_rest_of_the_page(tmp_path, results):
    for name in [EQUAL_GRADIENT[0], "2_Sigmoid_EuclideanLoss_1.0_0.0_100"]:
        del results[name]
    text, tables = written(tmp_path, results)
    assert lines_of(text.split("<details>")[0])[21][2] == "not measured" and "has no result" in tables


def at_10(results, **shapes):
    found = {at_batch_10(name): finished(at_batch_10(name), **shapes) for name in results if name.endswith("_100")}
    return found | {name: runs for name, runs in results.items() if name.endswith("_10")}


def test_the_findings_are_chosen_by_the_numbers(tmp_path, results):
    assert "one knob" not in written(tmp_path, results)[0]  # without runs at batch 10 there is nothing to say
    results |= at_10(results)
    text, tables = written(tmp_path, results, at_10(results))
    (first,) = re.findall(r"^1\. .*$", text, re.M)
    assert "are one knob while the step is small enough.**" in first
    (count,) = re.findall(r"in (\d+) of the \1 pairs of which one at least trains", first)
    assert "It stops" not in first and "further apart" not in first
    assert tables.split("## Pairs of equal")[1].split("## ")[0].count("+0.00") == int(count)
    for rate in (0.001, 0.1):
        name = f"1_Sigmoid_EuclideanLoss_{rate}_0.0_10"
        results[name] = finished(name, final=0.94 if rate == 0.001 else 0.2)
    (first,) = re.findall(r"^1\. .*$", written(tmp_path, results, at_10(results))[0], re.M)
    assert (
        f"{int(count) - 2} of the {count} pairs" in first
        and "These end further apart: 1 Sigmoid Euclidean at 0.01: 9" in first
    )
    assert "too large: 1 Sigmoid Euclidean at 1: 9" in first


def test_hinges_lead_is_a_larger_step_if_it_goes_at_an_equal_gradient(tmp_path, results):
    assert "Hinge's lead is not a larger step alone" in written(tmp_path, results)[0]
    for name in results:
        if "SoftmaxCrossEntropyLoss_0.1_" in name:
            results[name] = finished(name, final=0.96)
    text = written(tmp_path, results)[0]
    assert "**Hinge's lead is a larger step.** At the start its gradient at the output is (−9, 1 … 1)" in text
    assert "softmax's (−0.9, 0.1 … 0.1): 10 times as large" in text
    assert "above in every seed in 5 of 5 settings, in 5 by 0.3 points or more: by +" in text
    assert re.search(r" \+\d\.\d\d ± 0\.00 points \(2 Sigmoid, batch 100\), ", text)
    name = "1_Relu_SoftmaxCrossEntropyLoss_0.1_0.0_100"
    results[name] = finished(name, final=0.9)
    assert "**Hinge's lead is mostly a larger step.**" in written(tmp_path, results)[0]


def test_what_stops_two_sigmoid_layers_is_decided_by_the_remedies(tmp_path, results):
    assert "Two Sigmoid layers" not in written(tmp_path, results)[0].split("## The verdicts")[0]
    plain = [f"2_Sigmoid_{loss}_0.01_0.0_100" for loss in ("EuclideanLoss", "SoftmaxCrossEntropyLoss")]
    results |= {name: finished(name, final=0.2) for name in plain}
    finding = written(tmp_path, results)[0].split("## The verdicts")[0]
    assert (
        "**Two Sigmoid layers are slow, not stuck" in finding
        and "Of 8 remedies, each used alone, 8 make both train ([" in finding
    )
    assert "the initial weights' 0.01·√100 × 0.01·√10 = 1/316 times the sigmoids' 1/16 is 1/5,060" in finding
    results |= {name: finished(name, final=0.2) for name in (each.replace("0.01", "0.1") for each in plain)}
    finding = written(tmp_path, results)[0].split("## The verdicts")[0]
    assert "**A vanishing gradient stops two Sigmoid layers" in finding and "(not learning rate × 10)" in finding
    results |= {name: finished(name, final=0.2) for name in (f"{plain[0]}_init_std0.04", f"{plain[1]}_init_std0.178")}
    assert "**No vanishing gradient stops two Sigmoid layers" in written(tmp_path, results)[0]


def test_the_losses_by_hand(tmp_path, results):
    text = written(tmp_path, results)[0].split("## The three losses by hand")[1]
    assert (
        "| EuclideanLoss | 4,900.5 | 99.0 | 0.5 |" in text and "| SoftmaxCrossEntropyLoss | 0.0 | 0.0 | 2.303 |" in text
    )


def test_other_versions_and_other_data_are_named(tmp_path, results):
    assert "Mixed results" not in written(tmp_path, results)[0]
    name = FIGURES[2][1][0]
    runs = results[name]
    for other, words in (({"data": "other data"}, "`other data`"), ({"version": 7}, "of results version 7")):
        results[name] = [each._replace(made_with=MADE_WITH | other) for each in runs]
        text = written(tmp_path, results)[0]
        assert "**Mixed results:** today's version is 1" in text and words in text


def test_both_batch_sizes_have_their_verdict(tmp_path, results):
    results_10 = at_10(results)
    for loss in ("EuclideanLoss", "SoftmaxCrossEntropyLoss"):
        name = f"2_Sigmoid_{loss}_0.01_0.0_10"
        results_10[name] = finished(name, final=0.11, share=0.99)
    text = written(tmp_path, results, results_10)[0]
    cells = lines_of(text.split("<details>")[0])
    assert cells[17][2:4] == ["holds in part", "holds"] and cells[20][2:4] == ["does not apply", "holds"]
    assert cells[25][3] == "" and "**At batch 10:** Softmax fails (10." in text


def test_times_are_hours_of_one_core_and_minutes_in_which_something_ran(results):
    runs = [each for each in results[FIGURES[2][1][0]]]
    spans = [(100, 200), (150, 250), (400, 460)]
    made = [runs[0]._replace(made_with=MADE_WITH | {"seconds": end - start, "ended": end}) for start, end in spans]
    assert page._time(made, "they") == "they took 0.1 hours of one core, in 4 minutes"
