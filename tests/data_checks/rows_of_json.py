"""Kinds of faults of boxes, planted in COCO's JSON."""

from typing import Any

from tests.data_checks.rows import (
    Plant,
    both,
    doubts,
    first_note,
    in_json,
    removed,
    stops,
    warns,
    written,
)

JSON = "annotations/train.json"
ZERO_WIDE = first_note(bbox=[30, 5, 0, 20])


def again(part: str, **fields: Any) -> Plant:
    """Repeat the first entry of a list, with other fields."""
    return in_json(lambda content: content[part].append({**content[part][0], **fields}))


def without(part: str, key: str) -> Plant:
    return in_json(lambda content: content[part][0].pop(key))


def fewer_annotations(content: dict[str, Any]) -> None:
    content["annotations"] = [n for n in content["annotations"] if n["image_id"] != 1]


COCO = [
    *stops(
        "COCO",
        "coco",
        {
            "file missing": (removed(JSON), "train.json", "no such annotation file"),
            "file that is no JSON": (written(JSON, '{"images": ['), "train.json", "not JSON"),
            "one of the three lists missing": (
                in_json(lambda content: content.pop("categories")),
                "train.json",
                "'categories' is missing",
            ),
            "entry that lacks a key": (
                without("annotations", "bbox"),
                "annotations[0]",
                "lacks ",
            ),
            "no image listed": (
                in_json(lambda content: content["images"].clear()),
                "train.json",
                "lists no image",
            ),
            "id of an image twice": (
                again("images"),
                "train.json",
                "images.id occur more than once",
            ),
            "id of a category twice": (
                again("categories", name="car"),
                "train.json",
                "categories.id occur more than once",
            ),
            "name of a category twice": (
                both(again("categories", id=3), again("annotations", category_id=3)),
                "train.json",
                "categories.name occur more than once",
            ),
            "image file missing": (
                removed("images/train1.png"),
                "train.json",
                "images are missing (1, first",
            ),
            "annotation of an image that is not listed": (
                first_note(image_id=99),
                "train.json",
                "belongs to image 99",
            ),
            "annotation of an unknown category": (
                first_note(category_id=99),
                "train.json",
                "unknown category, 99",
            ),
            "box that is not four numbers": (first_note(bbox=[1, 2, 3]), "annotations[0]", "bbox"),
            "box with a number that is not finite": (
                first_note(bbox=[1, 2, float("inf"), 4]),
                "annotations[0]",
                "bbox",
            ),
            "`iscrowd` that is neither yes nor no": (
                first_note(iscrowd="perhaps"),
                "annotations[0]",
                "iscrowd",
            ),
            "area below zero": (first_note(area=-4), "annotations[0]", "area"),
            "outline that is neither polygons nor a run-length code": (
                first_note(segmentation="round"),
                "annotations[0]",
                "segmentation",
            ),
            "file name that is no text": (
                in_json(lambda content: content["images"][0].update(file_name=7)),
                "images[0]",
                "file_name",
            ),
        },
    ),
    *warns(
        "COCO",
        "coco",
        {
            "image file listed under two ids": (
                again("images", id=99),
                "train0.png",
                "listed under several ids",
            ),
            "annotations marked `ignore`": (
                first_note(ignore=1),
                "train.json",
                "1 annotation marked 'ignore'",
            ),
            "area of 0": (first_note(area=0), "train.json", "1 annotation with an area of 0"),
            "negative side": (first_note(bbox=[30, 5, -10, 20]), "train0.png", "negative side"),
            "image without an annotation": (
                in_json(fewer_annotations),
                "train.json",
                "1 of 4 images have no box",
            ),
        },
    ),
    *warns(
        "boxes",
        "coco",
        {
            "box without area": (ZERO_WIDE, "train0.png", "without area"),
        },
    ),
    *doubts(
        "boxes",
        "coco",
        {
            "boxes of two classes at one place (IoU from 0.95)": (
                again("annotations", category_id=2),
                "boxes 1 and 3",
                "box-two-classes",
            ),
        },
    ),
]
