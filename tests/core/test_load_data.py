"""The loader: what it reads, and one sentence for everything it refuses."""

import gzip
import hashlib
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from idx_files import NAMES, idx, small_set, write_set

from load_data import load_dataset, load_mnist_2d, normalise, read_idx
from utils import FileError

ROOT = Path(__file__).resolve().parents[2]
SET = small_set()
PARTS = dict(zip(NAMES, ("training images", "training labels", "test images", "test labels")))
IMAGES, LABELS = idx(SET["train_images"]), idx(SET["train_labels"])
PACKED = gzip.compress(IMAGES)


def refused(function, *arguments) -> str:
    """The message of the FileError that the call must raise: one line that says what to do after a colon or so."""
    with pytest.raises(FileError) as caught:
        function(*arguments)
    message = str(caught.value)
    assert "\n" not in message
    assert message.count(":") + message.count(";") >= 1
    assert caught.value.exit_code == 3
    return message


# ---- what it reads


@pytest.mark.parametrize("packed", [True, False])
def test_content_is_what_the_files_hold(tmp_path, packed):
    data = load_dataset(write_set(tmp_path, SET, packed))
    assert np.array_equal(data.train_images, SET["train_images"].reshape(205, 30))
    assert np.array_equal(data.test_images, SET["test_images"].reshape(60, 30))
    assert np.array_equal(data.train_labels, SET["train_labels"])
    assert np.array_equal(data.test_labels, SET["test_labels"])
    assert data.train_images.dtype == data.test_images.dtype == np.uint8
    assert data.classes == [0, 1, 2, 3]
    assert data.sha256 == {PARTS[key]: hashlib.sha256(idx(SET[key])).hexdigest() for key in NAMES}  # uncompressed


@pytest.mark.parametrize(
    "pattern",
    [
        ("train-{}-idx{}-ubyte", "t10k-{}-idx{}-ubyte"),  # MNIST, Fashion-MNIST, KMNIST
        ("emnist-letters-train-{}-idx{}-ubyte", "emnist-letters-test-{}-idx{}-ubyte"),
        ("train-{}.idx{}-ubyte", "t10k-{}.idx{}-ubyte"),
        ("k-train-{}", "k-test-{}"),
    ],
)
@pytest.mark.parametrize("packed", [True, False])
def test_files_are_found_by_the_middle_of_their_names(tmp_path, pattern, packed):
    names = {
        f"{part}_{kind}": pattern[part == "test"].format(kind, 3 if kind == "images" else 1)
        for part in ("train", "test")
        for kind in ("images", "labels")
    }
    (tmp_path / "README.md").write_text("other files do not disturb")
    assert len(load_dataset(write_set(tmp_path, SET, packed, names)).test_labels) == 60


def test_gzip_is_recognised_by_content_not_by_name(tmp_path):
    write_set(tmp_path, SET, packed=False)
    (tmp_path / NAMES["train_images"]).write_bytes(PACKED)
    assert np.array_equal(load_dataset(tmp_path).train_images, SET["train_images"].reshape(205, 30))


@pytest.mark.parametrize(("size", "classes"), [((1, 1), range(2)), ((3, 11), range(5)), ((28, 28), range(47))])
def test_any_image_size_and_any_number_of_classes(tmp_path, size, classes):
    data = load_dataset(write_set(tmp_path, small_set(100, 94, size, classes)))
    assert data.train_images.shape == (100, size[0] * size[1])
    assert data.classes == list(classes)


COPIES = [
    "{}.gz",  # as downloaded; the rest lies beside it unpacked
    "train-images.idx3-ubyte",
    "train-images-idx3-ubyte (1)",
    "train-images-idx3-ubyte - Copy",
    "train-images-idx3-ubyte/train-images-idx3-ubyte",  # an unpacker's folder
]


@pytest.mark.parametrize("copy", COPIES)
def test_copies_with_equal_content_are_one_file_and_with_other_content_are_refused_by_both_names(tmp_path, copy):
    write_set(tmp_path, SET, packed=copy.startswith("train-images-idx3-ubyte/"))
    other = tmp_path / copy.format(NAMES["train_images"])
    other.parent.mkdir(exist_ok=True)
    other.write_bytes(gzip.compress(IMAGES) if copy.endswith(".gz") else IMAGES)
    assert len(load_dataset(tmp_path).train_images) == 205
    stale = idx(SET["train_images"][::-1])
    other.write_bytes(gzip.compress(stale) if copy.endswith(".gz") else stale)
    message = refused(load_dataset, tmp_path)
    assert "several files of training images that differ" in message
    assert NAMES["train_images"] in message and copy.split("/")[-1].format(NAMES["train_images"]) in message


