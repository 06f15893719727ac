"""What a run was made with: versions, BLAS, threads, machine."""

import os
import platform
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info


def made_with(threads: int | None) -> dict:
    """Return it for config.json. threads: of the matrix products, None for as many as the BLAS takes."""
    blas = [library for library in threadpool_info() if library["user_api"] == "blas"]
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas": [f"{library['internal_api']} {library['version']}" for library in blas],
        "threads": threads or max((library["num_threads"] for library in blas), default="not controlled"),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
    }


def processor() -> str:
    """Return the processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
