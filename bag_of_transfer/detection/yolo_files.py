"""Read the images and labels of a folder in YOLO's layout.

``images/train/a.jpg`` has its boxes in ``labels/train/a.txt``, one per line: the number of the
class, then the centre's x and y, width and height as parts of the image's sides.  An image without
such a file has no object.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from bag_of_transfer.detection.annotations import AnnotatedImage, Box, refuse_missing
from bag_of_transfer.detection.yolo_yaml import YoloData
from bag_of_transfer.engine.data.file_names import FileFinder, composed
from bag_of_transfer.engine.data.image_files import (
    files_below,
    has_image_suffix,
    warn_of_passed_over,
)
from bag_of_transfer.engine.data.image_scan import image_facts
from bag_of_transfer.engine.data.name_list import read_names
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.log_file import warn
from bag_of_transfer.engine.plain_files import read_file
from bag_of_transfer.engine.quantities import counted

__all__ = ["label_folder", "read_labels", "read_yolo"]

IMAGES, LABELS = "images", "labels"
LISTED = ".txt"
# Rounding of single precision and of six decimals; more is a mistake.
ROUNDING = 1e-5
VISIBILITIES = {0, 1, 2}  # of a keypoint, behind its x and y
KEYPOINTS = "export boxes: class, x, y, width and height; detectors here don't learn keypoints"
FORM = "write class, x, y, width and height, the last four as parts of the image's sides"


class _Line(NamedTuple):
    label: int
    corners: tuple[float, float, float, float]  # x1 y1 x2 y2, as parts of the sides
    is_polygon: bool
    may_be_keypoints: bool = False


def read_yolo(data: YoloData, split: str) -> list[AnnotatedImage]:
    """Read the images of a split with their boxes; sizes are those of the files.

    Raises:
        UserError: If a folder, a list or an image is missing, there is no image or no label file at
            all, two images share a label file, or a label file cannot be understood or holds
            keypoints.
    """
    places = data.places(split)
    paths = [path for place in places for path in _images(place, data.folder, split)]
    start = _start(places, paths)
    ids = _ids(paths, start)
    facts = image_facts(paths)
    finder = FileFinder()
    labels = {path: finder.find(*_split(_label_file(path))) for path in paths}
    _tell_missing(labels, places)
    polygons: list[_Line] = []
    images = []
    for path in paths:
        file, size = labels[path], facts[path][1:3]
        lines = () if file is None else tuple(read_labels(file, data.names))
        polygons += [line for line in lines if line.is_polygon]
        boxes = tuple(_box(number, line, data.names, *size) for number, line in enumerate(lines))
        images.append(AnnotatedImage(ids[path], path, file or path, *size, boxes))
    if polygons:
        if all(line.may_be_keypoints for line in polygons):
            what = f"all {counted(len(polygons), 'polygon')} look like a box with keypoints"
            raise UserError(what, places[0], KEYPOINTS)
        warn(f"{places[0]}: {counted(len(polygons), 'polygon')}: the box around each is taken")
    _tell_unused(places, labels)
    return images


def _images(place: Path, folder: Path, split: str) -> Iterator[Path]:
    if place.is_file() and place.suffix.lower() == LISTED:
        yield from _listed(place, folder)
        return
    if not place.is_dir():
        tails = (Path(*place.parts[start:]) for start in range(1, len(place.parts)))
        near = next((tail for tail in tails if (folder / tail).exists()), None)
        mend = f"check data_root, and {split} in data.yaml"
        mend = f"write {split}: {near.as_posix()} into data.yaml" if near else mend
        raise UserError(f"no such folder of images, or list (.txt), of {split}", place, mend)
    files = list(files_below(place))
    warn_of_passed_over((file for file in files if file.suffix != LISTED), place)
    images = [file for file in files if has_image_suffix(file.name)]
    if not images:
        raise UserError("no images", place, "put .jpg, .png, ... files there")
    yield from images


def _listed(listed: Path, folder: Path) -> Iterator[Path]:
    names = read_names(listed, "images", "check the paths in data.yaml")
    finder = FileFinder()
    starts = [listed.parent, folder]
    files = [
        next(filter(None, (finder.find(start, name) for start in starts)), None) for name in names
    ]
    pairs = list(zip(names, files, strict=True))
    missing = [name for name, file in pairs if file is None]
    refuse_missing(missing, "images are", listed, f"paths start at {folder}, or where the list is")
    yield from (file for file in files if file is not None)


def _start(places: Sequence[Path], paths: Sequence[Path]) -> Path:
    """Return the folder that the names of images start at."""
    if len(places) == 1 and places[0].is_dir():
        return places[0]
    return Path(os.path.commonpath([os.path.normpath(path.parent) for path in paths]))


def _ids(paths: Sequence[Path], start: Path) -> dict[Path, str]:
    """Return the name of each image without suffix.

    Raises:
        UserError: If two are the same: they share one label file, or are one image.
    """
    ids: dict[Path, str] = {}
    twins: dict[str, Path] = {}
    for path in paths:
        name = composed(Path(os.path.relpath(path, start)).with_suffix("").as_posix())
        if name in twins:
            what = "an image is listed twice" if path in ids else "two images share one label file"
            raise UserError(what, f"{twins[name]}, {path}", "remove one")
        twins[name] = path
        ids[path] = name
    return ids


def label_folder(folder: Path) -> Path:
    """Return the folder of labels that belongs to a folder of images.

    The last part called ``images`` is ``labels`` there; without such a part it is the same folder.
    """
    parts = list(folder.parts)
    if IMAGES in parts:
        parts[len(parts) - 1 - parts[::-1].index(IMAGES)] = LABELS
    return Path(*parts)


def _label_file(image: Path) -> Path:
    return label_folder(image.parent) / f"{image.stem}{LISTED}"


def _split(path: Path) -> tuple[Path, str]:
    return path.parent, path.name


def _tell_missing(labels: dict[Path, Path | None], places: Sequence[Path]) -> None:
    missing = [path for path, file in labels.items() if file is None]
    if missing and len(missing) == len(labels):
        what = f"none of {len(labels)} images has a label file (first: {_label_file(missing[0])})"
        raise UserError(what, places[0], "put labels/... beside images/..., one .txt per image")
    if missing:
        what = f"{len(missing)} of {len(labels)} images have no label file, so no object"
        warn(f"{places[0]}: {what} (first: {missing[0].name})")


def _tell_unused(places: Sequence[Path], labels: dict[Path, Path | None]) -> None:
    used = set(labels.values())
    for place in places:
        folder = label_folder(place)
        if not place.is_dir() or not folder.is_dir():
            continue
        files = [file for file in files_below(folder) if file.suffix == LISTED]
        # labelImg keeps the names of classes there.
        unused = [file for file in files if file not in used and file.name != "classes.txt"]
        if unused:
            what = counted(len(unused), "label file")
            warn(f"{folder}: {what} without an image, first {unused[0].name}")


def read_labels(path: Path, names: Sequence[str]) -> Iterator[_Line]:
    """Yield the boxes of a label file; of a polygon, the box around it.

    Args:
        path: The file.
        names: The classes.

    Raises:
        UserError: If it is not UTF-8, or a line does not hold the number of a class and numbers
            from 0 to 1, four of a box or six and more of a polygon, but not keypoints; the line
            is named.
    """
    try:
        text = read_file(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError("the label file is not UTF-8 text", path, FORM) from error
    except OSError as error:
        what = f"the label file cannot be read ({error.strerror})"
        raise UserError(what, path, "get permission to read it") from error
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.split()
        if fields:
            yield _read_line(fields, f"{path}:{number}", names)


def _read_line(fields: Sequence[str], where: str, names: Sequence[str]) -> _Line:
    try:
        label, *values = (float(field) for field in fields)
        if any("_" in field for field in fields):  # Python's float reads 1_0 as 10
            raise ValueError(fields)
    except ValueError as error:
        raise UserError("a word is not a number", where, FORM) from error
    if not 0 <= label < len(names) or label != int(label):
        what = f"class {fields[0][:20]}, but there are {len(names)} names"
        raise UserError(what, where, f"classes are numbers from 0 to {len(names) - 1}")
    may_be_keypoints = _may_be_keypoints(values)
    if may_be_keypoints and (len(values) % 2 or 2 in values[6::3]):
        raise UserError(f"{len(fields)} numbers of a box with keypoints", where, KEYPOINTS)
    if len(values) != 4 and (len(values) < 6 or len(values) % 2):
        what = f"{len(fields)} numbers, neither a box (5) nor a polygon (7, 9, ...)"
        raise UserError(what, where, f"{FORM}; a score is no part of a label")
    for field, value in zip(fields[1:], values, strict=True):
        if not -ROUNDING <= value <= 1 + ROUNDING:
            mend = "divide x and width by the image's width, y and height by its height"
            raise UserError(f"{field[:20]} is not from 0 to 1", where, mend)
    inside = [min(max(value, 0.0), 1.0) for value in values]
    if len(inside) > 4:
        xs, ys = inside[::2], inside[1::2]
        corners = (min(xs), min(ys), max(xs), max(ys))
        return _Line(int(label), corners, True, may_be_keypoints)
    x, y, width, height = inside
    corners = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    return _Line(int(label), corners, False)


def _may_be_keypoints(values: Sequence[float]) -> bool:
    """Return whether values may be x, y, width, height, and points with their visibility.

    So may those of a polygon that touches the image's border: only if all of a split's may be,
    they are.
    """
    points, has_area = values[4:], min(values[2:4], default=0) > 0
    return has_area and len(points) % 3 == 0 < len(points) and set(points[2::3]) <= VISIBILITIES


def _box(number: int, line: _Line, names: Sequence[str], width: int, height: int) -> Box:
    x1, y1, x2, y2 = line.corners
    corners = (x1 * width, y1 * height, x2 * width, y2 * height)
    return Box(names[line.label], corners, False, number=number)
