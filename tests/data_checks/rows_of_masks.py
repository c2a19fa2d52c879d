"""Kinds of faults of masks."""

from pathlib import Path

import numpy as np
from PIL import Image

from tests.data_checks.rows import (
    Plant,
    both,
    cut,
    doubts,
    harms,
    in_mask,
    removed,
    saved,
    stops,
    warns,
    written,
)
from tests.data_checks.rows_of_xml import exif
from tests.data_checks.worlds import load_mask, names, picture, save_mask

MASK = "SegmentationClass/train0.png"


def everywhere(value: int, split: str = "train") -> Plant:
    """Paint the masks of a split in one value."""

    def plant(root: Path) -> None:
        for name in names(split):
            in_mask(name, lambda labels: np.full_like(labels, value))(root)

    return plant


def spotted(labels: np.ndarray) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 3, labels.shape, dtype=np.uint8)


def half_written(root: Path) -> dict[str, list[str]]:
    """Fill a mask with zeros; what is read there are any numbers, so all are classes."""
    both(in_mask("train0", spotted), cut(MASK, 0.6, b"\0"))(root)
    return dict(classes=[f"class {number}" for number in range(255)])


def without_names(*plants: Plant) -> Plant:
    return both(removed("classes.txt"), *plants)


def swapped_folders(root: Path) -> dict[str, str]:
    for path in (root / "JPEGImages").iterdir():
        Image.open(path).save(path.with_suffix(".png"))
        path.unlink()
    return dict(img_dir="SegmentationClass", mask_dir="JPEGImages")


def all_images(root: Path) -> dict[str, str]:
    picture(900).save(root / "SegmentationClass/more.png")
    save_mask(root, "more", load_mask(root, "train0"))
    for name in names("val"):
        (root / f"JPEGImages/{name}.jpg").unlink()
        (root / f"SegmentationClass/{name}.png").unlink()
    (root / "ImageSets/Segmentation/val.txt").write_text("train0\n")
    return dict(split="")


def without_boxes(root: Path) -> None:
    for name in names("train"):
        in_mask(name, lambda labels: labels * (labels == 1))(root)


MASKS = [
    *stops(
        "masks",
        "masks",
        {
            "another size than the image's": (
                in_mask("train0", lambda labels: labels[:-1]),
                "train0.png",
                "the mask is 64 x 47 pixels, its image 64 x 48",
            ),
            "image turned by Exif, mask drawn before": (
                saved("JPEGImages/train0.jpg", lambda image: image.copy(), exif=exif(6)),
                "train0.png",
                "the mask is 64 x 48 pixels, its image 48 x 64",
            ),
            "value beyond the classes": (
                in_mask("train0", lambda labels: labels + 5),
                "train0.png",
                "label 5 is outside 0..2",
            ),
            "colours": (
                lambda root: picture(900).save(root / MASK),
                "train0.png",
                "picture with colours",
            ),
            "image and mask folders swapped": (swapped_folders, "", "picture with colours"),
            "fractions": (
                lambda root: Image.fromarray(load_mask(root, "train0") + np.float32(0.5)).save(
                    root / MASK, format="TIFF"
                ),
                "train0.png",
                "fractions",
            ),
            "every pixel of a split ignored": (
                everywhere(255, "val"),
                "val.txt",
                "every pixel of the 2 masks is ignored",
            ),
            "one class in all masks of training": (
                everywhere(1),
                "train.txt",
                "the masks show one class of 3",
            ),
            "single class": (written("classes.txt", "ground\n"), "", "two classes or more"),
            "gaps in the numbers of the classes, without names": (
                without_names(in_mask("train0", lambda labels: labels * 3)),
                "SegmentationClass",
                "gaps",
            ),
            "two images of one mask": (
                lambda root: picture(900).save(root / "JPEGImages/train0.png"),
                "train0.png",
                "two images share one mask",
            ),
            "class name twice": (
                written("classes.txt", "ground\nball\nball\n"),
                "classes.txt",
                "occur more than once",
            ),
            "class names that differ in case": (
                written("classes.txt", "ground\nball\nBall\n"),
                "classes.txt",
                "differ only in case",
            ),
        },
    ),
    *harms(
        "masks",
        "masks",
        {
            "mask filled with zeros from some point": (
                half_written,
                "train0.png",
                "zero-filled-tail",
            ),
        },
    ),
    *warns(
        "masks",
        "masks",
        {
            "mask that cannot be read": (cut(MASK, 0.5), "train0.png", "left out 1 of 4"),
            "class in no mask of training": (
                without_boxes,
                "train.txt",
                "1 class in none of the 4 masks: box",
            ),
            "mask without an image, where there is no list": (
                all_images,
                "SegmentationClass",
                "1 mask without an image",
            ),
        },
    ),
    *doubts(
        "masks",
        "masks",
        {
            "mask in which every pixel is ignored": (
                in_mask("train0", lambda labels: np.full_like(labels, 255)),
                "train0.png",
                "ignored-mask",
            ),
            "class judged, but never trained": (
                without_boxes,
                "val_dataloader",
                "class-only-judged",
            ),
        },
    ),
]
