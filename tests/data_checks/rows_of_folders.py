"""Kinds of faults of class folders, lists and names."""

import os
import shutil
from pathlib import Path

from tests.data_checks.rows import Plant, both, doubts, removed, stops, warns, written
from tests.data_checks.worlds import picture

CLASS_FOLDERS = "image folders"


def copied_class(target: str, split: str = "train") -> Plant:
    """Add a class of one picture of its own."""

    def plant(root: Path) -> None:
        (root / split / target).mkdir()
        picture(900).save(root / split / target / "new.jpg")

    return plant


def hidden_only(root: Path) -> None:
    for split in ("train", "val"):
        (root / split / "car").mkdir()
        (root / split / "car/.DS_Store").write_bytes(b"\0\0\0\1Bud1")


def one_class(root: Path) -> None:
    for split in ("train", "val"):
        shutil.rmtree(root / split / "box")


def no_folders(root: Path) -> None:
    for folder in ("ball", "box"):
        shutil.rmtree(root / "train" / folder)


def another(name: bytes) -> Plant:
    """Put a picture of its own into a class."""

    def plant(root: Path) -> None:
        picture(900).save(root / "train/ball/new.jpg")
        os.rename(root / "train/ball/new.jpg", os.fsencode(root) + b"/train/ball/" + name)

    return plant


FOLDERS = [
    *stops(
        CLASS_FOLDERS,
        "images",
        {
            "folder missing": (
                lambda root: shutil.rmtree(root / "val"),
                "val",
                "the data folder is missing",
            ),
            "no class folders": (no_folders, "train", "has no class folders"),
            "class without a picture (hidden files do not count)": (
                hidden_only,
                "car",
                "no image in class car",
            ),
            "class of which no picture can be read": (
                both(written("train/ball/train0.jpg", b""), written("train/ball/train2.jpg", b"")),
                "ball",
                "no readable image in class ball",
            ),
            "classes that differ in case": (copied_class("Ball"), "Ball", "differ only in case"),
            "classes that differ in blanks": (
                copied_class("ball "),
                "ball ",
                "differ only in case",
            ),
            "class in val only": (copied_class("car", "val"), "val", "unknown class car"),
            "class missing in val": (
                lambda root: shutil.rmtree(root / "val/box"),
                "val",
                "no folder for class box",
            ),
            "single class": (one_class, "train", "two classes or more"),
            "class whose name is not UTF-8": (
                lambda root: os.mkdir(os.fsencode(root) + b"/train/b\xff"),
                "b",
                "is not UTF-8",
            ),
        },
    ),
    *warns(
        CLASS_FOLDERS,
        "images",
        {
            "pictures in no class folder": (
                lambda root: picture(900).save(root / "train/loose.jpg"),
                "train",
                "in no class folder",
            ),
        },
    ),
    *doubts(
        CLASS_FOLDERS,
        "images",
        {
            "file whose name is not UTF-8": (
                another(b"b\xff.jpg"),
                "udcff.jpg",
                "undecodable-name",
            ),
        },
    ),
    *doubts(
        "all",
        "images",
        {
            "files whose names differ in case only": (
                another(b"TRAIN0.jpg"),
                "0.jpg",
                "case-collision",
            ),
        },
    ),
]

TRAIN = "ImageSets/Main/train.txt"
LISTS = [
    *stops(
        "VOC, COCO",
        "voc",
        {
            "data folder missing": (shutil.rmtree, "", "no such data folder"),
        },
    ),
    *stops(
        "VOC, masks",
        "voc",
        {
            "list missing": (removed(TRAIN), "train.txt", "no such list of images"),
            "list empty": (written(TRAIN, "\n"), "train.txt", "the list names no images"),
            "name twice in a list": (
                written(TRAIN, "train0\ntrain1\ntrain0\n"),
                "train.txt",
                "occur more than once",
            ),
            "listed image missing": (
                removed("JPEGImages/train1.jpg"),
                "train.txt",
                "images are missing (1, first: train1)",
            ),
        },
    ),
    *stops(
        "VOC, masks",
        "masks",
        {
            "list that is no UTF-8 text": (
                written("ImageSets/Segmentation/train.txt", b"\xff\xfe\n"),
                "train.txt",
                "is not UTF-8 text",
            ),
        },
    ),
    *stops(
        "VOC",
        "voc",
        {
            "listed annotation missing": (
                removed("Annotations/train1.xml"),
                "train.txt",
                "annotations are missing (1, first: train1.xml)",
            ),
            "two images of one name": (
                lambda root: picture(900).save(root / "JPEGImages/train0.png"),
                "train0.png",
                "two images share one annotation",
            ),
        },
    ),
    *stops(
        "masks",
        "masks",
        {
            "listed mask missing": (
                removed("SegmentationClass/train1.png"),
                "SegmentationClass",
                "1 of 4 masks are missing (first: train1)",
            ),
        },
    ),
    *doubts(
        "VOC",
        "voc",
        {
            "annotation without an image": (
                written("Annotations/more.xml", "<annotation/>"),
                "more.xml",
                "no-image",
            ),
            "image without an annotation": (
                lambda root: picture(900).save(root / "JPEGImages/more.jpg"),
                "more.jpg",
                "no-annotation",
            ),
        },
    ),
    *doubts(
        "masks",
        "masks",
        {
            "mask without an image": (
                lambda root: shutil.copy(
                    root / "SegmentationClass/train0.png", root / "SegmentationClass/more.png"
                ),
                "more.png",
                "no-image",
            ),
            "image without a mask": (
                lambda root: picture(900).save(root / "JPEGImages/more.jpg"),
                "more.jpg",
                "no-annotation",
            ),
        },
    ),
]
