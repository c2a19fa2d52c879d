"""Walk through a config: every value with its dotted key, as one would type it."""

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["dicts_with", "nodes"]


def nodes(node: Any, dotted: str = "") -> Iterator[tuple[str, Any]]:
    """Yield a node, if it has a key, and all below it, each dict or list before what it holds.

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
    """Yield the dicts that have the key ``wanted``, see :func:`nodes`."""
    for place, found in nodes(node, dotted):
        if isinstance(found, Mapping) and wanted in found:
            yield place, found
