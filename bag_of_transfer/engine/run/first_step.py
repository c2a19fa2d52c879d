"""Treat what fails before a run's first step as the user's mistake, and leave nothing behind."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from bag_of_transfer.engine.bare_network import network_of
from bag_of_transfer.engine.config.mistakes import (
    computing_mistake,
    late_building_mistake,
    out_of_memory,
)
from bag_of_transfer.engine.errors import UserError, mistake_in, worker_message
from bag_of_transfer.engine.run.compiling import compiling_mistake
from bag_of_transfer.engine.run.deterministic import deterministic_mistake

__all__ = ["FirstStep", "nothing_left_behind"]

TOO_FEW_FOR_BN = "Expected more than 1 value per channel"  # torch.nn.functional.batch_norm


class FirstStep(Hook):
    """Record whether a run has done its first step.

    Attributes:
        done: Whether it has.
        validated: Whether a validation has ended.  A resumed run may begin with the one in which
            it was killed: it saves the best checkpoint, and no later run does it again.
    """

    priority = "VERY_HIGH"  # before the hooks that write

    def __init__(self) -> None:
        self.done = self.validated = False
        self._network: nn.Module | None = None
        self._cfg: Config | None = None

    def before_run(self, runner: Runner) -> None:
        """Note the network whose modules an error may name."""
        self._network, self._cfg = network_of(runner.model), runner.cfg

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Note that a step is done."""
        self.done = True

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Note that a validation is done, in all processes, before its results are saved."""
        self.validated = True

    @contextlib.contextmanager
    def reporting_mistakes(self) -> Iterator[None]:
        """Turn an error that a wrong config causes before the first step is done into one line.

        A ValueError is taken for a wrong argument, whoever raises it; ``mistakes.py`` decides
        about other errors.  Two errors are turned into a line at any step: a batch too small for
        BN, which may be the last of an epoch, and full memory.

        Raises:
            UserError: In place of that error.
        """
        try:
            yield
        except Exception as error:
            mistake = None if mistake_in(error) else self._mistake(_inside_hook(error))
            if mistake is None:
                raise
            raise mistake from error

    def _mistake(self, error: Exception) -> UserError | None:
        full = out_of_memory(error)
        if full or TOO_FEW_FOR_BN in str(error):
            return full or _mistake(error)
        if self.done:
            return None
        mistake = compiling_mistake(error) or deterministic_mistake(error)
        if mistake is None and self._cfg is not None:
            mistake = late_building_mistake(error, self._cfg)
        if mistake is None and self._network is not None:
            mistake = computing_mistake(error, self._network)
        return mistake or (_mistake(error) if isinstance(error, ValueError) else None)


def _inside_hook(error: Exception) -> Exception:
    """Return the error of a hook where mmengine has raised its text again, as another TypeError."""
    inner = error.__context__
    is_copy = isinstance(inner, TypeError) and str(error).startswith(f"{inner} in <")
    return inner if is_copy and isinstance(inner, TypeError) else error


def _mistake(error: Exception) -> UserError:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    message = worker_message(error) or lines[0]
    if TOO_FEW_FOR_BN in message:
        where, mend = "train_dataloader", "set batch_size to 2 or more, or drop_last=True"
    else:
        where, mend = "the config", "mend the argument that is named; --debug shows where"
    return UserError(message.rstrip("."), where, mend)


@contextlib.contextmanager
def nothing_left_behind(folder: Path, first_step: FirstStep) -> Iterator[None]:
    """Remove what a run wrote (log, config, curve) if it ends before its first step.

    Files and folders that existed before stay; once a validation has ended, all do.
    """
    new_folders = [path for path in (folder, *folder.parents) if not path.exists()]
    before = set() if new_folders else set(folder.iterdir())
    try:
        yield
    except BaseException:
        if not (first_step.done or first_step.validated):
            _remove_new(folder, before, new_folders)
        raise


def _remove_new(folder: Path, before: set[Path], new_folders: list[Path]) -> None:
    new = set(folder.iterdir()) - before if folder.is_dir() else set()
    for path in new:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)  # another process may be removing it, too
        else:
            path.unlink(missing_ok=True)
    for path in new_folders:
        with contextlib.suppress(OSError):  # others may have put something there meanwhile
            path.rmdir()
