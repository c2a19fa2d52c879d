"""What every part of a ladder config is checked for, and how a mistake is told."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from bag_of_transfer.engine.config_file import leaf_keys
from bag_of_transfer.engine.errors import UserError

__all__ = ["check_folder_name", "check_keys", "existing_config", "one_of"]

Word = TypeVar("Word", bound=str)


def check_keys(stated: Iterable[str], known: Iterable[str], where: object) -> None:
    """Refuse a key that nobody reads.

    Raises:
        UserError: If one of ``stated`` is not in ``known``.
    """
    unknown = sorted(set(stated) - set(known))
    if unknown:
        raise UserError(f"unknown key {unknown[0]!r}", where, f"known: {', '.join(sorted(known))}")


def one_of(value: Any, known: Sequence[Word], where: str) -> Word:
    """Return ``value``, which is one of ``known``.

    Raises:
        UserError: If it is not.
    """
    if value not in known:
        raise UserError(f"{value!r} is not known", where, f"use one of {', '.join(known)}")
    return known[known.index(value)]


def existing_config(config: str, where: str) -> Path:
    """Give the path of a config that can be read.

    Raises:
        UserError: If there is no such file, or if it is no Python.
    """
    path = Path(config)
    if not path.is_file():
        mend = "name a file, seen from where you stand"
        raise UserError(f"no such config: {config}", where, mend)
    leaf_keys(path)
    return path


def check_folder_name(name: str, where: str) -> None:
    """Refuse a name that a folder should not have.

    Raises:
        UserError: If it holds anything but letters, digits, ``-`` and ``_``.
    """
    if not name.replace("_", "").replace("-", "").isalnum():
        mend = "use letters, digits, - and _: it becomes a folder's name"
        raise UserError(f"the name {name!r} won't do", where, mend)
