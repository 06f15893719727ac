"""run_mlp.py and curves.py: what they print, what they leave, how they end; as processes where that is the matter."""

import csv
import functools
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from fault_injection import ROOT, TIMEOUT
from helpers import Ended, run_here, without_diagnosis
from idx_files import NAMES, small_set, write_set
from invariants import assert_complete_picture, assert_sound, only
from threadpoolctl import threadpool_info

import curves
import run_mlp
from load_data import load_dataset
from network import Network
from run_mlp import config
from training.flags import EXAMPLES, parse
from training.metrics import read_metrics
from training.settings import DEFAULTS, read_config, resolve

HEADER = "split,epoch,iteration,loss,accuracy,seconds,learning_rate"
posix = pytest.mark.skipif(os.name == "nt", reason="signals and pipes as POSIX has them")
draw = functools.partial(run_here, curves.main)


@pytest.fixture(scope="session")
def environment():
    """For every process: none of Python's variables but text in UTF-8."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return kept | {"PYTHONIOENCODING": "utf-8"}


@pytest.fixture(scope="session")
def command(environment):
    """Runs one of the commands as a process, to its end."""

    def run(*arguments, script=ROOT / "run_mlp.py", cwd=None, **more):
        words, how = [sys.executable, str(script), *map(str, arguments)], {"cwd": cwd, "env": environment | more}
        how |= {"stdin": subprocess.DEVNULL, "capture_output": True, "encoding": "utf-8", "timeout": TIMEOUT}
        process = subprocess.run(words, **how)
        return Ended(process.returncode, process.stdout, without_diagnosis(process.stderr))

    return run


@pytest.fixture(scope="session")
def train(where):
    """Runs run_mlp.py on the small set, into two folders of `place`, in this process."""
    return lambda place, *arguments: run_here(run_mlp.main, *where(place), *arguments)


def assert_picture(path: Path) -> None:
    """A whole PNG, at least 1600 pixels wide, with something on it."""
    from matplotlib.image import imread

    assert_complete_picture(path)
    pixels = imread(path)
    assert pixels.shape[1] >= 1600
    assert pixels[..., :3].std() > 0.01


# ---- a dry run on MNIST, twice with the same settings


@pytest.fixture(scope="session")
def dry(command, tmp_path_factory):
    """Two processes with the same settings and folders, the second from another working directory."""
    place = tmp_path_factory.mktemp("dry")
    where = ["--dry-run", "--run-dir", place / "runs", "--plot-dir", place / "plots"]
    first = command(*where, cwd=ROOT)
    kept = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    return place, first, kept, command(*where, cwd=place)


@pytest.fixture(scope="session")
def dry_folder(dry):
    return dry[0] / "runs" / "1_Relu_SoftmaxCrossEntropyLoss_0.01_0.0_10_seed0_max_epoch2"


def test_a_dry_run_leaves_config_metrics_model_and_picture(dry, dry_folder):
    place, first, kept, _ = dry
    assert (first.code, first.stderr) == (0, "")
    names = {dry_folder / name for name in ("config.json", "metrics.csv", "model.npz", "checkpoint.npz")}
    assert set(kept) == names | {place / "plots" / f"{dry_folder.name}.png"}
    assert_picture(place / "plots" / f"{dry_folder.name}.png")


def test_config_json_says_settings_versions_and_data(dry_folder):
    contents = json.loads((dry_folder / "config.json").read_text(encoding="utf-8"))
    assert contents["settings"] == resolve(config, {"max_epoch": 2})
    made_with = contents["made_with"]
    assert made_with["python"] == platform.python_version()
    assert made_with["numpy"] == np.__version__
    blas = [library for library in threadpool_info() if library["user_api"] == "blas"]
    assert made_with["blas"] == [f"{library['internal_api']} {library['version']}" for library in blas]
    assert made_with["threads"] == (1 if blas else "not controlled")
    assert contents["images"] == {"train": 500, "test": 200}
    assert contents["data_sha256"] == load_dataset(ROOT / "data").sha256


def test_metrics_csv_has_an_evaluation_at_epoch_0_and_after_each_epoch(dry_folder):
    with open(dry_folder / "metrics.csv", newline="", encoding="utf-8") as file:
        header, *cells = csv.reader(file)
    assert ",".join(header) == HEADER
    points = [("test", 0, 0), ("train", 1, 50), ("test", 1, 50), ("train", 2, 100), ("test", 2, 100)]
    assert [(row[0], int(row[1]), int(row[2])) for row in cells] == points
    seconds = [float(row[5]) for row in cells]
    assert seconds == sorted(seconds)
    for row in cells:
        assert 0 < float(row[3]) < 2.5
        assert 0 <= float(row[4]) <= 1
    assert float(cells[0][3]) == pytest.approx(np.log(10), abs=0.05)
    assert float(cells[-1][3]) < float(cells[0][3])


def test_model_npz_is_the_trained_network(dry_folder):
    assert_sound(dry_folder)
    model = Network.load(dry_folder / "model.npz")
    assert [(layer.W.shape, layer.b.shape) for layer in model.layers[::2]] == [((784, 100), (100,)), ((100, 10), (10,))]
    images = load_dataset(ROOT / "data")
    output = model.forward((images.test_images[:200].astype(np.float32) - 128) / 255)
    accuracy = np.mean(output.argmax(axis=1) == images.test_labels[:200])
    assert accuracy == pytest.approx(read_metrics(dry_folder / "metrics.csv")[-1].accuracy)


def test_training_lines_on_stdout_are_the_rows_of_metrics_csv(dry, dry_folder):
    output = dry[1].stdout
    rows = read_metrics(dry_folder / "metrics.csv")
    training = re.findall(r"Training iter (\d+), batch loss ([\d.]+), batch acc ([\d.]+)\n", output)
    assert training == [("50", f"{r.loss:.4f}", f"{r.accuracy:.4f}") for r in rows if r.split == "train"]
    testing = re.findall(r"Testing, total mean loss ([\d.]+), total acc ([\d.]+)\n", output)
    assert testing == [(f"{r.loss:.5f}", f"{r.accuracy:.5f}") for r in rows if r.split == "test"]


def test_the_summary_is_three_lines_with_accuracies_time_and_picture(dry, dry_folder):
    accuracies, time, paths = dry[1].stdout.splitlines()[-3:]
    tests = [row.accuracy for row in read_metrics(dry_folder / "metrics.csv") if row.split == "test"]
    assert re.findall(r"[\d.]+%", accuracies) == [f"{tests[-1]:.2%}", f"{max(tests):.2%}"]
    assert re.search(r"[\d.]+ s\b", time)
    assert f"{dry_folder.name}.png" in paths


def test_the_same_name_again_gets_2_and_nothing_is_overwritten(dry, dry_folder):
    place, _, kept, second = dry
    assert second.code == 0, second.stderr
    assert {path.name for path in (place / "runs").iterdir()} == {dry_folder.name, f"{dry_folder.name}-2"}
    assert {path.name for path in (place / "plots").iterdir()} == {f"{dry_folder.name}.png", f"{dry_folder.name}-2.png"}
    assert all(path.read_bytes() == content for path, content in kept.items())
    assert f"{dry_folder.name}-2.png" in second.stdout.splitlines()[-1]


def test_same_seed_and_threads_give_the_same_metrics_and_weights(dry, dry_folder):
    again = dry_folder.with_name(f"{dry_folder.name}-2")
    one, other = (
        [row._replace(seconds=0) for row in read_metrics(folder / "metrics.csv")] for folder in (dry_folder, again)
    )
    assert one == other
    assert np.array_equal(*(Network.load(folder / "model.npz").params for folder in (dry_folder, again)))


# ---- flags

ALL_FLAGS = [
    "-n 2 -a gelu -l hinge -lr 0.05 -w 0.001 -b 20",
    "--hidden-layers-num 2 --activation Gelu --loss HingeLoss --learning-rate 0.05 --weight-decay 1e-3 --batch-size 20",
    "--hidden_layers_num=2 --activate_function GELU --loss_function hinge --learning_rate=.05"
    " --weight_decay=0.001 --batch_size 20",
]
MORE = "--momentum 0.5 --max-epoch 3 --disp-freq 4 --test-epoch 2 --margin 2 --init-std 0.1 --seed 3 --threads 1"
GIVEN = {"learning_rate": 0.05, "weight_decay": 0.001, "momentum": 0.5, "batch_size": 20, "max_epoch": 3}
GIVEN |= {"disp_freq": 4, "test_epoch": 2, "hidden": [100, 100], "activation": "Gelu", "loss": "HingeLoss"}
GIVEN |= {"margin": 2.0, "init_std": 0.1, "seed": 3, "threads": 1}


@pytest.fixture(scope="session")
def flagged(train, tmp_path_factory):
    place = tmp_path_factory.mktemp("flags")
    spellings = [(flags + " " + MORE).split() for flags in ALL_FLAGS]
    spellings[2] = [part.replace("-", "_").replace("__", "--", 1) for part in spellings[2]]
    return place, [train(place, "--no-plot", *flags) for flags in spellings]


def test_short_long_and_assignment_flags_say_the_same(flagged, small_data):
    place, ended = flagged
    assert [each.code for each in ended] == [0, 0, 0], [each.stderr for each in ended]
    expected = DEFAULTS | GIVEN | {"data_dir": str(small_data)}
    assert [read_config(folder / "config.json") for folder in (place / "runs").iterdir()] == [expected] * 3


def test_no_plot_leaves_no_picture_and_says_so_in_no_line(flagged):
    place, ended = flagged
    assert not (place / "plots").exists()
    assert all(".png" not in each.stdout for each in ended)


@pytest.mark.parametrize(
    ("flags", "shapes"),
    [
        (["--hidden", 30, 20], [(30, 30), (30, 20), (20, 4)]),
        (["-n", 0], [(30, 4)]),
        (["-n", 0, "-a", "None"], [(30, 4)]),
        (["--hidden"], [(30, 4)]),
    ],
)
def test_hidden_gives_any_widths_and_none_a_single_linear_layer(train, tmp_path, flags, shapes):
    ended = train(tmp_path, *flags, "-l", "Euclidean", "--max-epoch", 1, "--no-plot", "--quiet")
    assert ended.code == 0, ended.stderr
    folder = only(tmp_path / "runs")
    assert folder.name.startswith("0_None_EuclideanLoss_" if len(shapes) == 1 else "2_Relu_EuclideanLoss_")
    assert [layer.W.shape for layer in Network.load(folder / "model.npz").layers[::2]] == shapes


def test_quiet_prints_the_summary_alone(train, tmp_path):
    ended = train(tmp_path, "--max-epoch", 1, "--quiet", "--no-plot")
    assert (ended.code, ended.stderr) == (0, "")
    assert [line.split()[0] for line in ended.stdout.splitlines()] == ["test", "time", "run"]


def test_help_shows_examples_that_the_parser_takes(command):
    ended = command("--help", cwd=ROOT)
    assert (ended.code, ended.stderr) == (0, "")
    assert EXAMPLES in ended.stdout
    examples = re.findall(r"^  python run_mlp.py(.*?)  +(.*)$", EXAMPLES, re.MULTILINE)
    assert len(examples) >= 3
    for flags, result in examples:
        resolve(config, parse(flags.split(), config)[0])
        assert re.match(r"\d+ s\b", result)
    for key in config:
        assert "--" + key.replace("_", "-") in ended.stdout


# ---- from a copy of the project, with an edited dict, in a folder with a space and other letters


def test_a_copy_with_an_edited_dict_takes_its_values_and_flags_override_them(command, small_data, tmp_path):
    copy, elsewhere = tmp_path / "mein pröjekt 数字", tmp_path / "elsewhere"
    copy.mkdir()
    elsewhere.mkdir()
    for path in ROOT.glob("*.py"):
        shutil.copy(path, copy)
    shutil.copytree(ROOT / "training", copy / "training", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(small_data, copy / "data")
    text = (copy / "run_mlp.py").read_text(encoding="utf-8")
    for old, new in [('"learning_rate": 1e-2', '"learning_rate": 0.5'), ('"max_epoch": 50', '"max_epoch": 3')]:
        assert old in text
        text = text.replace(old, new)
    (copy / "run_mlp.py").write_text(text, encoding="utf-8")
    ended = command("--max-epoch", 2, "-b", 50, script=copy / "run_mlp.py", cwd=elsewhere)
    assert ended.code == 0, ended.stderr
    folder = only(copy / "runs")
    saved = read_config(folder / "config.json")
    assert (saved["max_epoch"], saved["batch_size"], saved["learning_rate"]) == (2, 50, 0.5)
    assert_picture(copy / "plots" / f"{folder.name}.png")
    assert list(elsewhere.iterdir()) == []
    assert command("--dry-run", "--no-plot", script=Path("run_mlp.py"), cwd=copy).code == 0
    assert (only(copy / "runs" / "dry-run") / "model.npz").is_file()


# ---- exit 2: wrong usage, before any data is loaded

WRONG = [
    (["-b", "0"], "batch_size is 0"),
    (["-b", "ten"], "batch_size is 'ten'"),
    (["-lr0"], "learning_rate is 0"),
    (["-batch-size", "0"], "batch_size is 0"),
    (["--lr", "0.1"], "did you mean --learning-rate?"),
    (["--epochs", "3"], "did you mean --max-epoch?"),
    (["--max-eopch", "3"], "did you mean --max-epoch?"),
    (["--hidden", "10000000"], "hidden is [10000000]"),
    (["-lr", "nan"], "learning_rate is nan"),
    (["--no-such-flag"], "--no-such-flag"),
    (["--learn", "0.1"], "--learn"),
    (["-n", "2", "--hidden", "30"], "not allowed with"),
    (["-n", "-1"], "hidden_layers_num is -1"),
    (["-n", "0", "-a", "Relu"], "activation Relu"),
    (["--threads", "many"], "auto"),
]


@pytest.mark.parametrize(("flags", "part"), WRONG, ids=[" ".join(flags) for flags, _ in WRONG])
def test_wrong_usage_exits_2_with_one_sentence_before_loading_data(train, tmp_path, flags, part):
    ended = train(tmp_path, *flags, "--data-dir", tmp_path / "nowhere", "--no-plot")
    assert (ended.code, ended.stdout) == (2, "")
    assert part in ended.sentence
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("flag", ["--run-dir", "--plot-dir"])
@pytest.mark.parametrize("below", ["", "deeper/still"])
def test_a_folder_that_cannot_be_made_exits_2_before_loading_data(train, tmp_path, flag, below):
    (tmp_path / "file").write_text("kept")
    ended = train(tmp_path, flag, tmp_path / "file" / below, "--data-dir", tmp_path / "nowhere")
    assert ended.code == 2
    assert str(tmp_path / "file") in ended.sentence
    assert (tmp_path / "file").read_text() == "kept"
    assert list(tmp_path.glob("runs/*")) == []


@pytest.mark.parametrize(
    ("edited", "part"),
    [
        ({key: config[key] for key in config if key != "batch_size"}, "config has no 'batch_size'"),
        (config | {"batchsize": 10}, "did you mean batch_size?"),
        (config | {"colour": 1}, "colour is not a setting"),
    ],
)
def test_config_as_people_edit_it_is_refused_by_name(train, tmp_path, monkeypatch, edited, part):
    monkeypatch.setattr(run_mlp, "config", edited)
    ended = train(tmp_path, "--no-plot")
    assert ended.code == 2
    assert part in ended.sentence


def test_more_threads_than_cores_is_a_warning(train, tmp_path):
    ended = train(tmp_path, "--threads", 9999, "--max-epoch", 1, "--no-plot", "--quiet")
    assert ended.code == 0
    assert "threads is 9999, but" in ended.sentence


def test_a_name_has_a_bound(train, small_data, tmp_path):
    long = shutil.copytree(small_data, tmp_path / ("☂" * 60))
    ended = train(tmp_path, "--max-epoch", 1, "--quiet", "--hidden", *[7] * 90, "--data-dir", long)
    assert ended.code == 0, ended.stderr
    assert len(os.fsencode(only(tmp_path / "plots").name)) <= 160


# ---- exit 3: bad data


def test_bad_data_exits_3_and_leaves_no_run_behind(train, tmp_path):
    broken = write_set(tmp_path / "data", small_set())
    path = broken / (NAMES["test_images"] + ".gz")
    path.write_bytes(path.read_bytes()[:-9])
    for folder, named in ((broken, path), (tmp_path / "nowhere", tmp_path / "nowhere")):
        ended = train(tmp_path, "--data-dir", folder)
        assert ended.code == 3
        assert str(named) in ended.sentence
        assert [*tmp_path.glob("runs/*"), *tmp_path.glob("plots/*")] == []


def test_labels_from_1_are_numbered_in_order_and_a_line_says_so(train, tmp_path):
    folder = write_set(tmp_path / "letters", small_set(classes=range(1, 6)))
    ended = train(tmp_path, "--data-dir", folder, "--no-plot", "--max-epoch", 1)
    assert ended.code == 0, ended.stderr
    assert "labels 1 to 5 are numbered in order" in ended.sentence


# ---- exit 4: divergence


@pytest.fixture(scope="session")
def diverged(train, tmp_path_factory):
    place = tmp_path_factory.mktemp("diverged")
    return place, train(place, "-l", "Euclidean", "-lr", "1e6", "--disp-freq", 3)


def test_divergence_exits_4_says_when_and_why_and_keeps_curves_and_finite_weights(diverged):
    place, ended = diverged
    assert ended.code == 4
    assert "epoch 1" in ended.sentence
    assert "learning rate 1e+06 is too high: try -lr 0.01" in ended.sentence
    folder = only(place / "runs")
    assert_sound(folder)
    assert not np.isfinite(read_metrics(folder / "metrics.csv")[-1].loss)
    assert_picture(place / "plots" / f"{folder.name}.png")


def test_divergence_in_the_last_step_of_an_epoch_that_is_not_evaluated_keeps_finite_weights(train, tmp_path):
    # One step an epoch: the loss of epoch 1 is that before its update, which overflows.
    flags = ["-l", "Euclidean", "-lr", "1e39", "-b", 205, "--test-epoch", 5, "--no-plot"]
    assert train(tmp_path, *flags).code == 4
    assert_sound(only(tmp_path / "runs"))


def test_running_statistics_that_overflow_under_a_finite_loss_exit_4_and_are_named(train, tmp_path):
    # Sigmoid hides the overflow from the loss; one step an epoch, so that infinity does not become nan.
    flags = ["-a", "Sigmoid", "--hidden", 1, "--batch-norm", "--init-std", "1e20", "-b", 205]
    ended = train(tmp_path, *flags, "--no-plot")
    assert ended.code == 4, ended.stderr
    assert "in the running statistics of bn1" in ended.sentence
    assert "init_std is 1e+20: try --init xavier" in ended.sentence
    assert np.isfinite(Network.load(only(tmp_path / "runs") / "model.npz").state).all()


def test_a_loss_that_is_infinite_before_training_exits_4_with_a_sentence(train, tmp_path):
    ended = train(tmp_path, "-l", "Euclidean", "--init-std", "1e30")
    assert ended.code == 4, ended.stderr
    assert "epoch 0" in ended.sentence
    assert "0 steps\n" in ended.stdout  # and no time for each
    folder = only(tmp_path / "runs")
    assert (folder / "metrics.csv").read_text().startswith(HEADER + "\ntest,0,0,")
    assert_complete_picture(tmp_path / "plots" / f"{folder.name}.png")


# ---- Ctrl-C, terminals, pipes


@posix
def test_ctrl_c_exits_130_and_keeps_model_and_curves(start, environment, tmp_path):
    process = start(tmp_path, "--max-epoch", 1_000_000, env=environment)
    stop = threading.Timer(TIMEOUT, process.kill)
    stop.start()
    try:
        seen = 0
        for line in process.stdout:
            seen += "Training iter" in line
            if seen == 3:
                process.send_signal(signal.SIGINT)
                break
        output, errors = process.communicate()
    finally:
        stop.cancel()
        process.kill()
    assert process.returncode == 130, errors
    assert errors.count("\n") == 1
    assert "interrupted in epoch" in errors
    folder = only(tmp_path / "runs")
    assert_sound(folder)
    assert_complete_picture(tmp_path / "plots" / f"{folder.name}.png")
    assert output.splitlines()[-3].startswith("test accuracy")


def test_a_line_of_progress_reaches_a_pipe_at_once(command, tmp_path):
    (tmp_path / "killed.py").write_text("import os\nfrom utils import LOG_INFO\nLOG_INFO('hello')\nos._exit(0)\n")
    assert command(script=tmp_path / "killed.py", PYTHONPATH=str(ROOT)).stdout.endswith(" hello\n")


def test_output_in_a_narrow_encoding_does_not_end_a_run(command, where, tmp_path):
    ended = command(*where(tmp_path), "--max-epoch", 1, "--no-plot", PYTHONIOENCODING="ascii")
    assert ended.code == 0, ended.stderr
    assert len(ended.stdout.splitlines()) >= 4


# ---- pictures, and what is imported when


def test_a_picture_that_is_there_already_is_not_overwritten(train, tmp_path):
    flags = ["--max-epoch", 1, "--quiet"]
    assert train(tmp_path, *flags, "--no-plot").code == 0
    name = only(tmp_path / "runs").name
    shutil.rmtree(tmp_path / "runs")
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots" / f"{name}.png").write_bytes(b"of another run")
    assert train(tmp_path, *flags).code == 0
    assert (tmp_path / "plots" / f"{name}.png").read_bytes() == b"of another run"
    assert only(tmp_path / "runs").name == f"{name}-2"


def test_a_probe_is_drawn_beside_the_curves_and_again_after_a_resume(train, tmp_path):
    ended = train(tmp_path, "--max-epoch", 2, "--quiet", "--probe", 0, 1)
    folder = only(tmp_path / "runs")
    made, gradients = (tmp_path / "plots" / f"{folder.name}{end}.png" for end in ("", "_gradients"))
    assert ended.code == 0 and str(gradients) in ended.stdout
    assert_picture(gradients)
    before = gradients.read_bytes()
    again = ["--resume", folder, "--max-epoch", 3, "--quiet", "--plot-dir", tmp_path / "plots"]
    assert run_here(run_mlp.main, *again, "--probe", 3).code == 0
    assert sorted((tmp_path / "plots").iterdir()) == [made, gradients]
    assert gradients.read_bytes() != before
    copied, other = shutil.copytree(folder, tmp_path / "copy" / folder.name), tmp_path / "none"
    other.mkdir()
    (other / gradients.name).write_bytes(b"of another run")
    more = ["--max-epoch", 4, "--quiet", "--plot-dir", other]
    assert run_here(run_mlp.main, "--resume", copied, *more).code == 0
    assert (other / gradients.name).read_bytes() == b"of another run"
    assert_complete_picture(other / f"{folder.name}_gradients-2.png")
    train(tmp_path / "unseen", "--max-epoch", 1, "--probe", 0, "--no-plot")
    assert not (tmp_path / "unseen" / "plots").exists()


@pytest.fixture
def without(tmp_path):
    """A folder for PYTHONPATH in which this module cannot be imported."""

    def shim(module):
        (tmp_path / f"{module}.py").write_text(f"raise ImportError('No module named {module}')")
        return str(tmp_path)

    return shim


def test_without_numpy_a_sentence_says_how_to_get_it(command, without):
    ended = command(PYTHONPATH=without("numpy"))
    assert ended.code == 1
    assert "pip install -r requirements.txt" in ended.sentence


def test_matplotlib_is_imported_for_drawing_alone(command, where, without, tmp_path):
    blocked = without("matplotlib")
    ended = command(*where(tmp_path / "a"), "--max-epoch", 1, "--no-plot", PYTHONPATH=blocked)
    assert ended.code == 0, ended.stderr
    ended = command(*where(tmp_path / "b"), "--max-epoch", 1, PYTHONPATH=blocked)
    assert ended.code == 1
    assert "matplotlib" in ended.sentence
    assert_sound(only(tmp_path / "b" / "runs"))


@pytest.mark.parametrize("trouble", ["a backend that is not installed, TeX", "a file in another encoding"])
def test_the_picture_does_not_look_at_the_users_matplotlib(command, where, tmp_path, trouble):
    """Where matplotlib itself refuses to load, the numbers are printed all the same."""
    more = {"MPLBACKEND": "module://nowhere.backend"} if "TeX" in trouble else {}
    (tmp_path / "matplotlibrc").write_bytes(b"text.usetex: True\n" if "TeX" in trouble else b"# \xff\n")
    flags = [*where(tmp_path), "--max-epoch", 1, "--quiet"]
    ended = command(*flags, MATPLOTLIBRC=str(tmp_path / "matplotlibrc"), **more)
    assert ended.stdout.startswith("test accuracy")
    if "TeX" in trouble:
        assert (ended.code, ended.stderr) == (0, "")
        assert_picture(only(tmp_path / "plots"))
    else:
        assert ended.code == 1
        assert "no picture was drawn" in ended.stderr and "Traceback" not in ended.stderr


def test_from_a_notebook_train_returns_rows_and_network_and_draw_a_figure(command, small_data, tmp_path):
    script = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from run_mlp import train
records, network = train({{"max_epoch": 2, "hidden": [8], "data_dir": {str(small_data)!r}}})
assert [(r.split, r.epoch) for r in records if r.split == "test"] == [("test", 0), ("test", 1), ("test", 2)]
assert [layer.W.shape for layer in network.layers if layer.trainable] == [(30, 8), (8, 4)]
assert "matplotlib" not in sys.modules
import matplotlib
before = matplotlib.rcParams.copy()  # reading an entry may choose a backend
from curves import Curve, draw
figure = draw([Curve("mine", [records])])
assert type(figure).__name__ == "Figure"
assert [panel.get_ylabel() for panel in figure.axes] == ["loss", "accuracy, % (axis logarithmic in the error)"]
assert figure.get_suptitle() == f"mine: {{100 * records[-1].accuracy:.2f}} % on the test set"
entries = [[text.get_text() for text in panel.get_legend().get_texts()] for panel in figure.axes]
assert entries[0][1] == f"test set, final {{records[-1].loss:.4f}}"
assert entries[1][1] == f"test set, final {{100 * records[-1].accuracy:.2f}} %"
assert len(figure.axes[0].lines[1].get_xdata()) == 3
assert matplotlib.rcParams.copy() == before
assert "matplotlib.pyplot" not in sys.modules
"""
    (tmp_path / "notebook.py").write_text(script, encoding="utf-8")
    assert command(script=tmp_path / "notebook.py", cwd=tmp_path, MPLBACKEND="agg") == Ended(0, "", "")
    assert [path.name for path in tmp_path.iterdir()] == ["notebook.py"]


