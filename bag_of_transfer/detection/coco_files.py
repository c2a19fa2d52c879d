"""Read an annotation file in COCO's format (``instances_*.json``).

Required are ``images`` (id, file_name), ``annotations`` (image_id, category_id, bbox as x, y,
width, height counted from 0) and ``categories`` (id, name), see
https://cocodataset.org/#format-data.  Optional are ``width``, ``height``, ``area``, ``iscrowd``,
``ignore`` and ``segmentation``; ``coco_fields.py`` says what each field may hold.  The ids of
annotations mean nothing and are not read.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from bag_of_transfer.detection.annotations import (
    MISSING_DATA,
    AnnotatedImage,
    Box,
    refuse_missing,
)
from bag_of_transfer.detection.coco_fields import Entry, Id, id_order
from bag_of_transfer.engine.data.file_names import FileFinder
from bag_of_transfer.engine.data.garbage import no_collection
from bag_of_transfer.engine.data.name_list import unique_or_refuse
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.json_file import read_json
from bag_of_transfer.engine.log_file import warn
from bag_of_transfer.engine.quantities import counted

__all__ = ["CocoFile", "load_coco"]

NEEDED = {
    "images": {"id", "file_name"},
    "annotations": {"image_id", "category_id", "bbox"},
    "categories": {"id", "name"},
}


@dataclass(frozen=True, eq=False)
class CocoFile:
    """The three lists of a file; an entry is checked when it is read."""

    path: Path
    images: list[dict[str, Any]]
    annotations: list[dict[str, Any]]
    categories: list[dict[str, Any]]

    @cached_property
    def names(self) -> dict[Id, str]:
        """Return the names of the categories by their ids, in the order of the ids.

        Raises:
            UserError: If an id or a name is of the wrong type or occurs twice.
        """
        entries = self._entries("categories")
        pairs = [(entry.identity("id"), entry.text("name")) for entry in entries]
        pairs = _without_groups(pairs, self.categories, self.annotations)
        unique_or_refuse([number for number, _ in pairs], "categories.id", self.path)
        unique_or_refuse([name for _, name in pairs], "categories.name", self.path)
        return dict(sorted(pairs, key=lambda pair: id_order(pair[0])))

    @property
    def category_ids(self) -> dict[str, Id]:
        """Return the ids of the categories by their names."""
        return {name: number for number, name in self.names.items()}

    def read_images(
        self, image_dir: Path | None, drop_unlisted: bool = False
    ) -> list[AnnotatedImage]:
        """Read the images with their boxes, in the order of their ids.

        Args:
            image_dir: Folder of the files that ``file_name`` names, which may lead out of it.
                None: do not look for the files.
            drop_unlisted: Leave out annotations of images that are not listed, with a warning; else
                they are refused.

        Raises:
            UserError: If there is no image, an id is missing or occurs twice, a field is of the
                wrong type, or an image file is missing.
        """
        entries = list(self._entries("images"))
        if not entries:
            raise UserError("the file lists no image", self.path, "list at least one")
        images = sorted(
            ((entry.identity("id"), entry) for entry in entries), key=lambda pair: id_order(pair[0])
        )
        unique_or_refuse([number for number, _ in images], "images.id", self.path)
        names = {number: entry.file_name() for number, entry in images}
        files = _find_files(names, self.path, image_dir)
        repeated = [file.name for file, count in Counter(files.values()).items() if count > 1]
        if repeated:
            what = f"{len(repeated)} image files are listed under several ids"
            warn(f"{self.path}: {what}, first {repeated[0]}")
        with no_collection():
            boxes = self._boxes_by_image(set(files), drop_unlisted)
        return [
            AnnotatedImage(
                number,
                files[number],
                self.path,
                entry.pixels("width"),
                entry.pixels("height"),
                tuple(boxes[number]),
            )
            for number, entry in images
        ]

    def _boxes_by_image(self, image_ids: set[Id], drop_unlisted: bool) -> Mapping[Id, list[Box]]:
        names = self.names
        by_image: dict[Id, list[Box]] = defaultdict(list)
        ignored = flat = unlisted = 0
        for entry in self._entries("annotations"):
            if drop_unlisted and entry.identity("image_id") not in image_ids:
                unlisted += 1
                continue
            image_id, box = _image_of(entry, image_ids), _box(entry, names)
            if entry.flag("ignore"):
                ignored += 1
                continue
            if box.area == 0:
                box, flat = box._replace(area=None), flat + 1
            by_image[image_id].append(box)
        if unlisted:
            what = counted(unlisted, "annotation")
            warn(f"{self.path}: {what} of images that are not listed, left out")
        if ignored:
            what = counted(ignored, "annotation")
            warn(f"{self.path}: {what} marked 'ignore', neither learned nor counted")
        if flat:
            warn(f"{self.path}: {counted(flat, 'annotation')} with an area of 0: the box's is used")
        return by_image

    def _entries(self, part: str) -> Iterator[Entry]:
        for place, item in enumerate(getattr(self, part)):
            yield Entry(self.path, part, place, item)


def load_coco(path: Path) -> CocoFile:
    """Load the JSON and check that its three lists are there.

    Raises:
        UserError: If the file is missing or not JSON, a list is missing, or an entry lacks a key.
    """
    if not path.is_file():
        raise UserError("no such annotation file", path, MISSING_DATA)
    with no_collection():
        content = read_json(path, "write it again", finite=False)
    for name, keys in NEEDED.items():
        items = content.get(name)
        mend = "see https://cocodataset.org/#format-data"
        if not isinstance(items, list):
            raise UserError(f"{name!r} is missing, or not a list", path, mend)
        for place, item in enumerate(items):
            if not _has(item, keys):
                lacks = sorted(keys - item.keys()) if isinstance(item, dict) else sorted(keys)
                raise UserError(f"{name}[{place}] lacks {', '.join(lacks)}", path, mend)
    return CocoFile(path, **{name: content[name] for name in NEEDED})


def _has(item: Any, keys: set[str]) -> bool:
    return isinstance(item, dict) and keys <= item.keys()


def _without_groups(
    pairs: list[tuple[Id, str]], categories: list[dict[str, Any]], annotations: list[dict[str, Any]]
) -> list[tuple[Id, str]]:
    """Leave out a category that no box uses if another one belongs to it or has its name.

    Roboflow lists the project's name before the classes, as their ``supercategory``, and a class
    may have the same name.
    """
    named = zip(pairs, categories, strict=True)
    groups = {
        one.get("supercategory") for (_, name), one in named if one.get("supercategory") != name
    }
    counts = Counter(name for _, name in pairs)
    if not any(counts[name] > 1 or name in groups for name in counts):
        return pairs
    used = [item["category_id"] for item in annotations]
    numbers = {value for value in used if isinstance(value, int | float | str)}  # 5.0 is 5
    return [
        (number, name)
        for number, name in pairs
        if number in numbers or not (counts[name] > 1 or name in groups)
    ]


def _find_files(names: dict[Id, str], path: Path, image_dir: Path | None) -> dict[Id, Path]:
    if image_dir is None:
        return {number: Path(name) for number, name in names.items()}
    finder = FileFinder()
    files = {number: finder.find(image_dir, name) for number, name in names.items()}
    missing = [names[number] for number, file in files.items() if file is None]
    near = finder.nearly(image_dir, missing[0]) if missing else None
    mend = f"write {near}, as the file is called" if near else f"put them into {image_dir}"
    if missing and finder.find(image_dir.parent, missing[0]):
        mend = f"the names begin in {image_dir.parent}: set data_prefix to that folder"
    elif missing and (tail := finder.tail(image_dir, missing[0])):
        mend = f"write {tail}, as it is called from {image_dir} on"
    refuse_missing(missing, "images are", path, mend)
    return {number: file for number, file in files.items() if file is not None}


def _image_of(entry: Entry, image_ids: set[Id]) -> Id:
    number = entry.identity("image_id")
    if number not in image_ids:
        raise UserError(
            f"{entry} belongs to image {number!r}, which is not listed",
            entry.path,
            "add the image or leave the annotation out",
        )
    return number


def _box(entry: Entry, names: dict[Id, str]) -> Box:
    category = entry.identity("category_id")
    if category not in names:
        raise UserError(
            f"{entry} has an unknown category, {category!r}",
            entry.path,
            f"the ids are {_ids(list(names))}",
        )
    x, y, width, height = entry.box()
    return Box(
        names[category],
        (x, y, x + width, y + height),
        entry.flag("iscrowd"),
        entry.mask(),
        entry.area(),
    )


def _ids(ids: Sequence[Id]) -> str:
    return ", ".join(repr(item) for item in ids[:10]) + ("..." if len(ids) > 10 else "")
