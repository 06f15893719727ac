"""Files are input: whatever their bytes, they are loaded, or refused in one sentence that names them.

model.npz, checkpoint.npz, config.json, metrics.csv and probe.csv of a run. The data files have tests of their own.
"""

import io
import json
import shutil
import zipfile

import numpy as np
import pytest
from helpers import run_here
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from invariants import contents, only

import run_mlp
from network import Network
from training.checkpoint import load_checkpoint
from training.metrics import read_metrics
from training.probe import cut_probe_csv
from training.settings import read_config
from utils import FileError, save_npz

QUIET = ("--quiet", "--no-plot")
LOADERS = {
    "model.npz": Network.load,
    "checkpoint.npz": load_checkpoint,
    "config.json": read_config,
    "metrics.csv": read_metrics,
    "probe.csv": lambda path: cut_probe_csv(path, 9),
}
several = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def complete(small_data, tmp_path_factory):
    """A finished run with every kind of file."""
    runs = tmp_path_factory.mktemp("complete")
    flags = ["--data-dir", small_data, "--max-epoch", 2, "--hidden", 8, "--probe", 0, 1, 2]
    assert run_here(run_mlp.main, *QUIET, "--run-dir", runs, *flags).code == 0
    return only(runs)


@pytest.fixture
def folder(complete, tmp_path):
    return shutil.copytree(complete, tmp_path / "runs" / complete.name)


def is_loaded(path) -> bool:
    """Whether it is loaded; a refusal must be an error of ours, in one sentence that names the file."""
    try:
        loaded = LOADERS[path.name](path)
    except FileError as error:
        assert "\n" not in str(error)
        assert path.name in str(error)
        return False
    assert path.name != "model.npz" or np.isfinite(loaded.params).all()
    return True


@pytest.mark.parametrize("name", LOADERS)
def test_damaged_files_are_loaded_or_refused(folder, name):
    content = (folder / name).read_bytes()
    where = st.integers(0, len(content) - 1)

    @several
    @given(where, where, st.binary(max_size=8))
    @example(0, len(content) - 1, b"")  # empty
    @example(len(content) - 1, len(content) - 1, b"")  # cut short
    def check(one, other, put):
        first, last = sorted((one, other))
        (folder / name).write_bytes(content[:first] + put + content[last + 1 :])
        is_loaded(folder / name)

    check()
    (folder / name).write_bytes(content)
    assert is_loaded(folder / name)


