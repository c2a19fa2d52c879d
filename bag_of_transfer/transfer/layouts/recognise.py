"""Recognise the library that wrote a file of weights, by the names of the tensors."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from bag_of_transfer.transfer.layouts.layout import Layout
from bag_of_transfer.transfer.layouts.table import LAYOUTS

__all__ = ["Guess", "prefixes_of", "recognise"]

# Matches the first block of a network inside a larger one; group 1 is the prefix of its names.
FIRST_BLOCK = re.compile(
    r"(?s)(^|.*?\.)({})$".format("|".join({re.escape(layout.first_block) for layout in LAYOUTS}))
)


@dataclass(frozen=True)
class Guess:
    """The layout of a file, and the prefix of its names, for instance ``backbone.``."""

    layout: Layout
    prefix: str


def recognise(names: Iterable[str], prefix: str | None = None) -> Guess | None:
    """Return layout and prefix for the names of tensors; None if they are not a ResNet's.

    Args:
        names: Names of tensors.
        prefix: One of :func:`prefixes_of`; None to choose the best of them.
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
    # A classifier may hold its teacher beside its backbone: the backbone comes first.
    return "backbone." not in prefix, len(prefix), prefix


def prefixes_of(names: Iterable[str]) -> list[str]:
    """Return the prefix of the names of each ResNet, sorted; a file may hold several."""
    return sorted({match[1] for name in names if (match := FIRST_BLOCK.match(name))})
