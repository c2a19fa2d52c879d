"""``--auto-batch``: the largest power of two of images that fits the memory of the GPU.

Found by trying whole training steps at growing sizes, on the GPU of each process and before the
processes are connected: one that runs out of memory would leave the others waiting.
"""

import contextlib
import copy
import gc
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dist import all_reduce, get_world_size
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner

from bag_of_transfer.engine.bars import Step
from bag_of_transfer.engine.config.mistakes import memory_is_full
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.loop.draws import kept_generators
from bag_of_transfer.engine.process_group import is_first_process
from bag_of_transfer.engine.recipe import BATCH
from bag_of_transfer.engine.run import rates
from bag_of_transfer.engine.run.dry_run import DryRunDone
from bag_of_transfer.engine.run.stored_run import stored_recipe

__all__ = [
    "BatchProbe",
    "agree",
    "kept_draws",
    "largest",
    "refuse_without_gpu",
    "stored_images",
    "take_stored",
]

FLAG = "--auto-batch"
SMALLEST = 2  # batch norm cannot train on one image whose map has one pixel
# Of the memory that is free: other batches have more boxes, DDP and averaged weights take memory
# that a step does not show, and what has been freed in pieces cannot be used as a whole.
USED = 0.9
NUM_SAMPLES = 64  # of which the largest are tried


def refuse_without_gpu() -> None:
    """Check that there is a GPU.

    Raises:
        UserError: If not: a CPU's memory is shared with other programs, and a larger batch is not
            faster there.
    """
    if not torch.cuda.is_available():
        mend = "leave it out, and state train_dataloader.batch_size"
        raise UserError("there is no GPU whose memory could be filled", FLAG, mend)


def largest(fits: Callable[[int], bool], most: int) -> int | None:
    """Return the largest power of two that fits and is at most ``most``; None if 2 does not fit.

    Each size is tried once, until one does not fit.
    """
    size, best = SMALLEST, None
    while size <= most and fits(size):
        size, best = 2 * size, size
    return best


class BatchProbe(Hook):
    """Try training steps at growing batch sizes, then end the run.

    Attributes:
        batch_size: The largest power of two that fits.
    """

    priority = "LOWEST"

    def __init__(self) -> None:
        self.batch_size = SMALLEST

    def before_train(self, runner: Runner) -> None:
        """Try.

        Raises:
            DryRunDone: Always, unless there is an error.
            UserError: If not even the smallest batch fits.
        """
        samples = _largest_samples(runner.train_dataloader.dataset)
        collate = runner.train_dataloader.collate_fn
        step = rates.step_of(runner)
        progress = Step("trying batch sizes", total=None) if is_first_process() else None

        def fits(size: int) -> bool:
            if progress:
                progress.advance_to(size)
                progress.show("")
            batch = [copy.deepcopy(samples[place % len(samples)]) for place in range(size)]
            return _has_room(runner, step, collate, batch)

        most = max(len(runner.train_dataloader.dataset), SMALLEST)
        with _memory_limited():
            found = largest(fits, most)
        if progress:
            progress.close()
        if found is None:
            what = f"not even a batch of {SMALLEST} images fits the memory of the GPU"
            raise UserError(what, FLAG, "use smaller images, or a smaller network")
        self.batch_size = found
        raise DryRunDone


def agree(cfg: Config, batch_size: int, num_images: int) -> str:
    """Set the batch size on which all processes agree, and return the line that says so.

    All processes must call this at the same time.

    Args:
        cfg: Changed.
        batch_size: What fits this process's GPU.
        num_images: Training images of all processes; each has one batch at least.
    """
    share = max(1, num_images // get_world_size())
    smallest = torch.tensor(min(batch_size, 2 ** (share.bit_length() - 1)))
    all_reduce(smallest, "min")
    stated, chosen = cfg.train_dataloader.batch_size, int(smallest)
    cfg.train_dataloader.batch_size = chosen
    return f"batch size per GPU: {chosen} (--auto-batch; the config says {stated})"


def stored_images(cfg: Config, resume_from: str | None) -> int | None:
    """Return the images per step of the run that is resumed, of all processes; None if none is.

    Args:
        cfg: With the work dir.
        resume_from: As in ``stored_run.stored_recipe``.
    """
    images = stored_recipe(cfg, resume_from).get(BATCH)
    return images if isinstance(images, int) else None


def take_stored(cfg: Config, images: int) -> str:
    """Set the batch size of a run that is resumed, and return the line that says so."""
    cfg.train_dataloader.batch_size = max(1, images // get_world_size())
    return f"batch size per GPU: {cfg.train_dataloader.batch_size} (of the run that is resumed)"


@contextlib.contextmanager
def kept_draws() -> Iterator[None]:
    """Leave the random generators as they were, and no memory of a probe."""
    on_gpu = torch.cuda.get_rng_state() if torch.cuda.is_available() else None  # this process's
    try:
        with kept_generators():
            yield
    finally:
        if on_gpu is not None:
            torch.cuda.set_rng_state(on_gpu)
        _free()


def _has_room(
    runner: Runner, step: Callable[[Any], None], collate: Callable[[list[Any]], Any], batch: Any
) -> bool:
    """Return whether the steps of an update fit; the second update has all of its memory.

    Libraries tell of full memory in many words: any failure at a size after one that succeeded
    counts.
    """
    num_steps = 1 + runner.cfg.optim_wrapper.get("accumulative_counts", 1)
    has_room = True
    try:
        for _ in range(num_steps):
            step(collate(copy.deepcopy(batch)))  # preprocessors change data samples
        rates.device_is_done()
    except (RuntimeError, MemoryError) as error:
        if not memory_is_full(error):
            if len(batch) == SMALLEST:
                raise
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            print_log(f"{FLAG}: {len(batch)} images do not fit: {reason}", logger="current")
        has_room = False
    runner.optim_wrapper.zero_grad()
    _free()  # after the error, which holds what its functions had
    return has_room


def _largest_samples(dataset: Any) -> list[Any]:
    """Return samples to fill batches with, so that no other batch is much larger.

    A batch is padded to its tallest and its widest image, which come first.
    """
    places = np.linspace(0, len(dataset) - 1, min(NUM_SAMPLES, len(dataset))).astype(int)
    samples = [dataset[int(place)] for place in places]
    samples.sort(key=lambda sample: math.prod(_size(sample)), reverse=True)
    for side in (0, 1):
        longest = max(range(len(samples)), key=lambda at: _size(samples[at])[side])
        samples.insert(0, samples.pop(longest))
    return samples


def _size(sample: Any) -> tuple[int, int]:
    """Return height and width of an image C H W; 0 where a sample is something else."""
    shape = getattr(sample["inputs"], "shape", (0, 0))
    return shape[-2], shape[-1]


@contextlib.contextmanager
def _memory_limited() -> Iterator[None]:
    """Let torch use a share of what is free; more counts as out of memory."""
    if not torch.cuda.is_available():
        yield
        return
    free, total = torch.cuda.mem_get_info()
    torch.cuda.set_per_process_memory_fraction(USED * (free + torch.cuda.memory_reserved()) / total)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def _free() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
