"""One call of ``tools/ladder.py``: print what will be done, run it, print a summary."""

import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from bag_of_transfer.engine.atomic import write_json, write_text
from bag_of_transfer.engine.config.read_once import read_once
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.last_lines import command, say_next
from bag_of_transfer.engine.own_files import ROOT
from bag_of_transfer.engine.quantities import counted, duration
from bag_of_transfer.ladder.folder import LOCK, PICTURES, Selection
from bag_of_transfer.ladder.plan.cells import Cell
from bag_of_transfer.ladder.plan.data_root import check_data_root
from bag_of_transfer.ladder.plan.plan_file import left_out_seeds, other_seeds, write_plan
from bag_of_transfer.ladder.plan.planning import Plan, plan, plan_whole
from bag_of_transfer.ladder.plan.spec import Ladder, read_ladder
from bag_of_transfer.ladder.plan.tune import check_tuning_seeds
from bag_of_transfer.ladder.report.findings import find, find_top1
from bag_of_transfer.ladder.report.results import read_results
from bag_of_transfer.ladder.report.summary import overview, summarise
from bag_of_transfer.ladder.run import seeds_needed, status
from bag_of_transfer.ladder.run.amp import with_amp
from bag_of_transfer.ladder.run.call import LadderCall, check_call
from bag_of_transfer.ladder.run.decisions import counts_of, decide
from bag_of_transfer.ladder.run.ending import check_chosen, exit_code, tell_diverged
from bag_of_transfer.ladder.run.estimate import Estimate, describe_estimates, estimate_cells
from bag_of_transfer.ladder.run.lock import locked
from bag_of_transfer.ladder.run.on_ray import connected, resources, run_on_ray, share_of_a_cell
from bag_of_transfer.ladder.run.on_slurm import levels, refuse_existing, write_script
from bag_of_transfer.ladder.run.on_this_machine import run_cells
from bag_of_transfer.ladder.run.overlap import check_splits
from bag_of_transfer.ladder.run.pictures import draw_sheets
from bag_of_transfer.ladder.run.schedule import Outcome, cells_to_run
from bag_of_transfer.ladder.run.share import cells_at_once, visible_gpus

__all__ = ["climb"]

TOOL = ROOT / "tools/ladder.py"


def climb(call: LadderCall) -> int:
    """Do what a call of ``tools/ladder.py`` asks for; return the exit code.

    Raises:
        UserError: If the ladder config, the data or a flag is wrong.
        RefusedError: If another call works in the same folder, somebody edited a finished cell,
            or cells changed and no flag says what to do with them.
    """
    began = time.monotonic()
    check_call(call)
    _check_gpus(call)
    root = call.root
    ladder = read_ladder(call.config, call.seeds)
    check_data_root(ladder, call.config, call.data_root)
    if ladder.tunes:
        where = f"{call.config}: tuning_seeds"
        check_tuning_seeds(ladder.tuning_seeds, other_seeds(ladder, root), where)
    seeds_needed.check_number(call, ladder)
    if call.slurm_script:
        refuse_existing(call.slurm_script)
    if call.cell:
        _check_cell(plan(ladder, root), call.cell)
    _tell_left_out(ladder, root)
    if call.dry_run:
        _print_plan(call, with_amp(call, ladder))
        seeds_needed.print_needed(call)
        return 0
    with ExitStack() as entered:
        shared = call.cell is not None
        let_waiting = entered.enter_context(locked(root / LOCK, shared=shared))
        if call.cell:
            entered.enter_context(locked(root / ".locks" / call.cell / "lock"))
        else:
            shutil.rmtree(root / ".removed", ignore_errors=True)  # left by a call that was killed
        ray = entered.enter_context(connected(call.ray)) if call.ray else None
        ladder = with_amp(call, ladder)
        call, ladder = _with_seeds(call, ladder, seeds_needed.begun(call, ladder))
        cells, before = _decided(call, ladder, {})
        write_plan(ladder, root)
        if call.slurm_script:
            return _write_script(call, ladder, cells, before)
        if ray:
            let_waiting()
        outcome = _run(ray, call, ladder, cells, before, began, {})
        while outcome.goes_on and not call.cell:
            # Runs of a search are done: now more cells are known.
            more = _known_now(call, ladder, cells, outcome.failed)
            seeds = () if more or outcome.failed else seeds_needed.next_seeds(call, ladder)
            if seeds:
                call, ladder = _with_seeds(call, ladder, seeds)
                write_plan(ladder, root)
                more = _known_now(call, ladder, cells, {})
            if more is None:
                break
            cells, before = more
            outcome = _run(ray, call, ladder, cells, before, began, outcome.failed)
        if call.cell is None:
            _summarise(cells, root)
        tell_diverged(outcome, root)
        seeds_needed.print_needed(call)
    return _ended(call, ladder, outcome)


