"""The findings of a ladder, per task and metric: computed once for tables, plots and page.

Letters: N images, D detections, K classes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.json_file import is_number
from bag_of_transfer.ladder.folder import PRETRAINING, SeedKind
from bag_of_transfer.ladder.metrics import TOP1, metric_of
from bag_of_transfer.ladder.report.cell_files import read_card, read_per_image
from bag_of_transfer.ladder.report.planned import TaskResults
from bag_of_transfer.ladder.report.results import CellResult, LadderResults
from bag_of_transfer.ladder.statistics.correlation import RankCorrelation, rank_correlation
from bag_of_transfer.ladder.statistics.over_images import (
    BootstrapInterval,
    PerImage,
    bootstrap,
    difference,
)
from bag_of_transfer.ladder.statistics.over_seeds import (
    Comparison,
    Spread,
    compare,
    spreads,
)
from bag_of_transfer.ladder.statistics.resampled_boxes import (
    HIT,
    MISS,
    NEITHER,
    BoxMatches,
    detection_metric,
)
from bag_of_transfer.ladder.statistics.resampled_masks import count_confusions, segmentation_metric

__all__ = ["Finding", "Top1", "find", "find_top1", "seed_kinds"]

# Largest difference, in percent points, between metrics.json, which is rounded to 4 digits, and the
# same metric from per_image.npz; a larger one means that they come from different predictions.
SAME_POINTS = 0.01


@dataclass(frozen=True)
class Finding:
    """One metric of one task over all rungs, in percent; differences in percent points.

    ``images`` and ``image_differences`` are intervals over test images for rungs with a single
    seed, if ``per_image.npz`` is there to compute the metric again.  Each interval names its
    metric: for ``mAP_voc07`` it is ``mAP_area``.
    """

    task: TaskResults
    metric: str
    spreads: Mapping[str, Spread]
    comparisons: Mapping[str, Comparison]
    images: Mapping[str, BootstrapInterval]
    image_differences: Mapping[str, BootstrapInterval]
    correlation: RankCorrelation | None
    num_planned: int  # number of seeds that every rung should have


@dataclass(frozen=True)
class Top1:
    """Top-1 of the rungs' classifiers, in percent.

    ``measured`` comes from this ladder's pretrainings.  ``on_cards`` comes from the cards of
    public files, by seed; it was measured on the data that these files were pretrained on.
    """

    measured: Mapping[str, Spread]
    on_cards: Mapping[str, Mapping[int, float]]

    @property
    def stated(self) -> dict[str, float]:
        """The value on each public file's card, of the last seed if there are several."""
        return {rung: list(by_seed.values())[-1] for rung, by_seed in self.on_cards.items()}

    def by_seed(self, rung: str) -> dict[int, float]:
        """Return a rung's values by seed: the measured ones, or those of its cards if none."""
        return dict(self.measured[rung].by_seed or self.on_cards.get(rung, {}))

    @property
    def comparable(self) -> dict[str, float]:
        """Means on the same data: the measured ones, or those of the cards if none is measured."""
        means = {rung: each.mean for rung, each in self.measured.items() if each.mean is not None}
        return means or self.stated


def seed_kinds(ladder: LadderResults) -> dict[str, SeedKind]:
    """Return each rung's kind of seeds: matched if they repeat the pretraining, too."""
    return {name: rung.seeds for name, rung in ladder.rungs.items()}


def find_top1(ladder: LadderResults) -> Top1:
    """Return the top-1 of the rungs' classifiers."""
    values = ladder.values(PRETRAINING, TOP1)
    on_cards: dict[str, dict[int, float]] = {}
    for cell in ladder.cells_of(task=PRETRAINING):
        value = (read_card(cell).get("metrics") or {}).get(TOP1)
        if not values[cell.rung] and is_number(value):
            on_cards.setdefault(cell.rung, {})[cell.seed] = float(value)
    return Top1({each.rung: each for each in spreads(values, seed_kinds(ladder))}, on_cards)


def find(ladder: LadderResults, num_resamples: int = 1000) -> list[Finding]:
    """Return the finding of every task and metric, in the ladder's order."""
    top1 = find_top1(ladder).comparable
    return [
        _finding(ladder, task, metric, top1, num_resamples)
        for task in ladder.tasks.values()
        for metric in task.metrics
    ]


def _finding(
    ladder: LadderResults,
    task: TaskResults,
    metric: str,
    top1: Mapping[str, float],
    num_resamples: int,
) -> Finding:
    values, kinds = ladder.values(task.name, metric), seed_kinds(ladder)
    by_rung = {each.rung: each for each in spreads(values, kinds)}
    compared = {each.rung: each for each in compare(values, ladder.reference, kinds)}
    images, paired = _over_images(ladder, task, metric, by_rung, compared, num_resamples)
    correlation = rank_correlation(top1, {rung: each.mean for rung, each in by_rung.items()})
    return Finding(task, metric, by_rung, compared, images, paired, correlation, len(ladder.seeds))


def _over_images(
    ladder: LadderResults,
    task: TaskResults,
    metric: str,
    by_rung: Mapping[str, Spread],
    compared: Mapping[str, Comparison],
    num_resamples: int,
) -> tuple[dict[str, BootstrapInterval], dict[str, BootstrapInterval]]:
    """Return the intervals over images of rungs with one seed, and of their differences."""
    cells = {(cell.rung, cell.seed): cell for cell in ladder.cells_of(task=task.name)}
    images, paired = {}, {}
    metric = metric_of(metric).interval_of or metric
    for rung, spread in by_rung.items():
        if spread.n == 1:
            (seed,) = spread.by_seed
            images[rung] = _bootstrap(_of_cell(cells[rung, seed], metric), num_resamples)
    for rung, comparison in compared.items():
        if comparison.n == 1:
            (seed,) = comparison.by_seed
            both = (_of_cell(cells[name, seed], metric) for name in (rung, ladder.reference))
            paired[rung] = _bootstrap(_difference(*both), num_resamples)
    return _without_none(images), _without_none(paired)


def _without_none(by_rung: Mapping[str, BootstrapInterval | None]) -> dict[str, BootstrapInterval]:
    return {rung: interval for rung, interval in by_rung.items() if interval is not None}


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
