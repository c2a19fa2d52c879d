"""Checks of values that several parts of a ladder config share."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from bag_of_transfer.engine.config_file import leaf_keys
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.ladder.folder import is_folder_name

__all__ = [
    "check_folder_name",
    "check_keys",
    "existing_config",
    "list_of_words",
    "one_of",
    "yes_or_no",
]

Word = TypeVar("Word", bound=str)


def check_keys(stated: Iterable[str], known: Iterable[str], where: object) -> None:
    """Check that all keys are known.

    Raises:
        UserError: If one of ``stated`` is not in ``known``.
    """
    unknown = sorted(set(stated) - set(known))
    if unknown:
        raise UserError(f"unknown key {unknown[0]!r}", where, f"known: {', '.join(sorted(known))}")


def one_of(value: Any, known: Sequence[Word], where: str) -> Word:
    """Check that ``value`` is one of ``known`` and return it.

    Raises:
        UserError: If it is not.
    """
    if value not in known:
        raise UserError(f"{value!r} is not known", where, f"use one of {', '.join(known)}")
    return known[known.index(value)]


def yes_or_no(value: Any, where: str) -> bool:
    """Check that ``value`` is True or False and return it.

    Raises:
        UserError: If it is not.
    """
    if not isinstance(value, bool):
        raise UserError(f"{value!r} is neither yes nor no", where, "give True or False")
    return value


def list_of_words(value: Any, where: str) -> tuple[str, ...]:
    """Check that ``value`` is a list of words and return it; ``()`` for None.

    Raises:
        UserError: If it is not.
    """
    if value is None:
        return ()
    if not isinstance(value, list | tuple) or not all(isinstance(w, str) and w for w in value):
        raise UserError(f"{value!r} is not a list of words", where, 'give ["WORD", ...]')
    return tuple(value)


def existing_config(config: str, where: str) -> Path:
    """Return the path of a config that exists and is Python.

    Raises:
        UserError: If there is no such file, or if it is not Python.
    """
    path = Path(config)
    if not path.is_file():
        mend = "give its path, relative to the current folder"
        raise UserError(f"no such config: {config}", where, mend)
    leaf_keys(path)
    return path


def check_folder_name(name: str, where: str) -> None:
    """Check that a name may become the name of a folder.

    Raises:
        UserError: If it has characters other than letters, digits, ``-`` and ``_``.
    """
    if not is_folder_name(name):
        mend = "use letters, digits, - and _: the name becomes a folder"
        raise UserError(f"{name!r} is not a valid name", where, mend)
