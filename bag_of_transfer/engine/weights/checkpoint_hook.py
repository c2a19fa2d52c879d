"""Checkpoints written whole, plain, and before older ones are deleted; at any step if asked for.

mmengine 0.10.12 writes in place, deletes the old file first, and stores the log's history of
every step.
"""

import itertools
import logging
import time
from pathlib import Path
from typing import Any

from mmengine.dist import get_world_size, is_main_process
from mmengine.fileio import LocalBackend
from mmengine.hooks import EMAHook
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from bag_of_transfer.engine.agreement import Agreement
from bag_of_transfer.engine.atomic import write_text
from bag_of_transfer.engine.interruption import (
    end_asked,
    forget_save,
    raise_noted,
    save_asked,
    wait_for_a_step,
)
from bag_of_transfer.engine.manifest import about, sweep_checkpoints
from bag_of_transfer.engine.run_files import LAST_CHECKPOINT, WITHIN_EPOCH, manifest_of
from bag_of_transfer.engine.weights.atomic_backend import BACKEND
from bag_of_transfer.engine.weights.best_rule import BestRule
from bag_of_transfer.engine.weights.exact_state import PROCESSES, collect
from bag_of_transfer.engine.weights.origin import origin_of
from bag_of_transfer.engine.weights.portable import make_portable

__all__ = ["OUTDATED", "SafeCheckpointHook"]

# A key of mmengine's message hub: the steps whose files go once the newest one is whole.
OUTDATED = "outdated_ckpt_ids"
BEST_OF_NOTHING = "The best checkpoint with 0.0000 "  # mmengine's line
AGREEMENT = 10  # iterations after which several processes tell each other of signals
_numbers = itertools.count()  # of a process's runs


