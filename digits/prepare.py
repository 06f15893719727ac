"""Makes of any picture of a digit what MNIST holds: light ink on black, in a box, its centre of mass in the middle.

read_ink reads a file's picture: alpha, frames, dark on light, uneven paper. mnist_like follows, number for number as in
page.html. The box (20 of 28 pixels) and the centre are those of LeCun, Cortes, Burges, "The MNIST database".
"""

import warnings
from pathlib import Path

import numpy as np

LONGEST = 400  # pixels; a larger picture is averaged down to it, which also takes out specks and noise
UNIFORM = 0.12  # of a picture's contrast: what differs by less has one colour
CONTRAST = 20  # grey levels of 255 between ink and background; with less the picture is empty
FAINT = 0.2  # of the strongest ink: what is fainter does not count for the crop


def open_picture(path: Path):
    """Return a file as an RGBA PIL image, upright as the camera was held. ValueError says why it cannot be read."""
    from PIL import Image, ImageOps

    if not path.is_file():
        raise ValueError("is not a file" if path.exists() else "does not exist")
    try:
        with warnings.catch_warnings(), Image.open(path) as file:
            warnings.simplefilter("ignore")  # on large pictures
            image = ImageOps.exif_transpose(file)
            if image.mode.startswith(("I", "F")):  # 16 bits and more
                grey = np.asarray(image, np.float64)
                image = Image.fromarray(np.uint8((grey - grey.min()) * 255 / (np.ptp(grey) or 1)))
            return (image.convert("RGB") if image.mode in ("CMYK", "YCbCr", "LAB", "HSV") else image).convert("RGBA")
    except Exception as error:  # damaged pictures raise errors of a dozen kinds
        words = " ".join(str(error).split())[:120] or type(error).__name__
        raise ValueError(f"cannot be read as a picture ({words.replace(str(path), 'it')})") from None


def flat(image, ground: int = 0):
    """Return an RGBA image as RGB, on a ground of this grey level."""
    from PIL import Image

    return Image.alpha_composite(Image.new("RGBA", image.size, (ground, ground, ground, 255)), image).convert("RGB")


def read_as_is(image, side: int) -> np.ndarray:
    """Return an RGBA image that is prepared already as uint8 (side, side). ValueError if it has another size."""
    if image.size != (side, side):
        raise ValueError(f"has {image.size[0]} x {image.size[1]} pixels, --as-is needs {side} x {side}")
    return np.asarray(flat(image).convert("L"))


