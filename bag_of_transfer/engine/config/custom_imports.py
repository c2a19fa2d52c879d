"""Import the modules that a config and its bases name; ours also by their former names.

Before there was one package they were called ``detection.metrics``, ``engine.schedules``, ...:
users' configs and the resolved configs of finished runs still say so.
"""

from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.utils import import_modules_from_strings

from bag_of_transfer.engine.config.config_sources import config_sources
from bag_of_transfer.engine.config.config_vocabulary import find_callables
from bag_of_transfer.engine.config_nodes import dicts_with
from bag_of_transfer.engine.data.own_metrics import add_import
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.former_names import current_name
from bag_of_transfer.engine.own_files import is_ours
from bag_of_transfer.engine.process_group import is_first_process
from bag_of_transfer.engine.tasks import default_scope

__all__ = [
    "KEY",
    "announce_names",
    "import_error",
    "import_own_types",
    "import_stated",
    "with_those_of_bases",
]

KEY = "custom_imports"


def with_those_of_bases(stated: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    """Return what a config states, with the modules of its bases first.

    mmengine replaces the list of a base by that of a config on it, which means to add a module and
    would lose the base's data sets and metrics.  ``_delete_=True`` loses them on purpose.

    Args:
        stated: ``custom_imports`` of the merged config.
        path: The config.
    """
    sources = [source for source in config_sources(path) if KEY in source.names]
    if len(sources) < 2 or any(f"{KEY}._delete_" in source.keys for source in sources):
        return stated
    bases = (Config.fromfile(one.path, import_custom_modules=False) for one in sources[:-1])
    names = [name for base in bases for name in _as_list(base[KEY].get("imports") or [])]
    names += _as_list(stated.get("imports") or [])
    return {**stated, "imports": list(dict.fromkeys(names))}


def import_error(error: ImportError, path: Path) -> UserError:
    """Return what a user can do about a module that cannot be imported."""
    cause = error.__context__ if isinstance(error.__context__, ImportError) else error
    what = f"a module that the config names cannot be imported ({cause})"
    mend = "install it, or put its folder on PYTHONPATH: PYTHONPATH=FOLDER python tools/..."
    return UserError(what, path, mend)


def import_stated(stated: Mapping[str, Any]) -> dict[str, Any]:
    """Import what ``custom_imports`` states; return it with the current names."""
    names = stated.get("imports")
    if isinstance(names, list):
        names = [_current_name(name) for name in names]
    current = {**stated, "imports": _current_name(names)}
    import_modules_from_strings(**current)
    return current


def announce_names(stated: Mapping[str, Any], current: Mapping[str, Any]) -> None:
    """Print the current names of modules that a config states by former ones, once per process.

    Args:
        stated: What ``custom_imports`` states.
        current: What :func:`import_stated` has made of it.
    """
    before, after = (_as_list(part.get("imports")) for part in (stated, current))
    renamed = [new for old, new in zip(before, after, strict=True) if new != old]
    if renamed and is_first_process():
        _print_once(f"custom_imports: the names are {', '.join(renamed)} now; update the config")


@cache
def _print_once(line: str) -> None:
    print(line)


def import_own_types(cfg: Config) -> None:
    """Add the modules of this toolkit's types to ``custom_imports``, for those who read its text.

    So the config that a run leaves works in mmengine's Runner, which imports nothing else.

    Args:
        cfg: Changed; the modules are imported.
    """
    scope = default_scope(cfg)
    stated = [node["type"] for _, node in dicts_with("type", cfg._cfg_dict)]
    names = dict.fromkeys(name for name in stated if isinstance(name, str))
    kinds = [kind for name in names for kind in find_callables(name, scope)]
    for module in sorted({kind.__module__ for kind in kinds}):
        if is_ours(module):
            add_import(cfg, module)


def _as_list(names: Any) -> list[Any]:
    return names if isinstance(names, list) else [names]


def _current_name(name: Any) -> Any:
    current = current_name(name) if isinstance(name, str) else None
    # If there is a module of the former name, it is the user's.
    return current if current and not _is_module(name) else name


def _is_module(name: str) -> bool:
    try:
        spec = find_spec(name)
    except ModuleNotFoundError:  # the part before a dot is not a package
        return False
    # git leaves folders with a __pycache__ behind: Python takes them for packages without origin.
    return spec is not None and spec.origin is not None
