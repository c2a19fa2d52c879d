"""End a run whose loss is nan or infinite, and say where that began."""

import itertools
import math
from collections import deque
from collections.abc import Sequence
from typing import Any

from mmengine.hooks import LoggerHook
from mmengine.runner import Runner
from torch import Tensor

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.progress import counts_epochs
from bag_of_transfer.engine.running_loss import RunningLoss

__all__ = ["LOST", "LossWatch", "interval_of", "skips"]

LOST = "the loss is"  # an error begins with it: a run of a search may have too large a rate

INTERVAL = 50  # between two looks, where no LoggerHook says another
NUM_NAMED = 4


def interval_of(hooks: Sequence[Any]) -> int:
    """Return how often the log reads the loss, in iterations.

    Args:
        hooks: Those of the Runner.
    """
    intervals = [hook.interval for hook in hooks if isinstance(hook, LoggerHook)]
    return min(intervals, default=INTERVAL)


class LossWatch:
    """Keeps the names of the newest images until the loss is looked at.

    Args:
        hooks: Those of the Runner: the loss is looked at where LoggerHook reads it.
    """

    def __init__(self, hooks: Sequence[Any] = ()) -> None:
        self.interval = interval_of(hooks)
        self._paths: deque[list[str]] = deque(maxlen=self.interval)
        self._done = 0

    def add(self, runner: Runner, batch: Any) -> None:
        """Note the batch of an iteration, after its step."""
        self._done = runner.iter + 1
        samples = batch.get("data_samples") if isinstance(batch, dict) else None
        self._paths.append([one.img_path for one in samples or () if hasattr(one, "img_path")])

    def is_due(self, runner: Runner, batch_idx: int) -> bool:
        """Return whether the log reads the loss of this iteration.

        With fp16 a step may overflow, and is skipped then: only the end of an epoch counts.
        Neither does it where steps are left out (``non_finite.py``).
        """
        at_log = (batch_idx + 1) % self.interval == 0
        wrapper = runner.optim_wrapper
        leaves_out = hasattr(wrapper, "loss_scaler") or skips(wrapper)
        return at_log and not leaves_out

    def deciding(self, runner: Runner, losses: RunningLoss) -> Tensor:
        """Return the loss that is lost if the run is, on its device.

        Returns:
            The newest; where steps are left out, the mean of those that are numbers.
        """
        return losses.mean() if skips(runner.optim_wrapper) else losses.newest

    def check(self, runner: Runner, losses: RunningLoss, newest: Tensor) -> None:
        """Check that the newest loss is a number; this waits for the device.

        Args:
            runner: Its data set may have to name the images.
            losses: Those of this process since the epoch began.
            newest: The newest one, of this process or the mean over all.

        Raises:
            UserError: If it is nan or infinite.
        """
        value = float(newest)
        if not math.isfinite(value):
            raise UserError(
                f"{LOST} {value}",
                self._place(runner, losses),
                "lower optim_wrapper.optimizer.lr or lengthen the warm-up; "
                "the work dir has the earlier checkpoints, if any were written",
            )

    def _place(self, runner: Runner, losses: RunningLoss) -> str:
        # Another process may have lost it first: then this one's newest images are named.
        ago = max(1, len(losses) - losses.lost_since())
        iteration = self._done - ago + 1
        batches = len(runner.train_dataloader)
        place = f"epoch {math.ceil(iteration / batches)}, iteration {iteration}"
        paths = self._paths[-ago] if ago <= len(self._paths) else []
        if not paths and counts_epochs(runner):
            paths = _files_of_batch(runner.train_dataloader, (iteration - 1) % batches)
        more = f" and {len(paths) - NUM_NAMED} more" if len(paths) > NUM_NAMED else ""
        return f"{place}, {', '.join(paths[:NUM_NAMED])}{more}" if paths else place


def skips(wrapper: Any) -> bool:
    """Return whether an optimizer wrapper leaves out steps whose loss is no number."""
    return getattr(wrapper, "skipped", None) is not None


def _files_of_batch(loader: Any, index: int) -> list[str]:
    """Return the files of a batch of the current epoch, where the data set names them.

    The batches are drawn again: a sampler gives the same ones for the same epoch.
    """
    path = getattr(loader.dataset, "path", None)
    if path is None:
        return []
    indices = next(itertools.islice(iter(loader.batch_sampler), index, None), ())
    return [str(path(one)) for one in indices]
