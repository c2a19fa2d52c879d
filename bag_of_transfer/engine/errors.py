"""What a tool says and returns when it cannot go on.

Exit codes: 0 done, 1 internal failure, 2 the user's input, 3 refused because of
existing state, 75 stopped cleanly (call again), 130/143 interrupted.
"""

import errno
import os
from collections.abc import Iterator

__all__ = [
    "NoTruthError",
    "RefusedError",
    "UserError",
    "as_user_error",
    "chain",
    "mistake_in",
    "told_by_a_worker",
    "without_colons",
]

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
READ_ONLY = errno.EROFS
NO_PERMISSION = (errno.EACCES, errno.EPERM)
WRONG_KIND = (errno.ENOTDIR, errno.EEXIST, errno.EISDIR)
# Python and torch raise these without a file's name, too; any other without one is not of a file.
NAMELESS = (*NO_SPACE, READ_ONLY)


class UserError(ValueError):
    """Something in the user's input is wrong; said in one line, before any training.

    The line reads ``WHAT: WHERE: HOW TO MEND`` and a tool prints it behind
    ``error:`` as the first line on stderr.
    """

    exit_code = 2

    def __init__(self, what: str, where: object, mend: str) -> None:
        """Keep the three parts; ``where`` is a file, a key or a class name."""
        super().__init__(f"{what}: {where}: {mend}")
        self.what, self.where, self.mend = what, str(where), mend


class RefusedError(UserError):
    """Going on would overwrite or mix up work that exists already."""

    exit_code = 3


class NoTruthError(UserError):
    """In one part of a split nothing counts; where parts are joined, another may hold something."""


class _FromWorkerError(UserError):
    """A :class:`UserError` of which only the line came through."""

    def __init__(self, line: str) -> None:
        ValueError.__init__(self, line)
        self.what, self.where, self.mend = line, "", ""


def without_colons(text: object) -> str:
    """Return a text that may stand in an error's line, whose parts a colon separates."""
    return str(text).replace(":", "")


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield ``error`` and what stands behind it: libraries wrap what their parts raise."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def told_by_a_worker(error: BaseException) -> str | None:
    """Return the last line of the traceback that torch sends from a loader's worker.

    Returns:
        ``"ValueError: bad box"``; None for an error of this process.
    """
    lines = str(error).strip().splitlines()
    if lines and lines[-1].startswith(" in <"):  # mmengine's, of a TypeError in a hook
        lines.pop()
    return lines[-1] if len(lines) > 1 and lines[0].startswith("Caught ") else None


def mistake_in(error: BaseException) -> UserError | None:
    """Find the user's mistake in an error or behind it, from a loader's worker, too."""
    for cause in chain(error):
        if isinstance(cause, UserError):
            return cause
        kind, _, line = (told_by_a_worker(cause) or "").partition(": ")
        if kind == f"{UserError.__module__}.{UserError.__name__}":
            return _FromWorkerError(line)
    return None


def as_user_error(error: BaseException) -> UserError | None:
    """Turn an output that cannot be written into the line that says what to do.

    Args:
        error: Any error; the chain behind it is searched, too.

    Returns:
        None without an OSError of a full disk, a missing permission or a file in a folder's place.
    """
    for cause in chain(error):
        if isinstance(cause, OSError) and _is_about_a_file(cause):
            where = os.fsdecode(cause.filename) if _has_name(cause) else "an output"
            what = (cause.strerror or os.strerror(cause.errno or 0)).lower()
            return UserError(what, where, _mend(cause.errno))
    return None


def _has_name(error: OSError) -> bool:
    return isinstance(error.filename, str | bytes | os.PathLike)


def _is_about_a_file(error: OSError) -> bool:
    known = (*NO_SPACE, READ_ONLY, *NO_PERMISSION, *WRONG_KIND)
    return error.errno in (known if _has_name(error) else NAMELESS)


def _mend(number: int | None) -> str:
    if number in NO_SPACE:
        return "free space, or name another folder"
    if number in WRONG_KIND:
        return "a file and a folder are in each other's place; name another folder"
    return "allow it, or name another folder"
