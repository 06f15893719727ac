"""Train a multi-layer perceptron on MNIST and save its curves: the command, and `train` for notebooks and reports.

    python run_mlp.py                       the settings of `config` below
    python run_mlp.py -n 2 -a Gelu -b 100   a flag overrides `config`; see --help for all of them

A run leaves runs/<name>/config.json, metrics.csv, checkpoint.npz and model.npz, and plots/<name>.png.
What `config` may say is in training/settings.py, the loop over batches in solve_net.py.
"""

from training.command import ROOT, run_command, say  # first: it says which package is missing

# isort: split
import argparse
import contextlib
import itertools
import math
import time
from functools import partial
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

import curves
import layers
import loss as losses
from load_data import Dataset, check_dataset, first_images, load_dataset
from network import Network
from solve_net import BLOCK, test_net, train_net
from training.epochs import rates_of, split
from training.flags import parse
from training.folder import check_writable, read_json
from training.metrics import Row, RowList, read_metrics
from training.pictures import attempt, draw_gradients
from training.probe import read_probe_rows
from training.progress import summary
from training.run import Run
from training.seeds import train_seeds
from training.settings import chosen_threads, in_words, resolve, run_name
from utils import Diverged, UsageError

config = {
    # the assignment's settings
    "learning_rate": 1e-2,
    "weight_decay": 0.0,
    "momentum": 0.0,
    "batch_size": 10,
    "max_epoch": 50,
    "disp_freq": 50,  # iterations that one point of the training curve averages
    "test_epoch": 1,  # epochs between two evaluations on the test set
    # the rest of a run
    "hidden": [100],  # widths of the hidden layers; [] for none
    "activation": "Relu",  # Relu, Sigmoid or Gelu
    "loss": "SoftmaxCrossEntropyLoss",  # or EuclideanLoss, HingeLoss
    "margin": 5.0,  # of the hinge loss
    "init_std": 0.01,  # standard deviation of the initial weights
    "seed": 0,
    "data_dir": "data",  # from the project's folder
    "threads": "auto",  # of the matrix products: a number, or auto to choose by the size of the network
    # what the assignment's report did not try
    "init": "normal",  # initial weights: normal (init_std), xavier or he
    "dropout": 0.0,  # fraction of the hidden units set to 0 in each training step
    "batch_norm": False,  # before each activation
    "residual": False,  # around every hidden block whose widths agree
    "schedule": "constant",  # of the learning rate: constant, cosine or one-cycle
    "warmup": 0.1,  # fraction of the steps that one-cycle warms up in
    "train_images": "all",  # or the first N
    "validation": 0,  # the last N training images, held out
    "patience": 0,  # epochs without a better validation loss before it stops; 0 for never
}


def build(settings: dict, pixels: int, class_count: int):
    """Return the network, the loss, and the generator that shuffles, all from settings["seed"].

    One seed gives independent streams: for the weights, for the order of the samples, for dropout.
    """
    streams = np.random.SeedSequence(settings["seed"]).spawn(3)
    for_weights, for_order, for_dropout = (np.random.default_rng(stream) for stream in streams)
    model = Network()
    widths = [pixels, *settings["hidden"], class_count]
    if settings["residual"] and not any(below == above for below, above in itertools.pairwise(widths[:-1])):
        raise UsageError(f"residual needs a hidden layer as wide as the one below, but the widths are {widths}")
    for number, (in_num, out_num) in enumerate(itertools.pairwise(widths), 1):
        std = layers.initial_std(settings["init"], in_num, out_num, settings["init_std"])
        block = [layers.Linear(f"fc{number}", in_num, out_num, std, for_weights)]
        if number < len(widths) - 1:
            if settings["batch_norm"]:
                block.append(layers.BatchNorm(f"bn{number}", out_num))
            block.append(getattr(layers, settings["activation"])(f"act{number}"))
            if settings["dropout"]:
                block.append(layers.Dropout(f"drop{number}", settings["dropout"], for_dropout))
            if settings["residual"] and in_num == out_num:
                block = [layers.Residual(f"res{number}", *block)]
        for layer in block:
            model.add(layer)
    if settings["loss"] == "HingeLoss":
        return model, losses.HingeLoss("loss", settings["margin"]), for_order
    return model, getattr(losses, settings["loss"])("loss"), for_order


