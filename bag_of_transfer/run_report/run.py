"""Read what a run has left in its work dir; it may have been stopped, or still be training."""

import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.plain_files import read_file
from bag_of_transfer.engine.run_files import (
    CURVE,
    DETAILS,
    LAST_CHECKPOINT,
    LOST_STEP,
    METRICS,
    RESOLVED_CONFIG,
    RUN,
    TEST_DETAILS,
    TRICKS,
    newest_checkpoint,
    read_curve,
    read_metrics,
    read_tricks,
)
from bag_of_transfer.engine.tasks import Phase, task_named
from bag_of_transfer.run_report.details_file import read_details, read_run
from bag_of_transfer.run_report.log_values import LOGS, by_epoch, read_log

__all__ = ["Run", "read_work_dir"]

T = TypeVar("T")
MEND = "remove it"
TOOLS = {Phase.PRETRAINING: "tools/test_cls.py", Phase.FINE_TUNING: "tools/test.py"}


@dataclass(frozen=True)
class Run:
    """What is there of a run; what is not is empty.

    Attributes:
        folder: The work dir.
        begun: ``run.json``.
        curve: The lines of ``curve.jsonl``.
        log: What was logged between them.
        metrics: ``metrics.json``.
        details: ``test_details.json`` and ``details.json``, by what to call them.
        tricks: ``tricks.json``.
        config: The text of ``resolved_config.py``.
        missing: What is not there, and the command or the step that makes it.
    """

    folder: Path
    begun: dict[str, Any]
    curve: list[dict[str, Any]]
    log: list[dict[str, Any]]
    metrics: dict[str, Any]
    details: dict[str, dict[str, Any]]
    tricks: dict[str, dict[str, Any]]
    config: str
    missing: list[tuple[str, str]] = field(default_factory=list)

    @property
    def task(self) -> str:
        """The name of the task; "" if no file says it."""
        return str(self.begun.get("task") or self.metrics.get("task") or "")

    @property
    def is_done(self) -> bool:
        """Whether the training has come to its end."""
        return bool(self.metrics)


def read_work_dir(folder: Path) -> Run:
    """Read the small files of a run; a damaged one counts as missing, and is named.

    Args:
        folder: The work dir.

    Raises:
        UserError: If none of a run's files is there.
    """
    files = (RUN, CURVE, METRICS, RESOLVED_CONFIG, DETAILS, TEST_DETAILS)
    if not any((folder / name).is_file() for name in files):
        what = "neither a ladder nor a run" if folder.is_dir() else "the folder does not exist"
        raise UserError(what, folder, "give the folder of a ladder, or the work dir of a run")
    missing: list[tuple[str, str]] = []

    def read(name: str, how: Callable[[], T], otherwise: T) -> T:
        try:
            return how() if any(folder.glob(name)) else otherwise
        except UserError as error:
            missing.append((f"{name} is damaged: {error.what}", ""))
            return otherwise

    empty: dict[str, Any] = {}
    curve: list[dict[str, Any]] = read(CURVE, lambda: read_curve(folder, MEND, cut_short=True), [])
    run = Run(
        folder,
        begun=read(RUN, lambda: read_run(folder, MEND), empty),
        curve=curve,
        log=read(LOGS, lambda: by_epoch(read_log(folder, MEND), curve), []),
        metrics=read(METRICS, lambda: read_metrics(folder, MEND), empty),
        details={
            _label(name, record): record
            for name in (TEST_DETAILS, DETAILS)
            if (record := read(name, lambda: read_details(folder / name, MEND), empty))  # noqa: B023
        },
        tricks=read(TRICKS, lambda: read_tricks(folder, MEND), empty),
        config=read(
            RESOLVED_CONFIG,
            lambda: read_file(folder / RESOLVED_CONFIG).decode("utf-8", "replace"),
            "",
        ),
        missing=missing,
    )
    missing += _absent(run)
    return run


def _label(name: str, record: dict[str, Any]) -> str:
    """Return what to call an evaluation: by its split, but a test on val is not the validation."""
    split = str(record["split"])
    return f"test on {split}" if name == TEST_DETAILS and split != "test" else split


def _absent(run: Run) -> list[tuple[str, str]]:
    absent = []
    if (run.folder / LOST_STEP).is_file():
        replay = shlex.join(["python", "tools/replay.py", str(run.folder / LOST_STEP)])
        absent.append(("The run met a loss or a weight that is no number.", replay))
    if not run.is_done:
        command = run.begun.get("command") or ""
        words = command if "--resume" in command or not command else f"{command} --resume"
        absent.append(("The training has not come to its end: it is running, or stopped.", words))
    if not run.curve:
        absent.append(("No epoch has ended: there are no curves.", ""))
    if (run.folder / TEST_DETAILS).is_file():
        return absent
    what = "There is no test: no results on the test split, no worst images."
    if not run.task or newest_checkpoint(run.folder) is None:
        absent.append((what, ""))
        return absent
    tool = TOOLS[task_named(run.task).phase]
    config, last = run.folder / RESOLVED_CONFIG, run.folder / LAST_CHECKPOINT
    words = ["python", tool, str(config), str(last), "--work-dir", str(run.folder)]
    absent.append((what, shlex.join(words)))
    return absent
