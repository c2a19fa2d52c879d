"""The footnotes of every table: how the numbers were measured, and what is missing."""

from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import median

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.quantities import counted, duration
from bag_of_transfer.ladder.folder import PRETRAINING, RECORD, records
from bag_of_transfer.ladder.metrics import METRICS, TOP1, label_of
from bag_of_transfer.ladder.report.costs import teachers_cells, tried_cells
from bag_of_transfer.ladder.report.findings import Finding, Top1, compare_top1
from bag_of_transfer.ladder.report.machines import machine_notes
from bag_of_transfer.ladder.report.results import CellResult, LadderResults, reason_of
from bag_of_transfer.ladder.report.step_tables import step_notes
from bag_of_transfer.ladder.report.tables import IMAGES_TOO
from bag_of_transfer.ladder.report.tuning_notes import tuning_notes
from bag_of_transfer.ladder.seal import is_sealed, read_cell
from bag_of_transfer.ladder.statistics.over_seeds import MIN_SEEDS

__all__ = ["footnotes", "not_done", "not_done_notes", "told_at_once"]

SELECTION = {
    "last": "The last checkpoint is tested.",
    "val": "The checkpoint was picked on val, then tested once.",
}


def footnotes(ladder: LadderResults, findings: Sequence[Finding], top1: Top1) -> list[str]:
    """Return the footnotes of all tables; those of the ladder's plan come first."""
    of_plan = [*ladder.notes, *tuning_notes(ladder), *step_notes(ladder)]
    return [
        *of_plan,
        *_method(ladder, findings, top1),
        *_seeds(ladder, findings, top1),
        *_cells(ladder),
    ]


def not_done(ladder: LadderResults) -> list[CellResult]:
    """Return the cells without results: failed, diverged, damaged, unfinished or missing."""
    return [cell for cell in ladder.cells if cell.status != "done"]


def not_done_notes(ladder: LadderResults) -> list[str]:
    """Return notes on cells without results, with the reason; on those of no table, too.

    Seeds of a rung and a task stand together if what is wrong is the same.
    """
    alike: dict[tuple[str, ...], list[CellResult]] = {}
    for cell in not_done(ladder):
        what = (cell.reason or "").partition(": ")[0]
        alike.setdefault((cell.rung, cell.task, cell.status, what), []).append(cell)
    return [*map(_not_done_note, alike.values()), *_damaged_besides(ladder)]


def _not_done_note(cells: Sequence[CellResult]) -> str:
    first, reasons = cells[0], {cell.reason or "" for cell in cells}
    reason = first.reason if len(reasons) == 1 else (first.reason or "").partition(": ")[0]
    word = "diverged" if first.diverged else first.status
    return f"{_name(cells)}: {word} ({reason})."


def _name(cells: Sequence[CellResult]) -> str:
    """Return a short name for the cells of a rung and a task."""
    first, *others = cells
    seeds = ", ".join(str(cell.seed) for cell in cells)
    return f"{first.rung} / {first.task} / seeds {seeds}" if others else first.name


def told_at_once(ladder: LadderResults) -> list[str]:
    """Return what whoever makes a report should read without opening it."""
    damaged = [cell for cell in not_done(ladder) if cell.status == "damaged"]
    lines = [f"left out: {cell.name}: {cell.reason}" for cell in damaged]
    lines += [f"left out: {note}" for note in _damaged_besides(ladder)]
    old = [cell for cell in ladder.cells_of() if not is_sealed(cell.record)]
    if old:
        lines.append(
            f"{len(old)} of {len(ladder.cells)} cells were written by an earlier version, without "
            f"a hash of {RECORD}: an edit of that file would not be noticed"
        )
    return lines


def _damaged_besides(ladder: LadderResults) -> Iterator[str]:
    """Yield a note for each damaged cell of a search, or of a teacher that is in no table."""
    in_tables = {cell.folder for cell in ladder.cells}
    for path in records(ladder.folder):
        try:
            if path.parent not in in_tables:
                read_cell(path.parent, "")
        except UserError as error:
            key = path.parent.relative_to(ladder.folder).as_posix()
            yield f"{key}: damaged ({reason_of(error)})."


def _method(ladder: LadderResults, findings: Sequence[Finding], top1: Top1) -> Iterator[str]:
    yield (
        "Metrics are in percent, differences in percent points; mean +- standard deviation over "
        "seeds. n is the number of seeds measured, out of the number planned."
    )
    steps = any(finding.steps for finding in findings)
    others = "; what each step gains, with the rung that its row names" if steps else ""
    yield (
        f"Differences are paired seed by seed with {ladder.label(ladder.reference)}{others}. Their "
        "95 % intervals over seeds are simultaneous: that all of one metric's in a table hold the "
        "truth has a probability of 95 % (t-intervals, Sidak's correction over the rungs)."
    )
    metrics = [finding.metric for finding in findings]
    if compare_top1(ladder, top1):
        metrics.append(TOP1)
    margins = {metric: ladder.margin(metric) for metric in metrics}
    listed = ", ".join(f"{margin:g} for {label_of(name)}" for name, margin in margins.items())
    yield (
        "The verdict follows from that interval. Better or worse: it lies on one side of 0. Equal: "
        f"it holds 0 and lies within the margin on either side (in points: {listed}). Otherwise: "
        f"not decided. With fewer than {MIN_SEEDS} seeds there is no verdict. Differences that are "
        "alike in every seed have no interval; the sign test decides."
    )
    yield (
        "+-M takes N seeds: with so many, if the spread stays, the interval reaches M points to "
        "either side."
    )
    if steps:
        yield (
            "Minutes: by how much the pretraining, its teacher's included, takes longer, as the "
            "median over the seeds that both rungs have."
        )
    yield SELECTION.get(ladder.selection, f"Selection: {ladder.selection}.")


