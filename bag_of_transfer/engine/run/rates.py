"""How fast the parts of a built run are: its loaders, its step, its validation.

A :data:`Work` is a generator without end.  Each ``next`` does a piece of work and yields the number
of images that count: 0 for a piece that does not, such as a pass's first batch, in which workers
start.  A GPU may be behind a piece that has ended: :func:`measure` waits for it.
"""

import copy
import itertools
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader

from bag_of_transfer.engine.bare_network import network_of
from bag_of_transfer.engine.interruption import raise_if_swallowed
from bag_of_transfer.engine.loop.device_copy import copied_ahead
from bag_of_transfer.engine.loop.loops import losses_of, train_step
from bag_of_transfer.engine.progress import num_images_of

__all__ = [
    "Slice",
    "Speed",
    "Work",
    "device_is_done",
    "evaluating",
    "forward_of",
    "loading",
    "measure",
    "step_of",
    "stepping",
    "training",
]

NUM_SLICES = 5

Work = Generator[int]


@dataclass(frozen=True)
class Slice:
    """Consecutive pieces of work that count."""

    pieces: int
    images: int
    seconds: float


@dataclass(frozen=True)
class Speed:
    """Images per second: the median of the slices, the slowest and the fastest."""

    img_per_s: float
    low: float
    high: float

    @classmethod
    def of(cls, slices: Sequence[Slice]) -> "Speed":
        """Return the speed; at least one slice is needed."""
        rates = [part.images / part.seconds for part in slices]
        return cls(median(rates), min(rates), max(rates))


def measure(work: Work, seconds: float, num_slices: int = NUM_SLICES) -> list[Slice]:
    """Do pieces of work for about so many seconds, and end the work.

    Args:
        work: See the module.
        seconds: How long the pieces that count may take together.
        num_slices: Slices of about the same length to divide them into; slow pieces give fewer.

    Returns:
        One slice or more.
    """
    slices: list[Slice] = []
    done, images, busy, total = 0, 0, 0.0, 0.0
    with closing(work):
        begun = before = time.perf_counter()
        for count in work:
            raise_if_swallowed()
            if not count:
                device_is_done()  # what it still computes would count as the next piece's
            now = time.perf_counter()
            if count:
                done, images, busy = done + 1, images + count, busy + now - before
            late = now - begun >= 2 * seconds  # much of the work does not count
            if done and (late or busy >= seconds / num_slices):
                device_is_done()
                busy += time.perf_counter() - now
                slices.append(Slice(done, images, busy))
                total += busy
                done, images, busy = 0, 0, 0.0
                if late or len(slices) == num_slices or total >= seconds:
                    break
            before = time.perf_counter()
    return slices


def device_is_done() -> None:
    """Wait for a GPU: it computes while Python goes on."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def step_of(runner: Runner, wrapper: OptimWrapper | None = None) -> Callable[[Any], None]:
    """Return a whole training step, forward to update, with an lr of 0: weights stay as they are.

    Args:
        runner: With everything built.
        wrapper: Instead of the runner's.
    """
    wrapper = wrapper or runner.optim_wrapper
    for group in wrapper.optimizer.param_groups:
        group["lr"] = 0.0

    def step(batch: Any) -> None:
        runner.model.train()
        train_step(runner.model, batch, wrapper)

    return step


def forward_of(runner: Runner) -> Callable[[Any], None] | None:
    """Return the forward part of a training step; None for a model with a step of its own."""
    network, wrapper = network_of(runner.model), runner.optim_wrapper
    if getattr(type(network), "train_step", None) is not BaseModel.train_step:
        return None

    def forward(batch: Any) -> None:
        network.train()
        with torch.no_grad(), wrapper.optim_context(network):
            losses_of(network, batch)

    return forward


def loading(loader: DataLoader, starts: list[float] | None = None) -> Work:
    """Load batches without end and do nothing with them.

    Args:
        loader: Any loader.
        starts: The seconds until the first batch of each pass are appended here.
    """
    for _, count in _batches(loader, starts):
        yield count


def training(loader: DataLoader, step: Callable[[Any], None], model: nn.Module) -> Work:
    """Load batches without end and train a model on them, as the loops of a run do."""
    for batch, count in _batches(loader, model=model):
        step(batch)
        yield count


def stepping(batches: Sequence[Any], step: Callable[[Any], None], model: nn.Module) -> Work:
    """Train on batches that the model's device has already, without end; all are one piece.

    The first piece does not count: memory is allocated, and kernels are chosen.
    """
    num_images = sum(map(num_images_of, batches))
    for number in itertools.count():
        # Copies: preprocessors change data samples.
        own = list(copied_ahead(map(copy.deepcopy, batches), model))
        yield 0
        for batch in own:
            step(batch)
        yield num_images if number else 0


def evaluating(runner: Runner) -> Work:
    """Load the val split's batches without end and predict on them, without metrics."""
    runner.model.eval()
    for batch, count in _batches(runner.val_loop.dataloader):
        with torch.no_grad():
            runner.model.val_step(batch)
        device_is_done()
        yield count


def _batches(
    loader: DataLoader, starts: list[float] | None = None, model: nn.Module | None = None
) -> Generator[tuple[Any, int]]:
    """Yield batches of one pass after another, with the number of images that count.

    With a model they are copied ahead to its GPU.
    """
    while True:
        begun = time.perf_counter()
        for index, batch in enumerate(loader if model is None else copied_ahead(loader, model)):
            if index == 0 and starts is not None:
                starts.append(time.perf_counter() - begun)
            yield batch, num_images_of(batch) if index or len(loader) == 1 else 0
