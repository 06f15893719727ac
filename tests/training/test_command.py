"""run_mlp.py and curves.py as real processes: what they print, what they leave, and how they end."""

import csv
import json
import os
import platform
import re
import shutil
import signal
import struct
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from helpers import without_diagnosis
from idx_files import NAMES, small_set, write_set
from threadpoolctl import threadpool_info

from load_data import load_dataset
from network import Network
from run_mlp import config
from training.flags import EXAMPLES, parse
from training.metrics import read_metrics
from training.settings import DEFAULTS, resolve

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 120
HEADER = "split,epoch,iteration,loss,accuracy,seconds,learning_rate"
posix = pytest.mark.skipif(os.name == "nt", reason="signals and terminals as POSIX has them")


@pytest.fixture(scope="session")
def environment(tmp_path_factory):
    """For every process: one font cache, made once; text in UTF-8."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return kept | {"MPLCONFIGDIR": str(tmp_path_factory.mktemp("fonts")), "PYTHONIOENCODING": "utf-8"}


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    return write_set(tmp_path_factory.mktemp("data") / "dätä sét", small_set())


@pytest.fixture(scope="session")
def command(environment):
    """Runs one of the commands to its end."""

    def run(*arguments, script=ROOT / "run_mlp.py", cwd=None, **more):
        process = subprocess.run(
            [sys.executable, str(script), *map(str, arguments)],
            cwd=cwd,
            env=environment | more,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=TIMEOUT,
        )
        process.stderr = without_diagnosis(process.stderr)
        return process

    return run


@pytest.fixture(scope="session")
def train(command, data):
    """Runs run_mlp.py on the small set, into two folders of `place`."""

    def run(place, *arguments, **more):
        where = ["--data-dir", data, "--run-dir", place / "runs", "--plot-dir", place / "plots"]
        return command(*where, *arguments, **more)

    return run


def only(folder: Path) -> Path:
    (entry,) = folder.iterdir()
    return entry


def settings_of(folder: Path) -> dict:
    return json.loads((folder / "config.json").read_text(encoding="utf-8"))["settings"]


def sentence(process, start: str = "run_mlp.py: ") -> str:
    """What is on stderr, which must be a single line of ours."""
    assert "Traceback" not in process.stderr, process.stderr
    assert process.stderr.count("\n") == 1, process.stderr
    assert process.stderr.startswith(start)
    return process.stderr


def assert_picture(path: Path) -> None:
    """A whole PNG, at least 1600 pixels wide, with something on it."""
    from matplotlib.image import imread

    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    pixels = imread(path)
    assert pixels.shape[1] >= 1600
    assert pixels[..., :3].std() > 0.01


def assert_sound(folder: Path) -> Network:
    """A run's folder that was ended early: curves and model are whole."""
    assert (folder / "metrics.csv").read_text().splitlines()[0] == HEADER
    assert len(read_metrics(folder / "metrics.csv")) > 1
    model = Network.load(folder / "model.npz")
    assert np.isfinite(model.params).all()
    return model


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
    assert first.returncode == 0, first.stderr
    assert first.stderr == ""
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
    assert [tuple(row[:3]) for row in cells] == [
        ("test", "0", "0"),
        ("train", "1", "50"),
        ("test", "1", "50"),
        ("train", "2", "100"),
        ("test", "2", "100"),
    ]
    seconds = [float(row[5]) for row in cells]
    assert seconds == sorted(seconds)
    for row in cells:
        assert 0 < float(row[3]) < 2.5
        assert 0 <= float(row[4]) <= 1
    assert float(cells[0][3]) == pytest.approx(np.log(10), abs=0.05)
    assert float(cells[-1][3]) < float(cells[0][3])


def test_model_npz_is_the_trained_network(dry_folder):
    model = assert_sound(dry_folder)
    assert [array.shape for layer in model.layers if layer.trainable for array in (layer.W, layer.b)] == [
        (784, 100),
        (100,),
        (100, 10),
        (10,),
    ]
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
    assert second.returncode == 0, second.stderr
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


@pytest.fixture(scope="session")
def flagged(train, tmp_path_factory):
    place = tmp_path_factory.mktemp("flags")
    spellings = [(flags + " " + MORE).split() for flags in ALL_FLAGS]
    spellings[2] = [part.replace("-", "_").replace("__", "--", 1) for part in spellings[2]]
    return place, [train(place, "--no-plot", *flags, cwd=place) for flags in spellings]


