"""Stand-ins for what a pickle names: they keep what they are given, run nothing, and are resolved.

:func:`resolve` puts plain values in their places.  A namespace becomes a dict, a class its name.
"""

import pickle
import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
from mmengine.logging import HistoryBuffer

__all__ = ["DataOf", "History", "Range", "Record", "StandIn", "Uuid", "resolve"]

MAX_DEPTH = 100  # of dicts and lists inside each other; our own checkpoints have 6


class StandIn:
    """What a pickle builds in place of an object: arguments and state, kept but not looked at.

    Every stand-in has ``__setstate__``, so that a pickle cannot set attributes of the class.
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
            UnpicklingError: If there is none.
        """
        raise pickle.UnpicklingError(f"GLOBAL {type(self).__name__}")


def resolve(contents: Any) -> Any:
    """Put plain values in the places of all stand-ins; dicts and lists are changed in place.

    Raises:
        UnpicklingError: If a stand-in holds no valid value, or the nesting is deeper than 100.
    """
    return _Resolver().plain(contents)


class _Resolver:
    def __init__(self) -> None:
        self.known: dict[int, tuple[Any, Any]] = {}  # by id; the original is kept, or ids recur
        self.depth = 0

    def plain(self, found: Any) -> Any:
        if id(found) in self.known:
            return self.known[id(found)][1]
        walk = next((walk for kind, walk in self.WALKS if isinstance(found, kind)), None)
        if walk is None:
            return found
        if self.depth == MAX_DEPTH:
            raise pickle.UnpicklingError(f"nested deeper than {MAX_DEPTH}")
        self.depth += 1
        value = walk(self, found)
        self.depth -= 1
        self.known[id(found)] = found, value
        return value

    def _dict(self, found: dict) -> dict:
        self.known[id(found)] = found, found
        items = [(self.plain(key), self.plain(value)) for key, value in found.items()]
        found.clear()
        for key, value in items:  # a Counter's update would count
            found[key] = value
        return found

    def _list(self, found: list) -> list:
        self.known[id(found)] = found, found
        found[:] = [self.plain(value) for value in found]
        return found

    def _rebuilt(self, found: Any) -> Any:
        values = [self.plain(value) for value in found]
        same = all(new is old for new, old in zip(values, found, strict=True))
        return found if same else type(found)(values)

    def _stand_in(self, found: StandIn) -> Any:
        if isinstance(found, Record):
            self.known[id(found)] = found, found.filled
        return found.value(self.plain)

    def _name(self, found: type[StandIn]) -> str:
        return found.__name__

    WALKS: tuple[tuple[Any, Callable[..., Any]], ...] = (
        (dict, _dict),
        (list, _list),
        ((tuple, set, frozenset), _rebuilt),
        (StandIn, _stand_in),
        (type(StandIn), _name),
    )


# ---- stand-ins that are filled after they are made ----


class Record(StandIn):
    """An object that only holds attributes: they become a dict, whatever they are called."""

    filled: dict[str, Any]

    def __new__(cls, *arguments: Any, **attributes: Any) -> Any:
        """Keep attributes given by keyword."""
        self = super().__new__(cls, *arguments)
        self.filled = attributes
        return self

    def value(self, plain: Callable[[Any], Any]) -> dict[str, Any]:
        """Return the attributes.

        Raises:
            UnpicklingError: If they are no dict of names.
        """
        state = {} if self.state is None else self.state
        if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
            raise pickle.UnpicklingError(f"GLOBAL {type(self).__name__}")
        self.filled.update((name, plain(part)) for name, part in state.items())
        return self.filled


class DataOf(StandIn):
    """An object around one list, dict or text (``collections.UserDict``)."""

    def value(self, plain: Callable[[Any], Any]) -> Any:
        """Return what it is around."""
        return plain(self.state["data"])


class Range(StandIn):
    """A ``range``, which nothing can be filled from while reading: ``set(range(10**12))``."""

    def value(self, plain: Callable[[Any], Any]) -> range:
        """Build it of its numbers."""
        return range(*self.arguments)


class Uuid(StandIn):
    """A ``uuid.UUID``."""

    def value(self, plain: Callable[[Any], Any]) -> uuid.UUID:
        """Build it of its number."""
        return uuid.UUID(int=self.state["int"])


class History(StandIn):
    """A ``HistoryBuffer`` of mmengine, which resuming needs as such."""

    def value(self, plain: Callable[[Any], Any]) -> HistoryBuffer:
        """Build it of its two arrays."""
        state = plain(self.state)
        logs, counts = (np.asarray(state[f"_{what}_history"]) for what in ("log", "count"))
        return HistoryBuffer(logs, counts, int(state["max_length"]))
