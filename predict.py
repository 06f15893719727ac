"""Says which digit a picture shows, with a network that run_mlp.py has trained. It never trains.

    python predict.py digit.jpg photos/     pictures of any size and colour: the three likeliest labels, and a picture
    python predict.py --mistakes            the confusion matrix and the most confident mistakes of the test set
    python predict.py --weights             what the units of the first layer look for, before and after training
    python predict.py --page digit.html     a page to draw on, which works without a network
"""

from training.command import ROOT, Parser, expanded, run_command, say  # first: it says which package is missing

# isort: split
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

import curves
from digits.page import page
from digits.prepare import mnist_like, open_picture, read_as_is, read_ink
from layers import Linear
from load_data import load_dataset, normalise
from network import Network
from run_mlp import build
from training.folder import atomic_bytes, read_json
from training.settings import read_config
from utils import FileError, UsageError

SHOWN = 24  # pictures in one figure
TILES = 100  # units in one figure
WRONG = 25


class Trained(NamedTuple):
    """A run that has trained: what its folder says."""

    folder: Path
    settings: dict
    model: Network
    labels: list  # what each output stands for
    side: int  # it takes images of side x side pixels

    @property
    def probabilities(self) -> bool:
        return self.settings["loss"] == "SoftmaxCrossEntropyLoss"

    def scores(self, images: np.ndarray) -> np.ndarray:
        """Images (N, side, side) uint8 -> (N, K) float64: the softmax of the outputs, or the outputs themselves."""
        outputs = self.model.forward(normalise(images.reshape(len(images), -1))).astype(np.float64)
        if not self.probabilities:
            return outputs
        powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    def text(self, score: float) -> str:
        return f"{100 * score:.1f} %" if self.probabilities else f"{score:.2f}"


def load(folder: Path | None) -> Trained:
    """Read a run's folder, the newest of runs/ if None. FileError, UsageError say what cannot be used."""
    if folder is None:
        models = sorted((ROOT / "runs").glob("*/model.npz"), key=lambda path: path.stat().st_mtime)
        if not models:
            raise FileError("runs/ holds no run with a model.npz: python run_mlp.py trains one, --model names another")
        folder = models[-1].parent
    if not folder.is_dir():
        raise UsageError(f"--model is {folder}, which is not a folder: give that of a run, such as runs/NAME")
    settings, model = read_config(folder / "config.json"), Network.load(folder / "model.npz")
    linear = [layer for layer in model.layers if isinstance(layer, Linear)]
    if not linear:
        raise FileError(f"{folder / 'model.npz'} has no Linear layer: give a run of run_mlp.py")
    labels = read_json(folder / "config.json").get("labels", list(range(linear[-1].out_num)))
    if not isinstance(labels, list) or len(labels) != linear[-1].out_num:
        raise FileError(f"{folder / 'config.json'}: labels is {labels}, but the network has {linear[-1].out_num} outputs")
    side = math.isqrt(linear[0].in_num)
    if side * side != linear[0].in_num:
        raise UsageError(f"{folder} takes {linear[0].in_num} pixels, which is no square: give a run on square images")
    return Trained(folder, settings, model, labels, side)


# ---- pictures of one's own


def of_pictures(run: Trained, paths: list[Path], as_is: bool) -> tuple[list, int]:
    """Say of each picture what it shows; return (name, input, image, scores) of those that can be read, and a code."""
    found, code = [], 0
    for path in paths:
        try:
            image = open_picture(path)
            prepared = read_as_is(image, run.side) if as_is else mnist_like(read_ink(image), run.side)
        except ValueError as error:
            say(f"left out: {path} {error}")
            code = FileError.exit_code
            continue
        (scores,) = run.scores(prepared[None])
        best = [f"{run.labels[k]} ({run.text(scores[k])})" for k in np.argsort(-scores, kind="stable")[:3]]
        print(f"{path}: {', '.join(best)}")
        image.thumbnail((400, 400))
        found.append((path.name, image, prepared, scores))
    return found[:SHOWN], code


def files_of(paths: list[Path]) -> list[Path]:
    """The paths, and for a folder the pictures in it. UsageError if it has none."""
    from PIL import Image

    files = []
    for path in paths:
        if not path.is_dir():
            files.append(path)
            continue
        inside = sorted(each for each in path.iterdir() if each.suffix.lower() in Image.registered_extensions())
        if not inside:
            raise UsageError(f"{path} holds no picture: give a picture, or a folder of them")
        files += inside
    return files


