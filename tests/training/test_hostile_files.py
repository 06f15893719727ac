"""Files are input: whatever their bytes, they are loaded or refused in one sentence, and no memory is lost to them.

model.npz, checkpoint.npz, config.json, metrics.csv and probe.csv of a run, and the four data files; the loader of those
has its own mutations in test_load_data.py. tests/training/fuzz.py goes on where this ends.
"""

import gzip
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from hostile import HOSTILE, bomb, members_of, pack
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from idx_files import NAMES, small_set, write_set
from test_load_data import MUTATION, mutate
from wholeness import contents, only

from network import Network
from run_mlp import config
from training.checkpoint import Checkpoint
from training.output import cut_probe_csv
from training.resume import reopen
from training.settings import ROOT, read_config
from utils import FileError, UsageError, csv_line, read_metrics

QUIET = ("--quiet", "--no-plot")
REFUSED = FileError
many = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits a process's memory as Linux does")


@pytest.fixture(scope="module")
def whole(trainer, tmp_path_factory):
    """A finished run with every kind of file."""
    place = tmp_path_factory.mktemp("whole")
    assert trainer.run(place, *QUIET, "--max-epoch", 2, "--hidden", 8, "--probe", 0, 1, 2).code == 0
    return only(place / "runs")


@pytest.fixture
def folder(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "runs" / whole.name)


LOADERS = {
    "model.npz": Network.load,
    "checkpoint.npz": lambda path: reopen(path.parent, {}, config),
    "config.json": lambda path: read_config(path, config),
    "metrics.csv": read_metrics,
    "probe.csv": lambda path: cut_probe_csv(path.parent, 1),
}


def load_or_refuse(path) -> bool:
    """Whether it is loaded; refused must be an error of ours, in one sentence that names the file."""
    try:
        LOADERS[path.name](path)
    except REFUSED as error:
        assert "\n" not in str(error)
        assert path.name in str(error)
        assert error.exit_code == 3
        return False
    except UsageError as error:  # a whole checkpoint that says it is beyond its own last epoch
        assert "max_epoch" in str(error)
        return False
    return True


# ---- bytes


@pytest.mark.parametrize("name", LOADERS)
def test_mutated_files_are_loaded_or_refused(whole, tmp_path, name):
    content = (whole / name).read_bytes()
    copy = shutil.copytree(whole, tmp_path / "run")

    @many
    @given(st.lists(MUTATION, min_size=1, max_size=3))
    @example([("truncate", 0, None)])
    @example([("truncate", len(content) - 1, None)])
    def check(mutations):
        changed = content
        for mutation in mutations:
            changed = mutate(changed, mutation)
        (copy / name).write_bytes(changed)
        load_or_refuse(copy / name)

    check()
    (copy / name).write_bytes(content)
    assert load_or_refuse(copy / name)


@pytest.mark.parametrize("name", LOADERS)
def test_random_bytes_are_refused(folder, name):
    @many
    @given(st.binary(max_size=300))
    def check(content):
        (folder / name).write_bytes(content)
        assert not load_or_refuse(folder / name)

    check()


# ---- members of the archives


