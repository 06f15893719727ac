"""What several files share: metrics.csv, safe writing and reading, and the assignment's three helpers.

onehot_encoding, calculate_acc and LOG_INFO have the assignment's names.
"""

import errno
import math
import os
import warnings
import zipfile
from collections.abc import Iterable
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np


class Error(Exception):
    """One sentence for the user: what is wrong, what was expected, what to do. exit_code is the command's."""

    exit_code = 1


class UsageError(Error):
    """A wrong setting or flag."""

    exit_code = 2


class FileError(Error):
    """A file or data that cannot be used."""

    exit_code = 3


class Diverged(Error):
    """The loss or the weights are no longer finite numbers."""

    exit_code = 4


class Row(NamedTuple):
    """A row of metrics.csv."""

    split: str  # train or test
    epoch: int  # from 1; the evaluation before training is epoch 0
    iteration: int  # updates since training began
    loss: float  # mean per sample
    accuracy: float  # a fraction
    seconds: float  # since training began


def onehot_encoding(labels: np.ndarray, class_count: int, dtype=np.float32) -> np.ndarray:
    """Class numbers (N,) -> (N, class_count), 1 in the column of the class and 0 elsewhere."""
    return np.eye(class_count, dtype=dtype)[labels]


def calculate_acc(output: np.ndarray, labels: np.ndarray) -> float:
    """The share (0 to 1) of rows of output (N, K) whose largest entry stands in the column of the label (N,)."""
    return float(np.mean(np.argmax(output, axis=1) == labels))


def LOG_INFO(message: str) -> None:
    """Print the time of day and a message to stdout."""
    print(f"{datetime.now():%H:%M:%S.%f}"[:-3], message, flush=True)


def csv_line(row: Row) -> str:
    return ",".join(str(value) for value in row) + "\n"


def read_metrics(path) -> list[Row]:
    """The rows of a metrics.csv. FileError or OSError, naming the file, if it is not one."""
    with open(path, newline="", encoding="utf-8", errors="replace") as file:
        return parse_metrics(file, path)


def parse_metrics(lines: Iterable[str], source) -> list[Row]:
    """The rows of the lines of a metrics.csv; FileError names their source."""
    rows, lines = [], iter(lines)
    if next(lines, "").rstrip("\r\n") != ",".join(Row._fields):
        raise FileError(f"{source} is not a metrics.csv: its first line must be {','.join(Row._fields)}")
    for number, line in enumerate(lines, 2):
        try:
            split, epoch, iteration, loss, accuracy, seconds = line.split(",")
            rows.append(Row(split, int(epoch), int(iteration), float(loss), float(accuracy), float(seconds)))
        except ValueError:
            raise FileError(f"{source}, line {number}, is not a row of metrics: run again") from None
        if split not in ("train", "test"):
            raise FileError(f"{source}, line {number}: the split is {split!r}, not train or test: run again")
    return rows


def write_npz(path, arrays: dict[str, np.ndarray]) -> None:
    """What np.savez writes, whole or not at all. np.savez itself may leave its archive open when the disk is full."""
    with whole_file(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as part:
                np.lib.format.write_array(part, np.asanyarray(array), allow_pickle=False)


def read_npz(path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file that write_npz wrote, by name. ValueError, OSError or BadZipFile if it is not one.

    What a hostile file can take is bounded by its own size: arrays are stored uncompressed, share no bytes, and each
    must be as long as its header says before memory is given to it. No pickle is read.
    """
    arrays = {}
    with open(path, "rb") as raw, zipfile.ZipFile(raw) as archive, warnings.catch_warnings():
        warnings.simplefilter("error")  # NumPy warns of headers that it would not write
        parts = archive.infolist()
        if sum(part.file_size for part in parts) > os.fstat(raw.fileno()).st_size:
            raise ValueError("its arrays promise more bytes than the file has")
        # zipfile unpacks a block before it looks at the promised length: what is packed can be of any size.
        if any(part.compress_type != zipfile.ZIP_STORED for part in parts):
            raise ValueError("its arrays are compressed, which is not written here")
        for part in parts:
            with archive.open(part) as file:
                if np.lib.format.read_magic(file) != (1, 0):
                    raise ValueError(f"{part.filename} is in a version of NumPy's format that is not written here")
                shape, in_columns, dtype = np.lib.format.read_array_header_1_0(file)
                if dtype.hasobject or in_columns or min(shape, default=0) < 0:
                    raise ValueError(f"{part.filename} holds {dtype} of {shape}, which is not written here")
                content = file.read()
                if len(content) != math.prod(shape) * dtype.itemsize:
                    raise ValueError(f"{part.filename} is not as long as its header says")
                arrays[part.filename.removesuffix(".npy")] = np.frombuffer(content, dtype).reshape(shape)
    return arrays


@contextmanager
def whole_file(path, new: bool = False):
    """Open a file for writing bytes beside `path`, and rename it to `path` once it is whole and on the disk.

    new: over no other file; if there is one by then, FileExistsError.
    """
    path = Path(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(beside, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if new:
            _rename_to_new(beside, path)
        else:
            os.replace(beside, path)
    except OSError as error:  # a full disk names no file by itself
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        beside.unlink(missing_ok=True)


def _rename_to_new(beside: Path, path: Path) -> None:
    try:
        os.link(beside, path)  # unlike a renaming it never replaces
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
        os.replace(beside, path)
