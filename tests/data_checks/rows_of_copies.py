"""Kinds of faults of pictures that are there several times."""

import os
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from tests.data_checks.rows import Plant, copied, doubts, harms
from tests.data_checks.worlds import LISTS, names, picture, xml, xml_of

ANY = "all"
ONE = "train/ball/train0.jpg"


def changed_copy(source: str, target: str, change: object, **options: object) -> Plant:
    return lambda root: change(Image.open(root / source)).save(root / target, **options)


def listed(world: str, source: str, split: str, extra: Plant = lambda root: None) -> Plant:
    """Put an image of another split into a list."""

    def plant(root: Path) -> None:
        with (root / LISTS[world] / f"{split}.txt").open("a") as file:
            file.write(f"{source}\n")
        extra(root)

    return plant


def equal_lists(root: Path) -> None:
    folder = root / LISTS["voc"]
    shutil.copy(folder / "train.txt", folder / "val.txt")


def linked_folder(root: Path) -> None:
    shutil.rmtree(root / "val")
    os.symlink(root / "train", root / "val")


def val_from_train(root: Path) -> None:
    (root / LISTS["masks"] / "val.txt").write_text("train1\ntrain2\n")


def another_test(root: Path) -> None:
    """A test split that shares one image with val; test_kinds.py reads it."""
    (root / LISTS["voc"] / "test.txt").write_text("val1\nextra\n")
    picture(900).save(root / "JPEGImages/extra.jpg")
    xml_of(root, "extra").write_text(xml())


def swapped_lists(root: Path) -> None:
    another_test(root)
    for split, images in (("val", names("train")), ("train", [*names("val"), "extra"])):
        (root / LISTS["voc"] / f"{split}.txt").write_text("\n".join(images))


def annotated_copy(root: Path) -> None:
    shutil.copy(root / "JPEGImages/train0.jpg", root / "JPEGImages/again.jpg")
    xml_of(root, "again").write_text(xml([("ball", (1, 1, 20, 20))]))


def labelled_copy(root: Path) -> None:
    shutil.copy(root / "JPEGImages/train0.jpg", root / "JPEGImages/again.jpg")
    labels = np.array(Image.open(root / "SegmentationClass/train0.png"))
    Image.fromarray(labels[::-1].copy()).save(root / "SegmentationClass/again.png")


def rotated(image: Image.Image) -> Image.Image:
    return image.transpose(Image.Transpose.ROTATE_90)


def mirrored(image: Image.Image) -> Image.Image:
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def smaller(image: Image.Image) -> Image.Image:
    return image.resize((48, 36))


def commented_copy(root: Path) -> None:
    """Copy a JPEG into val, with a comment after its first two bytes."""
    data = (root / ONE).read_bytes()
    (root / "val/ball/other.jpg").write_bytes(data[:2] + b"\xff\xfe\x00\x06abcd" + data[2:])


def roboflows_copies(root: Path) -> None:
    for split, seed in (("train", 800), ("val", 801)):
        picture(seed).save(root / split / "ball" / f"a_jpg.rf.{seed:032}.jpg")


COPIES = [
    *harms(
        ANY,
        "voc",
        {
            "file in two splits": (listed("voc", "train0", "val"), "train0.jpg", "shared-picture"),
            "val equal to train": (equal_lists, "val_dataloader", "equal-splits"),
        },
    ),
    *harms(
        ANY,
        "images",
        {
            "file in two splits under another name": (
                copied(ONE, "val/ball/other.jpg"),
                "other.jpg",
                "shared-picture",
            ),
            "pixels in two splits, in another format": (
                changed_copy(ONE, "val/ball/other.png", lambda image: image),
                "other.png",
                "shared-picture",
            ),
            "pixels in two splits, with other Exif notes or comments": (
                commented_copy,
                "other.jpg",
                "shared-picture",
            ),
            "folder of val a link to that of train": (
                linked_folder,
                "val_dataloader",
                "equal-splits",
            ),
        },
    ),
    *harms(
        ANY,
        "masks",
        {
            "all of val among train": (val_from_train, "val_dataloader", "split-in-training"),
        },
    ),
    *harms(
        "image folders",
        "images",
        {
            "picture in two classes": (
                copied(ONE, "train/box/other.jpg"),
                "other.jpg",
                "two-classes",
            ),
        },
    ),
    *doubts(
        ANY,
        "voc",
        {
            "picture in val and in test": (another_test, "val1.jpg", "shared-by-val-and-test"),
            "val larger than train: splits swapped?": (
                swapped_lists,
                "val_dataloader",
                "val-larger-than-train",
            ),
        },
    ),
    *doubts(
        "image folders",
        "images",
        {
            "picture twice in a class": (copied(ONE, "train/ball/other.jpg"), "train", "twice"),
            "nearly the same in two classes": (
                changed_copy(ONE, "train/box/other.jpg", smaller),
                ".jpg",
                "nearly-two-classes",
            ),
        },
    ),
    *doubts(
        "boxes",
        "voc",
        {
            "picture twice in a split, with other boxes": (
                listed("voc", "again", "train", annotated_copy),
                "again.jpg",
                "two-truths",
            ),
        },
    ),
    *doubts(
        "masks",
        "masks",
        {
            "picture twice in a split, with another mask": (
                listed("masks", "again", "train", labelled_copy),
                "again.jpg",
                "two-truths",
            ),
        },
    ),
    *doubts(
        ANY,
        "images",
        {
            "nearly the same in two splits: smaller, compressed again": (
                changed_copy(ONE, "val/ball/other.jpg", smaller, quality=60),
                "other.jpg",
                "nearly-shared",
            ),
            "nearly the same in two splits: mirrored": (
                changed_copy(ONE, "val/ball/other.jpg", mirrored),
                "other.jpg",
                "nearly-shared",
            ),
            "nearly the same in two splits: turned": (
                changed_copy(ONE, "val/ball/other.jpg", rotated),
                "other.jpg",
                "nearly-shared",
            ),
            "copies of a picture in two splits, by Roboflow's names": (
                roboflows_copies,
                f"a_jpg.rf.{801:032}.jpg",
                "shared-original",
            ),
            "nearly the same twice in training": (
                changed_copy(ONE, "train/ball/other.jpg", smaller),
                ".jpg",
                "nearly-twice",
            ),
        },
    ),
]
