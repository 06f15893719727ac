"""What several files share: the errors, writing and reading files safely, and the assignment's three helpers.

onehot_encoding, calculate_acc and LOG_INFO have the assignment's names. Imports NumPy alone.
"""

import io
import os
import stat
import zipfile
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

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


def onehot_encoding(labels: np.ndarray, class_count: int, dtype=np.float32) -> np.ndarray:
    """Class numbers (N,) -> (N, class_count), 1 in the column of the class and 0 elsewhere."""
    return np.eye(class_count, dtype=dtype)[labels]


def calculate_acc(output: np.ndarray, labels: np.ndarray) -> float:
    """The fraction (0 to 1) of rows of output (N, K) whose largest entry stands in the column of the label (N,)."""
    return float(np.mean(np.argmax(output, axis=1) == labels))


def LOG_INFO(message: str) -> None:
    """Print the time of day and a message to stdout."""
    print(f"{datetime.now():%H:%M:%S.%f}"[:-3], message, flush=True)


@contextmanager
def atomic_write(path):
    """Open a temporary file for writing bytes, and rename it to `path` once it is complete and on the disk.

    So a file under this name is complete or not there, whatever happens. A symbolic link stays one: its target is
    written. A device or a pipe is written into. Raises OSError, naming the path.
    """
    path = Path(path)
    try:
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):
            with open(path, "wb") as file:
                yield file
            return
        path = Path(os.path.realpath(path))
        temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            with open(temporary, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:  # a full disk names no file by itself
        raise OSError(error.errno, error.strerror, str(path)) from error


def save_npz(path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays to an .npz file, complete or not at all, uncompressed."""
    with atomic_write(path) as file:
        np.savez(file, allow_pickle=False, **arrays)


def load_npz(path) -> dict[str, np.ndarray]:
    """Return the arrays of an .npz file that save_npz wrote. FileError if it is damaged or another file.

    Reads no pickle. The arrays together are no larger than the file: compressed ones, which could unpack to any size,
    are refused. A file that cannot be read at all is an OSError.
    """
    content = Path(path).read_bytes()
    try:
        parts = zipfile.ZipFile(io.BytesIO(content)).infolist()
        if any(part.compress_type != zipfile.ZIP_STORED for part in parts):
            raise ValueError("its arrays are compressed")
        if sum(part.file_size for part in parts) > len(content):
            raise ValueError("its arrays promise more bytes than the file has")
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except MemoryError:  # says nothing about the file
        raise
    except Exception as error:  # damaged files raise errors of a dozen kinds
        words = " ".join(str(error).split())[:200] or type(error).__name__
        raise FileError(f"{path} is not an .npz file that this program wrote ({words})") from None
