"""What seeding per image costs, and how long an epoch's first batch takes with kept workers.

Command:   python benchmarks/draws.py [--threads 1]
The first table seeds the three global generators for each of 512 images that cost nothing to read,
with SeedSequence and each library's own call, and as `engine/loop/draws.py` does: median seconds
by 512 are the price of an image.  The second loads the first batch of an epoch, 32 images of zeros,
with two workers that are started for the epoch, and with two that are kept.
"""

import argparse
import os
import random
import time
from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch.utils.data import DataLoader

import bag_of_transfer.detection
import bag_of_transfer.segmentation  # noqa: F401  a worker is a copy of a process of usual size
from bag_of_transfer.engine.loop.draws import SeededItems
from bag_of_transfer.engine.loop.turns import TurnIndex
from rounds import Comparison, compare, main

IMAGES, BATCH, WORKERS = 512, 32, 2


class Zeros:
    """Images of zeros."""

    def __len__(self) -> int:
        return IMAGES

    def __getitem__(self, index: int) -> torch.Tensor:
        return ZERO


ZERO = torch.zeros(3, 48, 48, dtype=torch.uint8)


def seed_by_calls() -> None:
    """Seed with each library's own call."""
    for index in range(IMAGES):
        words = np.random.SeedSequence((0, 3, index)).generate_state(3).tolist()
        random.seed(words[0])
        np.random.seed(words[1])  # noqa: NPY002
        torch.manual_seed(words[2])


def seed_by_index() -> None:
    """Read every image in batches, seeded by its index."""
    data = SeededItems(Zeros(), seed=0)
    for start in range(0, IMAGES, BATCH):
        data.__getitems__([TurnIndex(index, (3,)) for index in range(start, start + BATCH)])


def first_batch(keep: bool) -> Callable[[], float]:
    """Return a function that begins an epoch and measures the seconds to its first batch."""
    loader = DataLoader(Zeros(), BATCH, num_workers=WORKERS, persistent_workers=keep)

    def begin() -> float:
        started = time.perf_counter()
        batches = iter(loader)
        next(batches)
        seconds = time.perf_counter() - started
        for _ in batches:
            pass
        return seconds

    return begin


def measure(args: argparse.Namespace) -> Iterable[Comparison]:
    """Run both comparisons."""
    ways = {"the libraries' calls": seed_by_calls, "engine/loop/draws.py": seed_by_index}
    what = f"seed {IMAGES} images, in batches of {BATCH}"
    yield compare(what, ways, rounds=args.rounds, work=IMAGES, unit="image", clock=args.clock)
    starting = {"workers of the epoch": first_batch(False), "kept workers": first_batch(True)}
    what = f"first batch of an epoch, {WORKERS} workers, {len(os.sched_getaffinity(0))} cores"
    yield compare(what, starting, rounds=args.rounds)


if __name__ == "__main__":
    main(__doc__, measure, rounds=9)
