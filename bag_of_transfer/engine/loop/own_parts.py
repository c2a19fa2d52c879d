"""Parts of ours that take the place of parts of mmengine with the same arguments.

Configs keep mmengine's names: they train elsewhere, too, and a run of before can be resumed.
"""

import copy
from typing import Any

from bag_of_transfer.engine.loop.averages import MovingAverageHook
from bag_of_transfer.engine.loop.early_stopping import StopEarly
from bag_of_transfer.engine.loop.log_hooks import IterationTimer, LogWriter, RuntimeInfo
from bag_of_transfer.engine.loop.loops import EpochLoop, IterLoop
from bag_of_transfer.engine.loop.update import ScaledUpdate, Update

__all__ = ["own", "own_loop"]

OURS: dict[str, type] = {
    "EMAHook": MovingAverageHook,
    "EarlyStoppingHook": StopEarly,
    "EpochBasedTrainLoop": EpochLoop,
    "IterBasedTrainLoop": IterLoop,
    "IterTimerHook": IterationTimer,
    "LoggerHook": LogWriter,
    "RuntimeInfoHook": RuntimeInfo,
    "OptimWrapper": Update,
    "AmpOptimWrapper": ScaledUpdate,
}


def own(described: Any, default: str | None = None) -> Any:
    """Return a part's description with our class, if we have one for its type.

    Args:
        described: A config; anything else is returned as it is.
        default: The type where none is stated.
    """
    if not isinstance(described, dict):
        return described
    ours = OURS.get(str(described.get("type", default)).removeprefix("mmengine."))
    if ours is None:
        return described
    changed = copy.copy(described)
    changed["type"] = ours
    return changed


def own_loop(described: Any) -> Any:
    """Return a training loop's description with our class; ``by_epoch`` may stand for the type."""
    if isinstance(described, dict) and "by_epoch" in described and "type" not in described:
        changed = copy.copy(described)
        counts_epochs = changed.pop("by_epoch")
        return own(changed, "EpochBasedTrainLoop" if counts_epochs else "IterBasedTrainLoop")
    return own(described)
