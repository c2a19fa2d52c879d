"""Plots of learning curves: metric, loss and learning rate per epoch, a colour per rung."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from bag_of_transfer.engine.numbers import is_finite_number
from bag_of_transfer.ladder.folder import PRETRAINING
from bag_of_transfer.ladder.metrics import TOP1, label_of
from bag_of_transfer.ladder.report.cell_files import read_curve
from bag_of_transfer.ladder.report.drawing import name_of, style_of
from bag_of_transfer.ladder.report.results import CellResult, LadderResults
from bag_of_transfer.pages.plots import (
    MIN_POINTS,
    Plot,
    axes_of,
    file_name,
    finish,
    legend_above,
)

__all__ = ["learning_curves"]

MAX_ALIKE = 3  # rungs that a legend names of those with the same curve


def learning_curves(ladder: LadderResults, task: str) -> Plot | None:
    """Draw metric on val, training loss and learning rate per epoch, a line per seed.

    Returns:
        None if no cell has a curve of enough points.
    """
    metric = TOP1 if task == PRETRAINING else ladder.tasks[task].metrics[-1]
    curves = [(cell, read_curve(cell)) for cell in ladder.cells_of(task=task)]
    curves = [(cell, curve) for cell, curve in curves if curve]
    if not curves:
        return None
    metric_panel = {metric: f"val {label_of(metric)} in %"}
    panels = {**metric_panel, "loss": "training loss", "lr": "learning rate"}
    all_curves = [curve for _, curve in curves]
    panels = {key: label for key, label in panels.items() if _has_curve(all_curves, key)}
    if not panels:
        return None
    figure, rows = axes_of(len(panels), height=0.6 + 1.8 * len(panels) + 0.11 * len(ladder.rungs))
    for axes, (key, label) in zip(rows, panels.items(), strict=True):
        _draw_panel(axes, ladder, _by_rung(curves), key)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        finish(axes, "epoch" if axes is rows[-1] else "", label)
    legend_above(rows[0])
    alt = f"From top to bottom {', '.join(panels.values())}, per epoch, a line per seed."
    return Plot(task, file_name("curves", task), "Learning curves", alt, figure)


def _has_curve(curves: Sequence[Sequence[Mapping[str, Any]]], key: str) -> bool:
    """Return whether a curve has points enough: a validation at the end alone is none."""
    return any(len(points) >= MIN_POINTS for points in _points(curves, key))


def _draw_panel(
    axes: Axes, ladder: LadderResults, by_rung: Mapping[str, list[list[dict[str, Any]]]], key: str
) -> None:
    """Draw each rung's lines; of identical ones, as learning rates often are, only the first."""
    first: dict[tuple[tuple[float, float], ...], str] = {}
    own: dict[str, list[list[tuple[float, float]]]] = {}
    alike: dict[str, dict[str, None]] = {}
    for rung, of_rung in by_rung.items():
        for points in _points(of_rung, key):
            drawn = first.setdefault(tuple(points), rung)
            if drawn == rung and points not in own.setdefault(rung, []):
                own[rung].append(points)
            alike.setdefault(drawn, {})[rung] = None
    for rung, lines in own.items():
        same = [name_of(ladder, each) for each in alike[rung]]
        more = [f"{len(same) - MAX_ALIKE} more"] if len(same) > MAX_ALIKE else []
        label = " = ".join([*same[:MAX_ALIKE], *more])
        label = "all rungs" if 1 < len(same) == len(by_rung) else label
        _draw_curves(axes, style_of(ladder, rung), label, lines)
    if len(own) < len(by_rung):  # above the lines, which it would hide
        place: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0, 1)}
        axes.legend(fontsize=8, frameon=False, **place)


def _by_rung(
    curves: Sequence[tuple[CellResult, list[dict[str, Any]]]],
) -> dict[str, list[list[dict[str, Any]]]]:
    by_rung: dict[str, list[list[dict[str, Any]]]] = {}
    for cell, curve in curves:
        by_rung.setdefault(cell.rung, []).append(curve)
    return by_rung


def _points(
    curves: Sequence[Sequence[Mapping[str, Any]]], key: str
) -> Iterator[list[tuple[float, float]]]:
    for curve in curves:
        points = [(line["epoch"], line[key]) for line in curve if is_finite_number(line.get(key))]
        if points:
            yield points


def _draw_curves(
    axes: Axes,
    style: Mapping[str, Any],
    name: str,
    lines: Sequence[list[tuple[float, float]]],
) -> None:
    for number, points in enumerate(lines):
        label = name if number == 0 else None
        marker = style["marker"] if number == 0 else ""
        x, y = zip(*points, strict=True)
        step = max(1, len(x) // 8)
        axes.plot(
            *(x, y),
            color=style["color"],
            marker=marker,
            markevery=step,
            markersize=5,
            linewidth=1.6 if number == 0 else 0.9,
            alpha=1 if number == 0 else 0.6,
            label=label,
        )
