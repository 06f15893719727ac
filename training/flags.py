"""The flags of run_mlp.py: one for each row of the settings' table, and where a run goes and what it shows."""

import argparse
import contextlib
from pathlib import Path

from training.command import ROOT, Parser
from training.settings import DEFAULTS, SETTINGS, read_config, resolve
from utils import UsageError

EXAMPLES = """examples, with the time on one core of a server and the final test accuracy:
  python run_mlp.py                               28 s   97.6 %
  python run_mlp.py -n 2 -a Gelu -l Hinge -b 100  20 s   97.5 %
  python run_mlp.py -n 0 -l Euclidean -b 100       4 s   85.4 %
  python run_mlp.py --dry-run                      1 s   the whole path on 500 images, says nothing of accuracy

exit codes: 0 done, 2 wrong usage, 3 bad or missing data, 4 training diverged, 130 interrupted, 1 anything else"""

# A resumed run with another value of anything else would be another run.
MAY_CHANGE = ("max_epoch", "data_dir")


def parse(arguments: list[str], config: dict) -> tuple[dict, argparse.Namespace]:
    """Return the settings of a run, checked, and the other options. Raises UsageError or FileError.

    Flags override a config.json (that of --config, or of the run to resume), which overrides `config`.
    """
    options = _parser().parse_args(arguments)
    given = _given(options)
    _check_seeds(options, given)
    if options.resume:
        settings = _of_resumed(options, given)
    else:
        base = read_config(options.config) if options.config else config
        settings = resolve(base, ({"max_epoch": 2} if options.dry_run else {}) | given)
    for epoch in options.probe:
        if not 0 <= epoch <= settings["max_epoch"]:
            raise UsageError(f"--probe is {options.probe}: give epochs from 0 to {settings['max_epoch']}")
    return settings, options


def _parser() -> Parser:
    what = "Train a multi-layer perceptron on MNIST and save its curves."
    parser = Parser(prog="run_mlp.py", description=what, epilog=EXAMPLES)
    run = parser.add_argument_group("settings of a run (each overrides `config` in run_mlp.py; underscores work too)")
    layers = run.add_mutually_exclusive_group()
    number = "number of hidden layers of 100 units (default 1)"
    layers.add_argument("-n", "--hidden-layers-num", type=int, metavar="N", help=number)
    widths = "or their widths, such as 300 100; none for no hidden layer"
    for key, row in SETTINGS.items():
        if isinstance(row.default, bool):
            run.add_argument(*row.flags, dest=key, action=argparse.BooleanOptionalAction, default=None, help=row.help)
        elif key == "hidden":
            layers.add_argument(*row.flags, nargs="*", metavar=row.metavar, help=widths)
        else:
            shown = f"{row.help} (default {row.default})"
            run.add_argument(*row.flags, dest=key, metavar=row.metavar, help=shown)
    earlier = parser.add_argument_group("from an earlier run").add_mutually_exclusive_group()
    resume = "resume the run runs/NAME from its last completed epoch"
    earlier.add_argument("--resume", type=Path, metavar="FOLDER", help=resume)
    config = "the settings of a config.json; flags override them"
    earlier.add_argument("--config", type=Path, metavar="FILE", help=config)
    seeds = "one run for each of these seeds, in parallel on the cores; one picture and one line of all"
    run.add_argument("--seeds", type=int, nargs="+", metavar="N", help=seeds)
    other = parser.add_argument_group("where it goes, and what is shown")
    other.add_argument("--run-dir", type=Path, metavar="FOLDER", help="where the run's folder is made (default runs)")
    other.add_argument("--plot-dir", type=Path, metavar="FOLDER", help="where its picture goes (default plots)")
    probe = "write gradient statistics to probe.csv and draw them (of several seeds: write)"
    other.add_argument("--probe", type=int, nargs="+", default=[], metavar="EPOCH", help=probe)
    other.add_argument("--no-plot", action="store_true", help="draw no picture")
    other.add_argument("--quiet", action="store_true", help="print the summary only")
    dry = "500 images, two epochs, the whole path; goes to runs/dry-run"
    other.add_argument("--dry-run", action="store_true", help=dry)
    return parser


def _check_seeds(options: argparse.Namespace, given: dict) -> None:
    seeds = options.seeds or []
    if seeds and "seed" in given:
        raise UsageError(f"--seed {given['seed']} and --seeds {seeds} contradict each other: give one of them")
    if seeds and options.resume:
        raise UsageError("--seeds begins new runs: resume each run by itself, with --resume FOLDER alone")
    if min(seeds, default=0) < 0 or len(set(seeds)) < len(seeds):
        raise UsageError(f"--seeds is {seeds}: give whole numbers from 0, each once")


def _given(options: argparse.Namespace) -> dict:
    """The settings that the flags give, in the types that the table checks."""
    given = {key: getattr(options, key) for key in SETTINGS if getattr(options, key) is not None}
    for key, text in given.items():
        if not isinstance(text, bool) and (not isinstance(DEFAULTS[key], str) or DEFAULTS[key] in ("auto", "all")):
            given[key] = [_number(word) for word in text] if key == "hidden" else _number(text)
    if options.hidden_layers_num is not None:
        if not 0 <= options.hidden_layers_num <= 10_000:
            raise UsageError(f"hidden_layers_num is {options.hidden_layers_num}: give a whole number from 0 to 10000")
        given["hidden"] = [100] * options.hidden_layers_num
    if given.get("data_dir"):
        folder = Path(given["data_dir"]).resolve()
        given["data_dir"] = str(folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder)
    return given


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return text


def _of_resumed(options: argparse.Namespace, given: dict) -> dict:
    """The settings of the run to resume, with the flags that may change them."""
    if options.dry_run or options.run_dir:
        raise UsageError("--resume continues in the folder it names: leave --dry-run and --run-dir out")
    if not options.resume.is_dir():
        raise UsageError(f"--resume is {options.resume}, which is not a folder: give that of a run, such as runs/NAME")
    options.resume = options.resume.resolve()  # the run's name is that of its folder, also for `--resume .`
    before = read_config(options.resume / "config.json")
    settings = resolve(before, given)
    for key, value in settings.items():
        # The rates of a schedule depend on the number of epochs.
        fixed = key not in MAY_CHANGE or (key == "max_epoch" and before["schedule"] != "constant")
        if value != before[key] and fixed:
            raise UsageError(
                f"{key} is {value!r}, but {options.resume} is trained with {before[key]!r}: "
                "leave it out, or start a new run"
            )
    return settings
