"""Names of files and folders that nobody can write down."""

from collections.abc import Iterable
from pathlib import PurePath

from engine.errors import UserError

__all__ = ["refuse_undecodable"]


def refuse_undecodable(paths: Iterable[PurePath], what: str) -> None:
    """Refuse names that are not UTF-8: records and tables that hold them could not be read.

    Args:
        paths: Files or folders.
        what: What they are, for the error.

    Raises:
        UserError: If there is such a name, which is shown with escapes.
    """
    for path in paths:
        try:
            path.name.encode()
        except UnicodeEncodeError as error:
            shown = str(path).encode("utf-8", "backslashreplace").decode()
            raise UserError(f"the name of {what} is not UTF-8", shown, "rename it") from error
