"""Draw figures 3 and 4 of the paper from finished runs.

Source: arXiv:1812.01187, fig. 3 (learning rate and validation accuracy, step against cosine)
and fig. 4 (what label smoothing does to the gap between logits).
Letters: B batch, K classes, N images.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor
from torch.utils.data import DataLoader

from bag_of_transfer.classification.classifier import ImageClassifier
from bag_of_transfer.engine.bars import track

__all__ = [
    "draw_gaps",
    "draw_lr_and_accuracy",
    "gap_in_theory",
    "gaps_of",
    "logit_gaps",
]

# Okabe and Ito's colours, which colour-blind people can distinguish, in the order of the runs.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINES = ("-", "--", "-.", ":")


def gap_in_theory(eps: Float[np.ndarray, " N"], num_classes: int) -> Float[np.ndarray, " N"]:
    """Return the optimal gap log((K - 1)(1 - eps) / eps) between the true logit and the others.

    Source: sec. 5.2.  ``eps`` in (0, 1) is the paper's: each other class gets eps / (K - 1).
    """
    return np.log((num_classes - 1) * (1 - eps) / eps)


def gaps_of(logits: Float[Tensor, "B K"], labels: Int[Tensor, " B"]) -> Float[Tensor, " B"]:
    """Return each true logit minus the mean of the K - 1 others."""
    true = logits.gather(1, labels[:, None]).squeeze(1)
    return true - (logits.sum(1) - true) / (logits.shape[1] - 1)


@torch.no_grad()
def logit_gaps(model: ImageClassifier, loader: DataLoader) -> Float[np.ndarray, " N"]:
    """Return :func:`gaps_of` all images of a loader, in its order, with the model in eval mode."""
    model.eval()
    gaps = []
    for batch in track(loader, "logits", total=len(loader)):
        data = model.data_preprocessor(batch)
        logits = model(data["inputs"], mode="tensor").float()
        gaps.append(gaps_of(logits, data["labels"]).cpu())
    return torch.cat(gaps).numpy()


def draw_lr_and_accuracy(curves: Mapping[str, Sequence[Mapping[str, Any]]]) -> Figure:
    """Draw the paper's figure 3: lr (left) and top-1 (right) per epoch, a line per run."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for number, (label, curve) in enumerate(curves.items()):
        style: dict[str, Any] = {"label": label, **_style(number)}
        for axes, key in ((left, "lr"), (right, "top1")):
            points = [(point["epoch"], point[key]) for point in curve if key in point]
            marker = "o" if len(points) <= 30 else None
            if points:
                axes.plot(*zip(*points, strict=True), marker=marker, markersize=3.5, **style)
    _finish(left, "learning rate", "epoch", "learning rate at the epoch's end")
    _finish(right, "validation accuracy", "epoch", "top-1 accuracy in %")
    for axes in (left, right):  # no half epochs
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.set_ylim(bottom=0)
    return figure


def draw_gaps(
    gaps: Mapping[str, Float[np.ndarray, " N"]], eps: Mapping[str, float], num_classes: int
) -> Figure:
    """Draw the paper's figure 4: the gap in theory (left) and as measured (right).

    Args:
        gaps: By run: the true logit minus the mean of the others, one per image.
        eps: By run: the paper's eps in its training; 0 without label smoothing.
        num_classes: K.
    """
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    grid = np.linspace(0.005, 0.9, 400)
    left.plot(grid, gap_in_theory(grid, num_classes), color="0.3", label=f"K = {num_classes}")
    edges = _edges(gaps.values())
    for number, (label, values) in enumerate(gaps.items()):
        style = _style(number)
        right.hist(
            values, edges, density=True, histtype="stepfilled", alpha=0.25, color=style["color"]
        )
        name = f"{label}: mean {values.mean():.2f}"
        right.hist(values, edges, density=True, histtype="step", linewidth=1.6, label=name, **style)
        if 0 < eps[label] < 1:
            best = float(gap_in_theory(np.array([eps[label]]), num_classes)[0])
            left.plot(eps[label], best, "o", color=style["color"], label=f"{label}: {best:.2f}")
            right.axvline(best, color=style["color"], linewidth=1, linestyle=":")
    _finish(left, "gap in theory", "label smoothing eps", "log((K - 1)(1 - eps) / eps)")
    about = "true logit minus the mean of the others (dotted: in theory)"
    _finish(right, "gap measured on the validation images", about, "share of images per unit")
    return figure


def _style(number: int) -> dict[str, Any]:
    # Printed without colour, only the fifth run has the same line style as the first.
    return {"color": COLOURS[number % len(COLOURS)], "linestyle": LINES[number % len(LINES)]}


def _edges(values: Iterable[np.ndarray]) -> np.ndarray:
    """Return the edges of 60 bins for all runs, so that their heights can be compared."""
    together = np.concatenate(list(values) or [np.zeros(1)])
    low, high = together.min(), together.max()
    return np.linspace(low, high if high > low else low + 1, 61)


def _finish(axes: Axes, title: str, xlabel: str, ylabel: str) -> None:
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize="small")
