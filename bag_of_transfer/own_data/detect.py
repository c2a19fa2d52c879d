"""Recognise the layout of a folder, or say what is missing."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from bag_of_transfer.engine.data.image_files import (
    files_below,
    folders_in,
    has_image_suffix,
    warn_of_passed_over,
)
from bag_of_transfer.engine.data.layouts import LAYOUTS, PICTURES, Layout
from bag_of_transfer.engine.data.split_names import split_names, split_of
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.own_data.coco_places import coco_splits
from bag_of_transfer.own_data.mask_places import MOST_FILES, OF_SPLIT, mask_splits
from bag_of_transfer.own_data.voc_places import voc_splits

__all__ = ["class_roots", "layout_of", "nearest_trees"]

IMAGES = "images"  # the layout that has folders of any name
COCO, MASKS, VOC = "coco", "masks", "voc"  # the layouts of which several forms are read
NUM_SHOWN = 2
ALL_NAMES = f"ls {PICTURES} | sed 's/[.][^.]*$//'"
# Folders with these names hold a part of another layout, not the images of a class.
PARTS = {part.path.partition("/")[0] for one in LAYOUTS if one.name != IMAGES for part in one.parts}
OTHERS = "img imgs img_dir ann_dir masks labels annotations gt gts ground_truth groundtruth"
NO_CLASSES = {*(name.lower() for name in PARTS), *OTHERS.split()}


def layout_of(folder: Path, name: str | None = None) -> Layout:
    """Return the layout that a folder has.

    Args:
        folder: The folder.
        name: The layout that it is said to have; None: find out.

    Raises:
        UserError: If there is no such folder, it has none of the layouts, several, or not the one
            that it is said to have.
    """
    if folder.is_file():
        mend = "give the folder that holds it; unpack an archive first"
        raise UserError("a file, not the folder of your data", folder, mend)
    if not folder.is_dir():
        raise UserError("no such folder", folder, "give the folder of your data")
    if name is None:
        found = [layout for layout in LAYOUTS if _has(layout, folder)]
    else:
        found = [layout for layout in LAYOUTS if layout.name == name and _may_have(layout, folder)]
    if len(found) == 1:
        return found[0]
    if found:
        titles = " and ".join(layout.title for layout in found)
        flags = " or ".join(f"--layout {layout.name}" for layout in found)
        raise UserError(f"the folder holds {titles}", folder, f"say which: {flags}")
    what = "the folder has none of the layouts that are read"
    if name is not None:
        what = f"the folder does not have the layout {name}"
    raise UserError(what, folder, "put in place what is MISSING in the trees that are printed")


def class_roots(folder: Path) -> dict[str, Path]:
    """Return the folders that hold class folders with images, by split.

    Where no folder is called like a training split and holds class folders, ``train`` is the
    folder itself, if that has class folders.

    Raises:
        UserError: If several folders may be meant for a split.
    """
    names = [one.name for one in folders_in(folder)]
    if any(split_of(name) == "train" and _num_classes(folder / name) > 1 for name in names):
        return {split: folder / name for split, name in split_names(names, folder).items()}
    return {"train": folder} if _num_classes(folder) > 1 else {}


def nearest_trees(folder: Path, name: str | None = None) -> Iterator[str]:
    """Yield the layouts nearest to what a folder holds, as trees; all where none is near.

    Args:
        folder: The folder.
        name: The only layout to show; None: the nearest.
    """
    warn_of_passed_over(islice(files_below(folder), MOST_FILES), folder)
    shares = {layout.name: _share(layout, folder) for layout in LAYOUTS}
    ranked = sorted(LAYOUTS, key=lambda layout: shares[layout.name], reverse=True)
    near = [layout for layout in ranked if shares[layout.name]][:NUM_SHOWN] or ranked
    for layout in near if name is None else [one for one in LAYOUTS if one.name == name]:
        yield f"{layout.title} (--layout {layout.name}):"
        yield from layout.tree(folder)
        if layout.name == IMAGES and (folder / "train").is_dir():
            number = _num_classes(folder / "train")
            yield f"  train/ has {number} folders with images, and two are needed"
        for part in layout.parts:
            if part.path.endswith("/train.txt") and not part.is_in(folder):
                yield f"  {ALL_NAMES} > {part.path} lists all images"
    for one in folders_in(folder):
        if not split_of(one.name) and (title := _first_layout(one)):
            yield f"{one.name}/ in it holds {title}: give that folder."
    if named := sorted(_no_classes(folder)):
        yield f"If {' and '.join(named)} are classes, --layout {IMAGES} says so."


def _first_layout(folder: Path) -> str | None:
    """Return the title of a layout that a folder has, None if it has none or cannot be read."""
    try:
        return next((layout.title for layout in LAYOUTS if _has(layout, folder)), None)
    except (UserError, OSError):
        return None


def _share(layout: Layout, folder: Path) -> float:
    """Return which share of the parts is there; something in its place is half a part."""
    parts = (1 if p.is_in(folder) else bool(p.in_its_place(folder)) / 2 for p in layout.parts)
    return sum(parts) / len(layout.parts)


def _may_have(layout: Layout, folder: Path) -> bool:
    if layout.name == COCO:
        return "train" in coco_splits(folder)
    if layout.name == IMAGES:
        return bool(class_roots(folder))
    without_lists = {MASKS: mask_splits, VOC: voc_splits}.get(layout.name)
    return layout.is_in(folder) or (without_lists is not None and "train" in without_lists(folder))


def _has(layout: Layout, folder: Path) -> bool:
    if not _may_have(layout, folder):
        return False
    # Without splits, class folders have any name: nothing else must be recognised in them.
    return layout.name != IMAGES or not any(_no_classes(folder))


def _no_classes(folder: Path) -> Iterator[str]:
    """Yield what would be a class, but has the name of a split or of a part of another layout."""
    root = class_roots(folder).get("train")
    for one in _class_folders(root) if root else ():
        name = one.name.lower()
        if name in NO_CLASSES or (root == folder and split_of(OF_SPLIT.sub("", name))):
            yield one.name


def _num_classes(root: Path) -> int:
    return sum(1 for _ in _class_folders(root))


def _class_folders(root: Path) -> Iterator[Path]:
    for one in folders_in(root):
        if any(has_image_suffix(path.name) for path in files_below(one)):
            yield one
