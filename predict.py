"""Says which digit a picture shows, with a network that run_mlp.py has trained. It never trains.

python predict.py digit.jpg photos      pictures of any size and colour: the three likeliest labels
python predict.py --mistakes            the confusion matrix and the most confident mistakes of the test set
python predict.py --weights             what the units of the first layer look for, before and after training
python predict.py --page digit.html     a page to draw on, with the network inside; needs no connection
python predict.py digit.jpg --model runs/NAME --as-is

The figure goes to plots/, over that of the last call. A picture that cannot be read is named and left out: exit code 3.
Exit codes: 0 done, 2 wrong usage, 3 a picture, a run or data is missing or cannot be read, 1 anything else.
"""

from training.command import ROOT, Parser, expanded, run_command, say  # first: it says which package is missing

# isort: split
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from digits.figures import PICTURES, confusion, draw_mistakes, draw_pictures, draw_weights
from digits.page import page
from digits.prepare import flat, mnist_like, open_picture, read_as_is, read_ink
from layers import Linear, flatten
from load_data import load_dataset, normalise
from network import Network
from run_mlp import build
from training.folder import atomic_bytes
from training.pictures import literal, own_style, save, use_project_cache
from training.settings import read_config
from utils import FileError, UsageError


class Trained(NamedTuple):
    """A run that has trained, as its folder says."""

    name: str
    settings: dict
    model: Network
    labels: list  # what each output stands for
    side: int  # it takes images of side x side pixels
    probabilities: bool  # whether its loss trains the softmax of the outputs

    def scores(self, images: np.ndarray) -> np.ndarray:
        """Images (N, side, side) uint8 -> (N, K) float64: the softmax of the outputs, or the outputs themselves."""
        outputs = self.model.forward(normalise(images.reshape(len(images), -1))).astype(np.float64)
        powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True) if self.probabilities else outputs

    def text(self, score: float) -> str:
        return f"{100 * score:.1f} %" if self.probabilities else f"{score:.2f}"


def first_linear(model: Network) -> Linear | None:
    return next((layer for layer in flatten(model.layers) if isinstance(layer, Linear)), None)


def load(folder: Path | None) -> Trained:
    """Read a run's folder, the newest of runs/ if None. FileError and UsageError say what cannot be used."""
    if folder is None:
        models = sorted((ROOT / "runs").glob("*/model.npz"), key=lambda path: path.stat().st_mtime)
        if not models:
            raise FileError("runs/ holds no run with a model.npz: python run_mlp.py trains one, --model names another")
        folder = models[-1].parent
    if not folder.is_dir():
        raise UsageError(f"--model is {folder}, which is not a folder: give that of a run, such as runs/NAME")
    if not (folder / "config.json").is_file():
        raise FileError(f"{folder} has no config.json: give the folder of a run, such as runs/NAME")
    settings, model = read_config(folder / "config.json"), Network.load(folder / "model.npz")
    if first_linear(model) is None:
        raise FileError(f"{folder / 'model.npz'} has no Linear layer: give a run of run_mlp.py")
    pixels = first_linear(model).in_num
    side, outputs = math.isqrt(pixels), model.forward(np.zeros((1, pixels), np.float32)).shape[1]
    if side * side != pixels:
        raise UsageError(f"{folder} takes {pixels} pixels, which make no square: give a run on square images")
    labels = model.labels or list(range(outputs))
    return Trained(folder.resolve().name, settings, model, labels, side, "Softmax" in settings["loss"])


def files_of(paths: list[Path]) -> list[Path]:
    """The paths, but for a folder the pictures in it, if there are any."""
    from PIL import Image

    known, files = Image.registered_extensions(), []
    for path in paths:
        inside = path.iterdir() if path.is_dir() else []
        files += sorted(each for each in inside if each.suffix.lower() in known and each.name[0] != ".") or [path]
    return files


def show_pictures(run: Trained, paths: list[Path], as_is: bool) -> tuple[Path | None, int]:
    """Say what each picture shows, and draw them. Return the figure's path, if any, and an exit code."""
    found, code, count = [], 0, 0
    trains_none = f"scores, no probabilities: {run.settings['loss']} trains none"
    print(f"{run.name}: {'probabilities' if run.probabilities else trains_none}")
    for path in paths:
        try:
            picture = open_picture(path)
            image = read_as_is(picture, run.side) if as_is else mnist_like(read_ink(picture), run.side)
        except ValueError as error:
            say(f"left out: {path} {error}")
            code = FileError.exit_code
            continue
        (scores,) = run.scores(image[None])
        best = np.argsort(-scores, kind="stable")[:3]
        print(f"{path}:", ", ".join(f"{run.labels[k]} ({run.text(scores[k])})" for k in best))
        count += 1
        if count <= PICTURES:
            picture.thumbnail((400, 400))
            found.append((path.name, flat(picture, 192), image, scores))
    if count > PICTURES:
        print(f"the figure shows the first {PICTURES} of {count} pictures")
    return save_figure(run, "digits", draw_pictures, found, run.labels, run.text) if found else None, code