@pytest.mark.parametrize("name", LOADERS)
def test_random_bytes_are_refused(folder, name):
    @several
    @given(st.binary(max_size=300))
    def check(content):
        (folder / name).write_bytes(content)
        assert not is_loaded(folder / name)

    check()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.just(10**400) | st.just("a\0b"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize("name", ["config.json", "checkpoint.npz"])
def test_replaced_values_are_loaded_or_refused(folder, name):
    arrays = {}
    if name == "config.json":
        state = json.loads((folder / name).read_text())
    else:
        with np.load(folder / name) as file:
            arrays = {key: file[key] for key in file.files}
        state = json.loads(str(arrays["state"]))
    paths = [(key,) for key in state] + [(outer, key) for outer in ("settings", "rng") for key in state.get(outer, ())]

    @several
    @given(st.sampled_from(paths), JSON)
    def check(path, value):
        changed = json.loads(json.dumps(state))
        inner = changed
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value
        if arrays:
            save_npz(folder / name, arrays | {"state": np.array(json.dumps(changed))})
        else:
            (folder / name).write_text(json.dumps(changed))
        is_loaded(folder / name)

    check()


# ---- what the command says, and leaves as it was


def changed_arrays(path, **changes) -> None:
    with np.load(path) as file:
        arrays = {key: file[key] for key in file.files}
    state = json.loads(str(arrays["state"])) | changes.pop("state", {})
    save_npz(path, arrays | changes | {"state": np.array(json.dumps(state))})


def compressed(path) -> None:
    with np.load(path) as file:
        arrays = {key: file[key] for key in file.files}
    np.savez_compressed(path, **arrays)


def bomb(path) -> None:
    """An archive of a few hundred bytes that promises two gigabytes."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("params.npy", b"x" * 300)
    entry = content.getvalue().replace((300).to_bytes(4, "little"), (2**31 - 1).to_bytes(4, "little"))
    path.write_bytes(entry)


SPOILED = {
    "weights that are not finite": ("checkpoint.npz", lambda p: changed_arrays(p, params=np.full(284, np.nan, "f4"))),
    "weights of another network": ("checkpoint.npz", lambda p: changed_arrays(p, params=np.ones(3, "f4"))),
    "a pickle": ("checkpoint.npz", lambda p: np.savez(p, state=np.array([{}], object))),
    "compressed": ("checkpoint.npz", compressed),
    "a bomb": ("checkpoint.npz", bomb),
    "an epoch that is no number": ("checkpoint.npz", lambda p: changed_arrays(p, state={"epoch": "two"})),
    "a state that is a number": ("checkpoint.npz", lambda p: save_npz(p, {"state": np.array("5")})),
    "settings that are a list": ("checkpoint.npz", lambda p: changed_arrays(p, state={"settings": []})),
    "data that are nothing": ("checkpoint.npz", lambda p: changed_arrays(p, state={"data": None})),
    "rows that are a truth value": ("checkpoint.npz", lambda p: changed_arrays(p, state={"rows": True})),
    "an older format": ("checkpoint.npz", lambda p: changed_arrays(p, state={"format": "mlp-checkpoint-1"})),
    "a generator's state that is none": ("checkpoint.npz", lambda p: changed_arrays(p, state={"rng": {}})),
    "metrics.csv missing": ("metrics.csv", lambda p: p.unlink()),
    "metrics.csv cut short": ("metrics.csv", lambda p: p.write_bytes(p.read_bytes()[:100])),
    "settings that differ from the checkpoint's": (
        "config.json",
        lambda p: p.write_text(p.read_text().replace('"momentum": 0.0', '"momentum": 0.5')),
    ),
    "config.json missing": ("config.json", lambda p: p.unlink()),
    "probe.csv of another program": ("probe.csv", lambda p: p.write_text("a,b\n1,2\n")),
}


@pytest.mark.parametrize("what", SPOILED)
def test_a_spoiled_run_is_not_resumed_and_stays_as_it_was(trainer, folder, what):
    name, spoil = SPOILED[what]
    spoil(folder / name)
    before = contents(folder)
    ended = trainer.resume(folder, *QUIET, "--max-epoch", 4)
    assert ended.code == 3
    assert name in ended.sentence
    assert contents(folder) == before


@pytest.mark.parametrize(
    "content", [b"", b"{}", b'{"settings": 1}', b'{"settings": {"data_dir": "a\\u0000b"}}', b"\xff", b"\xff\xfe{\0}\0"]
)
def test_a_config_that_is_none_is_refused_and_leaves_no_run(trainer, tmp_path, content):
    (tmp_path / "config.json").write_bytes(content)
    ended = trainer.run(tmp_path, *QUIET, "--config", tmp_path / "config.json")
    assert ended.code == 3
    assert str(tmp_path / "config.json") in ended.sentence
    assert list(tmp_path.iterdir()) == [tmp_path / "config.json"]


def test_files_as_editors_save_them_are_read(folder):
    """A byte order mark, Windows's ends of lines, a blank last line."""
    for name in ("config.json", "metrics.csv"):
        before = LOADERS[name](folder / name)
        text = (folder / name).read_text(encoding="utf-8")
        (folder / name).write_bytes(b"\xef\xbb\xbf" + (text + "\n").replace("\n", "\r\n").encode())
        assert LOADERS[name](folder / name) == before


def test_a_metrics_csv_from_before_there_were_schedules_is_read(folder):
    path = folder / "metrics.csv"
    rows = [row._replace(learning_rate=None) for row in read_metrics(path)]
    path.write_text("".join(line.rpartition(",")[0] + "\n" for line in path.read_text().splitlines()))
    assert read_metrics(path) == rows


def test_a_metrics_csv_from_a_spreadsheet_is_refused_with_what_was_expected(folder):
    path = folder / "metrics.csv"
    text = path.read_text()
    for spoiled in (text.replace(",", ";"), '"' + text.replace(",", '","'), text.replace("0.", "0,", 1)):
        path.write_text(spoiled)
        with pytest.raises(FileError, match="split,epoch,iteration,loss,accuracy,seconds"):
            read_metrics(path)
    path.write_bytes(text.encode("utf-16"))
    with pytest.raises(FileError, match="UTF-16"):
        read_metrics(path)


def test_a_file_that_cannot_be_read_is_not_called_damaged(trainer, folder):
    for name in ("checkpoint.npz", "metrics.csv", "config.json"):
        (folder / name).chmod(0)
        ended = trainer.resume(folder, *QUIET, "--max-epoch", 4, obey=True)
        (folder / name).chmod(0o644)
        assert ended.code == 1
        assert f"{name} cannot be read or written (Permission denied)" in ended.sentence
