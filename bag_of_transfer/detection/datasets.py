"""Data sets in VOC's, COCO's and YOLO's format; what they share is in ``box_dataset.py``."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmdet.registry import DATASETS

from bag_of_transfer.detection.annotations import AnnotatedImage, Box, check_twins
from bag_of_transfer.detection.box_dataset import BoxDataset
from bag_of_transfer.detection.coco_fields import Id
from bag_of_transfer.detection.coco_files import CocoFile, load_coco
from bag_of_transfer.detection.coco_truth import truth_of_images
from bag_of_transfer.detection.voc_files import read_voc
from bag_of_transfer.detection.yolo_files import label_folder, read_yolo
from bag_of_transfer.detection.yolo_yaml import SPLITS, YoloData, read_yolo_yaml
from bag_of_transfer.engine.data.layouts import ANNOTATIONS, CLASSES_FILE, PICTURES, YAML_FILE
from bag_of_transfer.engine.data.name_list import read_class_names, refuse_variants
from bag_of_transfer.engine.errors import UserError

__all__ = ["CocoFormat", "VocFormat", "YoloFormat"]


@DATASETS.register_module()
class VocFormat(BoxDataset):
    """A folder in Pascal VOC's layout; ``img_id`` is the name in the list.

    Where ``metainfo`` does not state the classes, they are the lines of ``classes.txt`` in
    ``data_root``; without that file, the sorted names in the annotations of ``classes_from``.
    In a split with ``test_mode`` difficult objects are ignored: the metric doesn't count them.

    Args:
        img_subdir: Folder of the images, with any suffix, under ``data_root``.
        ann_subdir: Folder of the XML files.
        difficult: How difficult objects count in training.  ``"ignore"``: not as objects, as in
            mmdet (they are background, unless the assigners have an ``ignore_iof_thr``);
            ``"keep"``: like all others, as in GluonCV.
        **kwargs: See :class:`BoxDataset`; ``ann_file`` is for instance
            ``ImageSets/Main/train.txt``, or a folder in ``ann_subdir``: its XML files are taken.

    Raises:
        UserError: If ``difficult`` has any other value, or as for :class:`BoxDataset`.
    """

    def __init__(
        self,
        img_subdir: str = PICTURES,
        ann_subdir: str = ANNOTATIONS,
        difficult: str = "ignore",
        **kwargs: Any,
    ) -> None:
        if difficult not in ("ignore", "keep"):
            raise UserError(f"difficult is {difficult!r}", "VocFormat", "say 'ignore' or 'keep'")
        self.img_subdir, self.ann_subdir, self.difficult = img_subdir, ann_subdir, difficult
        super().__init__(**kwargs)

    def instance(self, box: Box, labels: dict[str, int]) -> dict[str, Any]:
        """Return the box for mmdet, a difficult one as ``difficult`` says."""
        if self.difficult == "keep" and not self.test_mode:
            box = box._replace(ignore=False)
        return super().instance(box, labels)

    def read_classes(self, ann_file: Path) -> list[str]:
        """Read ``classes.txt``, or collect the names in the annotations of one split, sorted.

        Raises:
            UserError: If there is no box at all, or a name is a misspelling of another.
        """
        listed = Path(self.data_root, CLASSES_FILE)
        if listed.is_file():
            return read_class_names(listed, "write one name per line")
        images = self.read_images(ann_file)
        names = {box.class_name for image in images for box in image.boxes}
        if not names:
            raise UserError("no annotation holds a box", ann_file, "annotate, or name the classes")
        check_twins(images, f"mend the annotations, or list the classes in {listed}")
        return sorted(names)

    def read_from(self) -> tuple[str, ...]:
        """Return the folders of the data and of the XML files."""
        return (self.data_root, self.ann_subdir)

    def class_files(self, ann_file: Path) -> list[Path]:
        """Return ``classes.txt``, which may be missing, the list, and its annotations."""
        listed = Path(self.data_root, CLASSES_FILE)
        images = () if listed.is_file() else self.content(ann_file)
        return [listed, ann_file, *(image.annotation for image in images)]

    def read_images(self, ann_file: Path) -> list[AnnotatedImage]:
        """Read the images that the list names."""
        images: list[AnnotatedImage] = self.content(ann_file)
        return images

    def read_content(self, ann_file: Path) -> list[AnnotatedImage]:
        """Read the list and the annotations of its images."""
        root = Path(self.data_root)
        return read_voc(ann_file, root / self.img_subdir, root / self.ann_subdir)


@DATASETS.register_module()
class CocoFormat(BoxDataset):
    """Images and one JSON file per split; ``img_id`` is the id in the file.

    Where ``metainfo`` does not state the classes, they are the categories of ``classes_from`` in
    the order of their ids.  In a split with ``test_mode`` the metainfo holds ``coco_truth``, with
    which the metric compares, and ``ann_file``, the file that it comes from.

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
            UserError: If there is no category, or two differ in case or width only.
        """
        names = list(self.content(ann_file).names.values())
        refuse_variants(dict.fromkeys(names, ann_file))
        if not names:
            raise UserError("the file lists no category", ann_file, "list at least one")
        return names

    def read_images(self, ann_file: Path) -> list[AnnotatedImage]:
        """Read the images that the file lists."""
        coco: CocoFile = self.content(ann_file)
        images = coco.read_images(Path(self.data_prefix["img"]))
        self._category_ids = coco.category_ids
        return images

    def note_truth(self, images: list[AnnotatedImage]) -> None:
        """Put the images into the metainfo of a split with ``test_mode``."""
        if self.test_mode:
            where = Path(self.ann_file)
            self._metainfo["coco_truth"] = truth_of_images(images, where, self._category_ids)

    def read_content(self, ann_file: Path) -> CocoFile:
        """Load the JSON file."""
        return load_coco(ann_file)


@DATASETS.register_module()
class YoloFormat(BoxDataset):
    """A folder in YOLO's layout: ``data.yaml``, images, and their labels in text files.

    The classes are those of ``data.yaml``, which says where the splits are, too; ``img_id`` is the
    image's name without suffix, with the folders below that of the split.

    Args:
        split: ``"train"``, ``"val"`` or ``"test"``.
        ann_file: The YAML file under ``data_root``.
        **kwargs: See :class:`BoxDataset`.

    Raises:
        UserError: If ``split`` has any other value, or as for :class:`BoxDataset`.
    """

    def __init__(self, split: str = "train", ann_file: str = YAML_FILE, **kwargs: Any) -> None:
        if split not in SPLITS:
            raise UserError(f"split is {split!r}", "YoloFormat", f"say one of {', '.join(SPLITS)}")
        self.split = split
        super().__init__(ann_file=ann_file, **kwargs)

    @classmethod
    def split_places(cls, described: Mapping[str, Any]) -> list[Path]:
        """Return where the images of a split are, from the description of a data set.

        Raises:
            UserError: If the YAML file cannot be read.
        """
        path = Path(described.get("data_root") or "", described.get("ann_file") or YAML_FILE)
        if not path.is_file():
            return [path]
        return read_yolo_yaml(path).places(described.get("split") or "train")

    @classmethod
    def read_places(cls, described: Mapping[str, Any]) -> list[Path]:
        """Return the folders and lists of a split's images, and the folders of their labels.

        Raises:
            UserError: If the YAML file cannot be read.
        """
        places = [Path(os.path.normpath(place)) for place in cls.split_places(described)]
        return [*places, *(label_folder(place) for place in places)]

    def read_classes(self, ann_file: Path) -> tuple[str, ...]:
        """Return the names in the YAML file."""
        data: YoloData = self.content(ann_file)
        return data.names

    def read_images(self, ann_file: Path) -> list[AnnotatedImage]:
        """Read the images of the split."""
        return read_yolo(self.content(ann_file), self.split)

    def read_content(self, ann_file: Path) -> YoloData:
        """Read the YAML file."""
        data = read_yolo_yaml(ann_file)
        self.where = str(data.places(self.split)[0])
        return data
