"""A table that a page shows and lets its reader sort; the macro is in ``table.html.j2``."""

from dataclasses import dataclass

__all__ = ["Entry", "Table"]


@dataclass(frozen=True)
class Entry:
    """One entry of a table: its text, the value to sort by, and a remark in smaller print."""

    text: str
    sort: float | str | None = None
    remark: str = ""


@dataclass(frozen=True)
class Table:
    """A caption, columns and rows; the first column names the row."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Entry, ...], ...]

    def without_empty_columns(self) -> "Table":
        """Return the table without the columns that say nothing in any row."""
        kept = [
            index
            for index in range(len(self.columns))
            if any(row[index].text or row[index].remark for row in self.rows)
        ]
        columns = tuple(self.columns[index] for index in kept)
        return Table(self.caption, columns, tuple(tuple(row[i] for i in kept) for row in self.rows))
