"""Trains what is missing: one run (the job of a worker), and many, on this machine's cores or on a Dask cluster."""

import argparse
import os
import platform
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import joblib
import numpy as np
from joblib.externals.loky.process_executor import BrokenProcessPool, TerminatedWorkerError

import run_mlp
from experiments import store
from experiments.figures import EQUAL_FIRST_STEP, PROBE_EPOCHS
from experiments.names import curve_of
from load_data import Dataset, load_dataset, normalise
from solve_net import BLOCK
from training.command import ROOT
from training.probe import probe
from training.settings import resolve
from utils import Diverged, UsageError

DRY_RUN_IMAGES = 500


def settings_of(name: str, seed: int, **others) -> dict:
    """The settings of a curve's name: {layers}_{activation}_{loss}_{rate}_{decay}_{batch}. One BLAS thread."""
    layers, activation, loss, rate, decay, batch = name.split("_")
    given = {
        "hidden": [100] * int(layers),
        "activation": activation,
        "loss": loss,
        "learning_rate": float(rate),
        "weight_decay": float(decay),
        "batch_size": int(batch),
        "seed": seed,
        "threads": 1,
    }
    return resolve(ASSIGNMENT, given | others)


# The report's own settings stay as they are when somebody edits run_mlp.config.
ASSIGNMENT = {
    "learning_rate": 1e-2,
    "weight_decay": 0.0,
    "momentum": 0.0,
    "batch_size": 10,
    "max_epoch": 50,
    "disp_freq": 50,
    "test_epoch": 1,
    "hidden": [100],
    "activation": "Relu",
    "loss": "SoftmaxCrossEntropyLoss",
    "margin": 5.0,
    "init_std": 0.01,
    "seed": 0,
    "data_dir": "data",
    "threads": 1,
}


@cache
def the_data(dry_run: bool) -> Dataset:
    """MNIST, read once in a process; for a dry run its first images alone."""
    data = load_dataset(ROOT / "data")
    if not dry_run:
        return data
    return Dataset(*(part[:DRY_RUN_IMAGES] for part in data[:4]), *data[4:])


def train_one(settings: dict, dry_run: bool) -> tuple[dict, store.Result | str]:
    """Train one run with run_mlp.train; the settings and their result, or the error as text if the run failed.

    A run that diverges has not failed: its result says so.
    """
    data = the_data(dry_run)
    rows, looked, last = [], [], {}
    loss = run_mlp.build(settings, data.train_images.shape[1], len(data.classes))[1]

    def on_epoch(epoch: int, model, order) -> None:
        last["model"] = model
        if epoch in PROBE_EPOCHS:
            looked.extend(probe(epoch, model, loss, data.train_images, data.train_labels))

    start, end = time.perf_counter(), "finished"
    try:
        run_mlp.train(settings, data, rows.append, on_epoch)
    except Diverged as error:
        end = f"diverged: {error}"
    except Exception as error:
        return settings, f"{type(error).__name__}: {error}"
    made_with = {
        "code": store.code_hash(),
        "data": store.data_hash(data),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "seconds": round(time.perf_counter() - start, 2),
        "ended": round(time.time()),
        "images": len(data.train_images),
        "end": end,
        "class_share": _largest_class_share(last["model"], data.test_images),
    }
    return settings, store.Result(settings, made_with, rows, looked)


def _largest_class_share(model, images: np.ndarray) -> float:
    """The share of the test images that go to the class predicted most."""
    counts = Counter()
    with np.errstate(all="ignore"):
        for start in range(0, len(images), BLOCK):
            counts.update(model.forward(normalise(images[start : start + BLOCK])).argmax(axis=1).tolist())
    return max(counts.values()) / len(images)


def first_delta(name: str, dry_run: bool) -> float:
    """The size of a loss's gradient before the first step: RMS of dE/d(output) for one image's own loss, seed 0."""
    data, settings = the_data(dry_run), settings_of(name, 0)
    model, loss, _ = run_mlp.build(settings, data.train_images.shape[1], len(data.classes))
    return probe(0, model, loss, data.train_images, data.train_labels)[-1].delta


def equal_first_step(dry_run: bool) -> list[str]:
    """The curves of EQUAL_FIRST_STEP, each at the learning rate that makes its first step as large as hinge's at 0.01.

    As large for each image alone: the gradient of a batch also depends on how much of it cancels.
    """
    return named_at_equal_step(lambda name: first_delta(name, dry_run))


