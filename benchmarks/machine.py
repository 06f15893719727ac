"""On what a benchmark ran, in a few lines for the pages: processor, cores, system, Python, versions. No host name."""

import datetime
import os
import platform
from importlib.metadata import PackageNotFoundError, version

from training.machine import processor


def versions(packages: list[str]) -> list[str]:
    """Name and version of each of these packages that is installed."""
    found = []
    for package in packages:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return found


def load() -> float:
    """How many processes the machine was busy with in the last minute: 0 when it was left alone."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def described(packages: list[str], load_before: float) -> list[str]:
    """The machine and the software, as lines of a Markdown list."""
    return [
        f"- {datetime.date.today():%d %B %Y}; {processor()}, {os.cpu_count()} cores; "
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        f"- {', '.join(versions(packages))}",
        f"- load of the machine in the minute before: {load_before:.1f}",
    ]
