"""The machines and versions that the cells of a ladder ran on, and notes on differences."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from bag_of_transfer.engine.quantities import counted
from bag_of_transfer.ladder.folder import PRETRAINING
from bag_of_transfer.ladder.report.cell_files import read_tricks
from bag_of_transfer.ladder.report.results import CellResult, LadderResults

__all__ = ["environment", "machine_notes"]


def environment(ladder: LadderResults) -> list[tuple[str, str, int]]:
    """List the environments of the cells as (hardware, versions, number of cells)."""
    counts: Counter[tuple[str, str]] = Counter()
    for cell in ladder.cells_of():
        if cell.result:
            versions = ", ".join(f"{name} {value}" for name, value in _versions(cell).items())
            counts[str(cell.result.get("hardware")), versions] += 1
    return [(*place, number) for place, number in counts.most_common()]


def machine_notes(ladder: LadderResults) -> Iterator[str]:
    """Yield a note for each difference of machines, precision or layout between cells.

    Cells should differ in the backbone only.  Precision and layout are compared within a task;
    pretrainings, whose recipes may differ, are compared within a rung.
    """
    facts: dict[str, Counter[str]] = defaultdict(Counter)
    precision: dict[str, Counter[str]] = defaultdict(Counter)
    layouts: dict[str, Counter[str]] = defaultdict(Counter)
    for cell in ladder.cells_of():
        for name, value in {"hardware": cell.result.get("hardware"), **_versions(cell)}.items():
            facts[name].update([str(value)] if value else [])
        group = f"{cell.rung} / {cell.task}" if cell.task == PRETRAINING else cell.task
        trick = read_tricks(cell).get("mixed_precision")
        if trick:
            precision[group][str(trick.get("value"))] += 1
        last = cell.result.get("channels_last")
        if last is not None:
            layouts[group]["channels last" if last else "channels first"] += 1
    for name, counts in facts.items():
        if len(counts) > 1:
            yield f"Not all cells ran on the same {name}: {_listed(counts)}."
    for what, groups in (("mixed precision", precision), ("layout", layouts)):
        for group, counts in groups.items():
            if len(counts) > 1:
                yield f"{group}: not all cells had the same {what}: {_listed(counts)}."


def _versions(cell: CellResult) -> dict[str, Any]:
    versions = cell.result.get("versions")
    return versions if isinstance(versions, dict) else {}


def _listed(counts: Counter[str]) -> str:
    return ", ".join(
        f"{value} ({counted(number, 'cell')})" for value, number in counts.most_common()
    )
