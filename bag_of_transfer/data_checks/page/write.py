"""Write the page: one file that opens from disk and needs no network."""

import os
from pathlib import Path

from bag_of_transfer.data_checks.check import Report
from bag_of_transfer.data_checks.kinds import ERROR, WARNING
from bag_of_transfer.data_checks.page.gallery import galleries
from bag_of_transfer.data_checks.page.plots import draw_plots
from bag_of_transfer.data_checks.report import below, common_folder, count
from bag_of_transfer.data_checks.splits import PRETRAINING
from bag_of_transfer.data_checks.summary import class_grid, never_seen_lines, split_grid
from bag_of_transfer.engine.atomic import write_text
from bag_of_transfer.engine.data.file_names import storable
from bag_of_transfer.engine.errors import UserError, in_one_line
from bag_of_transfer.pages.page import inline_plots, render_page

__all__ = ["check_place", "write_page"]

MOST_FINDINGS = 300  # rows; --json has all
MOST_CLASSES = 400


def check_place(path: Path) -> None:
    """Check that a page can be written there, before hours are spent on what it shows.

    Raises:
        UserError: If the path is a folder, or in no folder.
    """
    if path.is_dir():
        raise UserError("this is a folder", path, "give the name of a file, such as data.html")
    if not path.parent.is_dir():
        raise UserError("no such folder", path.parent, "make it, or give another place")


def write_page(report: Report, config: str, path: Path, seed: int) -> None:
    """Write the page.

    Args:
        report: What was found.
        config: The config, as it is called.
        path: The file; an older page is replaced.
        seed: Chooses the samples.
    """
    suspicious, samples, left_out = galleries(report, seed)
    ordered = sorted(report.findings, key=lambda finding: finding.severity != ERROR)
    folder = _folder_of(report)
    plots = inline_plots(draw_plots(report))
    html = render_page(
        __package__,
        "data.html.j2",
        {
            "shown": lambda text: in_one_line(str(text)),
            "near": lambda text: in_one_line(below(folder, str(text))),
        },
        name=Path(config).stem,
        folder=folder,
        config=config,
        report=report,
        errors=count(report, ERROR),
        warnings=count(report, WARNING),
        findings=ordered[:MOST_FINDINGS],
        num_left_out=max(0, len(ordered) - MOST_FINDINGS),
        suspicious=suspicious,
        samples=samples,
        pictures_left_out=left_out,
        grids=[
            split_grid(report.counts, report.shared),
            class_grid(report.counts, MOST_CLASSES),
        ],
        never_seen=never_seen_lines(report.counts),
        plots=[plot for group in plots.values() for plot in group],
    )
    write_text(path, storable(html))


def _folder_of(report: Report) -> str:
    """Return the folder that has all data of the config; "" if that would shorten nothing."""
    own = (split for split in report.splits if split.name != PRETRAINING)
    folders = {os.path.abspath(example.folder) for split in own for example in split.examples}
    return common_folder(folders)
