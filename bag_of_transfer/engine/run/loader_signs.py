"""What the workers of a loader, or the process that loads by itself, tell of their work.

Each tells in memory that all processes share which image it begins, and when a batch is done.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.sharedctypes import RawArray
from typing import Any

from torch.utils.data import DataLoader, get_worker_info

__all__ = ["IDLE", "Signs", "tell", "tell_here"]

IDLE, BETWEEN = -1, -2  # in place of an index: waits for a batch to load; puts a batch together


class Signs:
    """One place for each worker; the process that loads by itself has the first.

    Attributes:
        counts: How often each has told something.
        indices: The image that each is at, or ``IDLE`` or less.
        processes: The numbers of the processes.
        place: That of this process.
    """

    def __init__(self, num_workers: int) -> None:
        self.counts: Any = RawArray("Q", num_workers) if num_workers else [0]
        self.indices: Any = RawArray("q", [IDLE] * num_workers) if num_workers else [IDLE]
        self.place = 0
        self.processes: Any = RawArray("q", num_workers) if num_workers else [os.getpid()]

    def give(self, index: int) -> None:
        """Tell what is begun: an image, by its index, or one of the other states."""
        self.indices[self.place] = index
        self.counts[self.place] += 1


class _Telling(list[int]):
    """The indices of a batch, which tell that they are taken."""

    def __init__(self, indices: Sequence[int], signs: Signs) -> None:
        super().__init__(indices)
        self._give = signs.give

    def __iter__(self) -> Iterator[int]:
        for index in super().__iter__():
            self._give(index)
            yield index


class _Items:
    """Load a batch's items as torch's loader does, and tell of each."""

    def __init__(self, dataset: Any, signs: Signs) -> None:
        self._dataset, self._signs = dataset, signs
        known: Any = getattr(dataset, "__getitems__", None)
        self._items: Any = known._items if isinstance(known, _Items) else known

    def __call__(self, indices: Sequence[int]) -> list[Any]:
        signs = self._signs
        try:
            told = _Telling(indices, signs)
            items = self._items(told) if self._items else [self._dataset[one] for one in told]
        except BaseException:
            signs.give(IDLE)  # the error reaches the run in place of a batch
            raise
        signs.give(BETWEEN)
        return items


class _Start:
    """Begin to tell in a worker, then do what the loader had to do there."""

    def __init__(self, signs: Signs, then: Callable[[int], Any] | None) -> None:
        self._signs, self._then = signs, then

    def __call__(self, worker: int) -> None:
        self._signs.place = worker
        self._signs.processes[worker] = os.getpid()
        tell_here(get_worker_info().dataset, self._signs)  # type: ignore[union-attr]
        if self._then is not None:
            self._then(worker)


class _Collate:
    """Put a batch together, and tell that it is done."""

    def __init__(self, signs: Signs, collate: Callable[[Any], Any]) -> None:
        self._signs, self._collate = signs, collate

    def __call__(self, items: Any) -> Any:
        try:
            return self._collate(items)
        finally:
            self._signs.give(IDLE)


def tell(loader: DataLoader) -> Signs:
    """Let a loader's workers tell, from when they start, and return where they do."""
    signs = Signs(loader.num_workers)
    loader.collate_fn = _Collate(signs, loader.collate_fn)
    if loader.num_workers:
        loader.worker_init_fn = _Start(signs, loader.worker_init_fn)
    return signs


def tell_here(dataset: Any, signs: Signs) -> None:
    """Let this process tell which images of a data set it loads, for as long as it has no other.

    A loader asks an attribute of the data set for a batch's items; it is set on the object alone.
    """
    vars(dataset)["__getitems__"] = _Items(dataset, signs)
