"""What a rung changes against the rung that it is compared with: as it states, and besides."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from bag_of_transfer.ladder.folder import PRETRAINING, SCRATCH
from bag_of_transfer.ladder.report.cell_files import changed_settings, read_settings, read_tricks
from bag_of_transfer.ladder.report.compared_settings import compared, is_among, tuned_settings
from bag_of_transfer.ladder.report.results import CellResult, LadderResults
from bag_of_transfer.ladder.report.trick_keys import TRICK_KEYS, changed_tricks

__all__ = ["Change", "Step", "first_pair", "neighbours", "published_gain", "read_steps"]

# What a start from a backbone file sets in the config of the fine-tuning, and scratch does not.
START = (
    *("model.*.norm_eval", "model.*.frozen_stages", "model.*.norm_cfg"),
    *("model.backbone.in_channels", "model.data_preprocessor.mean", "model.data_preprocessor.std"),
)
NETWORK = ("model.backbone", "model.data_preprocessor", "model.*.in_channels")  # a file brings it
PRECISION = "mixed_precision"


@dataclass(frozen=True)
class Change:
    """A key that differs: the runs in which it does, and its values; None where it is absent."""

    runs: tuple[str, ...]
    key: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Step:
    """A rung against the one that it is compared with.

    Args:
        before: The rung that it is compared with.
        after: The rung.
        stated: What it is meant to differ in.
        besides: The keys that differ besides.
        unknown: The runs of which a config is missing.
    """

    before: str
    after: str
    stated: tuple[str, ...]
    besides: tuple[Change, ...]
    unknown: tuple[str, ...]


def neighbours(ladder: LadderResults) -> list[tuple[str, str]]:
    """Return each rung but the first after the rung that it is compared with."""
    return [
        (ladder.rungs[after].compared_with or before, after)
        for before, after in pairwise(ladder.rungs)
    ]


def published_gain(ladder: LadderResults, metric: str, pair: tuple[str, str]) -> float | None:
    """Return the paper's difference of two rungs, in points; None if both are the same row."""
    ours, theirs = (ladder.rungs[rung].published for rung in pair)
    if ours == theirs or metric not in ours or metric not in theirs:
        return None
    return ours[metric] - theirs[metric]


@lru_cache(maxsize=1)  # every document and the footnotes ask for it
def read_steps(ladder: LadderResults) -> tuple[Step, ...]:
    """Return what each rung but the first changes, from the resolved configs of its cells."""
    return tuple(_step(ladder, before, after) for before, after in neighbours(ladder))


def _step(ladder: LadderResults, before: str, after: str) -> Step:
    start, of_start = _start(ladder, before, after)
    tricks = _changed_tricks(ladder, before, after)
    stated = dict.fromkeys([*start, *(trick.replace("_", " ") for trick in tricks)])
    allowed = [*of_start, *(key for trick in tricks for key in TRICK_KEYS[trick])]
    changes: dict[tuple[str, str | None, str | None], list[str]] = {}
    unknown = []
    for run in _runs(ladder, before, after):
        pair = first_pair(ladder, before, after, run)
        if pair is None:
            unknown.append(run)
            continue
        settings = [read_settings(cell.folder) for cell in pair]
        tuned = {
            key: tuned_settings(key, settings[1])
            for each in ladder.tunings
            if each.task == run and {before, after} & {*each.rungs}
            for key in each.keys
        }
        for change in changed_settings(*map(compared, settings)):
            of_tuned = [key for key, names in tuned.items() if is_among(change[0], names)]
            if of_tuned:
                stated |= {f"tuned: {key}": None for key in of_tuned}
            elif not is_among(change[0], (*allowed, *_same_precision(*pair))):
                changes.setdefault(change, []).append(run)
    besides = tuple(Change(tuple(runs), *change) for change, runs in changes.items())
    return Step(before, after, tuple(stated), besides, tuple(unknown))


def _start(ladder: LadderResults, before: str, after: str) -> tuple[list[str], list[str]]:
    """Return in which start and in which keys a rung says that it differs, and what these set."""
    first, second = ladder.rungs[before], ladder.rungs[after]
    stated: list[str] = list(second.states)
    keys: list[str] = list(second.states)
    if (first.kind == SCRATCH) != (second.kind == SCRATCH):
        stated.append("no pretraining" if second.kind == SCRATCH else "pretraining")
        keys += START
    files = [rung for rung in (first, second) if rung.kind in ("file", "model")]
    if files and first.origin != second.origin:
        stated.append(f"weights of {files[-1].label}")
        keys += NETWORK
    if first.teacher != second.teacher and not files:
        stated.append(f"teacher {ladder.label(second.teacher)}" if second.teacher else "no teacher")
        keys.append("model.distillation.teacher")
    return stated, keys


def _runs(ladder: LadderResults, before: str, after: str) -> Iterator[str]:
    if ladder.rungs[before].kind == ladder.rungs[after].kind == "config":
        yield PRETRAINING
    yield from ladder.tasks


def first_pair(
    ladder: LadderResults, before: str, after: str, run: str
) -> tuple[CellResult, CellResult] | None:
    """Return a run's cells of two rungs with configs, of the first seed that both have.

    If they have none in common, the first cell of each; None where a rung has no config.
    """
    first, second = (
        {cell.seed: cell for cell in ladder.cells_of(rung, run) if read_settings(cell.folder)}
        for rung in (before, after)
    )
    if not first or not second:
        return None
    both = [seed for seed in first if seed in second]
    seeds = (both[0], both[0]) if both else (next(iter(first)), next(iter(second)))
    return first[seeds[0]], second[seeds[1]]


def _changed_tricks(ladder: LadderResults, before: str, after: str) -> list[str]:
    """Return the tricks in which two rungs' pretrainings differ, as their evidence says."""
    of_rungs = [map(read_tricks, ladder.cells_of(rung, PRETRAINING)) for rung in (before, after)]
    return changed_tricks(*(next(filter(None, each), {}) for each in of_rungs))


def _same_precision(before: CellResult, after: CellResult) -> tuple[str, ...]:
    """Return the keys of the precision if the evidence of both runs is that it is the same.

    Their values may differ nevertheless: what they ask for depends on the machine.
    """
    entries = [read_tricks(cell).get(PRECISION, {}).get("value") for cell in (before, after)]
    return TRICK_KEYS[PRECISION] if entries[0] and entries[0] == entries[1] else ()
