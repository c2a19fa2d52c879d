"""Which class each value in the file of a mask stands for: four options of ``MaskFolder``.

As in mmseg, 1 is subtracted first where 0 is no class, and then ``label_map`` gives the labels that
result new numbers.
"""

from collections.abc import Iterable, Mapping
from inspect import signature
from typing import Any

import numpy as np
from jaxtyping import Int32
from mmseg.registry import DATASETS

from bag_of_transfer.engine.data.mask_reader import IGNORED, labels_of
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.numbers import is_whole

__all__ = ["Numbering"]

REDUCE = "reduce_zero_label"
OPTIONS = ("ignore_index", REDUCE, "label_map", "unmapped")
EXAMPLE = "write for instance label_map={7: 0, 8: 1}: labels in the masks, and what they become"


class Numbering:
    """What the values of pixels mean, from the options of a data set, which are checked.

    Args:
        where: Folder of the data, for errors.
        ignore_index: Value in the files for "don't know".  None: 255, unless ``label_map`` gives
            255 a class.
        reduce_zero_label: Whether 0 means "don't know", too, and classes are counted from 1.
        label_map: New numbers by old ones; 255 as a new number means "don't know".  None: the
            numbers stay.  With ``reduce_zero_label``, the old ones are those after 1 was
            subtracted, as in mmseg.
        unmapped: What labels mean that ``label_map`` does not name: ``"refuse"``, that they are
            a mistake; ``"ignore"``, "don't know".

    Raises:
        UserError: If a value is not of its kind, or two options contradict each other.
    """

    def __init__(
        self,
        where: object,
        ignore_index: int | None = None,
        reduce_zero_label: bool = False,
        label_map: Mapping[Any, int] | None = None,
        unmapped: str = "refuse",
    ) -> None:
        self._where = where
        if unmapped not in ("refuse", "ignore"):
            raise self._wrong("unmapped", unmapped, "say 'refuse' or 'ignore'")
        if not isinstance(reduce_zero_label, bool):
            raise self._wrong("reduce_zero_label", reduce_zero_label, "say True or False")
        if ignore_index is not None and not _is_label(ignore_index):
            raise self._wrong("ignore_index", ignore_index, "give a whole number, 0 or more")
        self.first = int(reduce_zero_label)
        self.label_map = None if label_map is None else self._checked_map(label_map)
        self.ignores_others = unmapped == "ignore"
        self._ignore_index = IGNORED if ignore_index is None else ignore_index
        if self.label_map is None and self.ignores_others:
            raise self._wrong("unmapped", unmapped, "state label_map, too, or leave both out")
        if self.label_map is not None:
            self._refuse_contradictions(self.label_map, ignore_index is not None)

    @classmethod
    def stated_in(cls, described: Mapping[str, Any]) -> "Numbering":
        """Return what a data set's description states, or its class: ADE20K's labels begin at 1.

        Raises:
            UserError: As for the class.
        """
        kind = described.get("type")
        kind = DATASETS.get(kind) if isinstance(kind, str) else kind
        preset = signature(kind).parameters.get(REDUCE) if kind else None
        stated: dict[str, Any] = {}
        if preset and preset.default is True:
            stated[REDUCE] = True
        stated |= {key: described[key] for key in OPTIONS if described.get(key) is not None}
        return cls(described.get("data_root"), **stated)

    def labels_in(self, mask: Int32[np.ndarray, "H W"]) -> np.ndarray:
        """Return the labels of a mask as training gets them."""
        label_map = self.renumbered(np.unique(mask).tolist())
        return labels_of(mask, {"reduce_zero_label": self.first, "label_map": label_map})

    def _wrong(self, option: str, value: object, mend: str) -> UserError:
        return UserError(f"{option} is {value!r}", f"{self._where} (MaskFolder)", mend)

    def _checked_map(self, label_map: Mapping[Any, int]) -> dict[int, int]:
        if not isinstance(label_map, Mapping) or not label_map:
            raise self._wrong("label_map", label_map, EXAMPLE)
        result: dict[int, int] = {}
        for stated, new in label_map.items():
            # From a command line it is text, which comes last and counts.
            old = int(stated) if isinstance(stated, str) and stated.isdecimal() else stated
            if not _is_label(old) or not _is_label(new):
                raise self._wrong("label_map", {stated: new}, EXAMPLE)
            result[old] = new
        return result

    def _refuse_contradictions(self, label_map: dict[int, int], is_stated: bool) -> None:
        for old in (IGNORED, IGNORED - 1) if self.first else ():
            if old in label_map:
                mend = f"leave it out: with reduce_zero_label, 0 and {IGNORED} become {IGNORED}"
                raise self._wrong("label_map", {old: label_map[old]}, mend)
        old = self._ignore_index - self.first
        if label_map.get(old, IGNORED) == IGNORED:
            return
        if is_stated:
            mend = f"leave {old} out, or set ignore_index to a value that no mask holds"
            what = f"{ {old: label_map[old]} } beside ignore_index={self._ignore_index}"
            raise UserError(f"label_map has {what}", f"{self._where} (MaskFolder)", mend)
        self._ignore_index = -1  # a value that no mask holds

    @property
    def ignored(self) -> set[int]:
        """Return the values in the files that mean "don't know"."""
        mapped = (self.label_map or {}).items()
        without = {old + self.first for old, new in mapped if new == IGNORED}
        return ({self._ignore_index, 0} if self.first else {self._ignore_index}) - {-1} | without

    @property
    def num_mapped(self) -> int:
        """Return how many classes ``label_map`` gives.

        Raises:
            UserError: If it gives fewer than two, or leaves a number out.
        """
        labels = sorted(set((self.label_map or {}).values()) - {IGNORED})
        if len(labels) < 2 or labels[-1] != len(labels) - 1:
            mend = f"number the classes from 0 without gaps; {IGNORED} stands for no class"
            raise self._wrong("label_map", self.label_map, mend)
        return len(labels)

    def labels(self, names: tuple[str, ...]) -> dict[int, int]:
        """Return the classes, as numbers from 0, that values in the files stand for.

        Raises:
            UserError: If ``label_map`` has a label that is not of these classes, or has none for
                one of them.
        """
        if self.label_map is None:
            return {label + self.first: label for label in range(len(names))}
        for old, new in self.label_map.items():
            if new >= len(names) and new != IGNORED:
                mend = f"the labels of {len(names)} classes are 0 to {len(names) - 1}, or {IGNORED}"
                raise self._wrong("label_map", {old: new}, mend)
        missing = sorted(set(range(len(names))) - set(self.label_map.values()))
        if missing:
            what = f"label_map has no value for class {names[missing[0]]!r} (label {missing[0]})"
            mend = "say which label of the masks stands for it, or leave it out of the classes"
            raise UserError(what, f"{self._where} (MaskFolder)", mend)
        pairs = self.label_map.items()
        return {old + self.first: new for old, new in pairs if new != IGNORED}

    def renumbered(self, values: Iterable[int]) -> dict[int, int] | None:
        """Return the whole map for ``ReadMask``, with what is ignored.

        Args:
            values: All values of the masks.
        """
        result = dict(self.label_map or {})
        if self._ignore_index not in (IGNORED, -1):
            result[self._ignore_index - self.first] = IGNORED
        if self.ignores_others:
            others = {value - self.first for value in values} - result.keys()
            # Not 0, which has become 255 before 1 is subtracted from the others.
            result.update(dict.fromkeys(sorted(others - {-1}), IGNORED))
        return result or None


def _is_label(value: Any) -> bool:
    return is_whole(value) and value >= 0
