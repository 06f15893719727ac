"""Reads MNIST, or any data set in its format (IDX: Fashion-MNIST, KMNIST, EMNIST …), from a folder of four files.

Images stay uint8 in memory, a byte per pixel; the training loop normalises them a block at a time. Files are input
from outside: they are checked before anything in them is believed. Other formats are in formats.py. NumPy alone.
"""

import gzip
import hashlib
import math
import os
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

import formats
from utils import FileError

PARTS = {  # what a file holds -> how its name is told to the user, and how it is recognised
    "training images": ("*train-images*", r"train[-_. ]images"),
    "training labels": ("*train-labels*", r"train[-_. ]labels"),
    "test images": ("*t10k-images* or *test-images*", r"(t10k|test)[-_. ]images"),
    "test labels": ("*t10k-labels* or *test-labels*", r"(t10k|test)[-_. ]labels"),
}
# Hidden files (macOS writes ._NAME beside NAME), checksums and other notes, copies that an editor or a download left.
SIDE_FILE = re.compile(r"^\.|~$|\.bak$|Zone\.Identifier$|\.(md5|sha\d+|asc|sig)$|" + formats.UNFINISHED.pattern)
ELEMENTS = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}  # of an IDX file, by its third byte


class Dataset(NamedTuple):
    train_images: np.ndarray  # (N, pixels) uint8
    train_labels: np.ndarray  # (N,) class numbers from 0 without gaps
    test_images: np.ndarray  # (M, pixels) uint8
    test_labels: np.ndarray  # (M,)
    classes: list[int]  # the label in the file that each class number stands for
    sha256: dict[str, str]  # of each of PARTS, in this order, as an IDX file: of the data, whatever file it came from


def normalise(images: np.ndarray) -> np.ndarray:
    """uint8 pixels -> float32 (x - 128) / 255, from -0.502 to 0.498."""
    images = images.astype(np.float32)
    images -= 128
    images /= 255
    return images


def load_mnist_2d(data_dir) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Train images, test images, train labels, test labels, the images normalised to float32: as in the assignment."""
    data = load_dataset(data_dir)
    return normalise(data.train_images), normalise(data.test_images), data.train_labels, data.test_labels


def load_dataset(data_dir) -> Dataset:
    """The data set in a folder of four IDX files or in Keras's .npz. FileError in one sentence if it cannot be used."""
    path = Path(data_dir)
    if os.path.isdir(path):
        names = _find(path)
        arrays = {part: read_idx(file) for part, file in names.items()}
    else:
        names = {part: f"{path}, {array}" for part, array in formats.ARRAYS.items()}
        arrays = formats.load_npz(path)
    for part, array in arrays.items():
        arrays[part] = (formats.check_labels if "labels" in part else formats.check_images)(array, names[part])
    train, train_labels, test, test_labels = arrays.values()
    of_train, of_train_labels, of_test, of_test_labels = names.values()
    if train.shape[1:] != test.shape[1:]:
        held = f"images of {test.shape[1:]} pixels, {of_train} of {train.shape[1:]}"
        raise FileError(f"{of_test} has {held}: use one set")
    classes = np.unique(train_labels)
    unseen = np.setdiff1d(test_labels, classes)
    if unseen.size:
        raise FileError(f"{of_test_labels} has the label {unseen[0]}, {of_train_labels} has not: use one set")
    pixels = [images.reshape(len(images), -1) for images in (train, test)]
    numbers = [np.searchsorted(classes, labels) for labels in (train_labels, test_labels)]
    sha256 = {part: _sha256(array) for part, array in arrays.items()}
    data = Dataset(pixels[0], numbers[0], pixels[1], numbers[1], classes.tolist(), sha256)
    check_dataset(data, names)
    return data


def first_images(data: Dataset, train: int, test: int) -> Dataset:
    """The first images of both sets, copied, so that the rest takes no memory."""
    return data._replace(
        train_images=data.train_images[:train].copy(),
        train_labels=data.train_labels[:train],
        test_images=data.test_images[:test].copy(),
        test_labels=data.test_labels[:test],
    )


def check_dataset(data: Dataset, names: dict | None = None) -> None:
    """FileError, by its name, for an array that training cannot use. The names are those of the fields if not given."""
    names = names or {part: f"data.{field}" for part, field in zip(PARTS, Dataset._fields)}
    for part, (images, labels) in (("training", data[:2]), ("test", data[2:4])):
        of_images, of_labels = names[f"{part} images"], names[f"{part} labels"]
        for array, name in ((images, of_images), (labels, of_labels)):
            if not isinstance(array, np.ndarray):
                raise FileError(f"{name} is of type {type(array).__name__}: give an array of NumPy")
        formats.check_labels(labels, of_labels)
        if labels.ndim != 1 or labels.min() < 0 or labels.max() >= len(data.classes):
            raise FileError(
                f"{of_labels} holds {labels.min()} to {labels.max()}, of shape {labels.shape}: "
                f"number the {len(data.classes)} classes from 0, in one dimension"
            )
        if images.ndim != 2 or images.size == 0 or images.shape[1:] != data.train_images.shape[1:]:
            raise FileError(
                f"{of_images} has the shape {images.shape}: give (images, pixels), as many pixels in training and "
                "test, with images = images.reshape(len(images), -1)"
            )
        if len(images) != len(labels):
            raise FileError(f"{of_images} holds {len(images)} images, {of_labels} {len(labels)} labels: use one set")
        is_float, other = images.dtype.kind == "f", data[2] if part == "training" else data[0]
        if is_float and other.dtype == np.uint8 and images.min() >= 0:  # normalised floats begin at -0.5
            raise FileError(f"{of_images} holds floats from 0 beside pixels of the other set: use load_data.normalise")
        if is_float and not np.isfinite([images.min(), images.max()]).all():
            raise FileError(f"{of_images} holds numbers that are not finite: leave those images out")
        unscaled = is_float and images.max() > 1 and not (images[:100] % 1).any()
        if unscaled or not (is_float or images.dtype == np.uint8):
            raise FileError(
                f"{of_images} holds whole numbers as {images.dtype}: give pixels as uint8, which training normalises, "
                "or as the floats that load_data.normalise makes of uint8"
            )


