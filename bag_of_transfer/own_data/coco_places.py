"""Find the splits of COCO data where COCO itself and the exports of labelling tools put them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.json_file import read_json

__all__ = ["SPLIT_NAMES", "coco_splits"]

# A split by the names that it has in files and folders, where a year may follow: val2017.
SPLIT_NAMES = {"train": r"train(ing)?", "val": r"val(id(ation)?)?", "test": r"test(ing)?"}
EXPORTED = "_annotations.coco.json"  # of Roboflow, beside the images


def coco_splits(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the arguments of ``CocoFormat`` for each split that is found.

    Read are ``annotations/instances_train2017.json`` with the images in ``train2017/`` (COCO's
    own), ``train/_annotations.coco.json`` beside its images (Roboflow's), and
    ``annotations/train.json`` with the images in ``train/``, ``images/train/`` or ``images/``.

    Args:
        folder: The folder of the data.
    """
    found: dict[str, dict[str, Any]] = {}
    for split, pattern in SPLIT_NAMES.items():
        name = re.compile(rf"{pattern}\d*", re.IGNORECASE)
        places = next(_places(folder, name), None)
        if places is not None:
            file, images = (place.relative_to(folder).as_posix() for place in places)
            found[split] = {"ann_file": file, "data_prefix": {"img": f"{images}/"}}
    for split in found.keys() - {"train"}:
        if "train" in found:
            found[split]["classes_from"] = found["train"]["ann_file"]
    return found


def _begin_of_names(file: Path, places: list[Path]) -> Path:
    """Return the folder in which the first image is; the first one if it is in none of them."""
    if len(places) == 1:
        return places[0]
    try:
        name = str(read_json(file, "write it again", finite=False)["images"][0]["file_name"])
    except (UserError, LookupError, TypeError):
        return places[0]  # what is wrong with the file is told where it is read
    return next((place for place in places if (place / name).is_file()), places[0])


def _places(folder: Path, name: re.Pattern[str]) -> Iterator[tuple[Path, Path]]:
    """Yield files of a split with the folders of their images."""
    for file in sorted((folder / "annotations").glob("*.json")):
        stem = file.stem.removeprefix("instances_")
        images = [folder / stem, folder / "images" / stem, folder / "images"]
        places = [each for each in images if each.is_dir()] if name.fullmatch(stem) else []
        if places:
            yield file, _begin_of_names(file, places)
    for file in sorted(folder.glob(f"*/{EXPORTED}")):
        if name.fullmatch(file.parent.name):
            yield file, file.parent
