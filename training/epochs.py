"""What an epoch of a run trains on: which images, at which learning rates; and when a run stops early."""

import math
from typing import NamedTuple

import numpy as np

from solve_net import learning_rates
from utils import UsageError


class Images(NamedTuple):
    """The training images of a run and those held out for validation, with their labels: views of the data."""

    train: np.ndarray
    train_labels: np.ndarray
    valid: np.ndarray
    valid_labels: np.ndarray
    steps: int  # of SGD in an epoch


def split(settings: dict, data) -> Images:
    """Return the first train_images and the last `validation` training images. UsageError if there are too few."""
    there, held_out = len(data.train_images), settings["validation"]
    count = there - held_out if settings["train_images"] == "all" else settings["train_images"]
    if count < 1 or count + held_out > there:
        raise UsageError(
            f"train_images is {settings['train_images']} and validation {held_out}, but there are {there} "
            "training images: give less"
        )
    if settings["batch_norm"] and (count % settings["batch_size"] or settings["batch_size"]) == 1:
        raise UsageError(
            f"batch_size is {settings['batch_size']}: of {count} images the last batch is a single one, "
            "which batch_norm cannot normalise: give another"
        )
    images, labels, rest = data.train_images, data.train_labels, there - held_out
    steps = math.ceil(count / settings["batch_size"])
    return Images(images[:count], labels[:count], images[rest:], labels[rest:], steps)


def rates_of(settings: dict, images: Images, epoch: int) -> np.ndarray | None:
    """Return the learning rate of each step of an epoch (from 1); None where it is constant."""
    if settings["schedule"] == "constant":
        return None
    total = images.steps * settings["max_epoch"]
    rates = learning_rates(settings["schedule"], settings["learning_rate"], total, settings["warmup"])
    return rates[(epoch - 1) * images.steps : epoch * images.steps]


class Best:
    """The best validation loss so far, and the weights and layer state that gave it."""

    def __init__(self):
        self.loss, self.epoch, self.params, self.state = math.inf, 0, None, None

    def update(self, loss: float, epoch: int, model) -> bool:
        """Keep the weights if this loss is lower than all before; return whether it is."""
        if loss < self.loss:
            self.loss, self.epoch = loss, epoch
            self.params, self.state = model.params.copy(), model.state.copy()
        return epoch == self.epoch

    def is_over(self, epoch: int, patience: int) -> bool:
        """Whether the loss has not improved for so many epochs; never for a patience of 0."""
        return 0 < patience <= epoch - self.epoch

    def restore(self, model) -> None:
        """Put the best weights back."""
        if self.params is not None:
            model.params[:], model.state[:] = self.params, self.state
