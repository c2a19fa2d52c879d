"""Checks of values that several parts of a ladder config share."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope

from bag_of_transfer.engine.config.config_file import leaf_keys, resolved_config
from bag_of_transfer.engine.config.config_values import check_values, settle_whole_numbers
from bag_of_transfer.engine.config.mistakes import building
from bag_of_transfer.engine.config.override_value import CFG_OPTIONS
from bag_of_transfer.engine.config_nodes import dicts_with
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.ladder.folder import is_folder_name

__all__ = [
    "check_folder_name",
    "check_keys",
    "check_numbers",
    "config_with",
    "existing_config",
    "list_of_words",
    "network_mistake",
    "one_of",
    "optional_text",
    "yes_or_no",
]

Word = TypeVar("Word", bound=str)


def check_keys(stated: Iterable[str], known: Iterable[str], where: object) -> None:
    """Check that all keys are known.

    Raises:
        UserError: If one of ``stated`` is not in ``known``.
    """
    unknown = sorted(set(stated) - set(known), key=str)
    if unknown:
        names = ", ".join(sorted(map(str, known)))
        raise UserError(f"unknown key {unknown[0]!r}", where, f"known: {names}")


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


def optional_text(value: Any, where: str) -> str:
    """Check that ``value`` is a text and return it; "" for None.

    Raises:
        UserError: If it is not.
    """
    if not isinstance(value, str | None):
        raise UserError(f"{value!r} is not a text", where, 'give "TEXT"')
    return value or ""


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


def config_with(config: Path, options: Sequence[str], where: str) -> Config:
    """Return a config with the overrides that stand at ``where``.

    Raises:
        UserError: If one cannot be applied, a number is out of its range, or as
            ``config_file.resolved_config``.
    """
    try:
        cfg = resolved_config(config, options)
        check_numbers(cfg)
        return cfg
    except UserError as error:
        place = where if error.where == CFG_OPTIONS else f"{where} ({error.where})"
        raise UserError(error.what, place, error.mend) from error


def check_numbers(cfg: Config) -> None:
    """Check the numbers of a config as its training would; the config stays as it is.

    Raises:
        UserError: As ``config_values.check_values``.
    """
    copied = Config(cfg.to_dict())
    settle_whole_numbers(copied)
    check_values(copied)


def network_mistake(cfg: Config) -> UserError | None:
    """Return why the network of a config cannot be built, if it cannot; it takes no memory."""
    model = Config(cfg.to_dict()).get("model")
    for _, head in dicts_with("num_classes", model):
        # A training reads it from its data.  Of two, mmseg says how else they may be told apart.
        head["num_classes"] = head["num_classes"] or 3
    try:
        with torch.device("meta"), building("model", cfg):
            with DefaultScope.overwrite_default_scope(cfg.get("default_scope")):
                MODELS.build(model)
    except UserError as error:
        return error
    except Exception as error:  # of a class that may be the user's
        return UserError(f"{type(error).__name__}, {error}", "model", "see its class")
    return None


def check_folder_name(name: Any, where: str) -> None:
    """Check that a name may become the name of a folder.

    Raises:
        UserError: If it is no text, or has characters other than letters, digits, ``-`` and ``_``.
    """
    if not (isinstance(name, str) and is_folder_name(name)):
        mend = "use letters, digits, - and _: the name becomes a folder"
        raise UserError(f"{name!r} is not a valid name", where, mend)