def test_short_long_and_assignment_flags_say_the_same(flagged, data):
    place, processes = flagged
    expected = DEFAULTS | {
        "learning_rate": 0.05,
        "weight_decay": 0.001,
        "momentum": 0.5,
        "batch_size": 20,
        "max_epoch": 3,
        "disp_freq": 4,
        "test_epoch": 2,
        "hidden": [100, 100],
        "activation": "Gelu",
        "loss": "HingeLoss",
        "margin": 2.0,
        "init_std": 0.1,
        "seed": 3,
        "data_dir": str(data),
        "threads": 1,
    }
    assert [process.returncode for process in processes] == [0, 0, 0], [process.stderr for process in processes]
    folders = list((place / "runs").iterdir())
    assert [settings_of(folder) for folder in folders] == [expected] * 3


def test_last_window_and_last_epoch_are_never_left_out(flagged):
    rows = read_metrics(next((flagged[0] / "runs").iterdir()) / "metrics.csv")
    # 205 samples in batches of 20 are 11 steps; a point is 4 steps; every second epoch is evaluated, and the last.
    windows = [(epoch, (epoch - 1) * 11 + step) for epoch in (1, 2, 3) for step in (4, 8, 11)]
    assert [(row.epoch, row.iteration) for row in rows if row.split == "train"] == windows
    assert [(row.epoch, row.iteration) for row in rows if row.split == "test"] == [(0, 0), (2, 22), (3, 33)]


def test_no_plot_leaves_no_picture_and_says_so_in_no_line(flagged):
    place, processes = flagged
    assert not (place / "plots").exists()
    assert all(".png" not in process.stdout for process in processes)


def test_hidden_gives_any_widths(train, tmp_path):
    process = train(tmp_path, "--hidden", 30, 20, "--max-epoch", 1, "--no-plot", "--quiet")
    assert process.returncode == 0, process.stderr
    folder = only(tmp_path / "runs")
    assert settings_of(folder)["hidden"] == [30, 20]
    shapes = [layer.W.shape for layer in Network.load(folder / "model.npz").layers if layer.trainable]
    assert shapes == [(30, 30), (30, 20), (20, 4)]


@pytest.mark.parametrize("flags", [["-n", 0], ["-n", 0, "-a", "None"], ["--hidden"]])
def test_no_hidden_layer_is_a_single_linear_one(train, tmp_path, flags):
    process = train(tmp_path, *flags, "-l", "Euclidean", "--max-epoch", 1, "--no-plot", "--quiet")
    assert process.returncode == 0, process.stderr
    folder = only(tmp_path / "runs")
    assert folder.name.startswith("0_None_EuclideanLoss_")
    assert len(Network.load(folder / "model.npz").layers) == 1


def test_quiet_prints_the_summary_alone(train, tmp_path):
    process = train(tmp_path, "--max-epoch", 1, "--quiet", "--no-plot")
    assert process.returncode == 0
    assert process.stderr == ""
    assert [line.split()[0] for line in process.stdout.splitlines()] == ["test", "time", "run"]


def test_help_shows_examples_that_the_parser_takes(command):
    process = command("--help", cwd=ROOT)
    assert (process.returncode, process.stderr) == (0, "")
    assert EXAMPLES in process.stdout
    examples = re.findall(r"^  python run_mlp.py(.*?)  +(.*)$", EXAMPLES, re.MULTILINE)
    assert len(examples) >= 3
    for flags, result in examples:
        resolve(config, parse(flags.split(), config)[0])
        assert re.match(r"\d+ s\b", result)
    for key in config:
        assert "--" + key.replace("_", "-") in process.stdout


# ---- from a copy of the project, with an edited dict, in a folder with a space and other letters


