"""One colour and marker per rung, the same in all plots of a ladder."""

from typing import Any

from bag_of_transfer.ladder.report.results import LadderResults
from bag_of_transfer.pages.plots import COLOURS

__all__ = ["style_of"]

MARKERS = "osD^vP*X<"  # 9, not 8 as the colours: the first repeated pair is that of the 73rd rung


def style_of(ladder: LadderResults, rung: str) -> dict[str, Any]:
    """Return a rung's colour and marker, which are the same in every plot of a ladder."""
    number = [*ladder.rungs, *ladder.teachers].index(rung)
    return {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)]}
