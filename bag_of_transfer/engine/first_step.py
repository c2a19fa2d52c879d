"""What fails before a run's first step is the user's mistake, and leaves nothing behind."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from bag_of_transfer.engine.compiling import compiling_mistake
from bag_of_transfer.engine.errors import UserError, mistake_in, told_by_a_worker
from bag_of_transfer.engine.mistakes import computing_mistake, late_building_mistake, out_of_memory

__all__ = ["FirstStep", "nothing_left_behind"]

TOO_FEW_FOR_BN = "Expected more than 1 value per channel"  # torch.nn.functional.batch_norm


class FirstStep(Hook):
    """Knows whether a run came past its first step.

    Attributes:
        done: Whether it did.
    """

    priority = "VERY_HIGH"  # before the hooks that write

    def __init__(self) -> None:
        self.done = False
        self._network: nn.Module | None = None
        self._cfg: Config | None = None

    def before_run(self, runner: Runner) -> None:
        """Note the network whose modules an error may name."""
        self._network, self._cfg = getattr(runner.model, "module", runner.model), runner.cfg

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Note that a step is done."""
        self.done = True

    @contextlib.contextmanager
    def mistakes_before_it(self) -> Iterator[None]:
        """Tell in one line what a wrong config leads to before the step is done.

        A ValueError is taken for a wrong argument whoever raises it, other errors as
        ``mistakes.py`` says.  A batch that is too small for BN may as well be the last of
        an epoch, and memory may be full at any step.

        Raises:
            UserError: In its place.
        """
        try:
            yield
        except Exception as error:
            mistake = None if mistake_in(error) else self._mistake(error)
            if mistake is None:
                raise
            raise mistake from error

    def _mistake(self, error: Exception) -> UserError | None:
        full = out_of_memory(error)
        if full or TOO_FEW_FOR_BN in str(error):
            return full or _mistake(error)
        if self.done:
            return None
        told = compiling_mistake(error)
        if told is None and self._cfg is not None:
            told = late_building_mistake(error, self._cfg)
        if told is None and self._network is not None:
            told = computing_mistake(error, self._network)
        return told or (_mistake(error) if isinstance(error, ValueError) else None)


def _mistake(error: Exception) -> UserError:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    said = told_by_a_worker(error) or lines[0]
    if TOO_FEW_FOR_BN in said:
        where, mend = "train_dataloader", "let batch_size be 2 or more, or say drop_last=True"
    else:
        where, mend = "the config", "mend the argument it names; --debug shows where"
    return UserError(said.rstrip("."), where, mend)


@contextlib.contextmanager
def nothing_left_behind(folder: Path, first_step: FirstStep) -> Iterator[None]:
    """Take back what a run wrote (log, config, curve) if it ends before its first step.

    Files and folders that were there before stay.
    """
    made = [one for one in (folder, *folder.parents) if not one.exists()]
    before = set() if made else set(folder.iterdir())
    try:
        yield
    except BaseException:
        if not first_step.done:
            _take_back(folder, before, made)
        raise


def _take_back(folder: Path, before: set[Path], made: list[Path]) -> None:
    new = set(folder.iterdir()) - before if folder.is_dir() else set()
    for path in new:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)  # another process may be at it, too
        else:
            path.unlink(missing_ok=True)
    for path in made:
        with contextlib.suppress(OSError):  # others may have put something there meanwhile
            path.rmdir()
