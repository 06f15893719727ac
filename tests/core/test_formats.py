"""What people put where the data files belong: read where it can be, named for what it is where it cannot."""

import gzip
import io
import os
import tarfile
import zipfile

import numpy as np
import pytest
from idx_files import NAMES, idx, small_set, write_set
from test_load_data import refused

from load_data import check_dataset, load_dataset, normalise

SET = small_set()
IMAGES = idx(SET["train_images"])
KERAS = {"x_train": "train_images", "y_train": "train_labels", "x_test": "test_images", "y_test": "test_labels"}
ARRAYS = {name: SET[key] for name, key in KERAS.items()}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("size", [(6, 5), (28, 28)])
def test_an_npz_of_keras_is_read(tmp_path, save, size):
    arrays = {name: small_set(size=size)[key] for name, key in KERAS.items()}
    save(tmp_path / "mnist.npz", **arrays)
    data = load_dataset(tmp_path / "mnist.npz")
    assert np.array_equal(data.train_images, arrays["x_train"].reshape(205, -1))
    assert np.array_equal(data.test_labels, arrays["y_test"])


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64, np.uint32])
def test_labels_may_be_integers_of_any_type(tmp_path, dtype):
    np.savez(tmp_path / "a.npz", **ARRAYS | {"y_train": ARRAYS["y_train"].astype(dtype)})
    assert np.array_equal(load_dataset(tmp_path / "a.npz").train_labels, SET["train_labels"])


def idx_of(array, code: int, form: str) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, code, array.ndim]) + sizes + array.astype(form).tobytes()


@pytest.mark.parametrize("columns", [1, 8])
def test_integer_labels_of_a_converter_and_of_qmnist_are_read(tmp_path, columns):
    write_set(tmp_path, SET)
    labels = np.arange(columns) + SET["train_labels"][:, None].astype(int)
    (tmp_path / (NAMES["train_labels"] + ".gz")).unlink()
    shaped = labels if columns == 8 else labels[:, 0]
    (tmp_path / "qmnist-train-labels-idx2-int").write_bytes(idx_of(shaped, 12, ">i4"))
    assert np.array_equal(load_dataset(tmp_path).train_labels, SET["train_labels"])


def converted(message: str, images: np.ndarray) -> np.ndarray:
    """The images as the line at the end of the message makes them."""
    names = {"np": np, "images": images}
    exec(message.split(", with ")[1], names)
    return names["images"]


@pytest.mark.parametrize(
    "other",
    [
        lambda images: images.astype(np.int32),
        lambda images: images / 255,
        lambda images: (images / 255).astype(np.float32)[..., None],
        lambda images: images[:, None],
        lambda images: images.reshape(len(images), -1),
    ],
)
def test_images_of_another_form_are_refused_with_the_line_that_converts_them(tmp_path, other):
    square = small_set(size=(6, 6))
    images = other(square["train_images"])
    arrays = {name: square[key] for name, key in KERAS.items()}
    np.savez(tmp_path / "a.npz", **arrays | {"x_train": images})
    result = converted(refused(load_dataset, tmp_path / "a.npz"), images)
    assert result.dtype == np.uint8
    assert np.array_equal(result, square["train_images"])


def tar(path, inside):
    with tarfile.open(path, "w") as archive:
        archive.add(inside, "data.txt")


def packed_twice(path):
    path.write_bytes(gzip.compress(gzip.compress(idx(SET["train_images"]))))


def npz(**arrays) -> bytes:
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


FOUND = {
    "a web page": (lambda p: p.write_bytes(gzip.compress(b"<!DOCTYPE html><title>404</title>")), "a web page"),
    "a Git LFS pointer": (lambda p: p.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0"), "LFS"),
    "a table": (lambda p: p.write_text("label," + ",".join(f"pixel{n}" for n in range(20))), "CSV"),
    "a zip archive": (lambda p: zipfile.ZipFile(p, "w").writestr("a.txt", "x" * 90), "zip archive"),
    "a tar archive": (lambda p: tar(p, __file__), "tar archive"),
    "packed twice": (packed_twice, "packed twice"),
    "a pickle": (lambda p: p.write_bytes(b"\x80\x04\x95\0\0\0\0\0\0\0\0]."), "pickle"),
    "an array of NumPy": (lambda p: p.write_bytes(b"\x93NUMPY" + IMAGES), "NumPy"),
    "another npz": (lambda p: p.write_bytes(npz(train=SET["train_images"])), "not x_train"),
    "nothing": (lambda p: p.write_bytes(b""), "empty"),
}


@pytest.mark.parametrize("what", FOUND)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_what_lies_there_instead_is_named(tmp_path, what):
    make, part = FOUND[what]
    write_set(tmp_path, SET)
    path = tmp_path / (NAMES["train_images"] + ".gz")
    path.unlink()
    make(path)
    message = refused(load_dataset, tmp_path)
    assert str(path) in message and part in message
    if what != "a zip archive":
        path.rename(tmp_path / "given.npz")
        assert part in refused(load_dataset, tmp_path / "given.npz")


def test_an_archive_beside_missing_files_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "mnist.zip", "w") as archive:
        archive.writestr("train-images-idx3-ubyte", b"x" * 90)
    assert "mnist.zip is a zip archive: unpack it" in refused(load_dataset, tmp_path)


