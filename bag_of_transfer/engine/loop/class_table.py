"""The results of each class as a table on the screen and in the log."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bag_of_transfer.engine.errors import in_one_line
from bag_of_transfer.engine.quantities import counted, shortened

__all__ = ["class_table", "numbers_in_words"]

MAX_ROWS = 20  # with more classes, the worst and the best ten
WIDTH = 100
MAX_NAME = 32  # characters


def class_table(record: Mapping[str, Any], where: object) -> str:
    """Return a table with a line per class, and below it what was never found.

    Args:
        record: From ``details.describe``.
        where: The file that has all classes, for where the table leaves some out.
    """
    head = ("class", f"{record['measure']} %", record["counted"], "precision %", "recall %")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, name in enumerate(head):
        table.add_column(name, justify="right" if number else "left")
    for row in _shown(record["classes"]):
        table.add_row(*row)
    text = io.StringIO()
    Console(file=text, width=WIDTH, color_system=None, legacy_windows=False).print(table)
    left_out = len(record["classes"]) - MAX_ROWS
    lines = [line.rstrip() for line in text.getvalue().splitlines() if line.strip()]
    cut = f"{left_out} more classes are in {where}; " if left_out > 0 else ""
    return "\n".join(["", *lines, cut + numbers_in_words(record)])


def numbers_in_words(record: Mapping[str, Any]) -> str:
    """Return which detections count, and how many classes were never found."""
    never = record["num_never_found"]
    of_classes = f"{counted(never, 'class', 'classes')} never found"
    words = of_classes if never else "every class found"
    if record["score"] is None:
        return words
    chosen = " (highest mean F1)" if any(entry["recall"] for entry in record["classes"]) else ""
    return f"precision and recall at score {record['score']:g}{chosen} and IoU 0.5; {words}"


def _shown(classes: Sequence[Mapping[str, Any]]) -> list[list[Text]]:
    if len(classes) <= MAX_ROWS:
        return [_row(entry) for entry in classes]
    measured = [entry for entry in classes if entry["figure"] is not None]
    by_figure = sorted(measured, key=lambda entry: float(entry["figure"]))
    half = MAX_ROWS // 2
    best = by_figure[half:][-half:]
    return [*map(_row, by_figure[:half]), [Text("...")] * 5, *map(_row, best)]


def _row(entry: Mapping[str, Any]) -> list[Text]:
    name = shortened(in_one_line(entry["name"]), MAX_NAME)
    figures = (_percent(entry[key]) for key in ("precision", "recall"))
    return [Text(part) for part in (name, _percent(entry["figure"]), f"{entry['count']}", *figures)]


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
