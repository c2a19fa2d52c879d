"""The last lines of a tool: where things lie, how good they are, and the next command to type."""

import os
import shlex
import shutil
import sys
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bag_of_transfer.engine.process_group import is_main_process

__all__ = ["Finished", "command", "flags_of", "say_next", "say_trained"]


@dataclass(frozen=True)
class Finished:
    """A training that is done.

    Args:
        work_dir: Its folder.
        last: Its newest checkpoint; None: it has written none.
        best: Checkpoint and score by the metric that chose it.
        metrics: Of the last validation.
    """

    work_dir: Path
    last: Path | None
    best: Mapping[str, tuple[Path, float]]
    metrics: Mapping[str, Any]

    @property
    def to_use(self) -> Path | None:
        """Return the best checkpoint by the first metric, or else the last one."""
        return next((path for path, _ in self.best.values()), self.last)


def command(tool: str, *words: object) -> str:
    """Return a call of a tool beside the one that runs, as a shell takes it."""
    python = shutil.which("python")
    is_same = python is not None and os.path.samefile(python, sys.executable)
    path = Path(sys.argv[0]).parent / f"{tool}.py"
    return shlex.join(["python" if is_same else sys.executable, str(path), *map(str, words)])


def flags_of(args: Namespace) -> list[str]:
    """Return what was given to a tool for its config and data, for another tool."""
    folder = ["--data-root", str(args.data_root)] if args.data_root else []
    return [*folder, *(["--cfg-options", *args.cfg_options] if args.cfg_options else [])]


def say_trained(finished: Finished | None, following: Mapping[str, str]) -> None:
    """Print where a run's results are, its checkpoints with their scores, and what comes next.

    Args:
        finished: None: nothing was trained.
        following: Commands by what they do.
    """
    if finished is None or not is_main_process():
        return
    print(f"results in {finished.work_dir}")
    for metric, (path, score) in finished.best.items():
        print(f"best {metric} {score:.2f}: {path}")
    if finished.last is not None:
        known = {name: finished.metrics.get(name) for name in finished.best}
        scores = ", ".join(f"{name} {value:.2f}" for name, value in known.items() if value)
        print(f"last {scores}".rstrip() + f": {finished.last}")
        say_next(following)


def say_next(following: Mapping[str, str]) -> None:
    """Print commands to type next.

    Args:
        following: Commands by what they do.
    """
    if is_main_process():
        for what, words in following.items():
            print(f"{what}:\n  {words}")
