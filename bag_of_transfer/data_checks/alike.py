"""Find the same picture, or nearly the same, in two splits, in two classes, or twice."""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

from bag_of_transfer.data_checks.kinds import Finding, found
from bag_of_transfer.data_checks.likeness import NUM_SIGNS, nearest
from bag_of_transfer.data_checks.look import BLANK, Look
from bag_of_transfer.data_checks.splits import Split

__all__ = ["nearly_alike", "same_pictures"]


class Picture(NamedTuple):
    """A picture of a split that shows something."""

    path: Path
    look: Look
    truth: Hashable
    label: int | None


def same_pictures(splits: Sequence[Split], looks: Mapping[Path, Look]) -> Iterator[Finding]:
    """Yield what is wrong with pictures whose pixels are the same.

    Args:
        splits: All splits of a config.
        looks: What images and masks show; images without a look are passed over.
    """
    pictures = _by_split(splits, looks)
    for split in splits:
        yield from _within(split, _grouped(pictures[split.name]))
    known = all(example.path in looks for split in splits for example in split.examples)
    for one, other in combinations(pictures, 2):
        yield from _between(one, pictures[one], other, pictures[other], known)


def nearly_alike(splits: Sequence[Split], looks: Mapping[Path, Look]) -> Iterator[Finding]:
    """Yield pairs of pictures that are nearly the same, for each picture the nearest.

    Pictures with the same pixels do not count again.
    """
    pictures = {
        name: [same[0] for same in _grouped(each).values()]
        for name, each in _by_split(splits, looks).items()
    }
    train = pictures.pop("train", [])
    classes = {split.name: split.classes for split in splits}
    known = {picture.look.pixels for picture in train}
    for picture, other, count in _pairs(train, None):
        yield _near_in_training(picture, other, count, classes["train"])
    for name, judged in pictures.items():
        new = [picture for picture in judged if picture.look.pixels not in known]
        for picture, other, count in _pairs(new, train):
            detail = f"nearly the same as {other.path} of train ({_how_near(count)})"
            yield found("nearly-shared", name, picture.path, detail)


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


def _grouped(pictures: Iterable[Picture]) -> dict[str, list[Picture]]:
    groups: dict[str, list[Picture]] = {}
    for picture in pictures:
        groups.setdefault(picture.look.pixels, []).append(picture)
    return groups


def _within(split: Split, groups: Mapping[str, Sequence[Picture]]) -> Iterator[Finding]:
    for first, *more in groups.values():
        for other in more:
            same = f"the same picture as {first.path}"
            if other.truth == first.truth:
                yield found("twice", split.name, other.path, same)
            elif other.label is None or first.label is None:
                yield found("two-truths", split.name, other.path, f"{same}, annotated otherwise")
            else:
                ours, theirs = split.classes[other.label], split.classes[first.label]
                detail = f"{same}, which is in class {theirs}; this one is in {ours}"
                yield found("two-classes", split.name, other.path, detail)


def _between(
    one: str, ours: Sequence[Picture], other: str, theirs: Sequence[Picture], all_known: bool
) -> Iterator[Finding]:
    groups = _grouped(ours)
    shared = [picture for picture in theirs if picture.look.pixels in groups]
    if not shared:
        return
    first = f"first {shared[0].path}, as {_described(groups, shared[0])}"
    if one == "train" and all_known and len(shared) == len(theirs):
        equal = len({picture.look.pixels for picture in shared}) == len(groups)
        kind = "equal-splits" if equal else "split-in-training"
        what = "the same pictures as" if equal else "all among those of"
        detail = f"its {len(theirs)} pictures are {what} {one}, {first}"
        yield found(kind, other, f"{other}_dataloader", detail)
        return
    kind = "shared-picture" if one == "train" else "shared-by-val-and-test"
    for picture in shared:
        detail = f"in {one} too, as {_described(groups, picture)}"
        yield found(kind, other, picture.path, detail)


def _described(groups: Mapping[str, Sequence[Picture]], picture: Picture) -> str:
    twin = groups[picture.look.pixels][0]
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
        return found("nearly-twice", "train", picture.path, near)
    detail = f"{near}, which is in class {classes[other.label]}; this one is in "
    return found("nearly-two-classes", "train", picture.path, detail + classes[picture.label])


def _how_near(count: int) -> str:
    return f"{count} of {NUM_SIGNS} signs differ"
