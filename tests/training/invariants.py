"""What must hold of a run's folder after a fault: every file complete, and after a resume the bits of a quiet run."""

import json
from pathlib import Path

import numpy as np

from network import Network
from training.checkpoint import load_checkpoint
from training.metrics import read_metrics
from training.settings import read_config


def only(folder: Path) -> Path:
    """The one entry of a folder that is not hidden."""
    (entry,) = (path for path in folder.iterdir() if not path.name.startswith("."))
    return entry


def assert_sound(folder: Path) -> None:
    """Every file of a run that has a name is complete: its own loader takes it."""
    loaders = {"model.npz": Network.load, "checkpoint.npz": load_checkpoint, "config.json": read_config}
    for path in folder.iterdir():
        if path.name in loaders:
            loaders[path.name](path)
        elif path.name == "metrics.csv":
            read_metrics(path)
            assert path.read_bytes().endswith(b"\n")
        elif path.name == "probe.csv":
            header, *rows = path.read_text().split("\n")
            assert rows.pop() == "" and all(row.count(",") == header.count(",") for row in rows)
        else:
            assert path.name.startswith("."), path


def assert_complete_picture(path: Path) -> None:
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n") and content.endswith(b"IEND\xaeB`\x82")


def state(folder: Path) -> dict:
    """All that a run leaves and a resumed run must leave too: everything but the seconds and the machine."""
    found = {"settings": json.loads((folder / "config.json").read_text())["settings"]}
    found["metrics"] = [
        [cell for column, cell in enumerate(line.split(",")) if column != 5]
        for line in (folder / "metrics.csv").read_text().splitlines()
    ]
    if (folder / "probe.csv").exists():
        found["probe"] = (folder / "probe.csv").read_text()
    for name in ("model", "checkpoint"):
        with np.load(folder / f"{name}.npz") as file:
            found[name] = {key: (file[key].dtype.str, file[key].tobytes()) for key in file.files if key != "state"}
            if name == "checkpoint":
                found["state"] = json.loads(str(file["state"])) | {"seconds": None}
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
