"""Read and write ``ladder.json``: the plan that the report reads, with footnotes for its tables."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

from bag_of_transfer.engine.json_file import read_json_or_none
from bag_of_transfer.ladder.fields import PLAN_RULE
from bag_of_transfer.ladder.folder import PLAN, SCHEMA, SCRATCH, SOURCES, seed_folder
from bag_of_transfer.ladder.metrics import TOP1, metric_of
from bag_of_transfer.ladder.plan.spec import Ladder, Rung
from bag_of_transfer.ladder.seal import write_sealed
from bag_of_transfer.ladder.search import Grid

__all__ = [
    "describe",
    "identity",
    "left_out_seeds",
    "other_seeds",
    "read_plan",
    "with_seeds",
    "write_plan",
]

SCRATCH_NOTE = "{}: random weights, so that nothing is frozen and all BN is trained"
PUBLISHED_NOTE = (
    "{}: the published split, where val and test are the same images; the last checkpoint is "
    "reported, none is picked on val"
)

TTA_NOTE = "Tested with test-time augmentation: {}."
TOP1_NOTE = (
    "top-1 is measured on val, the split that the pretrainings' values were chosen on (with other "
    "seeds)"
)


def write_plan(ladder: Ladder, root: Path) -> None:
    """Write ``ladder.json``; the same ladder gives the same file on every machine.

    If the folder holds the same rungs and tasks with other seeds, these seeds stay in the plan.
    So does the precision that another call has chosen meanwhile.
    """
    amp = ladder.amp or (read_plan(root) or {}).get("amp")
    content = describe(replace(ladder, amp=amp))
    write_sealed(root / PLAN, with_seeds(content, other_seeds(ladder, root)))


def other_seeds(ladder: Ladder, root: Path) -> list[int]:
    """List the seeds that were begun in a folder by other calls for the same rungs and tasks."""
    return _begun(ladder, root, alike=True)


def left_out_seeds(ladder: Ladder, root: Path) -> list[int]:
    """List the seeds of a folder that leave its plan, because rungs or tasks are others now."""
    return _begun(ladder, root, alike=False)


def _begun(ladder: Ladder, root: Path, alike: bool) -> list[int]:
    plan = read_plan(root)
    if plan is None or (_identities(plan) == _identities(describe(ladder))) != alike:
        return []
    begun = (seed for seed in plan["seeds"] if (root / seed_folder(seed)).is_dir())
    return [seed for seed in begun if seed not in ladder.seeds]


def read_plan(folder: Path) -> dict[str, Any] | None:
    """Read ``ladder.json``; return None if it is missing or damaged."""
    plan: dict[str, Any] | None = read_json_or_none(folder / PLAN, PLAN_RULE)
    return plan


def with_seeds(plan: Mapping[str, Any], seeds: Iterable[int]) -> dict[str, Any]:
    """Return a plan with more seeds; all its seeds are sorted."""
    return {**plan, "seeds": sorted({*plan["seeds"], *seeds})}


def identity(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """Return kind, config and model of a rung or task: the same name may stand for another one.

    Of files only the names count: they may be in other folders on another machine.
    """
    return tuple(PurePath(str(entry.get(key) or "")).name for key in ("kind", "config", "model"))


def _identities(plan: Mapping[str, Any]) -> list[dict[str, tuple[str, ...]]]:
    named = (plan[key] for key in ("rungs", "tasks"))
    return [{name: identity(entry) for name, entry in entries.items()} for entries in named]


def describe(ladder: Ladder) -> dict[str, Any]:
    """Return a ladder as plain values, in the form that docs/files.md describes."""
    shown = [TOP1, *(metric for task in ladder.tasks for metric in task.metrics)]
    metrics = dict.fromkeys([*shown, *ladder.margins])
    return {
        "schema": SCHEMA,
        "name": ladder.name,
        "config": str(ladder.config),
        "reference": ladder.reference,
        "seeds": list(ladder.seeds),
        "shared_seed": ladder.shared_seed,
        "selection": ladder.selection,
        "margins": {metric: _margin(ladder, metric) for metric in metrics},
        "rungs": {rung.name: _rung(rung) for rung in ladder.rungs if not rung.teaches_only},
        "teachers": {rung.name: _rung(rung) for rung in ladder.rungs if rung.teaches_only},
        "tasks": {
            task.name: {
                "kind": task.kind,
                "config": str(task.config),
                "metrics": list(task.metrics),
                "published_split": task.published_split,
                **({"tta": True} if task.tta else {}),
                **_tune(task.tune),
            }
            for task in ladder.tasks
        },
        "tuning_seeds": list(ladder.tuning_seeds) if ladder.tunes else [],
        **({"amp": ladder.amp} if ladder.amp else {}),
        "notes": _notes(ladder),
    }


def _margin(ladder: Ladder, metric: str) -> float:
    return ladder.margins.get(metric, metric_of(metric).margin)


def _rung(rung: Rung) -> dict[str, Any]:
    return {
        "kind": rung.kind,
        "label": rung.label,
        **{source: rung.source if rung.kind == source else None for source in SOURCES},
        "teacher": rung.teacher or None,
        **({"cached": True} if rung.cached else {}),
        "seeds": rung.seeds,
        "published": dict(rung.published or {}),
        "paper_row": rung.row or None,
        **_tune(rung.tune),
        **({"compared_with": rung.compared_with} if rung.compared_with else {}),
        **({"states": list(rung.states)} if rung.states else {}),
        **({"task_options": list(rung.task_options)} if rung.task_options else {}),
    }


def _tune(grid: Grid | None) -> dict[str, Any]:
    return {"tune": {key: list(values) for key, values in grid.axes}} if grid else {}


def _notes(ladder: Ladder) -> list[str]:
    scratch = [rung.label for rung in ladder.rungs if rung.kind == SCRATCH]
    notes = [SCRATCH_NOTE.format("; ".join(scratch))] if scratch else []
    published = [task.name for task in ladder.tasks if task.published_split]
    notes += [PUBLISHED_NOTE.format(", ".join(published))] if published else []
    augmented = [task.name for task in ladder.tasks if task.tta]
    notes += [TTA_NOTE.format(", ".join(augmented))] if augmented else []
    return notes + ([TOP1_NOTE] if any(rung.tune for rung in ladder.rungs) else [])
