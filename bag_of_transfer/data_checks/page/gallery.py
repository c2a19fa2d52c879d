"""Choose the pictures of the page: those with findings, odd boxes and masks, and samples."""

import hashlib
import heapq
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from bag_of_transfer.data_checks.check import Report
from bag_of_transfer.data_checks.kinds import ERROR, WARNING, Finding
from bag_of_transfer.data_checks.labels import boxes_at
from bag_of_transfer.data_checks.page.drawn import drawn
from bag_of_transfer.data_checks.splits import PRETRAINING, Box, Example, Split
from bag_of_transfer.engine.data.file_names import storable
from bag_of_transfer.engine.quantities import counted

__all__ = ["MAX_BYTES", "Gallery", "Shot", "galleries"]

MAX_BYTES = 4_000_000  # of all pictures; then the page says that others are left out
PER_KIND = 8  # findings of a kind
EXTREMES = 6
SAMPLES = {"train": 12, "val": 6, "test": 6}


class Shot(NamedTuple):
    """A picture on the page: its data URI, None where there is none, and what stands below it."""

    uri: str | None
    name: str
    note: str = ""


class Gallery(NamedTuple):
    """Pictures below one heading; each is one shot, or two to compare."""

    title: str
    remark: str
    shots: tuple[tuple[Shot, ...], ...]


class View(NamedTuple):
    """What is to be drawn of an image."""

    split: Split
    example: Example
    note: str
    boxes: tuple[Box, ...] | None = None
    close: bool = False


Plan = tuple[str, str, list[list[View]]]  # title, remark, pictures


def galleries(report: Report, seed: int) -> tuple[list[Gallery], list[Gallery], int]:
    """Return what is suspicious, then samples, and how many pictures have no room.

    Args:
        report: What was found.
        seed: Chooses the samples.
    """
    spent = left_out = 0

    def shot(view: View) -> Shot:
        nonlocal spent, left_out
        name = storable(view.example.path)
        if spent >= MAX_BYTES:
            left_out += 1
            return Shot(None, name, view.note)
        uri = drawn(view.example, view.split.classes, view.boxes, view.close)
        spent += len(uri or "")
        return Shot(uri, name, view.note)

    def filled(plans: Iterable[Plan]) -> list[Gallery]:
        return [
            Gallery(title, remark, tuple(tuple(map(shot, views)) for views in pictures))
            for title, remark, pictures in plans
            if pictures
        ]

    own = [split for split in report.splits if split.name != PRETRAINING]
    odd = [*_found(report), *_odd_boxes(own), *_small_regions(own, report)]
    suspicious, samples = filled(odd), filled(_samples(own, report, seed))
    return suspicious, samples, left_out


def _found(report: Report) -> Iterator[Plan]:
    """Plan the pictures that findings name, errors first."""
    places, own = {}, {}
    for split in reversed(report.splits):  # a file of two splits counts as the first one's
        for example in split.examples:
            for path in filter(None, (example.mask, example.annotation, example.path)):
                places[storable(path)] = own[split.name, storable(path)] = split, example
    groups: dict[tuple[str, str], list[Finding]] = {}
    for severity in (ERROR, WARNING):
        for finding in report.findings:
            if finding.severity == severity and finding.file in places:
                groups.setdefault((severity, finding.kind), []).append(finding)
    for (severity, kind), group in groups.items():
        pictures = []
        for finding in group[:PER_KIND]:
            split, example = own.get((finding.split, finding.file), places[finding.file])
            boxes = boxes_at(example, finding.place)
            note = f"{finding.split}: {finding.detail}"
            views = [View(split, example, note, boxes, close=boxes is not None)]
            if finding.other in places and finding.other != finding.file:
                views.append(View(*places[finding.other], "the other picture"))
            pictures.append(views)
        rest = f"the first {PER_KIND} of {len(group)}" if len(group) > PER_KIND else ""
        yield f"{severity}: {kind}", rest, pictures


def _odd_boxes(splits: Sequence[Split]) -> Iterator[Plan]:
    """Plan the smallest boxes and the largest."""
    number = sum(len(example.boxes or ()) for split in splits for example in split.examples)
    remark = f"of {number:,} in {', '.join(split.name for split in splits)}, by their area"
    for title, choose in (("Smallest", heapq.nsmallest), ("Largest", heapq.nlargest)):
        chosen = choose(EXTREMES, _boxes(splits), key=lambda each: _area(each[2]))
        pictures = [
            [View(split, example, _sides(split, box), (box,), close=title == "Smallest")]
            for split, example, box in chosen
        ]
        yield f"{title} boxes", remark, pictures


def _boxes(splits: Sequence[Split]) -> Iterator[tuple[Split, Example, Box]]:
    for split in splits:
        for example in split.examples:
            yield from ((split, example, box) for box in example.boxes or () if not box.is_ignored)


def _area(box: Box) -> float:
    x1, y1, x2, y2 = box.xyxy
    return (x2 - x1) * (y2 - y1)


def _sides(split: Split, box: Box) -> str:
    x1, y1, x2, y2 = box.xyxy
    return f"{split.name}: {split.classes[box.label]}, {x2 - x1:.4g} x {y2 - y1:.4g} px"


def _small_regions(splits: Sequence[Split], report: Report) -> Iterator[Plan]:
    """Plan the masks in which a class has the fewest pixels: slips of the brush?"""
    regions = heapq.nsmallest(EXTREMES, _regions(splits, report), key=lambda each: each[0])
    pictures = [
        [View(split, example, f"{split.name}: {name}, {count:,} px")]
        for count, split, example, name in regions
    ]
    yield "Fewest pixels of a class in a mask", "slips of the brush?", pictures


def _regions(splits: Sequence[Split], report: Report) -> Iterator[tuple[int, Split, Example, str]]:
    for split in splits:
        for example in split.examples:
            look = None if example.mask is None else report.looks.get(example.mask)
            if look and look.counts:
                pairs = zip(example.labels(look.values), look.counts, strict=True)
                names = split.classes
                yield from ((n, split, example, names[at]) for at, n in pairs if at < len(names))


def _samples(splits: Sequence[Split], report: Report, seed: int) -> Iterator[Plan]:
    """Plan samples of each split: drawn by the seed, each with a class not yet shown, if any."""
    for split in splits:
        number = SAMPLES.get(split.name, 0)
        ordered = sorted(split.examples, key=lambda each: _draw(each, seed))
        fresh: list[Example] = []
        known: list[Example] = []
        seen: set[int] = set()
        for example in ordered:
            labels = {*_labels(example, report)}
            (known if labels <= seen else fresh).append(example)
            seen |= labels
        chosen = [*fresh, *known][:number]
        pictures = [[View(split, example, _truth(split, example))] for example in chosen]
        remark = f"{len(chosen)} of {len(ordered):,}, drawn by the seed {seed}"
        yield split.name, remark, pictures


def _draw(example: Example, seed: int) -> bytes:
    return hashlib.sha256(f"{seed} {example.path.name!r}".encode()).digest()


def _labels(example: Example, report: Report) -> Iterator[int]:
    if example.mask is not None:
        look = report.looks.get(example.mask)
        yield from example.labels(look.values) if look else ()
    if example.label is not None:
        yield example.label
    yield from (box.label for box in example.boxes or ())


def _truth(split: Split, example: Example) -> str:
    if example.label is not None:
        return split.classes[example.label]
    if example.boxes is None:
        return ""
    return counted(len(example.boxes), "box", "boxes")
