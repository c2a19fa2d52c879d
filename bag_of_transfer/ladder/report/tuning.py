"""The searches for the values of the recipes, derived again from the scores of their runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

from bag_of_transfer.ladder.folder import PRETRAINING, Selection, cell_key, selection_of
from bag_of_transfer.ladder.metrics import TOP1
from bag_of_transfer.ladder.report.planned import RungResults, TaskResults
from bag_of_transfer.ladder.search import Grid, Point, Progress, point_name, search
from bag_of_transfer.ladder.searches import search_pretrainings
from bag_of_transfer.ladder.tried import score_of

__all__ = ["Tuning", "read_tunings"]


@dataclass(frozen=True)
class Tuning:
    """A search: what was tried, and what was chosen.

    Args:
        task: The task, or ``PRETRAINING``.
        metric: The metric that is judged on val, in percent.
        rungs: The rungs, or teachers, that were tried with the same values.
        seeds: The seeds of the runs.
        progress: How far it is.
    """

    task: str
    metric: str
    rungs: tuple[str, ...]
    seeds: tuple[int, ...]
    progress: Progress

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the config that are tuned."""
        return tuple(key for key, _ in self.progress.grid.axes)


def read_tunings(
    root: Path,
    rungs: Mapping[str, RungResults],
    teachers: Mapping[str, RungResults],
    tasks: Mapping[str, TaskResults],
    seeds: tuple[int, ...],
    selection: Selection,
) -> tuple[Tuning, ...]:
    """Return a ladder's searches: those of pretrainings first, then a search per task.

    Args:
        root: The ladder's folder.
        rungs: The rungs of its tables.
        teachers: Its rungs that are in no table.
        tasks: Its tasks.
        seeds: Its tuning seeds.
        selection: Which checkpoint it tests.
    """
    read = _Reader(root, seeds)
    pretrained = {**teachers, **rungs}
    grids = {name: rung.tune for name, rung in pretrained.items() if rung.tune}
    taught = {name: rung.teacher for name, rung in pretrained.items() if rung.teacher}
    search_pretrainings(grids, taught, partial(read.search, PRETRAINING, TOP1, False))
    for task in tasks.values():
        if task.tune:
            picks = selection_of(task, selection) == "val"
            read.search(task.name, task.metrics[-1], picks, task.tune, tuple(rungs))
    return tuple(read.found)


@dataclass
class _Reader:
    """Searches again in the scores of a ladder's folder, and keeps what it finds."""

    root: Path
    seeds: tuple[int, ...]
    found: list[Tuning] = field(default_factory=list)

    def search(
        self, task: str, metric: str, picks: bool, grid: Grid, rungs: tuple[str, ...]
    ) -> Progress:
        @cache  # a grid that is widened is gone through again
        def score(rung: str, point: Point, seed: int) -> float | None:
            folder = self.root / cell_key(rung, task, seed, point_name(point))
            return score_of(folder, metric, picks)

        progress = search(grid, rungs, self.seeds, score)
        self.found.append(Tuning(task, metric, rungs, self.seeds, progress))
        return progress
