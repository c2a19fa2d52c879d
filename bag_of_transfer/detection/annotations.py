"""What an annotated image is, and the checks that its boxes and class names go through.

Both formats (VOC's XML files, COCO's JSON) are read into ``AnnotatedImage``, so
that a mistake in the data gives the same message for both.
"""

import difflib
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bag_of_transfer.engine.data.image_scan import image_facts, leave_out
from bag_of_transfer.engine.data.name_list import nearest, refuse_variants
from bag_of_transfer.engine.data.object_lines import lines_of_objects, place_of_name
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.log_file import warn
from bag_of_transfer.engine.quantities import counted, few

__all__ = [
    "ALIKE",
    "MISSING_DATA",
    "AnnotatedImage",
    "Box",
    "check_class_names",
    "check_twins",
    "keep_usable_boxes",
    "readable_images",
    "refuse_missing",
    "with_usable_boxes",
]

MISSING_DATA = (
    "check --data-root (or DATA_ROOT), data_root and ann_file; "
    "tools/prepare_data.py puts data in place"
)
# VOC's files count pixels from 1 and some tools count from 0: that is not worth a warning.
TOLERANCE_PX = 1
# A box below one pixel has no logarithm of its width: the loss would be infinite.
MIN_SIDE_PX = 1
# Two names with at least this ratio of difflib may be the same one misspelt ("aeroplan": 0.94).
ALIKE = 0.85
# If such a spelling is this many times rarer, it is a mistake.
RARE = 20
MANY = 10  # boxes that are wrong, and a quarter of all: that is no slip of a hand
ORDERS = (
    "are the numbers what the format means (VOC: two corners; COCO: a corner, width, height; YOLO: "
    "the centre, width, height), and were the boxes drawn on these images?"
)
NUM_NAMED = 10  # of many images, classes or files


class Box(NamedTuple):
    """One annotated object; pixels counted from 0, x to the right, y downwards."""

    class_name: str
    xyxy: tuple[float, float, float, float]
    ignore: bool  # VOC's difficult, COCO's iscrowd: not learned as an object, not counted
    mask: Any = None  # COCO's segmentation, for Mask R-CNN
    area: float | None = None  # the object's, where COCO's file states it; None: the box's
    number: int = -1  # among the objects of its file, from 0, in VOC's and YOLO's format


class AnnotatedImage(NamedTuple):
    """One image with its boxes; ``width`` and ``height`` are 0 where not stated."""

    image_id: int | str
    path: Path
    annotation: Path  # the file to name when something is wrong
    width: int
    height: int
    boxes: tuple[Box, ...]


_Boxes = tuple[AnnotatedImage, list[Box]]  # of an image, those that a warning is about


def check_class_names(
    images: Sequence[AnnotatedImage], classes: Sequence[str], where: object
) -> None:
    """Compare the names in the annotations with the classes to learn, in both directions.

    A class without any box is only worth a warning.

    Raises:
        UserError: If an annotation names a class that is not in ``classes``.
    """
    known = set(classes)
    used: set[str] = set()
    for image in images:
        for box in image.boxes:
            if box.class_name not in known:
                raise _unknown_class(box.class_name, image.annotation, classes)
            used.add(box.class_name)
    unused = [name for name in classes if name not in used]
    if unused:
        warn(
            f"{where}: no box of {len(unused)} of {len(classes)} classes: {few(unused, NUM_NAMED)}"
        )


def _unknown_class(name: str, where: Path, classes: Sequence[str]) -> UserError:
    meant = nearest(name, classes, cutoff=0)
    hint = f"did you mean {meant!r}? " if meant else ""
    return UserError(
        f"unknown class {name!r} in an annotation",
        place_of_name(where, name),
        f"{hint}the classes are {few(list(classes), NUM_NAMED)}",
    )


def check_twins(images: Sequence[AnnotatedImage], mend: str) -> None:
    """Check for names that differ by a letter or two: each typing mistake would become a class.

    Raises:
        UserError: If two differ in case or width only, or one is so much rarer than the other that
            it must be a typing mistake.  If it may be a class, there is only a warning.
    """
    files: dict[str, Path] = {}
    for image in images:
        for box in image.boxes:
            files.setdefault(box.class_name, image.annotation)
    refuse_variants(files)
    counts = Counter(box.class_name for image in images for box in image.boxes)
    by_count = [name for name, _ in counts.most_common()]
    # Compared only where the numbers in them are the same: "limit 30" is not "limit 80" misspelt.
    more_frequent: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name in by_count:
        others = more_frequent[tuple(re.findall(r"\d+", name))]
        alike = difflib.get_close_matches(name, others, n=1, cutoff=ALIKE)
        others.append(name)
        if not alike:
            continue
        pair = f"classes {alike[0]!r} ({counts[alike[0]]} boxes) and {name!r} ({counts[name]})"
        if counts[name] * RARE <= counts[alike[0]]:
            where = place_of_name(files[name], name)
            raise UserError(f"{pair} look like one class, misspelt", where, mend)
        warn(f"{pair} look alike: is one a typing mistake?")


