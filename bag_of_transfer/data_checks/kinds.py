"""The kinds of findings in the content of data: how grave each is, and how it is mended.

``docs/data_checks.md`` lists them, beside the kinds that building a data set finds.
"""

from typing import NamedTuple

from bag_of_transfer.engine.data.file_names import storable

__all__ = ["ERROR", "KINDS", "STRUCTURE", "WARNING", "Finding", "Kind", "found"]

ERROR, WARNING = "error", "warning"
STRUCTURE = "structure"  # what building a data set says: refused or warned of at every start


class Kind(NamedTuple):
    """How grave a finding is, and how it is mended."""

    severity: str
    mend: str


_DAMAGED = "restore the file from its source"
_LEAK = "take it out of one of the splits"
_ONE = "keep one of them"

KINDS = {
    # One file.
    "unreadable": Kind(WARNING, "mend or remove it: it is left out"),
    "bit-flip": Kind(ERROR, f"{_DAMAGED}; if you changed it on purpose, touch it"),
    "zero-filled-tail": Kind(ERROR, _DAMAGED),
    "one-pixel": Kind(WARNING, "remove it, or put the picture there"),
    "black": Kind(WARNING, "remove it, if it shows nothing"),
    "one-colour": Kind(WARNING, "remove it, if it shows nothing"),
    "wrong-suffix": Kind(WARNING, "rename it; it is read by its content"),
    "high-bits": Kind(WARNING, "only the upper 8 bits are used; save 8 bits if others matter"),
    "cmyk": Kind(WARNING, "save it as RGB: it is converted without a colour profile"),
    "alpha": Kind(WARNING, "blend it with a background: alpha is dropped"),
    "several-pages": Kind(WARNING, "save the pages one by one: only the first is read"),
    # Several pictures.
    "shared-picture": Kind(ERROR, _LEAK),
    "equal-splits": Kind(ERROR, "name other images for one of the splits"),
    "split-in-training": Kind(ERROR, "name other images for one of the splits"),
    "shared-by-val-and-test": Kind(WARNING, _LEAK),
    "two-classes": Kind(ERROR, "keep it in the class that it shows"),
    "two-truths": Kind(WARNING, f"{_ONE}, rightly annotated"),
    "twice": Kind(WARNING, _ONE),
    "nearly-shared": Kind(WARNING, "look at both; keep them in one split"),
    "shared-original": Kind(WARNING, "keep all copies of a picture in one split"),
    "nearly-two-classes": Kind(WARNING, "look at both; is one in the wrong class?"),
    "nearly-twice": Kind(WARNING, "look at both; do both teach something?"),
    # Labels.
    "box-twice": Kind(WARNING, _ONE),
    "box-nearly-twice": Kind(WARNING, "look at it; keep one, if both mean one object"),
    "box-two-classes": Kind(WARNING, "keep the class that it shows"),
    "ignored-mask": Kind(WARNING, "label some pixels, or leave the image out"),
    "class-only-judged": Kind(WARNING, "add training images of it, or leave the class out"),
    # Names and folders.
    "case-collision": Kind(WARNING, "rename one: other systems take both for one file"),
    "undecodable-name": Kind(WARNING, "rename it in UTF-8: lists and records cannot name it"),
    "no-annotation": Kind(WARNING, "annotate it, or move it away: nothing uses it"),
    "no-image": Kind(WARNING, "add the image, or remove it: nothing uses it"),
    "val-larger-than-train": Kind(WARNING, "are the two splits swapped?"),
}  # fmt: skip


class Finding(NamedTuple):
    """One thing that is wrong, or may be.

    Args:
        kind: One of ``KINDS``, or ``STRUCTURE``.
        severity: ``ERROR`` or ``WARNING``.
        split: ``train``, ``val`` or ``test``; "" where it concerns none of them.
        file: The file or folder, or the config's key.
        place: Where in the file, such as "boxes 1 and 2"; "" for the whole.
        detail: What is wrong.
        mend: How to mend it.
        other: The picture that it is like; "" where there is none.
    """

    kind: str
    severity: str
    split: str
    file: str
    place: str
    detail: str
    mend: str
    other: str = ""


def found(
    kind: str, split: str, file: object, detail: str, place: str = "", other: object = ""
) -> Finding:
    """Return a finding of one of ``KINDS``."""
    severity, mend = KINDS[kind]
    return Finding(
        kind, severity, split, storable(file), place, storable(detail), mend, storable(other)
    )
