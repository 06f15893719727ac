"""Draws into a matplotlib Figure what predict.py found: pictures with their bars, mistakes, weights."""

import math

import numpy as np

from training.pictures import literal

PICTURES, MISTAKES, UNITS = 24, 25, 100  # at most so many are drawn
GREY = {"cmap": "gray", "vmin": 0, "vmax": 255}


def draw_pictures(figure, found: list, labels: list, text) -> None:
    """For each (name, picture, image, scores): the picture, the image that the network sees, and bars.

    text(score) is a score in words, in all three figures.
    """
    columns = 1 if len(found) <= 4 else 2
    rows = math.ceil(len(found) / columns)
    figure.set_size_inches(6.4 * columns, 2.2 * rows + 0.5)
    panels = figure.subplots(rows, 3 * columns, squeeze=False, width_ratios=[1, 1, 1.6] * columns).reshape(-1, 3)
    for (left, middle, right), (name, picture, image, scores) in zip(panels, found):
        left.imshow(picture)
        shown = name if len(name) <= 22 else f"{name[:10]}…{name[-11:]}"
        left.set_title(literal(shown), fontsize=10)
        middle.imshow(image, **GREY)
        middle.set_title("seen by the network", fontsize=10)
        best = int(scores.argmax())
        colours = ["#0072B2" if k == best else "#56B4E9" for k in range(len(labels))]
        right.bar(range(len(labels)), scores, color=colours)
        right.set_xticks(range(len(labels)), labels, fontsize=9 if len(labels) <= 12 else 5)
        right.set_title(f"{labels[best]}: {text(scores[best])}", fontsize=10)
        right.set_ylabel("probability" if text(1).endswith("%") else "score")
        if text(1).endswith("%"):
            right.set_ylim(0, 1)
    for panel in [*panels[:, :2].flat, *panels[len(found) :, 2]]:
        panel.set_axis_off()


def draw_mistakes(figure, images: np.ndarray, truth: np.ndarray, scores: np.ndarray, labels: list, text) -> None:
    """The confusion matrix, and the mistakes whose guess has the highest score."""
    guess, matrix = scores.argmax(axis=1), confusion(truth, scores)
    wrong = np.flatnonzero(guess != truth)
    wrong = wrong[np.argsort(-scores[wrong, guess[wrong]], kind="stable")][:MISTAKES]
    figure.set_size_inches(10.5, 5.6)
    left, right = figure.subfigures(1, 2)
    panel, size = left.subplots(), {"fontsize": 10 if len(labels) <= 12 else 5}
    off = matrix * (1 - np.eye(len(labels), dtype=int))  # the diagonal would outshine the mistakes
    panel.imshow(off, cmap="Greys")
    panel.set(xlabel="guess", ylabel="truth", title="test images by truth and guess")
    panel.set_xticks(range(len(labels)), labels, **size)
    panel.set_yticks(range(len(labels)), labels, **size)
    for t, g in np.argwhere(matrix):
        colour = "white" if off[t, g] > off.max() / 2 else "black"
        panel.text(g, t, matrix[t, g], ha="center", va="center", color=colour, **size)
    right.suptitle("the most confident mistakes: truth → guess, score", fontsize=11)
    right.subplots(5, 5)
    for panel in right.axes:
        panel.set_axis_off()
    for panel, at in zip(right.axes, wrong):
        panel.imshow(images[at], **GREY)
        panel.set_title(f"{labels[truth[at]]} → {labels[guess[at]]}, {text(scores[at, guess[at]])}", fontsize=9)


def confusion(truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """(K, K): how many samples of each class (row) have their highest score at each class (column)."""
    matrix = np.zeros((scores.shape[1],) * 2, int)
    np.add.at(matrix, (truth, scores.argmax(axis=1)), 1)
    return matrix


def draw_weights(figure, before: np.ndarray, after: np.ndarray, side: int) -> None:
    """The weights (side * side, units) of each unit of a layer as an image; of very many units the strongest."""
    units = np.sort(np.argsort(-np.linalg.norm(after, axis=0), kind="stable")[:UNITS])
    across, size = math.ceil(math.sqrt(len(units))), side + 1
    figure.set_size_inches(11, 6)
    some = "" if len(units) == after.shape[1] else f" {len(units)} strongest of {after.shape[1]} units,"
    for panel, weights, when in zip(figure.subplots(1, 2), (before, after), ("before", "after")):
        tiles = np.full((math.ceil(len(units) / across) * size, across * size), np.nan)
        for number, unit in enumerate(units):
            y, x = number // across * size, number % across * size
            tiles[y : y + side, x : x + side] = weights[:, unit].reshape(side, side)
        most = np.nanmax(np.abs(tiles)) or 1.0
        panel.imshow(tiles, cmap="gray", vmin=-most, vmax=most, interpolation="nearest")
        panel.set_title(f"{when} training:{some} black −{most:.2g}, white +{most:.2g}", fontsize=11)
        panel.set_axis_off()
