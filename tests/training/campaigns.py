"""The campaigns of faults: each yields its injections, to be carried out one after the other.

An injection raises AssertionError if something was lost, and returns whether the fault struck: a process may have
ended before it was to be killed. tests/test_faults.py carries out a few of each, tests/training/torture.py all.
"""

import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from faults import CASES, ROOT, TIMEOUT, Ended, Trainer, leave_free, small_disk
from idx_files import small_set, write_set
from wholeness import assert_same, assert_sound, assert_whole_picture, contents, only

MANY_ROWS = ["-b", 1, "--disp-freq", 1, "--max-epoch", 2]  # metrics.csv grows over several pages of the disk
COMMAND = ["--max-epoch", 15, "-b", 30, "--momentum", 0.9, "-w", 0.001]
LARGE_FILES = ["-b", 205, "--hidden", 2000, "--max-epoch", 12]  # nearly all the time is saving: a step an epoch


FILES = re.compile(r"config\.json|metrics\.csv|checkpoint\.npz|model\.npz|\.png")


class Result(NamedTuple):
    title: str
    injected: int  # faults that struck
    lost: list[str]
    seconds: float


class Lab:
    """Places to train in, each with a finished run and its picture that must be the same bytes afterwards."""

    def __init__(self, trainer: Trainer, base: Path, seed: int = 0):
        self.trainer, self.base, self.rng = trainer, base, random.Random(seed)
        self.references, self.number, self.refused = {}, 0, set()

    def reference(self, *flags) -> Path:
        """The undisturbed run."""
        if flags not in self.references:
            place = self.base / f"reference {len(self.references)}"
            ended = self.trainer.run(place, "--quiet", *flags)
            assert ended.code == 0, ended.stderr
            self.references[flags] = only(place / "runs"), ended
        return self.references[flags][0]

    def quiet_run(self, *flags) -> Ended:
        self.reference(*flags)
        return self.references[flags][1]

    def place(self, *flags, where: Path | None = None) -> tuple[Path, Path]:
        """A place, and the folder that the next run with these flags will have in it."""
        reference = self.reference(*flags)
        self.number += 1
        place = where or self.base / f"place {self.number}"
        shutil.copytree(reference, place / "runs" / reference.name)
        shutil.copytree(reference.parent.parent / "plots", place / "plots")
        return place, place / "runs" / f"{reference.name}-2"

    def judge(self, folder: Path, flags: tuple, ended: Ended, before: dict, resume: bool = True, draw=False) -> None:
        """Nothing else was touched; every file is whole; resumed without the fault the run is the undisturbed one."""
        if ended.code > 0:
            self.refused |= set(FILES.findall(ended.sentence))
        pictures = folder.parent.parent / "plots"
        for picture in pictures.glob("*.png"):
            assert_whole_picture(picture)
        if folder.exists():
            assert_sound(folder)
            if resume:
                probes = flags[flags.index("--probe") :] if "--probe" in flags else ()
                how = ["--quiet"] if draw else ["--quiet", "--no-plot"]
                again = self.trainer.resume(folder, *how, *probes)
                assert (again.code, again.stderr) == (0, ""), again.stderr
                assert_same(folder, self.reference(*flags))
                if draw:
                    assert_whole_picture(pictures / f"{folder.name}.png")
                assert not [path for path in folder.iterdir() if path.name.startswith(".")]
        assert all(path.read_bytes() == content for path, content in before.items()), "a finished run was damaged"
        shutil.rmtree(folder.parent.parent)


def probed(case: str) -> tuple:
    return ("--max-epoch", 3, *CASES[case])


# ---- kills


def kill(lab: Lab, flags: tuple, draw: bool, begun: bool = False, **fault) -> bool:
    place, folder = lab.place(*flags)
    before = contents(place)
    how = ["--quiet"] if draw else ["--quiet", "--no-plot"]
    ended = lab.trainer.run(place, *how, *flags, **fault)
    begun = folder.exists() or not begun
    lab.judge(folder, flags, ended, before, draw=draw)
    return ended.code == -9 and begun


def killed_before_every_file_operation(lab: Lab, quick: bool) -> Iterator[Callable]:
    for case in CASES:
        operations = lab.quiet_run(*probed(case)).operations  # with a picture
        draw = case == "batches that divide"
        for at in range(7, operations + 1, 18) if quick else range(1, operations + 1):
            yield partial(kill, lab, probed(case), draw, at=at)


