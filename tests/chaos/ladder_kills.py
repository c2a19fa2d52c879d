"""Kill a ladder of two tiny cells at random moments, and compare where it ends.

The ladder is killed (SIGKILL), or its process group gets SIGTERM or Ctrl-C, up to four times in a
row.  Two of its three plans have cells one after another, one runs both at once.
"""

import argparse
import json
import random
import shutil
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from mmengine.runner import runner

from tests.chaos.commit import commit
from tests.chaos.forks import Fork, start
from tests.chaos.journal import Journal, folder_for_faults
from tests.chaos.runs import LONGEST, World, faults_of, left_behind
from tests.tools.stopped_runs import STEPS, config_of

__all__: list[str] = []

Record = dict[str, Any]
HOW = {  # the signal, to the whole group or not, and the exit code
    "KILL": (signal.SIGKILL, False, -9),
    "TERM": (signal.SIGTERM, True, 143),
    "INT": (signal.SIGINT, True, 130),
}
SPEEDS = ("img/s",)
EPOCH = sum(STEPS.values())  # an epoch of each cell that may run at once, at most


class Ladders:
    """Ladders of two cells in one world; the undisturbed ones are climbed once."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.known: dict[bool, tuple[dict[str, Any], float]] = {}
        for task in ("cls", "det", "seg"):
            config_of(task, "epochs", 0, world.folder)

    def config(self, at_once: bool) -> Path:
        """Write a ladder: a pretraining and what follows, or two tasks from scratch."""
        place = self.world.folder
        rungs = "scratch=None" if at_once else f"d=dict(config='{place}/cls_epochs_0.py')"
        tasks = f"segmentation='{place}/seg_epochs_0.py'"
        tasks += f", detection='{place}/det_epochs_0.py'" if at_once else ""
        path = place / f"ladder_{at_once}.py"
        path.write_text(f"rungs = dict({rungs})\ntasks = dict({tasks})\nseeds = [0]\n")
        return path

    def start(self, folder: Path, at_once: bool) -> Fork:
        """Climb, or go on."""

        def prepare() -> None:
            runner.collect_env = dict
            self.world.board.watch(folder / "out")

        self.world.board.begin()
        argv = [self.config(at_once), "--work-dir", folder / "out", "--jobs", str(1 + at_once)]
        argv += ["--data-root", self.world.images]
        return start("ladder", argv, folder / "log.txt", prepare)

    def undisturbed(self, at_once: bool) -> tuple[dict[str, Any], float]:
        """Return what such a ladder leaves that nobody kills, and how long it takes."""
        if at_once not in self.known:
            folder = self.world.folder / f"undisturbed_{at_once}"
            folder.mkdir()
            self.world.board.forget()
            fork = self.start(folder, at_once)
            code = fork.end(LONGEST)
            assert code == 0, (folder / "log.txt").read_text()[-2000:]
            self.known[at_once] = left_by_ladder(folder / "out"), time.monotonic() - fork.begun
        return self.known[at_once]

    def kill(self, seed: int) -> Record:
        """Kill the ladder of this seed, let it end, and return what came of it."""
        draw, at_once = random.Random(seed), seed % 3 == 2
        expected, seconds = self.undisturbed(at_once)
        folder = self.world.folder / f"ladder{seed}"
        folder.mkdir()
        self.world.board.forget()
        record: Record = {"seed": seed, "at_once": at_once, "kills": [], "faults": []}
        most = 0
        for _ in range(draw.randint(1, 4)):
            how, moment = draw.choice(list(HOW)), draw.random() * seconds
            number, group, wanted = HOW[how]
            fork = self.start(folder, at_once)
            fork.wait(moment)
            fork.signal(number, group)
            code = fork.end(LONGEST)
            board = self.world.board
            told = {"how": how, "seconds": round(moment, 1), "code": code, "lost": board.lost}
            record["kills"].append({**told, "resumptions": board.resumptions})
            self.check(record, code, (0, wanted), most)
            # The others save first, but what SIGKILL cost is lost when the cell goes on.
            is_open = most > 0 and board.resumptions <= at_once
            most = EPOCH if how == "KILL" or is_open else 0
            if code == 0:
                break
        else:
            code = self.start(folder, at_once).end(LONGEST)
            record["lost"] = self.world.board.lost
            self.check(record, code, (0,), most)
        record["faults"] += faults_of_ladder(folder / "out", expected)
        if not record["faults"]:
            shutil.rmtree(folder)
        return record

    def check(self, record: Record, code: int, wanted: tuple[int, ...], most: int) -> None:
        """Check an attempt's exit code, and how many iterations its cells repeat at most."""
        lost = self.world.board.lost
        if code not in wanted:
            record["faults"].append(f"exit code {code}, not {wanted}")
        if lost > most:
            record["faults"].append(f"{lost} iterations lost, more than {most}")


def cells_in(out: Path) -> list[Path]:
    """Return the folders of a ladder's cells."""
    return sorted(path.parent for path in out.glob("seed*/*/*/cell.json"))


def left_by_ladder(out: Path) -> dict[str, Any]:
    """Return what the cells have left, their status, and the ladder's summary without speeds."""
    summary = json.loads((out / "summary.json").read_text())
    for rows in (summary["rows"], summary["gains"]):
        for row in rows.values():
            for speed in SPEEDS:
                row.pop(speed, None)
    status = {str(c.relative_to(out)): status_of(c) for c in cells_in(out)}
    runs = {str(c.relative_to(out)): left_behind(c) for c in cells_in(out)}
    return {"summary": summary, "status": status, "runs": runs}


def status_of(cell: Path) -> str:
    """Return the word in a cell's record."""
    return str(json.loads((cell / "cell.json").read_text())["status"])


def faults_of_ladder(out: Path, expected: dict[str, Any]) -> list[str]:
    """Return what differs from the undisturbed ladder."""
    faults = []
    for cell in cells_in(out):
        key = str(cell.relative_to(out))
        faults += [f"{key}: {fault}" for fault in faults_of(cell, expected["runs"].get(key, {}))]
    if faults:
        return faults
    ours = left_by_ladder(out)
    parts = ("summary", "status")
    return [f"{part} differs" for part in parts if ours[part] != expected[part]]


def summary(records: list[Record]) -> dict[str, int]:
    """Return the counts over all ladders."""
    kills = [kill for record in records for kill in record["kills"] if kill["code"]]
    resumed = [kill["lost"] for record in records for kill in record["kills"][1:]]
    lost = [*resumed, *(record.get("lost", 0) for record in records)]
    return {
        "ladders": len(records),
        "kills of ladders": len(kills),
        **Counter(f"ladders stopped by {kill['how']}" for kill in kills),
        "iterations lost by ladders": sum(lost),
        "ladders with faults": sum(bool(record["faults"]) for record in records),
    }


def main() -> int:
    """Kill ladders until there are enough."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ladders", type=int, default=10, help="stop after so many ladders [10]")
    parser.add_argument("--seed", type=int, help="only the ladder of this seed")
    parser.add_argument("--journal", type=Path, help="goes on with this file; a line a ladder")
    args = parser.parse_args()
    journal = Journal(args.journal, commit())
    with folder_for_faults(journal) as folder:
        ladders = Ladders(World(folder))
        journal.fill(ladders.kill, args.seed, lambda: len(journal.records) >= args.ladders)
    totals = summary(journal.records)
    print(json.dumps(totals), flush=True)
    return int(totals["ladders with faults"] > 0)


if __name__ == "__main__":
    sys.exit(main())
