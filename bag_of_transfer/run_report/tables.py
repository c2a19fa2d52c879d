"""A run's results as tables: of the whole split, of each class, of what is confused most."""

from collections.abc import Mapping, Sequence

from bag_of_transfer.pages.table import Entry, Table
from bag_of_transfer.run_report.plots import Record, confusion_matrix

__all__ = ["class_table", "confused_pairs", "metrics_table"]

MAX_PAIRS = 10


def metrics_table(columns: Mapping[str, Mapping[str, float | None]]) -> Table:
    """Return the metrics: a row for each, a column for each split."""
    names = list(dict.fromkeys(name for metrics in columns.values() for name in metrics))
    rows = [
        (Entry(name, number), *(_percent(metrics.get(name)) for metrics in columns.values()))
        for number, name in enumerate(names)
    ]
    return Table("Metrics in percent", ("metric", *columns), tuple(rows))


def class_table(record: Record, caption: str) -> Table:
    """Return a row per class: figure, count, precision and recall."""
    rows = [
        (
            Entry(entry["name"], number),
            _percent(entry["figure"]),
            Entry(f"{entry['count']}", entry["count"]),
            _percent(entry["precision"]),
            _percent(entry["recall"]),
        )
        for number, entry in enumerate(record["classes"])
    ]
    figures = (f"{record['measure']} in %", record["counted"], "precision in %", "recall in %")
    head = ("class", *figures)
    return Table(caption, head, tuple(rows))


def confused_pairs(record: Record, caption: str) -> Table | None:
    """Return the pairs of classes that are confused most; None if none are.

    A detector's boxes on no object are left out: they are no share of a truth.
    """
    names, matrix = list(record["confusion"]["names"]), confusion_matrix(record)
    totals, num_classes = matrix.sum(axis=1), len(record["classes"])
    names[num_classes:] = [f"{name} (missed)" for name in names[num_classes:]]
    entries: Sequence[Sequence[int]] = record["confusion"]["counts"]
    confused = [e for e in entries if e[0] != e[1] and e[0] < num_classes and e[2]]
    pairs = sorted(confused, key=lambda e: -e[2])[:MAX_PAIRS]
    rows = [
        (
            Entry(f"{names[truth]}", number),
            Entry(names[predicted], names[predicted]),
            Entry(f"{count}", count),
            _percent(100 * count / totals[truth]),
        )
        for number, (truth, predicted, count) in enumerate(pairs)
    ]
    head = ("truth", "taken for", record["counted"], "% of the truth")
    return Table(caption, head, tuple(rows)) if rows else None


def _percent(value: float | None) -> Entry:
    return Entry("", None) if value is None else Entry(f"{value:.2f}", float(value))