def draw_pictures(figure, run: Trained, found: list) -> None:
    """For each picture a row: the input, what the network sees, and bars."""
    columns = 1 if len(found) <= 4 else 2
    rows = math.ceil(len(found) / columns)
    figure.set_size_inches(6.4 * columns, 2.2 * rows + 0.7)
    panels = figure.subplots(rows, 3 * columns, squeeze=False, width_ratios=[1, 1, 1.6] * columns).reshape(-1, 3)
    for trio, (name, image, prepared, scores) in zip(panels, found):
        trio[0].imshow(image)
        trio[0].set_title(curves.literal(name if len(name) <= 22 else f"{name[:10]}…{name[-11:]}"), fontsize=10)
        trio[1].imshow(prepared, cmap="gray", vmin=0, vmax=255)
        trio[1].set_title("seen by the network", fontsize=10)
        best = int(scores.argmax())
        bars = trio[2].bar(range(len(scores)), scores, color="#b0b0b0")
        bars[best].set_color(curves.COLOURS[0])
        trio[2].set_xticks(range(len(scores)), map(str, run.labels), fontsize=9 if len(scores) <= 12 else 5)
        trio[2].set_title(f"{run.labels[best]}: {run.text(scores[best])}", fontsize=10)
        if run.probabilities:
            trio[2].set_ylim(0, 1)
    for trio in panels:
        for panel in trio[: 2 if trio[1].images else 3]:
            panel.set_axis_off()
    figure.suptitle(f"{curves.literal(run.folder.name)}, {'probabilities' if run.probabilities else 'scores'}", fontsize=10)


# ---- the test set, the weights


