"""The end of a ladder's call: all results as JSON, and the report's tables on the screen."""

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
from bag_of_transfer.ladder.report.costs import tuning_minutes
from bag_of_transfer.ladder.report.documents import document, tables_of
from bag_of_transfer.ladder.report.findings import Finding, Top1
from bag_of_transfer.ladder.report.footnotes import footnotes, not_done, not_done_notes
from bag_of_transfer.ladder.report.results import LadderResults
from bag_of_transfer.ladder.report.step_tables import BESIDES, STATES
from bag_of_transfer.ladder.report.tuning_tables import TRIED
from bag_of_transfer.ladder.search import Value
from bag_of_transfer.ladder.statistics.over_seeds import Comparison
from bag_of_transfer.pages.table import Table

__all__ = ["on_screen", "overview", "summarise"]

Row = dict[str, dict[int, float]]  # column (or rung) to seed to value
SPEED = "img/s"
WIDTH = 100  # characters
LABEL = 10  # characters of a word that are shown in any case: B-standard
WORDS = (
    "rung",
    "verdict",
    TRIED,
    STATES,
    BESIDES,
)  # columns without numbers, whose lines may be broken


def summarise(ladder: LadderResults, findings: Sequence[Finding], top1: Top1) -> dict[str, Any]:
    """Return the results of all finished cells.

    Returns:
        ``{"reference": rung, "rows": {rung: {column: {seed: value}}}, "gains": ..., "tuned":
        {task: {rung: {key: value}}}, "tuning_minutes": {task: minutes}}``.  Metrics
        are in percent under the names of ``metrics.json``, after the task's name if several tasks
        have that metric.  Gains are differences to the reference, seed by seed, in percent points.
        ``top1`` of a file or model comes from its card.  ``img/s`` is the first task's training
        speed.
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
    return {
        **{"reference": ladder.reference, "rows": rows, "gains": gains},
        "tuned": _tuned(ladder),
        "tuning_minutes": {
            task: round(sum(by_rung.values()), 2)
            for task, by_rung in tuning_minutes(ladder).items()
        },
    }


def _tuned(ladder: LadderResults) -> dict[str, dict[str, dict[str, Value]]]:
    """Return the chosen values by task, rung and key."""
    tuned: dict[str, dict[str, dict[str, Value]]] = {}
    for tuning in ladder.tunings:
        chosen = {rung: dict(point) for rung, point in tuning.progress.chosen.items()}
        tuned.setdefault(tuning.task, {}).update(chosen)
    return tuned


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
    states = Counter(cell.status for cell in not_done(ladder))
    counts = ", ".join(f"{number} {state}" for state, number in states.items())
    lines = [*notes, *([f"Cells without results: {counts}."] if counts else [])]
    parts = [f"{table.caption}\n\n{on_screen(table)}" for table in tables]
    parts.append("\n".join(map(_as_item, lines)))
    return document(ladder.name, tables, [*notes, *not_done_notes(ladder)]), "\n\n".join(parts)


def _as_item(line: str) -> str:
    doubled = cell_len(line) - len(line)  # characters that take two places
    return fill(f"- {line}", max(WIDTH // 2, WIDTH - doubled), subsequent_indent="  ")


def on_screen(table: Table) -> str:
    """Return a table as text, with remarks below the numbers; no number is broken in two."""
    screen = Screen(box=box.MARKDOWN)
    for heading, *entries in zip(table.columns, *table.rows, strict=True):
        unbroken = heading.split()
        if heading in WORDS:
            unbroken += [word[:LABEL] for e in entries for word in e.text.split()]
        else:
            unbroken += [text for e in entries for text in (e.text, *e.remark.split())]
        screen.add_column(heading, min_width=max(map(cell_len, unbroken)))
    for row in table.rows:
        screen.add_row(*(Text("\n".join(filter(None, (e.text, e.remark)))) for e in row))
    text = _as_text(screen)
    for broken in (WORDS, ()):  # columns whose width is what the others leave; then none
        if max(map(cell_len, text.splitlines())) > WIDTH:
            for column in screen.columns:
                column.width = None if column.header in broken else column.min_width
            text = _as_text(screen)
    return text


def _as_text(screen: Screen) -> str:
    out = io.StringIO()
    Console(file=out, width=WIDTH).print(screen, crop=False)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()).strip("\n")
