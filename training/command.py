"""How a command begins and ends: its parser, and one sentence and an exit code for whatever goes wrong.

Every command imports this module first, so that a missing package is a sentence too.
"""

import argparse
import contextlib
import difflib
import glob
import os
import re
import sys
from pathlib import Path

try:
    import numpy  # noqa: F401
    import threadpoolctl  # noqa: F401
except ImportError as error:
    sys.exit(f"{Path(sys.argv[0]).name}: {error}: pip install -r requirements.txt")

from utils import Error, UsageError

ROOT = Path(__file__).resolve().parent.parent
MEANT = {"--lr": "--learning-rate", "--epochs": "--max-epoch", "--epoch": "--max-epoch", "--layers": "--hidden"}


class Parser(argparse.ArgumentParser):
    """argparse with one sentence for wrong usage, and underscores for hyphens in flags."""

    def __init__(self, **how):
        super().__init__(**{"formatter_class": argparse.RawDescriptionHelpFormatter, "allow_abbrev": False} | how)

    def parse_args(self, arguments: list[str]) -> argparse.Namespace:
        options, unknown = self.parse_known_args([part for a in arguments for part in self._spelled(a)])
        if unknown:
            flag = unknown[0].split("=")[0]
            flags = [each for each in self._option_string_actions if each.startswith("--")]
            near = [MEANT[flag]] if MEANT.get(flag) in flags else difflib.get_close_matches(flag, flags, 1)
            self.error(f"{unknown[0]} is not understood" + (f": did you mean {near[0]}?" if near else ""))
        return options

    def print_help(self, file=None) -> None:
        print(self.format_help(), end="", file=file)  # argparse's own hides that nobody reads it

    def error(self, message: str):
        raise UsageError(f"{message}; see python {self.prog} --help")

    def _spelled(self, argument: str) -> list[str]:
        """An argument as the parser knows it: --batch_size and -batch-size are --batch-size, -lr0.1 is -lr 0.1."""
        name, equals, value = argument.partition("=")
        dashed = "--" + name.lstrip("-").replace("_", "-")
        if name.startswith("-") and dashed in self._option_string_actions and name not in self._option_string_actions:
            return [dashed + equals + value]
        glued = re.fullmatch(r"(-lr)=?([\d.].*)", argument)
        return list(glued.groups()) if glued and glued[1] in self._option_string_actions else [argument]


def expanded(paths: list[Path]) -> list[Path]:
    """Return the paths; wildcards that the shell left as they are (cmd, PowerShell) become what they match."""
    found = []
    for path in paths:
        matches = [] if path.exists() else sorted(glob.glob(str(path)))
        found += map(Path, matches) if matches else [path]
    return found


def run_command(main) -> None:
    """Exit with what main(arguments) returns; an error of ours or of the system is one sentence on stderr.

    Exit codes: 0 done, 2 wrong usage, 3 bad or missing data, 4 training diverged, 5 a check failed, 130 interrupted,
    1 anything else. A main that returns another code than 0 has said why.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a notebook's has not, and pythonw has no streams
            stream.reconfigure(errors="backslashreplace")
    try:
        code = main(sys.argv[1:])
    except SystemExit as end:  # argparse, after --help
        code = end.code or 0
    except KeyboardInterrupt:
        say("interrupted")
        code = 130
    except (Error, OSError, ImportError, MemoryError) as error:
        say(in_words(error))
        code = getattr(error, "exit_code", 1)
    broken = _let_go(sys.stdout)
    if broken and code == 0:
        say(in_words(broken))
        code = 1
    _let_go(sys.stderr)
    sys.exit(code)


def say(message: str) -> None:
    """Print a warning or an error of this command on stderr."""
    with contextlib.suppress(OSError, ValueError):  # nobody reads it
        print(f"{Path(sys.argv[0]).name}: {message}", file=sys.stderr, flush=True)


def in_words(error: BaseException) -> str:
    """An error as a sentence."""
    if isinstance(error, ImportError):
        return f"{error}: pip install -r requirements.txt"
    if isinstance(error, MemoryError):
        return f"more memory is needed than there is ({error}): give fewer or narrower layers, or less data"
    if isinstance(error, OSError) and error.strerror:
        done = f"{error.filename} cannot be read or written" if error.filename else "the output cannot be written"
        return f"{done} ({error.strerror})"
    return str(error)


def _let_go(stream) -> OSError | None:
    """Flush a stream. If nobody reads it any more, return the error and leave nothing for Python's own shutdown."""
    try:
        if stream is not None:
            stream.flush()
    except (OSError, ValueError) as error:
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return error if isinstance(error, OSError) else None
    return None
