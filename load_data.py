"""Reads MNIST, or any data set in its format (IDX: Fashion-MNIST, KMNIST, EMNIST …), from a folder of four files.

Images stay uint8 in memory, a byte per pixel; the training loop normalises them a block at a time. Files are input
from outside: nothing in them is believed before it is checked, and nothing is allocated on a header's word alone.
Imports NumPy alone.
"""

import gzip
import hashlib
import math
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from utils import FileError

PATTERNS = {
    "training images": ("*train-images*",),
    "training labels": ("*train-labels*",),
    "test images": ("*t10k-images*", "*test-images*"),
    "test labels": ("*t10k-labels*", "*test-labels*"),
}
UNSIGNED_BYTE = 8  # the element type of every MNIST-like file
DEFLATE_LIMIT = 1032  # deflate never shrinks data more than this; see zlib's technical details
USUAL_LIMIT = 100  # images shrink by 5 to 10
SMALL = 1 << 26  # bytes that may be as empty as they like
CHUNK = 1 << 20


class Dataset(NamedTuple):
    train_images: np.ndarray  # (N, pixels) uint8
    train_labels: np.ndarray  # (N,) class numbers from 0 without gaps
    test_images: np.ndarray  # (M, pixels) uint8
    test_labels: np.ndarray  # (M,)
    classes: list[int]  # the label in the file that each class number stands for
    sha256: dict[str, str]  # file name -> SHA-256 of what it holds, uncompressed


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
    """The four files of a folder, checked against each other. FileError in one sentence if they cannot be used."""
    paths = {what: _find(Path(data_dir), what) for what in PATTERNS}
    arrays, sha256 = {}, {}
    for what, path in paths.items():
        arrays[what], sha256[path.name] = read_idx(path, dimensions=1 if "labels" in what else 3)
    for part in ("training", "test"):
        images, labels = arrays[f"{part} images"], arrays[f"{part} labels"]
        if len(images) != len(labels):
            raise FileError(
                f"{paths[f'{part} images']} holds {len(images)} images but {paths[f'{part} labels']} holds "
                f"{len(labels)} labels: use files that belong together"
            )
    train_size, test_size = (arrays[f"{part} images"].shape[1:] for part in ("training", "test"))
    if train_size != test_size:
        raise FileError(
            f"{paths['test images']} has images of {test_size} pixels but {paths['training images']} of {train_size}: "
            "use files of one data set"
        )
    classes = np.unique(arrays["training labels"])
    unseen = np.setdiff1d(arrays["test labels"], classes)
    if unseen.size:
        raise FileError(
            f"{paths['test labels']} has the label {unseen[0]}, which {paths['training labels']} never has: "
            "use files of one data set"
        )
    pixels = math.prod(train_size)
    return Dataset(
        arrays["training images"].reshape(-1, pixels),
        np.searchsorted(classes, arrays["training labels"]),
        arrays["test images"].reshape(-1, pixels),
        np.searchsorted(classes, arrays["test labels"]),
        classes.tolist(),
        sha256,
    )


def first_images(data: Dataset, train: int, test: int) -> Dataset:
    """The first images of both sets, copied, so that the rest takes no memory."""
    return data._replace(
        train_images=data.train_images[:train].copy(),
        train_labels=data.train_labels[:train],
        test_images=data.test_images[:test].copy(),
        test_labels=data.test_labels[:test],
    )


def _find(folder: Path, what: str) -> Path:
    if not folder.is_dir():
        raise FileError(f"{folder} is not a folder: give the folder that holds the four data files")
    found = sorted({path for pattern in PATTERNS[what] for path in folder.glob(pattern) if path.is_file()})
    # The same file packed and unpacked, side by side, is one file: the unpacked one loads faster.
    found = [path for path in found if path.suffix != ".gz" or path.with_suffix("") not in found]
    wanted = " or ".join(PATTERNS[what])
    if not found:
        raise FileError(f"{folder} has no file {wanted} ({what}): put it there or give another folder")
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise FileError(f"{folder} has several files {wanted} ({names}): keep one data set in a folder")
    return found[0]


def read_idx(path, dimensions: int) -> tuple[np.ndarray, str]:
    """An IDX file of unsigned bytes, gzip or plain, as a uint8 array with so many dimensions, and its SHA-256.

    The SHA-256 is that of the uncompressed file. FileError in one sentence for anything but a whole, undamaged file
    that holds exactly what its header promises.
    """
    path = Path(path)
    try:
        with open(path, "rb") as plain:
            packed = plain.read(2) == b"\x1f\x8b"
            plain.seek(0)
            most = path.stat().st_size * (DEFLATE_LIMIT if packed else 1)
            with gzip.GzipFile(fileobj=plain) if packed else plain as file:
                return _read_idx(path, file, dimensions, most, packed)
    except MemoryError:
        raise FileError(f"{path} promises more than fits into memory: get it again") from None
    except (OSError, EOFError, zlib.error) as error:
        raise FileError(f"{path} is damaged or cannot be read ({error}): get it again") from None


def _read_idx(path: Path, file, dimensions: int, most: int, packed: bool) -> tuple[np.ndarray, str]:
    """Reads from an open file that can yield at most so many bytes."""
    header = file.read(4)
    if len(header) < 4 or header[:2] != b"\0\0":
        raise FileError(f"{path} is not an IDX file (it starts with {header!r}): give a file in MNIST's format")
    if header[2] != UNSIGNED_BYTE:
        raise FileError(f"{path} holds elements of type 0x{header[2]:02x}, not unsigned bytes (0x08): convert it")
    if header[3] != dimensions:
        raise FileError(
            f"{path} has {header[3]} dimensions, not {dimensions}: "
            "images have 3 (count, rows, columns), labels 1; are the two swapped?"
        )
    sizes = file.read(4 * dimensions)
    shape = tuple(int.from_bytes(sizes[at : at + 4], "big") for at in range(0, len(sizes), 4))
    promised = math.prod(shape)
    if SMALL < promised <= most and promised > most // DEFLATE_LIMIT * USUAL_LIMIT and packed:
        raise FileError(f"{path} unpacks to {promised} bytes, over {USUAL_LIMIT} times its size: unpack it")
    if len(sizes) < 4 * dimensions or promised > most:
        raise FileError(f"{path} is truncated: it cannot hold the {promised} bytes its header promises: get it again")
    if promised == 0:
        raise FileError(f"{path} is empty: its header says {shape}; give a file with at least one sample")
    content = np.empty(promised, np.uint8)  # takes memory only as it is filled
    got = 0
    while got < promised:
        count = file.readinto(memoryview(content)[got : got + CHUNK])
        if not count:
            raise FileError(f"{path} is truncated: {got} of the {promised} bytes its header promises: get it again")
        got += count
    if file.read(1):  # at a gzip file's end this also checks its CRC
        raise FileError(f"{path} has bytes after the {promised} that its header promises: get it again")
    digest = hashlib.sha256(header + sizes)
    digest.update(content)
    return content.reshape(shape), digest.hexdigest()
