"""mmengine's hooks that log each iteration, without waiting for the device or keeping all values.

They take the place of mmengine's hooks of the same arguments (``runner.py``).
"""

import time
from collections.abc import Mapping
from typing import Any

from mmengine.hooks import IterTimerHook, LoggerHook, RuntimeInfoHook
from mmengine.registry import HOOKS
from mmengine.runner import BaseLoop, Runner

from bag_of_transfer.engine.loop.history import RecentHistory, history_of, set_length
from bag_of_transfer.engine.loop.peak_memory import note_peak
from bag_of_transfer.engine.lr import first_rates
from bag_of_transfer.engine.progress import counts_epochs

__all__ = ["IterationTimer", "LogWriter", "RuntimeInfo"]


@HOOKS.register_module()
class RuntimeInfo(RuntimeInfoHook):
    """mmengine's hook; losses stay on their device until the log needs them."""

    def before_train(self, runner: Runner) -> None:
        """Also find out how many values the log averages over."""
        super().before_train(runner)
        set_length(runner.message_hub, _longest_window(runner))
        self._loop = runner.train_loop
        self._histories: dict[str, RecentHistory] = {}

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Note the iteration and the learning rates."""
        runner.message_hub.update_info("iter", self._loop.iter)
        self._add(runner, first_rates(runner.optim_wrapper))

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Note what the model returns to log."""
        self._add(runner, outputs or {})

    def _add(self, runner: Runner, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            if name not in self._histories:
                self._histories[name] = history_of(runner.message_hub, f"train/{name}")
            self._histories[name].add(value)


@HOOKS.register_module()
class IterationTimer(IterTimerHook):
    """mmengine's hook.  On a GPU the times of one iteration are those of the host."""

    t: float

    def __init__(self) -> None:
        super().__init__()
        # By mode: a validation can be in the middle of a training's one epoch.
        self._data_times: dict[str, RecentHistory] = {}
        self._times: dict[str, RecentHistory] = {}
        self._loops: dict[str, Any] = {}

    def _before_epoch(self, runner: Runner, mode: str = "train") -> None:
        super()._before_epoch(runner, mode)
        self._data_times[mode] = history_of(runner.message_hub, f"{mode}/data_time")
        self._times[mode] = history_of(runner.message_hub, f"{mode}/time")
        self._loops[mode] = getattr(runner, f"{mode}_loop")
        self._num_batches = len(self._loops[mode].dataloader)

    def _before_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, mode: str = "train"
    ) -> None:
        self._data_times[mode].add(time.time() - self.t)

    def _after_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
        mode: str = "train",
    ) -> None:
        now = time.time()
        seconds, self.t = now - self.t, now
        self._times[mode].add(seconds)
        if mode == "train":
            loop = self._loops[mode]
            self.time_sec_tot += seconds
            mean = self.time_sec_tot / (loop.iter + 1 - self.start_iter)
            left = loop.max_iters - loop.iter - 1
        else:
            self.time_sec_test_val += seconds
            mean = self.time_sec_test_val / (batch_idx + 1)
            left = self._num_batches - batch_idx - 1
        runner.message_hub.update_info("eta", mean * left)


@HOOKS.register_module()
class LogWriter(LoggerHook):
    """mmengine's hook, which asks for the loader's length only once an epoch.

    The peak of a GPU's memory is noted before each line, which begins it anew.
    """

    def before_train_epoch(self, runner: Runner) -> None:
        """Note how many batches an epoch has."""
        self._loop, self._num_batches = runner.train_loop, len(runner.train_dataloader)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Write a line if one is due."""
        done = batch_idx + 1
        names_run = (self._loop.iter + 1) % self.interval_exp_name == 0
        if names_run or done % self.interval == 0 or done == self._num_batches:
            note_peak()
            super().after_train_iter(runner, batch_idx, data_batch, outputs)

    def after_val_iter(self, *args: Any, **more: Any) -> None:
        """Write a line if one is due."""
        note_peak()
        super().after_val_iter(*args, **more)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Write the metrics, in a loop without epochs by its iterations: mmengine has 0 for all."""
        if isinstance(runner._train_loop, BaseLoop) and not counts_epochs(runner):
            self.log_metric_by_epoch = False
        super().after_val_epoch(runner, metrics)

    def after_test_iter(self, *args: Any, **more: Any) -> None:
        """Write a line if one is due."""
        note_peak()
        super().after_test_iter(*args, **more)


def _longest_window(runner: Runner) -> int:
    """Return how many values the log averages over."""
    log = runner.log_processor
    asked = [log.window_size, *(one.get("window_size", "global") for one in log.custom_cfg)]
    lengths = {"epoch": len(runner.train_dataloader), "global": runner.max_iters}
    # The log always gives the mean time of a whole validation.
    whole = len(runner.val_dataloader) if runner.val_loop is not None else 0
    return max(whole, *(lengths.get(window, window) for window in asked))
