"""Turn an output that cannot be written into the one line that tells the user."""

import errno
import os

from bag_of_transfer.engine.errors import UserError, chain

__all__ = ["as_user_error"]

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
READ_ONLY = errno.EROFS
NO_PERMISSION = (errno.EACCES, errno.EPERM)
WRONG_KIND = (errno.ENOTDIR, errno.EEXIST, errno.EISDIR)
# Python and torch give these without a file's name, too; the others then say nothing of a file.
NAMELESS = (*NO_SPACE, READ_ONLY)


def as_user_error(error: BaseException) -> UserError | None:
    """Say of a full disk, a missing permission or a file in a folder's place what to do.

    Args:
        error: Anything; the chain behind it is searched, too.

    Returns:
        None if no such OSError is in the chain.
    """
    for one in chain(error):
        if isinstance(one, OSError) and _about_a_file(one):
            where = os.fsdecode(one.filename) if _named(one) else "an output"
            what = (one.strerror or os.strerror(one.errno or 0)).lower()
            return UserError(what, where, _mend(one.errno))
    return None


def _named(error: OSError) -> bool:
    return isinstance(error.filename, str | bytes | os.PathLike)


def _about_a_file(error: OSError) -> bool:
    known = (*NO_SPACE, READ_ONLY, *NO_PERMISSION, *WRONG_KIND)
    return error.errno in (known if _named(error) else NAMELESS)


def _mend(number: int | None) -> str:
    if number in NO_SPACE:
        return "free space, or name another folder"
    if number in WRONG_KIND:
        return "a file and a folder are in each other's place; name another folder"
    return "allow it, or name another folder"
