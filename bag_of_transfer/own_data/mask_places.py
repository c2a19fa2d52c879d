"""Find images and their masks where data sets without lists keep them."""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice, product
from pathlib import Path
from typing import Any

from bag_of_transfer.engine.data.image_files import files_below, folders_in, has_image_suffix
from bag_of_transfer.engine.data.layouts import MASKS, PICTURES
from bag_of_transfer.engine.data.split_names import are_listed, split_names, split_of

__all__ = ["IMAGE_FOLDERS", "MOST_FILES", "OF_SPLIT", "mask_splits"]

Places = Iterator[tuple[str, Path, Path]]  # the name of a split's folder; its images and masks

IMAGE_FOLDERS = ("images", "image", "imgs", "img", "img_dir", PICTURES.lower())
MASK_FOLDERS = (
    *("masks", "mask", "labels", "label", "annotations", "ann_dir", "gt", "gts"),
    MASKS.lower(),
)
# Behind the name of a split: train_masks.  Behind that of an image: a_mask.png, a_L.png.
OF_SPLIT = re.compile(r"[-_ ](masks?|labels?|annot|annotations?|gt)$", re.IGNORECASE)
OF_IMAGE = re.compile(r"[-_ .]((?i:masks?|labels?|annot|annotations?|gt)|L)\.\w+")
SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".gif")  # of files that keep numbers
MOST_FILES = 20_000  # of a million images, looking at all would take minutes
NUM_TRIED = 20  # images whose masks are looked for


def mask_splits(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the arguments of ``MaskFolder`` for each split that is found.

    Read are ``train/images/`` with ``train/masks/``; ``img_dir/train/`` with ``ann_dir/train/``
    (mmseg's) and ``images/training/`` with ``annotations/training/`` (ADE20K's); ``images/`` with
    ``masks/``, which are then the training images; ``train/`` with ``train_masks/``; and
    ``train/a.jpg`` with ``train/a_mask.png`` (Roboflow's).  A mask has its image's name, with an
    end that all masks of a split share.

    Args:
        folder: The folder of the data.

    Raises:
        UserError: If several folders may be meant for a split.
    """
    if are_listed(folder):
        return {}
    forms = (_in_split, _in_parts, _whole, _beside, _together)
    found = (_arguments(folder, form(folder)) for form in forms)
    return next((splits for splits in found if "train" in splits), {})


def _arguments(folder: Path, places: Places) -> dict[str, dict[str, Any]]:
    """Return the arguments of the splits; the first folders that hold masks count."""
    found: dict[str, dict[str, Any]] = {}
    for name, images, masks in places:
        if name not in found and (end := _end_of_masks(images, masks)):
            img_dir, mask_dir = (each.relative_to(folder).as_posix() for each in (images, masks))
            found[name] = {"img_dir": img_dir, "mask_dir": mask_dir, "split": ""}
            found[name] |= {"mask_suffix": end} if end != ".png" else {}
    return {split: found[name] for split, name in split_names(found, folder).items()}


def _in_split(folder: Path) -> Places:
    for place in _splits(folder):
        yield from ((place.name, *pair) for pair in _pairs(place))


def _in_parts(folder: Path) -> Places:
    for images, masks in _pairs(folder):
        yield from ((place.name, place, masks / place.name) for place in _splits(images))


def _whole(folder: Path) -> Places:
    yield from (("train", *pair) for pair in _pairs(folder))


def _beside(folder: Path) -> Places:
    masks = [one for one in folders_in(folder) if OF_SPLIT.search(one.name)]
    for images, one in product(_splits(folder), masks):
        if split_of(OF_SPLIT.sub("", one.name)) == split_of(images.name):
            yield images.name, images, one


def _together(folder: Path) -> Places:
    yield from ((place.name, place, place) for place in _splits(folder))


def _pairs(folder: Path) -> Iterator[tuple[Path, Path]]:
    named = {one.name.lower(): one for one in reversed(folders_in(folder))}
    for images, masks in product(IMAGE_FOLDERS, MASK_FOLDERS):
        if images in named and masks in named:
            yield named[images], named[masks]


def _splits(folder: Path) -> list[Path]:
    return [one for one in folders_in(folder) if split_of(one.name)]


def _end_of_masks(images: Path, masks: Path) -> str | None:
    """Return what follows an image's name in its mask's: ``.png``, ``_mask.png``; None: no mask."""
    if not masks.is_dir():
        return None
    files = [p for p in islice(files_below(masks), MOST_FILES) if p.suffix.lower() in SUFFIXES]
    names = [path.relative_to(masks).as_posix() for path in files]
    found: Counter[str] = Counter()  # the first image may lack its mask, and begin another's name
    pictures = (path for path in files_below(images) if has_image_suffix(path.name))
    for image in islice(pictures, NUM_TRIED):
        start = image.relative_to(images).with_suffix("").as_posix()
        ends = (name.removeprefix(start) for name in names if name.startswith(start))
        if images == masks:  # where a_1.png is another image
            ends = (end for end in ends if OF_IMAGE.fullmatch(end))
        found.update([end for end in ends if end and not end[0].isalnum()][:1])
    return max(found, key=lambda end: found[end], default=None)
