"""What a run does at a loss or gradient that is no number: it stops, or leaves the step out.

``non_finite = dict(on="skip", most=100, in_a_row=10)`` in a config leaves such a step out: nothing
changes but the position in the schedule.  Without it, or with ``dict(on="stop")``, the run stops.
"""

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from bag_of_transfer.engine.errors import LOST_LOSS, UserError
from bag_of_transfer.engine.loop.averages import MovingAverage, MovingAverageHook
from bag_of_transfer.engine.loop.loss_watch import interval_of
from bag_of_transfer.engine.loop.lost_step import NewestBatches
from bag_of_transfer.engine.loop.skipped_steps import SkippedSteps
from bag_of_transfer.engine.loop.update import Update
from bag_of_transfer.engine.numbers import is_whole
from bag_of_transfer.engine.quantities import counted, few
from bag_of_transfer.engine.run_files import SKIPPED

__all__ = ["NON_FINITE", "SkipNonFinite", "follow_non_finite"]

NON_FINITE = "non_finite"  # the config's key
EXAMPLE = 'give non_finite=dict(on="skip", most=100, in_a_row=10)'
LIMITS = {"most": 100, "in_a_row": 10}
NUM_NAMED = 4


def follow_non_finite(cfg: Config) -> str | None:
    """Check what the config states, and say it if steps are left out.

    Raises:
        UserError: If a key is unknown or a value is not valid.
    """
    limits = _limits(cfg.get(NON_FINITE))
    if limits is None:
        return None
    most, in_a_row = limits.values()
    cfg[NON_FINITE] = dict(on="skip", **limits)
    return (
        f"a step whose loss or gradient is no number is left out, at most {most} of them, "
        f"{in_a_row} in a row"
    )


def _limits(stated: Any) -> dict[str, int] | None:
    if stated is None:
        return None
    if not isinstance(stated, Mapping):
        raise UserError(f"{stated!r} is not a dict", NON_FINITE, EXAMPLE)
    unknown = sorted(set(map(str, stated)) - {"on", *LIMITS})
    if unknown:
        raise UserError(f"unknown key {unknown[0]!r}", NON_FINITE, EXAMPLE)
    if stated.get("on") not in ("stop", "skip"):
        mend = 'give "stop" or "skip"'
        raise UserError(f"{stated.get('on')!r} is not a valid value", f"{NON_FINITE}.on", mend)
    for key in set(LIMITS) & set(stated):
        if not is_whole(stated[key]) or stated[key] < 1:
            mend = "give a whole number from 1"
            raise UserError(f"{stated[key]!r} is not a valid value", f"{NON_FINITE}.{key}", mend)
        if stated["on"] == "stop":
            mend = f'leave {key} out, or set on="skip"'
            raise UserError("the run stops at the first one", f"{NON_FINITE}.{key}", mend)
    return (
        None
        if stated["on"] == "stop"
        else {key: stated.get(key, limit) for key, limit in LIMITS.items()}
    )


@HOOKS.register_module()
class SkipNonFinite(Hook):
    """Leave out steps whose loss or gradient is no number, if the config's ``non_finite`` says so.

    They are counted where the log is written.  With fp16, the loss scaling decides about gradients,
    and only a loss that is no number is counted.
    """

    priority = "LOW"  # before a line of the curve and a checkpoint are written

    def __init__(self) -> None:
        self._limits: dict[str, int] | None = None
        self._skipped = SkippedSteps()
        self._told = 0

    def before_train(self, runner: Runner) -> None:
        """Begin to look at each step.

        Raises:
            UserError: If the optimizer or an average cannot leave a step out on the device.
        """
        self._limits = _limits(runner.cfg.get(NON_FINITE))
        if self._limits is None:
            return
        _check_parts(runner)
        self._interval = interval_of(runner.hooks)
        before = runner.message_hub.get_info(SKIPPED, 0)
        runner.message_hub.update_info(SKIPPED, before)
        self._batches = NewestBatches(self._interval)
        runner.optim_wrapper.skipped = self._skipped = SkippedSteps(before)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Count where the log is written."""
        if self._limits is not None:
            self._skipped.note(runner.iter + 1)
            self._batches.add(runner, data_batch)
            if (batch_idx + 1) % self._interval == 0:
                self._tell(runner, self._limits)

    def after_train_epoch(self, runner: Runner) -> None:
        """Count at an epoch's end."""
        if self._limits is not None:
            self._tell(runner, self._limits)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Let the checkpoint keep the number."""
        if self._limits is not None:
            checkpoint["message_hub"]["runtime_info"][SKIPPED] = self._skipped.total()

    def _tell(self, runner: Runner, limits: Mapping[str, int]) -> None:
        total = self._skipped.total()
        new = self._skipped.iterations[self._told :]
        if not new:
            return
        self._told += len(new)
        self._batches.keep(
            runner, "the loss or gradient was no number", new[0], None, together=True
        )
        print_log(
            f"{counted(len(new), 'step')} left out, whose loss or gradient was no number "
            f"(iteration {few(new, NUM_NAMED)}); {total} so far",
            logger="current",
        )
        counts = {"in_a_row": self._skipped.longest_row, "most": total}
        over = [key for key, count in counts.items() if count > limits[key]]
        if over:
            words = {"in_a_row": "in a row", "most": "in all"}[over[0]]
            raise UserError(
                f"{LOST_LOSS} no number, or the gradient, in {counts[over[0]]} steps {words}",
                f"iteration {new[-1]}",
                f"lower optim_wrapper.optimizer.lr, or raise {NON_FINITE}.{over[0]}",
            )


def _check_parts(runner: Runner) -> None:
    """Check that all parts that a step changes can leave it out without asking the host.

    Raises:
        UserError: If one cannot.
    """
    wrapper = runner.optim_wrapper
    optimizer = getattr(wrapper, "optimizer", None)
    # What torch's own loss scaling asks.
    if not isinstance(wrapper, Update) or not getattr(
        optimizer, "_step_supports_amp_scaling", False
    ):
        raise UserError(
            f"{type(optimizer or wrapper).__name__} cannot leave a step out on the device",
            f"{NON_FINITE}.on",
            "use SGD, Adam or AdamW without fused=False, or on='stop'",
        )
    for hook in runner.hooks:
        average = getattr(hook, "ema_model", None)
        if average is None:
            continue
        if not isinstance(hook, MovingAverageHook) or type(average) is not MovingAverage:
            raise UserError(
                f"{type(average).__name__} cannot leave a step out on the device",
                f"{NON_FINITE}.on",
                "use EMAHook with ema_type='ExponentialMovingAverage', or on='stop'",
            )
