"""A data set of boxes that reads its classes from the data and checks it.

mmdet's ``XMLDataset`` wants the classes written down and silently drops every box of another name.
Its ``CocoDataset`` does the same, and takes the order of the classes from the file even where the
config states another.  Here such a mistake stops the run before training.
"""

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmdet.datasets import BaseDetDataset

from bag_of_transfer.detection.annotations import (
    AnnotatedImage,
    Box,
    check_class_names,
    keep_usable_boxes,
    readable_images,
)
from bag_of_transfer.detection.known_names import note_names, noted_names
from bag_of_transfer.detection.stock_boxes import reads_masks, refuse_without_masks
from bag_of_transfer.engine.data.name_list import unique_or_refuse
from bag_of_transfer.engine.errors import NoTruthError, UserError

__all__ = ["BoxDataset", "check"]


class BoxDataset(BaseDetDataset):
    """What all formats share: classes, checks, and the form that mmdet's transforms expect.

    Args:
        ann_file: A list of images (VOC), a JSON file (COCO) or a YAML file (YOLO), under
            ``data_root``.
        data_root: Folder of the data.
        classes_from: The ``ann_file`` whose class names are learned, for the splits that are not
            trained on: label 3 has to mean the same in all of them.  None: the split itself.
            Not read when ``metainfo`` states the classes.
        hold_out: Leave out every n-th image of ``ann_file``, for data that comes without a
            validation split; 0: use all images.
        held_out: Use the images that ``hold_out`` leaves out, and not the others.
        max_unreadable: Number of images that may be impossible to decode: they are left out
            with a warning.  If there are more, that is an error.
        metainfo: ``dict(classes=(...))`` states the classes and their order.
        filter_cfg: For training; ``filter_empty_gt`` leaves out images without a box,
            ``min_size`` those with a shorter side in pixels, ``bbox_min_size`` ignores boxes
            with a shorter side.
        lazy_init: Read only the class names; the rest comes with ``full_init``.
        **kwargs: Further arguments of ``mmengine.dataset.BaseDataset``.

    Raises:
        UserError: If the data is missing, empty, or contradicts itself.
    """

    def __init__(
        self,
        ann_file: str,
        data_root: str = "",
        classes_from: str | None = None,
        hold_out: int = 0,
        held_out: bool = False,
        max_unreadable: int = 10,
        metainfo: Mapping[str, Any] | None = None,
        filter_cfg: Mapping[str, Any] | None = None,
        lazy_init: bool = False,
        **kwargs: Any,
    ) -> None:
        if data_root and not Path(data_root).is_dir():
            raise UserError(
                "no such data folder",
                data_root,
                "check --data-root (or DATA_ROOT) and the config's data_root; "
                "tools/prepare_data.py puts data in place",
            )
        self.hold_out, self.held_out = hold_out, held_out
        self.max_unreadable = max_unreadable
        self.num_left_out = 0  # images that filter_cfg leaves out
        self._no_truth: NoTruthError | None = None
        self._contents: dict[Path, Any] = {}
        super().__init__(
            ann_file=ann_file,
            data_root=data_root,
            metainfo=metainfo,
            filter_cfg=filter_cfg,
            lazy_init=True,
            **kwargs,
        )
        self.where = self.ann_file  # what messages name; a format may know it better
        source = Path(data_root, classes_from) if classes_from else Path(self.ann_file)
        self._metainfo["classes"] = self._stated_classes() or self._names_in(source)
        if not lazy_init:
            self.full_init()

    def _stated_classes(self) -> tuple[str, ...]:
        stated = self._metainfo.get("classes") or ()
        if isinstance(stated, str):  # tuple("cat") would be three classes
            raise UserError("classes is one name", stated, f"write a tuple: ({stated!r},)")
        unique_or_refuse(stated, "class names", "metainfo.classes")
        return tuple(stated)

    def _names_in(self, ann_file: Path) -> tuple[str, ...]:
        """Return the class names of a split, which are read once for all splits."""
        source = (type(self), ann_file, *self.read_from())
        names = noted_names(source)
        if not names:
            names = tuple(self.read_classes(ann_file))
            note_names(source, names, self.class_files(ann_file))
        return names

    @abstractmethod
    def read_classes(self, ann_file: Path) -> Sequence[str]:
        """Read the class names in the order of their labels."""

    def read_from(self) -> tuple[str, ...]:
        """Return the folders, beside ``ann_file``, that :meth:`read_classes` reads."""
        return ()

    def class_files(self, ann_file: Path) -> Iterable[Path]:
        """Return the files on which the class names depend, once they are read."""
        return [ann_file]

    @abstractmethod
    def read_images(self, ann_file: Path) -> list[AnnotatedImage]:
        """Read the images of a split with their boxes."""

    @abstractmethod
    def read_content(self, ann_file: Path) -> Any:
        """Read the part of a split's file from which both classes and images are taken."""

    def content(self, ann_file: Path) -> Any:
        """Return what :meth:`read_content` has read of a file, which is read once."""
        if ann_file not in self._contents:
            self._contents[ann_file] = self.read_content(ann_file)
        return self._contents[ann_file]

    def note_truth(self, images: list[AnnotatedImage]) -> None:
        """Receive the cleaned images, for a format whose metric compares with them."""

    def load_data_list(self) -> list[dict[str, Any]]:
        """Read and check the images and return them as mmdet's transforms expect them.

        Raises:
            UserError: If the data is missing, or contradicts itself.
        """
        images = self._own_part(self.read_images(Path(self.ann_file)))
        self._contents.clear()
        classes, where = self._metainfo["classes"], self.where
        check_class_names(images, classes, where)
        images = readable_images(images, self.max_unreadable, where)
        images = keep_usable_boxes(images, where)
        self.note_truth(images)
        labels = {name: label for label, name in enumerate(classes)}
        return [self._data_info(image, labels) for image in images]

    def _own_part(self, images: list[AnnotatedImage]) -> list[AnnotatedImage]:
        if not self.hold_out:
            return images
        return [
            image
            for number, image in enumerate(images, start=1)
            if (number % self.hold_out == 0) == self.held_out
        ]

    def _data_info(self, image: AnnotatedImage, labels: dict[str, int]) -> dict[str, Any]:
        return {
            "img_path": str(image.path),
            "img_id": image.image_id,
            "width": image.width,
            "height": image.height,
            "instances": [self.instance(box, labels) for box in image.boxes],
            **_where_boxes_stand(image),
        }

    def instance(self, box: Box, labels: dict[str, int]) -> dict[str, Any]:
        """Return a box as mmdet's transforms expect it."""
        x1, y1, x2, y2 = box.xyxy
        too_small = not self.test_mode and min(x2 - x1, y2 - y1) < self._filter("bbox_min_size")
        instance = {
            "bbox": list(box.xyxy),
            "bbox_label": labels[box.class_name],
            "ignore_flag": int(box.ignore or too_small),
        }
        if box.mask is not None:
            instance["mask"] = box.mask
        return instance

    def _filter(self, key: str) -> int:
        return (self.filter_cfg or {}).get(key) or 0

    def filter_data(self) -> list[dict[str, Any]]:
        """Apply ``filter_cfg`` to a training split; other splits keep every image.

        Raises:
            UserError: If no image is left, or no box counts in a split with ``test_mode``.
        """
        kept = self.data_list
        if not self.test_mode:
            kept = [
                info
                for info in kept
                if (info["instances"] or not self._filter("filter_empty_gt"))
                and min(info["width"], info["height"]) >= self._filter("min_size")
            ]
        self.num_left_out = len(self.data_list) - len(kept)
        if not kept:
            raise UserError(
                f"none of {len(self.data_list)} images is left to use",
                self.where,
                f"they need boxes and sizes that filter_cfg allows ({self.filter_cfg})",
            )
        flags = [box["ignore_flag"] for info in kept for box in info["instances"]]
        self.no_truth = self._no_truth_error(flags, len(kept)) if all(flags) else None
        if self.no_truth and self.test_mode:
            raise self.no_truth
        return kept

    def _no_truth_error(self, flags: Sequence[int], num_images: int) -> NoTruthError:
        aim = "judge by" if self.test_mode else "learn from"
        boxes = f"{len(flags)} boxes, all of them ignored" if flags else "no box"
        return NoTruthError(
            f"there is nothing to {aim}: {boxes} in {num_images} images",
            self.where,
            "annotate more; boxes that are difficult, crowds, too small or left out (see the "
            "warnings above) don't count",
        )


def _where_boxes_stand(image: AnnotatedImage) -> dict[str, Any]:
    """Return the file of an image's own, if it has one, and which of its objects the boxes are."""
    numbers = [box.number for box in image.boxes]
    if not numbers or min(numbers) < 0:
        return {}
    return {"annotation": str(image.annotation), "numbers": numbers}


def check(dataset: BoxDataset) -> None:
    """Check that some box counts, for :func:`bag_of_transfer.engine.data.data_sets.check_dataset`.

    This is done after building, as the set may be joined with others.

    Raises:
        NoTruthError: If no box counts.
        UserError: If the pipeline reads masks, and a box has none.
    """
    if dataset.no_truth:
        raise dataset.no_truth
    for index in range(len(dataset)) if reads_masks(dataset) else ():
        refuse_without_masks(dataset, dataset.get_data_info(index))
