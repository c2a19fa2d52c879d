"""Let faster-coco-eval judge detections: pycocotools' rules in C++, with the same numbers."""

from collections.abc import Sequence
from typing import Any

from faster_coco_eval import COCO, COCOeval_faster

__all__ = ["judge_boxes"]


def judge_boxes(
    images: Sequence[int],
    categories: Sequence[int],
    true: list[dict[str, Any]],
    found: list[dict[str, Any]],
) -> COCOeval_faster:
    """Match and summarise: ``stats`` and ``eval["precision"]`` are those of pycocotools.

    Args:
        images: The ids of the images that were predicted.
        categories: The ids of the K classes.
        true: COCO's annotations, with ids from 1.
        found: COCO's results with a ``score``; each gets an id and an area, as by ``loadRes``.
    """
    for number, box in enumerate(found, start=1):
        box.update(id=number, iscrowd=0, area=box["bbox"][2] * box["bbox"][3])
    # Two steps instead of one keep the matches of every image, and take no longer.
    judge = COCOeval_faster(
        _index(images, categories, true),
        _index(images, categories, found),
        iouType="bbox",
        separate_eval=True,
    )
    judge.run()
    return judge


def _index(
    images: Sequence[int], categories: Sequence[int], annotations: list[dict[str, Any]]
) -> COCO:
    coco = COCO()
    coco.dataset = {
        "images": [{"id": number} for number in images],
        "categories": [{"id": number} for number in categories],
        "annotations": annotations,
    }
    coco.createIndex()
    return coco
