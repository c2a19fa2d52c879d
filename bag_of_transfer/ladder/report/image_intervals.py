"""Intervals that cover the choice of test images, from the cells' ``per_image.npz``.

Without these files, or if they do not give the figures of ``metrics.json``, there are none.
Letters: N images, D detections, K classes, R resamples.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy import ndarray

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.ladder.report.cell_files import read_per_image
from bag_of_transfer.ladder.report.results import CellResult
from bag_of_transfer.ladder.statistics.over_both import over_seeds_and_images
from bag_of_transfer.ladder.statistics.over_images import (
    BootstrapInterval,
    PerImage,
    bootstrap,
    difference,
    resample,
)
from bag_of_transfer.ladder.statistics.over_seeds import Comparison, Spread
from bag_of_transfer.ladder.statistics.resampled_boxes import (
    HIT,
    MISS,
    NEITHER,
    BoxMatches,
    detection_metric,
)
from bag_of_transfer.ladder.statistics.resampled_masks import count_confusions, segmentation_metric

__all__ = ["Cells", "Pair", "over_both", "over_images"]

Cells = Mapping[tuple[str, int], CellResult]  # of one task, by rung and seed
Pair = tuple[str, str]  # of Comparison
Key = TypeVar("Key")

# Largest difference, in percent points, between metrics.json, which is rounded to 4 digits, and the
# same metric from per_image.npz; a larger one means that they come from different predictions.
SAME_POINTS = 0.01
# Draws of the images from which a standard deviation is taken: it is known to 5 %, 1 / sqrt(2 R).
NUM_DRAWS = 200


def over_images(
    cells: Cells,
    metric: str,
    spreads: Mapping[str, Spread],
    compared: Iterable[Comparison],
    num_resamples: int,
) -> tuple[dict[str, BootstrapInterval], dict[Pair, BootstrapInterval]]:
    """Return the intervals over images of rungs with one seed, and of their differences."""
    images: dict[str, BootstrapInterval | None] = {}
    paired: dict[Pair, BootstrapInterval | None] = {}
    for rung, spread in spreads.items():
        if spread.n == 1:
            (seed,) = spread.by_seed
            images[rung] = _bootstrap(_of_cell(cells[rung, seed], metric), num_resamples)
    for comparison in compared:
        if comparison.n == 1:
            (seed,) = comparison.by_seed
            both = (_of_cell(cells[name, seed], metric) for name in comparison.pair)
            paired[comparison.pair] = _bootstrap(_difference(*both), num_resamples)
    return _without_none(images), _without_none(paired)


def over_both(
    cells: Cells, metric: str, *families: Mapping[str, Comparison]
) -> tuple[dict[str, BootstrapInterval], ...]:
    """Return intervals over seeds and images of the differences with two seeds or more.

    Each cell's images are drawn once, with the same draws in all cells, so that the differences
    are paired by image and by seed.

    Args:
        cells: The cells of the task.
        metric: The metric of ``compared``.
        families: Differences over seeds, by rung; the intervals of a family hold together.

    Returns:
        The intervals of each family, by rung.
    """
    drawn: dict[tuple[str, int], _Drawn | None] = {}

    def draw(rung: str, seed: int) -> _Drawn | None:
        if (rung, seed) not in drawn:
            drawn[rung, seed] = _draw(_of_cell(cells[rung, seed], metric))
        return drawn[rung, seed]

    def interval(comparison: Comparison) -> BootstrapInterval | None:
        ours = [draw(comparison.rung, seed) for seed in comparison.by_seed]
        theirs = [draw(comparison.reference, seed) for seed in comparison.by_seed]
        mean = _mean_difference(ours, theirs) if comparison.n > 1 else None
        if mean is None:
            return None
        return over_seeds_and_images(comparison, mean.values, metric, len(mean.images))

    return tuple(
        _without_none({rung: interval(each) for rung, each in family.items()})
        for family in families
    )


class _Drawn(NamedTuple):
    """A metric over draws of the images."""

    images: tuple[str, ...]
    values: ndarray  # [R]


def _draw(metric: PerImage | None) -> _Drawn | None:
    try:
        return _Drawn(metric.images, resample(metric, NUM_DRAWS)) if metric else None
    except UserError:  # there are fewer than two images
        return None


def _mean_difference(ours: list[_Drawn | None], theirs: list[_Drawn | None]) -> _Drawn | None:
    """Return the mean difference over seeds; None if a cell has no draws, or other images."""
    pairs = [(own, other) for own, other in zip(ours, theirs, strict=True) if own and other]
    images = {each.images for pair in pairs for each in pair}
    if len(pairs) < len(ours) or len(images) > 1:
        return None
    differences = [own.values - other.values for own, other in pairs]
    return _Drawn(images.pop(), np.mean(differences, axis=0))


def _without_none(found: Mapping[Key, BootstrapInterval | None]) -> dict[Key, BootstrapInterval]:
    return {key: interval for key, interval in found.items() if interval is not None}


def _difference(rung: PerImage | None, reference: PerImage | None) -> PerImage | None:
    try:
        return difference(rung, reference) if rung and reference else None
    except UserError:  # the test images differ
        return None


def _bootstrap(metric: PerImage | None, num_resamples: int) -> BootstrapInterval | None:
    try:
        return bootstrap(metric, num_resamples) if metric else None
    except UserError:  # there are fewer than two images, or they have no objects or labels
        return None


def _of_cell(cell: CellResult, metric: str) -> PerImage | None:
    """Return a cell's metric from ``per_image.npz``; None if it differs from ``metrics.json``."""
    arrays = read_per_image(cell)
    try:
        per_image = _per_image(arrays, metric)
        value = float(per_image.compute(np.ones((1, len(per_image.images)), dtype=np.int64))[0])
    except (KeyError, IndexError, ValueError):  # UserError is a ValueError
        return None
    measured = cell.metric(metric)
    is_same = measured is not None and abs(value - measured) <= SAME_POINTS
    return per_image if is_same else None


def _per_image(arrays: Mapping[str, Any], metric: str) -> PerImage:
    images = [str(name) for name in arrays["image_ids"]]
    if "confusion" in arrays:
        return segmentation_metric(metric, images, count_confusions(arrays["confusion"]))
    order = np.argsort(arrays["image"], kind="stable")
    matched, ignored = (np.atleast_2d(arrays[name]).astype(bool) for name in ("matched", "ignored"))
    outcomes = np.select([ignored, matched], [NEITHER, HIT], MISS)  # [IoUs D]
    matches = [
        BoxMatches(
            image=arrays["image"][order],
            score=arrays["score"][order],
            label=arrays["label"][order],
            outcome=outcome[order],
            num_true=arrays["num_gt"],
        )
        for outcome in outcomes
    ]
    return detection_metric(metric, images, matches)
