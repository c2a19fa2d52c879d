"""The learning rates that a list of schedulers gives."""

from collections.abc import Mapping, Sequence
from typing import Any

from bag_of_transfer.engine.schedules import build_schedulers, walk


def lr_curve(
    schedulers: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None,
    lr: float,
    epochs: int,
    iters_per_epoch: int,
) -> list[float]:
    """Return the learning rate of every batch, without training.

    It builds the real schedulers as the Runner does and steps them on an optimiser without
    parameters.

    Args:
        schedulers: ``cfg.param_scheduler``: one config, a list, or None.
        lr: The optimiser's learning rate, linear scaling included.
        epochs: At least 1; for an iteration-based loop it is 1, and the next argument holds all
            iterations.
        iters_per_epoch: Batches per epoch, at least 1.

    Returns:
        One rate per batch, beginning with the first batch.
    """
    if isinstance(schedulers, Mapping):
        schedulers = [schedulers]
    ends = epochs, epochs * iters_per_epoch
    built, optimizer = build_schedulers(schedulers or (), lr, ends, iters_per_epoch)
    return walk(built, optimizer, epochs, iters_per_epoch)
