"""The rungs and tasks of a ladder's plan, read from ``ladder.json``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, get_args

from bag_of_transfer.ladder.folder import (
    RUNG_KINDS,
    SEED_KINDS,
    SOURCES,
    TASK_KINDS,
    RungKind,
    SeedKind,
)
from bag_of_transfer.ladder.search import Grid, Value

__all__ = ["RungResults", "TaskResults", "planned_rung", "planned_task"]

Word = TypeVar("Word", bound=str)


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
    """Read a rung of ``ladder.json``.

    Raises:
        ValueError: If an entry has a value that it cannot have.
    """
    return RungResults(
        name=name,
        kind=_one_of(stated["kind"], RUNG_KINDS, name),
        label=str(stated.get("label") or name),
        seeds=_one_of(stated["seeds"], SEED_KINDS, name),
        published={k: float(v) for k, v in (stated.get("published") or {}).items()},
        teacher=stated.get("teacher"),
        origin=next((stated[k] for k in SOURCES if stated.get(k)), None),
        tune=_grid(stated.get("tune"), name),
        compared_with=stated.get("compared_with"),
        states=tuple(map(str, stated.get("states") or ())),
    )


def planned_task(name: str, stated: Mapping[str, Any]) -> TaskResults:
    """Read a task of ``ladder.json``.

    Raises:
        ValueError: If an entry has a value that it cannot have.
    """
    metrics = tuple(stated["metrics"])
    if not metrics or not all(isinstance(metric, str) for metric in metrics):
        raise ValueError(f"{name}: metrics are {stated['metrics']!r}, not a list of names")
    return TaskResults(
        name=name,
        kind=_one_of(stated["kind"], TASK_KINDS, name),
        config=str(stated.get("config")),
        metrics=metrics,
        published_split=bool(stated.get("published_split")),
        tune=_grid(stated.get("tune"), name),
    )


def _grid(stated: Mapping[str, Any] | None, where: str) -> Grid | None:
    if not stated:
        return None
    for key, values in stated.items():
        are_values = all(isinstance(value, get_args(Value)) for value in values)
        if not values or not isinstance(values, list) or not are_values:
            raise ValueError(f"{where}: tune.{key} is {values!r}, not a list of values")
    return Grid(tuple((key, tuple(values)) for key, values in stated.items()))


def _one_of(value: Any, known: tuple[Word, ...], where: str) -> Word:
    if value not in known:
        raise ValueError(f"{where}: {value!r} is not one of {', '.join(known)}")
    return known[known.index(value)]
