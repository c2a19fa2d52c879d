"""End a run whose work dir is moved, removed or unmounted, before it writes into another one."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from bag_of_transfer.engine.errors import UserError, mistake_in
from bag_of_transfer.engine.loop.loss_watch import interval_of

__all__ = ["WorkDirWatch"]

MEND = "it was moved, removed or unmounted; bring it back and go on with --resume"


class WorkDirWatch(Hook):
    """Look whether the work dir is still the folder of the start, wherever something is written.

    Files are written with their folders where those are missing, so a run would go on in an empty
    folder, without its earlier checkpoints.
    """

    priority = "VERY_HIGH"  # before the hooks that write

    def __init__(self) -> None:
        self._folder = ""
        self._handle: int | None = None
        self._interval = 1

    def before_train(self, runner: Runner) -> None:
        """Note the folder, on the process that writes."""
        self._interval = interval_of(runner.hooks)
        if is_main_process():
            self._folder = str(runner.work_dir)
            # While it is open no other folder gets its number.
            self._handle = os.open(self._folder, os.O_RDONLY)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Look where the log is written."""
        if (batch_idx + 1) % self._interval == 0:
            self.check()

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Look before a checkpoint is written."""
        self.check()

    def after_train_epoch(self, runner: Runner) -> None:
        """Look before the curve is written."""
        self.check()

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Look before the metrics are written."""
        self.check()

    def check(self) -> None:
        """Look now.

        Raises:
            UserError: If it is another folder, or none.
        """
        if self._handle is None:
            return
        try:
            same = os.path.samestat(os.stat(self._folder), os.fstat(self._handle))
        except OSError as error:  # gone, or its drive is
            why = (error.strerror or "cannot be reached").lower()
            what = f"the work dir has vanished ({why})"
            raise UserError(what, self._folder, MEND) from error
        if not same:
            raise UserError("the work dir is no longer that of the start", self._folder, MEND)

    @contextlib.contextmanager
    def explaining(self) -> Iterator[None]:
        """Explain an error of a file by the folder, if that has gone since the last look; end.

        Raises:
            UserError: In place of that error.
        """
        try:
            yield
        except OSError as error:
            if mistake_in(error) is None:
                self.check()
            raise
        finally:
            if self._handle is not None:
                os.close(self._handle)
                self._handle = None
