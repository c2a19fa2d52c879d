"""Paths that begin with ``~/``: a shell replaces it only where a word begins, not in --flag=~/a."""

import os
from pathlib import Path
from typing import Any

__all__ = ["at_home"]

HOME = "~/"


def at_home(value: Any) -> Any:
    """Return a value with the user's home in place of ``~`` in every path that begins with ``~/``.

    Args:
        value: A text, a path, or a dict, list or tuple that may hold some; dicts and lists are
            changed in place.
    """
    if isinstance(value, str | Path):
        text = str(value)
        return type(value)(os.path.expanduser(text)) if text.startswith(HOME) else value
    if isinstance(value, dict):
        for key, inner in list(value.items()):
            value[key] = at_home(inner)
    elif isinstance(value, list):
        value[:] = map(at_home, value)
    elif type(value) is tuple:
        return tuple(map(at_home, value))
    return value
