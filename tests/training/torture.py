"""The long campaigns: hundreds of faults into real runs, and what was lost by them.

    python tests/training/torture.py           all of it, under ten minutes on two free cores
    python tests/training/torture.py --quick   the short form, which is part of the test suite too

The long form writes its table into tests/README.md, between two marker lines, if every campaign could be carried out.
Exits 5 if anything was lost.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from campaigns import CAMPAIGNS, Lab, Result, carry_out
from faults import ROOT, Trainer
from idx_files import small_set, write_set

PAGE = Path(__file__).resolve().parents[1] / "README.md"
MARKERS = ("<!-- written by tests/training/torture.py -->", "<!-- end of what tests/training/torture.py writes -->")


def share_of_checkpoints(epochs: int) -> float:
    """How much of a run's time at batch size 100 on MNIST goes into checkpoints."""
    script = (
        "import sys, time\nimport run_mlp\nfrom training.output import Watch\nspent, inner = [], Watch.on_epoch\n"
        "def timed(*arguments):\n    begun = time.perf_counter()\n    inner(*arguments)\n"
        "    spent.append(time.perf_counter() - begun)\n"
        "Watch.on_epoch = timed\nbegun = time.perf_counter()\nrun_mlp.main(sys.argv[1:])\n"
        "print(sum(spent) / (time.perf_counter() - begun))\n"
    )
    with tempfile.TemporaryDirectory() as scratch:
        flags = ["-b", "100", "--max-epoch", str(epochs), "--run-dir", scratch, "--no-plot", "--quiet"]
        run = [sys.executable, "-c", script, *flags]
        output = subprocess.run(run, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
    return float(output.split()[-1])


def main() -> int:
    parser = argparse.ArgumentParser(description="Inject faults into runs and count what is lost.")
    parser.add_argument("--quick", action="store_true", help="the short form")
    parser.add_argument(
        "--only", default="", metavar="WORD", help="campaigns whose title has this word; writes no table"
    )
    options = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory(prefix="folter ä ") as scratch:
        trainer = Trainer(write_set(Path(scratch) / "data", small_set()))
        for number, title in enumerate(title for title in CAMPAIGNS if options.only in title):
            lab = Lab(trainer, Path(scratch) / str(number))
            try:
                results.append(carry_out(title, lab, options.quick))
            except OSError as error:
                print(f"{title}: left out, {error}")
                continue
            _, injected, lost, seconds = results[-1]
            print(f"{title}: {injected} times, {len(lost)} lost, {seconds:.0f} s", *lost, sep="\n  ", flush=True)
            if lab.refused:
                print(f"  refused in turn: {', '.join(sorted(lab.refused))}")
        trainer.close()
    lost = sum(len(result.lost) for result in results)
    if not options.only:
        share = share_of_checkpoints(2 if options.quick else 50)
        print(f"checkpoints: {share:.2%} of the time of a run at batch size 100")
        if not options.quick and len(results) == len(CAMPAIGNS):
            write_table(results, share)
    return 5 if lost else 0


def write_table(results: list[Result], share: float) -> None:
    lines = ["| campaign | times | lost |", "|---|---|---|"]
    lines += [f"| {result.title} | {result.injected} | {len(result.lost) or 'nothing'} |" for result in results]
    struck = sum(result.injected for result in results)
    lines += ["", f"{struck} in all. Checkpoints took {share:.2%} of the time of a run at batch size 100."]
    text = PAGE.read_text(encoding="utf-8")
    begin, end = (text.index(marker) for marker in MARKERS)
    text = text[: begin + len(MARKERS[0])] + "\n\n" + "\n".join(lines) + "\n\n" + text[end:]
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