def _ended(call: LadderCall, ladder: Ladder, outcome: Outcome) -> int:
    code = exit_code(outcome, call.root, alone=call.cell is not None)
    if code == 0 and not call.cell:
        check_chosen(plan(ladder, call.root))
    return code


def _tell_left_out(ladder: Ladder, root: Path) -> None:
    if seeds := left_out_seeds(ladder, root):
        listed, flag = ", ".join(map(str, seeds)), " ".join(map(str, seeds))
        print(
            f"rungs or tasks are others than before: the tables leave out seeds {listed} of "
            f"{root}; --seeds {flag} runs what they lack and adds them again",
            flush=True,
        )


def _with_seeds(call: LadderCall, ladder: Ladder, more: Sequence[int]) -> tuple[LadderCall, Ladder]:
    if not more:
        return call, ladder
    seeds = (*ladder.seeds, *more)
    return replace(call, seeds=seeds), replace(read_ladder(call.config, seeds), amp=ladder.amp)


def _decided(
    call: LadderCall, ladder: Ladder, failed: Mapping[str, int]
) -> tuple[list[Cell], dict[str, status.Status]]:
    """Return the cells that are known by now and how far they are, after what the call decides."""
    cells = plan(ladder, call.root).cells
    if call.cell:
        cells = _with_needs(cells, call.cell)
    others = [] if call.cell else _of_other_seeds(ladder, cells, call.root)
    before = _survey(cells, others, ladder.selection)
    if call.cell:
        cells = _alone(cells, before)
    moved, decided = decide(call, ladder, cells, others, before, failed)
    # A run of a search that is done again no longer counts: what it chose may change.
    return _decided(call, ladder, failed) if moved else (cells, decided)


def _known_now(
    call: LadderCall, ladder: Ladder, known: Sequence[Cell], failed: Mapping[str, int]
) -> tuple[list[Cell], dict[str, status.Status]] | None:
    """Return the cells that are known now and how far they are; None if they are the known ones."""
    if {cell.key for cell in plan(ladder, call.root).cells} == {cell.key for cell in known}:
        return None
    return _decided(call, ladder, failed)


def _check_gpus(call: LadderCall) -> None:
    unknown = {gpu for gpu in call.gpus if gpu.isdecimal()} - set(visible_gpus())
    if unknown:
        gpus = ", ".join(visible_gpus())
        mend = f"use one of {gpus}" if gpus else "leave it out: this machine has no GPU"
        raise UserError(f"no GPU {min(unknown)}", "--gpus", mend)


def _of_other_seeds(ladder: Ladder, cells: Sequence[Cell], root: Path) -> list[Cell]:
    """Return the cells of other seeds, which stay in the tables but are not run by this call."""
    seeds, known = tuple(other_seeds(ladder, root)), {cell.key for cell in cells}
    cells = plan(replace(ladder, seeds=seeds), root).cells
    return [cell for cell in cells if cell.key not in known]


@read_once()
def _survey(
    cells: Sequence[Cell], others: Sequence[Cell], selection: Selection
) -> dict[str, status.Status]:
    """Return how far every cell is; check the splits of the tasks that still have to run."""
    before = status.survey([*cells, *others], selection)
    to_run = [cell for cell in cells if not before[cell.key].is_result]
    check_splits(dict.fromkeys(cell.task for cell in to_run if cell.task))
    return before


def _check_cell(known: Plan, key: str) -> None:
    keys = [cell.key for cell in known.cells]
    if key not in keys:
        later = "" if known.is_whole else "; others are known when values are chosen from these"
        mend = f"use one of {', '.join(keys)}{later}"
        raise UserError("the ladder has no such cell", f"--cell {key}", mend)


def _with_needs(cells: Sequence[Cell], key: str) -> list[Cell]:
    """Return the cells that a cell needs, then the cell: other calls may run the rest."""
    by_key = {cell.key: cell for cell in cells}
    kept = [key]
    for needed in kept:  # the list grows inside the loop
        kept += [need for need in by_key[needed].needs if need not in kept]
    return [cell for cell in cells if cell.key in kept]


