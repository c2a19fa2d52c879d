"""Progress of a run: epoch, iteration, loss, lr, images per second and the time left.

In a config, beside mmengine's LoggerHook, which still writes the log file and TensorBoard (its
lines are kept off the screen, so nothing is printed twice):

    custom_hooks = [dict(type="ProgressHook")]
"""

import logging
import numbers
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.dist import get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from bag_of_transfer.engine.bars import Step, console_handlers
from bag_of_transfer.engine.interruption import raise_if_swallowed
from bag_of_transfer.engine.lr import current_lr
from bag_of_transfer.engine.processes import mean_over_processes
from bag_of_transfer.engine.quantities import duration, figure, rate

__all__ = ["ProgressHook", "Rate", "counts_epochs", "num_images_of"]

SKIPPED_ITERS = 5  # while workers start, memory is allocated and kernels are chosen
WINDOW_ITERS = 100
SHORT_EPOCH_S = 1.0  # an epoch shorter than this leaves no line of its own
NUM_METRICS_SHOWN = 8


class Rate:
    """Images per second, without the first iterations of a run."""

    def __init__(self) -> None:
        self.num_iters = 0
        self._recent: deque[tuple[int, float]] = deque(maxlen=WINDOW_ITERS)

    def add(self, num_images: int, seconds: float) -> None:
        """Count one iteration."""
        self.num_iters += 1
        if self.num_iters == SKIPPED_ITERS + 1:  # until then only slow iterations are known
            self._recent.clear()
        self._recent.append((num_images, seconds))

    @property
    def recent(self) -> float:
        """Return the images per second of the last 100 iterations; 0 before the first."""
        seconds = sum(seconds for _, seconds in self._recent)
        return sum(images for images, _ in self._recent) / seconds if seconds else 0.0

    @property
    def iter_seconds(self) -> float:
        """Return the mean seconds of the last 100 iterations; 0 before the first."""
        return sum(s for _, s in self._recent) / len(self._recent) if self._recent else 0.0


