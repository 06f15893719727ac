"""Files that no run of this program wrote: what could be wrong about a run's folder, one thing at a time."""

import io
import json
import zipfile
import zlib

import numpy as np

from run_mlp import config


def members_of(path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(path, members: dict, compression=zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def bomb(size: int) -> bytes:
    """An archive that says of its one array that it is as long as the archive, and unpacks to so many bytes."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)  # such blocks can be put in a row
    content = block * (size >> 20) + packer.flush()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("params.npy", content)
    archive = bytearray(packed.getvalue())
    for mark, method in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
        archive[archive.rindex(mark) + method] = zipfile.ZIP_DEFLATED
    return bytes(archive)


def with_array(name: str, array):
    def change(folder):
        with np.load(folder / "checkpoint.npz") as file:
            arrays = {key: file[key] for key in file.files}
        arrays[name] = array(arrays[name])
        np.savez(folder / "checkpoint.npz", **arrays)

    return change


def with_state(**changes):
    def change(folder):
        with np.load(folder / "checkpoint.npz") as file:
            arrays = {key: file[key] for key in file.files}
        state = json.loads(arrays["state"].tobytes())
        for key, value in changes.items():
            (state["settings"] if key in config else state)[key] = value
        np.savez(folder / "checkpoint.npz", **(arrays | {"state": np.frombuffer(json.dumps(state).encode(), np.uint8)}))

    return change


def with_metrics(change_text):
    def change(array):
        return np.frombuffer(change_text(array.tobytes().decode()).encode(), np.uint8)

    return with_array("metrics", change)


def as_pickle(array):
    return np.array([{}, array], dtype=object)


def put(name: str, content):
    return lambda folder: (folder / name).write_bytes(content)


def without_checkpoint(then):
    def change(folder):
        (folder / "checkpoint.npz").unlink()
        then(folder)

    return change


PROBE = b"epoch,layer,name,delta,gradient,weights,slope,flat_units\n"

# What is wrong -> what makes it so in the folder of a finished run.
HOSTILE = {
    "a pickle": with_array("params", as_pickle),
    "float64 weights": with_array("params", lambda array: array.astype(np.float64)),
    "weights of another byte order": with_array("params", lambda array: array.astype(">f4")),
    "a weight that is no number": with_array("params", lambda array: array * np.float32("nan")),
    "an infinite momentum": with_array("velocity", lambda array: array + np.float32("inf")),
    "too few weights": with_array("params", lambda array: array[:-1]),
    "weights in a square": with_array("params", lambda array: array[:, None]),
    "momentum of another length": with_array("velocity", lambda array: array[:-1]),
    "another format": with_state(format="mlp-checkpoint-9"),
    "a generator of another kind": with_state(order={"bit_generator": "MT19937", "state": {}}),
    "an epoch that is a text": with_state(epoch="2"),
    "an epoch that is true": with_state(epoch=True),
    "an epoch before the first": with_state(epoch=-1),
    "a network of a billion units": with_state(hidden=[10**9]),
    "a network of a million million layers": with_state(hidden=[100] * 10**5),
    "a learning rate that is a text": with_state(learning_rate="fast"),
    "a batch size of 0": with_state(batch_size=0),
    "threads without end": with_state(threads=10**30),
    "a data folder that is a list": with_state(data_dir=["data"]),
    "a data folder with a zero byte": with_state(data_dir="a\0b"),
    "a data folder that no system can name": with_state(data_dir="\ud800"),
    "a setting that is none": with_state(settings={"colour": 1}),
    "settings that are a list": with_state(settings=[1, 2]),
    "other data": with_state(data={}),
    "metrics cut in a row": with_metrics(lambda text: text[:-3]),
    "metrics without rows": with_metrics(lambda text: text.splitlines()[0] + "\n"),
    "metrics without the evaluation before training": with_metrics(
        lambda text: "".join(line for line in text.splitlines(keepends=True) if not line.startswith("test,0"))
    ),
    "metrics with an infinite loss": with_metrics(lambda text: text.replace("0,0,1.", "0,0,1e999", 1)),
    "metrics that go back": with_metrics(lambda text: text.replace("test,0,0,", "test,0,9999,", 1)),
    "metrics in other digits": with_metrics(lambda text: text.replace("train,1,21", "train,+1,21", 1)),
    "metrics that are no text": with_array("metrics", lambda array: array[::-1] + np.uint8(128)),
    "nothing at all": put("checkpoint.npz", b""),
    "half a file": lambda folder: (folder / "checkpoint.npz").write_bytes(
        (folder / "checkpoint.npz").read_bytes()[:-1000]
    ),
    "probe.csv empty": put("probe.csv", b""),
    "probe.csv cut in a row": lambda folder: (folder / "probe.csv").write_bytes(
        (folder / "probe.csv").read_bytes()[:-30]
    ),
    "probe.csv of words": put("probe.csv", PROBE + b"a,b,c,d,e,f,g,h\n"),
    "config.json of brackets": without_checkpoint(put("config.json", b"[" * 100_000)),
    "config.json without end": without_checkpoint(put("config.json", b" " * 2_000_000)),
    "config.json empty": without_checkpoint(put("config.json", b"")),
    "metrics.csv of zeros": without_checkpoint(put("metrics.csv", bytes(1000))),
}
