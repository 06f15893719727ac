"""The names of curves: {hidden layers}_{activation}_{loss}_{learning rate}_{weight decay}_{batch size}."""

from training.settings import LOSSES

SHORT_LOSS = dict(zip(LOSSES, ("Euclidean", "softmax", "hinge")))
SHORT_NAMES = range(2, 7)  # the figures whose curves are named without rate, decay and batch


def curve_of(settings: dict) -> str:
    """The curve that a run with these settings belongs to."""
    keys = ("activation", "loss", "learning_rate", "weight_decay", "batch_size")
    return "_".join([str(len(settings["hidden"])), *(str(settings[key]) for key in keys)])


def at_batch_10(name: str) -> str:
    return name.rsplit("_", 1)[0] + "_10"


def shown(number: int, name: str) -> str:
    """A curve's name as the report's figure of this number writes it."""
    return "_".join(name.split("_")[:3]) if number in SHORT_NAMES else name