@pytest.mark.parametrize(
    "name",
    ["._{}", "{}:Zone.Identifier", "{}.md5", "{}.sha256", "{}.gz.part", "{}~", "{}.bak", ".{}.swp", "{}.crdownload"],
)
def test_side_files_are_no_data(tmp_path, name):
    write_set(tmp_path, SET)
    (tmp_path / name.format(NAMES["train_images"])).write_bytes(b"Mac OS X        ")
    assert len(load_dataset(tmp_path).train_images) == 205


def test_a_folder_with_the_files_own_name_is_looked_into(tmp_path):
    write_set(tmp_path, SET, packed=False)
    for name in NAMES.values():
        (tmp_path / name).rename(tmp_path / "aside")
        (tmp_path / name).mkdir()
        (tmp_path / "aside").rename(tmp_path / name / name)
    assert len(load_dataset(tmp_path).test_labels) == 60


def test_the_folder_above_is_told_where_the_files_lie(tmp_path):
    write_set(tmp_path / "MNIST" / "raw", SET)
    assert f"give the folder where it lies, {tmp_path / 'MNIST' / 'raw'}" in refused(load_dataset, tmp_path)


def test_the_same_data_under_other_names_has_the_same_hashes(tmp_path):
    one = load_dataset(write_set(tmp_path / "packed", SET)).sha256
    plain = load_dataset(write_set(tmp_path / "plain", SET, False, {key: f"x-{NAMES[key]}" for key in NAMES})).sha256
    keras = {"x_train": "train_images", "y_train": "train_labels", "x_test": "test_images", "y_test": "test_labels"}
    np.savez(tmp_path / "mnist.npz", **{name: SET[key] for name, key in keras.items()})
    assert one == plain == load_dataset(tmp_path / "mnist.npz").sha256


def test_normalise_is_exact_for_every_pixel_value():
    pixels = np.arange(256, dtype=np.uint8)
    expected = np.array([np.float32(value - 128) / np.float32(255) for value in range(256)])
    result = normalise(pixels)
    assert result.dtype == np.float32
    assert np.array_equal(result, expected)
    assert np.array_equal(pixels, np.arange(256))


def test_load_mnist_2d_returns_train_x_test_x_train_y_test_y(tmp_path):
    train_x, test_x, train_y, test_y = load_mnist_2d(str(write_set(tmp_path, SET)))
    assert (train_x.shape, test_x.shape, train_y.shape, test_y.shape) == ((205, 30), (60, 30), (205,), (60,))
    assert train_x.dtype == test_x.dtype == np.float32
    assert np.array_equal(test_x, (SET["test_images"].reshape(60, 30).astype(np.float32) - 128) / np.float32(255))
    assert np.array_equal(train_y, SET["train_labels"])


@pytest.mark.parametrize("classes", [range(1, 27), (2, 3, 9, 200), (5, 0)])
def test_labels_with_gaps_or_from_1_are_numbered_in_order(tmp_path, classes):
    arrays = small_set(classes=classes)
    data = load_dataset(write_set(tmp_path, arrays))
    assert data.classes == sorted(classes)
    assert set(data.train_labels) == set(range(len(classes)))
    for part in ("train", "test"):
        numbers = getattr(data, f"{part}_labels")
        assert np.array_equal(np.array(data.classes)[numbers], arrays[f"{part}_labels"])


# ---- the data that comes with the project


@pytest.fixture(scope="module")
def mnist():
    return load_dataset(ROOT / "data")


def test_the_committed_data_is_mnist(mnist):
    assert mnist.train_images.shape == (60000, 784)
    assert mnist.test_images.shape == (10000, 784)
    assert mnist.classes == list(range(10))
    assert mnist.train_labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert mnist.test_labels[:5].tolist() == [7, 2, 1, 0, 4]
    for labels in (mnist.train_labels, mnist.test_labels):
        shares = np.bincount(labels) / len(labels)
        assert 0.08 < shares.min() < shares.max() < 0.12


