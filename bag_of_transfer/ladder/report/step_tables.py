"""What differs between neighbouring rungs besides the trick: a table, marks and footnotes."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from bag_of_transfer.engine.quantities import few, shortened
from bag_of_transfer.ladder.report.results import LadderResults
from bag_of_transfer.ladder.report.steps import Change, Step, read_steps
from bag_of_transfer.pages.table import Entry, Table

__all__ = ["BESIDES", "STATES", "marked", "step_notes", "step_table"]

STATES, BESIDES = "states", "differs besides in"  # columns of words
MARK = "*"
MAX_TEXT = 40  # characters of a value
MAX_KEYS = 6  # in a footnote; the table has all


def step_table(ladder: LadderResults) -> Table | None:
    """Return what each rung but the first changes; None for a ladder of one rung."""
    steps = read_steps(ladder)
    rows = []
    for number, step in enumerate(steps):
        names = Entry(ladder.label(step.after), number), Entry(ladder.label(step.before))
        rows.append((*names, Entry(", ".join(step.stated) or "nothing"), Entry(_besides(step))))
    columns = ("rung", "compared with", STATES, BESIDES)
    caption = "What differs between rungs besides what they state"
    return Table(caption, columns, tuple(rows)) if rows else None


def _besides(step: Step) -> str:
    by_runs: dict[str, list[str]] = {}
    for change in step.besides:
        text = f"{change.key} {_text(change.before)} -> {_text(change.after)}"
        by_runs.setdefault(", ".join(change.runs), []).append(text)
    parts = [f"{runs}: {', '.join(texts)}" for runs, texts in by_runs.items()]
    return "; ".join([*parts, *(f"{run}: unknown" for run in step.unknown)]) or "nothing"


def _text(value: str | None) -> str:
    return "absent" if value is None else shortened(value, MAX_TEXT)


def marked(ladder: LadderResults, tables: Sequence[Table]) -> list[Table]:
    """Return the tables with a mark on the rungs that differ in more than they state."""
    labels = {ladder.label(step.after) for step in read_steps(ladder) if step.besides}
    return [replace(table, rows=tuple(_row(row, labels) for row in table.rows)) for table in tables]


def _row(row: tuple[Entry, ...], labels: set[str]) -> tuple[Entry, ...]:
    name, *values = row
    if name.text not in labels:
        return row
    return (replace(name, remark=", ".join(filter(None, (MARK, name.remark)))), *values)


def step_notes(ladder: LadderResults) -> Iterator[str]:
    """Yield a footnote for each rung that differs in more than it states."""
    for step in read_steps(ladder):
        if step.besides:
            yield (
                f"{ladder.label(step.after)} ({MARK}) differs from {ladder.label(step.before)} in "
                f"more than it states: {_keys(step.besides)}."
            )


def _keys(changes: Sequence[Change]) -> str:
    return few(list(dict.fromkeys(change.key for change in changes)), MAX_KEYS)