def readable_images(
    images: Sequence[AnnotatedImage], max_unreadable: int, where: object
) -> list[AnnotatedImage]:
    """Leave out images that cannot be decoded and fill in the true sizes of the others.

    Raises:
        UserError: If more than ``max_unreadable`` images cannot be decoded.
    """
    facts = image_facts([image.path for image in images])
    unreadable = {path: fact.error for path, fact in facts.items() if fact.error}
    bad = leave_out(unreadable, len(images), max_unreadable, where)
    sized = [
        image._replace(width=facts[image.path].width, height=facts[image.path].height)
        for image in images
        if image.path not in bad
    ]
    stated = {image.path: (image.width, image.height) for image in images}
    wrong = [
        image.path.name
        for image in sized
        if stated[image.path] not in ((image.width, image.height), (0, 0))
    ]
    if wrong:
        warn(
            f"{where}: {counted(len(wrong), 'image')} of another size than annotated: "
            f"{few(wrong, NUM_NAMED)}; were the boxes drawn on a resized or turned copy?"
        )
    return sized


def keep_usable_boxes(images: Sequence[AnnotatedImage], where: object) -> list[AnnotatedImage]:
    """Clip boxes to their image and leave out those without area, each kind with a warning.

    Training, evaluation and drawing all use the boxes that remain.  Where a side of an image is
    0, its length is not known, and boxes are not clipped there.

    Raises:
        UserError: If all boxes are within a pixel: they are parts of the image's sides.
    """
    corners = [box.xyxy for image in images for box in image.boxes]
    number = len(corners)
    # Where all are 0, they stand for no object.
    if any(map(any, corners)) and all(max(map(abs, xyxy)) <= 1 for xyxy in corners):
        mend = "write pixels: x times the image's width, y times its height"
        raise UserError(f"{counted(number, 'box', 'boxes')}, all from 0 to 1", where, mend)
    clipped: list[_Boxes] = []
    swapped: list[_Boxes] = []
    lost: list[_Boxes] = []
    result = []
    for image in images:
        parts = [_clip(box, image) for box in image.boxes]
        result.append(_with_usable(image, parts))
        pairs = [*zip(image.boxes, parts, strict=True)]
        right = [(box, part) for box, part in pairs if not _is_swapped(box)]
        swapped.append((image, [box for box in image.boxes if _is_swapped(box)]))
        clipped.append((image, [box for box, _ in right if _reaches_out(box, image)]))
        lost.append((image, [box for box, part in right if not _has_area(part)]))
    _warn_of(where, "boxes reach out of {}, clipped", clipped)
    _warn_of(where, "boxes with swapped corners (a negative side) in {}, left out", swapped)
    _warn_of(where, "boxes without area in {}, left out", lost)
    wrong = sum(len(boxes) for _, boxes in (*clipped, *swapped))
    if wrong >= MANY and wrong * 4 >= number:
        what = f"{wrong} of {number} boxes have swapped corners or reach out of their image"
        warn(f"{where}: {what}: {ORDERS}; tools/check_data.py CONFIG --page F.html draws them")
    if empty := sum(not image.boxes for image in result):
        warn(f"{where}: {empty} of {len(result)} images have no box")
    return result


def with_usable_boxes(image: AnnotatedImage) -> AnnotatedImage:
    """Return an image with its boxes clipped to it, those without area left out."""
    return _with_usable(image, [_clip(box, image) for box in image.boxes])


def _with_usable(image: AnnotatedImage, parts: Sequence[Box]) -> AnnotatedImage:
    return image._replace(boxes=tuple(part for part in parts if _has_area(part)))


def _warn_of(where: object, what: str, found: Sequence[_Boxes]) -> None:
    images = [(image, boxes) for image, boxes in found if boxes]
    if images:
        places = [_place(*each) for each in images[:NUM_NAMED]]
        named = few([*places, *images[NUM_NAMED:]], NUM_NAMED)
        warn(f"{where}: {what.format(counted(len(images), 'image'))}: {named}")


def _place(image: AnnotatedImage, boxes: Sequence[Box]) -> str:
    """Return ``a.xml:7,21``, or ``a.jpg (2)`` where boxes have no lines of their own."""
    lines = lines_of_objects(image.annotation, [box.number for box in boxes])
    return (
        f"{image.annotation.name}:{','.join(map(str, lines))}"
        if lines
        else f"{image.path.name} ({len(boxes)})"
    )


def _clip(box: Box, image: AnnotatedImage) -> Box:
    x1, y1, x2, y2 = box.xyxy
    width, height = image.width or x2, image.height or y2
    inside = (max(x1, 0), max(y1, 0), min(x2, width), min(y2, height))
    if inside == box.xyxy or box.area is None:
        return box._replace(xyxy=inside)
    # The part of the object beyond the image does not count.
    area = (inside[2] - inside[0]) * (inside[3] - inside[1])
    return box._replace(xyxy=inside, area=min(box.area, max(area, 0)))


def _reaches_out(box: Box, image: AnnotatedImage) -> bool:
    x1, y1, x2, y2 = box.xyxy
    width, height = image.width or x2, image.height or y2
    return min(x1, y1) < -TOLERANCE_PX or x2 > width + TOLERANCE_PX or y2 > height + TOLERANCE_PX


def _is_swapped(box: Box) -> bool:
    x1, y1, x2, y2 = box.xyxy
    return x2 < x1 or y2 < y1


def _has_area(box: Box) -> bool:
    x1, y1, x2, y2 = box.xyxy
    return x2 - x1 >= MIN_SIDE_PX and y2 - y1 >= MIN_SIDE_PX


def refuse_missing(missing: Sequence[object], what: str, where: object, mend: str) -> None:
    """Check that no file is missing; the error has their number and the first of them.

    Raises:
        UserError: If ``missing`` is not empty.
    """
    if missing:
        raise UserError(f"{what} missing ({len(missing)}, first: {missing[0]})", where, mend)
