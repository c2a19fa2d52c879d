"""Find what a file or a folder of annotations, which belongs to no config, says of images."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from bag_of_transfer.detection.annotations import AnnotatedImage, Box, with_usable_boxes
from bag_of_transfer.detection.coco_files import load_coco
from bag_of_transfer.detection.voc_xml import read_xml
from bag_of_transfer.detection.yolo_files import read_labels
from bag_of_transfer.engine.config_nodes import leaves_of
from bag_of_transfer.engine.data.file_names import composed
from bag_of_transfer.engine.data.image_files import files_below
from bag_of_transfer.engine.data.mask_reader import read_mask
from bag_of_transfer.engine.data.name_list import nearest
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.tasks import ResultKind, task_named
from bag_of_transfer.prediction.inputs import Source
from bag_of_transfer.prediction.predictor import Predictor
from bag_of_transfer.prediction.truth import (
    SPLITS,
    TrueBoxes,
    TrueClass,
    TrueMask,
    Truth,
    Truths,
    of_split,
)
from bag_of_transfer.segmentation.numbering import Numbering

__all__ = ["find_truths", "of_annotations"]

COCO, VOC, YOLO, MASK = ".json", ".xml", ".txt", ".png"
# By what a network gives: the suffixes of annotations in a folder, in words.
FORMS: dict[ResultKind, tuple[tuple[str, ...], str]] = {
    "boxes": ((VOC, YOLO), "COCO's JSON file, or a folder of VOC's .xml or YOLO's .txt files"),
    "mask": ((MASK,), "a folder of masks (.png)"),
    "classes": ((), "a folder with one folder of images per class"),
}
NO_CLASSES = "classes.txt"  # a list of names, which lies beside labels


def find_truths(named: str, predictor: Predictor) -> tuple[list[Source], Truths]:
    """Return what ``--truth`` names: the images of a split, and what is known of images.

    Args:
        named: A split of the predictor's config, or a file or folder of annotations.
        predictor: The trained network.

    Raises:
        UserError: See :func:`~bag_of_transfer.prediction.truth.of_split`, :func:`of_annotations`.
    """
    task = task_named(predictor.task)
    if named in SPLITS:
        return of_split(predictor.config, task, named, predictor.classes)
    numbering = Numbering.stated_in(_leaf(predictor.config)) if task.result == "mask" else None
    return [], of_annotations(Path(named), task.result, predictor.classes, numbering)


def _leaf(cfg: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the description of a split's data set, that of test first, inside of its wrappers."""
    loaders = (cfg.get(f"{split}_dataloader") or {} for split in ("test", "val", "train"))
    described: Any = next(filter(None, (loader.get("dataset") for loader in loaders)), {})
    return next(leaf for _, leaf in leaves_of(described))


def of_annotations(
    place: Path, kind: ResultKind, classes: Sequence[str], numbering: Numbering | None = None
) -> Truths:
    """Return what the annotations of a file or a folder say of an image.

    An annotation belongs to the image of its name; of several with this name, to the one whose
    folders are the same.

    Args:
        place: COCO's file; a folder of VOC's or YOLO's files, of masks, or of folders per class.
        kind: What the network gives.
        classes: The checkpoint's, in label order.
        numbering: Which label each value of a mask stands for; None: its own.

    Raises:
        UserError: If there is no such file or folder, or none of the form that the task needs.
    """
    suffixes, form = FORMS[kind]
    if not place.exists():
        raise UserError("no such split, file or folder", place, f"give test, val, or {form}")
    if kind == "classes" and place.is_dir():
        return _by_folder(place.resolve(), classes)
    if kind == "boxes" and place.suffix.lower() == COCO and place.is_file():
        return _of_coco(place, classes)
    files = list(files_below(place)) if place.is_dir() else []
    for suffix in suffixes:
        found = [f for f in files if f.suffix.lower() == suffix and f.name != NO_CLASSES]
        if found:
            read = READERS[suffix] if suffix != MASK else partial(_of_mask, numbering)
            return _of_files(found, read, classes)
    raise UserError("these are no annotations for this task", place, f"give {form}")


