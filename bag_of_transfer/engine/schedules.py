"""Warm-up of the learning rate, and the curve that a list of schedulers draws.

Paper: arXiv:1812.01187, sec. 3.1 (gradual warm-up: at batch i of the first m, i x lr / m) and
sec. 5.1 (cosine decay after it).  The decays themselves are mmengine's ``CosineAnnealingLR``,
``MultiStepLR`` and ``StepLR``; written after a warm-up of 5 epochs::

    param_scheduler = [
        dict(type="GradualWarmup", end=5, convert_to_iter_based=True),
        dict(type="CosineAnnealingLR", begin=5, convert_to_iter_based=True),
    ]

Step: ``dict(type="MultiStepLR", milestones=[30, 60, 90], gamma=0.1)``.  Exponential:
``dict(type="StepLR", step_size=2, gamma=0.94)`` (0.94 every 2 epochs).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from mmengine.optim import ConstantLR, LinearLR, OptimWrapper, _ParamScheduler
from mmengine.registry import PARAM_SCHEDULERS
from torch.optim import Optimizer

__all__ = ["ConstantWarmup", "GradualWarmup", "build_schedulers", "walk"]


def _refuse_epochs(name: str, by_epoch: bool) -> None:
    if by_epoch:
        raise ValueError(
            f"{name} changes the learning rate at every batch: say by_epoch=False (begin and end "
            "count batches) or convert_to_iter_based=True (they count epochs, fractions allowed)"
        )


@PARAM_SCHEDULERS.register_module()
class GradualWarmup(LinearLR):
    """Give batch i, counted from 1, of the m batches in [begin, end) the rate i x lr / m.

    mmengine's ``LinearLR`` would waste a batch on a rate of 0 if it started from factor 0; its
    default start of 1/3 is not the paper's.  With accumulated gradients a batch is one forward
    pass.

    Args:
        optimizer: What to schedule; the Runner passes it.
        begin: First batch of the warm-up, counted from 0; 0 is the start of training.
        end: First batch after the warm-up.
        last_step: As in mmengine, for resuming without a state.
        by_epoch: Must be False unless ``convert_to_iter_based=True`` is given, too.
        verbose: Log every change.

    Raises:
        ValueError: If ``by_epoch`` is left True, or ``end`` is not after ``begin``.
    """

    def __init__(
        self,
        optimizer: Optimizer | OptimWrapper,
        begin: int = 0,
        end: int = 0,
        last_step: int = -1,
        by_epoch: bool = True,
        verbose: bool = False,
    ) -> None:
        _refuse_epochs("GradualWarmup", by_epoch)
        super().__init__(
            optimizer,
            # begin >= end has no length; the parent refuses it with both values.
            start_factor=1 / max(end - begin, 1),
            begin=begin,
            end=end,
            last_step=last_step,
            by_epoch=False,
            verbose=verbose,
        )


@PARAM_SCHEDULERS.register_module()
class ConstantWarmup(ConstantLR):
    """Give all m batches in [begin, end) the rate ``factor`` x lr, and lr from then on.

    mmengine's ``ConstantLR`` returns to lr one batch too early (at the last batch of [begin,
    end)), and never when m is 1.

    Args:
        optimizer: What to schedule; the Runner passes it.
        factor: In (0, 1).
        begin: First batch of the warm-up, counted from 0.
        end: First batch after the warm-up.
        last_step: As in mmengine, for resuming without a state.
        by_epoch: Must be False unless ``convert_to_iter_based=True`` is given, too.
        verbose: Log every change.

    Raises:
        ValueError: If ``by_epoch`` is left True, ``factor`` is outside (0, 1), or ``end`` is not
            after ``begin``.
    """

    def __init__(
        self,
        optimizer: Optimizer | OptimWrapper,
        factor: float = 0.1,
        begin: int = 0,
        end: int = 0,
        last_step: int = -1,
        by_epoch: bool = True,
        verbose: bool = False,
    ) -> None:
        _refuse_epochs("ConstantWarmup", by_epoch)
        if not 0 < factor < 1:
            raise ValueError(f"factor must be in (0, 1), got {factor}")
        if end <= begin:
            raise ValueError(f"end must be larger than begin, got begin={begin}, end={end}")
        # One more: the parent class divides by the factor at the last step that it sees.
        super().__init__(
            optimizer,
            factor=factor,
            begin=begin,
            end=end + 1,
            last_step=last_step,
            by_epoch=False,
            verbose=verbose,
        )


def build_schedulers(
    stated: Sequence[Mapping[str, Any]], lr: float, ends: tuple[int, int], iters_per_epoch: int
) -> tuple[list[_ParamScheduler], Optimizer]:
    """Build schedulers as the Runner does, on an optimiser without parameters.

    Args:
        stated: Their configs.
        lr: The optimiser's learning rate.
        ends: Epochs and batches of the training, where a scheduler ends that states no end.
        iters_per_epoch: Batches per epoch, with which epochs are converted to batches.
    """
    optimizer = torch.optim.SGD([torch.zeros(0, requires_grad=True)], lr=lr)
    built = [
        PARAM_SCHEDULERS.build(
            {"end": ends[0] if one.get("by_epoch", True) else ends[1], **one},
            default_args={"optimizer": optimizer, "epoch_length": iters_per_epoch},
        )
        for one in stated
    ]
    return built, optimizer


def walk(
    schedulers: Iterable[_ParamScheduler], optimizer: Any, epochs: int, iters_per_epoch: int
) -> list[float]:
    """Step ``schedulers`` as mmengine's ParamSchedulerHook does; return each rate.

    Args:
        schedulers: Attached to ``optimizer``; afterwards they stand before the next batch.
        optimizer: The rates are read from its first parameter group; it never makes a step.
        epochs: Number of epochs.
        iters_per_epoch: Batches per epoch.
    """
    listed = list(schedulers)
    per_batch = [scheduler for scheduler in listed if not scheduler.by_epoch]
    per_epoch = [scheduler for scheduler in listed if scheduler.by_epoch]
    # mmengine warns when a schedule moves before the optimiser does.
    optimizer._global_step = 0
    rates: list[float] = []
    for _ in range(epochs):
        left = iters_per_epoch
        while left:
            moving, count = _stretch(per_batch, left)
            rates += _rates(moving, optimizer, count)
            left -= count
        for scheduler in per_epoch:
            scheduler.step()
    return rates


def _stretch(schedulers: Sequence[_ParamScheduler], most: int) -> tuple[list[_ParamScheduler], int]:
    """Return the schedulers that change the rate in the next batches, and for how many batches.

    Outside [begin, end) a step of mmengine's schedulers only counts: it is not done, but counted.
    """
    moving, count = [], most
    for scheduler in schedulers:
        step = scheduler._global_step + 1
        is_known = type(scheduler).step is _ParamScheduler.step
        if not is_known or scheduler.begin <= step < scheduler.end:
            moving.append(scheduler)
        for change in (scheduler.begin, scheduler.end):
            if is_known and step < change:
                count = min(count, change - step)
    for scheduler in schedulers:
        if scheduler not in moving:
            scheduler._global_step += count
    return moving, count


def _rates(moving: Sequence[_ParamScheduler], optimizer: Any, count: int) -> list[float]:
    """Return the rates of the next batches, after each of which the schedulers make a step."""
    group = optimizer.param_groups[0]
    if not moving:
        return [float(group["lr"])] * count
    rates = []
    for _ in range(count):
        rates.append(float(group["lr"]))
        for scheduler in moving:
            scheduler.step()
    return rates
