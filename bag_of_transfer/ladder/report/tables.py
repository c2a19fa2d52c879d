"""The ladder's tables in the layout of the paper's tables 8 and 9, as data and as Markdown.

The main table has a row per rung: top-1, then the task's metrics as mean +- standard deviation
with number and kind of seeds, and the published value beside the measured one.  A second table
has the paired differences.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from bag_of_transfer.engine.printable import printable
from bag_of_transfer.ladder.folder import PRETRAINING
from bag_of_transfer.ladder.metrics import TOP1, label_of
from bag_of_transfer.ladder.report.costs import more_minutes
from bag_of_transfer.ladder.report.findings import Finding, Top1
from bag_of_transfer.ladder.report.planned import RungResults
from bag_of_transfer.ladder.report.results import LadderResults
from bag_of_transfer.ladder.report.steps import published_gain
from bag_of_transfer.ladder.statistics.over_images import BootstrapInterval
from bag_of_transfer.ladder.statistics.over_seeds import (
    BETTER,
    MIN_SEEDS,
    WORSE,
    Comparison,
    Spread,
    alike_for,
    seeds_for,
    verdict,
)
from bag_of_transfer.pages.table import Entry, Table

__all__ = [
    "NUMBERS",
    "difference_table",
    "gain_table",
    "long_form",
    "main_table",
    "markdown",
    "plain",
]

# The paper's tables: 8 is Faster R-CNN, 9 is FCN.
NUMBERS = {"det": 8, "seg": 9}
# What Markdown would take for a tag, a column, code or a picture.
MARKS = (
    *(("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")),
    *(("|", "\\|"), ("`", "\\`"), ("![", "!\\["), ("](", "]\\(")),
)
# A spreadsheet computes these; "+ cosine", as labels are, has no function and no program in it.
FORMULA = re.compile(r"[=@]|[+-].*[(|!]", re.DOTALL)
IMAGES_TOO = "95 %, images too"  # the column of intervals over seeds and test images
DIFFERENCE = ("metric", "difference", "published", "95 % interval", IMAGES_TOO, "n", "verdict")


def main_table(ladder: LadderResults, findings: Sequence[Finding], top1: Top1) -> Table:
    """Return one task's metrics, measured and published; ``findings`` are those of the task."""
    task = findings[0].task
    metrics = [finding.metric for finding in findings]
    published = [key for key in (TOP1, *metrics) if _any_published(ladder, key)]
    columns = ["rung"]
    for key in (TOP1, *metrics):
        columns.append(label_of(key))
        if key in published:
            columns.append(f"{label_of(key)}, published")
    rows = []
    for number, rung in enumerate(ladder.rungs.values()):
        row = [Entry(rung.label, number, remark=_kind_of(rung))]
        for key in (TOP1, *metrics):
            row.append(
                _top1(ladder, rung, top1) if key == TOP1 else _metric(ladder, findings, key, rung)
            )
            if key in published:
                row.append(_published(rung, key))
        rows.append(tuple(row))
    values = "measured and published" if published else "measured"
    return Table(f"{task.name}: {values}", tuple(columns), tuple(rows)).without_empty_columns()


def _any_published(ladder: LadderResults, key: str) -> bool:
    return any(key in rung.published for rung in ladder.rungs.values())


def _published(rung: RungResults, key: str) -> Entry:
    value = rung.published.get(key)
    return Entry("") if value is None else Entry(f"{value:.2f}", value)


def _kind_of(rung: RungResults) -> str:
    return {"file": "backbone file", "model": "public weights"}.get(rung.kind, "")


def _top1(ladder: LadderResults, rung: RungResults, top1: Top1) -> Entry:
    if rung.name in top1.stated:
        value = top1.stated[rung.name]
        return Entry(f"{value:.2f}", value, "as its card says")
    if rung.kind != "config":
        return Entry("")
    planned = ladder.num_planned(rung.name, PRETRAINING)
    diverged = ladder.num_diverged(rung.name, PRETRAINING)
    return _spread_entry(top1.measured[rung.name], planned, diverged)


