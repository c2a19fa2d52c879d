"""What a tool says and returns when it cannot go on.

Exit codes: 0 done, 1 internal failure, 2 the user's input, 3 refused because of
existing state, 75 stopped cleanly (call again), 130/143 interrupted.
"""

import errno
import os
import re
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

from bag_of_transfer.engine.former_names import current_name
from bag_of_transfer.engine.own_files import ROOT
from bag_of_transfer.engine.printable import printable

__all__ = [
    "LOST_LOSS",
    "LOST_WEIGHTS",
    "LostError",
    "NoTruthError",
    "RefusedError",
    "UserError",
    "as_user_error",
    "chain",
    "former_name_in",
    "in_one_line",
    "is_divergence",
    "mistake_in",
    "without_colons",
    "worker_message",
]

# With one of these an error begins whose run has diverged: too large a learning rate, mostly.
LOST_LOSS, LOST_WEIGHTS = "the loss is", "the weights are no numbers"

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
TOO_LARGE = errno.EFBIG  # by `ulimit -f`, or for the file system
READ_ONLY = errno.EROFS
NO_PERMISSION = (errno.EACCES, errno.EPERM)
WRONG_KIND = (errno.ENOTDIR, errno.EEXIST, errno.EISDIR)
NO_NAME = (errno.ENAMETOOLONG, errno.ELOOP)
# The last line of an error of the system, as a loader's worker sends it; where torch fetches items.
OS_ERROR = re.compile(r"\w*Error: \[Errno (\d+)\] ([^:]+): (['\"])(.+)\3")
FETCH = ("data", "_utils", "fetch.py")
OWN_CODE = tuple(ROOT / name for name in ("bag_of_transfer", "backbones", "tools"))
INSTALL = "make setup, then `. .venv/bin/activate`; or call .venv/bin/python"
PUT_BACK = "put it back, or take it out of the data set"
MAX_PART = 1000  # characters of each part of an error's line
UNREACHABLE = (errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ENODEV, errno.ETIMEDOUT)
# Python and torch raise these even without a file's name; others without one are not about files.
NAMELESS = (*NO_SPACE, TOO_LARGE, READ_ONLY)


class UserError(ValueError):
    """Something in the user's input is wrong; reported in one line, before any training.

    The line reads ``WHAT: WHERE: HOW TO MEND``, and a tool prints it after ``error:`` as the
    first line on stderr.  Characters in it that would break the line or move the cursor, as names
    may have, are escaped, and parts of more than a thousand characters are cut.
    """

    exit_code = 2

    def __init__(self, what: str, where: object, mend: str) -> None:
        """Keep the three parts; ``where`` is a file, a key or a class name."""
        super().__init__(": ".join(map(in_one_line, (what, str(where), mend))))
        self.what, self.where, self.mend = what, str(where), mend


class RefusedError(UserError):
    """Going on would overwrite or mix up work that exists already."""

    exit_code = 3


class NoTruthError(UserError):
    """One part of a split holds nothing that counts; where parts are joined, another part may."""


class LostError(UserError):
    """Something outside of the run has ended it, and no input of the user did."""

    exit_code = 1


class _FromWorkerError(UserError):
    """A :class:`UserError` raised in a loader's worker, of which only the line arrived."""

    def __init__(self, line: str) -> None:
        ValueError.__init__(self, line)
        self.what, self.where, self.mend = line, "", ""


def is_divergence(reason: str) -> bool:
    """Return whether a run ended for this reason: its loss or weights were no numbers."""
    return reason.startswith((LOST_LOSS, LOST_WEIGHTS))


def in_one_line(text: str) -> str:
    """Return text with escapes for what a terminal would not print, and not too long."""
    if len(text) > MAX_PART:
        text = f"{text[: MAX_PART // 2]}...{text[-MAX_PART // 2 :]}"
    return printable(text, kept="")