@pytest.fixture(scope="session")
def copy(tmp_path_factory, data):
    place = tmp_path_factory.mktemp("copy") / "mein pröjekt 数字"
    place.mkdir()
    for path in ROOT.glob("*.py"):
        shutil.copy(path, place)
    shutil.copytree(ROOT / "training", place / "training", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(data, place / "data")
    text = (place / "run_mlp.py").read_text(encoding="utf-8")
    for old, new in [('"learning_rate": 1e-2', '"learning_rate": 0.5'), ('"max_epoch": 50', '"max_epoch": 3')]:
        assert old in text
        text = text.replace(old, new)
    (place / "run_mlp.py").write_text(text, encoding="utf-8")
    return place


def test_a_flag_beats_the_dict_and_output_goes_to_the_projects_folder(command, copy, tmp_path):
    process = command("--max-epoch", 2, "-b", 50, script=copy / "run_mlp.py", cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    folder = only(copy / "runs")
    saved = settings_of(folder)
    assert (saved["max_epoch"], saved["batch_size"], saved["learning_rate"]) == (2, 50, 0.5)
    assert_picture(copy / "plots" / f"{folder.name}.png")
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_goes_to_runs_dry_run_unless_told_otherwise(command, copy, tmp_path):
    shutil.rmtree(copy / "runs", ignore_errors=True)
    process = command("--dry-run", "--no-plot", script=Path("run_mlp.py"), cwd=copy)
    assert process.returncode == 0, process.stderr
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
    (["-lr", "-0.1"], "learning_rate is -0.1"),
    (["-lr", "nan"], "learning_rate is nan"),
    (["-lr", "inf"], "learning_rate is inf"),
    (["-w", "-1"], "weight_decay is -1"),
    (["--momentum", "1"], "momentum is 1"),
    (["-l", "Huber"], "loss is 'Huber'"),
    (["-a", "Tanh"], "activation is 'Tanh'"),
    (["--no-such-flag"], "--no-such-flag"),
    (["--learn", "0.1"], "--learn"),
    (["-n", "2", "--hidden", "30"], "not allowed with"),
    (["-n", "-1"], "hidden_layers_num is -1"),
    (["--hidden", "30", "0"], "hidden is [30, 0]"),
    (["-n", "0", "-a", "Relu"], "activation Relu"),
    (["-n", "1", "-a", "None"], "activation None"),
    (["--max-epoch", "0"], "max_epoch is 0"),
    (["--threads", "many"], "auto"),
]


@pytest.mark.parametrize(("flags", "part"), WRONG, ids=[" ".join(flags) for flags, _ in WRONG])
def test_wrong_usage_exits_2_with_one_sentence_before_loading_data(command, tmp_path, flags, part):
    process = command(*flags, "--data-dir", tmp_path / "nowhere", "--run-dir", tmp_path / "runs", "--no-plot")
    assert process.returncode == 2
    assert part in sentence(process)
    assert process.stdout == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("flag", ["--run-dir", "--plot-dir"])
@pytest.mark.parametrize("below", ["", "deeper/still"])
def test_a_folder_that_cannot_be_made_exits_2_before_loading_data(command, tmp_path, flag, below):
    (tmp_path / "file").write_text("kept")
    folders = {"--run-dir": tmp_path / "runs", "--plot-dir": tmp_path / "plots", flag: tmp_path / "file" / below}
    where = [part for item in folders.items() for part in item]
    process = command(*where, "--data-dir", tmp_path / "nowhere")
    assert process.returncode == 2
    assert str(tmp_path / "file") in sentence(process)
    assert (tmp_path / "file").read_text() == "kept"
    assert list(tmp_path.glob("runs/*")) == []


def test_config_as_people_edit_it_is_refused_by_name(command, copy, tmp_path):
    text = (copy / "run_mlp.py").read_text(encoding="utf-8")
    for old, new, part in [
        ('    "batch_size": 10,\n', "", "config has no 'batch_size'"),
        ('"batch_size": 10', '"batchsize": 10', "did you mean batch_size?"),
        ('    "seed": 0,\n', '    "seed": 0,\n    "colour": 1,\n', "colour is not a setting"),
    ]:
        assert old in text
        (copy / "edited.py").write_text(text.replace(old, new), encoding="utf-8")
        process = command("--run-dir", tmp_path / "runs", "--no-plot", script=copy / "edited.py")
        assert process.returncode == 2
        assert part in sentence(process, "edited.py: ")


def test_more_threads_than_cores_is_a_warning(train, tmp_path):
    process = train(tmp_path, "--threads", 9999, "--max-epoch", 1, "--no-plot", "--quiet")
    assert process.returncode == 0
    assert "threads is 9999, but" in sentence(process)


def test_a_name_has_a_bound(train, data, tmp_path):
    long = shutil.copytree(data, tmp_path / ("☂" * 60))
    process = train(tmp_path, "--max-epoch", 1, "--quiet", "--hidden", *[7] * 90, "--data-dir", long)
    assert process.returncode == 0, process.stderr
    assert len(os.fsencode(only(tmp_path / "plots").name)) <= 160


# ---- exit 3: bad data


def test_bad_data_exits_3_and_leaves_no_run_behind(command, tmp_path):
    broken = write_set(tmp_path / "data", small_set())
    path = broken / (NAMES["test_images"] + ".gz")
    path.write_bytes(path.read_bytes()[:-9])
    for folder, named in ((broken, path), (tmp_path / "nowhere", tmp_path / "nowhere")):
        process = command("--data-dir", folder, "--run-dir", tmp_path / "runs", "--plot-dir", tmp_path / "plots")
        assert process.returncode == 3
        assert str(named) in sentence(process)
        assert [*tmp_path.glob("runs/*"), *tmp_path.glob("plots/*")] == []


def test_labels_from_1_are_numbered_in_order_and_a_line_says_so(command, tmp_path):
    folder = write_set(tmp_path / "letters", small_set(classes=range(1, 6)))
    process = command("--data-dir", folder, "--run-dir", tmp_path / "runs", "--no-plot", "--max-epoch", 1)
    assert process.returncode == 0, process.stderr
    assert "labels 1 to 5 are numbered in order" in sentence(process)


# ---- exit 4: divergence


@pytest.fixture(scope="session")
def diverged(train, tmp_path_factory):
    place = tmp_path_factory.mktemp("diverged")
    return place, train(place, "-l", "Euclidean", "-lr", "1e6", "--disp-freq", 3)


def test_divergence_exits_4_and_says_when_at_which_rate_and_what_to_try(diverged):
    process = diverged[1]
    assert process.returncode == 4
    message = sentence(process)
    assert "epoch 1" in message
    assert "learning rate 1e+06 is too high: try -lr 0.01" in message


@pytest.mark.parametrize(
    ("flags", "advice"),
    [
        (["-l", "Hinge", "--margin", "1e38"], "the margin 1e+38 is too large: try --margin 5"),
        (["-l", "Euclidean", "--init-std", "1e30"], "init_std is 1e+30: try --init he"),
        (["-w", "1e20"], "learning rate · weight decay is 1e+18: try -w 0.0001"),
        (["-l", "Euclidean", "-lr", "1e6"], "learning rate 1e+06 is too high: try -lr 0.01"),
        (["-l", "Euclidean", "-lr", "10", "--momentum", "0.999"], "sums up 1,000 steps: try --momentum 0;"),
    ],
)
def test_the_advice_after_divergence_fits_the_cause(train, tmp_path, flags, advice):
    process = train(tmp_path, *flags, "--no-plot", "--quiet")
    assert process.returncode == 4
    assert advice in sentence(process)


def test_divergence_keeps_curves_and_finite_weights(diverged):
    folder = only(diverged[0] / "runs")
    assert_sound(folder)
    assert not np.isfinite(read_metrics(folder / "metrics.csv")[-1].loss)
    assert_picture(diverged[0] / "plots" / f"{folder.name}.png")


def test_divergence_in_the_last_step_of_an_epoch_that_is_not_evaluated_keeps_finite_weights(train, tmp_path):
    # One step an epoch: the loss of epoch 1 is that before its update, which overflows.
    flags = ["-l", "Euclidean", "-lr", "1e39", "-b", 205, "--test-epoch", 5, "--no-plot"]
    assert train(tmp_path, *flags).returncode == 4
    assert_sound(only(tmp_path / "runs"))


def test_running_statistics_that_overflow_under_a_finite_loss_exit_4_and_are_named(train, tmp_path):
    # Sigmoid hides the overflow from the loss; one step an epoch, so that infinity does not become nan.
    flags = ["-a", "Sigmoid", "--hidden", 1, "--batch-norm", "--init-std", "1e20", "-b", 205]
    process = train(tmp_path, *flags, "--no-plot")
    assert process.returncode == 4, process.stderr
    message = sentence(process)
    assert "in the running statistics of bn1" in message and "init_std is 1e+20: try --init xavier" in message
    assert np.isfinite(assert_sound(only(tmp_path / "runs")).state).all()


def test_a_loss_that_is_infinite_before_training_exits_4_with_a_sentence(train, tmp_path):
    process = train(tmp_path, "-l", "Euclidean", "--init-std", "1e30")
    assert process.returncode == 4, process.stderr
    assert "epoch 0" in sentence(process)
    assert "0 steps\n" in process.stdout  # and no time for each
    folder = only(tmp_path / "runs")
    assert (folder / "metrics.csv").read_text().startswith(HEADER + "\ntest,0,0,")
    assert_picture(tmp_path / "plots" / f"{folder.name}.png")


# ---- Ctrl-C, terminals, pipes


@posix
def test_ctrl_c_exits_130_and_keeps_model_and_curves(environment, data, tmp_path):
    where = ["--data-dir", data, "--run-dir", tmp_path / "runs", "--plot-dir", tmp_path / "plots"]
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "run_mlp.py"), *map(str, where), "--max-epoch", "1000000"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # whoever runs the tests may ignore it
    )
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
    assert_picture(tmp_path / "plots" / f"{folder.name}.png")
    assert output.splitlines()[-3].startswith("test accuracy")


