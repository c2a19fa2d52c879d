"""Kill tiny runs at random moments, inside saves too, and compare where they end.

Each run is killed up to five times in a row, in training, validating, saving or resuming; then it
may end.  Of half the kills the moment is drawn from the run's time, of the others it is one of the
run's operations on files.  A seed decides the run and its kills.
"""

import argparse
import json
import random
import shutil
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from tests.chaos.commit import commit
from tests.chaos.journal import Journal, folder_for_faults
from tests.chaos.runs import LONGEST, Run, World, faults_of, unchecked
from tests.tools.stopped_runs import TASKS

__all__ = ["kill_run", "summary"]

Record = dict[str, Any]
TOO_LATE = "too late"
AFTER = 0.2  # of the operations, in a run whose steps are done
START = 0.4  # of an undisturbed run's time, before its first step


def kill_run(world: World, seed: int) -> Record:
    """Kill the run of this seed, let it end, and return what came of it."""
    draw = random.Random(seed)
    task, loop = list(TASKS)[seed % 3], ("epochs", "iterations")[seed // 3 % 2]
    workers, each_step = (0, 2)[seed // 6 % 2], draw.random() < 0.5
    undisturbed = world.undisturbed(task, loop, each_step)
    run = Run(world, f"seed{seed}", task, loop, workers, each_step)
    record: Record = dict(seed=seed, task=task, loop=loop, workers=workers, each_step=each_step)
    record |= {"kills": [], "faults": []}
    for number in range(draw.randint(1, 5)):
        moment, group = draw.random(), draw.random() < 0.5
        if (seed + number) % 2:
            dies_at = 1 + int(moment * undisturbed.operations * max(run.left, AFTER))
            kill: Record = {"operation": dies_at}
        else:
            seconds = moment * undisturbed.seconds * (START + (1 - START) * run.left)
            kill = {"seconds": round(seconds, 2), "group": group}
        if attempt(world, run, record, kill) == 0:  # it ended before
            break
    else:
        attempt(world, run, record, None)
    record["faults"] += faults_of(run.work_dir, undisturbed.left) if not record["faults"] else []
    if not record["faults"]:
        record["unchecked"] = unchecked(run.work_dir)
        shutil.rmtree(run.folder)
    return record


def attempt(world: World, run: Run, record: Record, kill: Record | None) -> int | None:
    """Start or resume a run; kill it, or let it end."""
    fork = run.start((kill or {}).get("operation", 0))
    if kill and "seconds" in kill:
        fork.wait(kill["seconds"])
        fork.signal(signal.SIGKILL, kill["group"])
    try:
        code = fork.end(LONGEST)
    except TimeoutError as error:
        record["faults"].append(str(error))
        return None
    board = world.board
    if board.resumptions:
        note_loss(record["kills"], board.lost)
        if board.lost > run.interval:
            record["faults"].append(f"{board.lost} iterations lost, more than {run.interval}")
    if code not in ((0, -signal.SIGKILL) if kill else (0,)):
        record["faults"].append(f"exit code {code}")
    if kill:
        came = "in training" if board.resumptions else "before training"
        told = {"came": came if code else TOO_LATE, "reached": board.reached, "lost": None}
        record["kills"].append({**kill, **told})
    return code


def note_loss(kills: list[Record], lost: int) -> None:
    """Note the iterations that a resumed run repeats, at the kill that cost them."""
    for kill in kills:
        if kill["lost"] is None:  # of several, all but the first came before training
            kill["lost"], lost = lost, 0


def summary(records: list[Record]) -> dict[str, int]:
    """Return the counts over all runs."""
    kills = [kill for record in records for kill in record["kills"] if kill["came"] != TOO_LATE]
    return {
        "runs": len(records),
        "kills": len(kills),
        **Counter(f"kills {kill['came']}" for kill in kills),
        "kills at operations": sum("operation" in kill for kill in kills),
        "resumed": sum(kill["lost"] is not None for kill in kills),
        "lost iterations": sum(kill["lost"] or 0 for kill in kills),
        "most lost at once": max((kill["lost"] or 0 for kill in kills), default=0),
        "checkpoints without manifest": sum(record.get("unchecked", 0) for record in records),
        "runs with faults": sum(bool(record["faults"]) for record in records),
    }


def main() -> int:
    """Kill runs until there are enough kills."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="stop after so many kills [200]")
    parser.add_argument("--seed", type=int, help="only the run of this seed")
    parser.add_argument("--journal", type=Path, help="goes on with this file; a line a run")
    args = parser.parse_args()
    journal = Journal(args.journal, commit())
    with folder_for_faults(journal) as folder:
        world = World(folder)
        journal.fill(
            lambda seed: kill_run(world, seed),
            args.seed,
            lambda: summary(journal.records)["kills"] >= args.kills,
        )
    totals = summary(journal.records)
    print(json.dumps(totals), flush=True)
    return int(totals["runs with faults"] > 0)


if __name__ == "__main__":
    sys.exit(main())
