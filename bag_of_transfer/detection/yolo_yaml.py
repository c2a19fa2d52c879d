"""Read the ``data.yaml`` of a folder in YOLO's layout: class names, and where the splits are.

Roboflow, CVAT, Label Studio and ultralytics write it.  It is read as data (``yaml.safe_load``);
its key ``download`` is not followed.
"""

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bag_of_transfer.detection.annotations import MISSING_DATA
from bag_of_transfer.engine.data.name_list import refuse_variants, unique_or_refuse
from bag_of_transfer.engine.errors import UserError, without_colons
from bag_of_transfer.engine.log_file import warn
from bag_of_transfer.engine.numbers import is_whole
from bag_of_transfer.engine.plain_files import read_file

__all__ = ["SPLITS", "YoloData", "read_yolo_yaml"]

MAX_BYTES = 1_000_000  # 21,000 class names take half of it; YAML is slow to read
EXAMPLE = "write names: [cat, dog], or names: {0: cat, 1: dog}"
SPLITS = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}


@dataclass(frozen=True)
class YoloData:
    """What the file states."""

    path: Path
    folder: Path  # where the splits' paths start
    names: tuple[str, ...]
    stated: Mapping[str, tuple[str, ...]]  # folders or lists by split

    def places(self, split: str) -> list[Path]:
        """Return the folders and lists of images of a split, whether they exist or not."""
        texts = self.stated.get(split) or (f"images/{split}",)
        return [self._place(text) for text in texts]

    def _place(self, text: str) -> Path:
        if not (self.folder / text).exists():
            text = text.replace("\\", "/")  # of Windows
        place = self.folder / text
        # Roboflow writes ../train/images for the folder train/images beside the file.
        inside = self.folder / text.removeprefix("../")
        return inside if inside.exists() and not place.exists() else place


def read_yolo_yaml(path: Path) -> YoloData:
    """Read the file.

    Raises:
        UserError: If it is missing, too large, no YAML in UTF-8, names a key twice, states no
            class names or a name twice, a number of classes that is not theirs, or a split that
            is not a path or a list of paths.
    """
    stated = _load(path)
    if "kpt_shape" in stated:
        mend = "export boxes; detectors here don't learn keypoints"
        raise UserError("the labels hold keypoints (kpt_shape)", path, mend)
    names = _names(stated.get("names"), path)
    count = stated.get("nc")
    if count is not None and (not is_whole(count) or count != len(names)):
        what = f"nc is {reprlib.repr(count)}, but there are {len(names)} names"
        raise UserError(what, path, "write one name per class, or leave nc out")
    splits = {
        split: texts
        for split, keys in SPLITS.items()
        if (texts := next((_paths(stated[key], key, path) for key in keys if key in stated), ()))
    }
    return YoloData(path, _folder(stated.get("path"), path), names, splits)


def _load(path: Path) -> dict[str, Any]:
    mend = "write it again as YAML in UTF-8, with path, train, val and names"
    if not path.is_file():
        others = sorted(path.parent.glob("*.y*ml")) if path.parent.is_dir() else []
        found = f"there is {others[0].name}: ann_file={others[0].name!r}; " if others else ""
        raise UserError("no such file", path, f"{found}{EXAMPLE} into it; {MISSING_DATA}")
    data = read_file(path)
    if len(data) > MAX_BYTES:
        raise UserError(f"the file has {len(data)} bytes, more than {MAX_BYTES}", path, mend)
    try:
        text = data.decode("utf-8-sig")
        _refuse_twins(yaml.compose(text, Loader=yaml.SafeLoader), path)
        stated = yaml.safe_load(text)
    except UnicodeDecodeError as error:
        raise UserError("the file is not UTF-8 text", path, mend) from error
    except (yaml.YAMLError, RecursionError, ValueError, TypeError) as error:
        why = without_colons(" ".join(str(error).split())[:200])
        raise UserError(f"the file is not YAML ({why})", path, mend) from error
    if not isinstance(stated, dict):
        what = "the file is empty" if stated is None else "the file holds no keys and values"
        raise UserError(what, path, mend)
    return stated


def _refuse_twins(node: Any, path: Path) -> None:
    """Check that no key is given twice at the top and among the names: the last would count."""
    if not isinstance(node, yaml.MappingNode):
        return
    unique_or_refuse([key.value for key, _ in node.value], "keys", path)
    for key, value in node.value:
        if key.value == "names" and isinstance(value, yaml.MappingNode):
            unique_or_refuse([number.value for number, _ in value.value], "keys of names", path)


def _names(stated: Any, path: Path) -> tuple[str, ...]:
    if isinstance(stated, dict):
        if set(stated) != set(range(len(stated))) or not all(map(is_whole, stated)):
            what = f"names is not numbered from 0 without gaps: {reprlib.repr(list(stated))}"
            raise UserError(what, path, EXAMPLE)
        stated = [stated[number] for number in range(len(stated))]
    if not isinstance(stated, list) or not stated:
        raise UserError("there are no class names", path, EXAMPLE)
    for number, name in enumerate(stated):
        if not isinstance(name, str) or not name.strip():
            what = f"name {number} is {reprlib.repr(name)}, not a text"
            raise UserError(what, path, "write it in quotes: YAML reads no, on and 1 otherwise")
    names = tuple(name.strip() for name in stated)
    unique_or_refuse(names, "names", path)
    refuse_variants(dict.fromkeys(names, path))
    return names


def _paths(stated: Any, key: str, path: Path) -> tuple[str, ...]:
    texts = stated if isinstance(stated, list) else [stated]
    texts = [text for text in texts if text not in (None, "")]
    for text in texts:
        if not isinstance(text, str) or "\0" in text:
            what = f"{key} is {reprlib.repr(stated)}, not a path or a list of paths"
            raise UserError(what, path, "write for instance train: images/train")
    return tuple(texts)


def _folder(stated: Any, path: Path) -> Path:
    beside = path.parent
    if stated in (None, ""):
        return beside
    texts = _paths(stated, "path", path)
    folder = beside / texts[0]
    if len(texts) == 1 and folder.is_dir():
        return folder
    warn(f"{path}: path leads to no folder here ({reprlib.repr(stated)}): the file's own is used")
    return beside