def show_mistakes(run: Trained) -> Path:
    """Say how many test images are wrong, and what is taken most often for what; draw them."""
    data = load_dataset(ROOT / run.settings["data_dir"])
    if data.test_images.shape[1] != run.side**2 or data.classes != run.labels:
        raise FileError(f"{run.settings['data_dir']} has other images or labels than {run.name} was trained on")
    truth, scores = data.test_labels, run.scores(data.test_images)
    matrix = confusion(truth, scores)
    right, count = matrix.trace(), len(truth)
    print(f"{count - right:,} of {count:,} test images are wrong, accuracy {right / count:.2%}; most often:")
    np.fill_diagonal(matrix, 0)
    for t, g in zip(*np.unravel_index(np.argsort(-matrix, axis=None, kind="stable")[:3], matrix.shape)):
        if matrix[t, g]:
            print(f"{run.labels[t]} taken for {run.labels[g]}: {matrix[t, g]} times")
    images = data.test_images.reshape(-1, run.side, run.side)
    return save_figure(run, "mistakes", draw_mistakes, images, truth, scores, run.labels, run.text)


def show_weights(run: Trained) -> Path:
    """Draw the first layer's weights, and those that it had before training: built again from the run's settings."""
    model, _, _ = build(run.settings, run.side**2, len(run.labels))
    before, after = first_linear(model).W, first_linear(run.model).W
    if before.shape != after.shape:
        raise FileError(f"{run.name}: its model.npz has other widths than its config.json says")
    return save_figure(run, "weights", draw_weights, before, after, run.side)


def save_figure(run: Trained, what: str, draw, *contents) -> Path:
    """Let draw(figure, *contents) draw, and save it as plots/<run>_<what>.png."""
    use_project_cache()
    path = ROOT / "plots" / f"{run.name}_{what}.png"
    with own_style():
        from matplotlib.figure import Figure

        figure = Figure(dpi=130, layout="constrained")
        draw(figure, *contents)
        figure.suptitle(literal(run.name), fontsize=10)
        path.parent.mkdir(exist_ok=True)
        save(figure, path)
    return path


def save_page(run: Trained, path: Path) -> Path:
    """Write the page with the network inside."""
    if path.suffix.lower() not in (".html", ".htm") or path.is_dir():
        raise UsageError(f"--page is {path}: give a file whose name ends in .html")
    content = page(run.name, run.model, run.labels, run.side, run.probabilities)
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_bytes(path, content.encode())
    return path


def main(arguments: list[str]) -> int:
    parser = Parser(prog="predict.py", description=__doc__)
    parser.add_argument("images", nargs="*", type=Path, metavar="IMAGE", help="a picture, or a folder of pictures")
    parser.add_argument(
        "--as-is", action="store_true", help="they are prepared already: light on black, the right size"
    )
    task = parser.add_mutually_exclusive_group()
    task.add_argument("--mistakes", action="store_true", help="show what is wrong in the test set")
    task.add_argument("--weights", action="store_true", help="show the weights of the first layer")
    task.add_argument("--page", type=Path, metavar="FILE", help="write a page to draw on (.html, overwritten)")
    parser.add_argument("--model", type=Path, metavar="RUN", help="a run's folder (default: the newest in runs/)")
    options = parser.parse_args(arguments)
    if bool(options.images) == bool(options.mistakes or options.weights or options.page):
        parser.error("give either pictures, or one of --mistakes, --weights and --page FILE")
    if options.as_is and not options.images:
        parser.error("--as-is is about pictures: give one")
    run, code = load(options.model), 0
    if options.page:
        path = save_page(run, options.page)
    elif options.mistakes:
        path = show_mistakes(run)
    elif options.weights:
        path = show_weights(run)
    else:
        path, code = show_pictures(run, files_of(expanded(options.images)), options.as_is)
    if path:
        print(path)
    return code


if __name__ == "__main__":
    run_command(main)
