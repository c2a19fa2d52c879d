"""Random numbers of training images: a function of (seed, epoch, index), whoever loads them.

An image's augmentation may draw from python's, numpy's and torch's global generators.  Their state
would depend on which images this process has loaded before: on the rank, on the loader's workers
and on their number.  Here all three are seeded before each image.

The sampler knows the epoch, and loader workers, which outlive it, do not.  So each index that a
sampler yields carries its turn, and the data set seeds the generators from both.
"""

import contextlib
import hashlib
import random
import struct
from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from mmengine.logging import MessageHub
from mmengine.registry import DATA_SAMPLERS, DATASETS
from torch.utils.data import get_worker_info

from bag_of_transfer.engine.loop.turns import (
    EndlessTurns,
    LaterBatches,
    TurnIndex,
    Turns,
    attribute_of,
)

__all__ = ["SeededItems", "draw_by_index", "kept_generators", "note_draws"]


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
        return attribute_of(self, "_dataset", name)

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
