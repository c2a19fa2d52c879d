"""Modules that a config names, imported; ours by their former names, too.

Before one package they were called ``detection.metrics``, ``engine.schedules``, ...: users' configs
and the resolved configs of finished runs still say so.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from mmengine.utils import import_modules_from_strings

__all__ = ["import_stated"]

PACKAGE = __name__.partition(".")[0]
FORMER = frozenset({"classification", "detection", "engine", "prediction", "segmentation"})


def import_stated(stated: Mapping[str, Any]) -> dict[str, Any]:
    """Import what ``custom_imports`` states; return it with the names of today."""
    names = stated.get("imports")
    named = [_current_name(name) for name in names] if isinstance(names, list) else names
    today = {**stated, "imports": _current_name(named) if isinstance(named, str) else named}
    import_modules_from_strings(**today)
    return today


def _current_name(name: Any) -> Any:
    is_former = isinstance(name, str) and name.partition(".")[0] in FORMER
    # A module of that name is the user's own.
    return f"{PACKAGE}.{name}" if is_former and not _is_module(name) else name


def _is_module(name: str) -> bool:
    try:
        spec = find_spec(name)
    except ModuleNotFoundError:  # the part before a dot is no package
        return False
    # A folder without code counts as a package without origin: git leaves __pycache__ behind.
    return spec is not None and spec.origin is not None
