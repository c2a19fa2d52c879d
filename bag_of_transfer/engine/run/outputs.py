"""Who writes what a run leaves: the hook that saves checkpoints, and TensorBoard's events."""

from mmengine.config import Config
from mmengine.hooks import CheckpointHook

from bag_of_transfer.engine.config.config_vocabulary import find_callables
from bag_of_transfer.engine.config_nodes import bare_type
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.weights.checkpoint_hook import SafeCheckpointHook

__all__ = ["save_safely", "write_events"]

TENSORBOARD = "TensorboardVisBackend"


def save_safely(cfg: Config) -> None:
    """Let this toolkit's hook save the checkpoints, also the best one by the first metric.

    Args:
        cfg: Any config; changed.

    Raises:
        UserError: If the config states a hook that does something else.
    """
    stated = cfg.setdefault("default_hooks", {}).get("checkpoint", {"interval": 1})
    if stated is None:  # mmengine's way to leave a hook out
        return
    kind = stated.get("type")
    if bare_type(stated) in ("", CheckpointHook.__name__):
        kind = SafeCheckpointHook.__name__
    elif not any(map(_is_safe, find_callables(kind, cfg.default_scope))):
        name = f"{SafeCheckpointHook.__module__}.{SafeCheckpointHook.__name__}"
        mend = f"derive it from {name}, or leave the type out"
        raise UserError(
            f"{kind} would not save what resuming needs", "default_hooks.checkpoint.type", mend
        )
    best = {"save_best": "auto"}  # our first metric is the one that the papers compare
    cfg.default_hooks.checkpoint = {**best, **stated, "type": kind}


def _is_safe(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, SafeCheckpointHook)


def write_events(cfg: Config) -> None:
    """Write events for TensorBoard, beside what the config writes.

    Args:
        cfg: Any config; changed.
    """
    visualizer = cfg.get("visualizer") or dict(type="Visualizer")
    backends = visualizer.get("vis_backends") or [dict(type="LocalVisBackend")]
    if TENSORBOARD not in map(bare_type, backends):
        backends = [*backends, dict(type=TENSORBOARD)]
    cfg.visualizer = dict(visualizer, vis_backends=backends)
