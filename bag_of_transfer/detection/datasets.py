"""Data sets in VOC's and COCO's format that read their classes from the data and check it.

mmdet's ``XMLDataset`` wants the classes written down and drops every box of another name
without a word; its ``CocoDataset`` does so, too, and takes the order of the classes from the
file even where the config states another.  Here such a mistake stops the run before training.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmdet.datasets import BaseDetDataset
from mmdet.registry import DATASETS

from bag_of_transfer.detection.annotations import (
    AnnotatedImage,
    Box,
    check_class_names,
    check_twins,
    keep_usable_boxes,
    readable_images,
)
from bag_of_transfer.detection.coco_fields import Id
from bag_of_transfer.detection.coco_files import Coco, load_coco, read_categories, read_coco
from bag_of_transfer.detection.coco_truth import truth_of_images
from bag_of_transfer.detection.voc_files import read_voc
from bag_of_transfer.engine.errors import NoTruthError, UserError
from bag_of_transfer.engine.name_list import read_class_names, refuse_variants, unique_or_refuse

__all__ = ["BoxDataset", "CocoFormat", "VocFormat", "check"]

CLASSES_FILE = "classes.txt"


class BoxDataset(BaseDetDataset):
    """What both formats share: classes, checks, the form that mmdet's transforms want.

    Args:
        ann_file: The split: a list of images (VOC) or a JSON file (COCO), under ``data_root``.
        data_root: Folder of the data.
        classes_from: The ``ann_file`` whose class names are learned, for the splits that are not
            trained on: label 3 has to mean the same in all of them.  None: the split itself.
            Not read when ``metainfo`` states the classes.
        hold_out: Every n-th image of ``ann_file`` is held out, for data that comes without a
            validation split; 0: none.  This split takes the others.
        held_out: This split takes the held-out images instead.
        max_unreadable: So many images that cannot be decoded are left out with a warning; one
            more is an error.
        metainfo: ``dict(classes=(...))`` states the classes and their order.
        filter_cfg: For training; ``filter_empty_gt`` leaves out images without a box,
            ``min_size`` those with a shorter side in pixels, ``bbox_min_size`` ignores boxes
            with a shorter side.
        lazy_init: Read only the class names; the rest comes with ``full_init``.
        **kwargs: Those of ``mmengine.dataset.BaseDataset``.

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
        self._no_truth: NoTruthError | None = None
        self._read: dict[Path, Any] = {}  # a file that tells classes and boxes is read once
        super().__init__(
            ann_file=ann_file,
            data_root=data_root,
            metainfo=metainfo,
            filter_cfg=filter_cfg,
            lazy_init=True,
            **kwargs,
        )
        source = Path(data_root, classes_from) if classes_from else Path(self.ann_file)
        self._metainfo["classes"] = self._stated_classes() or tuple(self.read_classes(source))
        if not lazy_init:
            self.full_init()

    def _stated_classes(self) -> tuple[str, ...]:
        stated = self._metainfo.get("classes") or ()
        if isinstance(stated, str):  # tuple("cat") would be three classes
            raise UserError("classes is one name", stated, f"write a tuple: ({stated!r},)")
        unique_or_refuse(stated, "class names", "metainfo.classes")
        return tuple(stated)

    @abstractmethod
    def read_classes(self, ann_file: Path) -> Sequence[str]:
        """Read the class names in the order of their labels."""

    @abstractmethod
    def read_images(self, ann_file: Path) -> list[AnnotatedImage]:
        """Read the images of a split with their boxes."""

    def load_data_list(self) -> list[dict[str, Any]]:
        """Read, check, and turn into what mmdet's transforms expect.

        Raises:
            UserError: If the data is missing, or contradicts itself.
        """
        classes, where = self._metainfo["classes"], self.ann_file
        images = self._own_part(self.read_images(Path(self.ann_file)))
        self._read.clear()
        check_class_names(images, classes, where)
        images = readable_images(images, self.max_unreadable, where)
        images = keep_usable_boxes(images, where)
        self._take_note(images)
        labels = {name: label for label, name in enumerate(classes)}
        return [self._data_info(image, labels) for image in images]

    def _take_note(self, images: list[AnnotatedImage]) -> None:
        """Hand the cleaned images on to whom they concern beside the network."""

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
            "instances": [self._instance(box, labels) for box in image.boxes],
        }

    def _instance(self, box: Box, labels: dict[str, int]) -> dict[str, Any]:
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
            UserError: If no image is left, or in a split to judge by no box that counts.
        """
        kept = self.data_list
        if not self.test_mode:
            kept = [
                info
                for info in kept
                if (info["instances"] or not self._filter("filter_empty_gt"))
                and min(info["width"], info["height"]) >= self._filter("min_size")
            ]
        if not kept:
            raise UserError(
                f"none of {len(self.data_list)} images is left to use",
                self.ann_file,
                f"they need boxes and sizes that filter_cfg lets through ({self.filter_cfg})",
            )
        flags = [box["ignore_flag"] for info in kept for box in info["instances"]]
        self._no_truth = (
            None if False in map(bool, flags) else self._tell_no_truth(flags, len(kept))
        )
        if self._no_truth and self.test_mode:
            raise self._no_truth
        return kept

    def _tell_no_truth(self, flags: Sequence[int], num_images: int) -> NoTruthError:
        aim = "judge by" if self.test_mode else "learn from"
        there = f"{len(flags)} boxes, all of them ignored" if flags else "no box"
        return NoTruthError(
            f"there is nothing to {aim}: {there} in {num_images} images",
            self.ann_file,
            "annotate; difficult, crowds, too small, left out (said above): they don't count",
        )

    def check_a_box_counts(self) -> None:
        """Stop where no box counts; not while it is built, for it may be joined with others.

        Raises:
            NoTruthError: If so.
        """
        if self._no_truth:
            raise self._no_truth


def check(dataset: BoxDataset) -> None:
    """Look at a data set for :func:`bag_of_transfer.engine.data_sets.look_at`.

    Raises:
        NoTruthError: If no box counts.
    """
    dataset.check_a_box_counts()


@DATASETS.register_module()
class VocFormat(BoxDataset):
    """A folder in Pascal VOC's layout; ``img_id`` is the name in the list.

    Classes that are not stated are the lines of ``classes.txt`` in ``data_root``; where it is not
    there either, the names in the annotations of ``classes_from``, sorted.
    In a split with ``test_mode`` difficult objects are ignored: the metric doesn't count them.

    Args:
        img_subdir: Folder of the images, of any suffix, under ``data_root``.
        ann_subdir: Folder of the XML files.
        difficult: What difficult objects are in training: ``"ignore"``, no objects, as for mmdet
            (background, unless the assigners have an ``ignore_iof_thr``); ``"keep"``, objects
            like all others, as for GluonCV.
        **kwargs: See :class:`BoxDataset`; ``ann_file`` is ``ImageSets/Main/train.txt`` or so.

    Raises:
        UserError: If ``difficult`` is another word, or see :class:`BoxDataset`.
    """

    def __init__(
        self,
        img_subdir: str = "JPEGImages",
        ann_subdir: str = "Annotations",
        difficult: str = "ignore",
        **kwargs: Any,
    ) -> None:
        if difficult not in ("ignore", "keep"):
            raise UserError(f"difficult is {difficult!r}", "VocFormat", "say 'ignore' or 'keep'")
        self.img_subdir, self.ann_subdir, self.difficult = img_subdir, ann_subdir, difficult
        super().__init__(**kwargs)

    def _instance(self, box: Box, labels: dict[str, int]) -> dict[str, Any]:
        if self.difficult == "keep" and not self.test_mode:
            box = box._replace(ignore=False)
        return super()._instance(box, labels)

    def read_classes(self, ann_file: Path) -> list[str]:
        """Read ``classes.txt``, or collect the names in the annotations of one split, sorted.

        Raises:
            UserError: If there is no box at all, or a name is a misspelling of another.
        """
        listed = Path(self.data_root, CLASSES_FILE)
        if listed.is_file():
            return read_class_names(listed, "write one name a line")
        images = self.read_images(ann_file)
        names = {box.class_name for image in images for box in image.boxes}
        if not names:
            raise UserError("no annotation holds a box", ann_file, "annotate, or name the classes")
        check_twins(images, f"mend the annotations, or list the classes in {listed}")
        return sorted(names)

    def read_images(self, ann_file: Path) -> list[AnnotatedImage]:
        """Read the images that the list names."""
        if ann_file not in self._read:
            root = Path(self.data_root)
            self._read[ann_file] = read_voc(
                ann_file, root / self.img_subdir, root / self.ann_subdir
            )
        return self._read[ann_file]


@DATASETS.register_module()
class CocoFormat(BoxDataset):
    """Images and one JSON file per split; ``img_id`` is the id in the file.

    Classes that are not stated are the categories of ``classes_from`` in the order of their ids.
    In a split with ``test_mode`` the metainfo holds ``coco_truth``, what the metric judges by, and
    ``ann_file``, where it was read.

    Args:
        data_prefix: ``dict(img="train2017/")``, folder of the images under ``data_root``.
        **kwargs: See :class:`BoxDataset`; ``ann_file`` is the JSON file.
    """

    def __init__(self, data_prefix: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        self._category_ids: dict[str, Id] = {}
        super().__init__(data_prefix=dict(data_prefix or {"img": ""}), **kwargs)
        if self.test_mode:
            self._metainfo["ann_file"] = self.ann_file

    def read_classes(self, ann_file: Path) -> list[str]:
        """Return the names of the categories.

        Raises:
            UserError: If there is none, or two differ in case or width only.
        """
        names = list(read_categories(self._load(ann_file), ann_file).values())
        refuse_variants(dict.fromkeys(names, ann_file))
        if not names:
            raise UserError("the file lists no category", ann_file, "list one at least")
        return names

    def read_images(self, ann_file: Path) -> list[AnnotatedImage]:
        """Read the images that the file lists."""
        coco = self._load(ann_file)
        names = read_categories(coco, ann_file)
        self._category_ids = {name: number for number, name in names.items()}
        return read_coco(coco, ann_file, Path(self.data_prefix["img"]))

    def _take_note(self, images: list[AnnotatedImage]) -> None:
        if self.test_mode:
            where = Path(self.ann_file)
            self._metainfo["coco_truth"] = truth_of_images(images, where, self._category_ids)

    def _load(self, ann_file: Path) -> Coco:
        if ann_file not in self._read:
            self._read[ann_file] = load_coco(ann_file)
        return self._read[ann_file]
