"""Files with one name a line: the images of a split, the classes of a data set."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from engine.errors import UserError

__all__ = ["read_names", "unique_or_refuse"]


def read_names(path: Path, what: str, if_missing: str) -> list[str]:
    """Read a file with one name a line; empty lines and a byte order mark do not count.

    Args:
        path: UTF-8 text.
        what: What the names stand for, for errors: ``images``.
        if_missing: How to mend that there is no such file.

    Raises:
        UserError: If the file is missing, empty or no text, or names something twice.
    """
    if not path.is_file():
        raise UserError(f"no such list of {what}", path, if_missing)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise UserError(f"the list of {what} is no UTF-8 text", path, "write it again") from error
    names = [line.strip() for line in lines if line.strip()]
    if not names:
        raise UserError(f"the list names no {what}", path, "write one name a line")
    unique_or_refuse(names, "names", path)
    return names


def unique_or_refuse(values: Iterable[object], what: str, where: object) -> None:
    """Stop when a value stands there twice.

    Raises:
        UserError: If so, with the number of such values and the first.
    """
    twice = [value for value, count in Counter(values).items() if count > 1]
    if twice:
        raise UserError(
            f"{len(twice)} {what} stand there twice (first: {twice[0]})", where, "leave one of them"
        )
