"""Import the modules that a config names; those of this package also by their former names.

Before there was one package they were called ``detection.metrics``, ``engine.schedules``, ...:
users' configs and the resolved configs of finished runs still say so.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from mmengine.utils import import_modules_from_strings

__all__ = ["import_stated"]

PACKAGE = __name__.partition(".")[0]
FORMER = frozenset({"classification", "detection", "engine", "prediction", "segmentation"})


def import_stated(stated: Mapping[str, Any]) -> dict[str, Any]:
    """Import what ``custom_imports`` states; return it with the current names."""
    names = stated.get("imports")
    if isinstance(names, list):
        names = [_current_name(name) for name in names]
    current = {**stated, "imports": _current_name(names)}
    import_modules_from_strings(**current)
    return current


def _current_name(name: Any) -> Any:
    is_former = isinstance(name, str) and name.partition(".")[0] in FORMER
    # If there is a module of that name, it is the user's.
    return f"{PACKAGE}.{name}" if is_former and not _is_module(name) else name


def _is_module(name: str) -> bool:
    try:
        spec = find_spec(name)
    except ModuleNotFoundError:  # the part before a dot is not a package
        return False
    # git leaves folders with a __pycache__ behind: Python takes them for packages without origin.
    return spec is not None and spec.origin is not None
