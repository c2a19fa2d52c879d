"""The searches for the recipes' values as plots: the score on val against each tuned value."""

from collections.abc import Iterator, Mapping, Sequence

from matplotlib.axes import Axes

from bag_of_transfer.engine.numbers import is_finite_number
from bag_of_transfer.ladder.metrics import label_of
from bag_of_transfer.ladder.report.drawing import name_of, style_of
from bag_of_transfer.ladder.report.results import LadderResults
from bag_of_transfer.ladder.report.tuning import Tuning
from bag_of_transfer.ladder.report.tuning_tables import text_of
from bag_of_transfer.ladder.search import LOST, Value
from bag_of_transfer.pages.plots import (
    MIN_POINTS,
    Plot,
    axes_of,
    file_name,
    finish,
    legend_above,
)

__all__ = ["tuning_plots"]

RATIO = 4.0  # positive numbers that span this ratio have a logarithmic axis
RING, CROSS = "ring: chosen", "cross: the loss was lost"


def tuning_plots(ladder: LadderResults, task: str) -> Iterator[Plot]:
    """Yield a plot per key of which several values are tried, with a line per rung.

    Of several keys that are tuned together, a value's point is the best that it reached with any
    values of the other keys.
    """
    tunings = [tuning for tuning in ladder.tunings if tuning.task == task]
    for key in dict.fromkeys(key for tuning in tunings for key in tuning.keys):
        with_key = [tuning for tuning in tunings if key in tuning.keys]
        num_tried = sum(len(means) for t in with_key for means in t.progress.means.values())
        has_choice = any(len(dict(t.progress.grid.axes)[key]) > 1 for t in with_key)
        if has_choice and num_tried >= MIN_POINTS:
            yield _plot(ladder, task, key, with_key)


def _plot(ladder: LadderResults, task: str, key: str, tunings: Sequence[Tuning]) -> Plot:
    figure, (axes,) = axes_of(height=3.0 + 0.11 * len(ladder.rungs))
    grids = [dict(tuning.progress.grid.axes)[key] for tuning in tunings]
    x_of = _places(axes, key, list(dict.fromkeys(value for grid in grids for value in grid)))
    marks: dict[str, None] = {}
    for tuning in tunings:
        for rung in tuning.rungs:
            marks |= _draw(axes, ladder, tuning, rung, key, x_of)
    metric = label_of(tunings[0].metric)
    finish(axes, "\n".join([key, *marks]), f"{metric} on val in %")
    legend_above(axes)
    chosen = "; ".join(
        f"{ladder.label(rung)} {text_of(((key, dict(point)[key]),))}"
        for tuning in tunings
        for rung, point in tuning.progress.chosen.items()
    )
    alt = f"{metric} on val against {key}, a line per rung. Chosen: {chosen or 'nothing yet'}."
    title = f"Which {key} each rung was given"
    return Plot(task, file_name("tuning", task, key), title, alt, figure)


def _places(axes: Axes, key: str, values: list[Value]) -> Mapping[Value, float]:
    """Return where each value stands on the x-axis, and prepare the axis."""
    numbers = [v for v in values if is_finite_number(v)]
    are_numbers = len(numbers) == len(values)
    x_of = dict(zip(values, numbers if are_numbers else range(len(values)), strict=True))
    if are_numbers and min(numbers) > 0 and max(numbers) >= RATIO * min(numbers):
        axes.set_xscale("log")
    axes.set_xticks(list(x_of.values()), [text_of(((key, value),)) for value in values])
    axes.minorticks_off()
    return x_of


def _draw(
    axes: Axes,
    ladder: LadderResults,
    tuning: Tuning,
    rung: str,
    key: str,
    x_of: Mapping[Value, float],
) -> dict[str, None]:
    """Draw a rung's line; return what its marks mean."""
    best: dict[Value, float] = {}
    for tried, mean in tuning.progress.means[rung].items():
        value = dict(tried)[key]
        best[value] = max(mean, best.get(value, LOST))
    style = style_of(ladder, rung)
    marks: dict[str, None] = {}
    line = sorted((x_of[value], mean) for value, mean in best.items() if mean > LOST)
    label = name_of(ladder, rung)
    if line:
        axes.plot(*zip(*line, strict=True), markersize=6, label=label, **style)
    lost = [x_of[value] for value, mean in best.items() if mean == LOST]
    if lost:
        height = 0.03 + 0.05 * list(tuning.progress.means).index(rung)  # so that none hides another
        at_the_bottom = axes.get_xaxis_transform()
        axes.plot(lost, [height] * len(lost), "x", color=style["color"], transform=at_the_bottom)
        marks[CROSS] = None
    chosen = dict(tuning.progress.chosen.get(rung, ())).get(key)
    if rung in tuning.progress.chosen and best[chosen] > LOST:
        axes.plot(
            *(x_of[chosen], best[chosen], "o"),
            color=style["color"],
            markersize=13,
            fillstyle="none",
        )
        marks[RING] = None
    return marks
