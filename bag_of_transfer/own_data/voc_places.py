"""Find VOC's XML files where data sets without lists keep them."""

import re
from itertools import islice
from pathlib import Path
from typing import Any

from bag_of_transfer.engine.data.image_files import files_below, folders_in
from bag_of_transfer.engine.data.layouts import ANNOTATIONS
from bag_of_transfer.engine.data.split_names import are_listed, split_names
from bag_of_transfer.own_data.mask_places import IMAGE_FOLDERS

__all__ = ["voc_splits"]

NOTE_FOLDERS = (ANNOTATIONS.lower(), "xml", "xmls", "labels")
ROOT = re.compile(rb"<(\w+:)?annotation[\s>]", re.IGNORECASE)
HEAD_BYTES = 2000
MOST_FILES = 1000  # of a folder that are looked at for XML files; there may be many folders
NUM_TRIED = 20  # XML files of which one has to be VOC's


def voc_splits(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the arguments of ``VocFormat`` for each split that is found.

    Read are ``annotations/`` beside ``images/``, with or without folders of the splits in both,
    ``train/a.xml`` beside ``train/a.jpg`` (Roboflow's), and ``a.xml`` beside ``a.jpg``
    (labelImg's).  What has no splits is for training.

    Args:
        folder: The folder of the data.

    Raises:
        UserError: If several folders may be meant for a split.
    """
    if are_listed(folder):
        return {}  # all annotations would be those of the test split, too
    named = {one.name.lower(): one for one in folders_in(folder)}
    images = next((named[name].name for name in IMAGE_FOLDERS if name in named), "")
    for name in NOTE_FOLDERS:
        if images and name in named and _has_notes(named[name]):
            return _splits(folder, images, named[name].name)
    is_apart = any(_has_notes(one) for one in folders_in(folder))
    return _splits(folder, "", "") if is_apart or _has_notes(folder) else {}


def _splits(folder: Path, images: str, notes: str) -> dict[str, dict[str, Any]]:
    """Return the splits whose XML files lie in a folder, or below it in folders of their own."""
    top = folder / notes
    apart = [one.name for one in folders_in(top) if _has_notes(one)]
    called = split_names(apart, top)
    if "train" not in called and (notes or not apart):
        called = {"train": "."}
    places = {split: (Path(notes) / name).as_posix() for split, name in called.items()}
    found: dict[str, dict[str, Any]] = {
        split: {"ann_file": place, "img_subdir": images, "ann_subdir": notes}
        for split, place in places.items()
        if "train" in places
    }
    for split in found.keys() - {"train"}:
        found[split]["classes_from"] = places["train"]
    return found


def _has_notes(folder: Path) -> bool:
    files = islice(files_below(folder), MOST_FILES)
    return any(map(_is_note, islice((p for p in files if p.suffix == ".xml"), NUM_TRIED)))


def _is_note(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return bool(ROOT.search(file.read(HEAD_BYTES)))
    except OSError:  # a link to a file that is gone, or no permission
        return False
