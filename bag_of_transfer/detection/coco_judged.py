"""Check that ``CocoBoxMetric`` has the truth of the images that it judges."""

import os
from pathlib import Path, PurePath
from typing import Any

from bag_of_transfer.detection.coco_truth import CocoTruth
from bag_of_transfer.detection.metrics import CocoBoxMetric
from bag_of_transfer.engine.data.data_sets import parts_of
from bag_of_transfer.engine.data.file_names import composed
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.log_file import warn
from bag_of_transfer.engine.quantities import few

__all__ = ["check"]

MEND = "give the evaluator the annotation file of the data set that it judges"


def check(metric: CocoBoxMetric, dataset: Any, is_used: bool) -> None:
    """Read the truth; where it is of another file than the data, compare images and classes.

    A data set of mmdet's has read its own file: that is not read twice where the metric is not
    used, which takes three seconds for 100,000 boxes.

    Raises:
        UserError: If the truth cannot be read, an image of the data set is not listed there or is
            another file, or no class is.
    """
    parts = list(parts_of(dataset))
    files = [str(getattr(part, "ann_file", "")) for part in parts]
    if not is_used and metric.ann_file and _are(files, metric.ann_file):
        return
    truth = metric.truth()
    if _are(files, truth.path):
        return
    classes = metric.classes
    if not set(classes) & truth.category_ids.keys():
        what = f"the evaluator's file has none of the classes {few(classes, 10)}"
        raise UserError(what, truth.path, MEND)
    for part in parts:
        _compare(truth, [part.get_data_info(index) for index in range(len(part))])
    if len(files) == 1 and files[0].endswith(".json"):
        warn(f"{files[0]}: judged by the boxes of another file, {truth.path}")


def _are(files: list[str], file: str | Path) -> bool:
    return all(os.path.realpath(one) == os.path.realpath(file) for one in files)


def _compare(truth: CocoTruth, infos: list[dict[str, Any]]) -> None:
    numbers = truth.numbers([info["img_id"] for info in infos])
    for number, info in zip(numbers, infos, strict=True):
        listed, shown = truth.images[number - 1].path, info["img_path"]
        # COCO's file of 2014 calls an image COCO_val2014_000000000042, that of 2017 000000000042.
        shorter, longer = sorted([_stem(str(listed)), _stem(str(shown))], key=len)
        start = longer.removesuffix(shorter)
        if not longer.endswith(shorter) or start[-1:].isalnum():
            what = f"image {info['img_id']!r} of the data set is {shown}, but is {listed} there"
            raise UserError(what, truth.path, MEND)


def _stem(path: str) -> str:
    return composed(PurePath(path.replace("\\", "/")).stem)
