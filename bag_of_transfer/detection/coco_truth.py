"""The true boxes that the COCO metric compares with: read, checked and cleaned as for training.

pycocotools relies on the ids in a file: it never counts an annotation with id 0 as found, and
loses one whose id occurs twice.  So it gets new numbers that are counted here, and the ids of the
file are used in the results file only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bag_of_transfer.detection.annotations import AnnotatedImage, Box, keep_usable_boxes
from bag_of_transfer.detection.coco_fields import Id
from bag_of_transfer.detection.coco_files import load_coco
from bag_of_transfer.engine.errors import UserError

__all__ = ["CocoTruth", "truth_of_file", "truth_of_images"]


@dataclass(frozen=True, eq=False)
class CocoTruth:
    """The images of a split with their usable boxes, in the order of their ids."""

    path: Path
    images: tuple[AnnotatedImage, ...]
    category_ids: Mapping[str, Id]  # those of the file, by name

    def __deepcopy__(self, memo: dict[int, Any]) -> "CocoTruth":
        """Return itself: data sets copy their metainfo at each access."""
        return self

    def numbers(self, image_ids: Sequence[Id]) -> list[int]:
        """Return the number, from 1, of each image in the order of the ids.

        Raises:
            UserError: If an image is not in the file.
        """
        known = {image.image_id: number for number, image in enumerate(self.images, start=1)}
        unknown = [image_id for image_id in image_ids if image_id not in known]
        if unknown:
            raise UserError(
                f"image {unknown[0]!r} is judged, but is not listed",
                self.path,
                "give the evaluator the annotation file of the data set that it judges",
            )
        return [known[image_id] for image_id in image_ids]

    def annotations(self, classes: Sequence[str]) -> list[dict[str, Any]]:
        """Return the boxes of these classes as COCO's annotations.

        ``id`` and ``image_id`` are counted from 1, ``category_id`` is the label plus 1.
        """
        labels = {name: label for label, name in enumerate(classes, start=1)}
        notes = [
            _annotation(box, number, labels[box.class_name])
            for number, image in enumerate(self.images, start=1)
            for box in image.boxes
            if box.class_name in labels
        ]
        return [dict(note, id=number) for number, note in enumerate(notes, start=1)]

    def ids_of(self, classes: Sequence[str]) -> list[Id]:
        """Return the category id of each class: the file's, or an unused number for others."""
        used = [number for number in self.category_ids.values() if isinstance(number, int)]
        unused = max(used, default=0) + 1
        ids: list[Id] = []
        for name in classes:
            ids.append(self.category_ids.get(name, unused))
            unused += name not in self.category_ids
        return ids


def _annotation(box: Box, image_number: int, category: int) -> dict[str, Any]:
    x1, y1, x2, y2 = box.xyxy
    width, height = x2 - x1, y2 - y1
    return {
        "image_id": image_number,
        "category_id": category,
        "bbox": [x1, y1, width, height],
        "area": width * height if box.area is None else box.area,
        "iscrowd": int(box.ignore),
    }


def truth_of_images(
    images: Sequence[AnnotatedImage], path: Path, category_ids: Mapping[str, Id]
) -> CocoTruth:
    """Return the truth in the images that a data set has read and cleaned; drop their masks."""
    lighter = tuple(
        image._replace(boxes=tuple(box._replace(mask=None) for box in image.boxes))
        for image in images
    )
    return CocoTruth(path, lighter, category_ids)


def truth_of_file(path: Path) -> CocoTruth:
    """Read a file for a data set of mmdet's; the sizes of images are those that it states.

    As there, annotations of images that the file does not list are left out, with a warning.

    Raises:
        UserError: If the file is missing, or contradicts itself.
    """
    coco = load_coco(path)
    images = keep_usable_boxes(coco.read_images(None, drop_unlisted=True), path)
    return truth_of_images(images, path, coco.category_ids)