def of_test_set(run: Trained) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The test images (N, side, side), their class numbers and scores (N, K), of the data that the run names."""
    data = load_dataset(ROOT / run.settings["data_dir"])
    if data.test_images.shape[1] != run.side**2 or data.classes != run.labels:
        raise FileError(f"{run.settings['data_dir']} now holds other images or labels than {run.folder} was trained on")
    return data.test_images.reshape(-1, run.side, run.side), data.test_labels, run.scores(data.test_images)


def draw_mistakes(figure, run: Trained, images, truth, scores) -> None:
    """The confusion matrix, and the wrong guesses with the highest scores; both are printed too."""
    guess, count = scores.argmax(axis=1), len(run.labels)
    matrix = np.zeros((count, count), int)
    np.add.at(matrix, (truth, guess), 1)
    wrong = np.flatnonzero(guess != truth)
    wrong = wrong[np.argsort(-scores[wrong, guess[wrong]], kind="stable")]
    print(f"{len(wrong):,} of {len(truth):,} test images are wrong: accuracy {1 - len(wrong) / len(truth):.2%}")
    off = matrix * (1 - np.eye(count, dtype=int))
    for t, g in zip(*np.unravel_index(np.argsort(-off, axis=None, kind="stable")[:3], off.shape)):
        print(f"{run.labels[t]} taken for {run.labels[g]}: {off[t, g]} times")
    figure.set_size_inches(13, 6.6)
    left, right = figure.subfigures(1, 2)
    panel = left.subplots()
    panel.imshow(off, cmap="Greys")
    names = list(map(str, run.labels))
    panel.set(xlabel="guess", ylabel="truth", title="test images by truth and guess")
    panel.set_xticks(range(count), names, fontsize=10 if count <= 12 else 5)
    panel.set_yticks(range(count), names, fontsize=10 if count <= 12 else 5)
    for t, g in np.argwhere(matrix if count <= 12 else 0):
        light = off[t, g] > off.max() / 2
        panel.text(g, t, matrix[t, g], ha="center", va="center", fontsize=9, color="white" if light else "black")
    right.suptitle(f"the {min(WRONG, len(wrong))} most confident mistakes: truth → guess, score", fontsize=12)
    for panel, at in zip(right.subplots(5, 5).flat, [*wrong[:WRONG], *[None] * WRONG]):
        panel.set_axis_off()
        if at is not None:
            panel.imshow(images[at], cmap="gray", vmin=0, vmax=255)
            t, g = run.labels[truth[at]], run.labels[guess[at]]
            panel.set_title(f"{t} → {g}, {run.text(scores[at, guess[at]])}", fontsize=9)


def draw_weights(figure, run: Trained) -> None:
    """The weights of each unit of the first layer as an image, before and after training."""
    first = build(run.settings, run.side**2, len(run.labels))[0]
    before, after = (
        next(layer.W for layer in model.layers if isinstance(layer, Linear)) for model in (first, run.model)
    )
    if before.shape != after.shape:
        raise FileError(f"{run.folder}: its model.npz has other widths than its config.json says")
    chosen = np.sort(np.argsort(-np.linalg.norm(after, axis=0), kind="stable")[:TILES])
    across = math.ceil(math.sqrt(len(chosen)))
    figure.set_size_inches(13, 7)
    for panel, weights, when in zip(figure.subplots(1, 2), (before, after), ("before", "after")):
        most = np.abs(weights[:, chosen]).max() or 1.0
        tiles = np.full((math.ceil(len(chosen) / across) * (run.side + 1), across * (run.side + 1)), np.nan)
        for number, unit in enumerate(chosen):
            y, x = (place * (run.side + 1) for place in divmod(number, across))
            tiles[y : y + run.side, x : x + run.side] = weights[:, unit].reshape(run.side, run.side)
        panel.imshow(tiles, cmap="gray", vmin=-most, vmax=most, interpolation="nearest")
        panel.set_title(f"{when} training: black −{most:.2g}, grey 0, white +{most:.2g}", fontsize=12)
        panel.set_axis_off()
    what = f"all {len(chosen)}" if len(chosen) == after.shape[1] else f"the strongest {len(chosen)} of {after.shape[1]}"
    figure.suptitle(f"{curves.literal(run.folder.name)}: weights of {what} units of the first layer", fontsize=11)


# ---- the command


def save_figure(draw, path: Path, *arguments) -> None:
    curves.use_project_cache()
    curves.load_matplotlib()
    from matplotlib import style
    from matplotlib.figure import Figure

    with style.context("default"):
        figure = Figure(dpi=130, layout="constrained")
        draw(figure, *arguments)
        path.parent.mkdir(parents=True, exist_ok=True)
        curves.save(figure, path)
    print(path)


def parse(arguments: list[str]):
    parser = Parser(prog="predict.py", description=__doc__, usage="predict.py IMAGE ... | --mistakes | ...")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    parser = Parser(prog="predict.py", description=__doc__)
    parser.add_argument("images", nargs="*", type=Path, metavar="IMAGE", help="a picture, or a folder of pictures")
    parser.add_argument("--model", type=Path, metavar="RUN", help="a run's folder (default the newest in runs/)")
    parser.add_argument("--as-is", action="store_true", help="the pictures are prepared already: light ink on black")
    parser.add_argument("--mistakes", action="store_true", help="what the network gets wrong in the test set")
    parser.add_argument("--weights", action="store_true", help="the weights of the first layer")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write a page to draw on")
    options = parser.parse_args(arguments)
    tasks = [bool(options.images), options.mistakes, options.weights, options.page is not None]
    if sum(tasks) != 1 or (options.as_is and not options.images):
        parser.error("give either pictures (with or without --as-is), --mistakes, --weights or --page FILE")
    run, code = load(options.model), 0
    start = ROOT / "plots" / run.folder.resolve().name
    if options.page:
        if options.page.suffix.lower() not in (".html", ".htm") or options.page.is_dir():
            raise UsageError(f"--page is {options.page}: give a file whose name ends in .html")
        content = page(run.folder.resolve().name, run.model, run.labels, run.side, run.probabilities).encode()
        options.page.parent.mkdir(parents=True, exist_ok=True)
        atomic_bytes(options.page, content)
        print(f"{options.page}: {len(content) / 1e6:.1f} MB, open it in a browser")
    elif options.mistakes:
        save_figure(draw_mistakes, Path(f"{start}_mistakes.png"), run, *of_test_set(run))
    elif options.weights:
        save_figure(draw_weights, Path(f"{start}_weights.png"), run)
    else:
        kind = "probabilities" if run.probabilities else f"scores, not probabilities: {run.settings['loss']} trains none"
        print(f"{run.folder.resolve().name} ({kind})")
        found, code = of_pictures(run, files_of(expanded(options.images)), options.as_is)
        if found:
            save_figure(draw_pictures, Path(f"{start}_digits.png"), run, found)
    return code


if __name__ == "__main__":
    run_command(main)
