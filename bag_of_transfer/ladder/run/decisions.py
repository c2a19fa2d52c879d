"""Decide what a call does with cells that changed or lost their weights; print how far all are."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from bag_of_transfer.engine.errors import RefusedError
from bag_of_transfer.engine.quantities import counted
from bag_of_transfer.ladder.folder import REPLACED
from bag_of_transfer.ladder.plan.cells import Cell
from bag_of_transfer.ladder.plan.spec import Ladder
from bag_of_transfer.ladder.run import status
from bag_of_transfer.ladder.run.call import LadderCall

__all__ = ["counts_of", "decide"]


def decide(
    call: LadderCall,
    ladder: Ladder,
    cells: Sequence[Cell],
    others: Sequence[Cell],
    before: Mapping[str, status.Status],
    failed: Collection[str] = (),
) -> tuple[bool, dict[str, status.Status]]:
    """Print what will be done; put changed cells aside or keep them, as the call says.

    Args:
        call: The call.
        ladder: Its ladder.
        cells: The cells that it runs.
        others: Cells of other seeds, which stay in the tables.
        before: How far all of them are.
        failed: Keys of the cells that failed in this call, which does not try them again.

    Returns:
        Whether a run of a search was put aside; how far ``cells``, and the cells that they need,
        are now.

    Raises:
        RefusedError: If cells changed and the call does not say what to do with them.
    """
    decided = {key: before[key] for key in before.keys() - {cell.key for cell in others}}
    in_tables = [*cells, *(cell for cell in others if status.has_result(cell.folder))]
    changed = [cell for cell in in_tables if before[cell.key].word == status.CHANGED]
    for cell in changed:
        print(f"changed: {cell.key}: {before[cell.key].why}", flush=True)
    if changed and call.changed == "refuse":
        number = counted(len(changed), "cell")
        raise RefusedError(
            f"config, data, backbone or code of {number} changed since the run",
            changed[0].root,
            f"add --rerun-changed to run them again (old results go to {REPLACED}/), or "
            "--keep-changed to keep them with a footnote",
        )
    moved = False
    for cell in changed:
        if call.changed == "keep" and status.has_result(cell.folder):  # one cut off has no result
            status.keep(cell, ladder.selection, before[cell.key].why)
            diverged = status.has_diverged(cell.folder)
            now = status.Status(status.DIVERGED if diverged else status.DONE)
        else:
            moved = moved or (cell.tunes and status.has_result(cell.folder))
            status.put_aside(cell)
            now = status.Status(status.MISSING)
        if cell.key in decided:
            decided[cell.key] = now
    if moved:
        return True, decided
    decided = status.with_weights(cells, decided)
    done = [cell for cell in cells if decided[cell.key].is_result]
    done += [cell for cell in others if status.has_result(cell.folder)]
    for cell in cells:
        if decided[cell.key].weights_gone:
            _make_again(cell, done)
    _print_progress({cell.key: decided[cell.key] for cell in cells}, failed)
    return False, decided


def _make_again(cell: Cell, done: Sequence[Cell]) -> None:
    users = [user for user in done if cell.key in user.needs]
    for user in users:
        status.keep_without_backbone(user)
    status.put_aside(cell)
    names = ", ".join(user.key for user in users)
    kept = f"; kept with a footnote: {names}" if users else ""
    print(f"{cell.key} is run again, because its weights are missing{kept}", flush=True)


def _print_progress(before: Mapping[str, status.Status], failed: Collection[str]) -> None:
    """Print how far the cells are and what happens to those that were begun."""
    for key, now in before.items():
        if now.word in (status.FAILED, status.CUT_OFF) and key not in failed:
            how = "continues from what it has saved" if now.goes_on else "starts again"
            why = f" ({now.why})" if now.why else ""
            print(f"{now.word}: {key}: {how}{why}")
    print(f"{counted(len(before), 'cell')}: {counts_of(before)}", flush=True)


def counts_of(before: Mapping[str, status.Status]) -> str:
    """Return the number of cells in each state, in words."""
    counts = Counter(now.word for now in before.values())
    return ", ".join(f"{count} {word}" for word, count in counts.items())
