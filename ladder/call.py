"""One call of ``tools/ladder.py``: look, say what will be done, do it, summarise."""

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.atomic import write_json, write_text
from engine.errors import RefusedError, UserError
from ladder import state
from ladder.describe import write_plan
from ladder.estimate import describe_estimates, estimate_cells
from ladder.pictures import draw_sheets
from ladder.plan import Cell, plan
from ladder.run import Outcome, run_cells
from ladder.spec import Ladder, read_ladder
from ladder.splits import check_splits
from ladder.summary import summarise, table

__all__ = ["climb"]

STOPPED = 75  # stopped cleanly: call again to go on


def climb(args: argparse.Namespace, root: Path) -> int:
    """Do what the flags of ``tools/ladder.py`` say; return the exit code.

    Args:
        args: The flags.
        root: The ladder's folder.

    Raises:
        UserError: If the ladder config, the data or a flag is wrong.
        RefusedError: If another ladder is at work there, somebody edited a finished cell, or
            cells changed and no flag says what to do with them.
    """
    if args.jobs < 1:
        raise UserError(f"--jobs {args.jobs}", "--jobs", "give 1 or more")
    ladder = read_ladder(args.config, args.seeds)
    cells = plan(ladder, root)
    if args.dry_run:
        _say(cells, state.survey(cells, ladder.selection), args.jobs)
        return 0
    with state.locked(root / ".lock", shared=args.cell is not None):
        return _climb(args, ladder, cells, root)


def _climb(args: argparse.Namespace, ladder: Ladder, cells: Sequence[Cell], root: Path) -> int:
    before = state.survey(cells, ladder.selection)
    if args.cell:
        cells = _alone(cells, before, args.cell)
    before = _decide(args, ladder, cells, before)
    check_splits(ladder)
    write_plan(ladder, root)
    outcome = run_cells(
        cells,
        before,
        ladder,
        jobs=args.jobs,
        gpus=args.gpus,
        max_minutes=args.max_minutes,
    )
    if args.cell is None:
        _summarise(ladder, cells, root)
    return _exit_code(outcome, cells, root)


def _alone(cells: Sequence[Cell], before: Mapping[str, state.Status], key: str) -> list[Cell]:
    cell = next((one for one in cells if one.key == key), None)
    if cell is None:
        keys = ", ".join(one.key for one in cells)
        raise UserError("the ladder has no such cell", f"--cell {key}", f"it has {keys}")
    open_ones = [need for need in cell.needs if before[need].word != state.DONE]
    if open_ones:
        raise UserError(f"it needs {open_ones[0]}", f"--cell {key}", "run that one first")
    return [*(one for one in cells if one.key in cell.needs), cell]


def _decide(
    args: argparse.Namespace,
    ladder: Ladder,
    cells: Sequence[Cell],
    before: Mapping[str, state.Status],
) -> dict[str, state.Status]:
    """Say what will be done; put changed cells aside or keep them, as the flags say."""
    decided = dict(before)
    changed = [cell for cell in cells if before[cell.key].word == state.CHANGED]
    for cell in changed:
        print(f"changed: {cell.key}: {before[cell.key].why}", flush=True)
    if changed and not (args.rerun_changed or args.keep_changed):
        raise RefusedError(
            f"{len(changed)} cells were made from something else than is here now",
            changed[0].root,
            "add --rerun-changed (the old ones go to replaced/), or --keep-changed (footnoted)",
        )
    for cell in changed:
        if args.keep_changed:
            state.keep(cell, ladder.selection, before[cell.key].why)
            decided[cell.key] = state.Status(state.DONE)
        else:
            state.put_aside(cell)
            decided[cell.key] = state.Status(state.MISSING)
    return decided


def _say(cells: Sequence[Cell], before: Mapping[str, state.Status], jobs: int) -> None:
    estimates = estimate_cells(cells, before)
    for cell in cells:
        status = before[cell.key]
        why = f" ({status.why})" if status.why else ""
        estimate = estimates.get(cell.key)
        time = f"  {estimate.seconds / 60:.1f} min" if estimate else ""
        print(f"{status.word:8} {cell.key}{time}{why}")
    counts = Counter(status.word for status in before.values())
    print(", ".join(f"{count} {word}" for word, count in counts.items()))
    open_ones = len(cells) - counts[state.DONE]
    if open_ones:
        print(describe_estimates(estimates, open_ones, jobs))


def _summarise(ladder: Ladder, cells: Sequence[Cell], root: Path) -> None:
    summary = summarise(ladder, cells)
    write_json(root / "summary.json", summary)
    write_text(root / "summary.md", table(summary))
    sheets = draw_sheets(cells, root / "pictures")
    print(f"\n{table(summary)}\n{root}/summary.json, {len(sheets)} pictures in {root}/pictures")


def _exit_code(outcome: Outcome, cells: Sequence[Cell], root: Path) -> int:
    if outcome.failed:
        first = next(iter(outcome.failed))
        skipped = (
            f", {len(outcome.skipped)} that need them were left out" if outcome.skipped else ""
        )
        reason = state.reason_of(root / first)
        if all(one == UserError.exit_code for one in outcome.failed.values()):
            mend = f"{reason}; mend it and call again: finished cells are kept"
            raise UserError(f"{len(outcome.failed)} cells failed{skipped}", first, mend)
        raise RuntimeError(f"{len(outcome.failed)} cells failed{skipped}: {first}: {reason}")
    if outcome.out_of_time:
        print("out of time: call again to go on")
        return STOPPED
    return 0
