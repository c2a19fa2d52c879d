"""What counts epochs, in a training loop that counts iterations.

mmengine calls such a loop one long epoch: what waits for the end of an epoch waits for that of the
training, and a schedule of epochs never moves.
"""

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config

from bag_of_transfer.engine.config.knob_length import STARTS, schedulers_in
from bag_of_transfer.engine.config_nodes import bare_type, nodes
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.recipe import FROM_THE_END

__all__ = ["follow_loop_unit"]

COUNTS = "the training loop counts iterations, not epochs"
SAVES = "default_hooks.checkpoint"
VAL_INTERVAL = 1000  # mmengine's, of a loop that counts iterations
SHARE = 10  # checkpoints of a training that does not validate before its end; as mmseg's schedules


def follow_loop_unit(cfg: Config) -> str | None:
    """Let checkpoints count iterations where the loop does; return the line that says so.

    A config that leaves ``by_epoch`` of the checkpoints out, and their interval at 1, saves as
    often as it validates.

    Args:
        cfg: Prepared for training; changed.

    Raises:
        UserError: If anything that is stated would wait for epochs.
    """
    loop = cfg.train_cfg
    if loop.get("max_epochs") or not loop.get("max_iters"):
        return None
    for part in schedulers_in(cfg):
        _check_schedule(part)
    parts = {key: cfg.get(key) for key in ("model", "custom_hooks", "default_hooks")}
    for key, value in nodes(parts):
        if key.rpartition(".")[2] in (*FROM_THE_END, *STARTS["max_epochs"]) and value:
            raise UserError(COUNTS, key, "leave it out, or train by epochs (train_cfg.max_epochs)")
    cfg.setdefault("default_hooks", {})
    return _save_by_iterations(cfg.default_hooks, loop)


def _check_schedule(part: Mapping[str, Any]) -> None:
    kind, begins = bare_type(part), part.get("begin", 0)
    if not part.get("by_epoch", True) or ("ReduceOnPlateau" in kind and not begins):
        return
    if not part.get("convert_to_iter_based"):
        mend = "state by_epoch=False, and its times in iterations"
        raise UserError(f"{kind} would never move, {COUNTS}", "param_scheduler", mend)
    if "end" not in part:  # mmengine's default is the one long epoch
        mend = "state by_epoch=False without convert_to_iter_based, or its end in epochs"
        raise UserError(f"{kind} would end after an epoch, {COUNTS}", "param_scheduler", mend)


def _save_by_iterations(hooks: Any, loop: Mapping[str, Any]) -> str | None:
    stated = hooks.get("checkpoint", {"interval": 1})
    if stated is None:  # mmengine's way to leave a hook out
        return None
    if stated.get("by_epoch"):
        what = f"no checkpoint would be written before the end, {COUNTS}"
        raise UserError(what, f"{SAVES}.by_epoch", "set it to False, and interval to iterations")
    if "by_epoch" in stated:
        return None
    changed = {**stated, "by_epoch": False}
    if stated.get("interval") == 1:
        every, last = loop.get("val_interval", VAL_INTERVAL), loop["max_iters"]
        changed["interval"] = every if every < last else max(1, last // SHARE)
    hooks["checkpoint"] = changed
    every = changed.get("interval", -1)
    return f"checkpoints: every {every} iterations, as the loop counts them" if every > 0 else None