def read_ink(image) -> np.ndarray:
    """Return how much ink each pixel of an RGBA image has (H, W), from 0 to 1. ValueError if it shows nothing."""
    if min(image.size) < 4:
        raise ValueError(f"is too small: {image.size[0]} x {image.size[1]} pixels")
    small = image.resize((100, 100))
    colours, alpha = np.split(np.asarray(small, np.float64), [3], axis=2)
    ground = 0 if (colours * alpha).sum() >= 3 * 128 * alpha.sum() else 255
    # Grey would hide yellow on white: the channel with the most contrast shows it.
    channel = int(np.asarray(flat(small, ground)).std(axis=(0, 1)).argmax())
    grey, background = without_frame(np.asarray(flat(image, ground).getchannel(channel), np.float32))
    height, width = (max(1, length * LONGEST // max(LONGEST, *grey.shape)) for length in grey.shape)
    grey = averages(height, grey.shape[0]) @ grey @ averages(width, grey.shape[1]).T
    ink = np.abs(lighting(grey) if background is None else grey - background)
    if ink.max() < CONTRAST:
        raise ValueError("shows nothing: it is of one colour")
    paper, high = 0.0, float(ink.max())
    if background is None:
        low = 0.0
        for _ in range(20):  # two means, of the paper and of the ink
            split = ink > (low + high) / 2
            low, high = ink[~split].mean(), ink[split].mean()
        paper = np.median(ink[~split])
        paper += 3 * 1.48 * np.median(np.abs(ink[~split] - paper))  # three standard deviations: it is never even
    return np.clip((ink - paper) / max(high - paper, 1), 0, 1)


def without_frame(grey: np.ndarray) -> tuple[np.ndarray, float | None]:
    """Return the picture without borders of one colour, and its background: the innermost colour that goes round it.

    The background is None if no colour does, as in a photograph.
    """
    tolerance, found = UNIFORM * np.ptp(grey), [(grey, None)]
    while min(grey.shape) > 2 and all(np.ptp(line) <= tolerance for line in border(grey)):
        around = np.concatenate(border(grey))
        if np.ptp(around) > tolerance:  # the blurred edge of a frame
            grey = grey[1:-1, 1:-1]
            continue
        inside = cropped(grey, np.abs(grey - np.median(around)) > tolerance)
        if inside is None or inside.shape == grey.shape:  # one colour is left: the stroke, or the hole of an angular 0
            return found[-1] if len(found) < 3 else found[-2]
        found.append((inside, float(np.median(around))))
        grey = inside
    grey, background = found[-1]
    # What has a border but none of its colour along the digit is a photograph with a frame.
    if background is not None and (np.abs(np.concatenate(border(grey)) - background) <= tolerance).mean() < 0.05:
        return grey, None
    return grey, background


def border(array: np.ndarray) -> list[np.ndarray]:
    """The four outermost lines, without the corners."""
    return [array[0, 1:-1], array[-1, 1:-1], array[1:-1, 0], array[1:-1, -1]]


def lighting(grey: np.ndarray) -> np.ndarray:
    """Subtract the brightness of the paper: a plane through the border, without the ink that crosses it."""
    y, x = np.indices(grey.shape) / max(grey.shape)
    terms = np.stack([np.ones_like(x), x, y], axis=-1)
    points, values = (np.concatenate(border(array)) for array in (terms, grey))
    plane = np.array([np.median(values), 0, 0])
    for _ in range(5):
        away = np.abs(values - points @ plane)
        near = away <= max(2 * np.median(away), 1)
        plane = np.linalg.lstsq(points[near], values[near], rcond=None)[0]
    return grey - terms @ plane


def cropped(array: np.ndarray, wanted: np.ndarray) -> np.ndarray | None:
    """Return the smallest rectangle that holds all that is wanted, None if nothing is."""
    rows, columns = np.flatnonzero(wanted.any(axis=1)), np.flatnonzero(wanted.any(axis=0))
    return array[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] if rows.size else None


def averages(count: int, size: int) -> np.ndarray:
    """(count, size): row i averages the part of `size` pixels that pixel i of `count` covers, one pixel or more."""
    centre, half, pixel = (np.arange(count)[:, None] + 0.5) * size / count, max(size / count, 1) / 2, np.arange(size)
    covered = np.maximum(np.minimum(pixel + 1, centre + half) - np.maximum(pixel, centre - half), 0)
    return covered / covered.sum(axis=1, keepdims=True)


def mnist_like(ink: np.ndarray, side: int = 28) -> np.ndarray:
    """Ink (H, W), from 0 to 1 -> uint8 (side, side): cropped, 20/28 of the side high or wide, centred by its mass."""
    box = cropped(ink, ink > FAINT * ink.max())
    if box is None:
        raise ValueError("shows nothing")
    scale = max(1, int(side * 20 / 28 + 0.5)) / max(box.shape)
    height, width = (max(1, int(length * scale + 0.5)) for length in box.shape)
    small = averages(height, box.shape[0]) @ box @ averages(width, box.shape[1]).T
    image = np.zeros((side, side), np.uint8)
    # MNIST's centres of mass lie at pixel 14 of 28, counted from 0.
    top, left = (
        min(max(int(side // 2 - mass @ np.arange(mass.size) / mass.sum() + 0.5), 0), side - mass.size)
        for mass in (small.sum(axis=1), small.sum(axis=0))
    )
    image[top : top + height, left : left + width] = np.floor(small / small.max() * 255 + 0.5)
    return image
