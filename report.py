"""Reruns the report: trains every run it needs, draws its figures, audits its claims, writes REPORT.md.

    python report.py                 everything; what results/ holds already is not trained again
    python report.py 4 7 13          these figures alone
    python report.py --draw-only     from results/ alone, no training

The figures are data in experiments/figures.py, the claims predicates in experiments/claims.py.
"""

import argparse
import os
import sys
import time

from running.settings import ROOT, UsageError, run_command

# NumPy, joblib and matplotlib are imported inside main: --help and wrong usage need none of them.


def parse(arguments: list[str]) -> argparse.Namespace:
    from experiments.figures import FIGURES

    parser = argparse.ArgumentParser(prog="report.py", description=__doc__.split("\n")[0], allow_abbrev=False)
    parser.add_argument("figures", nargs="*", type=int, metavar="FIGURE", help="1 to 13; all, and REPORT.md, if none")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="runs of each setting (default 3)")
    parser.add_argument("--batch-10", action="store_true", help="also figures 2 to 10 at the printed batch size")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N", help="processes (default: the cores)")
    parser.add_argument("--cluster", metavar="tcp://HOST:PORT", help="train on the workers of this Dask scheduler")
    parser.add_argument("--fresh", action="store_true", help="train again what results/ holds")
    parser.add_argument("--dry-run", action="store_true", help="500 images, 2 epochs; goes to runs/dry-run-report")
    parser.add_argument("--list", action="store_true", help="say which runs there are and which are missing")
    parser.add_argument("--draw-only", action="store_true", help="train nothing: draw and write from results/ alone")
    options = parser.parse_args(arguments)
    for key, least in (("seeds", 1), ("jobs", 1)):
        if getattr(options, key) < least:
            raise UsageError(f"--{key} is {getattr(options, key)}: give a whole number from {least}")
    unknown = [figure for figure in options.figures if figure not in FIGURES]
    if unknown:
        raise UsageError(f"there is no figure {unknown[0]}: give numbers from 1 to {max(FIGURES)}")
    return options


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    print("report.py: reading the data and the results", flush=True)
    from experiments import plan, work

    home = ROOT / "runs" / "dry-run-report" if options.dry_run else ROOT
    others = {"max_epoch": 2} if options.dry_run else {}
    curves = plan.curves(options.figures, options.batch_10, options.dry_run)
    settings = [work.settings_of(name, seed, **others) for seed in range(options.seeds) for name in curves]
    missing = plan.missing(settings, home / "results", options.dry_run, options.fresh)
    print(f"{len(settings)} runs, {len(settings) - len(missing)} finished, {len(missing)} to train", flush=True)
    if options.list:
        return plan.show(curves, settings, missing)
    failures = []
    if missing and not options.draw_only:
        start = time.perf_counter()
        try:
            failures = work.train_all(missing, options.jobs, options.cluster, options.dry_run, home / "results", say)
        finally:
            plan.note_session(home / "results", len(missing), options.jobs, time.perf_counter() - start)
    for failure in failures:
        print(f"report.py: {failure}", file=sys.stderr)
    return 1 if failures else 0


def say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    run_command(main)