@pytest.mark.parametrize("name", ["model.npz", "checkpoint.npz"])
def test_mutated_and_exchanged_members_are_loaded_or_refused(folder, name):
    """The archive is whole, so that what is in it is looked at."""
    members = members_of(folder / name)
    keys = st.sampled_from(sorted(members))

    @many
    @given(keys, keys, st.lists(MUTATION, max_size=2), st.sampled_from(["exchange", "leave out", "add", "keep"]))
    def check(one, other, mutations, how):
        changed = dict(members)
        for mutation in mutations:
            changed[one] = mutate(changed[one], mutation)
        if how == "exchange":
            changed[one], changed[other] = changed[other], changed[one]
        elif how == "leave out":
            del changed[other]
        elif how == "add":
            changed["more.npy"] = changed[other]
        pack(folder / name, changed)
        load_or_refuse(folder / name)

    check()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.just(10**400) | st.just("a\0b"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize("name", ["config.json", "checkpoint.npz"])
def test_replaced_values_are_loaded_or_refused(folder, name):
    if name == "config.json":
        state = json.loads((folder / name).read_text())
    else:
        with np.load(folder / name) as file:
            arrays = {key: file[key] for key in file.files}
        state = json.loads(arrays["state"].tobytes())
    paths = [(key,) for key in state] + [("settings", key) for key in state["settings"]]
    paths += [("order", key) for key in state.get("order", ())] + [("order", "state", "inc")] * ("order" in state)

    @many
    @given(st.sampled_from(paths), JSON)
    def check(path, value):
        changed = json.loads(json.dumps(state))
        inner = changed
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value
        text = json.dumps(changed)
        if name == "config.json":
            (folder / name).write_text(text)
        else:
            np.savez(folder / name, **(arrays | {"state": np.frombuffer(text.encode(), np.uint8)}))
        load_or_refuse(folder / name)

    check()


# ---- what must be refused, and is in one sentence by the command


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_folder_is_refused_with_exit_3_and_a_sentence_and_stays_as_it_was(trainer, folder, what):
    HOSTILE[what](folder)
    before = {path: content for path, content in contents(folder).items() if path.name != "config.json"}
    ended = trainer.resume(folder, *QUIET, "--max-epoch", 4)
    assert ended.code == 3
    assert ended.sentence.count(":") > 1
    assert all(path.read_bytes() == content for path, content in before.items())


def test_rows_of_a_checkpoint_are_those_that_a_run_writes(whole):
    """So that the refusals of metrics above refuse nothing that is right."""
    checkpoint = Checkpoint.load(whole / "checkpoint.npz")
    assert checkpoint.metrics.splitlines(keepends=True)[1:] == list(map(csv_line, checkpoint.rows))


@pytest.mark.parametrize(
    "content", [b"", b"{}", b'{"settings": 1}', b'{"settings": {"data_dir": "a\\u0000b"}}', b"\xff"]
)
def test_a_config_that_is_none_is_refused_with_exit_3_and_leaves_no_run(trainer, tmp_path, content):
    (tmp_path / "config.json").write_bytes(content)
    ended = trainer.run(tmp_path, *QUIET, "--config", tmp_path / "config.json")
    assert ended.code == 3
    assert str(tmp_path / "config.json") in ended.sentence
    assert list(tmp_path.iterdir()) == [tmp_path / "config.json"]


# ---- memory

MEASURE = """
import resource, sys
sys.path.insert(0, sys.argv[1])
from network import Network
from load_data import load_dataset
from utils import FileError
from run_mlp import config
from training.resume import reopen
from training.settings import read_config
from pathlib import Path
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
path = Path(sys.argv[2])
try:
    if path.is_dir():
        load_dataset(path)
    elif path.name == "model.npz":
        Network.load(path)
    elif path.name == "checkpoint.npz":
        reopen(path.parent, {}, config)
    else:
        read_config(path, config)
except FileError as error:
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024, error)
"""


def measured(path) -> tuple[int, str]:
    """How many MB more a process needed to refuse this file, and its sentence."""
    process = subprocess.run(
        [sys.executable, "-c", MEASURE, str(ROOT), str(path)], capture_output=True, text=True, timeout=120
    )
    assert process.stderr == ""
    number, sentence = process.stdout.split(" ", 1)
    return int(number), sentence


@linux
@pytest.mark.parametrize("name", ["model.npz", "checkpoint.npz"])
def test_an_archive_that_unpacks_to_2_gigabytes_is_refused_before_it_is_unpacked(folder, name):
    (folder / name).write_bytes(bomb(2 << 30))
    assert (folder / name).stat().st_size < 10_000_000
    megabytes, sentence = measured(folder / name)
    assert "compressed" in sentence or "promise" in sentence
    assert megabytes < 100


@linux
@pytest.mark.parametrize("what", ["images", "labels"])
def test_a_data_file_that_unpacks_to_gigabytes_is_refused_before_it_is_unpacked(tmp_path, what):
    write_set(tmp_path, small_set())
    header = b"\0\0\x08\x03" + b"".join(size.to_bytes(4, "big") for size in (1 << 20, 32, 32))
    if what == "labels":
        header = b"\0\0\x08\x01" + (1 << 30).to_bytes(4, "big")
    parts = [header] + [bytes(1 << 20)] * (1 << 10)
    packed = {part: gzip.compress(part) for part in set(parts)}  # gzip files in a row are one gzip file
    (tmp_path / f"{NAMES[f'train_{what}']}.gz").write_bytes(b"".join(packed[part] for part in parts))
    megabytes, sentence = measured(tmp_path)
    assert "times its size" in sentence
    assert megabytes < 100


@linux
def test_a_config_without_end_is_not_read_to_its_end(tmp_path):
    (tmp_path / "config.json").symlink_to("/dev/zero")
    megabytes, sentence = measured(tmp_path / "config.json")
    assert "has more than 1,000,000 bytes" in sentence
    assert megabytes < 100


def test_nothing_but_the_wrong_file_is_said_of_a_header_that_numpy_warns_of(folder, recwarn):
    members = members_of(folder / "model.npz")
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (8L,), }"
    members["0.b.npy"] = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(32)
    pack(folder / "model.npz", members)
    load_or_refuse(folder / "model.npz")  # older versions of NumPy read it
    assert list(recwarn) == []