def without_colons(text: object) -> str:
    """Return ``text`` for use inside an error's line, where colons separate the parts."""
    return str(text).replace(":", "")


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield ``error`` and the errors that caused it: libraries wrap what their parts raise.

    Each comes once, also where an error that was raised again has caused its own cause.
    """
    known: set[int] = set()
    while error is not None and id(error) not in known:
        known.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def worker_message(error: BaseException) -> str | None:
    """Return the last line of the traceback that torch sends from a loader's worker.

    Returns:
        For instance ``"ValueError: bad box"``; None for an error of this process.
    """
    lines = str(error).strip().splitlines()
    if lines and lines[-1].startswith(" in <"):  # mmengine adds it to a TypeError in a hook
        lines.pop()
    return lines[-1] if len(lines) > 1 and lines[0].startswith("Caught ") else None


def mistake_in(error: BaseException) -> UserError | None:
    """Return the user's mistake that an error is or was caused by, also in a loader's worker."""
    for cause in chain(error):
        if isinstance(cause, UserError):
            return cause
        kind, _, line = (worker_message(cause) or "").partition(": ")
        if kind == f"{UserError.__module__}.{UserError.__name__}":
            return _FromWorkerError(line)
    return None


def former_name_in(error: BaseException) -> UserError | None:
    """Tell the current name of a module of this toolkit that code of the user imports by its old.

    Args:
        error: Any error; the errors that caused it are searched, too.

    Returns:
        None unless such a module was not found.
    """
    for cause in chain(error):
        name = cause.name if isinstance(cause, ModuleNotFoundError) else None
        current = current_name(name or "")
        if current:
            mend = f"if it is meant to be this toolkit's, import {current}"
            return UserError(f"no module is called {name!r}", _last_place(cause), mend)
    return None


def as_user_error(error: BaseException) -> UserError | None:
    """Turn an error that the user can mend into a line that says what to do.

    Args:
        error: Any error; the errors that caused it are searched, too.

    Returns:
        None unless a disk is full or gone, a permission is missing, a file is where a folder should
        be, a loader could not read a file of the data, a package is missing, or code imports this
        toolkit by a former name.
    """
    for cause in chain(error):
        unread = _unread_data(cause)
        if unread:
            return UserError(f"a file of the data can't be read ({unread[0]})", unread[1], PUT_BACK)
        if isinstance(cause, OSError) and _is_about_a_file(cause):
            where = os.fsdecode(cause.filename) if _has_name(cause) else "an output"
            what = (cause.strerror or os.strerror(cause.errno or 0)).lower()
            return UserError(what, where, _mend(cause.errno))
        missing = _missing_package(cause)
        if missing:
            what = f"the package {missing} is not installed for this Python"
            return UserError(what, sys.executable, INSTALL)
    return former_name_in(error)


def _missing_package(cause: BaseException) -> str | None:
    """Return what code of this toolkit imports in vain, as a Python without its packages does."""
    name = cause.name if isinstance(cause, ModuleNotFoundError) else None
    frames = [frame.filename for frame in traceback.extract_tb(cause.__traceback__)]
    places = [Path(file) for file in frames if not file.startswith("<frozen")]
    if not name or not places or "site-packages" in places[-1].parts:
        return None
    package = name.partition(".")[0]
    is_asked_by_ours = any(places[-1].is_relative_to(folder) for folder in OWN_CODE)
    return package if is_asked_by_ours and not (ROOT / package).is_dir() else None


def _unread_data(cause: BaseException) -> tuple[str, str] | None:
    """Return why a loader, or its worker, could not read a file, and the file's name."""
    told = OS_ERROR.fullmatch(worker_message(cause) or "")
    if told and int(told[1]) not in NAMELESS:  # not a full disk
        return told[2].lower(), told[4]
    if not isinstance(cause, OSError) or not _has_name(cause) or _is_about_a_file(cause):
        return None
    frames = traceback.extract_tb(cause.__traceback__)
    if not any(Path(frame.filename).parts[-3:] == FETCH for frame in frames):
        return None
    return (cause.strerror or "").lower(), os.fsdecode(cause.filename)


def _last_place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith("<frozen")]
    return f"{own[-1].filename}, line {own[-1].lineno}" if own else "an import"


def _has_name(error: OSError) -> bool:
    return isinstance(error.filename, str | bytes | os.PathLike)


def _is_about_a_file(error: OSError) -> bool:
    broken = (*NO_SPACE, TOO_LARGE, READ_ONLY, *NO_PERMISSION, *UNREACHABLE)
    known = (*broken, *WRONG_KIND, *NO_NAME)
    return error.errno in (known if _has_name(error) else NAMELESS)


def _mend(number: int | None) -> str:
    if number in NO_SPACE:
        return "free space, or name another folder"
    if number == TOO_LARGE:
        return "raise the limit of a file's size (ulimit -f), or name another folder"
    if number in WRONG_KIND:
        return "a file is in a folder's place, or the reverse; name another folder"
    if number in UNREACHABLE:
        return "see whether its drive is still there"
    if number in NO_NAME:
        return "give a name that the file system takes"
    return "get permission to write there, or name another folder"
