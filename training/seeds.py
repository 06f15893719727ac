"""The same run for several seeds, in parallel on the cores."""

import argparse
import contextlib
import io
import re
import warnings
from collections.abc import Callable
from pathlib import Path

from training.command import say
from training.folder import atomic_bytes, folder_of_pictures, folder_of_runs, names
from training.metrics import accuracy_of, final_test, read_metrics
from training.pictures import attempt
from training.progress import shown
from training.run import resume_command, without_interrupts
from training.settings import chosen_threads, run_name


def train_seeds(train_run: Callable, picture_of: Callable, settings: dict, options: argparse.Namespace, data) -> int:
    """Train a run for each of options.seeds, draw those that came to their end as one curve, and return an exit code.

    train_run(settings, options, data) trains one and returns its Run; picture_of(folders) returns the bytes of a PNG.
    Each run is what it would be alone, bit for bit. One that fails or diverges does not stop the others.
    """
    code, ended = _train(train_run, settings, options, data)
    if not ended or code == 130:
        return code
    folders = list(ended)
    if not options.no_plot:
        pictures, drawn = attempt(lambda: {"curves": _save(picture_of(folders), settings, options)}, folders)
        code = code or drawn
        for what, path in pictures.items():
            print(f"{what} {shown(path)}")
    print(f"test accuracy {accuracy_of(list(ended.values()))} over {_count(ended, 'seed')}", flush=True)
    return code


def _train(train_run: Callable, settings: dict, options: argparse.Namespace, data) -> tuple[int, dict[Path, float]]:
    """Return an exit code, and the folders and test accuracies of the runs that came to their end.

    Each gets as many threads as alone, and as many run at once as there are cores for. What one has to say is said at
    its end. Ctrl-C ends them as a kill would: each can be resumed from its last completed epoch.
    """
    import joblib  # late: slow to load, and a single run needs none
    from joblib.externals.loky.process_executor import BrokenProcessPool

    cores, waiting = joblib.cpu_count(), {seed: _next_folder(settings, seed, options) for seed in options.seeds}
    threads = chosen_threads(settings, data.train_images.shape[1], len(data.classes)) or cores
    jobs = min(len(waiting), max(1, cores // threads))
    quiet = argparse.Namespace(**vars(options) | {"seeds": None, "quiet": True, "no_plot": True})
    tasks = [joblib.delayed(_train_one)(train_run, settings | {"seed": seed}, quiet, data) for seed in waiting]
    if not options.quiet:
        print(f"{_count(waiting, 'run')}, {jobs} at once, each silent until it has ended", flush=True)
    code, ended = 0, {}
    try:
        with joblib.parallel_config("loky", n_jobs=jobs, inner_max_num_threads=threads), warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"\d+ tasks")  # Ctrl-C is no news of cancelled tasks
            with without_interrupts():  # the workers are born deaf to Ctrl-C: this process ends them
                how = {"return_as": "generator_unordered", "batch_size": 1, "pre_dispatch": "n_jobs"}
                results = joblib.Parallel(max_nbytes=None, **how)(tasks)  # no memory maps, which a kill would leave
            with contextlib.closing(results):
                for seed, one, folder, accuracy, said in results:
                    if one == 130:  # a single job is this process itself
                        raise KeyboardInterrupt
                    _tell(seed, one, folder, accuracy, said, options.quiet)
                    del waiting[seed]
                    code = code or one
                    ended |= {} if one else {folder: accuracy}
    except KeyboardInterrupt:
        code = 130
        say(f"interrupted; {_how_to_resume(waiting, options)}")
    except BrokenProcessPool:
        code = 1
        say(f"a worker process was ended, perhaps for lack of memory; {_how_to_resume(waiting, options)}")
    return code, ended


def _train_one(train_run: Callable, settings: dict, options: argparse.Namespace, data) -> tuple:
    """Return of one run the seed, exit code, folder, final test accuracy, and what it had to say."""
    with contextlib.redirect_stderr(io.StringIO()) as said:
        run = train_run(settings, options, data)
        if run.diagnosis:
            say(run.diagnosis)
    end = final_test(read_metrics(run.folder / "metrics.csv"), settings["patience"] > 0) if run.trained else None
    return settings["seed"], run.code, run.folder, end and end.accuracy, said.getvalue()


def _tell(seed: int, code: int, folder: Path, accuracy: float | None, said: str, quiet: bool) -> None:
    for line in said.splitlines():
        say(f"seed {seed}: {line.split(': ', 1)[-1]}")
    if not quiet:
        reached = "" if code else f"test accuracy {accuracy:.2%}, "
        print(f"seed {seed}: {reached}run {shown(folder)}", flush=True)


def _next_folder(settings: dict, seed: int, options: argparse.Namespace) -> Path:
    """The folder that a run of this seed will make."""
    folder = folder_of_runs(options) / run_name(settings | {"seed": seed})
    return next(path for path in names(folder) if not path.exists())


def _how_to_resume(waiting: dict[int, Path], options: argparse.Namespace) -> str:
    begun = [folder for folder in waiting.values() if (folder / "config.json").exists() and not options.dry_run]
    commands = "; ".join(resume_command(folder, options) for folder in begun)
    return f"resume the runs that have begun with: {commands}" if begun else "no run has begun that could be resumed"


def _count(things, what: str) -> str:
    return f"{len(things)} {what}{'s' * (len(things) > 1)}"


def _save(content: bytes, settings: dict, options: argparse.Namespace) -> Path:
    """Write the picture of all seeds, never over another file, and return where it is."""
    name = re.sub(rf"_seed{settings['seed']}(?=_|$)", f"_{len(options.seeds)}seeds", run_name(settings), count=1)
    path = next(path for path in names(folder_of_pictures(options) / name, ".png") if not path.exists())
    atomic_bytes(path, content)
    return path
