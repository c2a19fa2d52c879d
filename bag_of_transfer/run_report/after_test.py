"""What is shown and written after a test."""

from bag_of_transfer.engine.loop.class_table import class_table
from bag_of_transfer.engine.loop.details import describe, write_details
from bag_of_transfer.engine.loop.details_hook import command_line
from bag_of_transfer.engine.process_group import is_main_process
from bag_of_transfer.engine.run.evaluation import Evaluated
from bag_of_transfer.engine.run_files import TEST_DETAILS
from bag_of_transfer.run_report import after_training
from bag_of_transfer.run_report.worst import draw_worst

__all__ = ["after_test"]


def after_test(evaluated: Evaluated) -> None:
    """Print the table of the classes; write their record, plots, and pictures of the worst images.

    Nothing is done where the metric does not know the classes' results, or by other processes.
    """
    details = evaluated.details
    if details is None or not is_main_process():
        return
    worst = draw_worst(evaluated)
    facts = {name: evaluated.record[name] for name in ("split", "metrics", "checkpoint_sha256")}
    record = describe(
        details,
        **facts,
        tta=evaluated.tta,
        command=command_line(),
        image_measure=details.image_measure,
        worst=worst,
    )
    print(class_table(record, evaluated.work_dir / TEST_DETAILS))
    write_details(evaluated.work_dir / TEST_DETAILS, record)
    after_training.draw_plots(record, evaluated.work_dir)
