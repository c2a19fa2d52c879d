"""Read ``details.json`` and ``run.json``; this needs only the standard library."""

from pathlib import Path
from typing import Any

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.fields import (
    COUNT_OR_0,
    NOT_NEGATIVE,
    NUMBER,
    TEXT,
    by_name,
    fields,
    list_of,
    optional,
)
from bag_of_transfer.engine.json_file import read_json
from bag_of_transfer.engine.run_files import MAX_CONFUSED, RUN

__all__ = ["read_details", "read_run"]

PERCENT = optional(NUMBER)
POINTS = 101  # of a curve: recalls of 0 to 100 percent
WORST_RULE = fields({"image": TEXT, "figure": NUMBER, "picture": TEXT, "mistakes": optional(TEXT)})
DETAILS_RULE = fields(
    {
        **dict.fromkeys(("measure", "counted", "split"), TEXT),
        **dict.fromkeys(("checkpoint", "command"), optional(TEXT)),
        **dict.fromkeys(("num_images", "num_never_found"), COUNT_OR_0),
        **dict.fromkeys(("score", "epoch"), optional(NOT_NEGATIVE)),
        "metrics": by_name(PERCENT),
        "classes": list_of(
            fields(
                {
                    "name": TEXT,
                    "count": COUNT_OR_0,
                    **dict.fromkeys(("figure", "precision", "recall"), PERCENT),
                }
            )
        ),
        "confusion": fields(
            {"names": list_of(TEXT), "counts": list_of(list_of(COUNT_OR_0, 3))},
        ),
        "curves": by_name(list_of(NUMBER)),
        "worst": optional(list_of(WORST_RULE)),
        "image_measure": optional(TEXT),
    }
)
RUN_RULE = fields(
    {
        **dict.fromkeys(("task", "config", "command"), optional(TEXT)),
        **dict.fromkeys(("epochs", "iterations"), optional(COUNT_OR_0)),
        **dict.fromkeys(("train_images", "val_images"), optional(COUNT_OR_0)),
        "classes": optional(list_of(TEXT)),
    }
)


def read_details(path: Path, mend: str) -> dict[str, Any]:
    """Read the results of each class, as ``details.describe`` says them.

    Args:
        path: The file.
        mend: How to mend a damaged one, for the error.

    Raises:
        UserError: If the file is missing or damaged.
    """
    record: dict[str, Any] = read_json(path, mend, DETAILS_RULE)
    wrong = _contradiction(record)
    if wrong:
        raise UserError(wrong, path, mend)
    return record


def _contradiction(record: dict[str, Any]) -> str | None:
    """Return which lists do not fit together; None if all do."""
    names, counts = record["confusion"]["names"], record["confusion"]["counts"]
    if len(names) > MAX_CONFUSED + 1:
        return f"confusion.names has more than {MAX_CONFUSED + 1} names"
    if any(len(entry) != 3 or max(entry[:2]) >= len(names) for entry in counts):
        return "confusion.counts has an entry that is not a row, a column and a count"
    if any(len(curve) != POINTS for curve in record["curves"].values()):
        return f"curves has a curve that is not of {POINTS} points"
    return None


def read_run(work_dir: Path, mend: str) -> dict[str, Any]:
    """Read ``run.json``: what a training was begun with; empty without the file.

    Raises:
        UserError: If the file is damaged.
    """
    path = work_dir / RUN
    return read_json(path, mend, RUN_RULE) if path.is_file() else {}
