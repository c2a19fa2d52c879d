"""What a run that is resumed had chosen by itself: going on takes it, whatever the machine says."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from bag_of_transfer.engine.arguments import AUTO
from bag_of_transfer.engine.loop.precision import WRAPPERS, is_left_to_the_machine
from bag_of_transfer.engine.run_files import follow_pointer
from bag_of_transfer.engine.weights import checkpoints

__all__ = ["stored_precision", "stored_recipe"]


def stored_recipe(cfg: Config, resume_from: str | None) -> Mapping[str, Any]:
    """Return the recipe of the run that is resumed; empty if none is, or it has none.

    Args:
        cfg: With the work dir.
        resume_from: The flag ``--resume``; ``resume=True`` in the config counts as the flag.
    """
    if resume_from is None and cfg.get("resume"):
        resume_from = cfg.get("load_from") or AUTO
    if resume_from is None:
        return {}
    newest = resume_from == AUTO
    path = checkpoints.find_resumable(Path(cfg.work_dir)) if newest else follow_pointer(resume_from)
    recipe = checkpoints.check_resumable(path).get("recipe") if path else None
    return recipe if isinstance(recipe, Mapping) else {}


def stored_precision(cfg: Config, amp: str, resume_from: str | None) -> str | None:
    """Return the mode of the run that is resumed where neither flag nor config states one.

    Args:
        cfg: A training config, with the work dir.
        amp: The flag ``--amp``.
        resume_from: As in :func:`stored_recipe`.
    """
    if not is_left_to_the_machine(cfg, amp):
        return None
    wrapper = stored_recipe(cfg, resume_from).get("optim_wrapper")
    kind = wrapper.get("type") if isinstance(wrapper, Mapping) else None
    return {wrapper: mode for mode, wrapper in WRAPPERS.items()}.get(str(kind))
