"""The plot of what each step gains: a row per rung, against the rung that it is compared with."""

from bag_of_transfer.ladder.metrics import label_of
from bag_of_transfer.ladder.report.drawing import name_of, style_of
from bag_of_transfer.ladder.report.findings import Finding
from bag_of_transfer.ladder.report.results import LadderResults
from bag_of_transfer.ladder.report.steps import published_gain
from bag_of_transfer.pages.plots import INK, MIN_POINTS, Plot, axes_of, file_name, finish

__all__ = ["gain_plot"]

SEEDS = "solid line: 95 % interval over seeds"
IMAGES = "dashed line: 95 % interval over images"
PAPER = "cross: the paper's"
BELOW = 0.28  # rows, by which the paper's cross stands below what was measured


def gain_plot(ladder: LadderResults, finding: Finding) -> Plot | None:
    """Draw what each step gains in a metric, in percent points; None of fewer than three steps.

    The band in the middle is the margin: what lies in it counts as no difference.
    """
    steps = [step for step in finding.steps.values() if step.mean is not None]
    if len(steps) < MIN_POINTS:
        return None
    figure, (axes,) = axes_of(height=1.5 + 0.55 * len(steps))
    margin = ladder.margin(finding.metric)
    axes.axvspan(-margin, margin, color=INK, alpha=0.08, linewidth=0)
    axes.axvline(0, color=INK, linewidth=1)
    legend: dict[str, None] = {}
    for row, step in enumerate(steps):
        style = style_of(ladder, step.rung)
        images = finding.image_differences.get(step.pair)
        limits = step.interval or (images and (images.low, images.high))
        if limits:
            legend[SEEDS if step.interval else IMAGES] = None
            look = "-" if step.interval else "--"
            axes.plot(limits, [row] * 2, look, color=style["color"], linewidth=2.2)
        gains = list(step.by_seed.values())
        axes.plot(gains, [row] * len(gains), "|", color=INK, markersize=9)
        axes.plot(step.mean, row, markersize=8, linestyle="", **style)
        published = published_gain(ladder, finding.metric, step.pair)
        if published is not None:
            legend[PAPER] = None
            axes.plot(published, row + BELOW, "x", color=INK, markersize=8, markeredgewidth=2)
    names = [
        f"{name_of(ladder, a)}\nagainst {name_of(ladder, b)}" for a, b in (s.pair for s in steps)
    ]
    axes.set_yticks(range(len(steps)), names)
    axes.set_ylim(len(steps) - 0.5, -0.5)
    label = label_of(finding.metric)
    finish(axes, "\n".join([f"gain in {label}; the band: +-{margin:g}", *legend]), "")
    values = "; ".join(
        f"{ladder.label(step.rung)} against {ladder.label(step.reference)} {step.mean:+.2f}"
        for step in steps
    )
    title = f"What each step gains in {label}"
    name = file_name("gains", finding.task.name, finding.metric)
    return Plot(finding.task.name, name, title, f"{title}, in points: {values}.", figure)
