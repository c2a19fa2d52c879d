"""Whose weights are these?  The names of the tensors tell."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from bag_of_transfer.transfer.layouts.layout import Layout
from bag_of_transfer.transfer.layouts.table import LAYOUTS

__all__ = ["Guess", "prefixes_of", "recognise"]

# Finds a network inside a larger one, whatever stands before the names.
FIRST_BLOCK = re.compile(
    r"(?s)(^|.*?\.)({})$".format("|".join({re.escape(layout.first_block) for layout in LAYOUTS}))
)


@dataclass(frozen=True)
class Guess:
    """Who wrote these names, and what stands before each of them (``backbone.``, say)."""

    layout: Layout
    prefix: str


def recognise(names: Iterable[str], prefix: str | None = None) -> Guess | None:
    """Guess layout and prefix from names of tensors; return None if no ResNet is among them.

    Args:
        names: Of tensors.
        prefix: One of :func:`prefixes_of`; None for the first of them.
    """
    names = list(names)
    if prefix is None:
        prefix = min(prefixes_of(names), key=_rank, default="")
    inside = [name.removeprefix(prefix) for name in names if name.startswith(prefix)]
    for layout in LAYOUTS:
        if any(re.search(layout.signature, name) for name in inside):
            return Guess(layout, prefix)
    return None


def _rank(prefix: str) -> tuple[bool, int, str]:
    # A classifier may carry its teacher beside its backbone.
    return "backbone." not in prefix, len(prefix), prefix


def prefixes_of(names: Iterable[str]) -> list[str]:
    """List what stands before the names of each ResNet, sorted; a file may hold several."""
    return sorted({match[1] for name in names if (match := FIRST_BLOCK.match(name))})
