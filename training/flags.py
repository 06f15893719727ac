"""The flags of run_mlp.py: one for each key of its config, and where a run goes and what it shows."""

import argparse
from pathlib import Path

from training.settings import ROOT, Parser
from utils import UsageError

EXAMPLES = """examples, with the time on one core of a server and the final test accuracy:
  python run_mlp.py                               30 s   97.6 %
  python run_mlp.py -n 2 -a Gelu -l Hinge -b 100  23 s   97.5 %
  python run_mlp.py -n 0 -l Euclidean -b 100       4 s   85.4 %
  python run_mlp.py --dry-run                      1 s   the whole path on 500 images, says nothing of accuracy

exit codes: 0 done, 2 wrong usage, 3 bad or missing data, 4 training diverged, 130 interrupted, 1 anything else"""


def parse(arguments: list[str], config: dict) -> tuple[dict, argparse.Namespace]:
    """The settings that the flags give (keys of run_mlp.config), and the other options. Raises UsageError."""
    parser = Parser(
        prog="run_mlp.py",
        description="Train a multi-layer perceptron on MNIST and save its curves.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    run = parser.add_argument_group("a run's settings (each beats `config` in run_mlp.py; underscores work too)")

    def setting(*flags: str, **how) -> None:
        key = flags[-1].removeprefix("--").replace("-", "_")
        how["help"] += f" (default {config[key]})"
        aliases = {"--activation": ["--activate-function"], "--loss": ["--loss-function"]}.get(flags[-1], [])
        run.add_argument(*flags, *aliases, dest=key, **how)

    layers = run.add_mutually_exclusive_group()
    layers.add_argument(
        "-n", "--hidden-layers-num", type=int, metavar="N", help="number of hidden layers of 100 units (default 1)"
    )
    layers.add_argument("--hidden", type=int, nargs="*", metavar="WIDTH", help="or their widths, such as 300 100")
    setting("-a", "--activation", metavar="NAME", help="Relu, Sigmoid or Gelu")
    setting("-l", "--loss", metavar="NAME", help="Euclidean, SoftmaxCrossEntropy or Hinge")
    setting("-lr", "--learning-rate", type=float, metavar="RATE", help="size of an SGD step")
    setting("-w", "--weight-decay", type=float, metavar="X", help="pull of all parameters towards 0")
    setting("--momentum", type=float, metavar="X", help="share of the last step kept in the next, from 0 to below 1")
    setting("-b", "--batch-size", type=int, metavar="N", help="samples per step")
    setting("--max-epoch", type=int, metavar="N", help="passes through the training set")
    setting("--disp-freq", type=int, metavar="N", help="steps that one point of the training curve averages")
    setting("--test-epoch", type=int, metavar="N", help="epochs between two evaluations on the test set")
    setting("--margin", type=float, metavar="X", help="margin of the hinge loss")
    setting("--init-std", type=float, metavar="X", help="standard deviation of the first weights")
    setting("--seed", type=int, metavar="N", help="of the first weights and of the order of the samples")
    setting("--data-dir", metavar="FOLDER", help="folder of the four data files, gzip or plain")
    setting("--threads", type=_threads, metavar="N", help="threads of the matrix products, or auto")

    earlier = parser.add_argument_group("from an earlier run").add_mutually_exclusive_group()
    earlier.add_argument(
        "--resume",
        type=Path,
        metavar="FOLDER",
        help="go on with the run in this folder, such as runs/NAME, from its last whole epoch to --max-epoch",
    )
    earlier.add_argument(
        "--config", type=Path, metavar="FILE", help="the settings of a config.json; flags beat it, it beats `config`"
    )
    other = parser.add_argument_group("where it goes, and what is shown")
    other.set_defaults(
        resume=None, config=None, run_dir=None, plot_dir=None, probe=[], no_plot=False, quiet=False, dry_run=False
    )
    other.add_argument("--run-dir", type=Path, metavar="FOLDER", help="where the run's folder is made (default runs)")
    other.add_argument("--plot-dir", type=Path, metavar="FOLDER", help="where its picture goes (default plots)")
    other.add_argument(
        "--probe",
        type=int,
        nargs="+",
        metavar="EPOCH",
        help="write the sizes of gradients at these epochs to probe.csv",
    )
    other.add_argument("--no-plot", action="store_true", help="draw no picture")
    other.add_argument("--quiet", action="store_true", help="print the summary only")
    other.add_argument(
        "--dry-run", action="store_true", help="500 images, two epochs, the whole path; goes to runs/dry-run"
    )
    # --batch_size is --batch-size; what follows an = is a value and stays as it is.
    dashed = [
        "=".join([name.replace("_", "-"), *value]) if name.startswith("--") else argument
        for argument in arguments
        for name, *value in [argument.split("=", 1)]
    ]
    options = parser.parse_args(dashed)
    if options.resume and (options.dry_run or options.run_dir):
        raise UsageError("--resume goes on in the folder it names: leave --dry-run and --run-dir out")
    if options.resume and not options.resume.is_dir():
        raise UsageError(f"--resume is {options.resume}, which is not a folder: give that of a run, such as runs/NAME")
    if options.resume:
        options.resume = options.resume.resolve()  # the run's name is that of its folder, also for `--resume .`
    given = {key: value for key, value in vars(options).items() if key in config}
    if hasattr(options, "hidden_layers_num"):
        if options.hidden_layers_num < 0:
            raise UsageError(f"hidden_layers_num is {options.hidden_layers_num}: give a whole number from 0")
        given["hidden"] = [100] * options.hidden_layers_num
    if "data_dir" in given:
        folder = Path(given["data_dir"]).resolve()
        given["data_dir"] = str(folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder)
    return given, options


def _threads(text: str):
    if text == "auto":
        return text
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a whole number nor auto") from None