@HOOKS.register_module()
class SafeCheckpointHook(BestRule):
    """mmengine's hook, with files that are whole, plain, and deleted last.

    The log's history of every step stays out of the file (the files grow by it, and it is the
    one part that plain weights-only loading refuses); best scores stay in.  The file's meta
    gets ``model_json`` (the model's config), ``classes`` and ``dataset``, from which
    ``tools/export_backbone.py`` makes the backbone's card, ``backbone_sha256`` of the file that
    the run began from (None without one), and ``recipe``, ``iters_per_epoch``, ``config_json`` and
    ``data_json``, which resuming compares.
    ``processes`` is what each process needs to go on at that step, see ``exact_state.py``.

    A signal (see ``interruption.py``) saves after the next step that updates the weights: SIGTERM
    and SIGINT end the run then, SIGUSR1 does not.  Where epochs count, such a file is named
    ``epoch_2_iter_417.pth``, and the next checkpoint takes its place.

    Args:
        args: As mmengine's.
        minutes: Save in this way when so much time has passed since the last checkpoint, too.
        more: As mmengine's.

    Raises:
        ValueError: If ``minutes`` is not positive.
    """

    backend_args: dict[str, Any] | None

    def __init__(self, *args: Any, minutes: float | None = None, **more: Any) -> None:
        super().__init__(*args, **more)
        if minutes is not None and not minutes > 0:
            raise ValueError(f"minutes must be more than 0, got {minutes}")
        self._seconds = None if minutes is None else 60 * minutes
        self._processes: list[dict[str, Any]] | None = None
        self._ends = self._saves = self._is_due = False  # what the processes have agreed on
        self.saved_iter: int | None = None  # of the newest checkpoint; None before the training

    def before_train(self, runner: Runner) -> None:
        """Choose the atomic backend for local folders; remove what a killed run left behind."""
        super().before_train(runner)
        if isinstance(self.file_backend, LocalBackend) and self.backend_args is None:
            self._facts: dict[str, Any] = {}
            self.backend_args = {"backend": BACKEND, "facts": self._facts}
            if is_main_process():
                self._sweep(runner)
        self.saved_iter, self._saved_at = runner.iter, time.monotonic()
        self._num_processes, self._agreement = get_world_size(), Agreement(next(_numbers))
        if runner.iter:  # of the resumed run: a better score is added to that file, too
            self.last_ckpt = self._in_this_folder(runner.message_hub.runtime_info.get("last_ckpt"))
            self._forget_best_elsewhere(runner)

    def before_train_epoch(self, runner: Runner) -> None:
        """Let signals wait for a step from now on; a dry run, which does none, ends before."""
        wait_for_a_step()

    def _sweep(self, runner: Runner) -> None:
        for step in runner.message_hub.runtime_info.get(OUTDATED, ()):
            self._remove(self.file_backend.join_path(self.out_dir, self.filename_tmpl.format(step)))
        best = self._best_paths().values() if self.save_best else ()
        done = runner.epoch if self.by_epoch else runner.iter
        sweep_checkpoints(Path(self.out_dir), [Path(path) for path in best if path], done)

    def get_triggered_stages(self) -> list[str]:
        """Return where the hook has something to do."""
        stages: list[str] = super().get_triggered_stages()
        return stages if self.by_epoch else [one for one in stages if one != "after_train_epoch"]

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Save where it is due, or where a signal or the time asks for it.

        Raises:
            KeyboardInterrupt: After SIGINT, once the state is saved.
            TerminatedError: After SIGTERM, likewise.
        """
        if not self.by_epoch:
            self._is_due |= self.every_n_train_iters(runner, self.interval, self.save_begin)
            self._is_due |= self.save_last and self.is_last_train_iter(runner)
        self._look_for_signals(runner.iter + 1)
        # Gradients of batches without an update are in no checkpoint: what is due waits.
        if not _has_updated(runner.optim_wrapper):
            return
        if self._is_due:
            self._save_checkpoint(runner)
        if self._ends or self._saves:
            self._save_at(runner, runner.iter + 1)

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """End a validation after a signal; a resumed run validates again.

        Several processes end together, after the validation, unless all is saved.

        Raises:
            KeyboardInterrupt: After SIGINT, once the state is saved.
            TerminatedError: After SIGTERM, likewise.
        """
        if not end_asked() or (self._num_processes > 1 and self.saved_iter != runner.iter):
            return
        for hook in runner.hooks:
            if isinstance(hook, EMAHook):
                hook.after_val_epoch(runner)  # gives the network its own weights back
        self._ends = True
        self._save_at(runner, runner.iter)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Save where a validation ends the training early, as at its end."""
        super().after_val_epoch(runner, metrics or {})
        is_saved = not self.save_last or self.saved_iter in (None, runner.iter)
        if not is_saved and runner.train_loop.stop_training:
            step = runner.epoch if self.by_epoch else runner.iter
            meta = {"epoch": runner.epoch, "iter": runner.iter}
            self._save_checkpoint_with_step(runner, step, meta)

    def _look_for_signals(self, done: int) -> None:
        ends, saves = end_asked(), save_asked()
        if self._seconds is not None and not saves:
            saves = time.monotonic() - self._saved_at >= self._seconds
        if self._num_processes == 1:
            self._ends, self._saves = ends, saves
        elif done % AGREEMENT == 0:
            self._ends, self._saves = self._agreement.any_of([ends, saves])

    def _save_at(self, runner: Runner, iteration: int) -> None:
        """Save after ``iteration`` steps unless that is done, and end the run if that was asked."""
        if self.saved_iter != iteration:
            meta = {"epoch": runner.epoch, "iter": iteration}
            if self.by_epoch:
                self._write(runner, WITHIN_EPOCH.format(**meta), meta)
            else:
                self._save_checkpoint_with_step(runner, iteration, meta)
        self._saves = False
        forget_save()
        if self._ends:
            raise_noted(
                f"saved at iteration {iteration} of {runner.max_iters}; go on with --resume"
            )
        print_log(f"saved at iteration {iteration}: {self.last_ckpt}", logger="current")

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Make the checkpoint portable and add its origin; runs after all other hooks."""
        checkpoint["meta"].update(origin_of(runner))
        if self._processes is not None:
            checkpoint[PROCESSES] = self._processes
        make_portable(checkpoint)
        if self.backend_args and "facts" in self.backend_args:
            self._facts.update(about(checkpoint))

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict[str, Any]) -> None:
        outdated = self._note_step(runner, step)
        self._write(runner, self.filename_tmpl.format(step), meta)
        for old in outdated:
            self._remove(self.file_backend.join_path(self.out_dir, self.filename_tmpl.format(old)))

    def _write(self, runner: Runner, filename: str, meta: dict[str, Any]) -> None:
        """Write a checkpoint, let ``last_checkpoint`` name it, and remove what it replaces."""
        self._processes = collect(runner)
        self.last_ckpt = self.file_backend.join_path(self.out_dir, filename)
        runner.message_hub.update_info("last_ckpt", self.last_ckpt)
        runner.save_checkpoint(
            self.out_dir,
            filename,
            self.file_client_args,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
            **self.args,
        )
        self.saved_iter, self._saved_at, self._is_due = meta["iter"], time.monotonic(), False
        if is_main_process():
            write_text(Path(runner.work_dir, LAST_CHECKPOINT), str(self.last_ckpt))
            for older in Path(self.out_dir).glob(WITHIN_EPOCH.format(epoch="*", iter="*")):
                if older.name != filename:
                    self._remove(str(older))

    def _note_step(self, runner: Runner, step: int) -> list[int]:
        """Add ``step`` to the kept ones and return those that it pushes out."""
        if self.max_keep_ckpts <= 0 or (self.keep_ckpt_ids and self.keep_ckpt_ids[-1] == step):
            return []
        full = len(self.keep_ckpt_ids) == self.max_keep_ckpts
        outdated = [self.keep_ckpt_ids[0]] if full else []
        self.keep_ckpt_ids.append(step)  # a deque of that length drops the oldest
        runner.message_hub.update_info("keep_ckpt_ids", list(self.keep_ckpt_ids))
        runner.message_hub.update_info(OUTDATED, outdated)
        return outdated

    def best(self, runner: Runner) -> dict[str, tuple[Path, float]]:
        """Return each metric's best checkpoint, if it is here, and its score; of 0 it is none."""
        info, found = runner.message_hub.runtime_info, {}
        paths = self._best_paths() if self.save_best else {}
        for metric, path in paths.items():
            score = float(info.get(f"best_score_{metric}" if metric else "best_score", 0.0))
            if path and score and self.file_backend.exists(path):
                found[metric or self.key_indicators[0]] = (Path(path), score)
        return found

    def _save_best_checkpoint(self, runner: Runner, metrics: dict[str, Any]) -> None:
        if not self.save_best:
            return
        self._begin_with_another_metric(runner, metrics)
        self._processes = collect(runner)
        # The parent class deletes the best file it knows of before it writes: hide that file.
        before = self._best_paths()
        self._set_best_paths(dict.fromkeys(before))
        runner.logger.addFilter(_is_news)
        try:
            super()._save_best_checkpoint(runner, metrics)
        finally:
            runner.logger.removeFilter(_is_news)
        after = self._best_paths()
        self._set_best_paths({key: path or before.get(key) for key, path in after.items()})
        for key, old in before.items():
            if old and after.get(key) and old not in after.values():
                self._remove(old)

    def _remove(self, path: str) -> None:
        if not is_main_process():
            return
        if self.file_backend.isfile(path):
            self.file_backend.remove(path)
            if isinstance(self.file_backend, LocalBackend):
                manifest_of(Path(path)).unlink(missing_ok=True)
        elif self.file_backend.isdir(path):  # deepspeed's checkpoints are folders
            self.file_backend.rmtree(path)


def _is_news(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(BEST_OF_NOTHING)


def _has_updated(wrapper: Any) -> bool:
    """Return whether the newest iteration has updated the weights."""
    return wrapper.should_update() if isinstance(wrapper, OptimWrapper) else True