def test_a_damaged_archive_does_not_hide_what_is_missing(tmp_path):
    (tmp_path / "x.zip").write_bytes(b"PK\x03\x04 cut")
    message = refused(load_dataset, tmp_path)
    assert "no file *train-images*" in message and "x.zip is a damaged zip archive" in message


def test_two_sets_whose_gzip_trailers_agree_are_told_apart(tmp_path):
    """bgzip ends each file in an empty member, whose checksum and length are 0."""
    write_set(tmp_path, SET)
    for name, images in (("", SET["train_images"]), (" (1)", SET["train_images"][::-1])):
        packed = gzip.compress(idx(images)) + gzip.compress(b"")
        (tmp_path / f"train-images-idx3-ubyte{name}.gz").write_bytes(packed)
    assert "that differ" in refused(load_dataset, tmp_path)


def test_pickles_and_bombs_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", **ARRAYS | {"y_train": np.array([{}], object)})
    assert "y_train" in refused(load_dataset, tmp_path / "a.npz")
    np.savez_compressed(tmp_path / "b.npz", **ARRAYS | {"x_train": np.zeros((100_000, 30, 30), np.uint8)})
    assert "100 times its size" in refused(load_dataset, tmp_path / "b.npz")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the administrator may read everything")
def test_a_file_that_cannot_be_read_is_not_called_damaged(tmp_path):
    path = write_set(tmp_path, SET) / (NAMES["train_images"] + ".gz")
    path.chmod(0)
    assert "cannot be read (Permission denied)" in refused(load_dataset, tmp_path)


def test_too_many_open_files_is_not_called_damage(tmp_path, monkeypatch):
    write_set(tmp_path, SET)

    def refuses(*_, **__):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("builtins.open", refuses)
    message = refused(load_dataset, tmp_path)
    assert "cannot be read (Too many open files)" in message
    assert not any(word in message for word in ("damaged", "download", "delete"))


# ---- data that a notebook hands to train


def dataset(**changes):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        return load_dataset(write_set(Path(folder), SET))._replace(**changes)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"train_labels": np.eye(4)[SET["train_labels"]]}, "argmax(axis=1)"),
        ({"train_labels": SET["train_labels"].astype(float)}, "astype(int)"),
        ({"train_labels": SET["train_labels"] + 1}, "number the 4 classes from 0"),
        ({"train_images": SET["train_images"].reshape(205, -1).astype(np.float32)}, "normalise"),
        ({"train_images": SET["train_images"].reshape(205, -1).astype(int)}, "normalise"),
        ({"train_images": SET["train_images"]}, "reshape(len(images), -1)"),
        ({"test_images": SET["test_images"].reshape(60, -1)[:, :9]}, "data.test_images"),
        ({"train_images": [[1, 2]] * 205}, "of type list"),
        ({"test_images": SET["test_images"].reshape(60, -1) / 255}, "normalise"),
        ({"train_images": np.zeros((205, 0), np.uint8)}, "has the shape (205, 0)"),
        ({"test_images": np.array(3)}, "has the shape ()"),
        ({"train_labels": np.array(3)}, "of shape ()"),
    ],
)
def test_data_that_means_nothing_here_is_refused_by_name(changes, part):
    message = refused(check_dataset, dataset(**changes))
    assert part in message and "data." in message


def test_normalised_floats_and_pixels_are_both_data():
    check_dataset(dataset())
    images = normalise(SET["train_images"].reshape(205, -1))
    check_dataset(dataset(train_images=images, test_images=normalise(SET["test_images"].reshape(60, -1))))
