"""One name, colour and marker per rung, the same in all plots of a ladder."""

from typing import Any

from bag_of_transfer.ladder.report.results import LadderResults
from bag_of_transfer.pages.plots import COLOURS, MAX_LABEL, short_label

__all__ = ["name_of", "style_of"]

MARKERS = "osD^vP*X<"  # 9, not 8 as the colours: the first repeated pair is that of the 73rd rung


def name_of(ladder: LadderResults, rung: str) -> str:
    """Return a rung's label as plots show it: shortened, and numbered if others are cut alike."""
    rungs = [*ladder.rungs, *ladder.teachers]
    labels = [short_label(ladder.label(each)) for each in rungs]
    own = labels[rungs.index(rung)]
    if labels.count(own) == 1:
        return own
    number = f" ({rungs.index(rung) + 1})"
    return short_label(ladder.label(rung), MAX_LABEL - len(number)) + number


def style_of(ladder: LadderResults, rung: str) -> dict[str, Any]:
    """Return a rung's colour and marker, which are the same in every plot of a ladder."""
    number = [*ladder.rungs, *ladder.teachers].index(rung)
    return {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)]}
