"""Two parts of a data set, one held out and one to train on, drawn from a seed and file names.

No image file is in both, however often wrappers repeat it and data sets list it, and neither are
two changed copies of a picture that Roboflow has named after it.  The draw is the same on every
machine: pictures are ordered by a hash of seed and name, and names begin in the innermost folder
that has all images of their data set.
"""

import hashlib
import os
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any, NamedTuple

from mmengine.registry import DATASETS

from bag_of_transfer.engine.config_nodes import leaves_of
from bag_of_transfer.engine.data.data_sets import built, check_parts, data_mistakes
from bag_of_transfer.engine.data.file_names import composed, original_of
from bag_of_transfer.engine.errors import UserError

__all__ = ["HELD_OUT", "Picture", "draw", "held_out_part", "remaining_part"]

HELD_OUT = "held_out"  # the config's key, and the split's name in records


class Picture(NamedTuple):
    """An image of a data set.

    Args:
        file: What tells its file from others, whatever path leads there.
        name: Its path in the data set's folder.
        label: The class of the whole image; None where images have no class.
        num_boxes: Its boxes that count; None where images have no boxes.
    """

    file: Hashable
    name: str
    label: int | None
    num_boxes: int | None


def draw(pictures: Iterable[Picture], fraction: float, seed: int) -> set[Hashable]:
    """Draw the files that are held out: the fraction of all, and as nearly as it goes of a class.

    A file remains of every class, and one at least of images without classes.  Copies of a picture
    stay together.

    Args:
        pictures: All images; a file may be among them several times.
        fraction: Of the files, between 0 and 1.
        seed: Any whole number.

    Raises:
        UserError: If nothing is drawn.
    """
    known: dict[Hashable, Picture] = {}
    for picture in pictures:
        known.setdefault(picture.file, picture)
    ordered = sorted(known.values(), key=lambda picture: _place(picture, seed))
    drawn: set[Hashable] = set()
    before = 0
    for _, same_class in groupby(ordered, key=lambda picture: picture.label):
        group = list(same_class)
        after = before + len(group)
        # The rounded sums, so that the rounding errors of the classes do not add up.
        count = int(fraction * after + 0.5) - int(fraction * before + 0.5)
        drawn.update(_first_files(group, count))
        before = after
    if not drawn:
        what = f"a fraction of {fraction:g} of {before} images is none"
        raise UserError(what, f"{HELD_OUT}.fraction", "give a larger one, or more images")
    return drawn


def _first_files(ordered: Iterable[Picture], count: int) -> list[Hashable]:
    """Return ``count`` files or a few more, as copies of a picture stay together, but not all."""
    pictures = [[one.file for one in same] for _, same in groupby(ordered, key=_original)]
    files: list[Hashable] = []
    for copies in pictures[:-1]:
        files += copies if len(files) < count else []
    return files


def _original(picture: Picture) -> str:
    return original_of(composed(picture.name))


def _place(picture: Picture, seed: int) -> tuple[int, bytes]:
    text = f"{seed} {_original(picture)}".encode("utf-8", "surrogateescape")
    return -1 if picture.label is None else picture.label, hashlib.sha256(text).digest()


@DATASETS.register_module()
def held_out_part(dataset: Mapping[str, Any], fraction: float, seed: int) -> Any:
    """Build the part of a data set that is held out, each image file once.

    Args:
        dataset: The description of the whole, which may join several data sets.
        fraction: See :func:`draw`.
        seed: See :func:`draw`.

    Raises:
        UserError: If the part has no image, or no box although the data set has boxes, or the
            data set cannot be divided.
    """
    whole = _Whole(dataset)
    drawn, seen = draw(whole.pictures, fraction, seed), set[Hashable]()

    def is_new(file: Hashable) -> bool:
        new = file in drawn and file not in seen
        seen.add(file)
        return new

    return whole.part(is_new, "held-out")


def remaining_part(dataset: Mapping[str, Any], held_out: Mapping[str, Any]) -> Any:
    """Build what remains of the training data for training.

    Args:
        dataset: The description of the whole, in any wrappers.
        held_out: The arguments of :func:`held_out_part`.

    Raises:
        UserError: As by :func:`held_out_part`.
    """
    pictures = _Whole(held_out["dataset"]).pictures
    drawn = draw(pictures, held_out["fraction"], held_out["seed"])
    return _Whole(dataset).part(lambda file: file not in drawn, "training")


class _Whole:
    """The data sets inside a description, built and checked as a whole."""

    def __init__(self, described: Mapping[str, Any]) -> None:
        self._described = described
        self._leaves = list(_built_leaves(described))
        check_parts(self._leaves)
        self._pictures = [list(_pictures_of(leaf)) for leaf in self._leaves]

    @property
    def pictures(self) -> list[Picture]:
        return [picture for pictures in self._pictures for picture in pictures]

    def part(self, is_in: Callable[[Hashable], bool], name: str) -> Any:
        """Build the same data set of some images only; it can be used once."""
        boxes: list[int | None] = []
        rest: list[Any] = []
        for leaf, pictures in zip(self._leaves, self._pictures, strict=True):
            indices = [index for index, picture in enumerate(pictures) if is_in(picture.file)]
            boxes += [pictures[index].num_boxes for index in indices]
            if indices:
                leaf.get_subset_(indices)
            leaf.is_part = True  # checks of a whole file do not fit any more
            rest.append(leaf if indices else None)
        described = _assembled(self._described, iter(rest))
        if described is None or (None not in boxes and not any(boxes)):
            what = f"the {name} part of the training images has no {'box' if boxes else 'image'}"
            raise UserError(what, HELD_OUT, "give another fraction or seed, or more images")
        with data_mistakes(self._described):
            return built(described)


def _built_leaves(described: Mapping[str, Any]) -> Iterator[Any]:
    for _, part in leaves_of(described):
        with data_mistakes(part):
            leaf = built(part)
        if not hasattr(leaf, "get_subset_") or not hasattr(leaf, "get_data_info"):
            what = f"the data set {type(leaf).__name__} cannot be divided"
            raise UserError(
                what, HELD_OUT, "use a data set of this toolkit, mmdet or mmsegmentation"
            )
        yield leaf


def _assembled(described: Mapping[str, Any], leaves: Iterator[Any]) -> dict[str, Any] | None:
    """Return a description of the leaves in their wrappers; None if no image is left."""
    if described.get("datasets"):
        parts = [_assembled(part, leaves) for part in described["datasets"]]
        left = [part for part in parts if part is not None]
        return {**described, "datasets": left} if left else None
    if described.get("dataset"):
        inner = _assembled(described["dataset"], leaves)
        return None if inner is None else {**described, "dataset": inner}
    leaf = next(leaves)
    return None if leaf is None else dict(type=lambda: leaf)


def _pictures_of(leaf: Any) -> Iterator[Picture]:
    facts = []
    for index in range(len(leaf)):
        info = leaf.get_data_info(index)
        boxes = info.get("instances")
        num_boxes = None if boxes is None else sum(not box.get("ignore_flag") for box in boxes)
        facts.append((os.path.abspath(info["img_path"]), info.get("gt_label"), num_boxes))
    folders = {os.path.dirname(path) for path, *_ in facts}
    top = os.path.commonpath(folders) if folders else ""
    for path, label, num_boxes in facts:
        name = path.removeprefix(top).replace(os.sep, "/").lstrip("/")
        yield Picture(_file(path), name, label, num_boxes)


def _file(path: str) -> Hashable:
    """Return what tells a file from others, also where links lead to it."""
    try:
        status = os.stat(path)
    except OSError:  # on another machine
        return path
    return status.st_dev, status.st_ino
