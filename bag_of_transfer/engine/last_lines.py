"""The last lines of a tool: where things lie, how good they are, and the next command to type."""

import os
import shlex
import shutil
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bag_of_transfer.engine.process_group import is_main_process
from bag_of_transfer.engine.quantities import figure

__all__ = [
    "Finished",
    "after_a_test",
    "after_a_training",
    "again",
    "command",
    "flags_of",
    "say_next",
    "say_trained",
    "use_of_backbone",
]

PREDICTIONS = "predictions"  # the folder in a work dir that commands name


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


def flags_of(args: Namespace, *options: str) -> list[str]:
    """Return what was given to a tool for its config and data, for another tool.

    Args:
        args: Of the tool that runs.
        options: More overrides of the config.
    """
    folder = ["--data-root", str(args.data_root)] if args.data_root else []
    overrides = [*args.cfg_options, *options]
    return [*folder, *(["--cfg-options", *overrides] if overrides else [])]


def again(argv: Sequence[str], changed: Mapping[str, str | None]) -> list[str]:
    """Return a tool's arguments with other flags.

    Args:
        argv: The arguments.
        changed: Values by flags; None for a flag without a value.
    """
    rest = iter(argv)
    kept = [word for word in rest if not _is_dropped(word, rest, changed)]
    flags = [part for pair in changed.items() for part in pair if part is not None]
    return [*kept, *flags]


def _is_dropped(word: str, rest: Iterator[str], changed: Mapping[str, str | None]) -> bool:
    flag, equals, _ = word.partition("=")
    if flag in changed and changed[flag] is not None and not equals:
        next(rest, None)  # its value
    return flag in changed


def after_a_training(
    args: Namespace, finished: Finished | None, tool: str, judged: tuple[str, Sequence[str]] | None
) -> dict[str, str]:
    """Return the commands that measure a trained network and show its predictions.

    Args:
        args: Of the training.
        finished: What it has left.
        tool: What measures.
        judged: The split with truth, and the overrides with which ``tool`` takes it; None if there
            is none.
    """
    if finished is None or finished.to_use is None or judged is None:
        return {}
    split, options = judged
    folder = ["--work-dir", finished.work_dir] if args.work_dir else []
    flags = [*folder, *flags_of(args, *options)]
    return {
        "measure it": command(tool, args.config, finished.to_use, *flags),
        "look at its predictions": _look(args, finished.to_use, split, finished.work_dir),
    }


def after_a_test(args: Namespace, split: str, work_dir: Path) -> dict[str, str]:
    """Return the commands that show what a test has measured.

    Args:
        args: Of the test.
        split: What it has measured.
        work_dir: Where it has left its results.
    """
    return {
        "look at its predictions": _look(args, args.checkpoint, split, work_dir),
        "write a page of the run": command("report", work_dir),
    }


def _look(args: Namespace, checkpoint: Path, split: str, work_dir: Path) -> str:
    folder = work_dir / PREDICTIONS
    force = ["--force"] if folder.exists() else []
    shown = ("--truth", split, "--out-dir", folder, *force)
    return command("predict", args.config, checkpoint, *shown, *flags_of(args))


def use_of_backbone(backbone: Path) -> dict[str, str]:
    """Return what a backbone file that was written is for."""
    flags = shlex.join(["--backbone", str(backbone)])
    return {
        "look at its card": command("inspect_backbone", backbone),
        "fine-tune from it: add to tools/train.py, with any config of boxes or masks": flags,
    }


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
        print(f"best {metric} {figure(score)}: {path}")
    if finished.last is not None:
        known = {name: finished.metrics.get(name) for name in finished.best}
        scores = ", ".join(f"{name} {figure(value)}" for name, value in known.items() if value)
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