def read_to_end(terminal: int) -> str:
    parts = []
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # Linux says so when the other side is closed
            break
        if not part:
            break
        parts.append(part)
    os.close(terminal)
    return b"".join(parts).decode()


@posix
def test_on_a_terminal_there_is_a_bar_on_stderr_and_no_training_line(environment, data, tmp_path):
    import fcntl
    import pty
    import termios

    (out, out_side), (err, err_side) = pty.openpty(), pty.openpty()
    fcntl.ioctl(err_side, termios.TIOCSWINSZ, struct.pack("4H", 24, 120, 0, 0))
    where = ["--data-dir", data, "--run-dir", tmp_path / "runs", "--no-plot", "--max-epoch", "2"]
    with subprocess.Popen(
        [sys.executable, str(ROOT / "run_mlp.py"), *map(str, where)],
        env=environment,
        stdout=out_side,
        stderr=err_side,
    ) as process:
        stop = threading.Timer(TIMEOUT, process.kill)
        stop.start()
        os.close(out_side)
        os.close(err_side)
        texts = {}
        readers = [
            threading.Thread(target=lambda name=name, end=end: texts.update({name: read_to_end(end)}))
            for name, end in (("out", out), ("err", err))
        ]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        process.wait()
        stop.cancel()
    assert process.returncode == 0, texts
    assert "Training" not in texts["out"]
    assert "Testing" not in texts["out"]
    assert "test accuracy" in texts["out"]
    last = re.split(r"[\r\n]+", without_diagnosis(texts["err"]).strip())[-1]
    assert "100%" in last
    assert "42/42" in last  # 205 samples in batches of 10, two epochs
    assert re.search(r"loss \d\.\d+ acc \d+\.\d+%", last)


