"""Time training steps within seconds, for ``--dry-run``: at a smaller batch where they are slow."""

import copy
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any

import torch
from mmengine.dist import all_reduce
from torch.utils.data import DataLoader

from bag_of_transfer.engine.bars import Step, on_terminal
from bag_of_transfer.engine.interruption import raise_if_swallowed
from bag_of_transfer.engine.process_group import is_main_process
from bag_of_transfer.engine.progress import num_images_of
from bag_of_transfer.engine.run.first_step import TOO_FEW_FOR_BN
from bag_of_transfer.engine.run.rates import device_is_done

Doing = Callable[[Any], None]  # what takes a batch
Clock = Callable[[], float]

__all__ = ["StepTime", "first_images", "time_steps"]

TIMED = 3  # iterations, after one to warm up (memory, choice of kernels): a rough rate
GROWTH = (4, 2)  # a step of one image says little about one of a whole batch
STEP = 3  # forward passes: backward takes twice a forward
SHARE = 0.5  # of the time left that the next, larger step may take


@dataclass(frozen=True)
class StepTime:
    """What was timed.

    Args:
        seconds: Of an iteration with a whole batch.
        images: How many images of the batch the timed steps had.
        batch: How many images a whole batch has.
        what: What was timed instead of iterations; "" for those.
    """

    seconds: float
    images: int
    batch: int
    what: str = ""

    @property
    def note(self) -> str:
        """Return how far the time is a guess, in words; empty if whole iterations were timed."""
        part = f"{self.what} of {self.images} of {self.batch} images"
        return f", extrapolated from {part}" if self.what else ""


def time_steps(
    loader: DataLoader,
    step: Doing,
    forward: Doing | None,
    seconds: float,
    clock: Clock = time.perf_counter,
    *,
    on_gpu: bool = False,
    compiled: bool = False,
) -> StepTime:
    """Time iterations of a whole batch, or a step of as many of its images as there is time for.

    On a GPU, and with a compiled network, the first step of each size loads libraries and kernels,
    chooses or compiles them: seconds that have nothing to do with the number of images.  It is done
    once before it is timed.  On a GPU that is a step of a whole batch, which takes seconds there.

    Args:
        loader: Gives the batches.
        step: A training step.
        forward: Its forward part, which is tried first; None: a step of one image is always done.
        seconds: About how long all of it may take.
        clock: Seconds, for tests.
        on_gpu: Whether the network is on a GPU.
        compiled: Whether torch compiles a part of the network.
    """
    bar = Step("timing steps", None) if is_main_process() and on_terminal() else None
    try:
        timing = _Timing(loader, seconds, clock, bar)
        timing.rehearses = on_gpu or compiled
        return timing.measure(step, None if timing.rehearses else forward, whole=on_gpu)
    finally:
        if bar is not None:
            bar.close()


class _Timing:
    rehearses = False  # whether each size is done once before it is timed

    def __init__(self, loader: DataLoader, seconds: float, clock: Clock, bar: Step | None) -> None:
        self.loader, self.seconds, self.clock, self.bar = loader, seconds, clock, bar
        self.begun = clock()
        self.batches: Iterator[Any] = chain.from_iterable(repeat(loader))
        self.batch = next(self.batches)
        self.loading = clock() - self.begun
        # Where images cannot be counted, the batch counts as one.
        self.num = num_images_of(self.batch) or 1

    def measure(self, step: Doing, forward: Doing | None, whole: bool) -> StepTime:
        if forward is not None:
            images, took = self.timed(forward, 1)
            if took * STEP > self.left():
                guess = self.with_loading(took * STEP * self.num / images)
                return StepTime(guess, images, self.num, "a forward pass")
        images, took = self.timed(step, self.num if whole else 1)
        while larger := self.next_size(images, took):
            images, took = self.timed(step, larger)
        if images < self.num:
            guess = self.with_loading(took * self.num / images)
            return StepTime(guess, images, self.num, "a step")
        # The first batch of all waits for workers to start: a GPU's step is short beside that.
        count = max(int(whole), min(TIMED, int(self.left() / max(took, 1e-9))))
        return StepTime(self.iterations(step, count) or took, self.num, self.num)

    def left(self) -> float:
        return self.seconds - _agreed(self.clock() - self.begun)

    def next_size(self, images: int, took: float) -> int | None:
        larger = [min(self.num, factor * images) for factor in GROWTH]
        most = SHARE * self.left()
        return next((n for n in larger if n > images and n / images * took <= most), None)

    def timed(self, do: Doing, images: int) -> tuple[int, float]:
        """Return how many images were taken, and the seconds; BN may need more than one image."""
        if self.bar is not None:
            self.bar.show(f"with {images} of {self.num} images")
        try:
            if self.rehearses:
                self.seconds_of(do, images)
            return images, self.seconds_of(do, images)
        except ValueError as error:
            if TOO_FEW_FOR_BN not in str(error) or images > 1 or self.num == 1:
                raise
            return self.timed(do, 2)

    def seconds_of(self, do: Doing, images: int) -> float:
        part = copy.deepcopy(first_images(self.batch, images, self.num))  # samples are changed
        begun = self.clock()
        do(part)
        device_is_done()
        raise_if_swallowed()
        return _agreed(self.clock() - begun)

    def iterations(self, step: Doing, count: int) -> float:
        """Return the seconds of an iteration with its loading; 0.0 if there is none."""
        begun = self.clock()
        for _ in range(count):
            step(next(self.batches))
            raise_if_swallowed()
        device_is_done()
        return (self.clock() - begun) / count if count else 0.0

    def with_loading(self, seconds: float) -> float:
        has_workers = bool(self.loader.num_workers)
        return max(seconds, self.loading) if has_workers else seconds + self.loading


def first_images(batch: Any, count: int, whole: int) -> Any:
    """Return a batch of the first images of a batch, as the loaders of the three tasks give it.

    Args:
        batch: Dicts, lists and tensors.
        count: How many images to keep.
        whole: How many there are.
    """
    if isinstance(batch, Mapping):
        return {key: first_images(value, count, whole) for key, value in batch.items()}
    if isinstance(batch, torch.Tensor | list | tuple):
        if getattr(batch, "ndim", 1) and len(batch) == whole:
            return batch[:count]
        if not isinstance(batch, torch.Tensor):
            return [first_images(part, count, whole) for part in batch]
    return batch


def _agreed(seconds: float) -> float:
    """Return the largest of all processes' values: all have to do the same steps."""
    value = torch.tensor(seconds, dtype=torch.float64)
    all_reduce(value, "max")
    return float(value)
