"""List the cells of a ladder, as far as the values that it tunes are known."""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple

from bag_of_transfer.ladder.folder import PRETRAINING, SCRATCH, selection_of
from bag_of_transfer.ladder.plan.cells import Cell
from bag_of_transfer.ladder.plan.spec import Ladder, Rung, Task
from bag_of_transfer.ladder.search import Grid, Point, Progress, search
from bag_of_transfer.ladder.searches import search_pretrainings
from bag_of_transfer.ladder.tried import score_of

__all__ = ["Plan", "plan", "plan_whole"]


class Plan(NamedTuple):
    """The cells that are known by now.

    Args:
        cells: Tuning cells first, then seed by seed: teachers before students, backbones before
            fine-tuning.
        unjudged: Those of them without the score that a search needs.
    """

    cells: list[Cell]
    unjudged: list[Cell]

    @property
    def is_whole(self) -> bool:
        """Whether these are all cells; if not, more follow when the searches are done."""
        return not self.unjudged


def plan(ladder: Ladder, root: Path) -> Plan:
    """List the cells that are known by now: the results of searches are read from ``root``."""
    return _Planner(ladder, root).plan()


def plan_whole(ladder: Ladder, root: Path) -> Plan:
    """List all cells as if each search that is not done chose the first of its values.

    Their number and their times can be told from them; their values cannot.
    """
    return _Planner(ladder, root, guesses=True).plan()


@dataclass
class _Planner:
    """Lists cells, each once, and keeps what searches have chosen."""

    ladder: Ladder
    root: Path
    guesses: bool = False
    cells: dict[str, Cell] = field(default_factory=dict)
    chosen: dict[tuple[str, str], Point] = field(default_factory=dict)
    unjudged: list[Cell] = field(default_factory=list)

    def plan(self) -> Plan:
        self._choose_pretrainings()
        for task in self.ladder.tasks:
            self._choose_fine_tunings(task)
        for seed in self.ladder.seeds:
            for rung in self.ladder.rungs:
                self._backbone(rung, seed)
            for rung in self._fine_tuned:
                for task in self.ladder.tasks:
                    self._fine_tuning(rung, task, seed)
        return Plan(list(self.cells.values()), self.unjudged)

    @property
    def _fine_tuned(self) -> list[Rung]:
        return [rung for rung in self.ladder.rungs if not rung.teaches_only]

    # ---- what is chosen ----

    def _choose_pretrainings(self) -> None:
        """Choose the values of all pretrainings."""
        grids: dict[str, Grid] = {}
        for rung in self.ladder.rungs:
            if rung.tune is None:
                self.chosen[rung.name, PRETRAINING] = ()
            else:
                grids[rung.name] = rung.tune
        teachers = {rung.name: rung.teacher for rung in self.ladder.rungs if rung.teacher}
        search_pretrainings(grids, teachers, self._search)

    def _named(self, name: str) -> Rung:
        return next(rung for rung in self.ladder.rungs if rung.name == name)

    def _choose_fine_tunings(self, task: Task) -> None:
        if task.tune is None:
            self.chosen.update(((rung.name, task.name), ()) for rung in self.ladder.rungs)
        else:
            self._search(task.tune, tuple(rung.name for rung in self._fine_tuned), task)

    def _search(self, grid: Grid, rungs: tuple[str, ...], task: Task | None = None) -> Progress:
        """List the cells of a search, and note what it has chosen."""
        seeds, name = self.ladder.tuning_seeds, task.name if task else PRETRAINING
        picks = selection_of(task, self.ladder.selection) == "val"

        @cache  # a grid that is widened is gone through again
        def score(arm: str, point: Point, seed: int) -> float | None:
            cell = self._tried(self._named(arm), task, seed, point)
            return score_of(cell.folder, cell.judge, picks) if cell else None

        progress = search(grid, rungs, seeds, score)
        for point in progress.grid.points:
            for seed in seeds:
                for rung in rungs:
                    cell = self._tried(self._named(rung), task, seed, point)
                    if cell:
                        self.cells.setdefault(cell.key, cell)
                        self.unjudged += [cell] * (score(rung, point, seed) is None)
        chosen = progress.chosen
        if self.guesses and not chosen:
            chosen = dict.fromkeys(rungs, progress.grid.points[0])
        self.chosen.update({(arm, name): point for arm, point in chosen.items()})
        return progress

    def _tried(self, rung: Rung, task: Task | None, seed: int, point: Point) -> Cell | None:
        """Return a run of a search; None while the backbone or teacher it needs is not chosen."""
        if task is None:
            return self._pretraining(rung, seed, point, tunes=True)
        return self._tuned(rung, task, seed, point, tunes=True)

    # ---- cells ----

    def _backbone(self, rung: Rung, seed: int, tunes: bool = False) -> Cell | None:
        """Return a rung's pretraining for a seed and list it; None while it is not chosen."""
        point = self.chosen.get((rung.name, PRETRAINING))
        if rung.kind == SCRATCH or point is None:
            return None
        if rung.seeds == "shared":
            seed, tunes = self.ladder.shared_seed, False
        cell = self._pretraining(rung, seed, point, tunes)
        return cell and self.cells.setdefault(cell.key, cell)

    def _pretraining(self, rung: Rung, seed: int, point: Point, tunes: bool) -> Cell | None:
        needs: tuple[str, ...] = ()
        if rung.teacher:
            teacher = self._backbone(self._named(rung.teacher), seed, tunes)
            if teacher is None:
                return None
            needs = (teacher.key,)
        return Cell(rung, None, seed, seed, needs, self.root, point, tunes)

    def _fine_tuning(self, rung: Rung, task: Task, seed: int) -> None:
        point = self.chosen.get((rung.name, task.name))
        cell = self._tuned(rung, task, seed, point, tunes=False) if point is not None else None
        if cell:
            self.cells.setdefault(cell.key, cell)

    def _tuned(self, rung: Rung, task: Task, seed: int, point: Point, tunes: bool) -> Cell | None:
        if rung.kind == SCRATCH:
            return Cell(rung, task, seed, None, (), self.root, point, tunes)
        backbone = self._backbone(rung, seed, tunes)
        if backbone is None:
            return None
        needs, own_seed = (backbone.key,), backbone.seed
        return Cell(rung, task, seed, own_seed, needs, self.root, point, tunes)
