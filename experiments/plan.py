"""Which runs a report needs, which of them are missing, and what results/ holds."""

from pathlib import Path

from experiments import store, work
from experiments.figures import AT_BATCH_10, BESIDE, FIGURES
from experiments.names import at_batch_10, curve_of


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


def show(settings: list[dict], missing: list[dict]) -> None:
    """Print each curve, how many of its seeds are finished, and the figures that draw it."""
    seeds = {}
    for each in settings:
        seeds.setdefault(curve_of(each), []).append(each not in missing)
    for name, finished in seeds.items():
        where = [str(number) for number, (_, drawn) in FIGURES.items() if name in drawn]
        where = f"figures {', '.join(where)}" if where else "beside the figures"
        print(f"{name:55} {sum(finished)}/{len(finished)} seeds  {where}")


def stored(folder: Path, seeds: int) -> dict[str, list[store.Result]]:
    """What a folder of results holds of the first so many seeds: by the curve's name, in the order of the seeds."""
    found = {}
    for path in sorted(folder.glob("*.npz")):
        result = store.load(path)
        if result.settings["seed"] < seeds:
            found.setdefault(curve_of(result.settings), []).append(result)
    return {name: sorted(runs, key=lambda run: run.settings["seed"]) for name, runs in found.items()}


def equal_first_step_of(results: dict[str, list[store.Result]]) -> list[str]:
    """The names of work.equal_first_step, from the stored probes of seed 0 instead of the data."""
    return work.named_at_equal_step(lambda name: _first_delta(results.get(name)))


def _first_delta(runs: list[store.Result] | None) -> float:
    if not runs:
        return float("nan")
    return [row.delta for row in runs[0].probe if row.epoch == 0][-1]
