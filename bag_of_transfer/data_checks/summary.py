"""What splits hold and share, in three views: as plain data, as tables, as lines at a start."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from bag_of_transfer.data_checks.alike import Shared
from bag_of_transfer.data_checks.counts import Counts
from bag_of_transfer.data_checks.splits import PRETRAINING
from bag_of_transfer.engine.quantities import amount, counted, few

__all__ = [
    "Grid",
    "class_grid",
    "counts_as_json",
    "never_seen_lines",
    "shared_as_json",
    "short_lines",
    "split_grid",
]

MOST_CLASSES = 30  # rows; --json has all
NUM_NAMED = 10  # classes in a line
NOUNS = {"boxes": "without a box", "masks": "without a labelled pixel"}


class Grid(NamedTuple):
    """A table of texts: the heads of its columns, and its rows, each with its name first."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left_out: int = 0


def counts_as_json(counts: Counts) -> dict[str, Any]:
    """Return what a split holds as plain data."""
    sizes, boxes = counts.sizes, counts.boxes_per_image
    return {
        **counts._asdict(),
        "classes": [each._asdict() for each in counts.classes],
        "sizes": None if sizes is None else sizes._asdict(),
        "boxes_per_image": None if boxes is None else boxes._asdict(),
        "never_seen": list(counts.never_seen),
    }


def shared_as_json(shared: Shared) -> dict[str, Any]:
    """Return how many pictures two splits share."""
    names = {"splits": [shared.one, shared.other]}
    return {**names, "same": len(shared.same), "nearly": len(shared.nearly)}


def split_grid(counts: Sequence[Counts], shared: Sequence[Shared]) -> Grid:
    """Return a column for each split, and a row for what is known of any of them."""
    facts = {each.split: dict([*_facts(each), *_sharing(each, shared)]) for each in counts}
    names = dict.fromkeys(name for known in facts.values() for name in known)
    rows = [(name, *(known.get(name, "-") for known in facts.values())) for name in names]
    return Grid("splits", ("", *facts), tuple(rows))


def class_grid(counts: Sequence[Counts], most: int = MOST_CLASSES) -> Grid:
    """Return a row for each class, those of which the first split has most first.

    Of more than ``most`` classes, those in the middle are left out.
    """
    labelled = [each for each in counts if each.truth and each.split != PRETRAINING]
    columns = [column for each in labelled for column in _columns(each)]
    ordered = sorted(labelled[0].classes, key=lambda each: -each.amount) if labelled else []
    rows = [(each.name, *(texts.get(each.name, "-") for _, texts in columns)) for each in ordered]
    half = most // 2
    shown = rows if len(rows) <= most else [*rows[:half], *rows[-half:]]
    heads = ("class", *(head for head, _ in columns))
    return Grid("classes", heads, tuple(shown), len(rows) - len(shown))


def never_seen_lines(counts: Sequence[Counts]) -> list[str]:
    """Return a line for each split that lacks classes."""
    return [
        f"{each.split}: {len(each.never_seen)} of {len(each.classes)} classes never seen: "
        + few(each.never_seen, NUM_NAMED)
        for each in counts
        if each.never_seen
    ]


def short_lines(counts: Sequence[Counts], shared: Sequence[Shared]) -> list[str]:
    """Return a line for each split, and one for pictures that are known to be shared."""
    lines = [f"{each.split}: {', '.join(_in_short(each))}" for each in counts]
    pairs = [f"{len(p.same):,} of {p.other} are in {p.one}" for p in shared if p.same]
    return [*lines, f"shared images: {', '.join(pairs)}"] if pairs else lines


def _facts(counts: Counts) -> Iterator[tuple[str, str]]:
    yield "images", f"{counts.images:,}"
    if counts.left_out:
        yield "left out by filter_cfg", f"{counts.left_out:,}"
    if counts.truth:
        seen = len(counts.classes) - len(counts.never_seen)
        yield "classes seen", f"{seen} of {len(counts.classes)}"
    if counts.truth == "boxes":
        yield "objects", f"{sum(each.objects for each in counts.classes):,}"
        yield "ignored (difficult, crowd)", f"{sum(each.ignored for each in counts.classes):,}"
    if counts.truth in NOUNS:
        yield f"images {NOUNS[counts.truth]}", f"{counts.empty:,}"
    if counts.boxes_per_image:
        yield (
            "boxes per image (least / median / most)",
            "{:g} / {:g} / {:g}".format(*counts.boxes_per_image),
        )
    if counts.sizes:
        yield "smallest image", "{} x {} px".format(*counts.sizes.smallest)
        yield "image of median area", "{} x {} px".format(*counts.sizes.median)
        yield "largest image", "{} x {} px".format(*counts.sizes.largest)
        yield "different sizes", f"{counts.sizes.num_distinct:,}"


def _sharing(counts: Counts, shared: Sequence[Shared]) -> Iterator[tuple[str, str]]:
    for pair in shared:
        if pair.other == counts.split:
            yield f"the same in {pair.one}", f"{len(pair.same):,}"
            yield f"nearly the same in {pair.one}", f"{len(pair.nearly):,}"


def _columns(counts: Counts) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the columns of a split: their head, and a text for each class."""
    classes = counts.classes
    if counts.truth == "masks":
        total = sum(each.pixels for each in classes)
        yield f"{counts.split}\npixels", {each.name: amount(each.pixels) for each in classes}
        shares = {each.name: 100 * each.pixels / max(1, total) for each in classes}
        yield "\n%", {name: f"{share:.3g}" for name, share in shares.items()}
    elif counts.truth == "boxes":
        yield f"{counts.split}\nobjects", {each.name: f"{each.objects:,}" for each in classes}
        if any(each.ignored for each in classes):
            yield "\nignored", {each.name: f"{each.ignored:,}" for each in classes}
    head = f"{counts.split if counts.truth == 'classes' else ''}\nimages"
    yield head, {each.name: f"{each.images:,}" for each in classes}


def _in_short(counts: Counts) -> Iterator[str]:
    yield counted(counts.images, "image")
    yield counted(len(counts.classes), "class", "classes")
    if counts.truth == "boxes":
        ignored = sum(each.ignored for each in counts.classes)
        objects = counted(sum(each.objects for each in counts.classes), "object")
        yield f"{objects} and {ignored:,} difficult or crowd" if ignored else objects
    if counts.empty:
        yield f"{counted(counts.empty, 'image')} {NOUNS[counts.truth]}"
    if counts.never_seen:
        yield f"{len(counts.never_seen)} never seen ({few(counts.never_seen, NUM_NAMED)})"
