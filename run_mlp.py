"""Trains a multi-layer perceptron on MNIST and saves its curves: the command, and `train` for notebooks and reports.

    python run_mlp.py                       the settings of `config` below
    python run_mlp.py -n 2 -a Gelu -b 100   a flag beats `config`; see --help for all of them

A run leaves runs/<name>/config.json, metrics.csv, checkpoint.npz and model.npz, and plots/<name>.png.
The settings to edit are in `config`; what may be said there is in training/settings.py, the loop in solve_net.py.
"""

import argparse
import itertools
import math
import signal
import sys
import time
from functools import partial
from pathlib import Path

from training import folder as run_folder
from training import output
from training.flags import parse
from training.settings import ROOT, chosen_threads, read_config, resolve, run_command
from utils import Diverged, FileError, UsageError

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
    "init_std": 0.01,  # standard deviation of the first weights
    "seed": 0,
    "data_dir": "data",  # from the project's folder
    "threads": "auto",  # of the matrix products: a number, or auto to choose by the size of the network
}

# NumPy and what needs it are imported inside the functions: the first line of output, and every refusal of a wrong
# setting, come before it is loaded.


def build(settings: dict, pixels: int, class_count: int):
    """The network, the loss and the generator that shuffles, all from settings["seed"].

    One seed gives independent streams: one for the weights, one for the order of the samples.
    """
    import numpy as np

    import layers
    import loss
    from network import Network

    for_weights, for_order = (np.random.default_rng(s) for s in np.random.SeedSequence(settings["seed"]).spawn(2))
    model = Network()
    widths = [pixels, *settings["hidden"], class_count]
    for number, (in_num, out_num) in enumerate(itertools.pairwise(widths), 1):
        model.add(layers.Linear(f"fc{number}", in_num, out_num, settings["init_std"], for_weights))
        if number < len(widths) - 1:
            model.add(getattr(layers, settings["activation"])(f"act{number}"))
    if settings["loss"] == "HingeLoss":
        return model, loss.HingeLoss("loss", settings["margin"]), for_order
    return model, getattr(loss, settings["loss"])("loss"), for_order


def train(given: dict | None = None, data=None, on_record=None, on_epoch=None, checkpoint=None):
    """Train as `config` says, except for what `given` says, and return (records, network).

    records: a list of utils.Row, the rows of metrics.csv. data: a load_data.Dataset; settings["data_dir"] is read if
    None. on_record(row) sees each row as it is made; on_epoch(epoch, network, order) the network and the generator
    that shuffles, at epoch 0 and after each epoch (its gradients are used up by then: layers.sgd_step). From a
    training.checkpoint.Checkpoint it goes on to max_epoch, to the bit as if it had not been stopped. Writes and prints
    nothing. Raises training.settings.UsageError, FileError, and solve_net.Diverged when the loss is no longer
    a finite number.
    """
    settings = resolve(config, given or {})
    import numpy as np
    from threadpoolctl import threadpool_limits

    from load_data import load_dataset
    from solve_net import BLOCK, test_net, train_net
    from utils import Row

    if data is None:
        data = load_dataset(ROOT / settings["data_dir"])
    pixels = data.train_images.shape[1]
    model, loss, for_order = build(settings, pixels, len(data.classes))
    records, start, iterations_before, epochs_before = [], time.perf_counter(), 0, 0
    if checkpoint is not None:
        checkpoint.restore(model, for_order)
        records, epochs_before = checkpoint.rows, checkpoint.epoch
        iterations_before, start = records[-1].iteration, start - records[-1].seconds

    def add(split: str, epoch: int, record) -> None:
        seconds = round(time.perf_counter() - start, 3)
        records.append(Row(split, epoch, iterations_before + record.iteration, record.loss, record.accuracy, seconds))
        if on_record is not None:
            on_record(records[-1])

    def evaluate(epoch: int) -> None:
        record = test_net(model, loss, data.test_images, data.test_labels, BLOCK)
        add("test", epoch, record)
        if not math.isfinite(record.loss):
            raise Diverged(f"the test loss became {record.loss}")

    with threadpool_limits(chosen_threads(settings, pixels, len(data.classes)), user_api="blas"):
        if checkpoint is None:
            if on_epoch is not None:
                on_epoch(0, model, for_order)
            evaluate(0)
        for epoch in range(epochs_before + 1, settings["max_epoch"] + 1):
            windows = train_net(
                model,
                loss,
                settings,
                data.train_images,
                data.train_labels,
                settings["batch_size"],
                settings["disp_freq"],
                for_order,
                on_record=partial(add, "train", epoch),
            )
            iterations_before += windows[-1].iteration
            if not np.isfinite(model.params).all():
                raise Diverged("the weights are no longer finite")
            if epoch % settings["test_epoch"] == 0 or epoch == settings["max_epoch"]:
                evaluate(epoch)
            if on_epoch is not None:
                on_epoch(epoch, model, for_order)
    return records, model


