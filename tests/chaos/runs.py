"""Tiny runs in forks, the undisturbed ones that they must equal, and where they differ."""

import importlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.runner import runner

from bag_of_transfer.engine.atomic import is_leftover_name
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.manifest import check_hash
from bag_of_transfer.engine.run_files import MANIFEST
from bag_of_transfer.ladder.run.tool_process import import_once
from tests.chaos.board import Board
from tests.chaos.forks import Fork, start
from tests.tools.stopped_runs import STEPS, TASKS, comparable, config_of, differences, flags_of
from tests.tools.tiny_world import draw_world

__all__ = ["LONGEST", "Run", "Undisturbed", "World", "faults_of", "unchecked"]

LONGEST = 600  # seconds that an attempt may take on a busy machine
SLOW_IMPORTS = ("bag_of_transfer.engine.run.training", "bag_of_transfer.audit", "yapf")
EACH_STEP = ["--cfg-options", "default_hooks.checkpoint.minutes=1e-9"]


class Undisturbed(NamedTuple):
    """What a run leaves that nobody disturbs, and what it took."""

    left: dict[str, Any]
    seconds: float
    operations: int


class World:
    """Images for tiny runs, and the undisturbed runs; each is trained once.

    Args:
        folder: For all that is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.images = folder, folder / "world"
        self.board = Board()
        self._known: dict[tuple[str, str, bool], Undisturbed] = {}
        draw_world(self.images)
        # Runs with and without loader workers are compared: their sums are to be rounded alike.
        os.environ["OMP_NUM_THREADS"] = "1"
        torch.set_num_threads(1)
        import_once()
        for name in SLOW_IMPORTS:
            importlib.import_module(name)

    def undisturbed(self, task: str, loop: str, each_step: bool = False) -> Undisturbed:
        """Return the undisturbed run of a task and a loop; see :class:`Run`."""
        key = (task, loop, each_step)
        if key not in self._known:
            run = Run(self, "_".join(map(str, key)), task, loop, each_step=each_step)
            fork = run.start()
            code = fork.end(LONGEST)
            assert code == 0, f"an undisturbed run ends with {code}: {run.log.read_text()[-2000:]}"
            seconds = time.monotonic() - fork.begun
            left = left_behind(run.work_dir)
            self._known[key] = Undisturbed(left, seconds, self.board.operations)
        return self._known[key]


class Run:
    """A run of one config, which may be started again and again.

    Args:
        world: Its images, and the board that it tells.
        name: Of its folder.
        task: cls, det or seg.
        loop: ``epochs`` or ``iterations``.
        workers: Of the loader.
        each_step: Save after each step; else at the ends of epochs, or twice an epoch.
        disk: Where its work dir is, if that is not beside its log.
    """

    def __init__(
        self,
        world: World,
        name: str,
        task: str,
        loop: str,
        workers: int = 0,
        each_step: bool = False,
        disk: Path | None = None,
    ) -> None:
        folder = world.folder / name
        folder.mkdir()
        self.folder, self.log = folder, folder / "log.txt"
        self.work_dir = (disk or folder) / "run"
        self._board, self._tool = world.board, TASKS[task][0]
        config = config_of(task, loop, workers, folder)
        self._flags = flags_of(task, config, self.work_dir, world.images)
        self._flags += EACH_STEP if each_step else []
        self.steps = 2 * STEPS[task]
        per_save = STEPS[task] if loop == "epochs" else STEPS[task] // 2
        self.interval = 1 if each_step else per_save
        self._board.forget()

    def start(self, dies_at: int = 0, before: Callable[[], None] = lambda: None) -> Fork:
        """Start the run, or resume it.

        Args:
            dies_at: Number of the operation on a file at which it kills itself; 0: none.
            before: Called in its process.
        """

        def prepare() -> None:
            runner.collect_env = dict  # of the compiler, for the log
            self._board.watch(self.work_dir)
            before()

        self._board.begin(dies_at)
        resume = ["--resume"] if self.log.exists() else []
        return start(self._tool, [*self._flags, *resume], self.log, prepare)

    @property
    def left(self) -> float:
        """The share of the iterations that are not done."""
        return 1 - self._board.reached / self.steps


def left_behind(folder: Path) -> dict[str, Any]:
    """Return what a run has left, with the names of all files but manifests and the config's."""
    names = {path.name for path in folder.iterdir() if path.is_file()}
    kept = [name for name in names if not name.endswith((".py", f".pth{MANIFEST}"))]
    best = {path.name: torch.load(path, weights_only=True) for path in folder.glob("best_*.pth")}
    weights = {name: checkpoint["state_dict"] for name, checkpoint in best.items()}
    return {**comparable(folder), "names": sorted(kept), "best": weights}


def unchecked(folder: Path) -> int:
    """Return the number of checkpoints without a manifest; raise UserError if one is damaged."""
    return sum(not check_hash(path) for path in folder.glob("*.pth"))


def faults_of(folder: Path, expected: dict[str, Any]) -> list[str]:
    """Return what is wrong with what a run has left, compared with the undisturbed one."""
    faults = [f"left: {path.name}" for path in folder.rglob("*") if is_leftover_name(path.name)]
    for path in folder.glob(f"*.pth{MANIFEST}"):
        if not path.with_suffix("").exists():
            faults.append(f"without its checkpoint: {path.name}")
    try:
        unchecked(folder)
        return faults + differences(left_behind(folder), expected)
    except (UserError, OSError, ValueError) as error:
        return [*faults, str(error)]
