"""The report's documents: which tables stand in which file, in which order."""

from collections.abc import Sequence

from bag_of_transfer.engine.tasks import task_named
from bag_of_transfer.ladder.folder import PRETRAINING, TASK_KINDS
from bag_of_transfer.ladder.report.findings import Finding, Top1, compare_top1
from bag_of_transfer.ladder.report.results import LadderResults
from bag_of_transfer.ladder.report.step_tables import marked, step_table
from bag_of_transfer.ladder.report.tables import (
    NUMBERS,
    difference_table,
    gain_table,
    main_table,
    markdown,
    plain,
)
from bag_of_transfer.ladder.report.tuning_tables import tuning_tables
from bag_of_transfer.pages.table import Table

__all__ = ["document", "table_file", "tables_of"]


def tables_of(
    ladder: LadderResults,
    findings: Sequence[Finding],
    top1: Top1,
    kinds: Sequence[str] = TASK_KINDS,
) -> list[Table]:
    """Return the tables of the tasks of these kinds: metrics, differences, what was tuned.

    Those of the pretrainings follow, with differences if two rungs have one.  The last one has
    what differs between neighbouring rungs besides what they state.
    """
    tables = []
    for task in (task for task in ladder.tasks.values() if task.kind in kinds):
        of_task = [finding for finding in findings if finding.task.name == task.name]
        tables.append(main_table(ladder, of_task, top1))
        tables += _differences(ladder, of_task)
        tables += tuning_tables(ladder, task.name)
    if not tables:
        return []
    pretraining = compare_top1(ladder, top1)
    if pretraining:
        tables += _differences(ladder, [pretraining])
    steps = step_table(ladder)
    tables += tuning_tables(ladder, PRETRAINING)
    return [*marked(ladder, tables), *([steps] if steps else [])]


def _differences(ladder: LadderResults, findings: Sequence[Finding]) -> list[Table]:
    """Return a task's differences: what each step gains, and those to the reference."""
    tables = [gain_table(ladder, finding) for finding in findings if finding.steps]
    if any(each.comparisons for each in findings):
        tables.append(difference_table(ladder, findings))
    return tables


def table_file(
    ladder: LadderResults,
    findings: Sequence[Finding],
    top1: Top1,
    kind: str,
    footnotes: Sequence[str],
) -> str:
    """Return the text of ``table8.md`` (kind det) or ``table9.md`` (kind seg)."""
    noun = task_named(kind).noun
    title = f"{ladder.name}: {noun} (the paper's table {NUMBERS[kind]})"
    tables = tables_of(ladder, findings, top1, (kind,))
    no_task = f"This ladder has no {noun} task."
    return document(title, tables, footnotes if tables else [no_task, *footnotes])


def document(title: str, tables: Sequence[Table], footnotes: Sequence[str]) -> str:
    """Return tables as Markdown, with the footnotes below them."""
    parts = [f"# {plain(title)}"]
    for table in tables:
        parts += [f"## {plain(table.caption)}", markdown(table)]
    parts.append("\n".join(f"- {plain(note)}" for note in footnotes))
    return "\n\n".join(parts) + "\n"
