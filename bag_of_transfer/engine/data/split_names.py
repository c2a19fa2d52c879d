"""The names that people give to the splits of their data: val, valid, Validation, test_set."""

import re
from collections.abc import Iterable
from pathlib import Path

from bag_of_transfer.engine.errors import UserError

__all__ = ["SPLITS", "are_listed", "split_names", "split_of"]

# What may follow: a year, and what the folder holds (val2017, train_images, test_set).
AFTER = r"[-_ ]?\d*([-_ ]?(images?|set|data|split))?"
NAMES = {"train": r"train(ing)?", "val": r"val(id(ation)?)?", "test": r"test(ing)?"}
SPLITS = tuple(NAMES)


def split_of(name: str) -> str | None:
    """Return the split that a folder or list is named after: "val" for ``Validation``, or None."""
    matches = (split for split in SPLITS if re.fullmatch(NAMES[split] + AFTER, name.lower()))
    return next(matches, None)


def are_listed(folder: Path) -> bool:
    """Return whether lists in ``ImageSets/`` say which images are in which split."""
    names = (path.stem for path in folder.glob("ImageSets/*/*.txt"))
    return any(split_of(name) or name == "trainval" for name in names)


def split_names(names: Iterable[str], where: object) -> dict[str, str]:
    """Return the name by which each split is called; of several, the usual one.

    Args:
        names: Of folders, or of lists without suffix.
        where: They are there, for the error.

    Raises:
        UserError: If several names may stand for train or val, and none is the usual one.
    """
    found: dict[str, list[str]] = {}
    for name in sorted(names):
        if split := split_of(name):
            found.setdefault(split, []).append(name)
    chosen = {split: split for split, called in found.items() if split in called}
    for split in found.keys() - chosen.keys():
        called = found[split]
        if len(called) == 1:
            chosen[split] = called[0]
        elif split != "test":  # which may be missing
            what = f"{' and '.join(called)} may both be the {split} split"
            mend = f"call the one that is meant {split}, or move others away"
            raise UserError(what, where, mend)
    return chosen