def test_a_line_of_progress_reaches_a_pipe_at_once(command, tmp_path):
    (tmp_path / "killed.py").write_text("import os\nfrom utils import LOG_INFO\nLOG_INFO('hello')\nos._exit(0)\n")
    assert command(script=tmp_path / "killed.py", PYTHONPATH=str(ROOT)).stdout.endswith(" hello\n")


def test_output_in_a_narrow_encoding_does_not_end_a_run(train, tmp_path):
    process = train(tmp_path, "--max-epoch", 1, "--no-plot", PYTHONIOENCODING="ascii")
    assert process.returncode == 0, process.stderr
    assert len(process.stdout.splitlines()) >= 4


# ---- what is imported when


@pytest.fixture(scope="session")
def without(tmp_path_factory):
    """A folder for PYTHONPATH in which importing this module runs this code."""

    def shim(module, code):
        folder = tmp_path_factory.mktemp("shim")
        (folder / f"{module}.py").write_text(code)
        return str(folder)

    return shim


def test_a_picture_that_is_there_already_is_not_overwritten(train, tmp_path):
    flags = ["--max-epoch", 1, "--quiet"]
    assert train(tmp_path, *flags).returncode == 0
    name = only(tmp_path / "runs").name
    shutil.rmtree(tmp_path / "runs")
    (tmp_path / "plots" / f"{name}.png").write_bytes(b"of another run")
    assert train(tmp_path, *flags).returncode == 0
    assert (tmp_path / "plots" / f"{name}.png").read_bytes() == b"of another run"
    assert only(tmp_path / "runs").name == f"{name}-2"


