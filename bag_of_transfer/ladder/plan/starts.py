"""Check that a task's config can start from a rung: what the user set may forbid it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from mmengine.registry import DefaultScope

from bag_of_transfer.engine.config.config_file import UserKeys, leaf_keys, read_config, settle
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.stock_configs import is_stock
from bag_of_transfer.ladder.folder import SCRATCH
from bag_of_transfer.ladder.plan.checks import config_with
from bag_of_transfer.ladder.plan.rungs import Rung
from bag_of_transfer.ladder.plan.tasks import Task
from bag_of_transfer.ladder.plan.tune import refuse_tuned
from bag_of_transfer.ladder.search import Grid, Point, options_of
from bag_of_transfer.transfer.config.apply import apply_backbone

__all__ = ["check_starts"]


def check_starts(rungs: Sequence[Rung], tasks: Sequence[Task], path: Path) -> None:
    """Check every task with the overrides of every rung, and with the values that are tried.

    Of rungs that are pretrained or converted first nobody knows the network yet.

    Args:
        rungs: The rungs of a ladder.
        tasks: Its tasks.
        path: The ladder config.

    Raises:
        UserError: If an override cannot be applied or is of a key that is tuned, random layers
            would be frozen, or a value disagrees with a backbone file.
    """
    for rung in (rung for rung in rungs if not rung.teaches_only):
        for task in tasks:
            options = (*task.cfg_options, *rung.task_options)
            tried = list(_tried(task.tune))
            if rung.task_options:
                place = f"{path}: rungs.{rung.name}.task_options ({task.name})"
                if task.tune:
                    mend = f"leave it out, or out of tune.{task.name}"
                    refuse_tuned(rung.task_options, task.tune, place, mend)
                config_with(task.config, [*options, *options_of(tried[0])], place)
            if rung.kind in (SCRATCH, "file"):
                for point in tried:
                    place = f"{path}: tasks.{task.name}, rungs.{rung.name}"
                    _check(task.config, [*options, *options_of(point)], rung, place)


def _tried(grid: Grid | None) -> Iterator[Point]:
    """Yield the first point to try, then each value of the network with the first of the others."""
    first = grid.points[0] if grid else ()
    yield first
    for key, values in grid.axes if grid else ():
        for value in values[1:] if key.startswith("model.") else ():
            yield tuple((name, value if name == key else other) for name, other in first)


def _check(config: Path, options: Sequence[str], rung: Rung, where: str) -> None:
    cfg, keys = read_config(config), UserKeys(() if is_stock(config) else leaf_keys(config))
    settle(cfg, config, options, keys)
    if not (cfg.get("model") or {}).get("backbone"):
        return  # its training says so
    try:
        with DefaultScope.overwrite_default_scope(cfg.get("default_scope")):
            apply_backbone(cfg, rung.source or SCRATCH, keys)
    except UserError as error:
        raise UserError(error.what, f"{where} ({error.where})", error.mend) from error
