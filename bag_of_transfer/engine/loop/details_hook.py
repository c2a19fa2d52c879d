"""Tell after every validation how each class does, and write what a page about the run needs."""

import shlex
import sys
from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from bag_of_transfer.engine.atomic import write_json
from bag_of_transfer.engine.data.held_out import judged_split
from bag_of_transfer.engine.loop.class_table import class_table
from bag_of_transfer.engine.loop.details import describe, details_of, write_details
from bag_of_transfer.engine.loop.metrics_record import plain_metrics
from bag_of_transfer.engine.progress import counts_epochs
from bag_of_transfer.engine.run_files import DETAILS, RUN

__all__ = ["DetailsRecorder", "command_line"]

SCHEMA = 1


def command_line() -> str:
    """Return the command that this process runs, for a shell."""
    return shlex.join(["python", *sys.argv])


@HOOKS.register_module()
class DetailsRecorder(Hook):
    """Write ``run.json`` before training and ``details.json`` after each validation.

    What the classes' results are is computed by the metric; this only shows and writes it, on the
    main process.  A validation replaces the file of the one before.
    """

    priority = "LOW"

    def before_train(self, runner: Runner) -> None:
        """Write what is begun: the command, how long it will be, how many images there are."""
        if not is_main_process():
            return
        lasts = "epochs" if counts_epochs(runner) else "iterations"
        loop, val_loop = runner.train_loop, runner.val_loop
        record = {
            "schema": SCHEMA,
            "task": runner.cfg.get("task"),
            "config": runner.cfg.filename,
            "command": command_line(),
            lasts: loop.max_epochs if counts_epochs(runner) else loop.max_iters,
            "train_images": len(runner.train_dataloader.dataset),
            "val_images": len(val_loop.dataloader.dataset) if val_loop else 0,
        }
        write_json(Path(runner.work_dir, RUN), record)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Show the table and write the file, where the metric is ours."""
        details = details_of(runner.val_evaluator)
        if details is None or not is_main_process():
            return
        passes = runner.iter / len(runner.train_dataloader)
        record = describe(
            details,
            split=judged_split(runner.cfg),
            epoch=runner.epoch if counts_epochs(runner) else round(passes, 4),
            iter=runner.iter,
            metrics={key: round(value, 4) for key, value in plain_metrics(metrics or {}).items()},
        )
        print_log(class_table(record, DETAILS), logger="current")
        write_details(Path(runner.work_dir, DETAILS), record)
