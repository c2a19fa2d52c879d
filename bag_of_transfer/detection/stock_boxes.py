"""Compare the boxes that a data set of mmdet has kept with those in its files."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bag_of_transfer.detection.annotations import ALIKE, refuse_missing
from bag_of_transfer.engine.data.name_list import nearest, unique_or_refuse
from bag_of_transfer.engine.errors import NoTruthError, UserError
from bag_of_transfer.engine.log_file import warn

__all__ = ["check_boxes", "reads_masks", "refuse_without_masks"]


def check_boxes(dataset: Any, in_files: Counter[str]) -> None:
    """Check the boxes of a data set, and warn of those it has dropped.

    Args:
        dataset: A ``BaseDetDataset`` of mmdet's.
        in_files: The number of boxes of each class name in the files.

    Raises:
        NoTruthError: If no box counts.
        UserError: If a class is named twice (the first would have all boxes), a class without a
            box looks like a dropped one misspelt, an image is missing, or the pipeline reads masks
            and a box has none.
    """
    classes, where = dataset.metainfo["classes"], dataset.ann_file
    unique_or_refuse(classes, "class names", f"{type(dataset).__name__}: metainfo.classes")
    dropped = {name: count for name, count in in_files.items() if name not in classes}
    _check_spelling([name for name in classes if not in_files[name]], dropped, where)
    flags: list[bool] = []  # not the boxes: with their masks they would fill gigabytes
    missing: list[str] = []
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        refuse_without_masks(dataset, info)
        flags += [bool(box["ignore_flag"]) for box in info["instances"]]
        missing += [] if _exists(info["img_path"], dataset) else [info["img_path"]]
    refuse_missing(missing, "images are", where, "put them there, or mend data_prefix")
    kind, total = type(dataset).__name__, sum(in_files.values())
    if dropped:
        most = ", ".join(f"{name} ({count})" for name, count in Counter(dropped).most_common(10))
        more = f" and {len(dropped) - 10} more classes" if len(dropped) > 10 else ""
        warn(
            f"{where}: {kind} drops {sum(dropped.values())} of {total} boxes, whose classes are "
            f"not among the {len(classes)} stated: {most}{more}"
        )
    if all(flags):
        raise NoTruthError(
            f"there is nothing to {'judge by' if dataset.test_mode else 'learn from'}: of {total} "
            f"boxes {kind} keeps {len(flags)}{', all of them ignored' if flags else ''}",
            where,
            f"the classes are {', '.join(map(repr, classes[:10]))}; are these the data's names?",
        )
    lost = total - sum(dropped.values()) - len(flags)
    if lost > 0:
        warn(
            f"{where}: {kind} drops {lost} more boxes: without area, marked ignore, or in images "
            "that filter_cfg leaves out"
        )


def refuse_without_masks(dataset: Any, info: Mapping[str, Any]) -> None:
    """Check that each box of an image has a mask where the pipeline reads masks.

    mmdet's ``LoadAnnotations(with_mask=True)`` would end the training when it comes to the image.

    Args:
        dataset: A ``BaseDetDataset`` of mmdet's.
        info: What it knows of one image.

    Raises:
        UserError: If a box has none.
    """
    without = sum("mask" not in box for box in info["instances"])
    if without and "segments_info" not in info and reads_masks(dataset):  # as panoptic data have
        raise UserError(
            f"{without} of {len(info['instances'])} boxes of {info['img_path']} have no mask, and "
            "the pipeline reads masks (LoadAnnotations, with_mask=True)",
            dataset.ann_file,
            "give each object a segmentation, or train a detector without a mask head",
        )


def reads_masks(dataset: Any) -> bool:
    """Return whether a data set's pipeline reads the masks of its boxes."""
    return any(getattr(one, "with_mask", False) for one in dataset.pipeline.transforms)


def _exists(image: str, dataset: Any) -> bool:
    elsewhere = dataset.backend_args not in (None, {"backend": "local"}) or "://" in image
    return elsewhere or Path(image).is_file()


def _check_spelling(empty: list[str], dropped: dict[str, int], where: str) -> None:
    for name in empty:
        meant = nearest(name, list(dropped), cutoff=ALIKE)
        if meant:
            raise UserError(
                f"no box of class {name!r}, but {dropped[meant]} of {meant!r}",
                where,
                f"did you mean {meant!r}? mend metainfo.classes or the annotations",
            )
