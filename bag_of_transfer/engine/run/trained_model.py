"""Put a trained network into a config: its checkpoint says what it is, the user how it is tested.

What a training changed in the network, such as by ``--backbone``, is in the checkpoint only.  Its
``test_cfg`` has no weights: there the user's config counts, and overrides count everywhere.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict

from bag_of_transfer.engine.config.described import admit, leads_elsewhere, read_description
from bag_of_transfer.engine.config.input_channels import import_preprocessor
from bag_of_transfer.engine.config.override_value import read_options
from bag_of_transfer.engine.config.overrides import apply_overrides
from bag_of_transfer.engine.config_nodes import value_at
from bag_of_transfer.engine.errors import UserError, without_colons
from bag_of_transfer.engine.recipe import differences
from bag_of_transfer.engine.tasks import default_scope
from bag_of_transfer.engine.weights import checkpoints

__all__ = ["follow_checkpoint", "stated_classes"]

TEST_CFG = "test_cfg"
SHOWN = 4  # keys in a line


def follow_checkpoint(
    cfg: Config,
    checkpoint: Mapping[str, Any],
    path: Path,
    options: Sequence[str] | Mapping[str, Any] = (),
    keys: Set[str] = frozenset(),
) -> list[str]:
    """Let the config's model be the network that a checkpoint describes, safe to build.

    Its ``test_cfg`` is the config's, and the overrides count.  A checkpoint without a description
    (mmdet's and mmseg's own) has the network of the config.

    Args:
        cfg: The config that the user gave, with the overrides; types that its model uses are
            allowed, too.
        checkpoint: The contents of the file.
        path: The file, for the error.
        options: The overrides, as in ``--cfg-options``.
        keys: The dotted keys that the user states.

    Returns:
        Lines to print: where config and checkpoint differ, and which of the two counts.

    Raises:
        UserError: If the checkpoint's description names no classes, or is of a network of another
            type than the config's, or ``described.admit`` refuses it, or if an override exists
            nowhere in the network.
    """
    meta, stated = checkpoints.meta_of(checkpoint), cfg.model
    if "model_json" not in meta:
        return [f"model: that of {cfg.filename}, as {path.name} does not describe its own"]
    cfg.model = _described(meta, path, cfg)
    before = copy.deepcopy(cfg.model.get(TEST_CFG))
    parsed = options if isinstance(options, Mapping) else read_options(options)
    apply_overrides(cfg, dict(_of_network(parsed)))
    if stated.get(TEST_CFG) is not None:
        cfg.model[TEST_CFG] = stated[TEST_CFG]  # with the overrides, and what followed from knobs
    return [*_test_lines(before, cfg), *_left_lines(stated, cfg, keys)]


def stated_classes(meta: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the class names that a checkpoint states; empty if it states none.

    Args:
        meta: The checkpoint's meta: ``classes``, mmengine's ``dataset_meta`` or mm 2.x's CLASSES.
    """
    stock = meta.get("dataset_meta")
    stock = stock if isinstance(stock, Mapping) else {}
    places = (meta.get("classes"), stock.get("classes"), stock.get("CLASSES"), meta.get("CLASSES"))
    for names in places:
        if names and isinstance(names, list | tuple):
            return tuple(str(name) for name in names)
    return ()


def _described(meta: Mapping[str, Any], path: Path, cfg: Config) -> ConfigDict:
    described, classes = read_description(meta, path), meta.get("classes")
    mend = "use one that this toolkit wrote"
    if described is None or not classes:
        raise UserError("the checkpoint does not describe its network", path, mend)
    if not isinstance(classes, list | tuple) or not all(isinstance(n, str) for n in classes):
        raise UserError("the checkpoint's classes are not a list of names", path, mend)
    kind, stated = described.get("type"), cfg.model.get("type")
    if kind != stated:
        raise UserError(
            f"the checkpoint's model is {without_colons(str(kind)[:60])}, the config's {stated}",
            path,
            "give the config that it was trained with",
        )
    import_preprocessor(cfg)
    return admit(described, path, cfg.model, default_scope(cfg))


def _of_network(options: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the overrides of the network, but no weights and paths: a description has none."""
    for key, value in options.items():
        *above, last = key.split(".")
        if "model" in (key, *above[:1]) and not any(leads_elsewhere(name, None) for name in above):
            yield from ((key, kept) for kept in _without_paths({last: value}).values())


def _without_paths(node: Any) -> Any:
    if isinstance(node, Mapping):
        kept = {key: value for key, value in node.items() if not leads_elsewhere(str(key), value)}
        return {key: _without_paths(value) for key, value in kept.items()}
    return [_without_paths(one) for one in node] if isinstance(node, list) else node


def _test_lines(before: Any, cfg: Config) -> Iterator[str]:
    trained, now = _plain({TEST_CFG: before}), _plain({TEST_CFG: cfg.model.get(TEST_CFG)})
    changed = [f"{one.key}={one.now!r}, not {one.was!r}" for one in differences(trained, now)]
    if changed:
        yield f"model: as stated now, not as in training: {_in_short(changed)}"


def _left_lines(stated: Mapping[str, Any], cfg: Config, keys: Set[str]) -> Iterator[str]:
    inner = sorted(key.partition(".")[2] for key in keys if key.startswith("model."))
    values = [(key, *(_plain(value_at(one, key)) for one in (stated, cfg.model))) for key in inner]
    left = [
        f"{key}={now!r}, not {wanted!r}"
        for key, wanted, now in values
        if None not in (wanted, now) and now != wanted and _is_single(now)
    ]
    if left:
        yield f"model: as in training, not as the config says: {_in_short(left)}"


def _is_single(value: Any) -> bool:
    """Return whether no dict is in a value: each has keys of its own."""
    return not any(
        isinstance(one, Mapping) for one in (value if isinstance(value, list) else [value])
    )


def _in_short(told: Sequence[str]) -> str:
    return "; ".join(told[:SHOWN]) + (f"; {len(told) - SHOWN} more" if told[SHOWN:] else "")


def _plain(value: Any) -> Any:
    """Return a value with lists for tuples, as JSON has them."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value