def fit(model, loss, rng, settings: dict, data: Dataset, log, start_epoch: int = 0) -> None:
    """Train from the end of start_epoch to settings["max_epoch"], or until patience ends, evaluating on the way.

    log.row(row) gets each row of metrics.csv, its seconds counted from here; log.end_of_epoch(epoch) comes before
    training (epoch 0) and after each epoch; log.best (training.epochs.Best) remembers the weights that patience keeps.
    The gradients are used up by then (layers.sgd_step). Raises Diverged, and UsageError for images that are too few.
    """
    start, images = time.perf_counter(), split(settings, data)
    sizes = settings["batch_size"], settings["disp_freq"]

    def add(split: str, epoch: int, before: int, record) -> None:
        iteration, seconds = before + record.iteration, time.perf_counter() - start
        log.row(Row(split, epoch, iteration, record.loss, record.accuracy, seconds, record.rate))

    def evaluate(split: str, epoch: int, inputs: np.ndarray, labels: np.ndarray) -> float:
        record = test_net(model, loss, inputs, labels, BLOCK)
        add(split, epoch, epoch * images.steps, record)
        if not math.isfinite(record.loss):
            raise Diverged(f"the {split} loss became {record.loss}")
        return record.loss

    def end(epoch: int) -> None:
        improved = False
        if settings["validation"]:
            valid_loss = evaluate("valid", epoch, images.valid, images.valid_labels)
            improved = settings["patience"] > 0 and log.best.update(valid_loss, epoch, model)
        if epoch % settings["test_epoch"] == 0 or epoch == settings["max_epoch"] or improved:
            evaluate("test", epoch, data.test_images, data.test_labels)

    threads = chosen_threads(settings, data.train_images.shape[1], len(data.classes))
    with threadpool_limits(threads, user_api="blas"):
        if start_epoch == 0:
            log.end_of_epoch(0)
            end(0)
        epoch = start_epoch
        while epoch < settings["max_epoch"] and not log.best.is_over(epoch, settings["patience"]):
            epoch += 1
            on_record = partial(add, "train", epoch, (epoch - 1) * images.steps)
            rates = rates_of(settings, images, epoch)
            train_net(model, loss, settings, images.train, images.train_labels, *sizes, rng, on_record, rates)
            if not (np.isfinite(model.params).all() and np.isfinite(model.state).all()):
                raise Diverged("the weights or running statistics are no longer finite")
            end(epoch)
            log.end_of_epoch(epoch)
    log.best.restore(model)


def train(given: dict | None = None, data: Dataset | None = None, on_record=None, on_epoch=None):
    """Train as `config` says, except for what `given` says, and return (records, network). For notebooks.

    records: a list of training.metrics.Row. data: a load_data.Dataset; settings["data_dir"] is read if None.
    on_record(row) sees each row as it is made; on_epoch(epoch, network, rng) sees the network and the generator that
    shuffles, at epoch 0 and after each epoch. Writes and prints nothing. Raises utils.UsageError, FileError, Diverged.
    """
    settings = resolve(config, given)
    if data is None:
        data = load_dataset(ROOT / settings["data_dir"])
    check_dataset(data)
    model, loss, rng = build(settings, data.train_images.shape[1], len(data.classes))
    log = RowList(on_record, lambda epoch: on_epoch and on_epoch(epoch, model, rng))
    fit(model, loss, rng, settings, data, log)
    return log.rows, model


def train_run(settings: dict, options: argparse.Namespace, data: Dataset) -> Run:
    """Train as a run with a folder of its own, and return it as it ended."""
    model, loss, rng = build(settings, data.train_images.shape[1], len(data.classes))
    with Run(settings, options, data, model, loss, rng) as run:
        fit(model, loss, rng, settings, data, run, run.start_epoch)
    return run


def picture_of(folders: list[Path]) -> bytes:
    return curves.as_bytes(curves.draw(curves.of_runs(folders)[0]))


def save_pictures(run: Run) -> dict[str, Path]:
    """Draw a run's curves and, if it was probed, its gradients; return what is where."""
    pictures = {"curves": run.save_picture(picture_of([run.folder]))}
    if looked := read_probe_rows(run.folder / "probe.csv"):
        title = in_words(read_json(run.folder / "config.json"))
        pictures["gradients"] = run.save_picture(curves.as_bytes(draw_gradients(looked, title)), "_gradients")
    return pictures


def main(arguments: list[str]) -> int:
    settings, options = parse(arguments, config)
    check_writable(options)
    if not options.quiet:
        name = options.resume.name if options.resume else run_name(settings)
        print(f"{name}: loading the data", flush=True)
    data = load_dataset(ROOT / settings["data_dir"])
    if options.dry_run:
        data = first_images(data, 500, 200)
    if options.seeds:
        return train_seeds(train_run, picture_of, settings, options, data)
    run = train_run(settings, options, data)
    del data  # the picture comes after the data, not on top of it
    if run.rows == 0 or run.code == 1:
        return run.code
    pictures = {}
    if not options.no_plot:
        pictures, code = attempt(lambda: save_pictures(run), [run.folder])
        run.code = run.code or code
    with contextlib.suppress(*[OSError] if run.code else []):  # one sentence was said already
        rows = read_metrics(run.folder / "metrics.csv")
        print(summary(rows, run.folder, pictures, run.trained, run.trained and settings["patience"] > 0), flush=True)
    if run.diagnosis:
        say(run.diagnosis)
    return run.code


if __name__ == "__main__":
    run_command(main)
