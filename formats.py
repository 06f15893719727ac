"""What lies in a data folder besides IDX files: Keras's .npz is read, anything else is named, with the way out.

Also what an array of images or labels may be, and the line of NumPy that converts what it may not. NumPy alone.
"""

import gzip
import math
import os
import re
import zipfile
import zlib
from contextlib import contextmanager, suppress

import numpy as np

from utils import FileError

ARRAYS = {"training images": "x_train", "training labels": "y_train", "test images": "x_test", "test labels": "y_test"}
SAVE_NPZ = "save it as .npz, as data/README.md shows"
AGAIN = "download the file again"
GZIP = b"\x1f\x8b"
UNFINISHED = re.compile(r"\.(part|partial|crdownload|download|aria2|tmp)$")
SIGNATURES = (  # where, what stands there once gzip is unpacked, what that is, what to do
    (0, rb"\s*<", "a web page or XML, not the data", "download the file itself"),
    (0, rb"version https://git-lfs|/annex/objects/", "a Git LFS or annex pointer", "run git lfs pull or git annex get"),
    (0, rb"\0\0[\x08-\x0e]", "an IDX file, one of four", "give the folder of all four, named as data/README.md says"),
    (257, rb"ustar", "a tar archive", "unpack it with tar -xf"),
    (0, rb"\x1f\x8b", "packed twice with gzip, or damaged", f"unpack it with gunzip, or {AGAIN}"),
    (0, rb"7z\xbc\xaf|Rar!|BZh|\xfd7zXZ|\x28\xb5\x2f\xfd", "a packed file", "unpack it"),
    (0, rb"\x93NUMPY", "a single array of NumPy", SAVE_NPZ),
    (0, rb"\x80[\2-\5]", "a Python pickle, which may run any code and is not read", SAVE_NPZ),
    (0, rb"\x89HDF|MATLAB |PAR1|\x89PNG|\xff\xd8\xff", "HDF5, MATLAB, Parquet or a picture", SAVE_NPZ),
    (0, rb'(\xef\xbb\xbf)?"?[\w.]+"?([,;\t]"?[\w.]+"?){9}', "a table (CSV)", SAVE_NPZ),
)


