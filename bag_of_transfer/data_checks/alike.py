"""Find the same picture, or nearly the same, in two splits, in two classes, or twice."""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations, product
from pathlib import Path
from typing import NamedTuple

from bag_of_transfer.data_checks.kinds import Finding, found
from bag_of_transfer.data_checks.likeness import NUM_SIGNS, nearest
from bag_of_transfer.data_checks.look import BLANK, Look
from bag_of_transfer.data_checks.splits import LEARNED, Split
from bag_of_transfer.engine.data.file_names import original_of

__all__ = ["Picture", "Shared", "alike_in_training", "leaks", "repeats", "shared_pictures"]


class Picture(NamedTuple):
    """A picture of a split that shows something."""

    path: Path
    look: Look
    truth: Hashable
    label: int | None


class Shared(NamedTuple):
    """What two splits share.

    Args:
        one: A split that is learned from, or else val.
        other: A split that is judged by.
        same: Pictures of ``other`` whose pixels ``one`` has, too, with the first of its pictures.
        nearly: Further pictures of ``other`` with the nearest of ``one``, and the number of signs
            that differ, see :mod:`bag_of_transfer.data_checks.likeness`.
        copies: Further pictures of ``other`` that Roboflow has named after the same picture as one
            of ``one``.
        is_all: Whether ``same`` has all pictures of ``other``.
        is_equal: Whether the splits have the same pictures.
    """

    one: str
    other: str
    same: tuple[tuple[Picture, Picture], ...]
    nearly: tuple[tuple[Picture, Picture, int], ...]
    copies: tuple[tuple[Picture, Picture], ...]
    is_all: bool
    is_equal: bool


def shared_pictures(
    splits: Sequence[Split], looks: Mapping[Path, Look], search: bool = True
) -> list[Shared]:
    """Compare each split that is judged by with those that are learned from, and val with test.

    Args:
        splits: All splits of a config.
        looks: What images and masks show; images without a look are passed over.
        search: Also search pictures that are nearly the same, which takes longer.
    """
    groups = {name: _grouped(each) for name, each in _by_split(splits, looks).items()}
    judged = [name for name in groups if name not in LEARNED]
    learned = [name for name in reversed(LEARNED) if name in groups]
    pairs = [*product(learned, judged), *combinations(judged, 2)]
    complete = {s.name: all(example.path in looks for example in s.examples) for s in splits}
    return [
        _compare(one, groups[one], other, groups[other], search, complete[one] and complete[other])
        for one, other in pairs
    ]


def leaks(shared: Iterable[Shared]) -> Iterator[Finding]:
    """Yield what is wrong with pictures of two splits."""
    for pair in shared:
        if pair.one in LEARNED and pair.is_all and pair.same:
            (picture, twin), number = pair.same[0], len(pair.same)
            kind = "equal-splits" if pair.is_equal else "split-in-training"
            what = "the same pictures as" if pair.is_equal else "all among those of"
            first = f"first {picture.path}, as {_described(picture, twin)}"
            detail = f"its {number} pictures are {what} {pair.one}, {first}"
            yield found(kind, pair.other, f"{pair.other}_dataloader", detail)
        else:
            kind = "shared-picture" if pair.one in LEARNED else "shared-by-val-and-test"
            for picture, twin in pair.same:
                detail = f"in {pair.one} too, as {_described(picture, twin)}"
                yield found(kind, pair.other, picture.path, detail, other=twin.path)
        for picture, near, count in pair.nearly if pair.one in LEARNED else ():
            detail = f"nearly the same as {near.path} of {pair.one} ({_how_near(count)})"
            yield found("nearly-shared", pair.other, picture.path, detail, other=near.path)
        for picture, copy in pair.copies if pair.one in LEARNED else ():
            detail = f"named after the same picture as {copy.path} of {pair.one}, by Roboflow"
            yield found("shared-original", pair.other, picture.path, detail, other=copy.path)


def repeats(splits: Sequence[Split], looks: Mapping[Path, Look]) -> Iterator[Finding]:
    """Yield pictures that are the same as another of their split."""
    pictures = _by_split(splits, looks)
    for split in splits:
        for first, *more in _grouped(pictures[split.name]).values():
            for other in more:
                yield _repeat(split, first, other)


def alike_in_training(splits: Sequence[Split], looks: Mapping[Path, Look]) -> Iterator[Finding]:
    """Yield pairs of training pictures that are nearly the same, for each picture the nearest.

    Pictures with the same pixels do not count again.
    """
    for split in splits:
        if split.name == "train":
            train = _by_split(splits, looks)["train"]
            pictures = [same[0] for same in _grouped(train).values()]
            for picture, other, count in _pairs(pictures, None):
                yield _near_in_training(picture, other, count, split.classes)


