"""Checks gradients, this project's or anybody's: the command. The checks themselves are in gradcheck/.

python check_gradients.py                   every layer, loss and network of this project
python check_gradients.py FOLDER ...        submissions for the same assignment: layers.py and loss.py in each folder
python check_gradients.py --layers FILE --loss FILE
python check_gradients.py --starter FOLDER  write the two files that a student starts from
"""

import argparse
import glob
import shlex
import time
from pathlib import Path
from typing import NamedTuple

from gradcheck import table
from gradcheck.check_project import project_rows
from gradcheck.report_rows import Row
from gradcheck.starter import write_starter
from gradcheck.subprocess_runner import TIME_LIMIT, check_submission
from training.command import Parser, run_command
from utils import FileError, UsageError

EPILOG = """
a submission has the assignment's interface:
  Linear(name, in_num, out_num, init_std) with W, b, grad_W, grad_b; Relu, Sigmoid, Gelu(name)
    forward(input), backward(grad_output), update(config)
  EuclideanLoss, SoftmaxCrossEntropyLoss, HingeLoss(name)
    forward(input, target), backward(input, target)
and may have the layers and losses of other years. Missing classes and other conventions (a sum for the mean, columns
for rows) are named and are not wrong. gradcheck/README.md says what each verdict means and how to grade with them.

A submission runs in a process of its own with a limit on time and, where the system offers it, on memory. This is a
guard against accidents, not a security sandbox: run code that you would not run yourself on a machine you can spare.

exit codes: 0 nothing wrong found, 2 wrong usage, 3 a folder without either file, 5 something is WRONG or UNSAFE or
raises, 130 interrupted, 1 anything else"""


class Submission(NamedTuple):
    title: str
    layers: Path | None
    loss: Path | None


def parse(arguments: list[str]) -> tuple[argparse.Namespace, list[Submission]]:
    """The options and the submissions. Raises UsageError."""
    parser = Parser(
        prog="check_gradients.py",
        description="Check every gradient of this project, or of submissions, against central differences.",
        epilog=EPILOG,
    )
    parser.add_argument("folders", nargs="*", metavar="FOLDER", help="holds layers.py, loss.py or both")
    parser.add_argument("--layers", type=Path, metavar="FILE", help="a file of layers, under any name, or a notebook")
    parser.add_argument("--loss", type=Path, metavar="FILE", help="a file of losses")
    parser.add_argument("--json", action="store_true", help="print JSON, for graders")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write a line for each class, for a spreadsheet")
    parser.add_argument("--starter", type=Path, metavar="FOLDER", help="write layers.py and loss.py to be filled in")
    words = "for a class (default %(default)g)"
    parser.add_argument("--time-limit", type=float, default=TIME_LIMIT, metavar="SECONDS", help=words)
    options = parser.parse_args(arguments)
    if options.folders and (options.layers or options.loss):
        raise UsageError("give folders, or --layers and --loss, not both")
    given = {name for name, value in vars(options).items() if value not in ([], parser.get_default(name))}
    if options.starter and given - {"starter"}:
        raise UsageError("--starter FOLDER stands alone")
    if options.csv and not given & {"folders", "layers", "loss"}:
        raise UsageError("--csv FILE is for submissions: give their folders, or --layers and --loss")
    if not 0.1 <= options.time_limit <= 3600:
        raise UsageError(f"time-limit is {options.time_limit:g}: give seconds from 0.1 to 3600")
    for flag in ("layers", "loss"):
        file = getattr(options, flag)
        if file is not None and not file.is_file():
            raise UsageError(f"{file} is not a file: give --{flag} the file to check")
    if options.layers or options.loss:
        title = ", ".join(str(file) for file in (options.layers, options.loss) if file)
        return options, [Submission(title, options.layers, options.loss)]
    return options, [_in_folder(folder) for given in options.folders for folder in _folders(given)]


def _folders(given: str) -> list[Path]:
    """A folder, or those that a wildcard stands for where the shell has not expanded it."""
    if Path(given).is_dir():
        return [Path(given)]
    if glob.has_magic(given):
        found = [Path(path) for path in sorted(glob.glob(given)) if Path(path).is_dir()]
        if found:
            return found
        raise UsageError(f"{given} stands for no folder: give the folders of submissions")
    raise UsageError(f"{given} is not a folder: give the folder of a submission, or --layers and --loss")


def _in_folder(folder: Path) -> Submission:
    """The two files of a folder, or of the one folder in it; a single notebook stands for both."""
    inner = folder
    for _ in range(3):
        files = [file if file.is_file() else None for file in (inner / "layers.py", inner / "loss.py")]
        inside = [path for path in inner.iterdir() if not path.name.startswith((".", "__"))]
        notebooks = [path for path in inside if path.suffix == ".ipynb"]
        if not any(files) and len(notebooks) == 1:
            files = notebooks * 2
        if any(files) or len(inside) != 1 or not inside[0].is_dir():
            break
        inner = inside[0]
    return Submission(str(folder), *files)


def main(arguments: list[str]) -> int:
    options, submissions = parse(arguments)
    if options.starter:
        write_starter(options.starter)
        print(f"fill in layers.py and loss.py, then: python check_gradients.py {options.starter}")
        return 0
    return check_submissions(options, submissions) if submissions else check_project(options.json)


def check_project(as_json: bool) -> int:
    start = time.perf_counter()
    rows = project_rows()
    code = 5 if any(row.fails for row in rows) else 0
    if as_json:
        print(table.as_json([("this project", rows)], code))
        return code
    show(table.Screen(), "This project's gradients", rows)
    errors = [row.error for row in rows if row.error is not None]
    print(f"largest relative error {max(errors, default=0):.1e} (limit 1e-06), {time.perf_counter() - start:.1f} s")
    return code


def check_submissions(options: argparse.Namespace, submissions: list[Submission]) -> int:
    screen, done, empty = table.Screen(), [], []
    widths = (max(len(submission.title) for submission in submissions), len("SoftmaxCrossEntropyLoss"))
    sheet = table.CsvFile(options.csv) if options.csv else None
    for title, layers, loss in submissions:
        if layers is None and loss is None:
            empty.append(title)
            rows = [Row("-", verdict="no submission")]
            rows[0].absent("class", "neither layers.py nor loss.py")
        else:
            rows = check_submission(layers, loss, options.time_limit)
            done.append((title, rows))
        if sheet:
            sheet.write(title, rows)
        if not options.json and len(submissions) > 1:
            for row in rows:
                screen.print(table.one_line(title, row, widths))
        elif not options.json and (title, rows) in done:
            show(screen, title, rows)
    if sheet:
        sheet.close()
    every = [row for _, rows in done for row in rows]
    code = 5 if any(row.fails for row in every) else 3 if empty else 0
    if options.json:
        print(table.as_json([*done, *((title, []) for title in empty)], code))
    elif len(submissions) > 1:
        screen.print(f"\n{len(submissions)} submissions: {table.tally(every)}")
    if empty and code == 3:
        raise FileError(f"{', '.join(empty)}: neither layers.py nor loss.py is there; {_hint(empty)}")
    return code


def show(screen: table.Screen, title: str, rows: list[Row]) -> None:
    """The table of one submission, and what was found."""
    screen.print(f"{title} against central differences in float64\n")
    screen.print(table.table(rows))
    screen.print("\n" + table.LEGEND)
    found = table.details(rows)
    screen.print(("\n" + found if found else "") + "\n" + table.tally(rows))


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


if __name__ == "__main__":
    run_command(main)
