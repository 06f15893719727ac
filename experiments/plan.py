"""Which runs a report needs, which of them are missing, and how long training them took."""

from pathlib import Path

from experiments import store, work
from experiments.figures import AT_BATCH_10, BESIDE, FIGURES
from running.settings import run_name


def at_batch_10(name: str) -> str:
    return name.rsplit("_", 1)[0] + "_10"


def curves(figures: list[int], batch_10: bool, dry_run: bool) -> list[str]:
    """The names of the curves of these figures, each once; of all figures and what stands beside them if none."""
    chosen = figures or list(FIGURES)
    names = [name for number in chosen for name in FIGURES[number][1]]
    repeated = [name for number in chosen if number in AT_BATCH_10 for name in FIGURES[number][1]]
    if not figures:
        beside = [name for group in BESIDE.values() for name in group] + work.equal_first_step(dry_run)
        names += beside
        repeated += beside
    if batch_10:
        names += [at_batch_10(name) for name in repeated]
    return list(dict.fromkeys(names))


def missing(settings: list[dict], folder: Path, dry_run: bool, fresh: bool) -> list[dict]:
    """Those runs that the folder holds no finished result of: same settings, same data, same code."""
    data = store.data_hash(work.the_data(dry_run))
    return [each for each in settings if fresh or store.find(each, data, folder) is None]


def show(names: list[str], settings: list[dict], missing: list[dict]) -> int:
    wanted = {run_name(each) for each in missing}
    per_curve = len(names)
    for position, name in enumerate(names):
        seeds = settings[position::per_curve]
        done = sum(run_name(each) not in wanted for each in seeds)
        where = [str(number) for number, (_, drawn) in FIGURES.items() if name in drawn]
        print(
            f"{name:55} {done}/{len(seeds)} seeds  {'figures ' + ', '.join(where) if where else 'beside the figures'}"
        )
    return 0


def stored(folder: Path) -> dict[str, list[store.Result]]:
    """Everything a folder of results holds, by the curve's name, each curve's runs in the order of their seeds."""
    found = {}
    for path in sorted(folder.glob("*.npz")):
        result = store.load(path)
        found.setdefault(curve_of(result.settings), []).append(result)
    return {name: sorted(runs, key=lambda run: run.settings["seed"]) for name, runs in found.items()}


def curve_of(settings: dict) -> str:
    """The curve's name of a run: {layers}_{activation}_{loss}_{rate}_{decay}_{batch}."""
    keys = ("activation", "loss", "learning_rate", "weight_decay", "batch_size")
    return "_".join([str(len(settings["hidden"])), *(str(settings[key]) for key in keys)])
