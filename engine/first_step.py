"""What fails before a run's first step is the user's mistake, and leaves nothing behind."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from engine.errors import UserError, mistake_in, told_by_a_worker

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

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Note that a step is done."""
        self.done = True

    @contextlib.contextmanager
    def mistakes_before_it(self) -> Iterator[None]:
        """Take a ValueError before the step for a wrong argument; most are built that late.

        A batch that is too small for BN may as well be the last of an epoch.

        Raises:
            UserError: In its place.
        """
        try:
            yield
        except ValueError as error:
            too_few = TOO_FEW_FOR_BN in str(error)
            if mistake_in(error) or (self.done and not too_few):
                raise
            raise _mistake(error) from error


def _mistake(error: ValueError) -> UserError:
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
