"""Count what a split holds: images and their sizes, objects and pixels of each class."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bag_of_transfer.data_checks.look import Look
from bag_of_transfer.data_checks.splits import Example, Split
from bag_of_transfer.engine.data.mask_reader import IGNORED

__all__ = ["ClassCount", "Counts", "Range", "Sizes", "count_split"]


class ClassCount(NamedTuple):
    """What a split holds of a class.

    Args:
        name: The class.
        images: The number of images that show it: by their label, by a box that counts, or by a
            pixel.
        objects: Its boxes that count.
        ignored: Its boxes that do not: difficult, crowds, too small.
        pixels: Its pixels in masks.
    """

    name: str
    images: int = 0
    objects: int = 0
    ignored: int = 0
    pixels: int = 0

    @property
    def amount(self) -> int:
        """How much of it there is: pixels, objects, or images where these have one label."""
        return self.pixels or self.objects or self.images


class Range(NamedTuple):
    """The least, the middle one and the most."""

    least: float
    median: float
    most: float


class Sizes(NamedTuple):
    """Sizes of images as (width, height), by their area, and how many different ones there are."""

    smallest: tuple[int, int]
    median: tuple[int, int]
    largest: tuple[int, int]
    num_distinct: int


class Counts(NamedTuple):
    """What a split holds.

    Args:
        split: Its name.
        truth: What its images have: "classes", "boxes" or "masks"; "" for nothing.
        images: The number of its image files.
        classes: In the order of the labels.
        sizes: Of the images that were looked at; None if none was.
        boxes_per_image: With those that are ignored; None where images have no boxes.
        empty: The number of images without a box, or without a pixel of any class.
        left_out: The number of images that the data set's filter leaves out.
        unknown: The number of masks that were not looked at: their pixels are not counted.
    """

    split: str
    truth: str
    images: int
    classes: tuple[ClassCount, ...]
    sizes: Sizes | None = None
    boxes_per_image: Range | None = None
    empty: int = 0
    left_out: int = 0
    unknown: int = 0

    @property
    def never_seen(self) -> tuple[str, ...]:
        """The classes that no image shows; none while masks are unknown."""
        if not self.truth or self.unknown:
            return ()
        return tuple(each.name for each in self.classes if not each.images)


def count_split(split: Split, looks: Mapping[Path, Look]) -> Counts:
    """Count what a split holds.

    Args:
        split: As it is built.
        looks: What images and masks show; pixels and sizes of others are not counted.
    """
    truth = _truth_of(split.examples)
    images, ignored, objects, pixels = (Counter[int]() for _ in range(4))
    amounts = {"boxes": objects, "masks": pixels}.get(truth, Counter[int]())
    empty = unknown = 0
    for example in split.examples:
        shown = _shown(example, looks)
        if shown is None:
            unknown += 1
            continue
        images.update(shown.keys())
        amounts.update(shown)
        ignored.update(box.label for box in example.boxes or () if box.is_ignored)
        empty += not (example.boxes or shown)
    known = (looks[example.path].size for example in split.examples if example.path in looks)
    return Counts(
        split.name,
        truth,
        len(split.examples),
        tuple(
            ClassCount(name, images[label], objects[label], ignored[label], pixels[label])
            for label, name in enumerate(split.classes)
        ),
        _sizes(known),
        _boxes_per_image(split.examples) if truth == "boxes" else None,
        empty if truth in ("boxes", "masks") else 0,
        sum(getattr(part, "num_left_out", 0) for part in split.parts),
        unknown,
    )


def _truth_of(examples: Sequence[Example]) -> str:
    first = examples[0] if examples else None
    if first is None:
        return ""
    if first.mask is not None:
        return "masks"
    if first.boxes is not None:
        return "boxes"
    return "" if first.label is None else "classes"


def _shown(example: Example, looks: Mapping[Path, Look]) -> Mapping[int, int] | None:
    """Return the number of objects or pixels of each class; None where it is not known."""
    if example.mask is not None:
        look = looks.get(example.mask)
        if look is None or len(look.counts) != len(look.values):
            return None
        pixels: Counter[int] = Counter()
        for label, count in zip(example.labels(look.values), look.counts, strict=True):
            pixels[label] += count
        del pixels[IGNORED]
        return pixels
    if example.boxes is not None:
        return Counter(box.label for box in example.boxes if not box.is_ignored)
    return {} if example.label is None else {example.label: 1}


def _sizes(sizes: Iterable[tuple[int, ...]]) -> Sizes | None:
    known = sorted(((w * h, w, h) for w, h in filter(None, sizes)))
    if not known:
        return None
    smallest, middle, largest = (known[at][1:] for at in (0, len(known) // 2, -1))
    return Sizes(smallest, middle, largest, len({size[1:] for size in known}))


def _boxes_per_image(examples: Sequence[Example]) -> Range:
    numbers = [len(example.boxes or ()) for example in examples]
    return Range(min(numbers), median(numbers), max(numbers))