def test_the_committed_data_is_what_its_readme_says(mnist):
    text = (ROOT / "data" / "README.md").read_text(encoding="utf-8")
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if "-ubyte |" in line]
    assert {PARTS[key]: {name: digest for name, _, digest in lines}[NAMES[key]] for key in NAMES} == mnist.sha256
    sizes = {name: int(size) for name, size, _ in lines}
    assert sizes["train-images-idx3-ubyte"] == 16 + mnist.train_images.nbytes
    assert sizes["t10k-labels-idx1-ubyte"] == 8 + len(mnist.test_labels)


# ---- what it refuses

BAD_IMAGES = {
    "empty file": (b"", "empty"),
    "another format": (b"\x89PNG" + IMAGES[4:], "a picture"),
    "magic cut": (IMAGES[:3], "truncated"),
    "signed bytes": (IMAGES[:2] + b"\x09" + IMAGES[3:], "astype(np.uint8)"),
    "floats": (IMAGES[:2] + b"\x0d" + IMAGES[3:], "truncated"),
    "labels, not images": (LABELS, "swapped"),
    "four dimensions": (idx(np.zeros((2, 3, 3, 3))), "images.reshape(2, 3, -1)"),
    "header cut before the sizes": (IMAGES[:4], "truncated"),
    "header cut in a size": (IMAGES[:11], "truncated"),
    "header alone": (IMAGES[:16], "truncated"),
    "last byte missing": (IMAGES[:-1], "truncated"),
    "half of it": (IMAGES[: len(IMAGES) // 2], "truncated"),
    "a byte too many": (IMAGES + b"\0", "after"),
    "no images": (idx(np.zeros((0, 6, 5))), "no images"),
    "images without pixels": (idx(np.zeros((205, 6, 0))), "no images"),
}


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("case", BAD_IMAGES)
def test_bad_images_are_refused_in_one_sentence(tmp_path, case, packed):
    content, reason = BAD_IMAGES[case]
    write_set(tmp_path, SET, packed)
    path = tmp_path / (NAMES["train_images"] + ".gz" * packed)
    path.write_bytes(gzip.compress(content) if packed else content)
    message = refused(load_dataset, tmp_path)
    assert message.startswith(str(path))
    assert reason in message


@pytest.mark.parametrize("case", [b"", LABELS[:6], LABELS[:-1], LABELS + b"x", IMAGES, idx([])])
@pytest.mark.parametrize("name", ["train_labels", "test_labels"])
def test_bad_labels_are_refused_in_one_sentence(tmp_path, name, case):
    write_set(tmp_path, SET, packed=False)
    (tmp_path / NAMES[name]).write_bytes(case)
    assert refused(load_dataset, tmp_path).startswith(str(tmp_path / NAMES[name]))


def changed(content: bytes, at: int) -> bytes:
    at %= len(content)
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


BAD_PACKING = {
    "checksum": changed(PACKED, -8),
    "length": changed(PACKED, -4),
    "middle": changed(PACKED, len(PACKED) // 2),
    "method": changed(PACKED, 2),
    "last byte missing": PACKED[:-1],
    "checksum missing": PACKED[:-8],
    "half of it": PACKED[: len(PACKED) // 2],
    "header cut": PACKED[:5],
    "garbage at the end": PACKED + b"garbage",
    "another file at the end": PACKED + gzip.compress(b"more"),
}


@pytest.mark.parametrize("case", BAD_PACKING)
def test_damaged_gzip_is_refused_in_one_sentence(tmp_path, case):
    write_set(tmp_path, SET)
    path = tmp_path / (NAMES["train_images"] + ".gz")
    path.write_bytes(BAD_PACKING[case])
    assert refused(load_dataset, tmp_path).startswith(str(path))


def test_a_missing_folder_a_file_in_its_place_and_a_missing_file_are_refused_by_name(tmp_path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "nowhere", tmp_path / "file"):
        assert str(place) in refused(load_dataset, place)
    write_set(tmp_path, SET)
    for name in NAMES.values():
        (tmp_path / f"{name}.gz").rename(tmp_path / "aside")
        message = refused(load_dataset, tmp_path)
        assert str(tmp_path) in message
        assert f"*{'-'.join(name.split('-')[:2])}*" in message
        (tmp_path / "aside").rename(tmp_path / f"{name}.gz")


@pytest.mark.parametrize("part", ["train", "test"])
def test_different_numbers_of_images_and_labels_are_refused(tmp_path, part):
    arrays = SET | {f"{part}_labels": SET[f"{part}_labels"][:-1]}
    message = refused(load_dataset, write_set(tmp_path, arrays))
    count = len(SET[f"{part}_labels"])
    assert f"{count} images" in message
    assert f"{count - 1} labels" in message
    assert NAMES[f"{part}_images"] in message


@pytest.mark.parametrize("size", [(7, 5), (5, 6), (1, 30)])
def test_different_image_sizes_of_train_and_test_are_refused(tmp_path, size):
    arrays = SET | {"test_images": np.zeros((60, *size), np.uint8)}
    assert NAMES["test_images"] in refused(load_dataset, write_set(tmp_path, arrays))


def test_a_test_label_that_training_never_saw_is_refused(tmp_path):
    labels = SET["test_labels"].copy()
    labels[17] = 9
    message = refused(load_dataset, write_set(tmp_path, SET | {"test_labels": labels}))
    assert NAMES["test_labels"] in message
    assert "label 9" in message


# ---- a header's word costs no memory

CLAIMS = {"images": (2**31, 28, 28), "images of one pixel": (2**31, 1, 1), "all ones": (2**32 - 1,) * 3}


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("case", CLAIMS)
def test_a_header_that_claims_2_to_the_31_images_costs_no_memory(tmp_path, case, packed):
    content = b"\0\0\x08\x03" + b"".join(size.to_bytes(4, "big") for size in CLAIMS[case]) + IMAGES[16:]
    path = tmp_path / "images"
    path.write_bytes(gzip.compress(content) if packed else content)
    tracemalloc.start()
    try:
        assert any(word in refused(read_idx, path) for word in ("truncated", "over 100 times"))
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


# ---- any bytes: loaded or refused


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_set(tmp_path_factory.mktemp("mutated"), TINY, packed=False)


TINY = small_set(6, 3, (2, 3), range(3))


def check(folder: Path, name: str, content: bytes) -> None:
    """With these bytes as the file, the set is refused, or loaded as an independent reading has it."""
    path = folder / NAMES[name]
    path.write_bytes(content)
    try:
        data = load_dataset(folder)
    except FileError as error:
        assert "\n" not in str(error)
        return
    finally:
        path.write_bytes(idx(TINY[name]))
    raw = gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
    dimensions = 3 if name.endswith("images") else 1
    sizes = np.frombuffer(raw, ">u4", dimensions, offset=4).tolist()
    elements = np.frombuffer(raw, np.uint8, offset=4 + 4 * dimensions)
    assert raw[:2] == b"\0\0" and raw[3] == dimensions
    if raw[2] == 9:  # labels as signed bytes are integers too
        assert dimensions == 1
        return
    assert raw[2] == 8
    assert np.prod(sizes) == len(elements) > 0
    assert data.sha256[PARTS[name]] == hashlib.sha256(raw).hexdigest()
    loaded = getattr(data, name)
    assert len(loaded) == sizes[0] == len(TINY[name])
    if dimensions == 1:
        loaded = np.array(data.classes)[loaded]
    assert np.array_equal(loaded.ravel(), elements)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(list(NAMES)), st.binary(max_size=80), st.sampled_from([b"", IMAGES[:4], LABELS[:4], PACKED[:10]])
)
def test_random_bytes_are_loaded_or_refused(folder, name, content, start):
    check(folder, name, start + content)


WHERE = st.integers(0, 100)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(list(NAMES)), st.booleans(), WHERE, WHERE, st.binary(max_size=4))
@example("train_labels", False, 8, 9, b"\1")  # another label: still a set
@example("train_images", False, 4, 5, b"\x80")  # 2**31 images more
@example("test_images", True, 40, 100, b"")  # cut short
def test_mutated_files_are_loaded_or_refused(folder, name, packed, one, other, put):
    content = gzip.compress(idx(TINY[name]), mtime=0) if packed else idx(TINY[name])
    first, last = sorted((one % (len(content) + 1), other % (len(content) + 1)))
    check(folder, name, content[:first] + put + content[last:])
