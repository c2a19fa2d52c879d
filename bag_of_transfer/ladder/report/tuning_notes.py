"""The footnotes on recipes: whether each rung has its own, and how far the searches can be trusted.

They stand below every table, because a difference between rungs may be one between recipes.
"""

from collections.abc import Iterator

from bag_of_transfer.engine.errors import is_divergence
from bag_of_transfer.engine.quantities import duration
from bag_of_transfer.ladder.folder import PRETRAINING
from bag_of_transfer.ladder.report.costs import tried_cells, tuning_minutes
from bag_of_transfer.ladder.report.planned import RungResults
from bag_of_transfer.ladder.report.results import LadderResults
from bag_of_transfer.ladder.report.tuning import Tuning
from bag_of_transfer.ladder.report.tuning_tables import text_of
from bag_of_transfer.ladder.search import LOST, MAX_WIDENED

__all__ = ["tuning_notes"]


def tuning_notes(ladder: LadderResults) -> Iterator[str]:
    """Yield the footnotes on the recipes of a ladder."""
    yield from _untuned(ladder)
    if ladder.tunings:
        seeds = ", ".join(map(str, ladder.tunings[0].seeds))
        yield (
            f"Tuned values were chosen by the mean score on val over the seeds {seeds}, which no "
            "table reports."
        )
    for tuning in ladder.tunings:
        yield from _state(ladder, tuning)
    yield from _refused(ladder)
    for task in dict.fromkeys(tuning.task for tuning in ladder.tunings):
        yield from _unlike(ladder, task)
    yield from _cost(ladder)


def _untuned(ladder: LadderResults) -> Iterator[str]:
    """Yield which recipes were not tuned, and whether all rungs have the same."""
    says = "a difference may be the recipe's"
    tuned, as_stated = _pretrained(ladder)
    if as_stated and not tuned:
        yield f"{PRETRAINING}: not tuned, each rung has the recipe of its config: {says}"
    untuned = ", ".join(task.name for task in ladder.tasks.values() if not task.tune)
    own = [rung.label for rung in ladder.rungs.values() if _has_own_recipe(rung)]
    if untuned and own:
        yield f"{untuned}: not tuned, with overrides of its own for {', '.join(own)}: {says}"
    elif untuned:
        yield f"{untuned}: one recipe for all rungs: {says}"


def _has_own_recipe(rung: RungResults) -> bool:
    return any(not option.startswith("model.") for option in rung.task_options)


def _pretrained(ladder: LadderResults) -> tuple[list[str], list[str]]:
    """Return the labels of the rungs whose pretraining is tuned, and of those where it is not."""
    rungs = [*ladder.rungs.values(), *ladder.teachers.values()]
    as_stated = [rung.label for rung in rungs if rung.kind == "config" and not rung.tune]
    return [rung.label for rung in rungs if rung.tune], as_stated


def _state(ladder: LadderResults, tuning: Tuning) -> Iterator[str]:
    """Yield that a search is not done, or that its best values lie at an edge."""
    progress, keys = tuning.progress, ", ".join(tuning.keys)
    if not progress.chosen:
        planned = len(tuning.rungs) * len(progress.grid.points)
        done = sum(map(len, progress.means.values()))
        yield f"{tuning.task}: {keys} is not chosen yet, {done} of {planned} values are tried."
    lost = [rung for rung in progress.chosen if set(progress.means[rung].values()) == {LOST}]
    if lost:
        labels = ", ".join(map(ladder.label, lost))
        yield f"{tuning.task}: every value of {keys} that was tried lost its loss for {labels}."
    at_edge = [
        f"{ladder.label(rung)} ({text_of(progress.chosen[rung])})"
        for rung in tuning.rungs
        if rung in progress.at_edge and rung not in lost
    ]
    if at_edge:
        yield (
            f"{tuning.task}: after {MAX_WIDENED} more steps the best {keys} is still at the edge "
            f"of what was tried for {', '.join(at_edge)}: a better one may lie beyond."
        )


def _refused(ladder: LadderResults) -> Iterator[str]:
    """Yield the values that a search added and a tool refused, each with the reason."""
    reasons = {
        (cell.task, cell.folder.name): lost.partition(": ")[0]
        for cell in tried_cells(ladder)
        if (lost := cell.record.get("lost")) and not is_divergence(lost)
    }
    for (task, tried), reason in reasons.items():
        yield (
            f"{task}: the search went on to {tried}, which was refused ({reason}): it counts as a "
            "lost loss."
        )


def _unlike(ladder: LadderResults, task: str) -> Iterator[str]:
    """Yield which rungs of a task were tried with other values than the others."""
    tunings = [tuning for tuning in ladder.tunings if tuning.task == task]
    labels: dict[str, list[str]] = {}
    for tuning in tunings:
        text = "; ".join(
            f"{key} {', '.join(text_of(((key, value),)) for value in values)}"
            for key, values in tuning.progress.grid.axes
        )
        labels.setdefault(text, []).extend(map(ladder.label, tuning.rungs))
    _, as_stated = _pretrained(ladder)
    if task == PRETRAINING and as_stated:
        labels["nothing but their configs"] = as_stated
    if len(labels) > 1:
        groups = (f"{', '.join(rungs)} with {text}" for text, rungs in labels.items())
        yield f"{task}: not all rungs were tried with the same values: {'. '.join(groups)}."


def _cost(ladder: LadderResults) -> Iterator[str]:
    by_task = {task: sum(each.values()) for task, each in tuning_minutes(ladder).items()}
    if ladder.tunings and by_task:
        parts = ", ".join(f"{task} {duration(60 * minutes)}" for task, minutes in by_task.items())
        yield (
            f"Tuning took {duration(60 * sum(by_task.values()))} of training ({parts}), which no "
            "other time of this report includes."
        )
