"""Which runs a report needs, and training them: one (the job of a worker), or many, on this machine or a cluster."""

import argparse
import os
import platform
import sys
import time
import warnings
from collections import Counter
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path

import joblib
import numpy as np
from joblib.externals.loky.process_executor import BrokenProcessPool, TerminatedWorkerError

import run_mlp
from experiments import store
from experiments.figure_list import (
    AT_BATCH_10,
    BASE,
    EQUAL_GRADIENT,
    EXTRA_RUNS,
    FIGURES,
    PAIR_RUNS,
    PROBE_EPOCHS,
    RATES_OF_DECAY,
    at_batch_10,
    settings_of,
)
from layers import Linear
from load_data import Dataset, load_dataset, normalise
from solve_net import BLOCK
from training.command import ROOT
from training.probe import probe
from utils import Diverged, UsageError

DRY_RUN_IMAGES = 500


def needed_curves(figures: list[int], batch_10: bool, folder: Path, dry_run: bool) -> list[str]:
    """The names of the curves of these figures, each once; of all figures and the extra runs if none."""
    chosen = figures or list(FIGURES)
    names = [name for number in chosen for name in FIGURES[number][1]]
    repeated = [name for number in chosen if number in AT_BATCH_10 for name in FIGURES[number][1]]
    if not figures:
        extra = EXTRA_RUNS + equal_gradient_curves(folder, dry_run)
        names += [*extra, *PAIR_RUNS, *RATES_OF_DECAY]
        repeated += extra
    if batch_10:
        names += [at_batch_10(name) for name in repeated]
    return list(dict.fromkeys(names))


def equal_gradient_curves(folder: Path, dry_run: bool) -> list[str]:
    """The curves of EQUAL_GRADIENT, each at the learning rate that makes its first step as large as hinge's at 0.01.

    As large for each image alone: the gradient of a batch also depends on how much of it cancels.
    """
    names = []
    for curve in EQUAL_GRADIENT:
        hinge = f"{curve.rsplit('_', 1)[0]}_HingeLoss"
        by_hinge, own = (first_delta(f"{start}_{BASE}", folder, dry_run) for start in (hinge, curve))
        names.append(f"{curve}_{float(f'{0.01 * by_hinge / own:.3g}')}_0.0_100")
    return names


def first_delta(name: str, folder: Path, dry_run: bool) -> float:
    """RMS of dE/d(output) for one image's own loss before the first step, with seed 0: stored, or else computed now."""
    stored = store.load_curves([name], 1, folder, dry_run).get(name)
    if stored:
        looked = stored[0].probe
    else:
        data, settings = the_data(dry_run), settings_of(name, 0)
        model, loss, _ = run_mlp.build(settings, data.train_images.shape[1], len(data.classes))
        looked = probe(0, model, loss, data.train_images, data.train_labels)
    return max((row for row in looked if row.epoch == 0), key=lambda row: row.layer).delta


def missing_runs(settings: list[dict], folder: Path, dry_run: bool, fresh: bool) -> list[dict]:
    """Those runs that the folder holds no finished result of: same settings, same data, same RESULTS_VERSION."""
    data = store.data_hash(the_data(dry_run))
    return [each for each in settings if fresh or store.find(each, data, folder) is None]


def show(wanted: list[tuple[str, dict]], missing: list[dict]) -> None:
    """Print each curve (wanted: its name and a run's settings), how many of its seeds are finished, and its figures."""
    finished = {}
    for name, settings in wanted:
        finished.setdefault(name, []).append(settings not in missing)
    for name, seeds in finished.items():
        numbers = [str(number) for number, (_, drawn) in FIGURES.items() if name in drawn]
        where = f"figures {', '.join(numbers)}" if numbers else "no figure of its own"
        print(f"{name:55} {sum(seeds)}/{len(seeds)} seeds  {where}")


@cache
def the_data(dry_run: bool) -> Dataset:
    """MNIST, read once in a process; for a dry run its first images alone."""
    data = load_dataset(ROOT / "data")
    if not dry_run:
        return data
    return Dataset(*(part[:DRY_RUN_IMAGES] for part in data[:4]), *data[4:])


