"""Write the records of a run: ``curve.jsonl`` per epoch and ``metrics.json`` at the end."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.dist import get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from bag_of_transfer.engine.atomic import plain, write_json, write_text
from bag_of_transfer.engine.data.held_out import judged_split
from bag_of_transfer.engine.loop.loss_watch import LossWatch
from bag_of_transfer.engine.loop.metrics_record import (
    describe_run,
    left_out,
    per_class,
    plain_metrics,
)
from bag_of_transfer.engine.loop.peak_memory import forget_peak, in_words, peak_memory
from bag_of_transfer.engine.loop.running_loss import RunningLoss
from bag_of_transfer.engine.loop.skipped_steps import skipped_steps
from bag_of_transfer.engine.lr import current_lr
from bag_of_transfer.engine.processes import mean_over_processes
from bag_of_transfer.engine.progress import counts_epochs, num_images_of
from bag_of_transfer.engine.run_files import (
    CURVE,
    METRICS,
    RESOLVED_CONFIG,
    SKIPPED,
    check_curve,
    newest_checkpoint,
    read_curve,
)
from bag_of_transfer.engine.weights.checkpoint_hook import SafeCheckpointHook
from bag_of_transfer.engine.weights.exact_state import VALIDATED, resumed_from

__all__ = ["RunRecorder"]

NUMBERS = ("iter", "seconds", "img_per_s")  # of each line of curve.jsonl
OF_TRAINING = (*NUMBERS, "epoch", "lr", "loss", SKIPPED)


@HOOKS.register_module()
class RunRecorder(Hook):
    """Write ``curve.jsonl`` and ``metrics.json`` (after training).

    The curve has a line per epoch.  Where the loop counts iterations, it has a line per
    validation, or per ``val_interval`` iterations without validation, and ``epoch`` is a fraction.
    A resumed run keeps the lines up to the checkpoint.  Loss and img/s are those of all processes;
    img/s is of training only, without validation and without a line's first batch, in which
    workers start.  ``seconds`` of ``metrics.json`` includes the kept lines of a resumed run.

    If the newest loss is nan or infinite when the log, a line or a checkpoint is due, the run ends
    with a UserError that names the first images of which it was.  With fp16 a step may overflow,
    and is skipped then, so the log's points don't count.  A finite loss may have given an update
    that is not: weights, averages and the optimizer's state are checked before each checkpoint and
    validation, and at the end.
    """

    # Before the checkpoint hook: a checkpoint holds the curve up to it.
    priority = "LOW"

    def __init__(self) -> None:
        self._lines: list[dict[str, Any]] = []
        self._last_metrics: dict[str, float] | None = None
        self._per_class: dict[str, float] = {}
        self._loss, self._num_images = RunningLoss(), 0
        self._kept_seconds = 0.0
        self._watch = LossWatch()
        self._is_resumed = False
        self._lr, self._line_begun = 0.0, time.perf_counter()
        self._second_batch: float | None = None

    def before_train(self, runner: Runner) -> None:
        """Keep the lines of a resumed run and save the resolved config."""
        self._started = time.perf_counter()
        forget_peak()
        if runner.iter and not self._is_resumed:  # by a version that kept lines in the file only
            mend = "put the run's own file back, or remove it"
            lines = read_curve(Path(runner.work_dir), mend, NUMBERS, cut_short=True)
            self._lines = [line for line in lines if line["iter"] <= runner.iter]
        self._kept_seconds = sum(line["seconds"] for line in self._lines)
        if is_main_process():
            write_text(Path(runner.work_dir, RESOLVED_CONFIG), runner.cfg.pretty_text)
            self._write_curve(runner)
        self._watch = LossWatch(runner.hooks)

    def before_train_epoch(self, runner: Runner) -> None:
        """Begin a line, or go on with that of a resumed run."""
        if not len(self._loss):
            self._begin_line()

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Note the lr that this step uses; schedulers move it on after the step."""
        if len(self._loss) and _a_line_is_due(runner):
            self.after_train_epoch(runner)
            self._begin_line()
        self._lr = current_lr(runner.optim_wrapper)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Note the loss but leave it on its device; read it where the log reads it."""
        if self._second_batch is None:
            self._second_batch = time.perf_counter()
            if is_main_process():  # of a run that had ended, and is resumed for longer
                Path(runner.work_dir, METRICS).unlink(missing_ok=True)
        else:
            self._num_images += num_images_of(data_batch)
        self._loss.add(outputs["loss"])
        self._watch.add(runner, data_batch)
        if self._watch.is_due(runner, batch_idx):
            self._watch.check(runner, self._loss)

    def after_train_epoch(self, runner: Runner) -> None:
        """Add the epoch's line; validation adds its metrics to it later."""
        if len(self._loss):
            passes = runner.iter / len(runner.train_dataloader)
            self._end_line(runner, runner.epoch + 1 if counts_epochs(runner) else round(passes, 4))

    def before_val_epoch(self, runner: Runner) -> None:
        """Add a line where the loop counts iterations: it has only one long epoch."""
        if not counts_epochs(runner):
            self.after_train_epoch(runner)
        self._watch.check_weights(runner, runner.iter)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Add the validation's metrics to the newest line."""
        line = left_out(metrics or {})
        if line and self._last_metrics is None:  # once a run
            print_log(line, logger="current")
        self._last_metrics = plain_metrics(metrics or {})
        self._per_class = per_class(runner.val_evaluator)
        runner.message_hub.update_info(VALIDATED, runner.iter)
        if self._lines:
            self._lines[-1].update(_named_apart(self._last_metrics))
        self._write_curve(runner)
        self._begin_line()

    def after_train(self, runner: Runner) -> None:
        """Write ``metrics.json`` from the validation after the last step, which may run now.

        mmengine's own Runner does none where it resumes a run behind its last step.

        Without a validation split, ``split`` is null and the metrics are empty.
        """
        self._watch.check_weights(runner, runner.iter)
        val_loop = runner.val_loop
        if val_loop is not None and (self._last_metrics is None or not _is_validated(runner)):
            val_loop.run()
        rates = [line["img_per_s"] for line in self._lines]
        minutes = sum(line["seconds"] for line in self._lines) / 60
        peak = peak_memory()
        print_log(in_words(peak), logger="current")
        if is_main_process():
            record = describe_run(
                runner,
                split=judged_split(runner.cfg) if val_loop else None,
                num_images=len(val_loop.dataloader.dataset) if val_loop else 0,
                metrics=self._last_metrics or {},
                by_class=self._per_class if val_loop else {},
                checkpoint=_judged_checkpoint(runner),
                seconds=self._kept_seconds + time.perf_counter() - self._started,
                img_per_s=_mean(rates),
                minutes_per_epoch=minutes / self._lines[-1]["epoch"] if self._lines else 0.0,
                peak=peak,
            )
            record |= skipped_steps(runner.optim_wrapper)
            write_json(Path(runner.work_dir, METRICS), record)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Check loss and weights: no checkpoint of a diverged network replaces an earlier one.

        Raises:
            UserError: If this process's loss, or a weight, is nan or infinite.
        """
        if len(self._loss):  # no averaging: mmengine calls this on rank 0 only
            self._watch.check(runner, self._loss, together=False)
        self._watch.check_weights(runner, checkpoint["meta"]["iter"])

    def process_state(self, runner: Runner) -> dict[str, Any]:
        """Return the curve up to now, with the sums of the line that has not ended yet."""
        now = time.perf_counter()
        second = self._second_batch
        return {
            "lines": self._lines,
            "last_metrics": self._last_metrics,
            "per_class": self._per_class,
            "loss": self._loss.state(),
            "lr": self._lr,
            "images": self._num_images,
            "line_seconds": now - self._line_begun,
            "counted_seconds": None if second is None else now - second,
        }

    def load_process_state(self, runner: Runner, state: Mapping[str, Any]) -> None:
        """Take back what :meth:`process_state` returned.

        Raises:
            UserError: If a line of the curve is damaged.
        """
        check_curve(state["lines"], resumed_from(runner), "resume from another", NUMBERS)
        self._lines, self._num_images = list(state["lines"]), state["images"]
        self._last_metrics, self._per_class = state["last_metrics"], dict(state["per_class"])
        self._loss.load_state(state["loss"])
        self._lr = state["lr"]
        now, counted = time.perf_counter(), state["counted_seconds"]
        self._line_begun = now - state["line_seconds"]
        self._second_batch = None if counted is None else now - counted
        self._is_resumed = True

    def _begin_line(self) -> None:
        self._loss, self._num_images = RunningLoss(), 0
        self._line_begun, self._second_batch = time.perf_counter(), None

    def _end_line(self, runner: Runner, epoch: float) -> None:
        now = time.perf_counter()
        # Only the newest loss: with fp16 a step may overflow, and is skipped then.
        self._watch.check(runner, self._loss)
        # All processes alike: a checkpoint is written by the first one only.
        self._watch.check_weights(runner, runner.iter)
        counted = max(now - (self._second_batch or now), 1e-9)
        loss = mean_over_processes(self._loss.mean())
        self._lines.append(
            {
                "epoch": epoch,
                "iter": runner.iter,
                "lr": self._lr,
                "loss": round(float(loss), 6),
                "img_per_s": round(self._num_images * get_world_size() / counted, 2),
                "seconds": round(now - self._line_begun, 3),
                **self._skipped_since(runner),
            }
        )
        self._loss = RunningLoss()
        self._write_curve(runner)

    def _skipped_since(self, runner: Runner) -> dict[str, int]:
        """Return how many steps were left out since the line before, where that was asked for."""
        return {
            key: count - sum(line.get(key, 0) for line in self._lines)
            for key, count in skipped_steps(runner.optim_wrapper).items()
        }

    def _write_curve(self, runner: Runner) -> None:
        if is_main_process():
            text = "".join(json.dumps(plain(line)) + "\n" for line in self._lines)
            write_text(Path(runner.work_dir, CURVE), text)


def _named_apart(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return metrics under names that no value of the training has."""
    return {f"val/{name}" if name in OF_TRAINING else name: one for name, one in metrics.items()}


def _is_validated(runner: Runner) -> bool:
    return bool(runner.message_hub.runtime_info.get(VALIDATED) == runner.iter)


def _judged_checkpoint(runner: Runner) -> Path | None:
    """Return the newest checkpoint, but None if other weights were validated."""
    hooks = [hook for hook in runner.hooks if isinstance(hook, SafeCheckpointHook)]
    places = {hook.saved_iter for hook in hooks} | {None}
    if hooks and runner.message_hub.runtime_info.get(VALIDATED) not in places:
        return None
    return newest_checkpoint(Path(runner.work_dir))


def _a_line_is_due(runner: Runner) -> bool:
    """Return whether a loop that counts iterations would validate now if it had a val split."""
    if counts_epochs(runner) or runner.val_loop is not None:
        return False
    return runner.iter % runner.train_loop.val_interval == 0


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
