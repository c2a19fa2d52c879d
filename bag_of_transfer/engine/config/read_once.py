"""Read each config file once where hundreds of runs share a dozen of them."""

import os
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

__all__ = ["is_reading_once", "kept", "read_once"]

T = TypeVar("T")
_kept: ContextVar[dict[Hashable, Any] | None] = ContextVar("what was read", default=None)


@contextmanager
def read_once() -> Iterator[None]:
    """Read each config once within the context, in which no file of theirs may change.

    The environment may: a config may name its variables, and is read again then.
    """
    token = _kept.set({} if _kept.get() is None else _kept.get())
    try:
        yield
    finally:
        _kept.reset(token)


def is_reading_once() -> bool:
    """Return whether what is read is kept, so that nobody may change it."""
    return _kept.get() is not None


def kept(key: Hashable, read: Callable[[], T]) -> T:
    """Return what ``read`` returns; within :func:`read_once`, what it returned for that key."""
    memory = _kept.get()
    if memory is None:
        return read()
    key = (key, frozenset(os.environ.items()))
    if key not in memory:
        memory[key] = read()
    found: T = memory[key]
    return found
