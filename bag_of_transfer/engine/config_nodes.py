"""Walk through a config: every value with its dotted key, as a user would type it; its types."""

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["bare_type", "dicts_with", "nodes"]


def bare_type(config: Mapping[str, Any]) -> str:
    """Return the name of a config's ``type`` alone.

    Args:
        config: Its type is a class, or a name that may have a scope (``mmdet.ResNet``) or a
            library (``torchvision/Resize``); without a type the answer is empty.
    """
    kind = config.get("type", "")
    name = kind.__name__ if isinstance(kind, type) else str(kind)
    return name.rpartition("/")[2].rpartition(".")[2]


def nodes(node: Any, dotted: str = "") -> Iterator[tuple[str, Any]]:
    """Yield a node and all nodes below it with their keys, each dict or list before its contents.

    Args:
        node: A dict or list of a config, or any value.
        dotted: Its key; empty for a whole config, which is not yielded itself.
    """
    if dotted:
        yield dotted, node
    if isinstance(node, Mapping):
        children: Any = node.items()
    elif isinstance(node, list | tuple):
        children = enumerate(node)
    else:
        return
    for key, child in children:
        yield from nodes(child, f"{dotted}.{key}" if dotted else str(key))


def dicts_with(wanted: str, node: Any, dotted: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dicts that have the key ``wanted``, with their own keys; see :func:`nodes`."""
    for place, value in nodes(node, dotted):
        if isinstance(value, Mapping) and wanted in value:
            yield place, value
