"""The findings of a ladder, per task and metric: computed once for tables, plots and page."""

from collections.abc import Mapping
from dataclasses import dataclass

from bag_of_transfer.engine.numbers import is_finite_number
from bag_of_transfer.ladder.folder import PRETRAINING, SeedKind
from bag_of_transfer.ladder.metrics import TOP1, metric_of
from bag_of_transfer.ladder.report.cell_files import read_card
from bag_of_transfer.ladder.report.image_intervals import Pair, over_both, over_images
from bag_of_transfer.ladder.report.planned import TaskResults
from bag_of_transfer.ladder.report.results import LadderResults
from bag_of_transfer.ladder.report.steps import neighbours
from bag_of_transfer.ladder.statistics.correlation import RankCorrelation, rank_correlation
from bag_of_transfer.ladder.statistics.over_images import BootstrapInterval
from bag_of_transfer.ladder.statistics.over_seeds import (
    Comparison,
    Spread,
    compare,
    compare_pairs,
    spreads,
)

__all__ = [
    "Finding",
    "Top1",
    "compare_rungs",
    "compare_steps",
    "compare_top1",
    "find",
    "find_top1",
    "seed_kinds",
]


@dataclass(frozen=True)
class Finding:
    """One metric of one task over all rungs, in percent; differences in percent points.

    ``comparisons`` are each rung's to the reference, ``steps`` to the rung that it is compared with
    (none if that is the reference for all).

    ``images`` and ``image_differences`` are intervals over test images for rungs with a single
    seed, ``both`` and ``both_of_steps`` intervals over seeds and test images for differences with
    more seeds, if ``per_image.npz`` is there to compute the metric again.  All are of this metric:
    one that has no such intervals, as ``mAP_voc07``, stands beside another that has.
    """

    task: TaskResults
    metric: str
    spreads: Mapping[str, Spread]
    comparisons: Mapping[str, Comparison]
    steps: Mapping[str, Comparison]
    images: Mapping[str, BootstrapInterval]
    image_differences: Mapping[Pair, BootstrapInterval]
    both: Mapping[str, BootstrapInterval]
    both_of_steps: Mapping[str, BootstrapInterval]
    correlation: RankCorrelation | None


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
        if not values[cell.rung] and is_finite_number(value):
            on_cards.setdefault(cell.rung, {})[cell.seed] = float(value)
    return Top1({each.rung: each for each in spreads(values, seed_kinds(ladder))}, on_cards)


def find(ladder: LadderResults, num_resamples: int = 1000) -> list[Finding]:
    """Return the finding of every task and metric, in the ladder's order."""
    top1 = find_top1(ladder).comparable
    findings: list[Finding] = []
    for task in ladder.tasks.values():
        for metric in task.metrics:
            own = _finding(ladder, task, metric, top1, num_resamples)
            instead = metric_of(metric).interval_of
            other = instead and _finding(ladder, task, instead, top1, num_resamples)
            if not other:
                findings.append(own)
            elif other.images or other.image_differences:  # with one seed it alone has intervals
                findings += [other, own]
            else:
                findings += [own, other] if other.both else [own]
    return findings


def _finding(
    ladder: LadderResults,
    task: TaskResults,
    metric: str,
    top1: Mapping[str, float],
    num_resamples: int,
) -> Finding:
    by_rung = {
        each.rung: each for each in spreads(ladder.values(task.name, metric), seed_kinds(ladder))
    }
    compared = compare_rungs(ladder, task.name, metric)
    steps = compare_steps(ladder, task.name, metric)
    cells = {(cell.rung, cell.seed): cell for cell in ladder.cells_of(task=task.name)}
    images: Mapping[str, BootstrapInterval] = {}
    paired: Mapping[Pair, BootstrapInterval] = {}
    both: Mapping[str, BootstrapInterval] = {}
    of_steps: Mapping[str, BootstrapInterval] = {}
    if not metric_of(metric).interval_of:
        pairs = {each.pair: each for each in (*compared.values(), *steps.values())}.values()
        images, paired = over_images(cells, metric, by_rung, pairs, num_resamples)
        both, of_steps = over_both(cells, metric, compared, steps)
    correlation = rank_correlation(top1, {rung: each.mean for rung, each in by_rung.items()})
    found = (images, paired, both, of_steps, correlation)
    return Finding(task, metric, by_rung, compared, steps, *found)


def compare_rungs(ladder: LadderResults, task: str, metric: str) -> dict[str, Comparison]:
    """Return every rung's difference to the reference, by rung."""
    values = ladder.values(task, metric)
    compared = compare(values, ladder.reference, seed_kinds(ladder), ladder.margin(metric))
    return {each.rung: each for each in compared}


def compare_steps(ladder: LadderResults, task: str, metric: str) -> dict[str, Comparison]:
    """Return every rung's difference to the one that it is compared with, by rung.

    There are none if that is the reference for all of them.
    """
    pairs = [(after, before) for before, after in neighbours(ladder)]
    if all(before == ladder.reference for _, before in pairs):
        return {}
    values = ladder.values(task, metric)
    compared = compare_pairs(values, pairs, seed_kinds(ladder), ladder.margin(metric))
    return {each.rung: each for each in compared}


def compare_top1(ladder: LadderResults, top1: Top1) -> Finding | None:
    """Return the differences in top-1; None if no two rungs that are compared have a top-1."""
    compared, steps = (
        {rung: each for rung, each in differences(ladder, PRETRAINING, TOP1).items() if each.n}
        for differences in (compare_rungs, compare_steps)
    )
    if not compared and not steps:
        return None
    task = TaskResults(PRETRAINING, "cls", "", (TOP1,))
    return Finding(task, TOP1, top1.measured, compared, steps, {}, {}, {}, {}, None)