# ---- curves.py


def test_curves_overlays_runs_in_one_picture(command, dry_folder, diverged, tmp_path):
    folders = [dry_folder, only(diverged[0] / "runs")]
    picture = tmp_path / "new folder" / "vergleich ä.png"
    ended = command(*folders, "-o", picture, script=ROOT / "curves.py", cwd=tmp_path)
    assert (ended.code, ended.stderr) == (0, "")
    assert str(picture) in ended.stdout
    assert_picture(picture)


def test_curves_of_many_draws_what_can_be_drawn_and_names_what_it_left_out(dry_folder, tmp_path):
    runs = tmp_path / "runs"
    shutil.copytree(dry_folder, runs / "a $^$ name")
    for name, content in (("dry-run", None), ("begun", HEADER), ("first epoch", f"{HEADER}\ntest,0,0,2.3,0.1,0.0")):
        (runs / name).mkdir()
        if content:
            (runs / name / "metrics.csv").write_text(content + "\n")
    for paths in ([*runs.iterdir()], [runs / "*"]):  # as cmd and PowerShell hand it on
        ended = draw(*paths, "-o", tmp_path / "a.png")
        assert ended.code == 0, ended.stderr
        assert ended.stderr.count("left out") == 2
        assert "dry-run" in ended.stderr and "begun" in ended.stderr
        assert_picture(tmp_path / "a.png")


