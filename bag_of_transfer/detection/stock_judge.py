"""Check that mmdet's ``CocoMetric`` judges the images and labels of a data set of ours.

It numbers the classes in the order of its file's categories, as mmdet's ``CocoDataset`` does, and
counts every image of the file as judged.
"""

from typing import Any

from mmdet.evaluation.metrics import CocoMetric

from bag_of_transfer.detection.box_dataset import BoxDataset
from bag_of_transfer.engine.data.data_sets import parts_of
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.quantities import counted, few

__all__ = ["check"]

OURS = "judge by CocoBoxMetric"
THESE_IMAGES = "give it a file of these images only"


def check(metric: CocoMetric, dataset: Any, is_used: bool) -> None:
    """Compare classes and images with those of the file, where one of the data sets is ours.

    Raises:
        UserError: If the file has other classes or another order, lacks an image, or has objects
            in images that are not judged; for ``proposal_fast``, if it has another order of images.
    """
    parts = list(parts_of(dataset))
    api = metric._coco_api  # None: it judges by the data set's own boxes
    own_way = type(metric).compute_metrics is not CocoMetric.compute_metrics
    if own_way or api is None or not any(isinstance(part, BoxDataset) for part in parts):
        return
    classes = list(metric.dataset_meta["classes"])
    in_file = [api.cats[number]["name"] for number in api.get_cat_ids(cat_names=classes)]
    where = parts[0].ann_file
    if in_file != classes:
        raise UserError(
            f"CocoMetric would judge labels in the order of its file, {few(in_file, 10)}, but the "
            f"data set's are {few(classes, 10)}",
            where,
            f"state metainfo=dict(classes=(...)) in the file's order for all splits, or {OURS}",
        )
    shown = [part.get_data_info(index)["img_id"] for part in parts for index in range(len(part))]
    listed, known = list(api.get_img_ids()), set(shown)
    unlisted = [number for number in shown if number not in api.imgs]
    if unlisted:
        what = f"image {unlisted[0]!r} of the data set is not listed in the file of CocoMetric"
        raise UserError(what, where, "give it the annotation file of the data set that it judges")
    missed = [one for one in listed if one not in known and api.get_ann_ids(img_ids=[one])]
    if missed:
        which = f"{counted(len(missed), 'image')}, left out (first: {missed[0]!r})"
        what = f"CocoMetric would count as missed the objects of {which}"
        raise UserError(what, where, f"{THESE_IMAGES}, or {OURS}")
    if "proposal_fast" in metric.metrics and shown != listed:
        what = "proposal_fast compares images by their place, and the file has another order"
        raise UserError(what, where, "sort the images of the file by their ids, or use 'proposal'")
