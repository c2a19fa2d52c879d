"""Show findings: as a table on the screen, with a line for each kind, and as JSON."""

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bag_of_transfer.data_checks.check import Report
from bag_of_transfer.data_checks.kinds import ERROR, WARNING, Finding

__all__ = ["as_json", "count", "show"]

NUM_SHOWN = 5  # findings of one kind; --json has all
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
        "errors": count(report, ERROR),
        "warnings": count(report, WARNING),
        "changed": [
            str(path).encode("utf-8", "backslashreplace").decode() for path in report.changed
        ],
        "findings": [finding._asdict() for finding in report.findings],
    }


def show(report: Report, console: Console) -> None:
    """Print errors, then warnings, kind by kind, and the numbers."""
    for severity in (ERROR, WARNING):
        groups: dict[tuple[str, str], list[Finding]] = {}
        for finding in report.findings:
            if finding.severity == severity:
                groups.setdefault((finding.kind, finding.split), []).append(finding)
        for group in groups.values():
            console.print(_table(group))
    if report.changed:
        changed = f"{len(report.changed)} files changed since the last look, first"
        console.print(Text(f"{changed} {report.changed[0]}"))
    images = ", ".join(f"{name} {number}" for name, number in report.images.items())
    numbers = f"{count(report, ERROR)} errors, {count(report, WARNING)} warnings"
    total = sum(report.images.values())
    console.print(Text(f"content of {total} of {total} images looked at ({images}): {numbers}"))


def _table(group: Sequence[Finding]) -> Table:
    first = group[0]
    split = f" in {first.split}" if first.split else ""
    title = f"{first.severity}: {first.kind}{split}: {len(group)}"
    more = len(group) - NUM_SHOWN
    caption = f"and {more} more (--json has all)" if more > 0 else None
    table = Table(
        *("file", "what", "how to mend"),
        title=Text(title),
        caption=caption,
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
    )
    for finding in group[:NUM_SHOWN]:
        place = f"{finding.file}, {finding.place}" if finding.place else finding.file
        table.add_row(Text(place, overflow="fold"), Text(finding.detail), Text(finding.mend))
    return table
