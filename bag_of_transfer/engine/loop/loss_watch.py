"""End a run whose loss or weights are nan or infinite, and say where that began."""

import math
from collections.abc import Sequence
from typing import Any, NoReturn

from mmengine.hooks import LoggerHook
from mmengine.runner import Runner
from torch import Tensor

from bag_of_transfer.engine.errors import LOST_LOSS, LOST_WEIGHTS, UserError
from bag_of_transfer.engine.loop.lost_step import NewestBatches
from bag_of_transfer.engine.loop.running_loss import RunningLoss
from bag_of_transfer.engine.processes import mean_over_processes
from bag_of_transfer.engine.quantities import few
from bag_of_transfer.engine.weights.finite import lost_tensor

__all__ = ["LossWatch", "interval_of", "skips"]

INTERVAL = 50  # between two looks, where no LoggerHook says another
NUM_NAMED = 4


def interval_of(hooks: Sequence[Any]) -> int:
    """Return how often the log reads the loss, in iterations.

    Args:
        hooks: Those of the Runner.
    """
    intervals = [hook.interval for hook in hooks if isinstance(hook, LoggerHook)]
    return min(intervals, default=INTERVAL)


def skips(wrapper: Any) -> bool:
    """Return whether an optimizer wrapper leaves out steps whose loss is no number."""
    return getattr(wrapper, "skipped", None) is not None


class LossWatch:
    """Keeps the names of the newest images until the loss is looked at.

    Args:
        hooks: Those of the Runner: the loss is looked at where LoggerHook reads it.
    """

    def __init__(self, hooks: Sequence[Any] = ()) -> None:
        self.interval = interval_of(hooks)
        self._batches = NewestBatches(self.interval)
        self._finite_at = -1  # the iteration after which the weights were last seen to be finite

    def add(self, runner: Runner, batch: Any) -> None:
        """Note the batch of an iteration, after its step."""
        self._batches.add(runner, batch)

    def is_due(self, runner: Runner, batch_idx: int) -> bool:
        """Return whether the log reads the loss of this iteration.

        With fp16 a step may overflow, and is skipped then: only the end of an epoch counts.
        Neither does it where steps are left out (``non_finite.py``).
        """
        at_log = (batch_idx + 1) % self.interval == 0
        wrapper = runner.optim_wrapper
        return at_log and not (hasattr(wrapper, "loss_scaler") or skips(wrapper))

    def check(self, runner: Runner, losses: RunningLoss, *, together: bool = True) -> None:
        """Check that the newest loss is a number; this waits for the device.

        Where steps are left out, the mean of the losses that are numbers is looked at.

        Args:
            runner: Its data set may have to name the images.
            losses: Those of this process since the epoch began.
            together: Whether all processes call this at the same time, and share the loss.

        Raises:
            UserError: If it is nan or infinite.
        """
        newest: Tensor = losses.mean() if skips(runner.optim_wrapper) else losses.newest
        value = float(mean_over_processes(newest) if together else newest)
        if not math.isfinite(value):
            # Another process may have lost it first: then this one's newest images are named.
            ago = max(1, len(losses) - losses.lost_since())
            self._stop(
                runner, f"{LOST_LOSS} {value}", self._batches.done - ago + 1, together=together
            )

    def check_weights(self, runner: Runner, iteration: int) -> None:
        """Check weights, averages and the optimizer's state before they are saved or judged.

        Args:
            runner: Of the run.
            iteration: Number of steps that were done.

        Raises:
            UserError: If a tensor holds nan, infinity or a number beyond 1e19.
        """
        if iteration == self._finite_at:
            return
        tensor = lost_tensor(runner)
        if tensor is not None:
            what = f"{LOST_WEIGHTS} (NaN, infinity or beyond 1e19, first in {tensor})"
            self._stop(runner, what, iteration, tensor=tensor)
        self._finite_at = iteration

    def _stop(
        self,
        runner: Runner,
        what: str,
        iteration: int,
        tensor: str | None = None,
        together: bool = False,
    ) -> NoReturn:
        step = self._batches.keep(runner, what, iteration, tensor, together)
        place = f"epoch {step.epoch}, iteration {step.iteration}"
        raise UserError(
            what,
            f"{place}, {few(step.files, NUM_NAMED)}" if step.files else place,
            "lower optim_wrapper.optimizer.lr or lengthen the warm-up; "
            "the work dir has the earlier checkpoints, if any were written",
        )
