"""Histograms of a page: sizes of images and boxes, boxes per image, classes; one colour a split."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, NullFormatter, ScalarFormatter

from bag_of_transfer.data_checks.check import Report
from bag_of_transfer.data_checks.counts import Counts
from bag_of_transfer.data_checks.splits import PRETRAINING, Split
from bag_of_transfer.pages.plots import COLOURS, Plot, axes_of, finish, legend_above, short_label

__all__ = ["draw_plots"]

GROUP = "histograms"
NUM_BINS = 30
DOMINATING = 20  # times what the median class has: the others' bars would be too short to read
MOST_CLASSES = 24  # rows that are readable; with more, the most frequent and the rarest
UNITS = {"masks": "pixels", "boxes": "objects", "classes": "images"}


def draw_plots(report: Report) -> Iterator[Plot]:
    """Yield the plots that have something to show: not those of a single value."""
    sides = {each.name: _image_sides(each, report) for each in report.splits}
    yield from _histogram("image-sizes", "Sizes of images", "square root of the area in px", sides)
    own = [split for split in report.splits if split.name != PRETRAINING]
    boxes = {each.name: _box_sides(each) for each in own}
    yield from _histogram("box-sizes", "Sizes of boxes", "square root of the area in px", boxes)
    numbers = {each.name: _numbers_of_boxes(each) for each in own}
    title = "Boxes per image"
    yield from _histogram("boxes-per-image", title, "boxes in an image", numbers, whole=True)
    counts = (each for each in report.counts if each.truth and each.split != PRETRAINING)
    yield from _classes(list(counts))


def _image_sides(split: Split, report: Report) -> np.ndarray:
    looks = (report.looks.get(example.path) for example in split.examples)
    sizes = np.array([look.size for look in looks if look and look.size], float)
    return np.asarray(sizes.reshape(-1, 2).prod(1) ** 0.5)


def _box_sides(split: Split) -> np.ndarray:
    boxes = [box.xyxy for example in split.examples for box in example.boxes or ()]
    corners = np.array(boxes, float).reshape(-1, 4)
    return np.asarray((corners[:, 2:] - corners[:, :2]).prod(1).clip(0) ** 0.5)


def _numbers_of_boxes(split: Split) -> np.ndarray:
    return np.array([len(each.boxes) for each in split.examples if each.boxes is not None])


def _histogram(
    name: str, title: str, label: str, values: Mapping[str, np.ndarray], whole: bool = False
) -> Iterator[Plot]:
    known = {split: numbers for split, numbers in values.items() if len(numbers)}
    everything = np.concatenate([*known.values(), []])
    if len(np.unique(everything)) < 3:
        return
    edges = _edges(everything, whole)
    figure, (axes,) = axes_of()
    for place, (split, numbers) in enumerate(known.items()):
        share = 100 * np.histogram(numbers, edges)[0] / len(numbers)
        axes.stairs(share, edges, color=_colour(place), linewidth=1.8, label=split)
    if not whole and edges[-1] > 4 * edges[0]:
        _logarithmic(axes)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    legend_above(axes)
    finish(axes, label, "% of the split")
    told = "; ".join(f"{split} {n.min():.4g} to {n.max():.4g}" for split, n in known.items())
    yield Plot(GROUP, name, title, f"{title}, {label}: {told}.", figure)


def _edges(values: np.ndarray, whole: bool) -> np.ndarray:
    low, high = float(values.min()), float(values.max())
    if whole:
        step = max(1, round((high - low + 1) / NUM_BINS))
        return np.arange(low, high + 1 + step, step) - 0.5
    low = max(low, 0.5)
    spaced = np.geomspace if high > 4 * low else np.linspace
    return np.asarray(spaced(low * 0.98, high * 1.02, NUM_BINS + 1))


def _classes(counts: Sequence[Counts]) -> Iterator[Plot]:
    """Draw the share of each class in each split, one row a class."""
    if not counts or not counts[0].classes:
        return
    ordered = sorted(counts[0].classes, key=lambda each: -each.amount)
    half = MOST_CLASSES // 2
    rows = ordered if len(ordered) <= MOST_CLASSES else [*ordered[:half], *ordered[-half:]]
    figure, (axes,) = axes_of(height=1.2 + 0.22 * len(rows))
    for place, each in enumerate(counts):
        _points(axes, [row.name for row in rows], each, place, len(counts))
    axes.set_yticks(range(len(rows)), [short_label(row.name) for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    amounts = [row.amount for row in ordered]
    if amounts[0] > DOMINATING * max(1, amounts[len(amounts) // 2]):
        _logarithmic(axes)
    legend_above(axes)
    finish(axes, f"% of the split's {UNITS[counts[0].truth]}", "")
    axes.tick_params(axis="y", labelsize=8)
    cut = "" if len(rows) == len(ordered) else f": {half} most frequent, {half} rarest"
    alt = f"Share of each class in {', '.join(each.split for each in counts)}; the table has them."
    yield Plot(GROUP, "classes", f"Classes{cut}", alt, figure)


def _points(axes: Axes, names: Sequence[str], counts: Counts, place: int, num: int) -> None:
    total = max(1, sum(each.amount for each in counts.classes))
    shares = {each.name: 100 * each.amount / total for each in counts.classes}
    rows = np.arange(len(names)) + (place + 0.5) * 0.8 / num - 0.4
    widths = [shares.get(name, 0) for name in names]
    axes.barh(rows, widths, 0.8 / num, color=_colour(place), label=counts.split)


def _logarithmic(axes: Axes) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())


def _colour(place: int) -> str:
    return COLOURS[(place + 1) % len(COLOURS)]  # the first is the grey of a reference