def run(settings: dict, options: argparse.Namespace, folder: Path, lock: int, checkpoint=None) -> tuple[int, list]:
    """Train into the folder, on from the checkpoint. Returns the exit code and the rows; what was done is saved."""
    try:
        from load_data import load_dataset

        data = load_dataset(ROOT / settings["data_dir"])
    except BaseException:
        if not options.resume:  # nothing was trained: leave no empty run behind
            run_folder.discard(folder, lock)
        raise
    from training.probe import probe

    if options.dry_run:
        data = data._replace(
            train_images=data.train_images[:500].copy(),
            train_labels=data.train_labels[:500],
            test_images=data.test_images[:200].copy(),
            test_labels=data.test_labels[:200],
        )
    trained_on = checkpoint.data if checkpoint else output.data_of(folder)
    if trained_on not in (None, output.identity(data)):
        raise FileError(
            f"{settings['data_dir']} does not hold the data that {folder} is trained on: give --data-dir, "
            "or start a dry run anew"
        )
    pixels, class_count = data.train_images.shape[1], len(data.classes)
    if checkpoint is not None:
        checkpoint.check_size([pixels, *settings["hidden"], class_count])
    for remark in output.remarks(settings, data):
        print(f"run_mlp.py: {remark}", file=sys.stderr)
    code, trouble, params, watch = 0, "", None, None

    def on_epoch(epoch: int, model, order) -> None:
        run_folder.check_held(folder, lock)
        if epoch in options.probe:
            loss = build(settings, pixels, class_count)[1]
            output.add_to_probe_csv(folder, probe(epoch, model, loss, data.train_images, data.train_labels))
        watch.on_epoch(epoch, model, order)

    try:
        run_folder.check_held(folder, lock)
        output.begin(folder, settings, data, checkpoint, options.probe)
        run_folder.check_held(folder, lock)
        with output.Watch(folder, settings, output.identity(data), options.quiet, checkpoint) as watch:
            _, model = train(settings, data, watch.on_record, on_epoch, checkpoint)
        params = model.params
    except Diverged as error:
        code, params = Diverged.exit_code, watch.last.params
        trouble = f"training diverged in epoch {watch.rows[-1].epoch}: {error}"
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one must not stop the saving
        code, params = 130, watch and watch.params()
        epoch = watch.last.epoch + 1 if watch and watch.last else 1
        kept = "nothing was trained yet" if params is None else "the model and the curves so far are kept"
        trouble = f"interrupted in epoch {epoch}: {kept}; {run_folder.go_on(folder, options)} goes on"
    except OSError as error:
        code, trouble = 1, run_folder.lost(error, folder, lock, options)
        params = None if error.filename or isinstance(error, run_folder.Gone) else watch and watch.params()
    try:
        if params is not None:
            run_folder.check_held(folder, lock)
            model = watch.model or build(settings, pixels, class_count)[0]
            model.params[:] = params
            model.save(folder / "model.npz")
    except OSError as error:
        code, trouble = 1, run_folder.lost(error, folder, lock, options)
    if code == Diverged.exit_code:
        trouble += output.advice(settings, watch, _first_not_finite(settings, data, watch.last))
    if code:
        print(f"run_mlp.py: {trouble}", file=sys.stderr)
    return code, watch.rows if watch else []


def _first_not_finite(settings: dict, data, last) -> str:
    from training.autopsy import first_not_finite

    try:
        model, loss, order = build(settings, data.train_images.shape[1], len(data.classes))
        return first_not_finite(model, loss, order, settings, data, last)
    except KeyboardInterrupt:
        return "which layer went first was not looked for to the end"


def main(arguments: list[str]) -> int:
    given, options = parse(arguments, config)
    if options.dry_run:
        given = {"max_epoch": 2} | given
    checkpoint = None
    if options.resume:
        from training.resume import reopen

        lock = run_folder.hold(options.resume)
        settings, checkpoint = reopen(options.resume, given, config)
        run_folder.clean(options.resume)
    else:
        base = read_config(options.config, config) if options.config else config
        settings = resolve(base, given)
    if any(not 0 <= epoch <= settings["max_epoch"] for epoch in options.probe):
        raise UsageError(f"--probe is {options.probe}: give epochs from 0 to {settings['max_epoch']}")
    if options.resume:
        folder, picture = options.resume, run_folder.picture_of(options.resume, options)
    else:
        folder, picture = run_folder.reserve(settings, options)
        lock = run_folder.hold(folder)
    if not options.quiet:
        print(f"{folder.name}: loading the data", flush=True)
    # The data is gone when run returns: matplotlib comes in after it, not on top of it.
    code, rows = run(settings, options, folder, lock, checkpoint)
    if not rows or code == 1:
        return code
    if not options.no_plot:
        import curves

        curves.use_project_cache()
        try:
            figure = curves.draw([curves.Curve(folder.name, [rows], steps=curves.steps_of(folder))])
            picture = run_folder.save_picture(figure, picture, folder)
        except OSError:
            print(output.summary(rows, folder, None))
            raise
    print(output.summary(rows, folder, None if options.no_plot else picture))
    return code


if __name__ == "__main__":
    run_command(main)
