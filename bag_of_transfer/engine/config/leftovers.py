"""Drop the arguments of an old ``type`` when the command line sets a new one.

With ``optim_wrapper.optimizer.type=AdamW`` over ``dict(type="SGD", momentum=0.9)``, AdamW takes no
momentum, and nobody should have to delete it by hand.
"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from bag_of_transfer.engine.config.config_vocabulary import (
    find_callables,
    known_children,
    known_names,
)
from bag_of_transfer.engine.config.override_value import CFG_OPTIONS
from bag_of_transfer.engine.config_nodes import child
from bag_of_transfer.engine.errors import UserError

__all__ = ["changes_type", "drop_leftovers"]


def drop_leftovers(
    old: Any, new: Any, tree: Any, path: str = "", scope: str = "mmengine"
) -> Iterator[str]:
    """Drop from ``new`` the arguments of an old type that the new type does not take.

    Args:
        old: The config before the overrides.
        new: The config after them; changed.
        tree: The overrides, nested.
        path: Where in the config, dotted.
        scope: Where a ``type`` is looked up.

    Yields:
        A line per dict that lost arguments.

    Raises:
        UserError: If the new type is registered nowhere, though the old one is.
    """
    if not isinstance(tree, Mapping):
        return
    if isinstance(new, Mapping):
        scope = new.get("_scope_") or new.get("default_scope") or scope
        if isinstance(old, Mapping) and "type" in tree and not tree.get("_delete_"):
            yield from _drop_arguments(old, new, tree, path, scope)
    for name, below in tree.items():
        inner = f"{path}.{name}" if path else str(name)
        yield from drop_leftovers(child(old, name), child(new, name), below, inner, scope)


def changes_type(old: Any, tree: Any, scope: str) -> bool:
    """Return whether overrides give a dict another ``type``, and one that is registered."""
    if not isinstance(old, Mapping) or not isinstance(tree, Mapping) or "type" not in tree:
        return False
    return tree["type"] != old.get("type") and bool(find_callables(tree["type"], scope))


def _drop_arguments(
    old: Mapping[str, Any], new: Any, tree: Mapping[str, Any], path: str, scope: str
) -> Iterator[str]:
    old_type, new_type = old.get("type"), new["type"]
    if old_type == new_type or not find_callables(old_type, scope):
        return
    if not find_callables(new_type, scope):
        near = get_close_matches(str(new_type), known_names(scope), 1)
        mend = f"did you mean `{near[0]}`?" if near else "name its module in custom_imports"
        raise UserError(
            f"no class is registered as `{new_type}`", f"{CFG_OPTIONS} {path}.type", mend
        )
    known = known_children(path, new, scope) or frozenset()
    leftover = [key for key in new if key not in known | tree.keys() | {"_scope_"}]
    for key in leftover:
        del new[key]
    if leftover:
        names = ", ".join(leftover)
        yield f"{path}.type: {old_type} -> {new_type}, which does not take {names}: left out"
