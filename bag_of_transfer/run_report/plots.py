"""A run's plots: its curves, what its classes are confused with, precision over recall."""

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from numpy import ndarray
from PIL import Image

from bag_of_transfer.engine.numbers import is_finite_number
from bag_of_transfer.engine.run_files import LINE_RULES
from bag_of_transfer.pages.plots import (
    COLOURS,
    INK,
    MIN_POINTS,
    Plot,
    axes_of,
    file_name,
    finish,
    legend_above,
    short_label,
)
from bag_of_transfer.run_report.log_values import is_accuracy, is_loss

__all__ = [
    "MAX_LABELLED",
    "as_picture",
    "confusion_matrix",
    "confusion_plot",
    "curve_plots",
    "precision_recall_plot",
]

Record = Mapping[str, Any]

MAX_LABELLED, MAX_NUMBERED = 30, 15  # classes whose names, and whose shares, can be read
MAX_PIXELS = 250  # cells in a row of a picture; with more classes each shows the largest of several
MAX_LINES = 8  # classes with a line each; of more, only the mean has one
STRONGEST = 0.7  # the part of the colour that a share of 100 percent gets: text on it is readable


def confusion_matrix(record: Record) -> ndarray:
    """Return the counts of a record's confusion: rows are the truth, columns the prediction."""
    size = len(record["confusion"]["names"])
    matrix = np.zeros((size, size), dtype=np.int64)
    for truth, predicted, count in record["confusion"]["counts"]:
        matrix[truth, predicted] = count
    return matrix


def confusion_plot(record: Record, group: str) -> Plot | None:
    """Draw what each class is taken for, in percent of what is there of it.

    None with too many classes, whose confusion is not counted.
    """
    names, matrix = record["confusion"]["names"], confusion_matrix(record)
    if not names:
        return None
    totals = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(matrix, totals, out=np.zeros(matrix.shape), where=totals > 0)
    size = len(names)
    figure, (axes,) = axes_of(height=min(5.2, 2.6 + 0.2 * size))
    if size <= MAX_LABELLED:
        _draw_cells(axes, shares)
        labels = [short_label(name) for name in names]
        axes.set_xticks(range(size), labels, rotation=90)
        axes.set_yticks(range(size), labels)
    else:
        axes.imshow(_shrunk(shares), cmap="Blues", vmin=0, vmax=1, extent=(0, size, size, 0))
    key = "" if size <= MAX_NUMBERED else "\nthe stronger the colour, the larger the share"
    finish(axes, f"predicted{key}", "truth")
    axes.grid(visible=False)
    if size > 20:
        axes.tick_params(labelsize=6.5)
    right = f"{100 * matrix.diagonal().sum() / max(matrix.sum(), 1):.1f} percent"
    alt = f"Confusion of {size} classes: {right} of the {record['counted']} are on the diagonal."
    title = f"What {record['counted']} are taken for, in percent of each class"
    return Plot(group, file_name(group, "confusion"), title, alt, figure)


def _draw_cells(axes: Axes, shares: ndarray) -> None:
    size = len(shares)
    for row, column in np.argwhere(shares > 0).tolist():
        share = shares[row, column]
        place = (column - 0.5, row - 0.5)
        alpha = STRONGEST * share
        axes.add_patch(Rectangle(place, 1, 1, facecolor=COLOURS[1], alpha=alpha, linewidth=0))
        if size <= MAX_NUMBERED and share >= 0.005:
            how: dict[str, Any] = {"ha": "center", "va": "center", "color": INK}
            how["fontsize"] = 9 if size <= 12 else 7.5
            axes.text(column, row, f"{100 * share:.0f}", **how)
    axes.set_xlim(-0.5, size - 0.5)
    axes.set_ylim(size - 0.5, -0.5)


