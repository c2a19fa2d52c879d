"""From the cells' results to one table: a row per rung, mean and spread over seeds."""

import json
from collections.abc import Sequence
from statistics import mean, stdev
from typing import Any

from ladder.plan import SCRATCH, Cell

__all__ = ["paired_gains", "summarise", "table"]

# Column: (kind of cell, metric).  img/s is the detector's training rate.
COLUMNS = {
    "top-1": ("cls", "top1"),
    "mAP": ("det", "mAP_voc07"),
    "pixAcc": ("seg", "pixAcc"),
    "mIoU": ("seg", "mIoU"),
    "img/s": ("det", "img_per_s"),
}


def summarise(cells: Sequence[Cell]) -> dict[str, Any]:
    """Collect every finished cell's figures.

    Returns:
        ``{"rows": {rung: {column: {seed: value}}}, "gains": ...}``; metrics in percent,
        img/s in images per second.
    """
    # The reference first; pretrained rungs stand in the plan before it.
    rungs = sorted(dict.fromkeys(cell.rung for cell in cells), key=lambda rung: rung != SCRATCH)
    rows: dict[str, dict[str, dict[int, float]]] = {
        rung: {column: {} for column in COLUMNS} for rung in rungs
    }
    for cell in cells:
        if cell.result.exists():
            for column, value in _figures(cell).items():
                rows[cell.rung][column][cell.seed] = value
    return {"rows": rows, "gains": paired_gains(rows)}


def _figures(cell: Cell) -> dict[str, float]:
    tested = json.loads(cell.result.read_text())
    trained = json.loads((cell.folder / "metrics.json").read_text())
    values = {**tested["metrics"], "img_per_s": trained["img_per_s"]}
    return {
        column: values[metric]
        for column, (task, metric) in COLUMNS.items()
        if task == tested["task"] and metric in values
    }


def paired_gains(
    rows: dict[str, dict[str, dict[int, float]]],
) -> dict[str, dict[str, dict[int, float]]]:
    """Subtract scratch's value from each rung's, seed by seed, in points."""
    reference = rows.get(SCRATCH)
    if reference is None:
        return {}
    gains: dict[str, dict[str, dict[int, float]]] = {}
    for rung, row in rows.items():
        if rung == SCRATCH:
            continue
        gains[rung] = {
            column: {
                seed: round(value - reference[column][seed], 4)
                for seed, value in row[column].items()
                if seed in reference[column]
            }
            for column in ("mAP", "pixAcc", "mIoU")
        }
    return gains


def table(summary: dict[str, Any]) -> str:
    """Write the summary as a Markdown table: ``mean +- sd``, and paired gains below."""
    lines = [_line(["", *COLUMNS]), _line(["---"] * (len(COLUMNS) + 1))]
    lines += [_row(rung, row, COLUMNS) for rung, row in summary["rows"].items()]
    gained = ("mAP", "pixAcc", "mIoU")
    for rung, row in summary["gains"].items():
        cells = {column: row[column] if column in gained else {} for column in COLUMNS}
        lines.append(_row(f"{rung} - {SCRATCH}, paired", cells, COLUMNS, sign="+"))
    seeds = {seed for row in summary["rows"].values() for column in row.values() for seed in column}
    few = "; too few seeds for a verdict" if len(seeds) < 5 else ""
    lines.append(f"\nSeeds: {len(seeds)}{few}. Metrics in percent; img/s: detector training.")
    return "\n".join(lines) + "\n"


def _row(name: str, row: dict[str, dict[int, float]], columns: Any, sign: str = "") -> str:
    return _line([name, *(_spread(row[column], sign) for column in columns)])


def _spread(by_seed: dict[int, float], sign: str) -> str:
    values = list(by_seed.values())
    if not values:
        return ""
    said = f"{mean(values):{sign}.1f}"
    return f"{said} +- {stdev(values):.1f}" if len(values) > 1 else said


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
