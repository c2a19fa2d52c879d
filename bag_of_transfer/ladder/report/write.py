"""Write a ladder's report into its folder; it can be written again at any time."""

from dataclasses import replace
from pathlib import Path

from bag_of_transfer.engine.atomic import write_text
from bag_of_transfer.engine.bars import track
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.figures import save_figure
from bag_of_transfer.ladder.report.documents import table_file
from bag_of_transfer.ladder.report.findings import find, find_top1
from bag_of_transfer.ladder.report.footnotes import footnotes, not_done_notes, told_at_once
from bag_of_transfer.ladder.report.page import render
from bag_of_transfer.ladder.report.plots import draw_plots
from bag_of_transfer.ladder.report.results import LadderResults, read_results
from bag_of_transfer.ladder.report.tables import NUMBERS, long_form

__all__ = ["read_compared", "write_report"]


def read_compared(folder: Path, reference: str | None) -> LadderResults:
    """Read a ladder's folder, to compare with a rung; None: with the reference of the ladder.

    Raises:
        UserError: If the folder is not a ladder's, its plan is damaged, or the rung is unknown.
    """
    ladder = read_results(folder)
    if not reference:
        return ladder
    if reference not in ladder.rungs:
        mend = f"give one of {', '.join(ladder.rungs)}"
        raise UserError(f"the ladder has no rung {reference}", "--reference", mend)
    return replace(ladder, reference=reference)


def write_report(folder: Path, reference: str | None = None) -> list[Path]:
    """Write tables, ``results.csv``, plots and ``report.html`` into a ladder's folder.

    It needs only the cells' small files, no data, weights or GPU.  Cells that were edited or are
    damaged are left out, and named on the screen, too.

    Args:
        folder: The ladder's folder.
        reference: The rung that others are compared with; None: the reference of the ladder.

    Returns:
        The files that were written, the page last.

    Raises:
        UserError: As :func:`read_compared`.
    """
    ladder = read_compared(folder, reference)
    for line in told_at_once(ladder):
        print(line)
    findings, top1 = find(ladder), find_top1(ladder)
    notes = footnotes(ladder, findings, top1)
    below = [*notes, *not_done_notes(ladder)]
    texts = {
        f"table{number}.md": table_file(ladder, findings, top1, kind, below)
        for kind, number in NUMBERS.items()
    }
    texts["results.csv"] = long_form(ladder)
    plots = draw_plots(ladder, findings, top1)
    written = []
    for plot in track(plots, "plots", total=len(plots)):
        written += save_figure(plot.figure, folder / "plots" / plot.name)
    texts["report.html"] = render(ladder, findings, top1, plots, notes)
    for name, text in texts.items():
        write_text(folder / name, text)
        written.append(folder / name)
    return written
