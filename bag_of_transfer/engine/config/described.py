"""Check the network that a file describes (a checkpoint's ``meta['model_json']``), as data only.

mmengine imports whatever a ``type`` names and calls it, so ``{"type": "subprocess.Popen"}`` would
start a program; some networks download or execute what one of their arguments names.  Here a
description passes only if every type is registered by a library that this process has imported,
and everything that points to another place is dropped.
"""

import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, NamedTuple

from mmengine.config import ConfigDict
from mmengine.registry import MODELS, TASK_UTILS, Registry

from bag_of_transfer.engine.errors import UserError, without_colons
from bag_of_transfer.engine.json_file import parse_json
from bag_of_transfer.engine.tasks import ROOT_SCOPE, all_tasks

__all__ = ["MEND", "admit", "leads_elsewhere", "names_a_place", "read_description"]

SCOPES = frozenset(task.scope for task in all_tasks())
# Types that mmcv and mmdet look up elsewhere than in a registry, by the key of their dict.
UNREGISTERED = {
    "nms": frozenset({"nms", "soft_nms", "nms_match", "nms_quadri", "nms_rotated"}),
    "roi_layer": frozenset(
        {
            *("RoIAlign", "RoIAlignRotated", "RoIPool", "SimpleRoIAlign"),
            *("DeformRoIPoolPack", "ModulatedDeformRoIPoolPack"),
        }
    ),
}
# They download or execute a file by themselves, even if its name looks like any other word.
FETCHING = frozenset(
    {
        *("BertModel", "ATSSVLFusionHead"),  # transformers' from_pretrained
        *("TIMMBackbone", "Detectron2Wrapper"),  # timm's and detectron2's loaders
        *("KnowledgeDistillationSingleStageDetector", "LAD"),  # Config.fromfile of a teacher
        "VPD",  # diffusion models by name
    }
)
WEIGHTS = frozenset({"init_cfg", "pretrained", "checkpoint"})
POINTERS = frozenset({"pretrained", "checkpoint", "ckpt", "url", "uri"})
POINTING_ENDS = frozenset({"file", "path", "dir", "folder", "cache"})
# A path, an address, or a file's name; not "a.b" (timm's names have tags, options have dots).
PLACE = re.compile(
    r"[/\\:~]|^\.|\.(?:bin|ckpt|gz|h5|json|npy|npz|onnx|params|pickle|pkl|pth?|py|safetensors|tar|"
    r"txt|xml|ya?ml|zip)$",
    re.IGNORECASE,
)
WORD = re.compile(r"[\w .,+\-|<>=]*")  # no brackets, no quotes: mmdet evaluates some texts
MAX_BYTES, MAX_NODES, MAX_COUNT = 4_000_000, 100_000, 10_000_000
MEND = "use a checkpoint that the training tools wrote for the config that you give"


def read_description(meta: Mapping[str, Any], where: object) -> dict[str, Any] | None:
    """Return a checkpoint's description of its network; None if it has no description.

    Args:
        meta: The checkpoint's meta.
        where: The checkpoint, for the error.

    Raises:
        UserError: If the description is not a JSON object, or a very long one.
    """
    text = meta.get("model_json")
    if not text:
        return None
    if not isinstance(text, str) or len(text) > MAX_BYTES:
        what = "the checkpoint's meta['model_json'] is not a JSON text, or a very long one"
        raise UserError(what, where, MEND)
    return dict(parse_json(text, f"{where} (meta['model_json'])", MEND, finite=False))


def admit(
    model: Mapping[str, Any],
    where: object,
    configured: Mapping[str, Any] | None = None,
    scope: str = "mmengine",
) -> ConfigDict:
    """Check that a described network can be built without running or downloading anything.

    Values that the user's own config has at the same place are kept.  Weights (``init_cfg``,
    ``pretrained``) are always dropped, because they are in the checkpoint.

    Args:
        model: The description, as read from a file.
        where: The file, for the error.
        configured: The model of the config that the user gave, if there is one.
        scope: The ``default_scope``, where types are looked up.

    Returns:
        The description without arguments that name a path or an address.

    Raises:
        UserError: If a type is registered nowhere, or the description is not plain data, or is
            too large.
    """
    cleaned = _Walk(where).dict(model, _Place("model", configured, scope))
    return ConfigDict(cleaned)


def leads_elsewhere(key: str, value: Any) -> bool:
    """Return whether an argument is of weights, or points to a file or an address; no type is."""
    return key in WEIGHTS or (key != "type" and names_a_place(key, value))


def names_a_place(key: str, value: Any) -> bool:
    """Return whether an argument points to weights, a file or an address, by its name or value."""
    words = key.lower().split("_")
    if POINTERS & set(words) or words[-1] in POINTING_ENDS:
        return True
    values = value if isinstance(value, list) else [value]
    return any(isinstance(text, str) and _is_place(text) for text in values)


