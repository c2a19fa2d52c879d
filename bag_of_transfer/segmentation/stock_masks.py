"""Check what mmsegmentation's ``BaseSegDataset`` will read from its masks."""

from pathlib import Path
from typing import Any

import numpy as np
from mmseg.datasets import BaseSegDataset

from bag_of_transfer.engine.data.mask_reader import IGNORED, first_pixel, labels_of
from bag_of_transfer.engine.data.name_list import unique_or_refuse
from bag_of_transfer.engine.errors import NoTruthError, UserError
from bag_of_transfer.segmentation.masks import mask_facts

__all__ = ["check"]


def check(dataset: BaseSegDataset) -> None:
    """Compare the values of all masks with the labels of the classes.

    Raises:
        UserError: If the data set names no classes, or one twice (tables would show it once), masks
            cannot be read or hold another label, or no pixel has a label.
    """
    if type(dataset).load_data_list is not BaseSegDataset.load_data_list:
        return  # a data set that lists and checks its files itself
    where = dataset.ann_file or dataset.data_prefix.get("seg_map_path") or dataset.data_root
    classes = dataset.metainfo.get("classes")
    if not classes:
        mend = "state metainfo=dict(classes=(...)), in the order of the labels"
        raise UserError(f"{type(dataset).__name__} names no classes", where, mend)
    unique_or_refuse(classes, "class names", f"{type(dataset).__name__}: metainfo.classes")
    infos = [dataset.get_data_info(index) for index in range(len(dataset))]
    paths = [Path(info["seg_map_path"]) for info in infos if info.get("seg_map_path")]
    if not any(path.is_file() for path in paths):
        if dataset.test_mode or dataset.backend_args:
            return  # the split is only for prediction, or its files are on another machine
        raise UserError("there are no masks", where, "check data_prefix and seg_map_suffix")
    _check_labels(dataset, paths, len(classes), where)


def _check_labels(dataset: BaseSegDataset, paths: list[Path], num_classes: int, where: Any) -> None:
    facts = mask_facts(paths)
    bad = {path: mask.error for path, mask in facts.items() if mask.error}
    if bad:
        first, why = next(iter(bad.items()))
        what = f"{len(bad)} of {len(paths)} masks can't be read (first: {first.name}: {why})"
        raise UserError(what, where, "mend them, or take their names out of the list")
    ignored = {IGNORED, dataset.ignore_index}
    allowed = ignored | set(range(num_classes))
    described = {"reduce_zero_label": dataset.reduce_zero_label, "label_map": dataset.label_map}
    present: set[int] = set()
    for path, mask in facts.items():
        labels = labels_of(np.array(mask.values, np.int64), described).tolist()
        pairs = zip(mask.values, labels, strict=True)
        wrong = [value for value, label in pairs if label not in allowed]
        if wrong:
            raise UserError(
                f"mask value {min(wrong)} is not a label of {num_classes} classes "
                f"(reduce_zero_label={dataset.reduce_zero_label}), {first_pixel(path, min(wrong))}",
                path,
                "name every class in metainfo.classes, or mend the masks",
            )
        present |= set(labels)
    if present <= ignored:
        raise NoTruthError("every pixel of every mask is ignored", where, "give the pixels labels")
