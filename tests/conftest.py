"""Before any test: matplotlib keeps its font list in the project's folder, and a matrix product takes one thread.

And what the tests of faults share: a small data set, a process that trains on it, uninterrupted runs.
"""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits

from curves import load_matplotlib, use_project_cache

use_project_cache()
load_matplotlib()
threadpool_limits(1, user_api="blas")  # of this process: the products are small, and the tests run two at once


@pytest.fixture(scope="session")
def small_data(tmp_path_factory):
    from idx_files import small_set, write_set

    return write_set(tmp_path_factory.mktemp("data") / "kleine dätä", small_set())


@pytest.fixture(scope="session")
def where(small_data):
    return lambda place: ["--data-dir", small_data, "--run-dir", place / "runs", "--plot-dir", place / "plots"]


@pytest.fixture(scope="session")
def start(where):
    """Starts `python run_mlp.py` on the small set, into two folders of `place`."""
    script = Path(__file__).resolve().parent.parent / "run_mlp.py"

    def begin(place, *arguments, **how):
        how = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8"} | how
        if sys.platform != "win32":  # whoever runs the tests may ignore Ctrl-C
            how["preexec_fn"] = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
        return subprocess.Popen([sys.executable, *map(str, [script, *where(place), *arguments])], **how)

    return begin


@pytest.fixture(scope="session")
def trainer(small_data):
    if not sys.platform.startswith("linux"):
        pytest.skip("forks a process that has NumPy loaded, and watches it as Linux allows")
    from fault_injection import Trainer

    trainer = Trainer(small_data)
    yield trainer
    trainer.close()


@pytest.fixture(scope="session")
def uninterrupted(trainer, tmp_path_factory):
    """The folder of the whole run of a case (faults.CASES) of so many epochs."""
    from fault_injection import CASES
    from invariants import only

    made = {}

    def run(case, epochs=3):
        if (case, epochs) not in made:
            place = tmp_path_factory.mktemp("uninterrupted")
            assert trainer.run(place, "--quiet", "--no-plot", "--max-epoch", epochs, *CASES[case]).code == 0
            made[case, epochs] = only(place / "runs")
        return made[case, epochs]

    return run
