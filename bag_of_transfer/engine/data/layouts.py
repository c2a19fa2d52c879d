"""The layouts of folders of own data: where each kind of file lies, and which configs read it.

Data sets take their default folders from here; ``tools/new_config.py`` recognises a layout by them.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = [
    "ANNOTATIONS",
    "CLASSES_FILE",
    "LAYOUTS",
    "MASKS",
    "PICTURES",
    "SIZES",
    "YAML_FILE",
    "Layout",
    "Part",
]

PICTURES, ANNOTATIONS, MASKS = "JPEGImages", "Annotations", "SegmentationClass"
CLASSES_FILE, YAML_FILE = "classes.txt", "data.yaml"
IMAGES_OF_OTHERS = ("[Ii]mages", "[Ii]m*gs", "img_dir")
MASKS_OF_OTHERS = (
    *("*[Mm]asks*", "ann_dir", "*/*[Mm]asks", "*labels*/*.png", "*[_-]mask.png", "*/*[_-]mask.png"),
    *("annotations/*.png", "annotations/*/*.png"),
)
SIZES = ("slim", "small", "full")  # on a CPU, on a small GPU, on a GPU


class Part(NamedTuple):
    """A file or folder of a layout.

    Args:
        path: Below the folder of the data.
        is_folder: Whether it is a folder.
        is_needed: Whether the layout is only recognised with it.
        note: What it holds.
        others: Patterns of what others have in its place.
    """

    path: str
    is_folder: bool
    is_needed: bool
    note: str
    others: tuple[str, ...] = ()

    def is_in(self, folder: Path) -> bool:
        """Return whether a folder has it."""
        path = folder / self.path
        return path.is_dir() if self.is_folder else path.is_file()

    def in_its_place(self, folder: Path) -> str | None:
        """Return the first file or folder that a folder has in its place, below the folder."""
        for pattern in self.others:
            if found := min(folder.glob(pattern), default=None):
                return found.relative_to(folder).as_posix() + "/" * found.is_dir()
        return None


class Layout(NamedTuple):
    """A layout: its name in ``--layout``, what it is, its parts, and its configs by size."""

    name: str
    title: str
    tool: str
    parts: tuple[Part, ...]
    configs: dict[str, str]

    def is_in(self, folder: Path) -> bool:
        """Return whether a folder has all that is needed."""
        return all(part.is_in(folder) for part in self.parts if part.is_needed)

    def tree(self, folder: Path) -> Iterator[str]:
        """Yield the parts as lines, each with whether it is there."""
        width = max(len(part.path) for part in self.parts) + 1
        for part in self.parts:
            name = f"{part.path}/" if part.is_folder else part.path
            if part.is_in(folder):
                state = "found"
            else:
                state = f"{'MISSING' if part.is_needed else 'not there'}: {part.note}"
                other = part.in_its_place(folder)
                state += f"; there is {other}" if other else ""
            yield f"  {name:{width}}  {state}"


def _configs(pattern: str, *marks: str) -> dict[str, str]:
    return {size: pattern.format(mark) for size, mark in zip(SIZES, marks, strict=True)}


def _boxes(name: str) -> dict[str, str]:
    return _configs(f"detection/faster-rcnn_fpn_{{}}own-{name}.py", "r18-slim_", "r18_", "")


LAYOUTS = (
    Layout(
        "images",
        "class folders",
        "train_cls",
        (
            Part("train", True, True, "a folder of images for each class"),
            Part("val", True, False, "the same classes; else a fifth of train is held out"),
        ),
        _configs("classification/{}_own-images.py", "resnet18-d-slim", "resnet18-d", "resnet50-d"),
    ),
    Layout(
        "voc",
        "boxes in Pascal VOC's layout",
        "train",
        (
            Part(PICTURES, True, True, "images", IMAGES_OF_OTHERS),
            Part(ANNOTATIONS, True, True, "an XML file for each image", ("*.xml", "*/*.xml")),
            Part(
                *("ImageSets/Main/train.txt", False, True, "names of images without suffix"),
                ("ImageSets/Main/*.txt", "ImageSets/*.txt"),
            ),
        ),
        _boxes("voc"),
    ),
    Layout(
        "coco",
        "boxes in COCO's layout",
        "train",
        (
            Part("images", True, True, "images"),
            Part(
                *("annotations/train.json", False, True, "images, annotations, categories"),
                ("annotations/*.json", "*.json", "*/*.json"),
            ),
        ),
        _boxes("coco"),
    ),
    Layout(
        "yolo",
        "boxes in YOLO's layout",
        "train",
        (
            Part(
                *(YAML_FILE, False, True, "names of the classes, and where the splits are"),
                ("*.yaml", "*.yml", "*.data", "classes.txt"),
            ),
            Part(
                *("images/train", True, False, f"images, or where {YAML_FILE} says"),
                ("images", "*/images"),
            ),
            Part(
                *("labels/train", True, False, "a text file for each image"),
                ("labels", "*/labels", "obj_*data"),
            ),
        ),
        _boxes("yolo"),
    ),
    Layout(
        "masks",
        "masks",
        "train",
        (
            Part(PICTURES, True, True, "images", IMAGES_OF_OTHERS),
            Part(MASKS, True, True, "a mask (.png) for each image", MASKS_OF_OTHERS),
            Part(
                *("ImageSets/Segmentation/train.txt", False, True, "names without suffix"),
                ("ImageSets/Segmentation/*.txt", "ImageSets/*.txt"),
            ),
            Part(CLASSES_FILE, False, False, "names of the classes, one per line"),
        ),
        _configs("segmentation/fcn_d8_{}own-masks.py", "r18-slim_", "r18_", ""),
    ),
)
