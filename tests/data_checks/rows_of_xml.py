"""Kinds of faults of boxes, planted in VOC's XML."""

from pathlib import Path

from PIL import Image

from tests.data_checks.rows import (
    Plant,
    doubts,
    replaced,
    saved,
    stops,
    warns,
    written,
)
from tests.data_checks.worlds import BOXES, xml, xml_of

FIRST = "Annotations/train0.xml"


def boxes(*added: tuple[str, tuple[float, ...]]) -> Plant:
    """Add boxes to the first annotation."""
    return written(FIRST, xml([*BOXES.items(), *added]))


def no_boxes(root: Path) -> None:
    for path in (root / "Annotations").glob("train*.xml"):
        path.write_text(xml([]))


def boxes_of_balls(root: Path) -> None:
    for path in (root / "Annotations").glob("train*.xml"):
        path.write_text(xml([("ball", BOXES["ball"])]))
    (root / "classes.txt").write_text("ball\nbox\n")


def misspelt(root: Path) -> None:
    many = [("lighthouse", (x, 2, x + 5, 20)) for x in range(40)]
    xml_of(root, "train0").write_text(xml([*many, ("lightnouse", (3, 25, 30, 40))]))


def seldom_misspelt(root: Path) -> None:
    xml_of(root, "train0").write_text(
        xml([("lightnouse", (2, 2, 20, 20)), ("lighthouse", (20, 2, 40, 20))])
    )


def exif(orientation: int) -> Image.Exif:
    notes = Image.Exif()
    notes[0x0112] = orientation
    return notes


VOC = [
    *stops(
        "VOC",
        "voc",
        {
            "file that is no XML": (written(FIRST, "<annotation><object>"), "train0.xml", ""),
            "another root than `annotation`": (
                written(FIRST, "<annotations/>"),
                "train0.xml",
                "annotations",
            ),
            "object without a box": (
                written(FIRST, xml([], "<object><name>ball</name></object>")),
                "train0.xml",
                "bndbox",
            ),
            "object with two boxes": (
                replaced(FIRST, "</bndbox>", "</bndbox><bndbox><xmin>1</xmin></bndbox>"),
                "train0.xml",
                "bndbox",
            ),
            "corner that is no finite number": (
                replaced(FIRST, "<xmin>5<", "<xmin>nan<"),
                "train0.xml",
                "nan",
            ),
            "`difficult` that is neither yes nor no": (
                replaced(FIRST, "<difficult>0<", "<difficult>perhaps<"),
                "train0.xml",
                "perhaps",
            ),
            "size that is no number": (
                replaced(FIRST, "<width>64<", "<width>wide<"),
                "train0.xml",
                "wide",
            ),
            "class name that must be a misspelling": (misspelt, "train0.xml", "misspelt"),
        },
    ),
    *stops(
        "boxes",
        "voc",
        {
            "class names that differ in case": (
                boxes(("Ball", (1, 1, 20, 20))),
                "train",
                "differ only in case",
            ),
            "class in val only": (
                replaced("Annotations/val0.xml", "<name>ball<", "<name>car<"),
                "val0.xml",
                "unknown class 'car'",
            ),
            "no box in a split": (no_boxes, "train.txt", "no annotation holds a box"),
        },
    ),
    *warns(
        "VOC",
        "voc",
        {
            "class names that are alike": (seldom_misspelt, "", "look alike"),
        },
    ),
    *warns(
        "boxes",
        "voc",
        {
            "class without a box": (boxes_of_balls, "train.txt", "no box of 1 of 2 classes: box"),
            "swapped corners": (boxes(("ball", (40, 5, 20, 30))), "train0.xml", "swapped corners"),
            "box that reaches out of its image": (
                boxes(("ball", (40, 5, 90, 30))),
                "train0.xml",
                "reach out of 1 image,",
            ),
            "box outside of its image": (
                boxes(("ball", (90, 5, 99, 30))),
                "train0.xml",
                "without area",
            ),
            "image of another size than its annotation says": (
                replaced(FIRST, "<width>64<", "<width>65<"),
                "train0.jpg",
                "another size",
            ),
            "image turned by Exif, boxes drawn before": (
                saved("JPEGImages/train0.jpg", lambda image: image.copy(), exif=exif(6)),
                "train0.jpg",
                "turned copy",
            ),
            "image without a box": (
                written(FIRST, xml([])),
                "train.txt",
                "1 of 4 images have no box",
            ),
        },
    ),
    *doubts(
        "boxes",
        "voc",
        {
            "box twice": (
                boxes(("ball", BOXES["ball"])),
                "lines 1 and 1 (boxes 1 and 3)",
                "box-twice",
            ),
            "boxes of one class nearly at one place (IoU from 0.95)": (
                boxes(("box", (30, 10, 60, 39))),
                "boxes 2 and 3",
                "box-nearly-twice",
            ),
            "class judged, but never trained": (
                boxes_of_balls,
                "val_dataloader",
                "class-only-judged",
            ),
        },
    ),
]
