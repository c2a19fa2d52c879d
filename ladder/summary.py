"""From the cells' results to one table on the screen: a row per rung, mean and spread over seeds.

The full report, with intervals and verdicts, is ``tools/report.py``.
"""

import json
from collections.abc import Sequence
from statistics import mean, stdev
from typing import Any

from ladder.plan import Cell
from ladder.spec import Ladder
from ladder.state import is_done

__all__ = ["paired_gains", "summarise", "table"]

Row = dict[str, dict[int, float]]  # column: seed: value
SPEED = "img/s"


def summarise(ladder: Ladder, cells: Sequence[Cell]) -> dict[str, Any]:
    """Collect every finished cell's figures.

    Returns:
        ``{"reference": rung, "rows": {rung: {column: {seed: value}}}, "gains": ...}``; metrics in
        percent under the names of ``metrics.json``, behind the task's name where tasks share one;
        ``img/s`` is the first task's training rate.
    """
    columns = ["top1", *_columns(ladder).values(), SPEED]
    tuned = [rung.name for rung in ladder.rungs if not rung.teaches_only]
    rows: dict[str, Row] = {name: {column: {} for column in columns} for name in tuned}
    for cell in cells:
        if is_done(cell) and cell.rung.name in rows:
            for column, value in _figures(cell, ladder).items():
                rows[cell.rung.name][column][cell.seed] = value
    return {
        "reference": ladder.reference,
        "rows": rows,
        "gains": paired_gains(rows, ladder.reference),
    }


def _columns(ladder: Ladder) -> dict[tuple[str, str], str]:
    """Name a column for each metric of each task."""
    names = [metric for task in ladder.tasks for metric in task.metrics]
    return {
        (task.name, metric): metric if names.count(metric) == 1 else f"{task.name} {metric}"
        for task in ladder.tasks
        for metric in task.metrics
    }


def _figures(cell: Cell, ladder: Ladder) -> dict[str, float]:
    if cell.task is None:
        return _top1(cell)
    metrics = _read(cell, "metrics.json")["metrics"]
    found = {
        column: metrics[metric]
        for (task, metric), column in _columns(ladder).items()
        if task == cell.task.name
    }
    rate = _read(cell, "cell.json")["train"].get("img_per_s")
    if cell.task == ladder.tasks[0] and rate:
        found[SPEED] = rate
    return found


def _top1(cell: Cell) -> dict[str, float]:
    """Of our own pretraining as tested; of a file or model as its card says."""
    record = _read(cell, "metrics.json" if cell.config else "backbone.json")
    return {"top1": record["metrics"]["top1"]} if "top1" in record["metrics"] else {}


def _read(cell: Cell, name: str) -> dict[str, Any]:
    return dict(json.loads((cell.folder / name).read_text(encoding="utf-8")))


def paired_gains(rows: dict[str, Row], reference: str) -> dict[str, Row]:
    """Subtract the reference's value from each rung's, seed by seed, in points."""
    base = rows[reference]
    return {
        rung: {
            column: {
                seed: round(value - base[column][seed], 4)
                for seed, value in by_seed.items()
                if seed in base[column]
            }
            for column, by_seed in row.items()
            if column not in ("top1", SPEED)
        }
        for rung, row in rows.items()
        if rung != reference
    }


def table(summary: dict[str, Any]) -> str:
    """Write the summary as a Markdown table: ``mean +- sd``, and paired gains below."""
    rows, reference = summary["rows"], summary["reference"]
    columns = list(rows[reference])
    lines = [_line(["", *columns]), _line(["---"] * (len(columns) + 1))]
    lines += [_row(rung, row, columns) for rung, row in rows.items()]
    for rung, row in summary["gains"].items():
        lines.append(_row(f"{rung} - {reference}, paired", row, columns, sign="+"))
    seeds = {seed for row in rows.values() for column in row.values() for seed in column}
    few = "; too few seeds for a verdict" if len(seeds) < 5 else ""
    lines.append(f"\nSeeds: {len(seeds)}{few}. Metrics in percent; img/s: training, first task.")
    return "\n".join(lines) + "\n"


def _row(name: str, row: Row, columns: Sequence[str], sign: str = "") -> str:
    return _line([name, *(_spread(row.get(column, {}), sign) for column in columns)])


def _spread(by_seed: dict[int, float], sign: str) -> str:
    values = list(by_seed.values())
    if not values:
        return ""
    said = f"{mean(values):{sign}.1f}"
    return f"{said} +- {stdev(values):.1f}" if len(values) > 1 else said


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
