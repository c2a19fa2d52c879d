"""Read the runs of a search: their scores on val."""

from pathlib import Path

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.numbers import is_finite_number
from bag_of_transfer.engine.run_files import read_curve, read_metrics
from bag_of_transfer.ladder.seal import read_cell
from bag_of_transfer.ladder.search import LOST

__all__ = ["score_of"]


def score_of(folder: Path, metric: str, picks: bool) -> float | None:
    """Return the score on val of a run of a search, in percent.

    Args:
        folder: The cell's folder.
        metric: The metric that is judged.
        picks: The ladder tests the best checkpoint on val: its score counts, not the last one's.

    Returns:
        ``LOST`` if the run lost its loss, or a tool refused its value; None if it is not done, was
        edited or cannot be read.
    """
    try:
        record = read_cell(folder, "")
        if record["status"] != "done":
            return None
        if record.get("lost"):
            return LOST
        scores = [read_metrics(folder, "")["metrics"].get(metric)]
        scores += [line.get(metric) for line in read_curve(folder, "")] if picks else []
    except UserError:
        return None
    known = [float(each) for each in scores if is_finite_number(each)]
    return max(known, default=None)
