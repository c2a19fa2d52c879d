"""What a training has logged within its epochs: the parts of its loss, and accuracies.

mmengine's local backend writes ``TIME/vis_data/scalars.json``: a JSON object per line of the log.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bag_of_transfer.engine.json_file import read_json_lines
from bag_of_transfer.engine.numbers import is_finite_number

__all__ = ["LOGS", "by_epoch", "is_accuracy", "is_loss", "read_log"]

LOGS = "*/vis_data/scalars.json"  # a folder for each start, named after its time


def read_log(work_dir: Path, mend: str) -> list[dict[str, Any]]:
    """Return the log's lines of training, by rising iteration: ``step`` and what was logged.

    A run that was resumed, or begun anew, has several logs: from where a later one begins, the
    earlier ones do not count.

    Args:
        work_dir: The run's folder.
        mend: How to mend a damaged file, for the error.

    Raises:
        UserError: If a file is damaged.
    """
    lines: list[dict[str, Any]] = []
    for path in sorted(work_dir.glob(LOGS)):
        read = read_json_lines(path, mend, cut_short=True)
        trained = [each for each in read if "loss" in each and is_finite_number(each.get("step"))]
        first = min((line["step"] for line in trained), default=float("inf"))
        lines = [line for line in lines if line["step"] < first] + trained
    return sorted(lines, key=lambda line: line["step"])


def is_loss(name: str) -> bool:
    """Return whether a logged value is a part of the loss, as mmdet and mmseg call them."""
    return "loss" in name and name != "loss"


def is_accuracy(name: str) -> bool:
    """Return whether a logged value is an accuracy in percent, as mmdet and mmseg call them."""
    return name.rpartition(".")[-1] in ("acc", "acc_seg")


def by_epoch(
    log: Sequence[Mapping[str, Any]], curve: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return the log's lines with ``epoch``, a fraction, which the curve's lines tell.

    Without a line of the curve nobody knows how long an epoch is: then there are none.
    """
    if not curve or not curve[-1].get("iter") or not curve[-1]["epoch"]:
        return []
    iterations = curve[-1]["iter"] / curve[-1]["epoch"]
    return [{**line, "epoch": line["step"] / iterations} for line in log]