def _alone(cells: Sequence[Cell], before: Mapping[str, status.Status]) -> list[Cell]:
    *_, cell = cells
    unfinished = [need for need in cell.needs if before[need].word != status.DONE]
    if unfinished and not before[cell.key].is_result:
        what, mend = f"the cell needs {unfinished[0]}, which is not done", "run that one first"
        for need in cells:
            if before[need.key].word == status.DIVERGED:
                mend = f"{need.key} diverged ({before[need.key].why})"
        raise UserError(what, f"--cell {cell.key}", mend)
    return [cell]


def _write_script(
    call: LadderCall,
    ladder: Ladder,
    cells: Sequence[Cell],
    before: Mapping[str, status.Status],
) -> int:
    file, arrays = call.slurm_script or Path(), levels(cells, before)
    outcome = cells_to_run(cells, before)[1]
    if not arrays:
        print("no cell is left to run: no script is needed")
        tell_diverged(outcome, call.root)
        return _ended(call, ladder, outcome)
    write_script(file, call.root, arrays, (sys.executable, *_of_a_cell(call)))
    waiting = counted(sum(map(len, arrays)), "cell")
    print(f"{waiting} in {counted(len(arrays), 'level')} in {file}: bash {file}")
    if not plan(ladder, call.root).is_whole:
        print("they choose the values of the others: write another script when they are done")
    return exit_code(outcome, call.root, alone=False)


def _of_a_cell(call: LadderCall) -> list[str]:
    """Return the arguments of Python that run a cell elsewhere, up to ``--cell``."""
    seeds = ["--seeds", *map(str, call.seeds)] if call.seeds else []
    return [str(TOOL), str(call.config), "--work-dir", str(call.root), *seeds]


def _run(
    ray: Any,
    call: LadderCall,
    ladder: Ladder,
    cells: Sequence[Cell],
    before: Mapping[str, status.Status],
    began: float,
    failed: Mapping[str, int],
) -> Outcome:
    until: dict[str, Any] = dict(max_minutes=call.max_minutes, since=began, failed=failed)
    if not ray:
        jobs = call.jobs or cells_at_once(len(cells))
        return run_cells(cells, before, ladder, jobs=jobs, gpus=call.gpus, **until)
    return run_on_ray(
        ray,
        cells,
        before,
        _of_a_cell(call),
        share=share_of_a_cell(resources(ray), call.cpus_per_cell, call.gpus_per_cell),
        jobs=call.jobs,
        **until,
    )


def _print_plan(call: LadderCall, ladder: Ladder) -> None:
    whole = plan_whole(ladder, call.root)
    cells = whole.cells
    if call.cell:
        cells = _with_needs(cells, call.cell)
    others = [] if call.cell else _of_other_seeds(ladder, cells, call.root)
    before = status.with_weights(cells, _survey(cells, others, ladder.selection))
    estimates = estimate_cells(cells, before, ladder.amp)
    left_out = cells_to_run(cells, before)[1].impossible
    for cell in cells:
        now = before[cell.key]
        why = f" ({now.why})" if now.why else ""
        why = " (left out: it needs one that diverged)" if cell.key in left_out else why
        estimate = estimates.get(cell.key)
        time = f"  {duration(estimate.seconds)}" if isinstance(estimate, Estimate) else ""
        why = f" (cannot be timed: {estimate})" if isinstance(estimate, str) else why
        print(f"{now.word:8} {cell.key}{time}{why}")
    print(counts_of(before))
    if not whole.is_whole:
        print("values are still to be chosen: a search whose best value is at its edge adds cells")
    if estimates:
        jobs = call.jobs or cells_at_once(len(cells))
        print(describe_estimates(estimates, jobs))


def _summarise(cells: Sequence[Cell], root: Path) -> None:
    results = read_results(root)
    findings, top1 = find(results), find_top1(results)
    write_json(root / "summary.json", summarise(results, findings, top1))
    document, on_screen = overview(results, findings, top1)
    write_text(root / "summary.md", document)
    pictures = counted(len(draw_sheets(cells, root / PICTURES)), "picture")
    print(f"\n{on_screen}\n\n{root}/summary.json, {pictures} in {root}/{PICTURES}")
    say_next({"tables, plots and a page": command("report", root)})
