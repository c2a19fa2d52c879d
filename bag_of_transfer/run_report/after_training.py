"""What is drawn after a training."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bag_of_transfer.engine.process_group import is_main_process
from bag_of_transfer.engine.run_files import DETAILS, PLOTS
from bag_of_transfer.run_report.details_file import read_details

__all__ = ["after_training", "draw_plots"]


def after_training(work_dir: Path) -> None:
    """Draw what the last validation found out; nothing if there was none.

    Args:
        work_dir: The run's folder.

    Raises:
        UserError: If its record was damaged meanwhile.
    """
    path = work_dir / DETAILS
    if is_main_process() and path.is_file():
        draw_plots(read_details(path, "remove it"), work_dir)


def draw_plots(record: Mapping[str, Any], work_dir: Path) -> None:
    """Draw what the classes of a record are taken for, and their curves, as PNG in ``plots``."""
    # Imported here: matplotlib takes 0.7 s, and a dry run draws nothing.
    from bag_of_transfer.engine.figures import save_figure
    from bag_of_transfer.pages.plots import INK
    from bag_of_transfer.run_report.plots import confusion_plot, precision_recall_plot

    split = record["split"]
    for plot in (confusion_plot(record, split), precision_recall_plot(record, split)):
        if plot is not None:
            title = plot.figure.axes[0].set_title if plot.figure.legends else plot.figure.suptitle
            title(f"{split}: {plot.title}", fontsize=11, color=INK)
            save_figure(plot.figure, work_dir / PLOTS / plot.name, ("png",))
