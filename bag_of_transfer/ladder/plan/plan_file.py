"""``ladder.json``: the plan as the report needs it, with the footnotes of every table."""

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from typing import Any

from bag_of_transfer.engine.atomic import write_json
from bag_of_transfer.engine.json_file import read_json
from bag_of_transfer.ladder.folder import PLAN, SCHEMA, SCRATCH, SOURCES, seed_folder
from bag_of_transfer.ladder.plan.spec import Ladder, Rung

__all__ = [
    "describe",
    "identity",
    "other_seeds",
    "read_plan",
    "with_seeds",
    "write_plan",
]

SCRATCH_NOTE = (
    "scratch starts from random weights: nothing is frozen and all BN is trained there, the one "
    "difference of recipe"
)
PUBLISHED_NOTE = (
    "{}: the published split, where val and test are the same images; the last checkpoint is "
    "reported, none is picked"
)


def write_plan(ladder: Ladder, root: Path) -> None:
    """Write ``ladder.json``; ladders of several machines write the same.

    Where the same rungs and tasks were begun with other seeds, these stay in the plan.
    """
    write_json(root / PLAN, with_seeds(describe(ladder), other_seeds(ladder, root)))


def other_seeds(ladder: Ladder, root: Path) -> list[int]:
    """List the seeds that were begun in a folder with the same rungs and tasks, but this call's."""
    plan = read_plan(root)
    if plan is None or _identities(plan) != _identities(describe(ladder)):
        return []
    begun = (seed for seed in plan["seeds"] if (root / seed_folder(seed)).is_dir())
    return [seed for seed in begun if seed not in ladder.seeds]


def read_plan(folder: Path) -> dict[str, Any] | None:
    """Read ``ladder.json``; None where there is none, or a damaged one."""
    try:
        plan = read_json(folder / PLAN, "")
        entries = [*plan["rungs"].values(), *plan["tasks"].values()]
        whole = all(isinstance(one, dict) for one in entries)
        numbers = all(isinstance(seed, int) for seed in plan["seeds"])
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return dict(plan) if whole and numbers else None


def with_seeds(plan: Mapping[str, Any], seeds: Iterable[int]) -> dict[str, Any]:
    """Add seeds to a plan; all are in order then."""
    return {**plan, "seeds": sorted({*plan["seeds"], *seeds})}


def identity(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """Tell a rung or a task of a plan from another of its name, wherever the files lie."""
    return tuple(PurePath(str(entry.get(key) or "")).name for key in ("kind", "config", "model"))


def _identities(plan: Mapping[str, Any]) -> list[dict[str, tuple[str, ...]]]:
    named = (plan[key] for key in ("rungs", "tasks"))
    return [{name: identity(entry) for name, entry in entries.items()} for entries in named]


def describe(ladder: Ladder) -> dict[str, Any]:
    """Put a ladder into plain values; the form is told in docs/files.md."""
    return {
        "schema": SCHEMA,
        "name": ladder.name,
        "config": str(ladder.config),
        "reference": ladder.reference,
        "seeds": list(ladder.seeds),
        "shared_seed": ladder.shared_seed,
        "selection": ladder.selection,
        "rungs": {rung.name: _rung(rung) for rung in ladder.rungs if not rung.teaches_only},
        "teachers": {rung.name: _rung(rung) for rung in ladder.rungs if rung.teaches_only},
        "tasks": {
            task.name: {
                "kind": task.kind,
                "config": str(task.config),
                "metrics": list(task.metrics),
                "published_split": task.published_split,
            }
            for task in ladder.tasks
        },
        "notes": _notes(ladder),
    }


def _rung(rung: Rung) -> dict[str, Any]:
    return {
        "kind": rung.kind,
        "label": rung.label,
        **{source: rung.source if rung.kind == source else None for source in SOURCES},
        "teacher": rung.teacher or None,
        "seeds": rung.seeds,
        "published": dict(rung.published or {}),
        "paper_row": rung.row or None,
    }


def _notes(ladder: Ladder) -> list[str]:
    notes = [SCRATCH_NOTE] if any(rung.kind == SCRATCH for rung in ladder.rungs) else []
    published = [task.name for task in ladder.tasks if task.published_split]
    return notes + ([PUBLISHED_NOTE.format(", ".join(published))] if published else [])
