"""Makes of any picture of a digit what MNIST holds: light ink on black, in a box, its centre of mass in the middle.

`read_ink` is for files: grey, alpha, frames, dark on light. `mnist_like` comes after it, and page.html repeats it for
its canvas, number for number. LeCun and others say how MNIST was made: a 20 x 20 box, 28 x 28 by the centre of mass.
"""

import warnings
from pathlib import Path

import numpy as np

LONGEST = 400  # pixels; a larger picture is reduced first, which also takes out specks and noise
UNIFORM = 0.12  # of the picture's contrast: pixels that differ by less have one colour
FAINT = 0.2  # of full ink: what is fainter does not count for the crop
CONTRAST = 20  # grey levels between ink and background, of 255; below them the picture is empty


def open_picture(path: Path):
    """Return a picture file as an RGBA PIL image, as the camera was held. ValueError says why it cannot be read."""
    from PIL import Image, ImageOps

    if not path.is_file():
        raise ValueError("is not a file" if path.exists() else "does not exist")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about large pictures
            with Image.open(path) as image:
                if image.mode.startswith(("I", "F")):  # 16 bits and more
                    grey = np.asarray(image, np.float64)
                    grey = (grey - grey.min()) * 255 / max(np.ptp(grey), 1e-9)
                    return Image.fromarray(grey.astype(np.uint8)).convert("RGBA")
                image = ImageOps.exif_transpose(image)
                return (image if image.mode in ("P", "LA", "PA", "RGBA") else image.convert("RGB")).convert("RGBA")
    except Exception as error:  # damaged pictures raise errors of a dozen kinds
        words = " ".join(str(error).split())[:120] or type(error).__name__
        raise ValueError(f"cannot be read as a picture ({words.replace(str(path), 'it')})") from None


def read_as_is(image, side: int) -> np.ndarray:
    """Return a picture that is prepared already, as uint8 (side, side). ValueError if it has another size."""
    if image.size != (side, side):
        raise ValueError(f"has {image.size[0]} x {image.size[1]} pixels, --as-is needs {side} x {side}")
    return np.asarray(flat(image).convert("L"))


def flat(image, paper: int = 0):
    """Put an RGBA image on a grey ground."""
    from PIL import Image

    return Image.alpha_composite(Image.new("RGBA", image.size, (paper, paper, paper, 255)), image).convert("RGB")


def read_ink(image) -> np.ndarray:
    """Return how much ink each pixel of an RGBA image has (H, W), from 0 to 1. ValueError if it shows nothing."""
    small = image.copy()
    small.thumbnail((100, 100))
    colours, alpha = np.split(np.asarray(small, np.float64), [3], axis=2)
    light = (colours * alpha).sum() >= 3 * 128 * alpha.sum()
    paper = 0 if light else 255
    # Grey would hide yellow on white: the channel with the most contrast shows it.
    channel = np.asarray(flat(small, paper)).std(axis=(0, 1)).argmax()
    grey, background = without_frame(np.asarray(flat(image, paper).getchannel(int(channel)), np.float32))
    if max(grey.shape) > LONGEST:
        height, width = (max(1, length * LONGEST // max(grey.shape)) for length in grey.shape)
        grey = averages(height, grey.shape[0]) @ grey @ averages(width, grey.shape[1]).T
    if background is None:
        ink = np.abs(grey - lighting(grey))
    else:
        ink = np.abs(np.pad(grey - background, max(grey.shape) // 4))  # an upright 1 has little background of its own
    if ink.max() < CONTRAST:
        raise ValueError("shows nothing: it has one colour")
    low, high = 0.0, ink.max()
    for _ in range(20):  # two means: that of the background and that of the ink
        split = ink > (low + high) / 2
        low, high = ink[~split].mean(), ink[split].mean()
    paper = np.median(ink[~split])
    noise = 3 * 1.48 * np.median(np.abs(ink[~split] - paper))  # three standard deviations: paper is never even
    return np.clip((ink - paper - noise) / max(high - paper - noise, 1), 0, 1)


def without_frame(grey: np.ndarray) -> tuple[np.ndarray, float | None]:
    """Return the picture without borders of one colour, and its background: the colour that goes round all of it.

    The background is None if no colour does, as in a photograph.
    """
    tolerance = UNIFORM * np.ptp(grey)
    found = [(grey, None)]
    while min(grey.shape) > 2 and all(np.ptp(side) <= tolerance for side in sides(grey)):
        if np.ptp(np.concatenate(sides(grey))) > tolerance:  # the blurred edge of a frame
            grey = grey[1:-1, 1:-1]
            continue
        background = float(np.median(np.concatenate(sides(grey))))
        inside = cropped(grey, np.abs(grey - background) > tolerance)
        if inside is None or inside.shape == grey.shape:  # one colour is left: the stroke, or the hole of an angular 0
            return found[-1] if len(found) < 3 else found[-2]
        found.append((inside, background))
        grey = inside
    return found[-1]


def lighting(grey: np.ndarray) -> np.ndarray:
    """The brightness of the paper under the digit: a plane through the picture's border, without the ink there."""
    y, x = np.indices(grey.shape) / max(grey.shape)
    terms = np.stack([np.ones_like(x), x, y], axis=-1)
    points, values = (np.concatenate(sides(array)) for array in (terms, grey))
    plane = np.array([np.median(values), 0, 0])
    for _ in range(5):
        away = np.abs(values - points @ plane)
        near = away <= max(2 * np.median(away), 1)
        plane = np.linalg.lstsq(points[near], values[near], rcond=None)[0]
    return terms @ plane


def sides(grey: np.ndarray) -> list[np.ndarray]:
    """The four outermost lines, without the corners."""
    return [grey[0, 1:-1], grey[-1, 1:-1], grey[1:-1, 0], grey[1:-1, -1]]


def cropped(array: np.ndarray, wanted: np.ndarray) -> np.ndarray | None:
    """Return the smallest rectangle that holds all that is wanted, None if nothing is."""
    rows, columns = np.flatnonzero(wanted.any(axis=1)), np.flatnonzero(wanted.any(axis=0))
    return array[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] if rows.size else None


def mnist_like(ink: np.ndarray, side: int = 28) -> np.ndarray:
    """Ink (H, W), from 0 to 1 -> uint8 (side, side): cropped, 20/28 of the side high or wide, centred by its mass."""
    box = cropped(ink, ink > FAINT)
    if box is None:
        raise ValueError("shows nothing")
    scale = max(1, round(side * 20 / 28)) / max(box.shape)
    height, width = (max(1, int(length * scale + 0.5)) for length in box.shape)
    small = averages(height, box.shape[0]) @ box @ averages(width, box.shape[1]).T
    small = small / small.max()
    image = np.zeros((side, side))
    # The mean of MNIST's centres of mass is pixel 14, counted from 0, of 28.
    top, left = (
        min(max(int(side // 2 - small.sum(axis=1 - axis) @ np.arange(length) / small.sum() + 0.5), 0), side - length)
        for axis, length in ((0, height), (1, width))
    )
    image[top : top + height, left : left + width] = small
    return (image * 255 + 0.5).astype(np.uint8)


def averages(count: int, size: int) -> np.ndarray:
    """(count, size): row i averages the part of `size` pixels that pixel i of `count` covers; at least one pixel."""
    step = size / count
    centre, half = (np.arange(count)[:, None] + 0.5) * step, max(step, 1) / 2
    pixel = np.arange(size)
    covered = np.clip(np.minimum(pixel + 1, centre + half) - np.maximum(pixel, centre - half), 0, None)
    return covered / covered.sum(axis=1, keepdims=True)
