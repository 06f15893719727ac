"""Makes of any picture of a digit what MNIST holds: light ink on black, in a box, its centre of mass in the middle.

read_ink reads a file's picture: alpha, frames, dark on light, uneven paper. mnist_like follows, number for number as in
page.html. The box (20 of 28 pixels) and the centre are those of LeCun, Cortes, Burges, "The MNIST database".
"""

import warnings
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

LONGEST = 400  # pixels; a larger picture is averaged down to it, which also takes out specks and noise
UNIFORM = 0.12  # of a picture's contrast: what differs by less has one colour
CONTRAST = 20  # grey levels of 255 between ink and background; with less the picture is empty
SMALLEST = 0.002  # of a photograph's pixels are ink, at least
COARSE = 32  # pixels of the longer side are enough to see whether ink is light or dark
WIDEST = 10  # strokes are at most a fifth of a photograph wide
THINNEST = 0.03  # of a digit's longer side; the pens of MNIST have 0.05 to 0.17
FAINT = 0.2  # of the strongest ink: what is fainter does not count for the crop


def open_picture(path: Path):
    """Return a file as an RGBA PIL image, upright as the camera was held. ValueError says why it cannot be read."""
    from PIL import Image, ImageOps

    if path.is_dir():
        raise ValueError("holds no picture")
    if not path.is_file():
        raise ValueError("is not a file" if path.exists() else "does not exist")
    try:
        with warnings.catch_warnings(), Image.open(path) as file:
            warnings.simplefilter("ignore")  # on large pictures
            image = ImageOps.exif_transpose(file)
            if image.mode.startswith(("I", "F")):  # 16 bits and more
                grey = np.asarray(image, np.float64)
                if not np.isfinite(grey).all():
                    raise ValueError("it holds pixels that are no finite numbers")
                image = Image.fromarray(np.uint8((grey - grey.min()) * 255 / (np.ptp(grey) or 1)))
            return (image.convert("RGB") if image.mode in ("CMYK", "YCbCr", "LAB", "HSV") else image).convert("RGBA")
    except Exception as error:  # damaged pictures raise errors of a dozen kinds
        words = (" ".join(str(error).split())[:120] or type(error).__name__).replace(str(path), "it")
        raise ValueError(f"cannot be read ({words}): save it as PNG or JPEG below 100 megapixels") from None


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
    image = image.reduce(max(1, min(image.size) // (2 * LONGEST)))
    ground = 0
    if image.getextrema()[3][0] < 255:
        colours, alpha = np.split(np.asarray(image.resize((100, 100)), np.float64), [3], axis=2)
        opaque = colours[alpha[..., 0] > 128]
        if alpha.min() == 0 and len(opaque) and np.ptp(opaque, axis=0).max() < CONTRAST:  # one colour, as on the page
            return thickened(shrunk(np.asarray(image.getchannel("A"), np.float64) / 255))
        ground = 0 if (colours * alpha).sum() >= 3 * 128 * alpha.sum() else 255
    picture = flat(image, ground)
    # Grey would hide yellow on white: the channel with the most contrast shows it.
    channel = int(np.asarray(picture.resize((100, 100))).std(axis=(0, 1)).argmax())
    grey, background = without_frame(np.asarray(picture.getchannel(channel), np.float32))
    grey = shrunk(grey)
    ink = photographed(grey) if background is None else np.abs(grey - background)
    if ink.max() < CONTRAST:
        raise ValueError("shows nothing: it is of one colour")
    return thickened(ink / ink.max())


def shrunk(array: np.ndarray) -> np.ndarray:
    """Average down to LONGEST."""
    if max(array.shape) <= LONGEST:
        return array.astype(np.float64)
    height, width = (max(1, length * LONGEST // max(array.shape)) for length in array.shape)
    return averages(height, array.shape[0]) @ array @ averages(width, array.shape[1]).T


def photographed(grey: np.ndarray) -> np.ndarray:
    """Return the ink of a photograph (H, W) in grey levels: the connected pieces that differ from the paper around.

    What reaches the edge, such as a shadow, counts only if there is nothing else.
    """
    if ink_is_light(grey):
        grey = -grey
    reach = max(1, max(grey.shape) // WIDEST)
    paper = -spread(-spread(grey, reach), reach)  # a closing: without what is darker and narrow, whatever the light
    ink = paper - grey
    level = ink.max() / 2
    for _ in range(20):  # half way between two means, of the paper and of the ink
        low, high = (ink[part].mean() if part.any() else 0 for part in (ink <= level, ink > level))
        level = (low + high) / 2
    pieces = connected(ink > level)
    at_edge = np.isin(pieces, np.concatenate(border(pieces)))
    if np.count_nonzero(pieces[~at_edge]) >= SMALLEST * grey.size:
        pieces[at_edge] = 0
    weights = np.bincount(pieces.ravel(), ink.ravel())
    weights[0] = 0  # the paper
    kept = (weights > 0.1 * weights.max())[pieces]
    return np.where(spread(kept, 3), np.clip(ink - low, 0, high - low), 0)  # no pen presses evenly


def ink_is_light(grey: np.ndarray) -> bool:
    """Whether what differs from the median around it is lighter than it, in a coarse picture."""
    down = [averages(max(1, length * COARSE // max(COARSE, *grey.shape)), length) for length in grey.shape]
    coarse = down[0] @ grey @ down[1].T
    reach = max(coarse.shape) // 4
    windows = sliding_window_view(np.pad(coarse, reach, "edge"), (2 * reach + 1,) * 2)
    skewed = (coarse - np.median(windows, axis=(2, 3))) ** 3
    top, left = (length // 4 for length in coarse.shape)  # the corners of a sheet are skewed the other way
    return float(skewed[top : -top or None, left : -left or None].sum()) > 0


def connected(mask: np.ndarray) -> np.ndarray:
    """Number the connected pieces of a mask, from 1; 0 where it is False."""
    numbers = np.where(mask, np.arange(1, mask.size + 1).reshape(mask.shape), 0)
    while True:
        best = np.arange(mask.size + 1)  # a number -> the highest that its pixels or their neighbours have
        np.maximum.at(best, numbers[mask], spread(numbers, 1)[mask])
        while (best[best] > best).any():
            best = best[best]
        if (best[numbers] == numbers).all():
            return numbers
        numbers = best[numbers]


def spread(array: np.ndarray, reach: int) -> np.ndarray:
    """The largest value within so many pixels, across and down."""
    for _ in range(2):
        array, seen = np.pad(array, [(reach, reach), (0, 0)], "edge"), 1
        while seen < 2 * reach + 1:  # each value is the largest of so many
            step = min(seen, 2 * reach + 1 - seen)
            array, seen = np.maximum(array[:-step], array[step:]), seen + step
        array = array.T
    return array


def thickened(ink: np.ndarray) -> np.ndarray:
    """Widen strokes that would be too faint in the box: those thinner than THINNEST of the digit's longer side."""
    mask = ink > ink.max() / 2
    rim = mask & spread(~mask, 1)  # a stroke has two sides
    width, length = 2 * mask.sum() / max(rim.sum(), 1), max(cropped(ink, mask).shape)
    reach = int((THINNEST * length - width) / 2 + 0.5)
    return spread(np.pad(ink, reach), reach) if reach > 0 else ink


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
    around = np.concatenate(border(grey))
    if background is None and (around == np.median(around)).mean() > 0.5:  # no photograph is so even
        return grey, float(np.median(around))
    # What has a border but none of its colour along the digit is a photograph with a frame.
    if background is not None and (np.abs(np.concatenate(border(grey)) - background) <= tolerance).mean() < 0.05:
        return grey, None
    return grey, background


def border(array: np.ndarray) -> list[np.ndarray]:
    """The four outermost lines, without the corners."""
    return [array[0, 1:-1], array[-1, 1:-1], array[1:-1, 0], array[1:-1, -1]]


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