def test_a_probe_is_drawn_beside_the_curves_and_again_after_a_resume(train, command, tmp_path):
    process = train(tmp_path, "--max-epoch", 2, "--quiet", "--probe", 0, 1)
    folder = only(tmp_path / "runs")
    curves, gradients = (tmp_path / "plots" / f"{folder.name}{end}.png" for end in ("", "_gradients"))
    assert process.returncode == 0 and str(gradients) in process.stdout
    assert_picture(gradients)
    before = gradients.read_bytes()
    again = ["--resume", folder, "--max-epoch", 3, "--quiet", "--plot-dir", tmp_path / "plots"]
    assert command(*again, "--probe", 3).returncode == 0
    assert sorted((tmp_path / "plots").iterdir()) == [curves, gradients]
    assert gradients.read_bytes() != before
    rest = [tmp_path / "copy", tmp_path / "none"]
    shutil.copytree(folder, rest[0] / folder.name)
    (rest[1]).mkdir()
    (rest[1] / gradients.name).write_bytes(b"of another run")
    where = ["--max-epoch", 4, "--quiet", "--plot-dir", rest[1]]
    assert command("--resume", rest[0] / folder.name, *where).returncode == 0
    assert (rest[1] / gradients.name).read_bytes() == b"of another run"
    assert_picture(rest[1] / f"{folder.name}_gradients-2.png")
    train(tmp_path / "unseen", "--max-epoch", 1, "--probe", 0, "--no-plot")
    assert not (tmp_path / "unseen" / "plots").exists()


def test_without_numpy_a_sentence_says_how_to_get_it(train, without, tmp_path):
    blocked = without("numpy", "raise ImportError('No module named numpy')")
    process = train(tmp_path, PYTHONPATH=blocked)
    assert process.returncode == 1
    assert "pip install -r requirements.txt" in sentence(process)


def test_matplotlib_is_imported_for_drawing_alone(train, without, tmp_path):
    blocked = without("matplotlib", "raise ImportError('No module named matplotlib')")
    process = train(tmp_path / "a", "--max-epoch", 1, "--no-plot", PYTHONPATH=blocked)
    assert process.returncode == 0, process.stderr
    process = train(tmp_path / "b", "--max-epoch", 1, PYTHONPATH=blocked)
    assert process.returncode == 1
    assert "matplotlib" in sentence(process)
    assert_sound(only(tmp_path / "b" / "runs"))


@pytest.mark.parametrize("trouble", ["a backend that is not installed", "TeX", "a file in another encoding"])
def test_the_picture_does_not_look_at_the_users_matplotlib(train, tmp_path, trouble):
    """Where matplotlib itself refuses to load, the numbers are printed all the same."""
    more = {"MPLBACKEND": "module://nowhere.backend"} if trouble == "a backend that is not installed" else {}
    (tmp_path / "matplotlibrc").write_bytes(b"text.usetex: True\n" if trouble == "TeX" else b"# \xff\n")
    more |= {} if more else {"MATPLOTLIBRC": str(tmp_path / "matplotlibrc")}
    process = train(tmp_path, "--max-epoch", 1, "--quiet", **more)
    assert process.stdout.startswith("test accuracy")
    if trouble == "a file in another encoding":
        assert process.returncode == 1
        assert "no picture was drawn" in process.stderr and "Traceback" not in process.stderr
    else:
        assert (process.returncode, process.stderr) == (0, "")
        assert_picture(only(tmp_path / "plots"))


def test_from_a_notebook_train_returns_rows_and_network_and_draw_a_figure(command, data, tmp_path):
    script = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from run_mlp import train
records, network = train({{"max_epoch": 2, "hidden": [8], "data_dir": {str(data)!r}}})
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
    process = command(script=tmp_path / "notebook.py", cwd=tmp_path, MPLBACKEND="agg")
    assert process.stdout + process.stderr == ""
    assert process.returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["notebook.py"]


# ---- curves.py


def test_curves_overlays_runs_in_one_picture(command, dry_folder, diverged, tmp_path):
    folders = [dry_folder, only(diverged[0] / "runs")]
    picture = tmp_path / "new folder" / "vergleich ä.png"
    process = command(*folders, "-o", picture, script=ROOT / "curves.py", cwd=tmp_path)
    assert (process.returncode, process.stderr) == (0, "")
    assert str(picture) in process.stdout
    assert_picture(picture)