@HOOKS.register_module()
class ProgressHook(Hook):
    """Show training, validation and test on rank 0, as a bar or as plain lines.

    The loss is the mean over the processes.  It is read from the device only when a line is due,
    and at most every ``interval`` iterations.

    Args:
        interval: Smallest number of iterations between two readings of the loss.

    Raises:
        ValueError: If ``interval`` is less than 1.
    """

    # After the model's step, before the schedule sets the lr of the next iteration.
    priority = "BELOW_NORMAL"

    def __init__(self, interval: int = 10) -> None:
        if interval < 1:
            raise ValueError(f"interval must be at least 1, got {interval}")
        self.interval = interval
        self._train_rate = Rate()
        self._step: Step | None = None
        self._stage_rate = Rate()
        self._tick = self._stage_start = 0.0
        self._total, self._world_size = 0, 1
        self._val_seconds: float | None = None
        self._training = False

    def before_run(self, runner: Runner) -> None:
        """Keep LoggerHook's lines off the screen; the log file has them."""
        for handler in console_handlers(runner.logger):
            handler.addFilter(NO_LOGGER_HOOK)

    def after_run(self, runner: Runner) -> None:
        """Remove the bar and let LoggerHook's lines on the screen again."""
        self._close()
        self._training = False
        for handler in console_handlers(runner.logger):
            handler.removeFilter(NO_LOGGER_HOOK)

    def before_train(self, runner: Runner) -> None:
        """Note that from now on a validation is part of a training."""
        self._training = True

    def before_train_epoch(self, runner: Runner) -> None:
        """Show the bar of one epoch, or of the whole run where the loop counts iterations."""
        self._tick, self._world_size = time.perf_counter(), get_world_size()
        self._total = len(runner.train_dataloader) if counts_epochs(runner) else runner.max_iters
        if not is_main_process():
            return
        self._close()
        if counts_epochs(runner):
            self._step = Step(f"epoch {runner.epoch + 1}/{runner.max_epochs}", self._total)
        else:
            self._step = Step("train", self._total, done=runner.iter)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Move the bar, read the loss now and then, and end the run after a signal."""
        raise_if_swallowed()
        now = time.perf_counter()
        self._train_rate.add(num_images_of(data_batch) * self._world_size, now - self._tick)
        self._tick = now
        loss = self._loss(batch_idx + 1, outputs)
        step = self._step
        if step is None:
            return
        step.advance_to(batch_idx + 1)
        last = step.total is not None and step.done >= step.total
        if last:
            self._end_epoch(runner, loss)
        elif step.done % self.interval == 0 and step.due:
            step.show(self._train_note(runner, loss))

    def _before_epoch(self, runner: Runner, mode: str = "train") -> None:
        """Show the bar of a validation or a test."""
        self._tick = self._stage_start = time.perf_counter()
        self._stage_rate, self._world_size = Rate(), get_world_size()
        if is_main_process():
            self._close()
            self._step = Step(mode, len(getattr(runner, f"{mode}_dataloader")))

    def _after_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
        mode: str = "train",
    ) -> None:
        """Move the bar of a validation or a test."""
        raise_if_swallowed()
        now = time.perf_counter()
        self._stage_rate.add(num_images_of(data_batch) * self._world_size, now - self._tick)
        self._tick = now
        step = self._step
        if step is None:
            return
        step.advance_to(batch_idx + 1)
        if step.due:
            left = (step.total - step.done) * self._stage_rate.iter_seconds if step.total else 0.0
            step.show(f"{rate(self._stage_rate.recent, 'img')} | left {duration(left)}")

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Remove the bar and print a line with the metrics."""
        self._val_seconds = time.perf_counter() - self._stage_start
        self._end_stage(metrics)
        self._resume_train_bar(runner)

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Remove the bar and print a line with the metrics."""
        self._end_stage(metrics)

    def time_left(self, runner: Runner) -> float:
        """Return the seconds until the run ends, for iterations and validations to come."""
        seconds = (runner.max_iters - (runner.iter + 1)) * self._train_rate.iter_seconds
        vals = _vals_left(runner)
        return seconds + vals * self._one_val(runner) if vals else seconds

    def _one_val(self, runner: Runner) -> float:
        if self._val_seconds is not None or not self._train_rate.recent:
            return self._val_seconds or 0.0
        # Not measured yet: backward takes twice a forward, so validation is three times as fast.
        return len(runner.val_dataloader.dataset) / (3 * self._train_rate.recent)

    def _loss(self, done: int, outputs: dict | None) -> Any:
        """Return the mean loss if a line may be due; only rank 0 knows, but all must take part."""
        if done % self.interval and done != self._total:
            return None
        loss = (outputs or {}).get("loss")
        return mean_over_processes(loss) if isinstance(loss, torch.Tensor) else loss

    def _train_note(self, runner: Runner, loss: Any) -> str:
        lr = current_lr(runner.optim_wrapper)
        parts = [f"lr {lr:.3g}", rate(self._train_rate.recent, "img")]
        if loss is not None:
            parts.insert(0, f"loss {_number(loss):.4g}")
        return " | ".join([*parts, f"left {duration(self.time_left(runner))}"])

    def _end_epoch(self, runner: Runner, loss: Any) -> None:
        step, self._step = self._step, None
        is_last = runner.iter + 1 >= runner.max_iters
        if step is not None and (is_last or step.silent_s >= SHORT_EPOCH_S):
            step.end(self._train_note(runner, loss))
        elif step is not None:
            step.close()

    def _end_stage(self, metrics: dict[str, float] | None) -> None:
        step, self._step = self._step, None
        if step is not None:
            speed = rate(self._stage_rate.recent, "img")
            took = f"took {duration(time.perf_counter() - self._stage_start)}"
            step.end(" | ".join([*_metric_notes(metrics), speed, took]))

    def _resume_train_bar(self, runner: Runner) -> None:
        # A loop that counts iterations validates in the middle of its one "epoch".
        if self._training and not counts_epochs(runner) and runner.iter < runner.max_iters:
            self.before_train_epoch(runner)

    def _close(self) -> None:
        if self._step is not None:
            self._step.close()
            self._step = None


class _NoLoggerHook(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return record.module != "logger_hook" or record.levelno > logging.INFO


NO_LOGGER_HOOK = _NoLoggerHook()  # the one that a handler has, however often it is added


def counts_epochs(runner: Runner) -> bool:
    """Return whether the training loop counts epochs, as opposed to iterations."""
    return hasattr(runner.train_loop, "run_epoch")


def _vals_left(runner: Runner) -> int:
    loop = runner.train_loop
    if runner.val_loop is None:
        return 0
    if not counts_epochs(runner):
        return loop.max_iters // loop.val_interval - (runner.iter + 1) // loop.val_interval
    epochs = range(max(runner.epoch + 1, loop.val_begin), runner.max_epochs + 1)
    return sum(epoch % loop.val_interval == 0 or epoch == runner.max_epochs for epoch in epochs)


def num_images_of(data_batch: Any) -> int:
    """Return the number of images in a batch, as the loaders of the three tasks give it."""
    if isinstance(data_batch, dict):
        inputs = data_batch.get("inputs", ())
        return inputs.shape[0] if isinstance(inputs, torch.Tensor) else len(inputs)
    return len(data_batch[0]) if isinstance(data_batch, Sequence) and len(data_batch) else 0


def _number(value: Any) -> float:
    value = value.detach() if isinstance(value, torch.Tensor) else value
    return float(value)  # the only place that waits for the device


def _metric_notes(metrics: dict[str, float] | None) -> list[str]:
    pairs = [(key, v) for key, v in (metrics or {}).items() if isinstance(v, numbers.Real)]
    return [f"{key} {figure(float(value))}" for key, value in pairs[:NUM_METRICS_SHOWN]]
