"""A ladder's lock: one call at a time works in a folder, unless they share it."""

import fcntl
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bag_of_transfer.engine.errors import RefusedError, UserError

__all__ = ["locked"]


@contextmanager
def locked(path: Path, shared: bool = False) -> Iterator[Callable[[], None]]:
    """Lock a ladder's folder; processes that are started inside hold the lock, too.

    Args:
        path: The lock's file, which is not removed afterwards.
        shared: Admit other calls with a shared lock, such as the tasks of a SLURM array.

    Yields:
        A function that turns the lock into a shared one.

    Raises:
        RefusedError: If another process holds it.
        UserError: If the file system has no locks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            who = file.read().strip() or "another process"
            mend = "wait until it ends, or name another --work-dir"
            raise RefusedError(f"{who} works in this folder", path.parent, mend) from error
        except OSError as error:
            mend = "name a --work-dir on a file system with locks (flock)"
            raise UserError(f"the file cannot be locked ({error.strerror})", path, mend) from error
        if not shared:
            file.truncate(0)
            file.write(f"a ladder with process number {os.getpid()} on {platform.node()}")
            file.flush()
        try:
            yield partial(fcntl.flock, file, fcntl.LOCK_SH)
        finally:
            if not shared:  # the next holder has another number
                file.truncate(0)
