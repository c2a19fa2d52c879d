"""Kinds of faults of picture files."""

import os
from pathlib import Path

import numpy as np
from PIL import Image

from tests.data_checks.rows import Plant, cut, doubts, flipped, harms, saved, stops, warns, written
from tests.data_checks.worlds import looked_at, picture

PICTURES = "pictures"
ONE = "train/ball/train0.jpg"


def as_(name: str, pixels: np.ndarray | Image.Image, **options: object) -> Plant:
    """Put a picture beside the others of a class."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    return lambda root: image.save(root / f"train/ball/{name}", **options)


def looked_at_then_flipped(world: str, path: str) -> Plant:
    def plant(root: Path) -> None:
        looked_at(world, root)
        flipped(root / path)

    return plant


def animated(root: Path) -> None:
    more = [picture(901)]
    picture(900).save(root / "train/ball/two.gif", save_all=True, append_images=more)


def glass(image: Image.Image) -> Image.Image:
    image.putalpha(100)
    return image


BLACK, GREY = np.zeros((48, 64, 3), np.uint8), np.full((48, 64, 3), 90, np.uint8)
DEEP = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64) * 20
VALUE = np.arange(48 * 64, dtype=np.float32).reshape(48, 64)

FILES = [
    *warns(
        PICTURES,
        "images",
        {
            "JPEG that is cut off": (cut(ONE, 0.6), "train0.jpg", "truncated"),
            "link to a file that is gone": (
                lambda root: os.symlink("/gone.jpg", root / "train/ball/gone.jpg"),
                "gone.jpg",
                "no such file",
            ),
            "32-bit pixels beyond 0 to 255": (
                as_("deep.tif", VALUE),
                "deep.tif",
                "32-bit pixels beyond",
            ),
            "pictures with a suffix that is not read": (
                as_("icon.ico", picture(900)),
                "train",
                "passed over 1 picture for",
            ),
        },
    ),
    *warns(
        PICTURES,
        "coco",
        {
            "PNG that is cut off": (cut("images/train0.png", 0.6), "train0.png", "left out 1 of 4"),
        },
    ),
    *harms(
        PICTURES,
        "coco",
        {
            "PNG filled with zeros from some point": (
                cut("images/train0.png", 0.6, b"\0"),
                "train0.png",
                "zero-filled-tail",
            ),
        },
    ),
    *warns(
        PICTURES,
        "voc",
        {
            "empty file": (written("JPEGImages/train0.jpg", b""), "train0.jpg", "empty file"),
        },
    ),
    *warns(
        PICTURES,
        "masks",
        {
            "file that is no picture": (
                written("JPEGImages/train0.jpg", b"<html>404"),
                "train0.jpg",
                "not an image",
            ),
        },
    ),
    *stops(
        PICTURES,
        "images",
        {
            "more pictures that cannot be read than `max_unreadable`": (
                lambda root: cut(ONE, 0.6)(root) or dict(max_unreadable=0),
                "train0.jpg",
                "can't be read",
            ),
        },
    ),
    *harms(
        PICTURES,
        "images",
        {
            "JPEG filled with zeros from some point": (
                cut(ONE, 0.6, b"\0"),
                "train0.jpg",
                "zero-filled-tail",
            ),
            "bit flipped in a JPEG since an earlier look": (
                looked_at_then_flipped("images", ONE),
                "train0.jpg",
                "bit-flip",
            ),
        },
    ),
    *harms(
        "masks",
        "masks",
        {
            "bit flipped in a mask since an earlier look": (
                looked_at_then_flipped("masks", "SegmentationClass/train0.png"),
                "train0.png",
                "bit-flip",
            ),
        },
    ),
    *doubts(
        PICTURES,
        "images",
        {
            "picture of one pixel": (as_("dot.png", GREY[:1, :1]), "dot.png", "one-pixel"),
            "black picture": (as_("night.png", BLACK), "night.png", "black"),
            "more than 8 bits per pixel": (as_("deep.png", DEEP), "deep.png", "high-bits"),
            "CMYK": (as_("print.jpg", picture(900).convert("CMYK")), "print.jpg", "cmyk"),
            "alpha that is not opaque": (
                as_("glass.png", glass(picture(900))),
                "glass.png",
                "alpha",
            ),
            "several pictures in a file": (animated, "two.gif", "several-pages"),
        },
    ),
    *doubts(
        PICTURES,
        "voc",
        {
            "picture of one colour": (
                lambda root: Image.fromarray(GREY).save(root / "JPEGImages/train0.jpg"),
                "train0.jpg",
                "one-colour",
            ),
        },
    ),
    *doubts(
        PICTURES,
        "coco",
        {
            "suffix of another format": (
                saved("images/train0.png", lambda image: image.copy(), format="JPEG"),
                "train0.png",
                "wrong-suffix",
            ),
        },
    ),
]
