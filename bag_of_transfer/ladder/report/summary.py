"""What a ladder's call ends with: every figure as JSON, and the report's tables on the screen."""

import io
from collections import Counter
from collections.abc import Sequence
from textwrap import fill
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as Screen
from rich.text import Text

from bag_of_transfer.ladder.metrics import TOP1
from bag_of_transfer.ladder.report.findings import Finding, Top1
from bag_of_transfer.ladder.report.footnotes import footnotes, undone, undone_notes
from bag_of_transfer.ladder.report.results import LadderResults
from bag_of_transfer.ladder.report.tables import Table, document, tables_of
from bag_of_transfer.ladder.statistics.over_seeds import Comparison

__all__ = ["overview", "summarise"]

Row = dict[str, dict[int, float]]  # column, or rung, to seed to value
SPEED = "img/s"
WIDTH = 100  # characters
WORDS = ("rung", "verdict")  # columns without figures: their lines may be broken


def summarise(ladder: LadderResults, findings: Sequence[Finding], top1: Top1) -> dict[str, Any]:
    """Collect every finished cell's figures.

    Returns:
        ``{"reference": rung, "rows": {rung: {column: {seed: value}}}, "gains": ...}``; metrics in
        percent under the names of ``metrics.json``, behind the task's name where tasks share one;
        gains are differences to the reference, seed by seed, in percent points; ``top1`` of a file
        or model is what its card says; ``img/s`` is the first task's training rate.
    """
    speed, columns = _speed(ladder), _columns(findings)
    rows: dict[str, Row] = {}
    for rung in ladder.rungs:
        figures = {name: dict(each.spreads[rung].by_seed) for name, each in columns.items()}
        rows[rung] = {TOP1: top1.by_seed(rung), **figures, SPEED: speed[rung]}
    gains = {
        rung: {name: _rounded(each.comparisons[rung]) for name, each in columns.items()}
        for rung in ladder.rungs
        if rung != ladder.reference
    }
    return {"reference": ladder.reference, "rows": rows, "gains": gains}


def _columns(findings: Sequence[Finding]) -> dict[str, Finding]:
    names = [finding.metric for finding in findings]
    return {
        each.metric if names.count(each.metric) == 1 else f"{each.task.name} {each.metric}": each
        for each in findings
    }


def _rounded(comparison: Comparison) -> dict[int, float]:
    return {seed: round(value, 4) for seed, value in comparison.by_seed.items()}


def _speed(ladder: LadderResults) -> Row:
    rates: Row = {rung: {} for rung in ladder.rungs}
    for cell in ladder.cells_of(task=next(iter(ladder.tasks))):
        rate = (cell.record.get("train") or {}).get("img_per_s")
        if rate:
            rates[cell.rung][cell.seed] = rate
    return rates


def overview(ladder: LadderResults, findings: Sequence[Finding], top1: Top1) -> tuple[str, str]:
    """Return the report's tables and footnotes as Markdown, and for a terminal of 100 columns."""
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
