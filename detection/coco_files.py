"""Read an annotation file in COCO's format (``instances_*.json``).

Needed: ``images`` (id, file_name), ``annotations`` (image_id, category_id, bbox as x, y,
width, height counted from 0) and ``categories`` (id, name).  See
https://cocodataset.org/#format-data; ``area``, ``iscrowd`` and ``segmentation`` are used
where they stand.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from detection.annotations import AnnotatedImage, Box, refuse_missing
from engine.errors import UserError
from engine.name_list import unique_or_refuse

__all__ = ["Coco", "category_names", "load_coco", "read_coco"]

Coco = dict[str, list[dict[str, Any]]]


def load_coco(path: Path) -> Coco:
    """Load the JSON and check that its three lists are there.

    Raises:
        UserError: If the file is missing, no JSON, or a list is missing or without its keys.
    """
    if not path.is_file():
        raise UserError(
            "no such annotation file",
            path,
            "check --data-root (or DATA_ROOT), data_root and ann_file; "
            "tools/prepare_data.py puts data in place",
        )
    try:
        coco = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise UserError(f"the file is no JSON ({error})", path, "write it again") from error
    needed = {
        "images": {"id", "file_name"},
        "annotations": {"image_id", "category_id", "bbox"},
        "categories": {"id", "name"},
    }
    for name, keys in needed.items():
        items = coco.get(name) if isinstance(coco, dict) else None
        if not isinstance(items, list) or any(not keys <= item.keys() for item in items):
            raise UserError(
                f"{name!r} is missing, or an entry lacks one of {sorted(keys)}",
                path,
                "see https://cocodataset.org/#format-data",
            )
    return coco


def category_names(coco: Coco) -> list[str]:
    """Return the names of the categories in the order of their ids."""
    return [item["name"] for item in sorted(coco["categories"], key=lambda item: item["id"])]


def read_coco(coco: Coco, path: Path, image_dir: Path) -> list[AnnotatedImage]:
    """Read the images with their boxes, in the order of their ids.

    Args:
        coco: From :func:`load_coco`.
        path: Where it came from, for messages.
        image_dir: Holds the files that ``file_name`` names.

    Raises:
        UserError: If there is no image, an id stands there twice or nowhere, a box is not four
            numbers, or an image file is missing.
    """
    images = sorted(coco["images"], key=lambda item: item["id"])
    if not images:
        raise UserError("the file lists no image", path, "list one at least")
    for name, key in (("images", "id"), ("categories", "id"), ("categories", "name")):
        unique_or_refuse([item[key] for item in coco[name]], f"{name}.{key}", path)
    files = [item["file_name"] for item in images]
    missing = [name for name in files if not (image_dir / name).is_file()]
    refuse_missing(missing, "images are", path, f"put them into {image_dir}")
    by_image = _group(coco, path, {item["id"] for item in images})
    names = {item["id"]: item["name"] for item in coco["categories"]}
    return [
        AnnotatedImage(
            item["id"],
            image_dir / item["file_name"],
            path,
            int(item.get("width") or 0),
            int(item.get("height") or 0),
            tuple(_box(note, names, path) for note in by_image[item["id"]]),
        )
        for item in images
    ]


def _group(coco: Coco, path: Path, image_ids: set[Any]) -> dict[Any, list[dict[str, Any]]]:
    by_image = defaultdict(list)
    for note in coco["annotations"]:
        if note["image_id"] not in image_ids:
            raise UserError(
                f"annotation {note.get('id')} belongs to image {note['image_id']}, which is not "
                "listed",
                path,
                "add the image or leave the annotation out",
            )
        # COCO's own evaluation skips these, too.
        if not note.get("ignore", False):
            by_image[note["image_id"]].append(note)
    return by_image


def _box(note: dict[str, Any], names: dict[Any, str], path: Path) -> Box:
    if note["category_id"] not in names:
        raise UserError(
            f"annotation {note.get('id')} has an unknown category, {note['category_id']!r}",
            path,
            f"the ids are {_ids(list(names))}",
        )
    try:
        x, y, width, height = (float(number) for number in note["bbox"])
    except (TypeError, ValueError) as error:
        raise UserError(
            f"annotation {note.get('id')}: bbox is not four numbers: {note['bbox']!r}",
            path,
            "write x, y, width, height in pixels",
        ) from error
    xyxy = (x, y, x + width, y + height)
    name, crowd = names[note["category_id"]], bool(note.get("iscrowd", 0))
    return Box(name, xyxy, crowd, note.get("segmentation") or None)


def _ids(ids: Sequence[Any]) -> str:
    return ", ".join(str(item) for item in ids[:10]) + ("..." if len(ids) > 10 else "")