def train_one(settings: dict, dry_run: bool, restarted: bool = False) -> tuple[dict, store.Result | str]:
    """Train one run with run_mlp.train; the settings and their result, or the error as text if the run failed.

    A run that diverges has not failed: its result says so. restarted: see `_restart`.
    """
    data = the_data(dry_run)
    rows, looked, last = [], [], {}

    def on_epoch(epoch: int, model, order) -> None:
        last["model"] = model
        if epoch == 0 and restarted:
            _restart(model, settings)
        if epoch in PROBE_EPOCHS:
            looked.extend(probe(epoch, model, loss, data.train_images, data.train_labels))

    start, end = time.perf_counter(), "finished"
    try:
        loss = run_mlp.build(settings, data.train_images.shape[1], len(data.classes))[1]
        run_mlp.train(settings, data, rows.append, on_epoch)
    except Diverged as error:
        end = f"diverged: {error}"
    except Exception as error:
        return settings, f"{type(error).__name__}: {error}"
    made_with = {
        "version": store.RESULTS_VERSION,
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


def _restart(model, settings: dict) -> None:
    """Draw the initial weights as the original did: from one random stream that begins anew in every layer."""
    for layer in model.layers:
        if isinstance(layer, Linear):
            stream = np.random.SeedSequence(settings["seed"]).spawn(1)[0]
            layer.W = np.random.default_rng(stream).normal(0.0, settings["init_std"], layer.W.shape)


def _largest_class_share(model, images: np.ndarray) -> float:
    """The share of the test images that go to the class predicted most."""
    counts = Counter()
    with np.errstate(all="ignore"):
        for start in range(0, len(images), BLOCK):
            counts.update(model.forward(normalise(images[start : start + BLOCK])).argmax(axis=1).tolist())
    return max(counts.values()) / len(images)


@contextmanager
def _workers(jobs: int, cluster: str | None):
    """joblib's own processes with one BLAS thread each, or the workers of a Dask cluster."""
    if cluster is None:
        with joblib.parallel_config("loky", n_jobs=jobs, inner_max_num_threads=1), warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"\d+ tasks")  # Ctrl-C is no news of cancelled tasks
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


def train_all(
    missing: list[dict], options: argparse.Namespace, folder: Path, say, restarted: bool = False
) -> list[str]:
    """Train these runs in parallel and store each as it arrives. Returns a sentence for each run that failed.

    A worker that dies takes the pool with it. Those in flight are then tried again alone, so that the one that dies is
    known and given up, and the others are trained. A run that another report has stored in the meantime is left out.
    """
    data, start, failures = store.data_hash(the_data(options.dry_run)), time.perf_counter(), []
    waiting, suspects = list(missing), []

    def tasks(chosen: list[dict]):
        for settings in chosen:
            if not options.fresh and store.find(settings, data, folder) is not None:
                waiting.remove(settings)
            else:
                in_flight.append(settings)
                yield joblib.delayed(train_one)(settings, options.dry_run, restarted)

    def arrived(settings: dict, result: store.Result | str) -> None:
        waiting.remove(settings)
        failures.extend(_keep(settings, result, data, folder))
        done, seconds = len(missing) - len(waiting), time.perf_counter() - start
        left = seconds / done * len(waiting)
        say(f"[{done}/{len(missing)}, {left / 60:.0f} min left] {_outcome(settings, result)}")

    while waiting:
        suspects = [settings for settings in suspects if settings in waiting]
        chosen, in_flight = suspects[:1] or list(waiting), []
        try:
            with _workers(options.jobs, options.cluster):
                pool = joblib.Parallel(return_as="generator_unordered", batch_size=1, pre_dispatch="n_jobs")
                with closing(pool(tasks(chosen))) as results:
                    for settings, result in results:
                        in_flight.remove(settings)
                        arrived(settings, result)
        except worker_deaths():
            if not in_flight:  # workers die before they have anything to do: trying again would never end
                raise
            if len(in_flight) == 1:
                arrived(in_flight[0], "its process was ended")
            else:
                suspects = in_flight
            say(f"a worker process was ended; {len(waiting)} runs are trained in new ones")
    return failures


def _keep(settings: dict, result: store.Result | str, data: str, folder: Path) -> list[str]:
    """Store a result, or say in a sentence why there is none."""
    if isinstance(result, str):
        return [f"{store.path_of(settings).stem} failed: {result}"]
    if not store.is_this_run(result, settings) or result.made_with["data"] != data:
        return [f"{store.path_of(settings).stem}: its worker has other code or data: update that worker's folder"]
    store.save(result, folder)
    return []


def _outcome(settings: dict, result: store.Result | str) -> str:
    name = store.path_of(settings).stem
    if isinstance(result, str):
        return f"{name}  FAILED: {result}"
    tests = [row for row in result.rows if row.split == "test"]
    end = result.made_with["end"]
    words = "" if end == "finished" else f"  {end}"
    return f"{name}  {tests[-1].accuracy:.2%}  {result.made_with['seconds']:.0f} s{words}"