@contextmanager
def reading(path):
    """Name the file in whatever goes wrong while it is read; damaged is said only of bytes that were read."""
    try:
        yield
    except (gzip.BadGzipFile, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise FileError(f"{path} is damaged ({error}): {AGAIN}") from None
    except FileNotFoundError:
        raise FileError(f"{path} does not exist, or is a link to what does not: give the data set's path") from None
    except OSError as error:
        raise FileError(
            f"{error.filename or path} cannot be read ({error.strerror or error}): give access to it, or try again"
        ) from None


def check_unpacked(path, promised: int) -> None:
    """FileError if a packed file promises more than images ever shrink: memory follows the promise."""
    if promised > max(1 << 26, 100 * os.path.getsize(path)):
        raise FileError(f"{path} promises {promised} bytes, over 100 times its size: {AGAIN}, or unpack it yourself")


def first_bytes(path) -> bytes:
    """The start of a file; what gzip packed there, if it can be unpacked."""
    with reading(path), open(path, "rb") as file:
        start = file.read(4096)
    with suppress(zlib.error):
        return zlib.decompressobj(31).decompress(start, 512) if start.startswith(GZIP) else start[:512]
    return start[:512]


def describe(path) -> str | None:
    """What a file is and what to do with it ("a web page: download …"), None if that is unknown."""
    start = first_bytes(path)
    if not start or UNFINISHED.search(str(path)):
        return f"empty: {AGAIN}" if not start else "an unfinished download: download it to its end"
    if start.startswith(b"PK"):
        if not zipfile.is_zipfile(path):
            return f"a damaged zip archive: {AGAIN}"
        with reading(path), zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        if not names or not all(name.endswith(".npy") for name in names):
            return f"a zip archive: unpack it with python -m zipfile -e {path} FOLDER"
        if {f"{name}.npy" for name in ARRAYS.values()} <= set(names):
            return f"a data set as Keras saves it: give {path} itself"
        return f"an .npz of {', '.join(names[:6])}, not x_train, y_train, x_test, y_test: {SAVE_NPZ}"
    return next((f"{what}: {way}" for at, form, what, way in SIGNATURES if re.match(form, start[at:])), None)


def load_npz(path) -> dict[str, np.ndarray]:
    """The four arrays of an .npz as Keras saves MNIST, compressed or not, by the keys of ARRAYS. Reads no pickle."""
    what = describe(path) or f"not in a known format: give a folder of four IDX files, or {SAVE_NPZ}"
    if "Keras" not in what:
        raise FileError(f"{path} is {what}")
    arrays = {}
    with reading(path), zipfile.ZipFile(path) as archive:
        check_unpacked(path, sum(archive.getinfo(f"{name}.npy").file_size for name in ARRAYS.values()))
        for part, name in ARRAYS.items():
            try:
                with archive.open(f"{name}.npy") as file:
                    arrays[part] = np.lib.format.read_array(file, allow_pickle=False)
            except (ValueError, NotImplementedError, RuntimeError) as error:  # pickled, cut short, encrypted
                raise FileError(f"{path}, {name}: {str(error)[:99]!r}; give a whole array of numbers") from None
    return arrays


def check_images(images: np.ndarray, name: str) -> np.ndarray:
    """The images, (N, rows, columns) unsigned bytes. Others: FileError with the line of NumPy that converts them."""
    held = f"{name} holds {images.dtype} of shape {images.shape}"
    if images.size == 0 or images.ndim < 2 or images.dtype.kind not in "buif":
        raise FileError(f"{held}, no images: give (images, rows, columns); are images and labels swapped?")
    if images.dtype == np.uint8 and images.ndim == 3:
        return images
    least, most, line = images.min(), images.max(), "images"
    if not np.isfinite([least, most]).all():
        raise FileError(f"{held} and not finite: give pixels from 0 to 255")
    if images.ndim != 3:  # axes of 1 go, colours come to lie side by side
        sizes, side = [size for size in images.shape[1:] if size > 1], math.isqrt(images[0].size)
        rows = sizes[0] if len(sizes) > 1 else side if side**2 == images[0].size else 1
        line = f"images.reshape({len(images)}, {rows}, -1)"
    if images.dtype != np.uint8:
        low, high = (0.0, 255.0 if most > 1 else 1.0) if least >= 0 and most <= 255 else (float(least), float(most))
        scale = 255 / (high - low or 1.0)
        line += f" * {scale!r}" * (scale != 1) + f" - {low * scale!r}" * (low != 0)
        line = f"({line}).round().astype(np.uint8)"
    raise FileError(
        f"{held}, not unsigned bytes of shape (images, rows, columns): convert as data/README.md shows, "
        f"with images = {line}"
    )


def check_labels(labels: np.ndarray, name: str) -> np.ndarray:
    """The class labels (N,): integers of any type, also column 0 of QMNIST's (N, 8). FileError as in check_images."""
    way, is_whole = "are images and labels swapped?", labels.dtype.kind in "iu"
    if labels.ndim == 2 and labels.shape[1] > 1 and np.isin(labels, (0, 1)).all() and (labels.sum(axis=1) == 1).all():
        way = "convert the one-hot rows with labels = labels.argmax(axis=1)"
    elif labels.ndim and labels.size and is_whole and labels.shape[1:] in ((), (1,), (8,)):
        return labels.reshape(len(labels), -1)[:, 0]
    elif labels.size and labels.ndim == 1:
        is_whole = labels.dtype.kind in "bf" and (labels == np.round(labels)).all()
        way = "labels = " + ("labels.astype(int)" if is_whole else "np.unique(labels, return_inverse=True)[1]")
    raise FileError(f"{name} holds {labels.dtype} of shape {labels.shape}, not a whole number for each image: {way}")
