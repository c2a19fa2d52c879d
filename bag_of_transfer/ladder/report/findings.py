"""What a ladder found, task by task and metric by metric: computed once, shown in many ways.

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
from bag_of_transfer.ladder.report.results import CellResult, LadderResults, TaskResults
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

# metrics.json is rounded to 4 digits; a larger gap means two different sets of detections.
SAME_POINTS = 0.01


@dataclass(frozen=True)
class Finding:
    """One metric of one task over all rungs; percent, and percent points for differences.

    ``images`` and ``image_differences`` are for rungs with a single seed: intervals over test
    images, where ``per_image.npz`` lets the metric be computed again.  Each names its metric:
    those beside ``mAP_voc07`` are of ``mAP_area``.
    """

    task: TaskResults
    metric: str
    spreads: Mapping[str, Spread]
    comparisons: Mapping[str, Comparison]
    images: Mapping[str, BootstrapInterval]
    image_differences: Mapping[str, BootstrapInterval]
    correlation: RankCorrelation | None
    num_planned: int  # seeds that every rung should have


@dataclass(frozen=True)
class Top1:
    """Top-1 of the rungs' classifiers in percent.

    ``measured`` is from this ladder's pretrainings; ``on_cards`` is what the cards of public files
    say, by seed, on those files' own data.
    """

    measured: Mapping[str, Spread]
    on_cards: Mapping[str, Mapping[int, float]]

    @property
    def stated(self) -> dict[str, float]:
        """What the newest card of each public file says."""
        return {rung: list(by_seed.values())[-1] for rung, by_seed in self.on_cards.items()}

    def by_seed(self, rung: str) -> dict[int, float]:
        """Return a rung's values by seed: the measured ones, or else its cards'."""
        return dict(self.measured[rung].by_seed or self.on_cards.get(rung, {}))

    @property
    def comparable(self) -> dict[str, float]:
        """Means on one scale: the measured ones, or where there is none the cards'."""
        means = {rung: each.mean for rung, each in self.measured.items() if each.mean is not None}
        return means or self.stated


def seed_kinds(ladder: LadderResults) -> dict[str, SeedKind]:
    """Tell for each rung whether its seeds repeat the pretraining, too (matched) or not."""
    return {name: rung.seeds for name, rung in ladder.rungs.items()}


def find_top1(ladder: LadderResults) -> Top1:
    """Collect the classifiers' top-1."""
    values = ladder.values(PRETRAINING, TOP1)
    on_cards: dict[str, dict[int, float]] = {}
    for cell in ladder.cells_of(task=PRETRAINING):
        value = (read_card(cell).get("metrics") or {}).get(TOP1)
        if not values[cell.rung] and is_number(value):
            on_cards.setdefault(cell.rung, {})[cell.seed] = float(value)
    return Top1({each.rung: each for each in spreads(values, seed_kinds(ladder))}, on_cards)


def find(ladder: LadderResults, num_resamples: int = 1000) -> list[Finding]:
    """Compute every task's metrics over the rungs; tasks and metrics in the ladder's order."""
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
    spread = {each.rung: each for each in spreads(values, kinds)}
    compared = {each.rung: each for each in compare(values, ladder.reference, kinds)}
    own, paired = _over_images(ladder, task, metric, spread, compared, num_resamples)
    means = {rung: each.mean for rung, each in spread.items()}
    found = rank_correlation(top1, means)
    return Finding(task, metric, spread, compared, own, paired, found, len(ladder.seeds))


def _over_images(
    ladder: LadderResults,
    task: TaskResults,
    metric: str,
    spread: Mapping[str, Spread],
    compared: Mapping[str, Comparison],
    num_resamples: int,
) -> tuple[dict[str, BootstrapInterval], dict[str, BootstrapInterval]]:
    cells = {(cell.rung, cell.seed): cell for cell in ladder.cells_of(task=task.name)}
    own, paired = {}, {}
    metric = metric_of(metric).interval_of or metric
    for rung, each in spread.items():
        if each.n == 1:
            (seed,) = each.by_seed
            own[rung] = _bootstrap(_of_cell(cells[rung, seed], metric), num_resamples)
    for rung, each_pair in compared.items():
        if each_pair.n == 1:
            (seed,) = each_pair.by_seed
            both = (_of_cell(cells[name, seed], metric) for name in (rung, ladder.reference))
            paired[rung] = _bootstrap(_difference(*both), num_resamples)
    return _there(own), _there(paired)


def _there(found: Mapping[str, BootstrapInterval | None]) -> dict[str, BootstrapInterval]:
    return {rung: interval for rung, interval in found.items() if interval is not None}


def _difference(rung: PerImage | None, reference: PerImage | None) -> PerImage | None:
    try:
        return difference(rung, reference) if rung and reference else None
    except UserError:  # not the same test images
        return None


def _bootstrap(metric: PerImage | None, num_resamples: int) -> BootstrapInterval | None:
    try:
        return bootstrap(metric, num_resamples) if metric else None
    except UserError:  # fewer than two images, or nothing in them
        return None


def _of_cell(cell: CellResult, metric: str) -> PerImage | None:
    """Make a cell's metric computable again; None where its file does not give its figure."""
    arrays = read_per_image(cell)
    try:
        again = _per_image(arrays, metric)
        value = float(again.compute(np.ones((1, len(again.images)), dtype=np.int64))[0])
    except (KeyError, IndexError, ValueError):  # UserError is a ValueError
        return None
    said = cell.metric(metric)
    return again if said is not None and abs(value - said) <= SAME_POINTS else None


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