def named_at_equal_step(delta_of: Callable[[str], float]) -> list[str]:
    """The names of equal_first_step, from the size of the gradient that a curve starts with."""
    names = []
    for curve in EQUAL_FIRST_STEP:
        hinge, own = (delta_of(f"{start}_0.01_0.0_100") for start in (f"{curve.rsplit('_', 1)[0]}_HingeLoss", curve))
        names.append(f"{curve}_{float(f'{0.01 * hinge / own:.3g}')}_0.0_100")
    return names


@contextmanager
def _workers(jobs: int, cluster: str | None):
    """joblib's own processes with one BLAS thread each, or the workers of a Dask cluster."""
    if cluster is None:
        with joblib.parallel_config("loky", n_jobs=jobs, inner_max_num_threads=1):
            yield
        return
    try:
        from dask.distributed import Client
    except ImportError:
        raise UsageError("--cluster needs Dask: pip install 'dask[distributed]'") from None
    try:
        client = Client(cluster, timeout=10)
    except (OSError, ValueError) as error:
        raise UsageError(f"--cluster {cluster} does not answer ({error}): start a scheduler there") from None
    with client, joblib.parallel_config("dask", client=client):
        yield


def worker_deaths() -> tuple[type[Exception], ...]:
    """What joblib raises when a worker process is gone, its own or Dask's (if Dask is in use)."""
    distributed = sys.modules.get("distributed")
    return (BrokenProcessPool, TerminatedWorkerError, *([distributed.KilledWorker] if distributed else []))


def train_all(missing: list[dict], options: argparse.Namespace, folder: Path, say) -> list[str]:
    """Train these runs in parallel and store each as it arrives. Returns a sentence for each run that failed.

    A worker that dies takes the pool with it. Those in flight are then tried again alone, so that the one that dies is
    known and given up, and the others go on. A run that another report has stored in the meantime is not trained again.
    """
    data, start, failures = store.data_hash(the_data(options.dry_run)), time.perf_counter(), []
    waiting, suspects = list(missing), []

    def tasks(chosen: list[dict]):
        for settings in chosen:
            if not options.fresh and store.find(settings, data, folder) is not None:
                waiting.remove(settings)
            else:
                in_flight.append(settings)
                yield joblib.delayed(train_one)(settings, options.dry_run)

    def finished(settings: dict, result: store.Result | str) -> None:
        waiting.remove(settings)
        if isinstance(result, str):
            failures.append(f"{curve_of(settings)} with seed {settings['seed']} failed: {result}")
        elif not store.is_this_run(result, settings, data):
            failures.append(f"{curve_of(settings)}: its worker has other code or data: update that worker's folder")
        else:
            store.save(result, folder)
        seconds = time.perf_counter() - start
        say(_progress(len(missing) - len(waiting), len(missing), seconds, settings, result))

    while waiting:
        suspects = [settings for settings in suspects if settings in waiting]
        chosen, in_flight = suspects[:1] or list(waiting), []
        try:
            with _workers(options.jobs, options.cluster):
                pool = joblib.Parallel(return_as="generator_unordered", batch_size=1, pre_dispatch="n_jobs")
                for settings, result in pool(tasks(chosen)):
                    in_flight.remove(settings)
                    finished(settings, result)
        except worker_deaths():
            if not in_flight:  # workers die before they have anything to do: trying again would never end
                raise
            if len(in_flight) == 1:
                finished(in_flight[0], "its process was ended")
            else:
                suspects = in_flight
            say(f"a worker process was ended; {len(waiting)} runs go on in new ones")
    return failures


def _progress(done: int, total: int, seconds: float, settings: dict, result: store.Result | str) -> str:
    left = seconds / done * (total - done)
    if isinstance(result, str):
        outcome = f"FAILED: {result}"
    else:
        tests = [row for row in result.rows if row.split == "test"]
        outcome = f"{tests[-1].accuracy:.2%}  {result.made_with['seconds']:.0f} s"
        if result.made_with["end"] != "finished":
            outcome += f"  {result.made_with['end']}"
    name = f"{curve_of(settings)}_seed{settings['seed']}"
    return f"[{done}/{total}, {left / 60:.0f} min left] {name}  {outcome}"
