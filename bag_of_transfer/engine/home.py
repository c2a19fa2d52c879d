"""Paths that begin with ``~/``: a shell replaces it only where a word begins, not in --flag=~/a."""

import os
from operator import is_
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
            if (found := at_home(inner)) is not inner:  # else mmengine's lazy objects would be lost
                value[key] = found
    elif isinstance(value, list):
        value[:] = map(at_home, value)
    elif type(value) is tuple:
        found = tuple(map(at_home, value))
        return value if all(map(is_, found, value)) else found
    return value
