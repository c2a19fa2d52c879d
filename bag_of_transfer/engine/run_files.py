"""The files that a run leaves in its work dir: their names, and one reader for each.

This module and what it imports need only the standard library: ``ladder/folder.py`` and the
report take the names from here and must stay importable without torch.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bag_of_transfer.engine.fields import (
    ANYTHING,
    COUNT_OR_0,
    NOT_NEGATIVE,
    NUMBER,
    REAL,
    SWITCH,
    TEXT,
    WHOLE,
    Rule,
    by_name,
    check,
    fields,
    list_of,
    optional,
)
from bag_of_transfer.engine.json_file import read_json, read_json_lines

__all__ = [
    "ANSWERS",
    "BACKGROUND",
    "CURVE",
    "DETAILS",
    "LAST_CHECKPOINT",
    "LINE_RULES",
    "LOST_STEP",
    "MANIFEST",
    "MAX_CONFUSED",
    "METRICS",
    "PLOTS",
    "RESOLVED_CONFIG",
    "RUN",
    "SKIPPED",
    "TEST_DETAILS",
    "TRICKS",
    "TRICKS_RULE",
    "WITHIN_EPOCH",
    "WORST",
    "check_curve",
    "follow_pointer",
    "manifest_of",
    "newest_checkpoint",
    "position_of",
    "read_curve",
    "read_metrics",
    "read_tricks",
]

METRICS, CURVE, TRICKS = "metrics.json", "curve.jsonl", "tricks.json"
LAST_CHECKPOINT, RESOLVED_CONFIG = "last_checkpoint", "resolved_config.py"
LOST_STEP = "non_finite.json"
RUN = "run.json"  # what was begun
ANSWERS = "answers"  # folder: a teacher's, stored by tools/cache_teacher.py
DETAILS, TEST_DETAILS = "details.json", "test_details.json"  # of the newest validation, and test
PLOTS, WORST = "plots", "worst"  # folders
MAX_CONFUSED = 5000  # classes; a confusion has as many numbers as their square
SKIPPED = "skipped_steps"  # in records, and in what a checkpoint keeps of a run
BACKGROUND = "background"  # in a detector's confusion: no object, or no detection
MANIFEST = ".json"  # after a checkpoint's whole name: epoch_3.pth.json

PERCENT = by_name(optional(NUMBER))  # None: of a class without objects
METRICS_RULE = fields(
    {
        "metrics": PERCENT,
        "per_class": optional(PERCENT),
        "num_images": optional(COUNT_OR_0),
        "seed": optional(WHOLE),
        **dict.fromkeys(("seconds", "img_per_s", "minutes_per_epoch"), optional(NOT_NEGATIVE)),
        **dict.fromkeys(("task", "split", "checkpoint_sha256", "hardware"), optional(TEXT)),
        "peak_memory": optional(fields({"mib": optional(NOT_NEGATIVE), "kind": optional(TEXT)})),
        "channels_last": optional(SWITCH),
        "versions": optional(by_name(TEXT)),
    }
)
LINE_RULES = {  # of the curve; the other entries of a line are metrics
    "epoch": NOT_NEGATIVE,
    "iter": optional(COUNT_OR_0),
    "lr": optional(NUMBER),
    "loss": optional(REAL),
    **dict.fromkeys(("seconds", "img_per_s"), optional(NOT_NEGATIVE)),
    SKIPPED: optional(COUNT_OR_0),
}
TRICKS_RULE = by_name(
    fields({"on": SWITCH, "value": optional(ANYTHING), "evidence": optional(TEXT)})
)
WITHIN_EPOCH = "epoch_{epoch}_iter_{iter}.pth"  # complete epochs, and iterations in all
_POSITION = re.compile(r"(?:epoch_(?P<epoch>\d+))?(?:(?:^|_)iter_(?P<iter>\d+))?")


def read_metrics(work_dir: Path, mend: str, needed: Sequence[str] = ()) -> dict[str, Any]:
    """Read ``metrics.json``: the run's metrics in percent, speed and hardware.

    Args:
        work_dir: The run's folder.
        mend: How to mend a damaged file, for the error.
        needed: Metrics that it must have.

    Raises:
        UserError: If the file is missing or damaged, or lacks a metric.
    """
    record: dict[str, Any] = read_json(work_dir / METRICS, mend, METRICS_RULE)
    rule = fields({"metrics": fields(dict.fromkeys(needed, NUMBER))})
    check(record, rule, work_dir / METRICS, mend)
    return record


def read_curve(
    work_dir: Path, mend: str, numbers: Sequence[str] = (), cut_short: bool = False
) -> list[dict[str, Any]]:
    """Read ``curve.jsonl``: a line per epoch with ``epoch lr loss`` and validation metrics.

    Args:
        work_dir: The run's folder; without the file the curve is empty.
        mend: How to mend a damaged file, for the error.
        numbers: Keys that each line must have, with a number, beside ``epoch``.
        cut_short: Leave out a last line that is damaged: a crash may have cut it.

    Raises:
        UserError: If the file is damaged, or a line lacks one of ``numbers``.
    """
    path = work_dir / CURVE
    return read_json_lines(path, mend, _line(numbers), cut_short) if path.is_file() else []


def check_curve(lines: Any, where: object, mend: str, numbers: Sequence[str] = ()) -> None:
    """Check the lines of a curve that a checkpoint holds, as :func:`read_curve` does.

    Raises:
        UserError: If they are damaged, or one lacks one of ``numbers``.
    """
    check(lines, list_of(_line(numbers)), where, mend)


def _line(numbers: Sequence[str]) -> Rule:
    return fields({**LINE_RULES, **dict.fromkeys(numbers, NOT_NEGATIVE)})


def read_tricks(work_dir: Path, mend: str) -> dict[str, dict[str, Any]]:
    """Read ``tricks.json``: which tricks were on, with the evidence; empty without the file.

    Raises:
        UserError: If the file is damaged or an entry has a field of a wrong type.
    """
    path = work_dir / TRICKS
    return read_json(path, mend, TRICKS_RULE) if path.is_file() else {}


def position_of(path: Path) -> tuple[int, int] | None:
    """Return epochs and iterations of a run's checkpoint by its name, 0 for what that leaves out.

    The position of a file that is not one of a run's checkpoints is None.
    """
    found = _POSITION.fullmatch(path.stem) if path.stem else None
    if path.suffix != ".pth" or found is None:
        return None
    return int(found["epoch"] or 0), int(found["iter"] or 0)


def follow_pointer(path: str | Path) -> Path:
    """Return the checkpoint that a run's ``last_checkpoint`` names; any other path as it is.

    The pointer holds a path as text.  A file of that name beside the pointer goes first, for a
    work dir may have been moved or copied.
    """
    path = Path(path)
    if path.name != LAST_CHECKPOINT or not path.is_file():
        return path
    named = Path(path.read_text(encoding="utf-8", errors="replace").replace("\0", "").strip())
    beside = path.with_name(named.name) if named.name else path
    try:
        return next((place for place in (beside, named) if place.exists()), named)
    except OSError:  # the text is too long for a name
        return path


def manifest_of(checkpoint: Path) -> Path:
    """Return the file beside a checkpoint that holds its hash: ``NAME.pth.json``."""
    return checkpoint.with_name(checkpoint.name + MANIFEST)


def newest_checkpoint(work_dir: Path) -> Path | None:
    """Return the checkpoint that a run's ``last_checkpoint`` names; None if it does not exist."""
    newest = follow_pointer(work_dir / LAST_CHECKPOINT)
    return newest if newest.name != LAST_CHECKPOINT and newest.is_file() else None