@pytest.mark.parametrize("output", ["", ".", "/", "a.jpg", "no_such_name"])
def test_an_output_that_is_no_picture_is_refused(dry_folder, tmp_path, monkeypatch, output):
    monkeypatch.chdir(tmp_path)
    ended = draw(dry_folder, "-o", output)
    assert ended.code == 2
    assert f"curves.py: --output is {output!r}" in ended.sentence


def test_an_output_is_a_pdf_or_svg_where_its_name_says_so(dry_folder, tmp_path):
    for name, begins in (("a.pdf", b"%PDF"), ("b.SVG", b"<?xml")):
        assert draw(dry_folder, "-o", tmp_path / name).code == 0
        assert (tmp_path / name).read_bytes().startswith(begins)


def test_a_file_that_is_no_picture_is_not_overwritten(dry_folder, tmp_path):
    for name in ("NOTES", "n.txt"):
        (tmp_path / name).write_text("kept")
        ended = draw(dry_folder, "-o", tmp_path / name)
        assert ended.code == 2 and "--output is" in ended.sentence
        assert (tmp_path / name).read_text() == "kept"


@posix
def test_a_link_a_device_and_a_pipe_are_written_into_and_not_replaced(dry_folder, tmp_path):
    (tmp_path / "link.png").symlink_to(tmp_path / "target.png")
    os.mkfifo(tmp_path / "pipe")
    read = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    for output in (tmp_path / "link.png", tmp_path / "pipe", "/dev/null"):
        assert draw(dry_folder, "-o", output).code == 0
    reader.join()
    assert (tmp_path / "link.png").is_symlink()
    assert_complete_picture(tmp_path / "target.png")
    assert read[0].startswith(b"\x89PNG")
    assert not Path("/dev/null").is_file()


