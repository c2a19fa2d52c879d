"""Count the files in a layout, to compare with the official counts."""

import os
from pathlib import Path

__all__ = ["count_ade20k", "count_class_folders", "count_coco", "count_pets", "count_voc"]

_IMAGES = (".jpg", ".jpeg", ".png")


def count_class_folders(root: Path, first: str = "train", second: str = "val") -> dict[str, int]:
    """Count the images of two splits ``SPLIT/<class>/``, and the classes."""
    sizes = {
        split: {name: len(_stems(root / split / name, *_IMAGES)) for name in _folders(root / split)}
        for split in (first, second)
    }
    return {
        **{split: sum(images.values()) for split, images in sizes.items()},
        f"classes of {first}": len(sizes[first]),
        "classes of both": len(sizes[first].keys() & sizes[second].keys()),
    }


def count_voc(root: Path) -> dict[str, int]:
    """Count the listed names that have an image and an annotation or mask."""
    voc07, voc12 = root / "VOCdevkit/VOC2007", root / "VOCdevkit/VOC2012"
    return {
        "VOC07+12 trainval": _num_listed(voc07, "Main/trainval")
        + _num_listed(voc12, "Main/trainval"),
        "VOC07 test": _num_listed(voc07, "Main/test"),
        "VOC12 masks train": _num_listed(voc12, "Segmentation/train"),
        "VOC12 masks val": _num_listed(voc12, "Segmentation/val"),
    }


def count_coco(root: Path) -> dict[str, int]:
    """Count the images, and the two annotation files that detection reads."""
    splits = ("train2017", "val2017")
    files = (root / f"annotations/instances_{split}.json" for split in splits)
    return {
        **{split: len(_stems(root / split, ".jpg")) for split in splits},
        "annotation files": sum(file.is_file() for file in files),
    }


def count_ade20k(root: Path) -> dict[str, int]:
    """Count the images that have a mask."""
    return {
        split: len(
            _stems(root / "images" / split, ".jpg") & _stems(root / "annotations" / split, ".png")
        )
        for split in ("training", "validation")
    }


def count_pets(root: Path) -> dict[str, int]:
    """Count the class folders, and the listed names that have an image and a trimap."""
    counts = count_class_folders(root, "trainval", "test")
    return {
        "trainval": counts["trainval"],
        "test": counts["test"],
        "masks trainval": _num_listed(root, "Segmentation/trainval"),
        "masks test": _num_listed(root, "Segmentation/test"),
        "classes of both": counts["classes of both"],
    }


def _num_listed(root: Path, split: str) -> int:
    """Count the names of a list that have all their files."""
    path = root / f"ImageSets/{split}.txt"
    if not path.is_file():
        return 0
    truth = ("Annotations", ".xml") if split.startswith("Main") else ("SegmentationClass", ".png")
    complete = _stems(root / "JPEGImages", ".jpg") & _stems(root / truth[0], truth[1])
    return len(complete.intersection(path.read_text(encoding="utf-8", errors="replace").split()))


def _folders(root: Path) -> list[str]:
    if not root.is_dir():
        return []
    with os.scandir(root) as entries:
        return [entry.name for entry in entries if entry.is_dir() and entry.name[0] != "."]


def _stems(folder: Path, *suffixes: str) -> set[str]:
    """Return the files' names without suffix; asks for names only, as there may be millions."""
    if not folder.is_dir():
        return set()
    split = (os.path.splitext(name) for name in os.listdir(folder))
    return {stem for stem, suffix in split if suffix.lower() in suffixes and stem[0] != "."}
