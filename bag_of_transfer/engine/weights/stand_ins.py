"""Stand-ins for what a pickle names: they keep what they are given and run nothing.

:func:`resolve` replaces them with plain values.  A namespace becomes a dict, a class its name.
"""

import pickle
import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
from mmengine.logging import HistoryBuffer

__all__ = ["DataOf", "History", "Range", "Record", "StandIn", "Uuid", "resolve"]

MAX_DEPTH = 100  # of dicts and lists inside each other; our checkpoints have 6 levels


class StandIn:
    """What a pickle builds in place of an object: it keeps arguments and state as they are.

    Every stand-in has ``__setstate__``, so a pickle cannot set attributes of the class.
    """

    arguments: tuple[Any, ...] = ()
    state: Any = None

    def __new__(cls, *arguments: Any) -> Any:
        """Keep the arguments."""
        self = super().__new__(cls)
        self.arguments = arguments
        return self

    def __setstate__(self, state: Any) -> None:
        """Keep the state."""
        self.state = state

    def value(self, plain: Callable[[Any], Any]) -> Any:
        """Return the plain value; ``plain`` resolves its parts.

        Raises:
            UnpicklingError: If there is no plain value for it.
        """
        raise pickle.UnpicklingError(f"GLOBAL {type(self).__name__}")


def resolve(contents: Any) -> Any:
    """Replace all stand-ins with plain values; dicts and lists are changed in place.

    Raises:
        UnpicklingError: If a stand-in holds no valid value, or the nesting is deeper than 100.
    """
    return _Resolver().plain(contents)


class _Resolver:
    def __init__(self) -> None:
        # By id; the original is kept alive, or its id would recur.
        self.known: dict[int, tuple[Any, Any]] = {}
        self.depth = 0

    def plain(self, original: Any) -> Any:
        if id(original) in self.known:
            return self.known[id(original)][1]
        walk = next((walk for kind, walk in self.WALKS if isinstance(original, kind)), None)
        if walk is None:
            return original
        if self.depth == MAX_DEPTH:
            raise pickle.UnpicklingError(f"nested deeper than {MAX_DEPTH}")
        self.depth += 1
        value = walk(self, original)
        self.depth -= 1
        self.known[id(original)] = original, value
        return value

    def _dict(self, mapping: dict) -> dict:
        self.known[id(mapping)] = mapping, mapping
        items = [(self.plain(key), self.plain(value)) for key, value in mapping.items()]
        mapping.clear()
        for key, value in items:  # a Counter's update would count
            mapping[key] = value
        return mapping

    def _list(self, items: list) -> list:
        self.known[id(items)] = items, items
        items[:] = [self.plain(value) for value in items]
        return items

    def _rebuilt(self, items: Any) -> Any:
        values = [self.plain(value) for value in items]
        same = all(new is old for new, old in zip(values, items, strict=True))
        return items if same else type(items)(values)

    def _stand_in(self, stand_in: StandIn) -> Any:
        if isinstance(stand_in, Record):
            self.known[id(stand_in)] = stand_in, stand_in.filled
        return stand_in.value(self.plain)

    def _name(self, kind: type[StandIn]) -> str:
        return kind.__name__

    WALKS: tuple[tuple[Any, Callable[..., Any]], ...] = (
        (dict, _dict),
        (list, _list),
        ((tuple, set, frozenset), _rebuilt),
        (StandIn, _stand_in),
        (type(StandIn), _name),
    )


# ---- stand-ins that are filled after they are created ----


class Record(StandIn):
    """An object that only holds attributes, of any names: they become a dict."""

    filled: dict[str, Any]

    def __new__(cls, *arguments: Any, **attributes: Any) -> Any:
        """Keep attributes given by keyword."""
        self = super().__new__(cls, *arguments)
        self.filled = attributes
        return self

    def value(self, plain: Callable[[Any], Any]) -> dict[str, Any]:
        """Return the attributes.

        Raises:
            UnpicklingError: If they are not a dict of names.
        """
        state = {} if self.state is None else self.state
        if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
            raise pickle.UnpicklingError(f"GLOBAL {type(self).__name__}")
        self.filled.update((name, plain(part)) for name, part in state.items())
        return self.filled


class DataOf(StandIn):
    """An object around one list, dict or text (``collections.UserDict``)."""

    def value(self, plain: Callable[[Any], Any]) -> Any:
        """Return that list, dict or text."""
        return plain(self.state["data"])


class Range(StandIn):
    """A ``range``; a real one could fill the memory while reading, as ``set(range(10**12))``."""

    def value(self, plain: Callable[[Any], Any]) -> range:
        """Return the range of its numbers."""
        return range(*self.arguments)


class Uuid(StandIn):
    """A ``uuid.UUID``."""

    def value(self, plain: Callable[[Any], Any]) -> uuid.UUID:
        """Return the UUID of its number."""
        return uuid.UUID(int=self.state["int"])


class History(StandIn):
    """A ``HistoryBuffer`` of mmengine, which resuming needs."""

    def value(self, plain: Callable[[Any], Any]) -> HistoryBuffer:
        """Return the buffer of its two arrays."""
        state = plain(self.state)
        logs, counts = (np.asarray(state[f"_{what}_history"]) for what in ("log", "count"))
        return HistoryBuffer(logs, counts, int(state["max_length"]))
