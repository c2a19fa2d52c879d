"""Random numbers of training images: a function of (seed, epoch, index), whoever loads them.

An image's augmentation may draw from python's, numpy's and torch's global generators.  Their state
would depend on which images this process has loaded before: on the rank, on the loader's workers
and on their number.  Here all three are seeded before each image.

The sampler knows the epoch, and loader workers, which outlive it, do not.  So each index that a
sampler yields carries its turn, and the data set seeds the generators from both.
"""

import contextlib
import hashlib
import itertools
import random
import struct
from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from mmengine.dataset import DefaultSampler, InfiniteSampler
from mmengine.dist import get_dist_info
from mmengine.logging import MessageHub
from mmengine.registry import DATA_SAMPLERS, DATASETS
from torch import Tensor
from torch.utils.data import BatchSampler, Sampler, get_worker_info

__all__ = [
    "EndlessTurns",
    "LaterBatches",
    "SeededItems",
    "TurnIndex",
    "Turns",
    "batches_after",
    "draw_by_index",
    "kept_generators",
    "note_draws",
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
        return _of(self, "_sampler", name)

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
        return _of(self, "_batch_sampler", name)

    def start_after(self, num_batches: int) -> None:
        """Let the next iteration, and only that, leave out so many batches."""
        self._start = num_batches


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


class SeededItems:
    """A data set whose items are drawn from (seed, turn, index) where an index has a turn.

    To read or set any attribute is to read or set the data set's.

    Args:
        dataset: The data set.
        seed: The run's seed.
    """

    def __init__(self, dataset: Any, seed: int) -> None:
        vars(self).update(_dataset=dataset, _seed=seed)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._dataset)

    def __getitem__(self, index: int) -> Any:
        """Return an item; the generators are left as they were, if the index has a turn."""
        return self.__getitems__([index])[0] if isinstance(index, TurnIndex) else self._item(index)

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """Return the items of a batch, for which torch's loader asks in this way."""
        # In a loader worker nothing else draws, and to keep the states costs 0.3 ms.
        with contextlib.nullcontext() if get_worker_info() else kept_generators():
            return [self._item(index) for index in indices]

    def __getattr__(self, name: str) -> Any:
        return _of(self, "_dataset", name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._dataset, name, value)  # hooks exchange the data set's pipeline

    def _item(self, index: int) -> Any:
        if isinstance(index, TurnIndex):
            _seed_generators((self._seed, *index.turn, int(index)))
        return self._dataset[index]


def draw_by_index(loader: Any, seed: int, num_views: int | None = None) -> Any:
    """Return a training loader's config whose items are functions of (seed, turn, index).

    Args:
        loader: The config, for ``Runner.build_dataloader``; a loader that is built is returned as
            it is.
        seed: The run's seed, or that of the answers from which it learns.
        num_views: V, where a teacher's answers are stored for V epochs only; None: each epoch has
            draws of its own.
    """
    if not isinstance(loader, dict) or not isinstance(loader.get("sampler"), dict):
        return loader
    dataset, sampler = loader["dataset"], loader["sampler"]

    def build_dataset() -> SeededItems:
        built = DATASETS.build(deepcopy(dataset)) if isinstance(dataset, dict) else dataset
        return SeededItems(built, seed)

    def build_sampler(**given: Any) -> Turns:
        if num_views:  # else mmengine's, which is one for all processes under diff_rank_seed, too
            given["seed"] = seed
        built = DATA_SAMPLERS.build(deepcopy(sampler), default_args=given)
        turns = EndlessTurns if hasattr(built, "skip") else Turns
        return turns(built, num_views)

    def build_batches(**given: Any) -> LaterBatches:
        return LaterBatches(DATA_SAMPLERS.build(deepcopy(in_batches), default_args=given))

    in_batches = loader.get("batch_sampler")
    return dict(
        loader,
        batch_sampler=dict(type=build_batches) if isinstance(in_batches, dict) else in_batches,
        dataset=dict(type=build_dataset),
        sampler=dict(type=build_sampler),
        # Of its own: the loader draws a number from it when it starts workers.
        generator=torch.Generator(),
    )


def note_draws(hub: MessageHub, seed: int, num_views: int, num_iters: int) -> None:
    """Let a run's steps be drawn from ``seed``, and again from the start after V epochs.

    Args:
        hub: The run's.
        seed: That of the stored answers from which the run learns.
        num_views: V.
        num_iters: Iterations of an epoch.
    """
    hub.update_info("draws", {"seed": seed, "num_iters": num_views * num_iters})


def _seed_generators(key: tuple[int, ...]) -> None:
    """Seed the three generators differently: numpy's and torch's are of one kind."""
    words = struct.unpack_from("<3I", hashlib.sha256(repr(key).encode()).digest())
    random.seed(words[0])
    np.random.seed(words[1])  # noqa: NPY002  mmcv's transforms draw from it
    # torch.manual_seed would reach for the generators of the GPUs, and takes 40 times as long.
    torch.default_generator.manual_seed(words[2])


@contextlib.contextmanager
def kept_generators() -> Iterator[None]:
    """Leave python's, numpy's and torch's generators on the CPU as they were."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
        torch.set_rng_state(states[2])


def _of(wrapper: Any, inner: str, name: str) -> Any:
    if name.startswith("__"):  # asked for while a copy has no attributes yet
        raise AttributeError(name)
    return getattr(vars(wrapper)[inner], name)
