"""Samplers whose indices carry their turns, and that can begin anywhere.

A loader worker, which outlives epochs, learns from the turn how an image is drawn (``draws.py``).
A resumed run begins after the batches that it has seen, without loading them.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import torch
from mmengine.dataset import DefaultSampler, InfiniteSampler
from mmengine.dist import get_dist_info
from torch import Tensor
from torch.utils.data import BatchSampler, Sampler

__all__ = [
    "EndlessTurns",
    "LaterBatches",
    "TurnIndex",
    "Turns",
    "attribute_of",
    "batches_after",
    "is_endless",
    "samplers_of",
]


class TurnIndex(int):
    """The index of an image, with the turn at which a sampler yields it.

    Attributes:
        turn: ``(epoch,)`` if an epoch has each image once, ``(epoch, position)`` otherwise.
    """

    turn: tuple[int, ...]

    def __new__(cls, index: int, turn: tuple[int, ...]) -> "TurnIndex":
        """Return the index, which counts as an int everywhere."""
        self = super().__new__(cls, index)
        self.turn = turn
        return self

    def __reduce__(self) -> tuple[type, tuple[int, tuple[int, ...]]]:
        """Return how it is copied: indices are sent to loader workers."""
        return TurnIndex, (int(self), self.turn)


class Turns(Sampler[TurnIndex]):
    """Yields a sampler's indices with their turns; everything else is the sampler's.

    mmengine's ``DefaultSampler`` yields an image once in an epoch, so the epoch is the turn.
    Others may repeat images; their turns have the position among the indices of all processes,
    which take them in rotation.

    Args:
        sampler: The sampler.
        num_views: V; epoch e is drawn as epoch e modulo V, see :func:`draw_by_index`.
    """

    def __init__(self, sampler: Sampler[int], num_views: int | None = None) -> None:
        self._sampler, self._num_views = sampler, num_views
        self._epoch = self._start = 0
        self._rank, self._world_size = get_dist_info()

    def __iter__(self) -> Iterator[TurnIndex]:
        """Yield the epoch's indices, or those that :meth:`start_after` has left of it."""
        epoch, start = self._epoch, self._start
        self._start = 0
        if type(self._sampler) is not DefaultSampler:
            yield from self._numbered(epoch, start)
            return
        for index in itertools.islice(self._sampler, start, None):
            yield TurnIndex(index, (epoch,))

    def start_after(self, num_indices: int) -> None:
        """Let the next iteration, and only that, leave out so many of this process's indices."""
        self._start = num_indices

    def __len__(self) -> int:
        """Return the sampler's length."""
        return len(self._sampler)  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> Any:
        return attribute_of(self, "_sampler", name)

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, also for a sampler that has no use for it."""
        self._epoch = epoch % self._num_views if self._num_views else epoch
        if hasattr(self._sampler, "set_epoch"):
            self._sampler.set_epoch(self._epoch)

    def _numbered(self, epoch: int, start: int) -> Iterator[TurnIndex]:
        positions = itertools.count(self._rank + start * self._world_size, self._world_size)
        for index, position in zip(self._indices(start), positions, strict=False):
            yield TurnIndex(index, (epoch, position))

    def _indices(self, start: int) -> Iterator[int]:
        return itertools.islice(self._sampler, start, None)


class EndlessTurns(Turns):
    """As :class:`Turns`, of a sampler that never ends and can start anywhere (InfiniteSampler).

    Each iteration begins at the sampler's first index, or where :meth:`start_after` says: one that
    only looks at a batch moves nothing for those that follow.
    """

    def _indices(self, start: int) -> Iterator[int]:
        if type(self._sampler) is InfiniteSampler:
            return _shuffled(self._sampler, start)
        self._sampler.skip(start)  # type: ignore[attr-defined]
        return iter(self._sampler)


def _shuffled(sampler: InfiniteSampler, start: int) -> Iterator[int]:
    """Yield what the sampler yields after ``start`` indices, without listing those."""
    passes, rest = divmod(sampler.rank + start * sampler.world_size, sampler.size)
    generator = torch.Generator().manual_seed(sampler.seed)

    def one_pass() -> Tensor:
        if sampler.shuffle:
            return torch.randperm(sampler.size, generator=generator)
        return torch.arange(sampler.size)

    for _ in range(passes):
        one_pass()
    ever = itertools.chain.from_iterable(one_pass().tolist() for _ in itertools.count())
    return itertools.islice(ever, rest, None, sampler.world_size)


class LaterBatches(Sampler[list[TurnIndex]]):
    """A batch sampler of any kind whose next iteration may leave out the first batches.

    It leaves out whole batches because some samplers group images as they come: by the aspect
    ratio, for instance.  Everything else is the batch sampler's.

    Args:
        batch_sampler: The batch sampler.
    """

    def __init__(self, batch_sampler: Sampler[list[TurnIndex]]) -> None:
        self._batch_sampler, self._start = batch_sampler, 0

    def __iter__(self) -> Iterator[list[TurnIndex]]:
        """Yield the indices of each batch."""
        start, self._start = self._start, 0
        return itertools.islice(self._batch_sampler, start, None)

    def __len__(self) -> int:
        """Return the number of batches."""
        return len(self._batch_sampler)  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> Any:
        return attribute_of(self, "_batch_sampler", name)

    def start_after(self, num_batches: int) -> None:
        """Let the next iteration, and only that, leave out so many batches."""
        self._start = num_batches


def samplers_of(loader: Any) -> list[Any]:
    """Return a loader's sampler, and that of its batch sampler or None.

    With a batch sampler of its own, torch gives the loader a sampler without epochs.
    """
    return [loader.sampler, getattr(loader.batch_sampler, "sampler", None)]


def is_endless(loader: Any) -> bool:
    """Return whether a loader yields batches without end, see :class:`EndlessTurns`."""
    return any(isinstance(sampler, EndlessTurns) for sampler in samplers_of(loader))


def batches_after(loader: Any, num_batches: int) -> Iterator[Any]:
    """Yield the batches of a training loader after the first ones, which are not loaded.

    Args:
        loader: Of a config that :func:`draw_by_index` has returned.  Another loader loads the
            first batches, too, and throws them away.
        num_batches: How many are left out.
    """
    batches, indices = loader.batch_sampler, loader.sampler
    if isinstance(batches, LaterBatches):
        batches.start_after(num_batches)
    elif type(batches) is BatchSampler and isinstance(indices, Turns):
        indices.start_after(num_batches * batches.batch_size)
    else:
        return itertools.islice(loader, num_batches, None)
    return iter(loader)


def attribute_of(wrapper: Any, inner: str, name: str) -> Any:
    """Return an attribute of what a wrapper holds; for its ``__getattr__``.

    Args:
        wrapper: The wrapper.
        inner: The name under which it holds the other object.
        name: The attribute.

    Raises:
        AttributeError: If there is none.
    """
    if name.startswith("__"):  # asked for while a copy has no attributes yet
        raise AttributeError(name)
    return getattr(vars(wrapper)[inner], name)