def _by_split(splits: Sequence[Split], looks: Mapping[Path, Look]) -> dict[str, list[Picture]]:
    """Return the pictures that show something; a test split of val's files is val's."""
    hashes = {path: look.pixels for path, look in looks.items()}
    files = {split.name: {example.path for example in split.examples} for split in splits}
    names = [name for name in files if name != "test" or files["test"] != files.get("val")]
    return {
        split.name: [
            Picture(example.path, look, example.truth(hashes), example.label)
            for example in (split.examples if split.name in names else ())
            if (look := looks.get(example.path)) and look.pixels and not {*BLANK} & {*look.marks}
        ]
        for split in splits
    }


Groups = Mapping[str, Sequence[Picture]]  # by the hash of their pixels


def _grouped(pictures: Iterable[Picture]) -> dict[str, list[Picture]]:
    groups: dict[str, list[Picture]] = {}
    for picture in pictures:
        groups.setdefault(picture.look.pixels, []).append(picture)
    return groups


def _compare(
    one: str, ours: Groups, other: str, theirs: Groups, search: bool, all_known: bool
) -> Shared:
    same = [(each, ours[key][0]) for key, group in theirs.items() if key in ours for each in group]
    new = [group[0] for key, group in theirs.items() if key not in ours]
    nearly = list(_pairs(new, [group[0] for group in ours.values()])) if search else []
    near = {picture.path for picture, _, _ in nearly}
    copies = _copies([picture for picture in new if picture.path not in near], ours)
    is_all = all_known and not new
    is_equal = is_all and ours.keys() == theirs.keys()
    return Shared(one, other, tuple(same), tuple(nearly), tuple(copies), is_all, is_equal)


def _copies(pictures: Iterable[Picture], others: Groups) -> Iterator[tuple[Picture, Picture]]:
    """Yield pictures whose names say that one of the others is a copy of the same picture."""
    first: dict[tuple[int | None, str], Picture] = {}
    for other in (each for group in others.values() for each in group):
        first.setdefault((other.label, original_of(other.path.name)), other)
    for picture in pictures:
        key = (picture.label, original_of(picture.path.name))
        if key[1] != picture.path.name and key in first:
            yield picture, first[key]


def _repeat(split: Split, first: Picture, other: Picture) -> Finding:
    same = f"the same picture as {first.path}"
    if other.truth == first.truth:
        return found("twice", split.name, other.path, same, other=first.path)
    if other.label is None or first.label is None:
        detail = f"{same}, annotated otherwise"
        return found("two-truths", split.name, other.path, detail, other=first.path)
    ours, theirs = split.classes[other.label], split.classes[first.label]
    detail = f"{same}, which is in class {theirs}; this one is in {ours}"
    return found("two-classes", split.name, other.path, detail, other=first.path)


def _described(picture: Picture, twin: Picture) -> str:
    if twin.path == picture.path:
        return "the same file"
    same_bytes = twin.look.sha256 == picture.look.sha256
    return f"{twin.path} ({'the same bytes' if same_bytes else 'the same pixels, saved otherwise'})"


def _pairs(
    ours: Sequence[Picture], others: Sequence[Picture] | None
) -> Iterator[tuple[Picture, Picture, int]]:
    """Yield our pictures with the nearest of the others (None: of ours), each pair once."""
    likenesses = [bytes.fromhex(picture.look.likeness) for picture in ours]
    among = None if others is None else [bytes.fromhex(each.look.likeness) for each in others]
    near = nearest(likenesses, among)
    for place, match in enumerate(near):
        if match is None:
            continue
        at, count = match
        if others is None:
            back = near[at]
            if place < at and back is not None and back[0] == place:
                continue  # it comes again, from the other side
            yield ours[place], ours[at], count
        else:
            yield ours[place], others[at], count


def _near_in_training(
    picture: Picture, other: Picture, count: int, classes: Sequence[str]
) -> Finding:
    near = f"nearly the same as {other.path} ({_how_near(count)})"
    if picture.label is None or other.label is None or picture.label == other.label:
        return found("nearly-twice", "train", picture.path, near, other=other.path)
    detail = f"{near}, which is in class {classes[other.label]}; this one is in "
    detail += classes[picture.label]
    return found("nearly-two-classes", "train", picture.path, detail, other=other.path)


def _how_near(count: int) -> str:
    return f"{count} of {NUM_SIGNS} signs differ"