def test_curves_of_many_draws_what_can_be_drawn_and_names_what_it_left_out(command, dry_folder, tmp_path):
    runs = tmp_path / "runs"
    shutil.copytree(dry_folder, runs / "a $^$ name")
    (runs / "dry-run").mkdir()
    (runs / "begun").mkdir()
    (runs / "begun" / "metrics.csv").write_text(HEADER + "\n")
    (runs / "first epoch").mkdir()
    (runs / "first epoch" / "metrics.csv").write_text(HEADER + "\ntest,0,0,2.3,0.1,0.0\n")
    for paths in ([*runs.iterdir()], [str(runs / "*")]):  # as cmd and PowerShell hand it on
        process = command(*paths, "-o", tmp_path / "a.png", script=ROOT / "curves.py")
        assert process.returncode == 0, process.stderr
        assert process.stderr.count("left out") == 2 and "Traceback" not in process.stderr
        assert "dry-run" in process.stderr and "begun" in process.stderr
        assert_picture(tmp_path / "a.png")


@pytest.mark.parametrize("output", ["", ".", "/", "a.jpg", "no_such_name"])
def test_an_output_that_is_no_picture_is_refused(command, dry_folder, tmp_path, output):
    process = command(dry_folder, "-o", output, script=ROOT / "curves.py", cwd=tmp_path)
    assert process.returncode == 2
    assert f"--output is {output!r}" in sentence(process, "curves.py: ")


def test_an_output_is_a_pdf_or_svg_where_its_name_says_so(command, dry_folder, tmp_path):
    for name, begins in (("a.pdf", b"%PDF"), ("b.SVG", b"<?xml")):
        assert command(dry_folder, "-o", tmp_path / name, script=ROOT / "curves.py").returncode == 0
        assert (tmp_path / name).read_bytes().startswith(begins)


def test_a_file_that_is_no_picture_is_not_overwritten(command, dry_folder, tmp_path):
    for name in ("NOTES", "n.txt"):
        (tmp_path / name).write_text("kept")
        process = command(dry_folder, "-o", tmp_path / name, script=ROOT / "curves.py")
        assert process.returncode == 2 and "--output is" in sentence(process, "curves.py: ")
        assert (tmp_path / name).read_text() == "kept"


@posix
def test_a_link_a_device_and_a_pipe_are_written_into_and_not_replaced(command, dry_folder, tmp_path):
    (tmp_path / "link.png").symlink_to(tmp_path / "target.png")
    os.mkfifo(tmp_path / "pipe")
    read = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    for output in (tmp_path / "link.png", tmp_path / "pipe", "/dev/null"):
        assert command(dry_folder, "-o", output, script=ROOT / "curves.py").returncode == 0
    reader.join()
    assert (tmp_path / "link.png").is_symlink()
    assert_picture(tmp_path / "target.png")
    assert read[0].startswith(b"\x89PNG")
    assert not Path("/dev/null").is_file()


def test_curves_of_a_missing_run_exits_2_with_a_sentence(command, dry_folder, tmp_path):
    process = command(dry_folder, tmp_path / "none", "-o", tmp_path / "a.png", script=ROOT / "curves.py")
    assert process.returncode == 2
    assert str(tmp_path / "none") in sentence(process, "curves.py: ")
    assert not (tmp_path / "a.png").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"a,b\n",
        f"{HEADER}\n".encode(),
        f"{HEADER}\ntest,0,0,much,0.1,0\n".encode(),
        f"{HEADER}\ntest,0,0\n".encode(),
        f"{HEADER}\nvalidation,0,0,1,0.1,0\n".encode(),
        b"\xff\xfe\0\x01",
        f"{HEADER}\ntest,0,0,{'x' * 200_000},1,0\n".encode(),
    ],
    ids=["empty", "header", "no rows", "word", "short row", "split", "not text", "endless word"],
)
def test_curves_of_a_broken_metrics_csv_ends_with_a_sentence(command, tmp_path, content):
    (tmp_path / "metrics.csv").write_bytes(content)
    process = command(tmp_path, "-o", tmp_path / "a.png", script=ROOT / "curves.py")
    assert process.returncode in (2, 3)
    assert str(tmp_path / "metrics.csv") in sentence(process, "curves.py: ")
    assert not (tmp_path / "a.png").exists()
