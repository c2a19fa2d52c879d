"""The rungs and tasks of a ladder's plan, read from ``ladder.json``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bag_of_transfer.ladder.folder import SOURCES, RungKind, SeedKind
from bag_of_transfer.ladder.search import Grid

__all__ = ["RungResults", "TaskResults", "planned_rung", "planned_task"]


@dataclass(frozen=True)
class RungResults:
    """A starting point of fine-tuning: scratch, a pretraining config, a file or a public model."""

    name: str
    kind: RungKind
    label: str
    seeds: SeedKind
    published: Mapping[str, float] = field(default_factory=dict)  # percent
    teacher: str | None = None
    origin: str | None = None  # the config, file or model; None for scratch
    tune: Grid | None = None  # the values that its pretraining chooses from
    compared_with: str | None = None  # the rung that it is meant to differ from in one thing
    states: tuple[str, ...] = ()  # keys of configs in which it is meant to differ
    task_options: tuple[str, ...] = ()  # overrides of the tasks' configs, for it alone


@dataclass(frozen=True)
class TaskResults:
    """A detection or segmentation config, and the metrics to show (percent)."""

    name: str
    kind: str
    config: str
    metrics: tuple[str, ...]
    published_split: bool = False
    tune: Grid | None = None  # the values that every rung chooses from


def planned_rung(name: str, stated: Mapping[str, Any]) -> RungResults:
    """Return a rung of ``ladder.json``, whose fields were checked."""
    return RungResults(
        name=name,
        kind=stated["kind"],
        label=stated.get("label") or name,
        seeds=stated["seeds"],
        published={k: float(v) for k, v in (stated.get("published") or {}).items()},
        teacher=stated.get("teacher"),
        origin=next((stated[k] for k in SOURCES if stated.get(k)), None),
        tune=_grid(stated.get("tune")),
        compared_with=stated.get("compared_with"),
        states=tuple(stated.get("states") or ()),
        task_options=tuple(stated.get("task_options") or ()),
    )


def planned_task(name: str, stated: Mapping[str, Any]) -> TaskResults:
    """Return a task of ``ladder.json``, whose fields were checked."""
    return TaskResults(
        name=name,
        kind=stated["kind"],
        config=str(stated.get("config")),
        metrics=tuple(stated["metrics"]),
        published_split=bool(stated.get("published_split")),
        tune=_grid(stated.get("tune")),
    )


def _grid(stated: Mapping[str, Any] | None) -> Grid | None:
    return Grid(tuple((key, tuple(values)) for key, values in stated.items())) if stated else None