def _metric(
    ladder: LadderResults, findings: Sequence[Finding], metric: str, rung: RungResults
) -> Entry:
    (finding,) = (each for each in findings if each.metric == metric)
    interval = finding.images.get(rung.name)
    over = f"; {_limits(interval)} over images" if interval else ""
    planned = ladder.num_planned(rung.name, finding.task.name)
    diverged = ladder.num_diverged(rung.name, finding.task.name)
    return _spread_entry(finding.spreads[rung.name], planned, diverged, over)


def _limits(images: BootstrapInterval) -> str:
    return f"{images.low:.2f} to {images.high:.2f}"


def _points(difference: float) -> str:
    """Return a difference with its sign; one that is rounded to 0 has a plus, as 0 has."""
    return f"{round(difference, 2) + 0.0:+.2f}"


def _spread_entry(
    spread: Spread, num_planned: int, num_diverged: int, over_images: str = ""
) -> Entry:
    lost = f", {num_diverged} diverged" if num_diverged else ""
    seeds = f"n {spread.n} of {num_planned}{lost}, {spread.kind}"
    if spread.mean is None:
        return Entry("diverged" if num_diverged else "unmeasured", None, seeds)
    text = f"{spread.mean:.2f}"
    if spread.sd is not None:
        text += f" +- {spread.sd:.2f}"
    return Entry(text, spread.mean, seeds + over_images)


def difference_table(ladder: LadderResults, findings: Sequence[Finding]) -> Table:
    """Return one task's paired differences to the reference rung, in percent points."""
    reference = ladder.rungs[ladder.reference].label
    rows = [
        (
            Entry(ladder.rungs[comparison.rung].label, number),
            *_difference(ladder, finding, comparison, finding.both),
        )
        for finding in findings
        for number, comparison in enumerate(finding.comparisons.values())
    ]
    caption = f"{findings[0].task.name}: difference to {reference}, paired"
    return Table(caption, ("rung", *DIFFERENCE), tuple(rows)).without_empty_columns()


def gain_table(ladder: LadderResults, finding: Finding) -> Table:
    """Return what each rung gains over the one that it is compared with, and what that costs."""
    rows, both = [], finding.both_of_steps
    for number, step in enumerate(finding.steps.values()):
        entries = _difference(ladder, finding, step, both)
        _, difference, published, interval, images, n, judged = entries
        more = more_minutes(ladder, *step.pair)
        rows.append(
            (
                Entry(ladder.label(step.rung), number, f"against {ladder.label(step.reference)}"),
                replace(difference, remark=f"n {n.text}, {n.remark}"),
                *(published, interval, images),
                Entry("") if more is None else Entry(f"{round(more, 1) + 0.0:+.1f}", more),
                judged,
            )
        )
    columns = ("rung", *DIFFERENCE[1:5], "minutes", DIFFERENCE[-1])  # without metric and n
    caption = f"{finding.task.name}: what each step gains in {label_of(finding.metric)}, paired"
    return Table(caption, columns, tuple(rows)).without_empty_columns()


def _difference(
    ladder: LadderResults,
    finding: Finding,
    comparison: Comparison,
    both: Mapping[str, BootstrapInterval],
) -> tuple[Entry, ...]:
    """Return the entries of the columns ``DIFFERENCE``; ``both`` has intervals by rung."""
    mean, metric = comparison.mean, label_of(finding.metric)
    pair = comparison.pair
    planned = min(ladder.num_planned(rung, finding.task.name) for rung in pair)
    return (
        Entry(metric, metric),
        Entry(_without_difference(ladder, finding, pair))
        if mean is None
        else Entry(_points(mean), mean),
        _published_difference(ladder, finding.metric, pair),
        _interval(finding, comparison),
        _of_images(both.get(comparison.rung)),
        Entry(f"{comparison.n} of {planned}", comparison.n, comparison.kind),
        _verdict(comparison),
    )


