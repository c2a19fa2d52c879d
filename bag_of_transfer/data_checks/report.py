"""Show findings: as tables on the screen, one for each kind, and as JSON."""

import os
import re
from collections.abc import Collection, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bag_of_transfer.data_checks import summary
from bag_of_transfer.data_checks.check import Report
from bag_of_transfer.data_checks.kinds import ERROR, WARNING, Finding
from bag_of_transfer.engine.data.file_names import storable
from bag_of_transfer.engine.errors import in_one_line

__all__ = ["as_json", "below", "common_folder", "count", "show"]

NUM_SHOWN = 5  # findings of one kind; --json has all
LEAST_NAME = 8  # letters of a class name in a line, however narrow the terminal is
SCHEMA = 1


def count(report: Report, severity: str) -> int:
    """Return the number of findings of a severity."""
    return sum(finding.severity == severity for finding in report.findings)


def as_json(report: Report, config: str) -> dict[str, Any]:
    """Return the report as plain data, with every finding."""
    return {
        "schema": SCHEMA,
        "config": config,
        "images": report.images,
        "splits": {each.split: summary.counts_as_json(each) for each in report.counts},
        "shared": [summary.shared_as_json(each) for each in report.shared],
        "errors": count(report, ERROR),
        "warnings": count(report, WARNING),
        "changed": [storable(path) for path in report.changed],
        "findings": [finding._asdict() for finding in report.findings],
    }


def show(report: Report, console: Console) -> None:
    """Print what the splits hold, errors, then warnings, kind by kind, and the numbers."""
    _show_counts(report, console)
    folder = common_folder(
        {os.path.dirname(each.file) for each in report.findings if os.path.isabs(each.file)}
    )
    if folder:
        console.print(_text(f"files below {folder}"))
    groups: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in report.findings:
        groups.setdefault((finding.severity, finding.kind, finding.split), []).append(finding)
    for severity in (ERROR, WARNING):
        for (grade, kind, split), group in groups.items():
            if grade == severity:
                place = f" in {split}" if split else ""
                console.print()
                console.print(_text(f"{severity}: {kind}{place}: {len(group)}", "bold"))
                console.print(_table(group, folder))
    if report.changed:
        changed = f"files that changed since the last look: {len(report.changed)}, first"
        console.print(_text(f"{changed} {report.changed[0]}"))
    images = ", ".join(f"{name} {number}" for name, number in report.images.items())
    numbers = f"errors: {count(report, ERROR)}, warnings: {count(report, WARNING)}"
    total = sum(report.images.values())
    looked_at = f"content of {total} of {total} images looked at"
    console.print(_text(f"{looked_at} ({images}); {numbers}" if images else numbers))


def _show_counts(report: Report, console: Console) -> None:
    grids = [summary.split_grid(report.counts, report.shared), summary.class_grid(report.counts)]
    for grid in (grid for grid in grids if grid.rows):
        table = Table(box=box.SIMPLE_HEAD, padding=0, show_edge=False)
        table.add_column(grid.heads[0], width=_width_of_names(grid, console.width))
        for head in grid.heads[1:]:
            table.add_column(head, justify="right", vertical="bottom")
        for row in grid.rows:
            table.add_row(*map(_text, row))
        console.print(table)
        if grid.left_out:
            console.print(_text(f"and {grid.left_out} classes between these (--json has all)"))
        console.print()
    for line in summary.never_seen_lines(report.counts):
        console.print(_text(line))


def _width_of_names(grid: summary.Grid, width: int) -> int:
    """Return as much as the other columns leave; names are folded there."""
    columns = list(zip(grid.heads, *grid.rows, strict=True))
    longest = [max(len(line) for text in texts for line in text.split("\n")) for texts in columns]
    return max(LEAST_NAME, min(longest[0], width - sum(longest[1:]) - len(longest) + 1))


def common_folder(folders: Collection[str]) -> str:
    """Return the folder that has all of some folders; "" if that would shorten nothing."""
    common = os.path.commonpath(folders) if folders else ""
    return common if len(common) > 1 else ""


def _table(group: Sequence[Finding], folder: str) -> Table:
    table = Table("file", "what", "how to mend", box=box.SIMPLE_HEAD, expand=True)
    for finding in group[:NUM_SHOWN]:
        place = f"{finding.file}, {finding.place}" if finding.place else finding.file
        mend = finding.mend if finding is group[0] or finding.mend != group[0].mend else ""
        table.add_row(*(_text(below(folder, text)) for text in (place, finding.detail, mend)))
    if len(group) > NUM_SHOWN:
        table.add_row(_text(f"and {len(group) - NUM_SHOWN} more (--json has all)"))
    return table


def below(folder: str, text: str) -> str:
    """Return text with the files of a folder called by their paths from there."""
    if not folder:
        return text
    names = [folder, *(name for name in (os.path.relpath(folder),) if not name.startswith("."))]
    # At the beginning of a path, not within one.
    return re.sub(rf"(?<![^\s'\"(])(?:{'|'.join(map(re.escape, names))})/", "", text)


def _text(words: str, style: str = "") -> Text:
    """Return words as they are: a name may hold a terminal's commands or rich's brackets."""
    return Text(in_one_line(words), style, overflow="fold")
