"""Turn the classes of a config in mmengine's pure Python style into the names of a text config.

Such a config (``with read_base():``, ``type=FasterRCNN``) holds classes where others hold names.
All that follows compares names, and checkpoints and resolved configs store them.
"""

import functools
from collections.abc import Mapping
from types import FunctionType, ModuleType
from typing import Any

from mmengine.config import Config
from mmengine.registry import Registry, root
from mmengine.utils import get_object_from_string
from torch.nn import SyncBatchNorm

from bag_of_transfer.engine.config.described import SCOPES, UNREGISTERED
from bag_of_transfer.engine.config_nodes import nodes
from bag_of_transfer.engine.data.own_metrics import add_import
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.tasks import ROOT_SCOPE, default_scope

__all__ = ["name_scope", "name_types"]

# Packages whose registries import their modules themselves.
LIBRARIES = frozenset({"mmcv", "torch", *SCOPES})
KINDS = type | FunctionType
# mmcv registers a subclass that checks no shape.
ALIASES: dict[Any, str] = {SyncBatchNorm: "SyncBN"}


def name_scope(cfg: Config) -> None:
    """State the scope of a config of classes that leaves it open, as those of mmdet do, in place.

    Args:
        cfg: As read.
    """
    model = cfg.get("model")
    kind = model.get("type") if isinstance(model, Mapping) else None
    if cfg.get("default_scope") is None and isinstance(kind, type):
        package = kind.__module__.partition(".")[0]
        cfg.default_scope = package if package in SCOPES else ROOT_SCOPE


def name_types(cfg: Config) -> None:
    """Write names in place of classes and functions; ``custom_imports`` gets their modules.

    A name is as short as the ``default_scope`` allows; what is registered nowhere gets the name of
    its module, too.  The names that the file imports are no part of the config afterwards.

    Args:
        cfg: As read, of any style; changed.

    Raises:
        UserError: If a class or function can neither be found in a registry nor be imported.
    """
    for name, value in list(cfg.items()):
        if name in cfg._imported_names and isinstance(value, KINDS | ModuleType):
            cfg.pop(name)
    names = _Names(default_scope(cfg))
    for dotted, node in [("", cfg._cfg_dict), *nodes(dict(cfg.items()))]:
        for key, value in list(node.items()) if isinstance(node, dict) else ():
            is_type = key == "type" or str(key).endswith("_type")  # ema_type, dataset_type
            if is_type and isinstance(value, KINDS):
                node[key] = names.name(value, f"{dotted}.{key}".removeprefix("."))
    for module in names.modules:
        add_import(cfg, module)


class _Names:
    """The names by which builders find classes and functions from a scope.

    Attributes:
        modules: Those that must be imported for the names that were given.
    """

    def __init__(self, scope: str) -> None:
        self._scope = scope
        self.modules: dict[str, None] = {}

    def name(self, kind: Any, dotted: str) -> str:
        """Return the name of a class or function that stands at a place.

        Raises:
            UserError: If there is none.
        """
        parent = dotted.rpartition(".")[0].rpartition(".")[2]
        if kind in ALIASES:
            return ALIASES[kind]
        if kind.__name__ in UNREGISTERED.get(parent, ()):  # as text configs call it
            return str(kind.__name__)
        entries = self._entries.get(id(kind), ())
        for registry, name in sorted(entries, key=lambda entry: entry[1] != kind.__name__):
            if kind.__module__.partition(".")[0] not in LIBRARIES:
                self.modules[kind.__module__] = None
            top = registry.parent or registry
            seen = top.children.get(self._scope, top)
            return name if _found(seen, name) is kind else f"{registry.scope}.{name}"
        name = f"{kind.__module__}.{kind.__qualname__}"
        if _at(name) is not kind:
            what = f"{name} is neither registered nor can it be imported by this name"
            raise UserError(what, dotted, "define it in a module, or register it")
        return name

    @functools.cached_property
    def _entries(self) -> dict[int, list[tuple[Registry, str]]]:
        """Where everything is registered, and as what, by its identity."""
        found: dict[int, list[tuple[Registry, str]]] = {}
        tops = [registry for registry in vars(root).values() if isinstance(registry, Registry)]
        for registry in [one for top in tops for one in (top, *top.children.values())]:
            for name, target in registry.module_dict.items():
                found.setdefault(id(target), []).append((registry, name))
        return found


def _found(registry: Registry, name: str) -> Any:
    above: Registry | None = registry
    while above is not None and name not in above.module_dict:
        above = above.parent
    return None if above is None else above.module_dict[name]


def _at(name: str) -> Any:
    try:
        return get_object_from_string(name)
    except Exception:  # a module that is imported may fail in any way
        return None
