"""What the cells of a ladder ran on, and what that may have changed between them."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from bag_of_transfer.ladder.folder import PRETRAINING
from bag_of_transfer.ladder.report.cell_files import read_tricks
from bag_of_transfer.ladder.report.results import CellResult, LadderResults

__all__ = ["environment", "machine_notes"]


def environment(ladder: LadderResults) -> list[tuple[str, str, int]]:
    """List what the cells ran on: (hardware, versions, number of cells)."""
    counted: Counter[tuple[str, str]] = Counter()
    for cell in ladder.cells_of():
        if cell.result:
            versions = ", ".join(f"{name} {each}" for name, each in _versions(cell).items())
            counted[str(cell.result.get("hardware")), versions] += 1
    return [(*place, number) for place, number in counted.most_common()]


def machine_notes(ladder: LadderResults) -> Iterator[str]:
    """Tell what differs where rungs and seeds should only differ in the backbone.

    Precision is compared over a task's cells; of pretrainings, whose recipes may differ, over one
    rung's.
    """
    facts: dict[str, Counter[str]] = defaultdict(Counter)
    precision: dict[str, Counter[str]] = defaultdict(Counter)
    for cell in ladder.cells_of():
        for name, value in {"hardware": cell.result.get("hardware"), **_versions(cell)}.items():
            facts[name].update([str(value)] if value else [])
        trick = read_tricks(cell).get("mixed_precision")
        if trick:
            same = f"{cell.rung} / {cell.task}" if cell.task == PRETRAINING else cell.task
            precision[same][str(trick.get("value"))] += 1
    for name, counted in facts.items():
        if len(counted) > 1:
            yield f"Not all cells ran on the same {name}: {_listed(counted)}."
    for same, counted in precision.items():
        if len(counted) > 1:
            yield f"{same}: not all cells had the same mixed precision: {_listed(counted)}."


def _versions(cell: CellResult) -> dict[str, Any]:
    found = cell.result.get("versions")
    return found if isinstance(found, dict) else {}


def _listed(counted: Counter[str]) -> str:
    return ", ".join(
        f"{value} ({number} {'cell' if number == 1 else 'cells'})"
        for value, number in counted.most_common()
    )
