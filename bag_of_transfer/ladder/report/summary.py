"""What a ladder's call ends with: every figure as JSON, and the report's tables on the screen."""

import io
from collections import Counter
from collections.abc import Mapping
from textwrap import fill
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as Screen
from rich.text import Text

from bag_of_transfer.ladder.folder import PRETRAINING
from bag_of_transfer.ladder.report.cell_files import read_card
from bag_of_transfer.ladder.report.findings import find, find_top1
from bag_of_transfer.ladder.report.footnotes import footnotes, undone, undone_notes
from bag_of_transfer.ladder.report.results import TOP1, LadderResults
from bag_of_transfer.ladder.report.tables import Table, document, tables_of

__all__ = ["overview", "paired_gains", "summarise"]

Row = dict[str, dict[int, float]]  # column: seed: value
SPEED = "img/s"
WIDTH = 100  # characters
WORDS = ("rung", "verdict")  # columns without figures: their lines may be broken


def summarise(ladder: LadderResults) -> dict[str, Any]:
    """Collect every finished cell's figures.

    Returns:
        ``{"reference": rung, "rows": {rung: {column: {seed: value}}}, "gains": ...}``; metrics in
        percent under the names of ``metrics.json``, behind the task's name where tasks share one;
        ``top1`` of a file or model is what its card says; ``img/s`` is the first task's training
        rate.
    """
    names = [metric for task in ladder.tasks.values() for metric in task.metrics]
    columns = {"top1": _top1(ladder)}
    for task in ladder.tasks.values():
        for metric in task.metrics:
            column = metric if names.count(metric) == 1 else f"{task.name} {metric}"
            columns[column] = ladder.values(task.name, metric)
    columns[SPEED] = _speed(ladder)
    rows = {
        rung: {column: values[rung] for column, values in columns.items()} for rung in ladder.rungs
    }
    return {
        "reference": ladder.reference,
        "rows": rows,
        "gains": paired_gains(rows, ladder.reference),
    }


def _top1(ladder: LadderResults) -> Row:
    found = ladder.values(PRETRAINING, TOP1)
    for cell in ladder.cells_of(task=PRETRAINING):
        stated = (read_card(cell).get("metrics") or {}).get(TOP1)
        if isinstance(stated, int | float) and ladder.rungs[cell.rung].kind != "config":
            found[cell.rung][cell.seed] = stated
    return found


def _speed(ladder: LadderResults) -> Row:
    found: Row = {rung: {} for rung in ladder.rungs}
    for cell in ladder.cells_of(task=next(iter(ladder.tasks))):
        rate = (cell.record.get("train") or {}).get("img_per_s")
        if rate:
            found[cell.rung][cell.seed] = rate
    return found


def paired_gains(rows: Mapping[str, Row], reference: str) -> dict[str, Row]:
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


def overview(ladder: LadderResults) -> tuple[str, str]:
    """Give the report's tables and footnotes as Markdown, and for a terminal of 100 columns."""
    findings, top1 = find(ladder), find_top1(ladder)
    tables, notes = tables_of(ladder, findings, top1), footnotes(ladder, findings, top1)
    states = Counter(cell.status for cell in undone(ladder))
    counted = ", ".join(f"{number} {state}" for state, number in states.items())
    told = [*notes, *([f"Cells without figures: {counted}."] if counted else [])]
    parts = [f"{table.caption}\n\n{_on_screen(table)}" for table in tables]
    parts.append("\n".join(fill(f"- {note}", WIDTH, subsequent_indent="  ") for note in told))
    return document(ladder.name, tables, [*notes, *undone_notes(ladder)]), "\n\n".join(parts)


def _on_screen(table: Table) -> str:
    """Draw a table with the remarks below the figures; no figure is broken into two lines."""
    screen = Screen(box=box.MARKDOWN)
    for heading, *entries in zip(table.columns, *table.rows, strict=True):
        whole = heading.split()
        if heading not in WORDS:
            whole += [text for e in entries for text in (e.text, *e.remark.split())]
        screen.add_column(heading, min_width=max(map(cell_len, whole)))
    for row in table.rows:
        screen.add_row(*(Text("\n".join(filter(None, (e.text, e.remark)))) for e in row))
    drawn = _drawn(screen)
    if max(map(cell_len, drawn.splitlines())) > WIDTH:
        for column in screen.columns:
            column.width = None if column.header in WORDS else column.min_width
        drawn = _drawn(screen)
    return drawn


def _drawn(screen: Screen) -> str:
    out = io.StringIO()
    Console(file=out, width=WIDTH).print(screen, crop=False)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()).strip("\n")
