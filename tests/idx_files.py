"""Small data sets in MNIST's format, for the tests."""

import gzip
from pathlib import Path

import numpy as np

NAMES = {
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}


def idx(array, element_type: int = 8) -> bytes:
    """The bytes of an IDX file that holds the array."""
    array = np.asarray(array, np.uint8)
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, element_type, array.ndim]) + sizes + array.tobytes()


def small_set(train: int = 205, test: int = 60, size: tuple = (6, 5), classes=range(4)) -> dict[str, np.ndarray]:
    """The four arrays of a data set that can be learned: a noisy picture for each class, labels in turn."""
    rng = np.random.default_rng(7)
    pictures = rng.integers(40, 216, (len(classes), *size))
    arrays = {}
    for part, count in (("train", train), ("test", test)):
        numbers = np.arange(count) % len(classes)
        noise = rng.integers(-40, 41, (count, *size))
        arrays[f"{part}_images"] = (pictures[numbers] + noise).clip(0, 255).astype(np.uint8)
        arrays[f"{part}_labels"] = np.array(classes, np.uint8)[numbers]
    return arrays


def write_set(folder: Path, arrays: dict, packed: bool = True, names: dict = NAMES) -> Path:
    """The four files, with gzip and its ending or plain, in a folder that is made if missing."""
    folder.mkdir(parents=True, exist_ok=True)
    for key, array in arrays.items():
        raw = idx(array)
        (folder / (names[key] + ".gz" * packed)).write_bytes(gzip.compress(raw) if packed else raw)
    return folder
