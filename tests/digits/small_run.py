"""A small network, trained by the command in two seconds; and digits drawn by hand."""

import subprocess
import sys
from pathlib import Path

from PIL import Image, ImageDraw

ROOT = Path(__file__).resolve().parents[2]
FLAGS = ["--quiet", "--no-plot", "--max-epoch", "3", "-lr", "0.1", "-b", "20", "--threads", "1"]

# Strokes in a square of 100: polylines, as a hand would draw them.
STROKES = {
    0: [[(50, 12), (30, 28), (26, 52), (34, 78), (52, 88), (70, 76), (76, 48), (68, 24), (50, 12)]],
    1: [[(54, 10), (50, 50), (46, 90)]],
    2: [[(28, 30), (40, 14), (60, 14), (70, 30), (60, 50), (26, 86)], [(26, 86), (76, 84)]],
    3: [[(30, 18), (60, 14), (68, 28), (46, 46)], [(46, 46), (70, 58), (68, 78), (48, 88), (28, 80)]],
    4: [[(34, 12), (28, 50), (74, 50)], [(66, 20), (62, 90)]],
    5: [[(70, 14), (38, 14)], [(38, 14), (34, 46), (58, 44), (70, 60), (62, 82), (42, 88), (28, 78)]],
    6: [[(62, 10), (40, 34), (30, 62), (38, 84), (58, 86), (68, 70), (58, 56), (36, 62)]],
    7: [[(26, 16), (74, 16), (56, 50), (44, 90)]],
    8: [[(54, 12), (36, 22), (42, 42), (62, 58), (64, 78), (48, 88), (34, 76), (42, 56), (62, 40), (66, 22), (54, 12)]],
    9: [[(66, 24), (48, 14), (34, 28), (42, 46), (62, 42), (68, 22)], [(68, 22), (64, 56), (56, 90)]],
}


def train_small(folder: Path, *flags: str) -> Path:
    """Train into this folder and return the run's."""
    command = [sys.executable, str(ROOT / "run_mlp.py"), *FLAGS, *flags, "--run-dir", str(folder)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return next(path.parent for path in folder.glob("*/model.npz"))


def drawn(digit: int, size: int = 300, paper="white", ink="black", pen: float = 0.09) -> Image.Image:
    """A digit on paper, with a round pen."""
    image = Image.new("RGBA", (size, size), paper)
    draw, radius = ImageDraw.Draw(image), pen * size / 2
    for stroke in STROKES[digit]:
        points = [(x * size / 100, y * size / 100) for x, y in stroke]
        draw.line(points, fill=ink, width=round(2 * radius))
        for x, y in points:
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=ink)
    return image
