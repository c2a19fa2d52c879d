"""Check what mmdet's ``CocoDataset`` has read from its file.

It numbers its labels by the order of the file's categories, drops boxes of categories that
``metainfo`` does not name, and drops names that the file does not list, all without a message.
"""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

from mmdet.datasets import CocoDataset

from bag_of_transfer.detection.coco_files import load_coco
from bag_of_transfer.detection.stock_boxes import check_boxes
from bag_of_transfer.engine.data.name_list import nearest
from bag_of_transfer.engine.errors import UserError

__all__ = ["check"]

NAME_THEM = "state metainfo=dict(classes=(...)) with these names, or use type='CocoFormat'"


def check(dataset: CocoDataset) -> None:
    """Compare the classes with the file's, and warn of the boxes that are dropped.

    A few classes chosen out of many are the user's decision: a warning says what that drops.

    Raises:
        UserError: If a class is not in the file or the order differs, an annotation has a category
            that is not listed, or no box counts.
    """
    path = Path(dataset.ann_file)
    if type(dataset).load_data_list is not CocoDataset.load_data_list or not path.is_file():
        return  # a file of another kind, or on another machine
    categories = _categories(path)
    classes = list(dataset.metainfo["classes"])
    _check_names(classes, [item["name"] for item in categories], dataset.ann_file)
    counts = {number: len(images) for number, images in dataset.cat_img_map.items() if images}
    names = {item["id"]: item["name"] for item in categories}
    unknown = sorted(str(number) for number in counts if number not in names)
    if unknown:
        what = f"annotations have categories that the file does not list: {', '.join(unknown[:10])}"
        raise UserError(what, dataset.ann_file, "list the categories, or mend the annotations")
    check_boxes(dataset, Counter({names[number]: count for number, count in counts.items()}))


def _check_names(classes: list[str], in_file: list[str], where: str) -> None:
    shown = ", ".join(map(repr, in_file[:10])) + (", ..." if len(in_file) > 10 else "")
    missing = [name for name in classes if name not in in_file]
    if missing:
        meant = nearest(missing[0], in_file)
        hint = f"did you mean {meant!r}? " if meant else ""
        raise UserError(
            f"{len(missing)} of {len(classes)} classes are not in the file, first {missing[0]!r} "
            "(CocoDataset would shift the labels of those after it)",
            where,
            f"{hint}its categories are {shown}: {NAME_THEM}",
        )
    order = [name for name in in_file if name in classes]
    if order != classes:
        raise UserError(
            "the classes are in another order than in the file, by which CocoDataset numbers them",
            where,
            f"its categories are {shown}: {NAME_THEM}",
        )


def _categories(path: Path) -> list[dict[str, Any]]:
    """Return only the list ``categories``: all of COCO's training file takes many seconds."""
    content = path.read_bytes()
    for match in reversed(list(re.finditer(rb'"categories"\s*:\s*(?=\[)', content))):
        try:
            text = content[match.end() :].decode()
            items, _ = json.JSONDecoder().raw_decode(text)
        except (ValueError, RecursionError):
            continue
        if items and all(
            isinstance(item, dict) and {"id", "name"} <= item.keys() for item in items
        ):
            return list(items)
    return load_coco(path).categories
