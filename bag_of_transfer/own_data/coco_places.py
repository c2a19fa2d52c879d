"""Find the splits of COCO data where COCO itself and the exports of labelling tools put them."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from bag_of_transfer.engine.data.file_names import FileFinder
from bag_of_transfer.engine.data.split_names import split_names, split_of
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.json_file import read_json

__all__ = ["coco_splits", "splits_without_images"]

EXPORTED = "_annotations.coco.json"  # of Roboflow, beside the images
# What stands before or after the split's name in a file's name: instances_train2017.
AROUND = re.compile(r"(instances|annotations?|coco)[-_]|[-_](instances|annotations?|coco)")
LISTS = ("images", "annotations", "categories")
FIRST_NAME = re.compile(rb'"file_name"\s*:\s*("(?:[^"\\]|\\.)*")')
HEAD_BYTES = 2**20  # a file of COCO's own takes half a minute to read


def coco_splits(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the arguments of ``CocoFormat`` for each split that is found.

    Read are ``annotations/instances_train2017.json`` with the images in ``train2017/`` (COCO's
    own), ``train/_annotations.coco.json`` beside its images (Roboflow's), and
    ``annotations/train.json`` with the images in ``train/``, ``images/train/`` or ``images/``.
    A single file without a split's name holds the training images, such as
    ``annotations/instances_default.json`` (CVAT's) or ``result.json`` (Label Studio's).

    Args:
        folder: The folder of the data.

    Raises:
        UserError: If several files may be meant for a split.
    """
    found: dict[str, dict[str, Any]] = {}
    for split, file in _files(folder).items():
        images = file.parent
        if file.name != EXPORTED:
            images = _begin_of_names(file, [*_image_folders(folder, file), folder])
        begin = "" if images == folder else f"{images.relative_to(folder).as_posix()}/"
        ann_file = file.relative_to(folder).as_posix()
        found[split] = {"ann_file": ann_file, "data_prefix": {"img": begin}}
    for split in found.keys() - {"train"}:
        if "train" in found:
            found[split]["classes_from"] = found["train"]["ann_file"]
    return found


def splits_without_images(folder: Path) -> dict[str, Path]:
    """Return the files of splits for which no folder of images was found."""
    files = sorted((folder / "annotations").glob("*.json"))
    named = {split: file for file in files if (split := split_of(_plain(file)))}
    found = _files(folder)
    return {split: file for split, file in named.items() if split not in found}


def _files(folder: Path) -> dict[str, Path]:
    """Return the annotation file of each split that has a folder of images."""
    exported = {file.parent.name: file for file in sorted(folder.glob(f"*/{EXPORTED}"))}
    top = [file for file in sorted(folder.glob("*.json")) if _is_coco(file)]
    listed = [*sorted((folder / "annotations").glob("*.json")), *top]
    beside = {_plain(f): f for f in reversed(listed) if _image_folders(folder, f)}
    files = {**_of_splits(exported, folder), **_of_splits(beside, folder)}
    single = [file for file in listed if file in top or _is_coco(file)] if not files else []
    return {"train": single[0]} if len(single) == 1 and not split_of(_plain(single[0])) else files


def _of_splits(files: dict[str, Path], folder: Path) -> dict[str, Path]:
    return {split: files[name] for split, name in split_names(files, folder).items()}


def _plain(file: Path) -> str:
    return AROUND.sub("", file.stem)


def _image_folders(folder: Path, file: Path) -> list[Path]:
    names = dict.fromkeys((_plain(file), file.stem))
    places = [place / name for name in names for place in (folder, folder / "images")]
    return [place for place in (*places, folder / "images") if place.is_dir()]


def _begin_of_names(file: Path, places: list[Path]) -> Path:
    """Return the folder in which the first image is; the first one if it is in none of them."""
    try:
        name = _first_name(file)
    except (UserError, OSError, ValueError, LookupError, TypeError):
        return places[0]  # what is wrong with the file is told where it is read
    finder = FileFinder()
    return next((place for place in places if finder.find(place, name)), places[0])


def _first_name(file: Path) -> str:
    with file.open("rb") as opened:
        match = FIRST_NAME.search(opened.read(HEAD_BYTES))
    if match:
        return str(json.loads(match[1]))
    return str(read_json(file, "write it again", finite=False)["images"][0]["file_name"])


def _is_coco(file: Path) -> bool:
    """Return whether a file has COCO's three lists."""
    return _has_lists(file, file.stat().st_mtime_ns) if file.is_file() else False


@cache
def _has_lists(file: Path, changed: int) -> bool:
    """Return it, once for each state of a file, as it may take long to read."""
    try:
        content = read_json(file, "write it again", finite=False)
    except UserError:
        return False
    return all(isinstance(content.get(name), list) for name in LISTS)
