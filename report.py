"""Reruns the report: trains every run it needs, draws its figures, audits its claims, writes REPORT.md.

    python report.py                 everything; what results/ holds already is not trained again
    python report.py 4 7 13          these figures alone
    python report.py --draw-only     from results/ alone, no training

The figures are data in experiments/figures.py, the claims are in experiments/claims.py.
"""

import argparse
import os
import sys
from pathlib import Path

from training.command import ROOT, Parser, run_command
from utils import FileError, UsageError

# NumPy, joblib and matplotlib are imported inside the functions: --help and wrong usage need none of them.


def parse(arguments: list[str]) -> argparse.Namespace:
    from experiments.figures import FIGURES

    parser = Parser(prog="report.py", description=__doc__.split("\n")[0], allow_abbrev=False)
    parser.add_argument("figures", nargs="*", type=int, metavar="FIGURE", help="1 to 13; all, and REPORT.md, if none")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="runs of each setting (default 3)")
    parser.add_argument("--batch-10", action="store_true", help="also figures 2 to 10 at the printed batch size")
    jobs = os.cpu_count() or 1
    parser.add_argument("--jobs", type=int, default=jobs, metavar="N", help="processes (default: the cores)")
    parser.add_argument("--cluster", metavar="tcp://HOST:PORT", help="train on the workers of this Dask scheduler")
    parser.add_argument("--fresh", action="store_true", help="train again what results/ holds, from the first run on")
    parser.add_argument("--dry-run", action="store_true", help="500 images, 2 epochs; goes to runs/dry-run-report")
    parser.add_argument("--list", action="store_true", help="say which runs there are and which are missing")
    parser.add_argument("--draw-only", action="store_true", help="train nothing: draw and write from results/ alone")
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
    home = ROOT / "runs" / "dry-run-report" if options.dry_run else ROOT
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
    from experiments import plan, store, timing, work

    curves = plan.curves(options.figures, options.batch_10, options.dry_run)
    others = {"max_epoch": 2} if options.dry_run else {}
    settings = [work.settings_of(name, seed, **others) for seed in range(options.seeds) for name in curves]
    missing = plan.missing(settings, results, options.dry_run, options.fresh)
    say(f"{len(settings)} runs, {len(settings) - len(missing)} finished, {len(missing)} to train")
    if options.list:
        plan.show(settings, missing)
        return []
    failures = work.train_all(missing, options, results, say)
    times = timing.load(results)
    if not options.figures and (options.fresh or times is None or times["code"] != store.code_hash()):
        timing.save(timing.measure(dry_run=options.dry_run, say=say), results)
    return failures


def write(options: argparse.Namespace, home: Path) -> list[Path]:
    """Draw the figures asked for and, if that is all of them, write REPORT.md. From stored results alone."""
    import curves

    curves.use_project_cache()
    from experiments import draw, page, plan, timing
    from experiments.figures import AT_BATCH_10, FIGURES
    from experiments.measures import Book
    from experiments.names import at_batch_10

    stored = plan.stored(home / "results", options.seeds)
    numbers = options.figures or list(FIGURES)
    drawn = {f"figure_{number:02}": (number, FIGURES[number][1]) for number in numbers}
    absent = [name for _, names in drawn.values() for name in names if name not in stored]
    if absent:
        raise FileError(f"{home / 'results'} has no run of {absent[0]}: python report.py trains it")
    at_10 = {number: [at_batch_10(name) for name in FIGURES[number][1]] for number in AT_BATCH_10}
    has_10 = all(name in stored for names in at_10.values() for name in names)
    if has_10:
        drawn |= {f"figure_{number:02}_batch_10": (number, at_10[number]) for number in at_10 if number in numbers}
    pictures = draw.save_all(drawn, stored, home / "plots")
    if options.figures:
        return pictures
    equal = plan.equal_first_step_of(stored)
    samples = next(iter(stored.values()))[0].made_with["images"]
    book, book_10 = Book(stored, 100, equal, samples), Book(stored, 10, equal, samples) if has_10 else None
    page.write(home / "REPORT.md", book, book_10, timing.load(home / "results"), pictures)
    return [*pictures, home / "REPORT.md"]


def say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    run_command(main)