def _by_folder(root: Path, classes: Sequence[str]) -> Truths:
    def truth_of(path: Path, size: tuple[int, int]) -> Truth | None:
        if not path.resolve().is_relative_to(root):
            return None
        name = path.resolve().relative_to(root).parts[0]
        return TrueClass(name) if name in classes else None

    return truth_of


def _of_coco(file: Path, classes: Sequence[str]) -> Truths:
    images = load_coco(file).read_images(None)
    find = _finder(PurePosixPath(image.path.as_posix().replace("\\", "/")) for image in images)

    def truth_of(path: Path, size: tuple[int, int]) -> Truth | None:
        index = find(path)
        return None if index is None else _true_boxes(images[index].boxes, file, size, classes)

    return truth_of


Reader = Callable[[Path, tuple[int, int], Sequence[str]], Truth]


def _of_files(files: Sequence[Path], read: Reader, classes: Sequence[str]) -> Truths:
    find = _finder(file.with_suffix("") for file in files)

    def truth_of(path: Path, size: tuple[int, int]) -> Truth | None:
        index = find(path.with_suffix(""))
        return None if index is None else read(files[index], size, classes)

    return truth_of


def _finder(names: Iterable[Path | PurePosixPath]) -> Callable[[Path], int | None]:
    """Return what gives the index of the name that an image has, with the most folders alike."""
    by_name: dict[str, list[tuple[int, tuple[str, ...]]]] = defaultdict(list)
    for index, name in enumerate(names):
        by_name[composed(name.name)].append((index, name.parts[-2::-1]))

    def find(image: Path) -> int | None:
        folders = image.absolute().parts[-2::-1]
        alike = [(_num_alike(folders, own), i) for i, own in by_name[composed(image.name)]]
        most = max(alike, default=(0, None))
        if sum(num == most[0] for num, _ in alike) > 1:
            mend = "call the images differently, or give the folder of one"
            raise UserError("two annotations have the name of this image", image, mend)
        return most[1]

    return find


def _num_alike(one: Sequence[str], other: Sequence[str]) -> int:
    pairs = zip(one, other, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _true_boxes(
    stated: Sequence[Box], file: Path, size: tuple[int, int], classes: Sequence[str]
) -> TrueBoxes:
    boxes = with_usable_boxes(AnnotatedImage(0, file, file, *size, tuple(stated))).boxes
    for box in boxes:
        if box.class_name not in classes:
            meant = nearest(box.class_name, classes, cutoff=0)
            mend = f"the checkpoint has other classes, such as {meant!r}"
            raise UserError(f"unknown class {box.class_name!r} in an annotation", file, mend)
    return TrueBoxes(
        np.array([box.xyxy for box in boxes], float).reshape(-1, 4),
        [box.class_name for box in boxes],
        [box.ignore for box in boxes],
    )


def _of_voc(file: Path, size: tuple[int, int], classes: Sequence[str]) -> Truth:
    return _true_boxes(read_xml(file, file.stem, file).boxes, file, size, classes)


def _of_yolo(file: Path, size: tuple[int, int], classes: Sequence[str]) -> Truth:
    lines = list(read_labels(file, classes))
    corners = np.array([line.corners for line in lines], float).reshape(-1, 4)
    pixels = (corners * (*size, *size)).tolist()
    boxes = [
        Box(classes[line.label], tuple(xyxy), False)
        for line, xyxy in zip(lines, pixels, strict=True)
    ]
    return _true_boxes(boxes, file, size, classes)


def _of_mask(
    numbering: Numbering | None, file: Path, size: tuple[int, int], classes: Sequence[str]
) -> Truth:
    mask = read_mask(file)
    return TrueMask(mask if numbering is None else numbering.labels_in(mask))


READERS: dict[str, Reader] = {VOC: _of_voc, YOLO: _of_yolo}
