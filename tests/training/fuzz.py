"""Fuzzes the loaders: any bytes are loaded or refused with an error of ours, and no other outcome there is.

    pip install atheris && python tests/training/fuzz.py idx -max_total_time=600 -rss_limit_mb=2048
    pip install atheris && python tests/training/fuzz.py npz -max_total_time=600 -rss_limit_mb=2048

Outside the test suite, which has its own mutations (tests/test_hostile_files.py). Coverage guides the mutations, from
small valid files that are written on the fly; what follows the target are libFuzzer's options. A crash, a hang or too
much memory leaves the input that caused it in the working folder. idx: files of images and of labels. npz: model.npz,
and checkpoint.npz with the folder of its run; three of four mutations change a member of the archive and pack it anew,
because an archive with a wrong checksum gets no further than zipfile.
"""

import io
import random
import sys
import tempfile
import zipfile
from pathlib import Path

import atheris

from utils import FileError

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

with atheris.instrument_imports(include=["load_data", "utils", "network", "training", "zipfile", "gzip", "numpy.lib"]):
    import load_data
    import network
    from run_mlp import config, train
    from training import checkpoint, output, resume, settings

from idx_files import idx, small_set

REFUSED = (network.FileError, checkpoint.FileError, settings.FileError, settings.UsageError)
MEMORY = 1 << 20  # bytes of an input


def fuzz_idx(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    for dimensions in (1, 3):
        try:
            array, _ = load_data.read_idx(path, dimensions)
        except FileError as error:
            one_sentence(error)
        else:
            assert array.ndim == dimensions and array.size > 0 and array.dtype == "uint8"


def fuzz_npz(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    try:
        model = network.Network.load(path)
        for layer in model.layers:
            repr(layer)
    except REFUSED as error:
        one_sentence(error)
    try:
        _, loaded = resume.reopen(path.parent, {}, config)
        assert loaded.rows and loaded.params.shape == loaded.velocity.shape
        loaded.check_size([30, 8, 4])
    except REFUSED as error:
        one_sentence(error)


def one_sentence(error: Exception) -> None:
    assert "\n" not in str(error).replace("\\n", "") and len(str(error)) < 5000


def mutate_member(content: bytes, most: int, seed: int) -> bytes:
    """Another archive with one member changed, or any other bytes."""
    chance = random.Random(seed)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(part.file_size for part in archive.infolist()) > MEMORY:
                raise ValueError
            members = {name: archive.read(name) for name in archive.namelist()}
        if not members or not chance.randrange(4):
            raise ValueError
    except Exception:
        return atheris.Mutate(content, most)
    chosen = chance.choice(sorted(members))
    members[chosen] = atheris.Mutate(members[chosen], min(MEMORY, len(members[chosen]) + 1000))
    if not chance.randrange(8):  # a member under another's name
        members[chance.choice(sorted(members))] = members[chosen]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, part in members.items():
            archive.writestr(name, part)
    return packed.getvalue()[:most]


def seeds(target: str, folder: Path) -> None:
    import gzip

    arrays = small_set(6, 3, (2, 3), range(3))
    if target == "idx":
        for name, array in arrays.items():
            (folder / name).write_bytes(idx(array))
            (folder / f"{name}.gz").write_bytes(gzip.compress(idx(array), mtime=0))
        return
    from training.checkpoint import Checkpoint
    from utils import Row, csv_line

    images = {key: value.reshape(len(value), -1) for key, value in arrays.items() if "images" in key}
    data = load_data.Dataset(**(arrays | images), classes=[0, 1, 2], sha256={})
    kept = []
    rows, model = train(
        {"max_epoch": 2, "hidden": [3], "batch_size": 4},
        data,
        on_epoch=lambda epoch, model, order: kept.append(order.bit_generator.state),
    )
    text = "".join([",".join(Row._fields) + "\n", *map(csv_line, rows)])
    used = settings.resolve(config, {"max_epoch": 2, "hidden": [3], "batch_size": 4})
    state = Checkpoint(used, output.identity(data), 2, model.params, model.velocity, kept[-1], text)
    model.save(folder / "model.npz")
    state.save(folder / "checkpoint.npz")


def main() -> None:
    target = sys.argv.pop(1) if len(sys.argv) > 1 else ""
    if target not in ("idx", "npz"):
        sys.exit("fuzz.py: give a target, idx or npz, and libFuzzer's options")
    with tempfile.TemporaryDirectory() as scratch:
        corpus, path = Path(scratch) / "corpus", Path(scratch) / "input" / "checkpoint.npz"
        corpus.mkdir()
        path.parent.mkdir()
        seeds(target, corpus)

        def one_input(content: bytes) -> None:
            (fuzz_idx if target == "idx" else fuzz_npz)(path, content)

        options = [sys.argv[0], "-print_final_stats=1", "-max_len=65536", *sys.argv[1:], str(corpus)]
        mutator = {"custom_mutator": mutate_member} if target == "npz" else {}
        atheris.Setup(options, one_input, **mutator)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
