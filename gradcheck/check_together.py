"""What classes of one submission do to each other: a factor that losses and Linear undo, notes of a whole file."""

import numpy as np

from gradcheck.report_rows import Finding, Row


def ratio(theirs: np.ndarray, true: np.ndarray, tolerance: float = 1e-5) -> float | None:
    """The one number that theirs is of true; None if there is none."""
    usable = np.isfinite(true)
    if theirs.shape != true.shape or not np.isfinite(theirs).all() or not np.any(true[usable]):
        return None
    factor = float((theirs[usable] * true[usable]).sum() / (true[usable] ** 2).sum())
    return factor if np.abs(theirs - factor * true)[usable].max() < tolerance * np.abs(theirs).max() else None


def note_cancelling(rows: list[Row]) -> None:
    """Two wrongs that make a right network: each row's hint `ratio` is (factor against the mean, batch size)."""
    linear = next((row for row in rows if row.name == "Linear" and row.hints.get("ratio")), None)
    if linear is None:
        return
    of_linear, samples = linear.hints["ratio"]
    of_linear *= linear.hints.get("step_sign", 1)
    for row in rows:
        if row is linear or not row.hints.get("ratio"):
            continue
        of_loss, size = row.hints["ratio"]
        for power in (0, 1, -1):
            constant = of_loss / size**power
            if abs(of_linear * samples**power * constant - 1) < 1e-4 and (power or abs(constant - 1) > 1e-4):
                break
        else:  # a factor is left, but do the signs cancel?
            power, constant = 0, -1
            if of_loss > 0 or of_linear > 0:
                continue
        for each in (row, linear):
            each.remark("use", _words(power, constant), mistake="together")
            each.close()


def _words(power: int, constant: float) -> str:
    after = "together right, but beside anybody else's class the step is wrong by that factor"
    if (power, round(constant, 4)) == (1, 1):
        return f"the losses leave out the 1/N and Linear divides by N: {after}"
    if (power, round(constant, 4)) == (0, -1):
        after = "together right, but beside anybody else's class it goes uphill"
        return f"the losses hand on minus the gradient and Linear turns it round: {after}"
    factor = f"{constant:.4g}" + {0: "", 1: " N", -1: " / N"}[power]
    return f"the losses hand on {factor} times the gradient and Linear undoes that: {after}"


def notes(rows: list[Row]) -> list[tuple[str, str, Finding]]:
    """Notes stand once per file: (file, the classes, the first finding) for each kind of note."""
    found: dict[tuple, list] = {}
    for row in rows:
        for finding in row.findings:
            if finding.kind == "note":
                key = row.file, finding.mistake or finding.message
                found.setdefault(key, []).append((row.name, finding))
    return [(file, ", ".join(name for name, _ in each), each[0][1]) for (file, _), each in found.items()]