def _shrunk(shares: ndarray) -> ndarray:
    """Return the largest share of each block, so that a single one does not vanish."""
    block = -(-len(shares) // MAX_PIXELS)
    padding = -len(shares) % block
    padded = np.pad(shares, ((0, padding), (0, padding)))
    size = len(padded) // block
    largest: ndarray = padded.reshape(size, block, size, block).max(axis=(1, 3))
    return largest


def precision_recall_plot(record: Record, group: str) -> Plot | None:
    """Draw precision over recall of each class at IoU 0.5; None without curves."""
    curves = {name: np.array(curve) for name, curve in record["curves"].items() if curve}
    if not curves:
        return None
    figure, (axes,) = axes_of()
    rows = np.stack(list(curves.values()))
    recall, mean = np.linspace(0, 100, rows.shape[1]), rows.mean(axis=0)
    if len(rows) <= MAX_LINES:
        for number, (name, curve) in enumerate(curves.items()):
            axes.plot(recall, curve, color=COLOURS[number], linewidth=1.6, label=short_label(name))
    else:
        low, high = np.percentile(rows, (10, 90), axis=0)
        look: dict[str, Any] = {"color": COLOURS[1], "alpha": 0.25, "linewidth": 0}
        axes.fill_between(recall, low, high, label="80 % of the classes", **look)
    if len(rows) > 1:
        text = f"mean of {len(rows)} classes"
        axes.plot(recall, mean, color=INK, linewidth=2.2, label=text)
    axes.set_xlim(0, 101)
    axes.set_ylim(0, 102)
    finish(axes, "recall in %", "precision in %")
    legend_above(axes)
    alt = f"Precision over recall at IoU 0.5 of {len(curves)} classes; mean {mean.mean():.1f}."
    name = file_name(group, "precision", "recall")
    return Plot(group, name, "Precision over recall at IoU 0.5", alt, figure)


def curve_plots(lines: Sequence[Record], log: Sequence[Record] = ()) -> list[Plot]:
    """Draw loss and its parts, metrics, learning rate and speed, from three points on.

    Args:
        lines: Those of the curve: an epoch each.
        log: What was logged within epochs, with ``epoch`` as a fraction.
    """
    logged = list(dict.fromkeys(name for line in log for name in line))
    parts = [name for name in logged if is_loss(name)]
    rows = (
        ("loss", "Training loss, mean of each epoch", lines, ["loss"]),
        ("loss-parts", "Parts of the training loss, as logged", log, parts if parts[1:] else []),
        ("metrics", "Metrics of the validation in %", lines, _metrics_of(lines)),
        ("accuracy", "Accuracy on training batches in %", log, filter(is_accuracy, logged)),
        ("lr", "Learning rate at the end of each epoch", lines, ["lr"]),
        ("speed", "Training speed in img/s", lines, ["img_per_s"]),
    )
    plots = (_curve(points, kind, title, names) for kind, title, points, names in rows)
    return [plot for plot in plots if plot is not None]


def _metrics_of(lines: Sequence[Record]) -> list[str]:
    """Return the names of the validation's metrics."""
    names = dict.fromkeys(name for line in lines for name in line if name not in LINE_RULES)
    return [name for name in names if any(_is_metric(line.get(name)) for line in lines)]


def _is_metric(value: Any) -> bool:
    return is_finite_number(value) and value >= 0


def _curve(lines: Sequence[Record], kind: str, title: str, names: Iterable[str]) -> Plot | None:
    points = {
        name: [(line["epoch"], line[name]) for line in lines if is_finite_number(line.get(name))]
        for name in names
    }
    drawn = {name: of_name for name, of_name in points.items() if len(of_name) >= MIN_POINTS}
    if not drawn:
        return None
    figure, (axes,) = axes_of(height=3.0 + 0.11 * len(drawn))
    for number, (name, of_name) in enumerate(drawn.items(), start=1):
        look = {"color": COLOURS[number % len(COLOURS)], "label": short_label(name)}
        marker = "o" if len(of_name) <= 40 else ""
        axes.plot(*zip(*of_name, strict=True), linewidth=1.8, marker=marker, markersize=4, **look)
    finish(axes, "epoch", "")
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    if len(drawn) > 1:
        legend_above(axes)
    last = ", ".join(f"{name} {of_name[-1][1]:.4g}" for name, of_name in drawn.items())
    alt = f"{title} over {len(next(iter(drawn.values())))} points; the last: {last}."
    return Plot("curves", f"run-{kind}", title, alt, figure)


def as_picture(plot: Plot) -> Image.Image:
    """Return a plot as a picture, for a page: cells by the thousand would make a large SVG."""
    data = io.BytesIO()
    plot.figure.savefig(data, format="png", dpi=200)
    return Image.open(data, formats=("PNG",))