def _find(folder: Path) -> dict[str, Path]:
    """The file of each part. A folder that is named like a data file counts with what lies in it."""
    with formats.reading(folder):
        named = [folder / name for name in sorted(os.listdir(folder)) if any(_is(name, part) for part in PARTS)]
        named += [path / name for path in named if os.path.isdir(path) for name in sorted(os.listdir(path))]
    return {part: _choose(folder, [path for path in named if _is(path.name, part)], part) for part in PARTS}


def _is(name: str, part: str) -> bool:
    return bool(re.search(PARTS[part][1], name.lower())) and not SIDE_FILE.search(name)


def _choose(folder: Path, named: list[Path], part: str) -> Path:
    """The one data file of this part, or of several that hold the same the fastest to read."""
    files = [path for path in named if os.path.isfile(path) or not os.path.exists(path)]
    found = [path for path in files if formats.first_bytes(path).startswith(b"\0\0")] or files[:1]
    if not found:
        raise FileError(f"{folder} has no file {PARTS[part][0]} ({part}): {_way_out(folder, part)}")
    if len(found) > 1 and len({_sha256(read_idx(path)) for path in found}) > 1:
        names = ", ".join(str(path.relative_to(folder)) for path in found)
        raise FileError(f"{folder} has several files of {part} that differ ({names}): keep one data set in a folder")
    return min(found, key=lambda path: (path.suffix == ".gz", len(path.name), path))


def _way_out(folder: Path, part: str) -> str:
    """Where the file of this part lies instead, or what else lies in its folder."""
    with formats.reading(folder):
        for path in [*folder.glob("*/*"), *folder.glob("*/*/*")]:
            if _is(path.name, part) and os.path.isfile(path):
                return f"give the folder where it lies, {path.parent}"
        others = [path for path in sorted(folder.iterdir()) if not any(_is(path.name, part) for part in PARTS)]
    known = [(path.name, formats.describe(path)) for path in others if path.is_file() and os.access(path, os.R_OK)]
    return "; ".join([f"{name} is {what}" for name, what in known if what][:3]) or "put it there or give another folder"


def read_idx(path) -> np.ndarray:
    """The array in an IDX file, gzip or plain, of any type and with up to four dimensions.

    FileError in one sentence for anything but a whole, undamaged file that holds exactly what its header promises.
    """
    with formats.reading(path), open(path, "rb") as plain:
        packed = plain.read(2) == formats.GZIP
        plain.seek(0)
        with gzip.GzipFile(fileobj=plain) if packed else plain as file:
            header = file.read(4)
            if 0 < len(header) < 4:
                raise FileError(f"{path} is truncated, it holds {len(header)} bytes: {formats.AGAIN}")
            if not header or header[:2] != b"\0\0" or header[2] not in ELEMENTS or not 0 < header[3] < 5:
                what = formats.describe(path) or f"not in IDX format, it starts with {header}: give a file in MNIST's"
                raise FileError(f"{path} is {what}")
            sizes = file.read(4 * header[3])
            shape = tuple(int.from_bytes(sizes[at : at + 4], "big") for at in range(0, len(sizes), 4))
            element = np.dtype(ELEMENTS[header[2]])
            promised = math.prod(shape) * element.itemsize
            if packed:
                formats.check_unpacked(path, promised)
            if len(sizes) < 4 * header[3] or (not packed and promised > os.path.getsize(path)):
                raise FileError(f"{path} is truncated, it promises {promised} bytes: {formats.AGAIN}")
            content, got = np.empty(promised, np.uint8), 0  # takes memory only as it is filled
            while count := file.readinto(memoryview(content)[got : got + (1 << 20)]):
                got += count
            if got < promised:
                raise FileError(f"{path} is truncated, it holds {got} of {promised} bytes: {formats.AGAIN}")
            if file.read(1):  # at a gzip file's end this also checks its CRC
                raise FileError(f"{path} has bytes after the {promised} that it promises: {formats.AGAIN}")
    return content.view(element).reshape(shape)


def _sha256(array: np.ndarray) -> str:
    """SHA-256 of the IDX file of unsigned bytes, or for labels beyond 0 to 255 of 8-byte integers, that holds this."""
    fits = array.dtype == np.uint8 or (array.min() >= 0 and array.max() <= 255)
    array = np.ascontiguousarray(array, np.uint8 if fits else ">i8")
    digest = hashlib.sha256(bytes([0, 0, 8 if fits else 0, array.ndim]) + np.array(array.shape, ">u4").tobytes())
    digest.update(array.view(np.uint8))
    return digest.hexdigest()
