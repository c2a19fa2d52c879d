"""Read a ladder config (rungs, tasks, seeds) once, and check it before anything runs."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config

from bag_of_transfer.engine.config.config_file import leaf_keys, read_config
from bag_of_transfer.engine.config.read_once import read_once
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.fields import COUNT_OR_0
from bag_of_transfer.engine.home import at_home
from bag_of_transfer.engine.numbers import is_finite_number
from bag_of_transfer.ladder.folder import PRETRAINING, SCRATCH, SEED_KINDS, SELECTIONS, Selection
from bag_of_transfer.ladder.metrics import TOP1, metric_of
from bag_of_transfer.ladder.plan.checks import one_of
from bag_of_transfer.ladder.plan.rungs import Rung, read_rungs
from bag_of_transfer.ladder.plan.starts import check_starts
from bag_of_transfer.ladder.plan.tasks import Task, read_tasks
from bag_of_transfer.ladder.plan.tune import check_tuning_seeds, read_searches

__all__ = ["Ladder", "Rung", "Task", "read_ladder"]

KEYS = {
    *("rungs", "tasks", "seeds", "reference", "pretrain_seeds", "selection", "num_pictures"),
    *("tune", "tuning_seeds", "margins"),
}
TUNING_SEEDS = (1000,)
ALIKE = 0.75  # difflib's ratio above which a key counts as misspelt ("referenze": 0.89)


@dataclass(frozen=True)
class Ladder:
    """A checked ladder config: rungs x tasks x seeds.

    Args:
        name: The config file's name, without suffix.
        config: The config file.
        rungs: The rungs, in the order of the tables.
        tasks: The tasks, in the order of the tables.
        seeds: Seeds of the fine-tuning, and of the pretraining if seeds are matched.
        shared_seed: Seed of a backbone that all fine-tuning seeds share.
        reference: The rung that the others are compared with, seed by seed.
        selection: Which checkpoint is tested: ``"last"``, or ``"val"`` for the best on val; tasks
            with ``published_split`` always test the last.
        num_pictures: Number of test images per task to draw with their predictions.
        tuning_seeds: Seeds of the runs that the tuned values are chosen from.
        margins: The largest difference, in percent points, that counts as none, by metric; other
            metrics have their default.
        amp: The precision of trainings whose config states none; None: each machine's own choice.
    """

    name: str
    config: Path
    rungs: tuple[Rung, ...]
    tasks: tuple[Task, ...]
    seeds: tuple[int, ...]
    shared_seed: int
    reference: str
    selection: Selection = "last"
    num_pictures: int = 6
    tuning_seeds: tuple[int, ...] = TUNING_SEEDS
    margins: Mapping[str, float] = field(default_factory=dict)
    amp: str | None = None

    @property
    def tunes(self) -> bool:
        """Whether there is a search."""
        return _tunes(self.rungs, self.tasks)


@read_once()
def read_ladder(path: Path, seeds: Sequence[int] | None = None) -> Ladder:
    """Read and check a ladder config.

    Args:
        path: The config.  It defines ``rungs``, ``tasks`` and ``seeds``, and may define
            ``reference``, ``pretrain_seeds``, ``selection``, ``num_pictures``, ``tune``,
            ``tuning_seeds`` and ``margins``.
        seeds: Seeds instead of the config's; None or empty: those of the config.

    Raises:
        UserError: If a key is misspelt or missing, a value is out of its range, or a rung or task
            is wrong; see ``rungs.read_rungs`` and ``tasks.read_tasks``; a seed is tuned with
            and reported; or a margin is of a metric that no table compares.
    """
    leaf_keys(path)  # its error names the line that is not valid Python
    cfg = read_config(path)
    at_home(cfg._cfg_dict)
    _check_form(cfg, path)
    stated_seeds = _seeds(cfg.seeds, f"{path}: seeds")
    selection = one_of(cfg.get("selection", "last"), SELECTIONS, f"{path}: selection")
    default = one_of(cfg.get("pretrain_seeds", "matched"), SEED_KINDS, f"{path}: pretrain_seeds")
    searches = read_searches(cfg.get("tune"), list(cfg.tasks), path)
    rungs = read_rungs(cfg.rungs, default, path, searches.get(PRETRAINING))
    tasks = read_tasks(cfg.tasks, selection, path, searches)
    names = [rung.name for rung in rungs if not rung.teaches_only]
    reference = cfg.get("reference", SCRATCH if SCRATCH in names else names[0])
    reported = _seeds(seeds, "--seeds") if seeds else stated_seeds
    tuning_seeds = _seeds(cfg.get("tuning_seeds", TUNING_SEEDS), f"{path}: tuning_seeds")
    if _tunes(rungs, tasks):
        check_tuning_seeds(tuning_seeds, (*reported, *stated_seeds), f"{path}: tuning_seeds")
    ladder = Ladder(
        name=path.stem,
        config=path,
        rungs=rungs,
        tasks=tasks,
        seeds=reported,
        shared_seed=min(stated_seeds),
        reference=one_of(reference, names, f"{path}: reference"),
        selection=selection,
        num_pictures=_count(cfg.get("num_pictures", 6), f"{path}: num_pictures"),
        tuning_seeds=tuning_seeds,
        margins=_margins(cfg.get("margins", {}), tasks, f"{path}: margins"),
    )
    check_starts(rungs, tasks, path)  # last: it builds networks
    return ladder


def _tunes(rungs: Sequence[Rung], tasks: Sequence[Task]) -> bool:
    return any(rung.tune for rung in rungs) or any(task.tune for task in tasks)


def _check_form(cfg: Config, path: Path) -> None:
    # A config may define other names, to write long values only once; a misspelt key is refused.
    for key in cfg:
        alike = difflib.get_close_matches(key, KEYS, n=1, cutoff=ALIKE)
        if alike and key not in KEYS:
            raise UserError(f"unknown key {key!r}", path, f"did you mean {alike[0]!r}?")
    for key in ("rungs", "tasks", "seeds"):
        if not cfg.get(key):
            mend = f"define {key} as configs/ladder/demo.py does"
            raise UserError(f"the config has no {key}", path, mend)
    for key in ("rungs", "tasks"):
        if not isinstance(cfg[key], Mapping):
            what = f"{key} must be a dict, got {type(cfg[key]).__name__}"
            raise UserError(what, f"{path}: {key}", "give each of them a name: dict(name=...)")


def _seeds(stated: Any, where: str) -> tuple[int, ...]:
    seeds = tuple(stated) if isinstance(stated, list | tuple) else ()
    if not seeds or len(set(map(str, seeds))) < len(seeds) or not all(map(COUNT_OR_0.holds, seeds)):
        mend = "give a list of different whole numbers, 0 or more"
        raise UserError(f"{where.rpartition(' ')[2]} are {stated!r}", where, mend)
    return seeds


def _count(stated: Any, where: str) -> int:
    if not COUNT_OR_0.holds(stated):
        raise UserError(
            f"num_pictures must be 0 or more, got {stated!r}", where, "give a whole number"
        )
    return int(stated)


def _margins(stated: Any, tasks: Sequence[Task], where: str) -> dict[str, float]:
    if not isinstance(stated, Mapping):
        mend = "give points by metric: dict(mIoU=0.5)"
        raise UserError(f"margins must be a dict, got {stated!r}", where, mend)
    of_tasks = [metric_of(metric) for task in tasks for metric in task.metrics]
    compared = [TOP1, *(name for row in of_tasks for name in (row.name, row.interval_of) if name)]
    for metric, points in stated.items():
        if metric not in compared:
            mend = f"give margins of {', '.join(dict.fromkeys(compared))}"
            raise UserError(f"no table of this ladder compares {metric!r}", where, mend)
        if not is_finite_number(points) or points <= 0:
            mend = "give a number of percent points above 0"
            raise UserError(f"the margin is {points!r}", f"{where}.{metric}", mend)
    return {metric: float(points) for metric, points in stated.items()}
