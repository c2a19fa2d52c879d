"""The searches for the recipes' values as tables: what was tried, what was chosen, what it cost."""

from collections.abc import Sequence

from bag_of_transfer.ladder.metrics import label_of
from bag_of_transfer.ladder.report.costs import tuning_minutes
from bag_of_transfer.ladder.report.results import LadderResults
from bag_of_transfer.ladder.report.tuning import Tuning
from bag_of_transfer.ladder.search import LOST, Point, options_of
from bag_of_transfer.pages.table import Entry, Table

__all__ = ["TRIED", "text_of", "tuning_tables"]

TRIED = "value: mean on val"  # the column of what was tried
MAX_POINTS = 12  # values, or combinations of them, that a row has room for


def tuning_tables(ladder: LadderResults, task: str) -> list[Table]:
    """Return a table for all rungs of which the same keys are tuned.

    Args:
        ladder: The ladder.
        task: A task, or ``PRETRAINING``.
    """
    minutes = tuning_minutes(ladder).get(task, {})
    by_keys: dict[tuple[str, ...], list[Tuning]] = {}
    for tuning in ladder.tunings:
        if tuning.task == task:
            by_keys.setdefault(tuning.keys, []).append(tuning)
    tables = []
    for keys, tunings in by_keys.items():
        caption = f"{task}: {', '.join(keys)}, chosen by {label_of(tunings[0].metric)} on val"
        columns = ("rung", TRIED, "chosen", "tuning seeds", "minutes")
        pairs = [(tuning, rung) for tuning in tunings for rung in tuning.rungs]
        rows = (_row(ladder, *pair, minutes, number) for number, pair in enumerate(pairs))
        tables.append(Table(caption, columns, tuple(rows)))
    return tables


def _row(
    ladder: LadderResults, tuning: Tuning, rung: str, minutes: dict[str, float], number: int
) -> tuple[Entry, ...]:
    name = Entry(ladder.label(rung), number, "teacher" if rung in ladder.teachers else "")
    seeds = len(tuning.seeds)
    spent = minutes.get(rung, 0.0)
    return (
        name,
        Entry(_tried(tuning, rung)),
        _chosen(tuning, rung),
        Entry(str(seeds), seeds),
        Entry(f"{spent:.1f}", spent),
    )


def _tried(tuning: Tuning, rung: str) -> str:
    """Return the mean of each point; of very many only those of the best, and how many others."""
    means, points = tuning.progress.means[rung], tuning.progress.grid.points
    if len(points) <= MAX_POINTS:
        return "; ".join(f"{text_of(point)}: {_score(means.get(point))}" for point in points)
    best = sorted(means, key=lambda point: -means[point])[:MAX_POINTS]
    others = {"not better": len(means) - len(best), "not done": len(points) - len(means)}
    texts = [f"{text_of(point)}: {_score(means[point])}" for point in best]
    return "; ".join([*texts, *(f"{number} {what}" for what, number in others.items() if number)])


def _score(mean: float | None) -> str:
    if mean is None:
        return "not done"
    return "loss lost" if mean == LOST else f"{mean:.2f}"


def _chosen(tuning: Tuning, rung: str) -> Entry:
    point = tuning.progress.chosen.get(rung)
    if point is None:
        return Entry("not yet")
    text = text_of(point)
    return Entry(text, text, "at the edge" if rung in tuning.progress.at_edge else "")


def text_of(point: Point) -> str:
    """Return a point as text: a value, or ``lr=0.01, momentum=0.9`` if there are several."""
    keys = [key for key, _ in point]
    names = _short(keys)
    values = [o.removeprefix(f"{k}=") for k, o in zip(keys, options_of(point), strict=True)]
    if len(keys) == 1:
        return values[0]
    return ", ".join(f"{name}={value}" for name, value in zip(names, values, strict=True))


def _short(keys: Sequence[str]) -> Sequence[str]:
    """Return the last words of some keys, or the keys where two have the same."""
    words = [key.rpartition(".")[2] for key in keys]
    return words if len(set(words)) == len(words) else keys