def kill_earlier_and_earlier(lab: Lab, kill_at: Callable, seconds: float) -> bool:
    """At a random moment of a run that takes so long; again, and earlier, if it had not begun or had ended."""
    for _ in range(50):
        if kill_at(kill_after=lab.rng.uniform(0, seconds)):
            return True
        seconds *= 0.9
    return False


def killed_while_saving(lab: Lab, quick: bool) -> Iterator[Callable]:
    lab.reference(*LARGE_FILES)
    seconds = lab.trainer.run(lab.base / "timed", "--quiet", "--no-plot", *LARGE_FILES).seconds
    for _ in range(2 if quick else 20):
        yield partial(kill_earlier_and_earlier, lab, partial(kill, lab, tuple(LARGE_FILES), False, True), seconds)


def kill_a_command(lab: Lab, reference: Path, kill_after: float) -> bool:
    """As a user would meet it: `python run_mlp.py` on images of MNIST's size, killed and resumed."""
    place = lab.base / f"command {reference.name}"
    process = subprocess.Popen(command(lab, place, *COMMAND), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(kill_after)
    process.send_signal(signal.SIGKILL)
    killed = process.wait() == -signal.SIGKILL
    begun = list(place.glob("runs/[!.]*"))
    for folder in begun:
        assert_sound(folder)
        resume = command(lab, place, "--resume", folder)
        resumed = subprocess.run(resume, capture_output=True, text=True, timeout=TIMEOUT)
        assert (resumed.returncode, resumed.stderr) == (0, ""), resumed.stderr
        assert_same(folder, reference)
    shutil.rmtree(place, ignore_errors=True)
    return killed and bool(begun)


def command(lab: Lab, place: Path, *arguments) -> list[str]:
    data = lab.base / "images"
    if not data.exists():
        write_set(data, small_set(1000, 200, (28, 28), range(10)))
    where = ["--data-dir", data, "--no-plot", "--quiet"]
    if "--resume" not in arguments:
        where += ["--run-dir", place / "runs"]
    return [sys.executable, str(ROOT / "run_mlp.py"), *map(str, [*where, *arguments])]


def killed_while_training(lab: Lab, quick: bool) -> Iterator[Callable]:
    place, begun = lab.base / "whole command", time.perf_counter()
    subprocess.run(command(lab, place, *COMMAND), check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - begun
    for _ in range(2 if quick else 20):
        yield partial(kill_earlier_and_earlier, lab, partial(kill_a_command, lab, only(place / "runs")), seconds)


# ---- the disk


def fill(lab: Lab, at: int) -> bool:
    flags = tuple(MANY_ROWS)
    lab.reference(*flags)
    with small_disk(lab.base / "disk", 8 << 20) as disk:
        place, folder = lab.place(*flags, where=disk / "place")
        before = contents(place)
        ended = lab.trainer.run(place, "--quiet", *flags, at=at, fault="fill", folder=disk)
        leave_free(disk, 7 << 20)
        lab.judge(folder, flags, ended, before)
    (lab.base / "disk").rmdir()
    assert ended.code in (0, 1, 2)
    return ended.code > 0


def disk_full(lab: Lab, quick: bool) -> Iterator[Callable]:
    with small_disk(lab.base / "disk", 1 << 20):
        pass  # OSError here if it cannot be done
    (lab.base / "disk").rmdir()
    for at in range(1, lab.quiet_run(*MANY_ROWS).operations + 1, 6 if quick else 1):
        yield partial(fill, lab, at)


def limit(lab: Lab, most: int) -> bool:
    flags = tuple(MANY_ROWS)
    place, folder = lab.place(*flags)
    before = contents(place)
    ended = lab.trainer.run(place, "--quiet", *flags, most=most)
    assert ended.code in (0, 1, 2)
    lab.judge(folder, flags, ended, before)
    return ended.code > 0


def file_size_limited(lab: Lab, quick: bool) -> Iterator[Callable]:
    """Every file in turn is the first that does not fit: the system's limit for one file is set below its size."""
    reference = lab.reference(*MANY_ROWS)
    picture = reference.parent.parent / "plots" / f"{reference.name}.png"
    sizes = sorted(path.stat().st_size for path in [*reference.iterdir(), picture])
    shares = [0.45] if quick else [0.05 * share for share in range(20)]
    for size in sizes:
        for share in shares:
            yield partial(limit, lab, int(size * share))


# ---- the folder


def disturb(lab: Lab, at: int, fault: str) -> bool:
    flags = probed("batches that divide")
    place, folder = lab.place(*flags)
    before = contents(place)
    other = lab.reference(*probed("batches that do not"))
    how = {"at": at, "fault": fault, "folder": folder, "other": other, "obey": True}
    ended = lab.trainer.run(place, "--quiet", "--no-plot", *flags, **how)
    assert ended.code in (0, 1), ended.stderr
    if fault != "protect" and ended.code == 1:
        assert f"{folder} is gone" in ended.sentence or "No such file" in ended.sentence
    if fault == "replace" and (folder / "probe.csv").exists():  # only the other run looks at gradients
        replaced = {path.relative_to(folder): content for path, content in contents(folder).items()}
        assert replaced == {path.relative_to(other): content for path, content in contents(other).items()}
    if folder.exists():
        folder.chmod(0o755)
    lab.judge(folder, flags, ended, before, resume=fault == "protect")
    return ended.code > 0


def disturbed(fault: str, lab: Lab, quick: bool) -> Iterator[Callable]:
    few = 2 if fault == "replace" else 7  # what counts there are the moments between two files
    for at in range(1, lab.quiet_run(*probed("batches that divide")).operations + 1, few if quick else 1):
        yield partial(disturb, lab, at, fault)


# ---- several at once


def same_name(lab: Lab, count: int, folders: bool, draw: bool) -> bool:
    """So many runs of the same name at once, in one folder or each in its own, with one folder for pictures."""
    flags = probed("batches that do not")
    place, _ = lab.place(*flags)
    before = contents(place)
    how = ["--quiet"] if draw else ["--quiet", "--no-plot"]
    runs = [lab.trainer.arguments(place, *how, *flags) for _ in range(count)]
    if folders:
        runs = [[*run, "--run-dir", str(place / f"runs {number}")] for number, run in enumerate(runs)]
    ended = lab.trainer.together(runs, place)
    assert [(one.code, one.stderr) for one in ended] == [(0, "")] * count
    made = [folder for folder in place.glob("runs*/*") if folder / "config.json" not in before]
    assert len(made) == count
    for folder in made:
        assert_sound(folder)
        assert_same(folder, lab.reference(*flags))
    pictures = list(place.glob("plots/*.png"))
    assert len(pictures) == 1 + count * draw
    for picture in pictures:
        assert_whole_picture(picture)
    assert all(path.read_bytes() == content for path, content in before.items())
    shutil.rmtree(place)
    return True


def same_name_at_once(lab: Lab, quick: bool) -> Iterator[Callable]:
    for count in (2, 8):
        for folders in (False, True):
            for _ in range(1 if quick else 5):
                yield partial(same_name, lab, count, folders, draw=count == 2 or not quick)


def resume_twice(lab: Lab, count: int) -> bool:
    flags = ("--max-epoch", 20, *CASES["batches that divide"])
    place, folder = lab.place(*flags)
    before = contents(place)
    killed = lab.trainer.run(place, "--quiet", *flags, at=lab.rng.randrange(20, 60))
    how = ["--quiet", "--no-plot", "--resume", folder]
    ended = lab.trainer.together([lab.trainer.arguments(place, *how)] * count, place)
    assert {one.code for one in ended} <= {0, 2} and 0 in {one.code for one in ended}
    for one in ended:
        assert one.code == 0 or "trained by another process" in one.sentence
    lab.judge(folder, flags, killed, before)
    return killed.code == -9


def resumed_at_once(lab: Lab, quick: bool) -> Iterator[Callable]:
    for count in (2, 8):
        for _ in range(1 if quick else 5):
            yield partial(resume_twice, lab, count)


CAMPAIGNS = {
    "SIGKILL before every operation on a file, two settings": killed_before_every_file_operation,
    "SIGKILL at a random moment in training, `python run_mlp.py`": killed_while_training,
    "SIGKILL at a random moment where nearly all the time is saving": killed_while_saving,
    "disk full from every operation on a file on": disk_full,
    "a file may not grow beyond a size": file_size_limited,
    "the run's folder deleted before every operation on a file": partial(disturbed, "delete"),
    "the run's folder deleted and another run put in its place": partial(disturbed, "replace"),
    "the run's folder made read-only before every operation on a file": partial(disturbed, "protect"),
    "2 and 8 runs of one name at once, in one folder and in several": same_name_at_once,
    "2 and 8 processes that resume one run at once": resumed_at_once,
}


def carry_out(title: str, lab: Lab, quick: bool) -> Result:
    begun, injected, lost = time.perf_counter(), 0, []
    for injection in CAMPAIGNS[title](lab, quick):
        try:
            injected += injection()
        except Exception as error:
            lost.append(f"{injection}: {type(error).__name__}: {error}")
    return Result(title, injected, lost, time.perf_counter() - begun)