def _is_place(text: str) -> bool:
    return bool(PLACE.search(text)) or not WORD.fullmatch(text)


class _Place(NamedTuple):
    """A place in the description, and what the user's config says at the same place."""

    dotted: str
    configured: Any
    scope: str

    @property
    def key(self) -> str:
        return next(name for name in reversed(self.dotted.split(".")) if not name.isdecimal())

    def child(self, key: str | int, scope: str) -> "_Place":
        node = self.configured
        if isinstance(key, str):
            inner = node.get(key) if isinstance(node, Mapping) else None
        else:
            inner = node[key] if isinstance(node, list | tuple) and key < len(node) else None
        return _Place(f"{self.dotted}.{key}", inner, scope)


class _Walk:
    """Goes through a description; ``parse_json`` has limited how deep it is."""

    def __init__(self, where: object) -> None:
        self._where, self._num_nodes = where, 0

    def dict(self, node: Mapping[str, Any], place: _Place) -> dict[str, Any]:
        scope = self._scope(node, place)
        if "type" in node:
            self._check_type(node, place._replace(scope=scope))
        kept: dict[str, Any] = {}
        for key, value in node.items():
            inner = place.child(key, scope)
            if key.startswith("_") and key != "_scope_":
                raise self._error(f"{key!r} is not a key of a network", place)
            stated = key not in WEIGHTS and _is_same(value, inner.configured)
            if leads_elsewhere(key, value) and not stated:
                continue
            kept[key] = self._value(value, inner)
        return kept

    def _value(self, value: Any, place: _Place) -> Any:
        self._num_nodes += 1
        if self._num_nodes > MAX_NODES:
            raise self._error(f"more than {MAX_NODES} values", place)
        if isinstance(value, Mapping):
            return self.dict(value, place)
        if isinstance(value, list | tuple):
            items = (place.child(index, place.scope) for index in range(len(value)))
            return [self._value(item, inner) for item, inner in zip(value, items, strict=True)]
        if isinstance(value, int) and abs(value) > MAX_COUNT and value != place.configured:
            raise self._error(f"{value} is larger than any number of a network", place)
        return value

    def _scope(self, node: Mapping[str, Any], place: _Place) -> str:
        scope = node.get("_scope_", place.scope)
        stated = place.configured.get("_scope_") if isinstance(place.configured, Mapping) else None
        if scope not in SCOPES and scope not in (place.scope, stated):
            raise self._error(f"the library {scope!r} is not known", place)
        return str(scope)

    def _check_type(self, node: Mapping[str, Any], place: _Place) -> None:
        stated = place.configured if isinstance(place.configured, Mapping) else {}
        name = node["type"]
        if not isinstance(name, str):
            raise self._error(f"a type is {type(name).__name__}, not a name", place)
        if name in FETCHING and not _is_same(_without_weights(node), _without_weights(stated)):
            raise self._error(f"{name} may download files, and is not as in the config", place)
        known = name in UNREGISTERED.get(place.key, ()) or _is_registered(name, place.scope)
        if not known and name != stated.get("type"):
            raise self._error(f"{name[:60]!r} is not a network of a library in use", place)

    def _error(self, what: str, place: _Place) -> UserError:
        return UserError(
            f"refused a described network ({without_colons(what)})",
            f"{self._where} ({place.dotted})",
            MEND,
        )


def _is_same(value: Any, configured: Any) -> bool:
    """Return whether a value is the user's config's; tuples of a config are lists in JSON."""
    if isinstance(value, Mapping) and isinstance(configured, Mapping):
        return value.keys() == configured.keys() and all(
            _is_same(value[k], configured[k]) for k in value
        )
    if isinstance(value, list | tuple) and isinstance(configured, list | tuple):
        return len(value) == len(configured) and all(map(_is_same, value, configured))
    return type(value) is type(configured) and bool(value == configured)


def _without_weights(node: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in node.items() if key not in WEIGHTS}


def _is_registered(name: str, scope: str) -> bool:
    prefix, dot, last = name.rpartition(".")
    if dot and prefix not in SCOPES:
        return False
    registries = (r for root in (MODELS, TASK_UTILS) for r in _registries(root, prefix or scope))
    return last.isidentifier() and any(last in registry.module_dict for registry in registries)


def _registries(root: Registry, scope: str) -> Iterator[Registry]:
    """Yield the registry of a scope, filled, and its parents."""
    if scope in SCOPES - {ROOT_SCOPE}:
        import_module(f"{scope}.registry")  # adds it to the tree
    registry: Registry | None = root.children.get(scope, root)
    while registry is not None:
        registry.import_from_location()
        yield registry
        registry = registry.parent
