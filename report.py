"""Reruns the report: trains every run it needs, draws its figures, audits its claims, writes REPORT.md.

    python report.py --draw-only    from the stored runs alone, without training: half a minute
    python report.py --dry-run      the whole path on 500 images and 2 epochs, in runs/dry-run-report: a minute
    python report.py --list         which runs there are, and which are missing
    python report.py 4 7 13         these figures alone; a run of 50 epochs takes 15 to 60 seconds of one core
    python report.py --batch-10     everything: 726 runs, 5 hours of one core, less what is stored
    python report.py --seeds 5      two seeds more of each setting than are stored

The figures are data in experiments/figure_list.py, the claims are in experiments/claims.py.
"""

import argparse
import os
import sys
from pathlib import Path

import curves
from experiments import draw, page, store, timing, train_runs
from experiments.figure_list import (
    AT_BATCH_10,
    EXTRA_RUNS,
    FIGURES,
    PAIR_RUNS,
    RATES_OF_DECAY,
    RESTARTED,
    at_batch_10,
    settings_of,
)
from experiments.statistics import RunTable
from training.command import ROOT, Parser, run_command
from utils import FileError, UsageError


def parse(arguments: list[str]) -> argparse.Namespace:
    description, _, examples = (__doc__ or "").partition("\n")  # none under python -OO
    parser = Parser(
        prog="report.py",
        description=description,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "figures", nargs="*", type=int, metavar="FIGURE", help=f"1 to {max(FIGURES)}; all, and REPORT.md, if none"
    )
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="runs of each setting (default 3)")
    parser.add_argument("--batch-10", action="store_true", help="also figures 2 to 10 at the printed batch size")
    jobs = os.cpu_count() or 1
    parser.add_argument("--jobs", type=int, default=jobs, metavar="N", help="processes (default: the cores)")
    parser.add_argument("--cluster", metavar="tcp://HOST:PORT", help="train on the workers of this Dask scheduler")
    parser.add_argument("--fresh", action="store_true", help="train again what is stored, from the first run on")
    parser.add_argument("--dry-run", action="store_true", help="500 images, 2 epochs; goes to runs/dry-run-report")
    parser.add_argument("--list", action="store_true", help="say which runs there are and which are missing")
    parser.add_argument("--draw-only", action="store_true", help="train nothing: draw and write from what is stored")
    options = parser.parse_args(arguments)
    for key in ("seeds", "jobs"):
        if getattr(options, key) < 1:
            raise UsageError(f"--{key} is {getattr(options, key)}: give a whole number from 1")
    unknown = [figure for figure in options.figures if figure not in FIGURES]
    if unknown:
        raise UsageError(f"there is no figure {unknown[0]}: give numbers from 1 to {max(FIGURES)}")
    return options


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    home = ROOT / "runs" / "dry-run-report" if options.dry_run else ROOT / "experiments"
    say(f"report.py: reading {home / 'results'}")
    failures = [] if options.draw_only and not options.list else train(options, home / "results")
    for failure in failures:
        print(f"report.py: {failure}", file=sys.stderr)
    if not options.list:
        written = write(options, home)
        print(f"{len(written)} files written, the last {written[-1]}")
    return 1 if failures else 0


def train(options: argparse.Namespace, results: Path) -> list[str]:
    """Train what is missing and time what is to be timed. Returns a sentence for each run that failed."""
    names = train_runs.needed_curves(options.figures, options.batch_10, results, options.dry_run)
    wanted = [(name, settings_of(name, seed, options.dry_run)) for seed in range(options.seeds) for name in names]
    settings = [each for _, each in wanted]
    missing = train_runs.missing_runs(settings, results, options.dry_run, options.fresh)
    say(f"{len(settings)} runs, {len(settings) - len(missing)} finished, {len(missing)} to train")
    if options.list:
        train_runs.show(wanted, missing)
        return []
    failures = train_runs.train_all(missing, options, results, say)
    if not options.figures:
        again = [settings_of(RESTARTED, seed, options.dry_run) for seed in range(options.seeds)]
        again = train_runs.missing_runs(again, results / "restarted", options.dry_run, options.fresh)
        failures += train_runs.train_all(again, options, results / "restarted", say, restarted=True)
    if not options.figures and (options.fresh or timing.load(results) is None):
        timing.save(timing.measure(dry_run=options.dry_run, say=say), results)
    return failures


def write(options: argparse.Namespace, home: Path) -> list[Path]:
    """Draw the figures asked for and, if that is all of them, write REPORT.md. From stored results alone."""
    results = home / "results"

    def load(names: list[str]) -> dict[str, list[store.Result]]:
        return store.load_curves(names, options.seeds, results, options.dry_run)

    numbers = options.figures or list(FIGURES)
    drawn = {f"figure_{number:02}": (number, FIGURES[number][1]) for number in numbers}
    stored = load([name for _, names in drawn.values() for name in names])
    absent = [name for _, names in drawn.values() for name in names if name not in stored]
    if absent:
        raise FileError(f"{results} has no run of {absent[0]}: python report.py trains it")
    at_10 = {number: [at_batch_10(name) for name in FIGURES[number][1]] for number in numbers if number in AT_BATCH_10}
    names_10 = [name for names in at_10.values() for name in names]
    stored |= load(names_10)
    has_10 = all(name in stored for name in names_10)
    if has_10:
        drawn |= {f"figure_{number:02}_batch_10": (number, names) for number, names in at_10.items()}
    equal = [] if options.figures else train_runs.equal_gradient_curves(results, options.dry_run)
    if not options.figures:
        at_both = [*EXTRA_RUNS, *equal]
        stored |= load([*at_both, *map(at_batch_10, at_both), *PAIR_RUNS, *RATES_OF_DECAY])
        again = store.load_curves([RESTARTED], options.seeds, results / "restarted", options.dry_run)
        if again:
            stored["restarted"] = again[RESTARTED]
    say_seeds(options.seeds, stored)
    curves.use_project_cache()
    curves.load_matplotlib()
    images = next(iter(stored.values()))[0].made_with["images"]
    table, table_10 = (RunTable(stored, batch, equal, images) for batch in (100, 10))
    pictures = draw.save_all(drawn, table, home / "figures")
    if options.figures:
        return pictures
    report, tables = (home if options.dry_run else ROOT) / "REPORT.md", home / "TABLES.md"
    page.write(report, tables, table, table_10 if has_10 else None, timing.load(results), pictures)
    return [*pictures, tables, report]


def say_seeds(asked: int, stored: dict[str, list[store.Result]]) -> None:
    """Say which curves have fewer seeds than were asked for: they are drawn all the same."""
    fewer = {name: len(runs) for name, runs in stored.items() if len(runs) < asked}
    if fewer:
        most = max(len(runs) for runs in stored.values())
        name = min(fewer, key=fewer.get)
        print(
            f"report.py: {len(fewer)} of {len(stored)} curves have fewer than {asked} seeds (the most that one has is "
            f"{most}; {name} has {fewer[name]}): python report.py --seeds {asked} trains the rest",
            file=sys.stderr,
        )


def say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    run_command(main)
