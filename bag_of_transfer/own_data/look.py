"""Look at a folder through the data sets that will be made of it: classes, number and size."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from mmengine.config import Config

from bag_of_transfer.engine.data.data_sets import build_dataset, classes_of, file_of, missing_places
from bag_of_transfer.engine.data.image_files import files_below
from bag_of_transfer.engine.data.image_scan import image_facts
from bag_of_transfer.engine.data.layouts import CLASSES_FILE, MASKS
from bag_of_transfer.engine.data.mask_reader import IGNORED
from bag_of_transfer.own_data.coco_places import SPLIT_NAMES, coco_splits
from bag_of_transfer.own_data.detect import class_root
from bag_of_transfer.segmentation.masks import mask_facts

__all__ = ["SPLITS", "Looked", "look"]

SPLITS = tuple(SPLIT_NAMES)


class Looked(NamedTuple):
    """What a folder holds.

    Args:
        classes: Their names in the order of the labels.
        num_images: Of the training split.
        width: The median, in pixels.
        height: The median, in pixels.
        has_val: Whether there is a validation split.
        lacks_test: Whether the config names a test split that is not there.
        datasets: By split, arguments that its data set needs besides the folder.
    """

    classes: tuple[str, ...]
    num_images: int
    width: int
    height: int
    has_val: bool
    lacks_test: bool
    datasets: dict[str, dict[str, Any]]


def look(folder: Path, cfg: Config) -> Looked:
    """Build the splits of a config, with the checks of a start, and measure the training data.

    Args:
        folder: The folder of the data.
        cfg: The config, with the folder in it; changed.

    Raises:
        UserError: If the data are missing, or contradict themselves.
    """
    described = cfg.train_dataloader.dataset
    needed = _needed(folder, cfg)
    described.update(needed["train"])
    dataset = build_dataset(described, cfg.default_scope)
    paths = [Path(file_of(dataset, index)) for index in range(len(dataset))]
    sizes = [(fact.width, fact.height) for fact in image_facts(paths).values() if not fact.error]
    width, height = (round(median(sides)) for sides in zip(*sizes, strict=True))
    has_val = "root" not in needed["val"] and _is_sound(cfg, "val", needed["val"])
    lacks_test = bool(cfg.get("test_dataloader")) and not _is_sound(cfg, "test", needed["test"])
    classes = classes_of(dataset)
    return Looked(classes, len(paths), width, height, has_val, lacks_test, needed)


def _is_sound(cfg: Config, split: str, needed: Mapping[str, Any]) -> bool:
    """Return whether a split is there, and check it."""
    described = {**cfg[f"{split}_dataloader"].dataset, **needed}
    if missing_places(described):
        return False
    build_dataset(described, cfg.default_scope)
    return True


def _needed(folder: Path, cfg: Config) -> dict[str, dict[str, Any]]:
    """Return what each split's data set needs, where that differs from the config."""
    described = cfg.train_dataloader.dataset
    if described["type"] == "CocoFormat":
        found = coco_splits(folder)
        stated = {split: cfg[f"{split}_dataloader"].dataset for split in found}
        usual = [s for s, needed in found.items() if {**stated[s], **needed} == stated[s]]
        return {split: {} if split in usual else found.get(split, {}) for split in SPLITS}
    if "root" in described:  # class folders
        root = class_root(folder)
        return dict.fromkeys(SPLITS, {"root": str(root)} if root == folder else {})
    is_numbered = described["type"] == "MaskFolder" and not (folder / CLASSES_FILE).is_file()
    return dict.fromkeys(SPLITS, _numbering(folder / MASKS) if is_numbered else {})


def _numbering(masks: Path) -> dict[str, Any]:
    facts = mask_facts([path for path in files_below(masks) if path.suffix.lower() == ".png"])
    values = set().union(*(fact.values for fact in facts.values()))
    return _numbered(sorted(values))


def _numbered(values: Sequence[int]) -> dict[str, Any]:
    """Return a map where the labels are not 0, 1, 2, ...; 255 is a class where one is left."""
    labels = [value for value in values if value != IGNORED]
    if len(labels) == 1:
        labels = [*labels, IGNORED][: len(values)]
    if labels == list(range(len(labels))) or len(labels) < 2:
        return {}
    names = tuple(f"class_{value}" for value in labels)
    return {"label_map": {old: new for new, old in enumerate(labels)}, "classes": names}
