"""``ladder.json``: the plan as the report needs it, with the footnotes of every table."""

from pathlib import Path
from typing import Any

from engine.atomic import write_json
from ladder.spec import SCRATCH, Ladder

__all__ = ["write_plan"]

SCHEMA = 1
SCRATCH_NOTE = (
    "scratch starts from random weights: nothing is frozen and all BN is trained there, the one "
    "difference of recipe"
)
PUBLISHED_NOTE = (
    "{}: the published split, where val and test are the same images; the last checkpoint is "
    "reported, none is picked"
)


def write_plan(ladder: Ladder, root: Path) -> None:
    """Write ``ladder.json``; ladders of several machines write the same."""
    write_json(root / "ladder.json", describe(ladder))


def describe(ladder: Ladder) -> dict[str, Any]:
    """Put a ladder into plain values; the form is told in docs/files.md."""
    return {
        "schema": SCHEMA,
        "name": ladder.name,
        "config": str(ladder.config),
        "reference": ladder.reference,
        "seeds": list(ladder.seeds),
        "selection": ladder.selection,
        "rungs": {
            rung.name: {
                "kind": rung.kind,
                "label": rung.label,
                "config": rung.source if rung.kind == "config" else None,
                "file": rung.source if rung.kind == "file" else None,
                "model": rung.source if rung.kind == "model" else None,
                "teacher": rung.teacher or None,
                "seeds": rung.seeds,
                "published": dict(rung.published or {}),
                "paper_row": rung.row or None,
            }
            for rung in ladder.rungs
            if not rung.teaches_only
        },
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


def _notes(ladder: Ladder) -> list[str]:
    notes = [SCRATCH_NOTE] if any(rung.kind == SCRATCH for rung in ladder.rungs) else []
    published = [task.name for task in ladder.tasks if task.published_split]
    return notes + ([PUBLISHED_NOTE.format(", ".join(published))] if published else [])
