"""The bars to reach, as data, and the judge: met, met within the spread, missed, or not measured.

A bar is judged on the rounds' ratios: met if their median reaches it; met within the spread if only the best round
does, since then the measurement does not tell the two apart; else missed.
"""

from typing import NamedTuple

from benchmarks.cases import CASES, LIMIT, TITLES, Case
from benchmarks.processes import spread

# (contestant, size of the case, at least so many times our time per step): one core, one and two hidden layers
AGAINST = [
    ("torch", "batch 10", 3.0),
    ("torch", "batch 100", 1.5),
    ("torch", "batch 200", 1.5),
    ("torch", "1024 wide", 1.0),
    ("sklearn", "batch 10", 2.5),
    ("sklearn", "batch 100", 1.4),
    ("sklearn", "batch 200", 1.4),
    ("jax", "batch 10", 0.75),
    ("jax", "batch 100", 1.0),
    ("jax", "batch 200", 1.0),
]
TWO_CORES, STRETCH = 0.9, 1.0  # at least so many times our time, every peer in every case
LIMIT_SHARE = {"batch 10": 60, "batch 100": 80, "batch 200": 80, "1024 wide": 90}  # %, at least; one core
LOGGING = 3.0  # % of a run at batch 100, at most
EVALUATION = 1.3  # times its bare products, at most
MEMORY_LIMIT = 150.0  # MB, at most, of `python run_mlp.py`
LINE_LIMIT = 1.5  # seconds to the first training line, at most

MET, STRADDLES, MISSED, UNKNOWN = "met", "met within the spread", "missed", "not measured"


class Results(NamedTuple):
    """All that compare.py has measured. Lists hold one number for each round."""

    seconds: dict  # [cores][name of the case][contestant or LIMIT]: seconds per step
    used: dict  # [cores][name of the case][contestant]: threads, busy (processors at work), in_process, difference
    program: dict  # [name]: seconds of `epoch 100 logged`, `epoch 100 bare`, …, `evaluation ours`, `evaluation bare`
    epochs: dict  # [batch size]: epochs of a run that was timed for its logging
    whole: dict  # [contestant]: processes.Whole
    about: dict  # [contestant]: its setting and thread pools
    left_out: list  # sentences


class Verdict(NamedTuple):
    what: str
    bound: str
    measured: str
    verdict: str


def ratios(results: Results, cores: int, case: Case, name: str) -> list[float]:
    """Round by round: the contestant's time over ours. Empty if it was not measured."""
    seconds = results.seconds.get(cores, {}).get(case.name, {})
    return [theirs / ours for theirs, ours in zip(seconds.get(name, []), seconds.get("ours", []))]


def shares(results: Results, cores: int, case: Case) -> list[float]:
    """Round by round: the limit's time as a percentage of ours."""
    return [100 * ratio for ratio in ratios(results, cores, case, LIMIT)]


def judge(values: list[float], bound: float, at_least: bool) -> str:
    if not values:
        return UNKNOWN
    median, least, greatest = spread(values)
    reached, best = (median >= bound, greatest >= bound) if at_least else (median <= bound, least <= bound)
    return MET if reached else STRADDLES if best else MISSED


def verdicts(results: Results) -> list[Verdict]:
    """Every bar, judged. A bar for several cases is as good as its worst."""
    found = []

    def bar(what: str, bound: float, rows: dict, unit: str, digits: int, at_least: bool = True) -> None:
        """rows: what was measured (the case's name, or "") and its values."""
        order = (MISSED, STRADDLES, MET)
        judged = [(judge(values, bound, at_least), name, values) for name, values in rows.items() if values]
        sign = "≥" if at_least else "≤"
        limit = f"{sign} {bound:g}{unit}"
        if not judged:
            found.append(Verdict(what, limit, "", UNKNOWN))
            return
        worst = min(judged, key=lambda row: (order.index(row[0]), spread(row[2])[0] * (1 if at_least else -1)))
        measured = with_spread(worst[2], digits, unit)
        if len(judged) > 1:
            measured += f", worst of {len(judged)}: {worst[1]}"
        found.append(Verdict(what, limit, measured, worst[0]))

    for name, size, bound in AGAINST:
        rows = {case.name: ratios(results, 1, case, name) for case in CASES if case.size == size}
        bar(f"against {TITLES[name]}, {size}", bound, rows, "×", 2)
    for name in TITLES:
        if name != "ours":
            rows = {case.name: ratios(results, 2, case, name) for case in CASES}
            bar(f"two cores, against {TITLES[name]}, every case", TWO_CORES, rows, "×", 2)
    for size, bound in LIMIT_SHARE.items():
        rows = {case.name: shares(results, 1, case) for case in CASES if case.size == size}
        bar(f"share of the limit, {size}", bound, rows, " %", 0)
    bar("logging and writing, batch 100", LOGGING, {"": logging_share(results, 100)}, " %", 1, at_least=False)
    bar("one evaluation, against its bare products", EVALUATION, {"": evaluation(results)}, "×", 2, at_least=False)
    wholes = results.whole.get("ours", [])
    bar("peak memory of a run", MEMORY_LIMIT, {"": [w.peak for w in wholes]}, " MB", 0, at_least=False)
    bar("first training line", LINE_LIMIT, {"": [w.first_mark for w in wholes]}, " s", 2, at_least=False)
    return found


def logging_share(results: Results, batch_size: int) -> list[float]:
    """Round by round: what logging and writing add to a run, in percent of the run with them."""
    logged, bare = (results.program.get(f"epoch {batch_size} {kind}", []) for kind in ("logged", "bare"))
    return [100 * (one - other) / one for one, other in zip(logged, bare)]


def evaluation(results: Results) -> list[float]:
    ours, bare = (results.program.get(f"evaluation {kind}", []) for kind in ("ours", "bare"))
    return [one / other for one, other in zip(ours, bare)]


def stretch_reached(results: Results) -> bool | None:
    """Whether every peer takes at least our time in every case on two cores; None if that was not measured."""
    rows = [ratios(results, 2, case, name) for case in CASES for name in TITLES if name != "ours"]
    judged = [judge(values, STRETCH, True) for values in rows if values]
    return MISSED not in judged if judged else None


def with_spread(values: list[float], digits: int, unit: str = "") -> str:
    """Median (least – greatest)."""
    median, least, greatest = spread(values)
    return f"{median:,.{digits}f}{unit} ({least:,.{digits}f} – {greatest:,.{digits}f})"
