"""Look at a folder through the data sets that will be made of it: classes, number and size."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from statistics import median
from typing import Any, NamedTuple

from mmengine.config import Config

from bag_of_transfer.engine.data.class_names import classes_of
from bag_of_transfer.engine.data.data_sets import build_dataset, file_of, missing_places
from bag_of_transfer.engine.data.image_files import files_below
from bag_of_transfer.engine.data.image_scan import image_facts
from bag_of_transfer.engine.data.layouts import CLASSES_FILE, MASKS
from bag_of_transfer.engine.data.mask_reader import IGNORED
from bag_of_transfer.engine.data.split_names import SPLITS, split_names
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.quantities import few
from bag_of_transfer.own_data.coco_places import coco_splits, splits_without_images
from bag_of_transfer.own_data.detect import class_roots
from bag_of_transfer.own_data.mask_places import mask_splits
from bag_of_transfer.own_data.voc_places import voc_splits
from bag_of_transfer.segmentation.masks import mask_facts

__all__ = ["Looked", "look"]

COCO, MASK_FOLDER, VOC = "CocoFormat", "MaskFolder", "VocFormat"
MOST_WITH_GAPS = 20  # more numbers with gaps between them are shades of grey, not labels
LISTS = {VOC: "ann_file", MASK_FOLDER: "split"}  # the argument that names a split's list


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
        remarks: Lines about splits that are not there, or are not read.
    """

    classes: tuple[str, ...]
    num_images: int
    width: int
    height: int
    has_val: bool
    lacks_test: bool
    datasets: dict[str, dict[str, Any]]
    remarks: tuple[str, ...]


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
    missing = {split: _missing(folder, cfg, split, needed[split]) for split in ("val", "test")}
    has_val = missing["val"] is None
    lacks_test = bool(cfg.get("test_dataloader")) and missing["test"] is not None
    remarks = tuple(_remarks(folder, described, missing["val"]))
    size = (len(paths), width, height)
    return Looked(classes_of(dataset), *size, has_val, lacks_test, needed, remarks)


def _missing(folder: Path, cfg: Config, split: str, needed: Mapping[str, Any]) -> Path | None:
    """Return what is missing of a split; check one that is there."""
    if not cfg.get(f"{split}_dataloader"):
        return None
    if needed.get("root") == str(folder):  # class folders without splits
        return folder / split
    described = {**cfg[f"{split}_dataloader"].dataset, **needed}
    if missing := missing_places(described):
        return missing[0]
    build_dataset(described, cfg.default_scope)
    return None


def _remarks(folder: Path, described: Mapping[str, Any], missing_val: Path | None) -> Iterator[str]:
    """Yield what is to be said of the splits, given the data set of training."""
    without = splits_without_images(folder) if described["type"] == COCO else {}
    for split, file in without.items():
        yield f"{file} is no {split} split: no folder of its images was found"
    if missing_val:
        listed = described.get(LISTS.get(described["type"], ""), ".txt")
        is_told = listed.endswith(".txt") and "val" not in without
        why = f" ({missing_val} is not there)" if is_told else ""
        yield f"no val split{why}: a fifth of the training images is held out"
    if "root" in described and (test := class_roots(folder).get("test")):
        yield f"{test} is not read: class folders are judged on the val split"


def _needed(folder: Path, cfg: Config) -> dict[str, dict[str, Any]]:
    """Return what each split's data set needs, where that differs from the config."""
    described = cfg.train_dataloader.dataset
    if described["type"] == COCO:
        found = coco_splits(folder)
        stated = {split: cfg[f"{split}_dataloader"].dataset for split in found}
        usual = [s for s, needed in found.items() if {**stated[s], **needed} == stated[s]]
        return {split: {} if split in usual else found.get(split, {}) for split in SPLITS}
    if "root" in described:
        return _class_roots(folder)
    lists = {split: _list_of(folder, cfg, split) for split in SPLITS}
    if described["type"] == MASK_FOLDER:
        return _masks(folder, described, lists)
    if described["type"] == VOC and not (folder / described["ann_file"]).is_file():
        found = voc_splits(folder)
        return {split: found.get(split, {}) for split in SPLITS}
    return lists


def _masks(
    folder: Path, described: Mapping[str, Any], lists: dict[str, dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Return lists or folders of the splits, and how the masks number the classes."""
    found = {} if (folder / described["split"]).is_file() else mask_splits(folder)
    needed = found or lists
    if not (folder / CLASSES_FILE).is_file():
        places = {
            one.get("mask_dir", MASKS): one.get("mask_suffix", ".png") for one in needed.values()
        }
        ends = {folder / place: end for place, end in places.items()}
        numbering = _numbering(ends, named=bool(found))
        needed = {split: options | numbering for split, options in needed.items()}
    return {split: needed.get(split, {}) for split in SPLITS}


def _class_roots(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the folders of the splits, with the classes of train, if one has another name."""
    roots = class_roots(folder)
    if roots.get("train") == folder:
        return {split: {"root": str(folder)} for split in SPLITS}
    if all(root.name == split for split, root in roots.items() if split != "test"):
        return {split: {} for split in SPLITS}
    needed = {split: {"root": str(root)} for split, root in roots.items()}
    for split in needed.keys() - {"train"}:
        needed[split]["classes_from"] = str(roots["train"])
    return {split: needed.get(split, {}) for split in SPLITS}


def _list_of(folder: Path, cfg: Config, split: str) -> dict[str, Any]:
    """Return the list of a split's images, if it has another name than the config's."""
    dataset = (cfg.get(f"{split}_dataloader") or {}).get("dataset") or {}
    key = LISTS.get(dataset.get("type", ""))
    if key is None:
        return {}
    usual = PurePath(dataset[key])
    names = (path.stem for path in (folder / usual.parent).glob(f"*{usual.suffix}"))
    name = split_names(names, folder / usual.parent).get(split, split)
    return {} if name == usual.stem else {key: str(usual.with_stem(name))}


def _numbering(places: Mapping[Path, str], named: bool) -> dict[str, Any]:
    """Return how the masks in folders number the classes, given how their names end.

    Without names, the data set finds the classes in all masks below the first part of a folder's
    path, where images may be as well.
    """
    files = ((path, end) for place, end in places.items() for path in files_below(place))
    masks = [path for path, end in files if path.name.lower().endswith(end.lower())]
    values = set().union(*(fact.values for fact in mask_facts(masks).values()))
    return _numbered(sorted(values), next(iter(places)), named)


def _numbered(values: Sequence[int], masks: Path, named: bool) -> dict[str, Any]:
    """Return a map where the labels are not 0, 1, 2, ...; 255 is a class where one is left.

    The classes have names where there is a map, or where ``named`` asks for them.

    Raises:
        UserError: If there are so many that they must be shades of grey.
    """
    labels = [value for value in values if value != IGNORED]
    if len(labels) == 1:
        labels = [*labels, IGNORED][: len(values)]
    has_gaps = labels != list(range(len(labels)))
    if len(labels) > (MOST_WITH_GAPS if has_gaps else IGNORED - 1):
        what = f"the masks hold {len(labels)} numbers ({few(labels, 5)}) as greys do"
        mend = "if they were resized or compressed, which blends labels, write them anew from what "
        mend += "they were made of; if not, name the classes in classes.txt"
        raise UserError(what, masks, mend)
    if len(labels) < 2:
        return {}
    names = {"classes": tuple(f"class_{value}" for value in labels)}
    if not has_gaps:
        return names if named else {}
    return {"label_map": {old: new for new, old in enumerate(labels)}, **names}
