"""Kinds of faults of boxes, planted in YOLO's text files."""

import shutil
from pathlib import Path

from tests.data_checks.rows import Plant, copied, removed, stops, warns, written

YAML, LABELS = "data.yaml", "labels/train/train0.txt"


def without_labels(root: Path) -> None:
    shutil.rmtree(root / "labels/val")


def stating(line: str) -> Plant:
    def plant(root: Path) -> None:
        with (root / YAML).open("a") as file:
            file.write(line)

    return plant


YOLO = [
    *stops(
        "YOLO",
        "yolo",
        {
            "`data.yaml` missing": (removed(YAML), YAML, "no such file"),
            "`data.yaml` that is no YAML": (written(YAML, "names: [a"), YAML, "not YAML"),
            "no class names": (written(YAML, "nc: 2"), YAML, "no class names"),
            "class name twice": (written(YAML, "names: [a, b, a]"), YAML, "occur more than once"),
            "`nc` that is not the number of the names": (stating("nc: 3"), YAML, "nc is 3"),
            "keypoints": (stating("kpt_shape: [17, 3]"), YAML, "keypoints"),
            "folder of a split missing": (
                lambda root: shutil.rmtree(root / "images/val"),
                "images/val",
                "no such folder of images",
            ),
            "class without a name": (
                written(LABELS, "2 0.5 0.5 0.2 0.2"),
                "train0.txt:1",
                "class 2, but there are 2 names",
            ),
            "number outside of 0 to 1": (
                written(LABELS, "1 32 24 12 12"),
                "train0.txt:1",
                "32 is not from 0 to 1",
            ),
            "line that is neither a box nor a polygon": (
                written(LABELS, "1 0.5 0.5 0.2 0.2 0.9"),
                "train0.txt:1",
                "6 numbers",
            ),
            "no label file in a split": (without_labels, "images/val", "none of 2 images has"),
            "two images of one label file": (
                copied("images/train/train0.png", "images/train/train0.bmp"),
                "train0.bmp",
                "share one label file",
            ),
        },
    ),
    *warns(
        "YOLO",
        "yolo",
        {
            "image without a label file": (
                removed(LABELS),
                "images/train",
                "1 of 4 images have no label file",
            ),
            "label file without an image": (
                copied(LABELS, "labels/train/other.txt"),
                "labels/train",
                "1 label file without an image",
            ),
            "polygon in place of a box": (
                written(LABELS, "1 0.1 0.1 0.5 0.1 0.5 0.5"),
                "images/train",
                "1 polygon: the box",
            ),
            "`path` that leads nowhere": (
                stating("path: /content/data"),
                YAML,
                "leads to no folder here",
            ),
        },
    ),
]