def _seeds(ladder: LadderResults, findings: Sequence[Finding], top1: Top1) -> Iterator[str]:
    yield (
        "Seeds are matched if each has its own pretrained backbone: n repeats of the whole chain."
    )
    if any(cell.diverged or cell.left_out for cell in ladder.cells):
        yield (
            "Diverged: the loss or the weights were no numbers any more, mostly because the "
            "learning rate was too large. Such seeds are left out of means and differences, which "
            "flatters their rung."
        )
    if any(rung.seeds == "shared" for rung in ladder.rungs.values()):
        yield (
            "Seeds are shared if one backbone was fine-tuned n times: the spread is then that of "
            "fine-tuning alone, and the results hold for that file, not for its recipe."
        )
    yield from _shared_teachers(ladder)
    if any(finding.images or finding.image_differences for finding in findings):
        yield (
            "With one seed the interval is over test images (bootstrap, 1000 resamples): it "
            "covers the choice of test images and says nothing about other seeds."
        )
    if any(finding.both for finding in findings):
        yield (
            f"{IMAGES_TOO}: the same difference over other seeds on other test images of the same "
            "source (the interval over seeds, widened by a bootstrap over the images). The verdict "
            "holds for the test images at hand; where this interval holds 0, it may turn on others."
        )
    shown = {finding.metric for finding in findings}
    for metric in (name for name in METRICS if METRICS[name].interval_of in shown & {*METRICS}):
        if metric in shown:
            yield (
                f"{label_of(METRICS[metric].interval_of)} stands beside {label_of(metric)} for its "
                f"intervals over test images: {label_of(metric)} jumps when recall passes a "
                "multiple of 0.1, so its own would hold the truth too rarely."
            )
    if top1.stated:
        yield (
            "Top-1 from the card of a public file was measured by whoever made the file, on the "
            "data set of its pretraining."
        )
    if any(rung.published for rung in ladder.rungs.values()):
        yield "Published: one run each on the paper's data (arXiv:1812.01187, tables 8 and 9)."


def _shared_teachers(ladder: LadderResults) -> Iterator[str]:
    """Yield the rungs whose own pretrainings repeat, but not that of a teacher above them."""
    known = {**ladder.teachers, **ladder.rungs}
    students: dict[str, list[str]] = {}
    for rung in (rung for rung in ladder.rungs.values() if rung.seeds == "matched"):
        above = rung
        while above.teacher and above.seeds == "matched":
            above = known[above.teacher]
        if above.seeds == "shared":
            students.setdefault(above.label, []).append(rung.label)
    for teacher, labels in students.items():
        yield (
            f"{', '.join(labels)}: every seed learned from the same {teacher}, whose pretraining "
            "was not repeated: the spread lacks its part, and the results hold for that teacher."
        )


def _cells(ladder: LadderResults) -> Iterator[str]:
    for task in ladder.tasks.values():
        splits = {str(cell.result.get("split")) for cell in ladder.cells_of(task=task.name)}
        if splits - {"test"}:
            names = ", ".join(sorted(splits))
            yield f"{task.name}: measured on the split called {names}."
    yield from machine_notes(ladder)
    yield from _caches(ladder)
    yield from _remarks(ladder)


def _caches(ladder: LadderResults) -> Iterator[str]:
    """Yield what the stored answers of a teacher cost, for each rung that has them."""
    for name, rung in ladder.rungs.items():
        cells = ladder.cells_of(name, PRETRAINING)
        pairs = [(cell.training_seconds, cell.cache_seconds) for cell in cells]
        known = [(whole, cache) for whole, cache in pairs if whole and cache]
        if known:
            whole, cache = (median(seconds) for seconds in zip(*known, strict=True))
            yield (
                f"{rung.label}: its pretraining took {duration(whole)}, of which {duration(cache)} "
                f"to store the teacher's answers; {duration(whole - cache)} without that."
            )


def _remarks(ladder: LadderResults) -> Iterator[str]:
    """Yield the notes in the cells' records, each once, with the names of its cells.

    Runs that tried values are counted.
    """
    named: dict[str, dict[tuple[str, str], list[CellResult]]] = {}
    of_teachers = (cell for name in ladder.teachers for cell in teachers_cells(ladder, name))
    for cell in (*ladder.cells, *of_teachers):
        for note in _notes_of(cell):
            named.setdefault(note, {}).setdefault((cell.rung, cell.task), []).append(cell)
    tried = Counter(note for cell in tried_cells(ladder) for note in _notes_of(cell))
    for note in dict.fromkeys([*named, *tried]):
        names = [_name(cells) for cells in named.get(note, {}).values()]
        names += [counted(tried[note], "tuning run")] * (note in tried)
        yield f"{'; '.join(names)}: {note}"


def _notes_of(cell: CellResult) -> list[str]:
    return list(dict.fromkeys(map(str, cell.record.get("notes") or ())))
