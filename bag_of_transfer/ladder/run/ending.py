"""The end of a call of ``tools/ladder.py``: what it says of cells without a figure; exit codes."""

from pathlib import Path

from bag_of_transfer.engine.errors import RefusedError, UserError
from bag_of_transfer.engine.quantities import counted
from bag_of_transfer.ladder.plan.planning import Plan
from bag_of_transfer.ladder.run.schedule import Outcome
from bag_of_transfer.ladder.run.status import reason_of

__all__ = ["check_chosen", "exit_code", "tell_diverged"]

STOPPED = 75  # stopped cleanly: call again to go on


def tell_diverged(outcome: Outcome, root: Path) -> None:
    """Print which cells diverged, why, and which others have to do without them."""
    if not outcome.diverged:
        return
    number = counted(len(outcome.diverged), "cell")
    print(f"\n{number} diverged; tried again only when config, data, backbone or code changes:")
    for key in outcome.diverged:
        print(f"  {key}: {reason_of(root / key)}")
    if outcome.impossible:
        print(f"left out, because they need one of these: {', '.join(outcome.impossible)}")


def exit_code(outcome: Outcome, root: Path, alone: bool) -> int:
    """Return the exit code of a call.

    Args:
        outcome: Its result.
        root: The ladder's folder.
        alone: It was called for one cell, of which its caller wants to know the end.

    Raises:
        UserError: If cells failed because of the user's input; if the one cell diverged; or if
            one diverged without which no values can be chosen.
        RuntimeError: If cells failed otherwise.
    """
    if outcome.out_of_time:
        print("out of time: call again to go on")
        return STOPPED
    if outcome.failed:
        raise _failure(outcome, root)
    if outcome.diverged and alone:
        key = outcome.diverged[0]
        raise UserError("the cell diverged", key, reason_of(root / key))
    if outcome.blocked:
        what = f"no values can be chosen, because {outcome.diverged[0]} diverged"
        mend = f"change its recipe: {reason_of(root / outcome.diverged[0])}"
        raise UserError(what, outcome.blocked[0], mend)
    return 0


def check_chosen(known: Plan) -> None:
    """Check that every search has chosen, when all cells that are known have ended.

    Raises:
        UserError: If a run of a search has no score: no later call would choose without it.
    """
    for cell in known.unjudged:
        what = f"no values can be chosen, because a run has no {cell.judge} on val"
        mend = "let the config measure it on val, remove the cell's folder, and call again"
        raise UserError(what, cell.key, mend)


def _failure(outcome: Outcome, root: Path) -> Exception:
    first = next(iter(outcome.failed))
    skipped = f", {len(outcome.skipped)} that need them were left out" if outcome.skipped else ""
    reason = reason_of(root / first)
    what = f"{counted(len(outcome.failed), 'cell')} failed{skipped}"
    if set(outcome.failed.values()) <= {UserError.exit_code, RefusedError.exit_code}:
        mend = f"{reason}; mend it and call again: finished cells are kept"
        return UserError(what, first, mend)
    return RuntimeError(f"{what}: {first}: {reason}")
