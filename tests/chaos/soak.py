"""Let one mishap after another befall tiny runs; each must end as an undisturbed one does.

Signals, a full and a read-only disk, files that are damaged while nobody looks: see ``mishaps.py``.
"""

import argparse
import json
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.chaos.commit import commit
from tests.chaos.mishaps import MISHAPS, Disk, Mishap
from tests.chaos.runs import LONGEST, Run, World, faults_of
from tests.tools.stopped_runs import TASKS

__all__: list[str] = []

MINUTES = 20
LISTENS = 0.5  # seconds after which a tool surely listens to signals


class Soak:
    """The rounds of a call and their counts.

    Args:
        world: Of the runs.
        disk: Where their work dirs are.
    """

    def __init__(self, world: World, disk: Disk) -> None:
        self.world, self.disk = world, disk
        self.counts: Counter[str] = Counter()
        self.names = [n for n, m in MISHAPS.items() if disk.is_own or not m.disk]

    def round(self, seed: int) -> list[str]:
        """Disturb the run of this seed, let it end, and return what is wrong with it."""
        draw = random.Random(seed)
        task, loop = list(TASKS)[seed % 3], ("epochs", "iterations")[seed // 3 % 2]
        each_step, workers = draw.random() < 0.5, draw.choice((0, 0, 2))
        undisturbed = self.world.undisturbed(task, loop, each_step)
        run = Run(self.world, f"round{seed}", task, loop, workers, each_step, self.disk.folder)
        faults: list[str] = []
        for name in draw.sample(self.names, draw.randint(2, 5)):
            faults += self.befall(run, name, draw, undisturbed.seconds)
            if self.code == 0 or faults:
                break
        else:
            faults += self.attempt(run, Mishap((0,)), draw, undisturbed.seconds)
        faults += [] if faults else faults_of(run.work_dir, undisturbed.left)
        self.counts.update({"rounds": 1, f"rounds {task}": 1, "rounds with faults": bool(faults)})
        if not faults:
            shutil.rmtree(run.folder)
        shutil.rmtree(run.work_dir)
        return faults

    def befall(self, run: Run, name: str, draw: random.Random, seconds: float) -> list[str]:
        """Let one mishap befall a run."""
        mishap = MISHAPS[name]
        there = mishap.damage is None or mishap.damage(run.work_dir, draw)
        faults = self.attempt(run, mishap, draw, seconds)
        self.counts[f"{name if there else 'nothing to damage'}, exit code {self.code}"] += 1
        return [f"{name}: {fault}" for fault in faults]

    def attempt(self, run: Run, mishap: Mishap, draw: random.Random, seconds: float) -> list[str]:
        """Start or resume a run while the mishap lasts; return what is wrong."""
        if run.log.exists():  # a limit of a file's size is for the run's files
            run.log.rename(run.folder / f"log{self.counts['attempts']}.txt")
            run.log.touch()
        self.disk.spoil(mishap.disk, draw)
        fork = run.start(before=mishap.in_run)
        for number in mishap.signals:
            fork.wait(LISTENS + draw.random() * seconds / len(mishap.signals))
            fork.signal(number)
        self.code = fork.end(LONGEST)
        self.disk.mend(mishap.disk)
        self.counts.update({"attempts": 1, "iterations done again": self.world.board.lost})
        if self.code == 3:  # the only checkpoint is damaged: do as the message says
            self.counts["begun anew, the only checkpoint was damaged"] += 1
            for path in (*run.work_dir.glob("*.pth*"), run.work_dir / "last_checkpoint"):
                path.unlink(missing_ok=True)
            self.world.board.forget()
        faults = [] if self.code in mishap.codes else [f"exit code {self.code}"]
        said = run.log.read_text(errors="replace").splitlines()
        return faults + [line for line in said if "internal failure" in line]


def main() -> int:
    """Go on for some minutes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=MINUTES, help=f"[{MINUTES}]")
    parser.add_argument("--seed", type=int, help="only the round of this seed")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the disk is unmounted
    folder, end = Path(tempfile.mkdtemp(prefix="soak")), time.monotonic() + 60 * args.minutes
    world, disk, code = World(folder), Disk(folder / "disk"), commit()
    soak, seed = Soak(world, disk), args.seed or 0
    try:
        while True:
            faults = soak.round(seed)
            print(f"round {seed}: {faults or 'equal'}", flush=True)
            seed += 1
            if args.seed is not None or time.monotonic() > end:
                break
    finally:
        disk.remove()
        print(json.dumps({"commit": code, "own disk": disk.is_own, **soak.counts}), flush=True)
    if soak.counts["rounds with faults"]:
        print(f"logs of the rounds with faults are in {folder}", file=sys.stderr)
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
