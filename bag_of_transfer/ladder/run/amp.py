"""The precision of a ladder's trainings: chosen once, for all its cells and for every machine."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from bag_of_transfer.engine.arguments import AUTO
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.loop.precision import fast_precision, is_left_to_the_machine
from bag_of_transfer.ladder.folder import TUNING, seed_folder
from bag_of_transfer.ladder.plan.cells import Cell
from bag_of_transfer.ladder.plan.plan_file import read_plan
from bag_of_transfer.ladder.plan.spec import Ladder
from bag_of_transfer.ladder.run.call import LadderCall
from bag_of_transfer.ladder.run.fingerprint import resolved

__all__ = ["amp_of", "with_amp"]

FLAG = "--amp"


def with_amp(call: LadderCall, ladder: Ladder) -> Ladder:
    """Return the ladder with the precision of its trainings, which goes into its plan.

    It is the plan's.  A ladder that begins takes the flag's, else the one that this machine
    computes fast in; a call that only sends cells to other machines leaves that to the first one.
    A ladder that earlier versions began keeps to ``auto`` in every run.

    Args:
        call: The call.
        ladder: Its ladder.

    Raises:
        UserError: If the flag contradicts the plan, or it is fp16 without a GPU.
    """
    plan = read_plan(call.root) or {}
    stored = plan.get("amp")
    stated = None if call.amp == AUTO else call.amp
    if stored and stated not in (None, stored):
        mend = "leave it out, or begin another ladder: --work-dir DIR"
        raise UserError(f"this ladder's trainings have {FLAG} {stored}", f"{FLAG} {stated}", mend)
    amp, sends = stored or stated, bool(call.ray or call.slurm_script)
    if amp is None and not sends and not _has_begun(plan, call.root):
        amp = fast_precision()
    if amp == "fp16" and not sends and not torch.cuda.is_available():
        mend = "go on on a machine with a GPU" if stored else "use bf16 or off on a CPU"
        raise UserError("fp16 needs a GPU", FLAG, mend)
    if stored and not sends and stored != (fast := fast_precision()):
        print(f"precision: {stored}, as this ladder began; this machine would choose {fast}")
    return replace(ladder, amp=amp)


def _has_begun(plan: Mapping[str, Any], root: Path) -> bool:
    names = (TUNING, *map(seed_folder, plan.get("seeds", ())))
    return any((root / name).is_dir() for name in names)


def amp_of(cell: Cell, amp: str | None) -> str | None:
    """Return the precision that a cell's tools are told; None where its config states one.

    It is None as well where the config cannot be read: the cell's fingerprint says so.

    Args:
        cell: A cell.
        amp: Of :attr:`Ladder.amp`.
    """
    try:
        cfg = resolved(cell) if amp else None
    except UserError:
        return None
    if cfg is None or not cfg.get("optim_wrapper"):
        return None
    return amp if is_left_to_the_machine(cfg, AUTO) else None
