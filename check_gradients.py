"""Checks gradients, this project's or anybody's: the command. The checks themselves are in gradcheck/.

python check_gradients.py                   every layer, loss and network of this project
python check_gradients.py FOLDER ...        submissions for the same assignment: layers.py and loss.py in each folder
python check_gradients.py --layers FILE --loss FILE
"""

import argparse
import os
import shlex
import time
from pathlib import Path

from training.settings import run_command
from utils import FileError, UsageError

EPILOG = """
a submission has the assignment's interface:
  Linear(name, in_num, out_num, init_std) with W, b, grad_W, grad_b; Relu, Sigmoid, Gelu(name)
    forward(input), backward(grad_output), update(config)
  EuclideanLoss, SoftmaxCrossEntropyLoss, HingeLoss(name)
    forward(input, target), backward(input, target)
Missing classes and other conventions (a sum for the mean, columns for rows) are named and are no faults.

A submission runs in a process of its own with a limit on time and, where the system offers it, on memory. This is a
guard against accidents, not a security sandbox: run code that you would not run yourself on a machine you can spare.

exit codes: 0 nothing wrong found, 2 wrong usage, 3 a folder without either file, 5 a fault, 130 interrupted"""


class Parser(argparse.ArgumentParser):
    def error(self, message: str):
        raise UsageError(f"{message}; see python check_gradients.py --help")


def parse(arguments: list[str]) -> tuple[argparse.Namespace, list[tuple[str, Path | None, Path | None]]]:
    """The options, and the submissions as (title, layers file, loss file). Raises UsageError."""
    parser = Parser(
        prog="check_gradients.py",
        description="Check every gradient of this project, or of submissions, against central differences.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="holds layers.py, loss.py or both")
    parser.add_argument("--layers", type=Path, metavar="FILE", help="a file of layers, under whatever name")
    parser.add_argument("--loss", type=Path, metavar="FILE", help="a file of losses")
    parser.add_argument("--json", action="store_true", help="print JSON, for graders")
    parser.add_argument(
        "--time-limit", type=float, default=10.0, metavar="SECONDS", help="for each class of a submission (default 10)"
    )
    options = parser.parse_args(arguments)
    if options.folders and (options.layers or options.loss):
        raise UsageError("give folders, or --layers and --loss, not both")
    if not 0.1 <= options.time_limit <= 3600:
        raise UsageError(f"time-limit is {options.time_limit:g}: give seconds from 0.1 to 3600")
    for flag in ("layers", "loss"):
        file = getattr(options, flag)
        if file is not None and not file.is_file():
            raise UsageError(f"{file} is not a file: give --{flag} the file to check")
    submissions = []
    if options.layers or options.loss:
        title = ", ".join(str(file) for file in (options.layers, options.loss) if file)
        submissions.append((title, options.layers, options.loss))
    for folder in options.folders:
        if not folder.is_dir():
            raise UsageError(f"{folder} is not a folder: give the folder of a submission, or --layers and --loss")
        files = [file if file.exists() else None for file in (folder / "layers.py", folder / "loss.py")]
        submissions.append((str(folder), *files))
    return options, submissions


def main(arguments: list[str]) -> int:
    options, submissions = parse(arguments)
    return check_submissions(options, submissions) if submissions else check_project(options.json)


def check_project(as_json: bool) -> int:
    # Arrays of a few dozen numbers: starting the threads of the BLAS would cost more than all products.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from gradcheck import table
    from gradcheck.check_project import project_rows

    start = time.perf_counter()
    rows = project_rows()
    code = 5 if any(row.wrong for row in rows) else 0
    if as_json:
        print(table.as_json([("this project", rows)], code))
        return code
    screen = table.Screen()
    screen.print("This project's gradients against central differences in float64\n")
    screen.print(table.table(rows))
    screen.print("\n" + table.LEGEND)
    if code:
        screen.print("\n" + table.details(rows))
    errors = [row.error for row in rows if row.error is not None]
    largest = f"; largest relative error {max(errors):.1e} (limit 1e-06)" if errors else ""
    screen.print(f"\n{table.tally(rows)}{largest}, {time.perf_counter() - start:.1f} s")
    return code


def check_submissions(options: argparse.Namespace, submissions: list) -> int:
    from gradcheck import table
    from gradcheck.subprocess_runner import check_submission

    screen, done, empty = table.Screen(), [], []
    widths = (max(len(title) for title, *_ in submissions), len("SoftmaxCrossEntropyLoss"))
    for title, layers, loss in submissions:
        if layers is None and loss is None:
            empty.append(title)
            if not options.json and len(submissions) > 1:
                screen.print(
                    f"{title:<{widths[0]}}  {'-':<{widths[1]}}  {'no submission':<18}  neither layers.py nor loss.py"
                )
            continue
        rows = check_submission(layers, loss, options.time_limit)
        done.append((title, rows))
        if options.json:
            continue
        if len(submissions) > 1:
            for row in rows:
                screen.print(table.one_line(title, row, widths))
        else:
            show(screen, title, rows)
    every = [row for _, rows in done for row in rows]
    code = 5 if any(row.wrong for row in every) else 3 if empty else 0
    if options.json:
        print(table.as_json([*done, *((title, []) for title in empty)], code))
    elif len(submissions) > 1:
        screen.print(f"\n{len(submissions)} submissions: {table.tally(every)}")
    if empty and code == 3:
        raise FileError(f"{', '.join(empty)}: neither layers.py nor loss.py is there; {_hint(empty)}")
    return code


def _hint(folders: list[str]) -> str:
    """The command that checks what lies in the first of these folders under other names, or deeper."""
    files = [file for depth in range(3) for file in sorted(Path(folders[0]).glob("*/" * depth + "*.py"))]
    words = {"layers": "layer", "loss": "loss"}
    found = {part: [f for f in files if words[part] in f.stem.lower()] for part in words}
    first = {part: named[0] for part, named in found.items() if named}
    if first:
        parents = {file.parent for file in first.values()}
        command = " ".join(f"--{part} {shlex.quote(str(file))}" for part, file in first.items())
        if len(parents) == 1 and all(file.name == f"{part}.py" for part, file in first.items()):
            command = shlex.quote(str(parents.pop()))
        return f"is it this? python check_gradients.py {command}"
    names = ", ".join(str(file.relative_to(folders[0])) for file in files[:5])
    return f"there are {names}: give them to --layers and --loss" if files else "give the folder that does"


def show(screen, title: str, rows: list) -> None:
    from gradcheck import table

    screen.print(f"{title} against central differences in float64\n")
    screen.print(table.table(rows))
    screen.print("\n" + table.LEGEND)
    found = table.details(rows)
    if found:
        screen.print("\n" + found)
    screen.print("\n" + table.tally(rows))


if __name__ == "__main__":
    run_command(main)
