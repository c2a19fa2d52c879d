"""What must be read beside every table: how numbers came about, and what is missing."""

from collections.abc import Iterator, Sequence

from bag_of_transfer.ladder.metrics import label_of
from bag_of_transfer.ladder.report.findings import Finding, Top1
from bag_of_transfer.ladder.report.machines import machine_notes
from bag_of_transfer.ladder.report.results import CellResult, LadderResults
from bag_of_transfer.ladder.statistics.over_seeds import MIN_SEEDS

__all__ = ["footnotes", "undone", "undone_notes"]

SELECTION = {
    "last": "The last checkpoint is tested.",
    "val": "The checkpoint was picked on val, then test was read once.",
}


def footnotes(ladder: LadderResults, findings: Sequence[Finding], top1: Top1) -> list[str]:
    """Put together what holds for all tables, the ladder's own notes first."""
    return [*ladder.notes, *_method(ladder), *_seeds(ladder, findings, top1), *_cells(ladder)]


def undone(ladder: LadderResults) -> list[CellResult]:
    """List the cells without figures: failed, damaged, unfinished, missing."""
    return [cell for cell in ladder.cells if cell.status != "done"]


def undone_notes(ladder: LadderResults) -> list[str]:
    """Tell for each cell without figures why it has none."""
    return [f"{cell.name}: {cell.status} ({cell.reason})." for cell in undone(ladder)]


def _method(ladder: LadderResults) -> Iterator[str]:
    yield (
        "Metrics in percent, differences in percent points; mean +- standard deviation over "
        "seeds, n of as many as planned."
    )
    yield (
        f"Differences are paired seed by seed with {ladder.rungs[ladder.reference].label}; "
        "two-sided 95 % t-interval, p of the paired t-test after Holm's correction over the "
        f"rungs; below {MIN_SEEDS} seeds there is no verdict."
    )
    yield (
        "Each interval is for its own comparison, not corrected for their number as p is: it may "
        "leave out 0 where the verdict is that no difference is shown."
    )
    yield SELECTION.get(ladder.selection, f"Selection: {ladder.selection}.")


def _seeds(ladder: LadderResults, findings: Sequence[Finding], top1: Top1) -> Iterator[str]:
    if any(rung.seeds == "shared" for rung in ladder.rungs.values()):
        yield (
            "Seeds: matched, a backbone pretrained for each seed, n repeats of the whole chain; "
            "shared, one backbone fine-tuned n times: the spread is that of fine-tuning alone and "
            "speaks for that file, not its recipe."
        )
    intervals = [
        (finding.metric, each.metric)
        for finding in findings
        for each in (*finding.images.values(), *finding.image_differences.values())
    ]
    if intervals:
        yield (
            "With one seed the interval is over test images (bootstrap, 1000 resamples): it "
            "tells about other images, nothing about other seeds."
        )
    for metric, instead in dict(pair for pair in intervals if pair[0] != pair[1]).items():
        yield (
            f"Beside {label_of(metric)} the interval over test images is that of "
            f"{label_of(instead)}, whose own figure stands with it: the former "
            "jumps where recall passes a multiple of 0.1, and its intervals promise too much."
        )
    if top1.stated:
        yield "Top-1 from a public file's card was measured by its maker on that file's own data."
    if any(rung.published for rung in ladder.rungs.values()):
        yield "Published: one run each on the paper's data (arXiv:1812.01187, tables 8 and 9)."


def _cells(ladder: LadderResults) -> Iterator[str]:
    for task in ladder.tasks.values():
        splits = {str(cell.result.get("split")) for cell in ladder.cells_of(task=task.name)}
        if splits - {"test"}:
            names = ", ".join(sorted(splits))
            yield f"{task.name}: measured on the split called {names}."
    yield from machine_notes(ladder)
    for note, cells in _remarks(ladder).items():
        yield f"{', '.join(cells)}: {note}"


def _remarks(ladder: LadderResults) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for cell in ladder.cells_of():
        for note in cell.record.get("notes") or ():
            found.setdefault(str(note), []).append(cell.name)
    return found