def test_curves_of_a_missing_run_exits_2_with_a_sentence(dry_folder, tmp_path):
    ended = draw(dry_folder, tmp_path / "none", "-o", tmp_path / "a.png")
    assert ended.code == 2
    assert str(tmp_path / "none") in ended.sentence
    assert not (tmp_path / "a.png").exists()


BROKEN = {
    "empty": b"",
    "header": b"a,b\n",
    "no rows": f"{HEADER}\n".encode(),
    "word": f"{HEADER}\ntest,0,0,much,0.1,0\n".encode(),
    "short row": f"{HEADER}\ntest,0,0\n".encode(),
    "split": f"{HEADER}\nvalidation,0,0,1,0.1,0\n".encode(),
    "not text": b"\xff\xfe\0\x01",
    "endless word": f"{HEADER}\ntest,0,0,{'x' * 200_000},1,0\n".encode(),
}


@pytest.mark.parametrize("what", BROKEN)
def test_curves_of_a_broken_metrics_csv_ends_with_a_sentence(tmp_path, what):
    (tmp_path / "metrics.csv").write_bytes(BROKEN[what])
    ended = draw(tmp_path, "-o", tmp_path / "a.png")
    assert ended.code in (2, 3)
    assert str(tmp_path / "metrics.csv") in ended.sentence
    assert not (tmp_path / "a.png").exists()
