"""Check that a task's config can start from a rung: what the user set may forbid it."""

import json
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope

from bag_of_transfer.engine.config.config_file import (
    UserKeys,
    leaf_keys,
    read_config,
    resolved_config,
    settle,
)
from bag_of_transfer.engine.config.input_channels import follow_in_channels
from bag_of_transfer.engine.config_nodes import value_at
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.stock_configs import is_stock
from bag_of_transfer.ladder.folder import SCRATCH
from bag_of_transfer.ladder.plan.checks import config_with, network_mistake
from bag_of_transfer.ladder.plan.rungs import Rung
from bag_of_transfer.ladder.plan.tasks import Task
from bag_of_transfer.ladder.plan.tune import refuse_tuned
from bag_of_transfer.ladder.search import Grid, Point, options_of
from bag_of_transfer.transfer.config.apply import apply_backbone, build_parts
from bag_of_transfer.transfer.mismatch import compare
from bag_of_transfer.transfer.network_fields import BackboneFacts, planned_backbone
from bag_of_transfer.transfer.network_shapes import shapes_of
from bag_of_transfer.transfer.tensor_file import read_shapes

__all__ = ["check_starts"]


def check_starts(rungs: Sequence[Rung], tasks: Sequence[Task], path: Path) -> None:
    """Check every task with the overrides of every rung, and with the values that are tried.

    Of rungs whose weights are converted first nobody knows the network yet.

    Args:
        rungs: The rungs of a ladder.
        tasks: Its tasks.
        path: The ladder config.

    Raises:
        UserError: If an override cannot be applied or has no effect, random layers would be
            frozen, a value disagrees with a backbone file or with the network that a pretraining
            hands over, their tensors do not fit, the task changes colours that the images do not
            have, or a pretraining can hand over no network.
    """
    known: dict[str, BackboneFacts] = {}
    checked: list[Any] = []  # most rungs differ in nothing that counts here
    for rung in rungs:
        starts = list(_starts(rung, known, path))
        if rung.teaches_only:
            continue
        place = f"{path}: rungs.{rung.name}.task_options"
        grids = [task.tune for task in tasks]
        refuse_tuned(rung.task_options, grids, place, "leave it out here or in tune")
        for task in tasks:
            tried = list(_tried(task.tune))
            if rung.task_options:
                options = _options(task, rung, tried[0])
                config_with(task.config, options, f"{place} ({task.name})")
            for start, point in product(starts, tried):
                asked = (task, rung.task_options, start, point)
                if asked not in checked:
                    checked.append(asked)
                    _check(task, rung, start, point, path)


def _starts(
    rung: Rung, known: dict[str, BackboneFacts], path: Path
) -> Iterator[str | BackboneFacts]:
    """Yield what the tasks of a rung start from; of a pretraining, each network that is tried."""
    if rung.kind in (SCRATCH, "file"):
        yield rung.source or SCRATCH
    for point in _tried(rung.tune) if rung.kind == "config" else ():
        cfg = resolved_config(Path(rung.source), [*rung.cfg_options, *options_of(point)])
        stated = cfg.to_dict().get("model") or {}
        model = {key: stated.get(key) for key in ("backbone", "data_preprocessor")}
        text = json.dumps(model, sort_keys=True, default=str)
        if text in known or network_mistake(cfg) is None:  # else its training says so
            where = f"{path}: rungs.{rung.name} ({rung.source})"
            known[text] = known.get(text) or planned_backbone(model, where)
            yield known[text]


def _tried(grid: Grid | None) -> Iterator[Point]:
    """Yield the first point to try, then each value of the network with the first of the others."""
    first = grid.points[0] if grid else ()
    yield first
    for key, values in grid.axes if grid else ():
        for value in values[1:] if key.startswith("model.") else ():
            yield tuple((name, value if name == key else other) for name, other in first)


def _options(task: Task, rung: Rung, point: Point) -> list[str]:
    return [*task.cfg_options, *rung.task_options, *options_of(point)]


def _check(task: Task, rung: Rung, start: str | BackboneFacts, point: Point, path: Path) -> None:
    keys = UserKeys(() if is_stock(task.config) else leaf_keys(task.config))
    cfg = read_config(task.config)
    settle(cfg, task.config, _options(task, rung, point), keys)
    if not value_at(cfg._cfg_dict, "model.backbone"):
        return  # its training says so
    try:
        with DefaultScope.overwrite_default_scope(cfg.get("default_scope")):
            apply_backbone(cfg, start, keys)
            follow_in_channels(cfg)
            _check_tensors(cfg, start)
    except UserError as error:
        part = "tune" if error.where in dict(point) else "tasks"
        place = f"{path}: {part}.{task.name}, rungs.{rung.name} ({error.where})"
        raise UserError(error.what, place, error.mend) from error


def _check_tensors(cfg: Config, start: str | BackboneFacts) -> None:
    """Compare what a start hands over with the network of a task, built without memory."""
    if start == SCRATCH:
        return
    found = start.shapes if isinstance(start, BackboneFacts) else read_shapes(Path(start))
    try:
        with torch.device("meta"):
            parts = build_parts(cfg.model)
    except Exception:  # its training says so
        return
    tensors = {k: v for part in parts if part is not None for k, v in part.state_dict().items()}
    comparison = compare(shapes_of(tensors), found)
    if not comparison.fits:
        mend = "let both have the same stages and widths, or leave the task out"
        raise UserError(str(comparison), "model.backbone", mend)