def _published_difference(ladder: LadderResults, metric: str, pair: tuple[str, str]) -> Entry:
    gain = published_gain(ladder, metric, pair)
    return Entry("") if gain is None else Entry(_points(gain), gain)


def _without_difference(ladder: LadderResults, finding: Finding, pair: tuple[str, str]) -> str:
    """Return why a rung has no difference to another one, in a word."""
    task = finding.task.name
    lost = any(
        ladder.num_diverged(each, task) and finding.spreads[each].mean is None for each in pair
    )
    return "diverged" if lost else "unmeasured"


def _verdict(comparison: Comparison) -> Entry:
    text = verdict(comparison)
    small = text in (BETTER, WORSE) and comparison.is_within_margin
    return Entry(text, text, f"by less than {comparison.margin:g}" if small else "")


def _interval(finding: Finding, comparison: Comparison) -> Entry:
    if comparison.interval is not None:
        low, high = comparison.interval
        return Entry(f"{_points(low)} to {_points(high)}", low, _seeds_for(comparison))
    if comparison.half_width is not None:
        more = alike_for(comparison) if comparison.n >= MIN_SEEDS else 0
        takes = f"; a verdict takes {more} seeds" if more > comparison.n else ""
        return Entry("", None, f"every seed alike{takes}")
    images = finding.image_differences.get(comparison.pair)
    over = f"over {images.num_images} test images, not seeds" if images else ""
    return _of_images(images, over)


def _seeds_for(comparison: Comparison) -> str:
    """Return how many seeds narrow the interval to the margin on either side, if it is wider."""
    needed = seeds_for(comparison, comparison.margin)
    if needed is None or needed <= comparison.n:
        return ""
    return f"+-{comparison.margin:g} takes {needed} seeds"


def _of_images(images: BootstrapInterval | None, over: str = "") -> Entry:
    if images is None:
        return Entry("")
    return Entry(f"{_points(images.low)} to {_points(images.high)}", images.low, over)


def markdown(table: Table) -> str:
    """Return a table as Markdown, with remarks in parentheses."""
    lines = [_line(table.columns), _line(["---"] * len(table.columns))]
    return "\n".join([*lines, *(_line([_as_text(each) for each in row]) for row in table.rows)])


def _as_text(entry: Entry) -> str:
    return f"{entry.text} ({entry.remark})" if entry.remark else entry.text


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(plain(cell) for cell in cells) + " |"


def plain(text: str) -> str:
    """Return a text in one line, escaped so that Markdown finds no tag, column or code in it."""
    for mark, escaped in MARKS:
        text = text.replace(mark, escaped)
    return printable(" ".join(text.split()))


def long_form(ladder: LadderResults) -> str:
    """Return the text of ``results.csv``: a line for every value of every finished cell."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    columns = ("rung", "label", "task", "kind", "metric", "seed", "backbone_seed", "seeds", "value")
    writer.writerow(columns)
    writer.writerows(_values(ladder))
    return out.getvalue()


def _no_formula(name: str) -> str:
    """Return a name that a spreadsheet does not take for a formula."""
    shown = printable(name)
    return f"'{shown}" if FORMULA.match(shown) else shown


def _values(ladder: LadderResults) -> Iterator[tuple[object, ...]]:
    for cell in ladder.cells_of():
        rung, task = ladder.rungs[cell.rung], ladder.tasks.get(cell.task)
        kind = task.kind if task else "cls"
        for metric in cell.result.get("metrics", {}):
            value = cell.metric(metric)
            if value is not None:
                names = (rung.name, rung.label, cell.task, kind, metric)
                yield (
                    *map(_no_formula, names),
                    cell.seed,
                    cell.record.get("backbone_seed"),
                    rung.seeds,
                    value,
                )
