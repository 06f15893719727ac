"""What must hold of a run's folder after a fault: every file whole, and after a resume the bits of a quiet run."""

import json
from pathlib import Path


def only(folder: Path) -> Path:
    """The one entry of a folder that is not hidden."""
    (entry,) = (path for path in folder.iterdir() if not path.name.startswith("."))
    return entry


def assert_sound(folder: Path) -> None:
    """Every file of a run that has a name is whole: its own loader takes it."""
    from network import Network
    from run_mlp import config
    from training.checkpoint import Checkpoint
    from training.settings import read_config
    from utils import read_metrics

    for path in folder.iterdir():
        if path.name == "model.npz":
            Network.load(path)
        elif path.name == "checkpoint.npz":
            Checkpoint.load(path)
        elif path.name == "config.json":
            read_config(path, config)
        elif path.name == "metrics.csv":
            read_metrics(path)
            assert path.read_bytes().endswith(b"\n")
        elif path.name == "probe.csv":
            header, *rows = path.read_text().split("\n")
            assert rows.pop() == "" and all(row.count(",") == header.count(",") for row in rows)
        else:
            assert path.name.startswith("."), path


def assert_whole_picture(path: Path) -> None:
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n") and content.endswith(b"IEND\xaeB`\x82")


def state(folder: Path) -> dict:
    """All that a run leaves and a resumed run must leave too: everything but the seconds and the machine."""
    import numpy as np

    def without_seconds(text: str) -> list[str]:
        return [line.rpartition(",")[0] for line in text.splitlines()]

    found = {"settings": json.loads((folder / "config.json").read_text())["settings"]}
    found["metrics"] = without_seconds((folder / "metrics.csv").read_text())
    if (folder / "probe.csv").exists():
        found["probe"] = (folder / "probe.csv").read_text()
    for name in ("model", "checkpoint"):
        with np.load(folder / f"{name}.npz") as file:
            found[name] = {key: file[key] for key in file.files}
    found["checkpoint"]["metrics"] = without_seconds(found["checkpoint"]["metrics"].tobytes().decode())
    for arrays in (found["model"], found["checkpoint"]):
        arrays |= {key: (value.dtype.str, value.tobytes()) for key, value in arrays.items() if key != "metrics"}
    return found


def assert_same(folder: Path, reference: Path) -> None:
    """Bit for bit."""
    one, other = state(folder), state(reference)
    assert one.keys() == other.keys()
    for key in one:
        assert one[key] == other[key], f"{key} of {folder} and {reference} differ"


def contents(*places: Path) -> dict[Path, bytes]:
    """Every file below these folders: what was finished earlier, to be compared afterwards."""
    return {path: path.read_bytes() for place in places for path in place.rglob("*") if path.is_file()}
