"""The ladder's plots: metrics per rung, gains, carry-over from top-1, cost, and classes.

Metrics are in percent, differences in percent points, times in minutes.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bag_of_transfer.ladder.folder import PRETRAINING
from bag_of_transfer.ladder.metrics import label_of, metric_of
from bag_of_transfer.ladder.report.costs import pretraining_minutes
from bag_of_transfer.ladder.report.curve_plots import learning_curves
from bag_of_transfer.ladder.report.drawing import name_of, style_of
from bag_of_transfer.ladder.report.findings import Finding, Top1, compare_top1
from bag_of_transfer.ladder.report.gain_plots import gain_plot
from bag_of_transfer.ladder.report.results import LadderResults
from bag_of_transfer.ladder.report.tuning_plots import tuning_plots
from bag_of_transfer.pages.plots import (
    INK,
    MIN_POINTS,
    Plot,
    axes_of,
    file_name,
    finish,
    legend_above,
    short_label,
    with_unique_names,
)

__all__ = ["class_changes", "draw_plots"]

MAX_CLASSES = 20  # classes with the largest gains and losses; more rows would be unreadable


def draw_plots(ladder: LadderResults, findings: Sequence[Finding], top1: Top1) -> list[Plot]:
    """Draw all plots; those of fewer than three points are left out: a table says as much."""
    plots: list[Plot | None] = []
    for task in ladder.tasks:
        of_task = [finding for finding in findings if finding.task.name == task]
        plots += [_rungs(ladder, finding) for finding in of_task]
        plots += [gain_plot(ladder, finding) for finding in of_task]
        plots += [_carry_over(ladder, finding, top1) for finding in of_task]
        plots += [_cost(ladder, finding) for finding in of_task]
        plots += [
            _classes(ladder, task),
            learning_curves(ladder, task),
            *tuning_plots(ladder, task),
        ]
    pretraining = compare_top1(ladder, top1)
    plots += [gain_plot(ladder, pretraining)] if pretraining else []
    plots += [learning_curves(ladder, PRETRAINING), *tuning_plots(ladder, PRETRAINING)]
    return with_unique_names([plot for plot in plots if plot is not None])


def _plot(kind: str, finding: Finding, title: str, alt: str, figure: Figure) -> Plot:
    task = finding.task.name
    return Plot(task, file_name(kind, task, finding.metric), title, alt, figure)


# ---- metric per rung ----


def _rungs(ladder: LadderResults, finding: Finding) -> Plot | None:
    measured = {rung: each for rung, each in finding.spreads.items() if each.mean is not None}
    if sum(each.n for each in measured.values()) < MIN_POINTS:
        return None
    figure, (axes,) = axes_of(height=1.3 + 0.42 * len(measured))
    bars: dict[str, None] = {}
    for row, (rung, spread) in enumerate(measured.items()):
        style = style_of(ladder, rung)
        bar = _bar(finding, rung)
        if bar is not None:
            x, look, meaning = bar
            bars[meaning] = None
            axes.plot(x, [row] * len(x), color=style["color"], linewidth=2.2, **look)
        seeds = list(spread.by_seed.values())
        axes.plot(seeds, [row] * len(seeds), "|", color=INK, markersize=9)
        axes.plot(spread.mean, row, markersize=8, linestyle="", **style)
    axes.set_yticks(range(len(measured)), [name_of(ladder, rung) for rung in measured])
    axes.set_ylim(len(measured) - 0.5, -0.5)
    finish(axes, "\n".join([f"{label_of(finding.metric)} in %", *bars]), "")
    values = "; ".join(
        f"{ladder.rungs[r].label} {s.mean:.2f} (n {s.n})" for r, s in measured.items()
    )
    alt = ", ".join([f"{label_of(finding.metric)} per rung: mean, a tick per seed", *bars])
    alt = f"{alt}: {values}.".replace("\n", " ")
    title = f"{label_of(finding.metric)} per rung"
    return _plot("rungs", finding, title, alt, figure)


def _bar(finding: Finding, rung: str) -> tuple[Sequence[float], dict[str, Any], str] | None:
    """Return a rung's interval in percent, the look of its line, and the line's meaning."""
    interval = finding.spreads[rung].interval
    if interval is not None:
        return interval, {}, "solid line: 95 % interval over seeds"
    images = finding.images.get(rung)
    if images is None:
        return None
    meaning = "dashed line: 95 % interval over test images"
    return (images.low, images.high), {"linestyle": "--"}, meaning


# ---- does a better classifier carry over? ----


def _carry_over(ladder: LadderResults, finding: Finding, top1: Top1) -> Plot | None:
    means = {rung: each.mean for rung, each in finding.spreads.items()}
    points = {
        rung: (value, means[rung])
        for rung, value in top1.comparable.items()
        if means.get(rung) is not None
    }
    if len(points) < MIN_POINTS:
        return None
    figure, (axes,) = axes_of(height=3.0 + 0.11 * len(points))
    _scatter(axes, ladder, points)
    finish(axes, "top-1 in %", f"{label_of(finding.metric)} in %")
    correlation = finding.correlation
    text = "no rank correlation: one of them is the same in all rungs"
    if correlation is not None:
        rho, p, num_rungs = correlation.rho, correlation.p, correlation.n
        text = f"Spearman's rho {rho:+.2f}, p = {p:.2g}, {num_rungs} rungs"
    axes.set_title(text, fontsize=10, color=INK, loc="left")
    alt = f"Top-1 against {label_of(finding.metric)}, a point per rung: {text}."
    title = f"Does a better classifier carry over to {label_of(finding.metric)}?"
    return _plot("carry-over", finding, title, alt, figure)


def _scatter(axes: Axes, ladder: LadderResults, points: Mapping[str, tuple[float, Any]]) -> None:
    for rung, (x, y) in points.items():
        label, style = name_of(ladder, rung), style_of(ladder, rung)
        axes.plot(x, y, markersize=9, linestyle="", label=label, **style)
    axes.margins(0.12)
    legend_above(axes)


# ---- what does it cost? ----


def _cost(ladder: LadderResults, finding: Finding) -> Plot | None:
    means = {rung: each.mean for rung, each in finding.spreads.items()}
    minutes = pretraining_minutes(ladder)
    points = {
        rung: (time, means[rung]) for rung, time in minutes.items() if means.get(rung) is not None
    }
    if len(points) < MIN_POINTS or not any(x for x, _ in points.values()):
        return None
    figure, (axes,) = axes_of(height=3.0 + 0.11 * len(points))
    _scatter(axes, ladder, points)
    has_teacher = any(ladder.rungs[rung].teacher for rung in points)
    x_label = "pretraining in minutes" + (", teacher's included" if has_teacher else "")
    finish(axes, x_label, f"{label_of(finding.metric)} in %")
    values = "; ".join(
        f"{ladder.rungs[r].label} {x:.1f} minutes, {y:.2f}" for r, (x, y) in points.items()
    )
    alt = f"{x_label.capitalize()}, against {label_of(finding.metric)}: {values}."
    title = f"What pretraining costs, and the {label_of(finding.metric)}"
    return _plot("cost", finding, title, alt, figure)


# ---- which classes gain? ----


def class_changes(ladder: LadderResults, task: str) -> dict[str, dict[str, float]]:
    """Return class -> rung -> mean change against the reference, in percent points.

    The change is the mean over the seeds that both rungs have.  The classes are sorted from the
    largest gain to the largest loss (mean over the rungs).
    """
    cells = {(cell.rung, cell.seed): cell for cell in ladder.cells_of(task=task)}
    changes: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for (rung, seed), cell in cells.items():
        reference = cells.get((ladder.reference, seed))
        if rung == ladder.reference or reference is None:
            continue
        before = reference.per_class
        for name, value in cell.per_class.items():
            if name in before:
                changes[name][rung].append(value - before[name])
    means = {name: {r: mean(v) for r, v in rungs.items()} for name, rungs in changes.items()}
    return dict(sorted(means.items(), key=lambda item: -mean(item[1].values())))


def _classes(ladder: LadderResults, task: str) -> Plot | None:
    changes = class_changes(ladder, task)
    if sum(map(len, changes.values())) < MIN_POINTS:
        return None
    names = list(changes)
    if len(names) > MAX_CLASSES:  # the largest gains and the largest losses
        names = [*names[: MAX_CLASSES // 2], *names[-MAX_CLASSES // 2 :]]
    figure, (axes,) = axes_of(height=1.6 + 0.3 * len(names))
    axes.axvline(0, color=INK, linewidth=1)
    others = [rung for rung in ladder.rungs if rung != ladder.reference]
    for number, rung in enumerate(others):
        # Each rung has its own height within a row, so that equal changes are all visible.
        shift = (number - (len(others) - 1) / 2) * 0.5 / len(others)
        rows = [(row, name) for row, name in enumerate(names) if rung in changes[name]]
        points = [(changes[name][rung], row + shift) for row, name in rows]
        if points:
            label, style = name_of(ladder, rung), style_of(ladder, rung)
            axes.plot(*zip(*points, strict=True), linestyle="", markersize=6, label=label, **style)
    axes.set_yticks(range(len(names)), [short_label(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    metric = metric_of(ladder.tasks[task].metrics[-1]).class_label
    finish(axes, f"{metric}: points against {name_of(ladder, ladder.reference)}", "")
    legend_above(axes)
    shown = "" if len(names) == len(changes) else f" ({len(names)} of {len(changes)}: both ends)"
    alt = f"{metric}, change against the reference{shown}, largest gain first: {', '.join(names)}."
    title = f"Change per class: {metric}{shown}"
    return Plot(task, file_name("classes", task), title, alt, figure)
