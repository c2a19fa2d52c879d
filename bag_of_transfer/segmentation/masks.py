"""Check that masks fit their images and the classes.

A mask is a grey or palette PNG whose pixel values are label numbers, as in PASCAL VOC and ADE20K.
"""

import glob
import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from bag_of_transfer.engine.data.image_reader import read_error
from bag_of_transfer.engine.data.image_scan import ImageFacts, scan_files
from bag_of_transfer.engine.data.mask_reader import IGNORED, decode_mask, first_pixel
from bag_of_transfer.engine.data.name_list import unique_or_refuse
from bag_of_transfer.engine.data.split_names import split_of
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.segmentation.numbering import Numbering

__all__ = [
    "MEND_ONE_CLASS",
    "MaskFacts",
    "check_classes",
    "check_labelled",
    "check_sizes",
    "check_values",
    "folders_of_all_splits",
    "mask_facts",
    "names_from_values",
]

NUM_SHOWN = 10
MEND_ONE_CLASS = (
    "give each class its own number from 0; if 255 is a class, say so: label_map={0: 0, 255: 1}"
)


class MaskFacts(NamedTuple):
    """What decoding a mask shows; sizes in pixels.  No values: only its header was read."""

    error: str
    width: int
    height: int
    values: list[int]


def mask_facts(paths: Sequence[Path]) -> dict[Path, MaskFacts]:
    """Decode each mask, or take its facts from the cache; in the order of ``paths``.

    Raises:
        UserError: If a mask holds colours or fractions.
    """
    facts = scan_files(paths, _inspect, "masks-4", _glance)
    return {path: MaskFacts(*values) for path, values in facts.items()}


def check_sizes(
    pairs: Iterable[tuple[Path, Path]],
    images: Mapping[Path, ImageFacts],
    masks: Mapping[Path, MaskFacts],
) -> None:
    """Compare each mask's size with its image's (as shown, after Exif rotation).

    Raises:
        UserError: If a mask has another size.
    """
    for image, mask in pairs:
        size, mask_size = images[image][1:3], masks[mask][1:3]
        if size != mask_size:
            raise UserError(
                "the mask is {} x {} pixels, its image {} x {}".format(*mask_size, *size),
                mask,
                f"save mask and image ({image.name}) in one size, both upright",
            )


def check_values(
    masks: Mapping[Path, MaskFacts], labels: Mapping[int, int], numbering: Numbering
) -> set[int]:
    """Return the classes that occur, and check that each value stands for one, or is ignored.

    Args:
        masks: The masks of one split.
        labels: The classes that values stand for, see :meth:`Numbering.labels`.
        numbering: What is ignored.

    Raises:
        UserError: If a mask holds another value.
    """
    known = labels.keys() | numbering.ignored
    wrong = {path: mask for path, mask in masks.items() if not known.issuperset(mask.values)}
    if wrong and not numbering.ignores_others:
        first, mask = next(iter(wrong.items()))
        value = min(set(mask.values) - known)
        what, mend = _stray(value, labels, numbering)
        what = f"{what} in {len(wrong)} of {len(masks)} masks, {first_pixel(first, value)}"
        raise UserError(what, first, mend)
    values: set[int] = set().union(*(mask.values for mask in masks.values()))
    return {labels[value] for value in values & labels.keys()}


def _stray(value: int, labels: Mapping[int, int], numbering: Numbering) -> tuple[str, str]:
    ignored = " or ".join(map(str, sorted(numbering.ignored))) or "nothing"
    if numbering.label_map is None:
        what = f"label {value} is outside {min(labels)}..{max(labels)} (ignored is {ignored})"
        return what, "mend the masks, or name every class in classes.txt or the argument classes"
    reduced = f", as {value - 1} after reduce_zero_label," if numbering.first else ""
    what = f"label {value} is not in label_map{reduced} (ignored is {ignored})"
    return what, "add it; {LABEL: 255} or unmapped='ignore' says that it is no class"


def check_classes(names: Sequence[str], where: object) -> None:
    """Check that there are two classes: with one, every prediction would be right.

    Raises:
        UserError: If there are fewer than two classes, or two of one name.
    """
    unique_or_refuse(names, "class names", "classes")
    if len(names) < 2:
        raise UserError(
            f"masks need two classes or more, got {', '.join(names) or 'none'}",
            where,
            "name every label that the masks hold, including the background",
        )


def check_labelled(
    masks: Mapping[Path, MaskFacts], labels: Mapping[int, int], numbering: Numbering, where: object
) -> None:
    """Check that some pixel has a label, and that no label of a class means "ignored" later.

    Args:
        masks: The masks of one split, which have passed :func:`check_values`.
        labels: The classes that values stand for.
        numbering: What is ignored.
        where: The split, for the message.

    Raises:
        UserError: If every pixel is ignored, or the label of a class means "ignored" later.
    """
    counted = labels.keys() - numbering.ignored
    if all(mask.values and counted.isdisjoint(mask.values) for mask in masks.values()):
        ignored = " or ".join(map(str, sorted(numbering.ignored)))
        ignored += " or not in label_map" * numbering.ignores_others
        raise UserError(
            f"every pixel of the {len(masks)} masks is ignored ({ignored})",
            where,
            "label some pixels, or leave this split out",
        )
    if numbering.label_map is not None:
        return  # it gives no class the number of ignored pixels
    taken = {IGNORED, IGNORED + numbering.first} & labels.keys()
    for path, mask in masks.items():
        if clash := taken & set(mask.values):
            raise UserError(
                f"label {min(clash)} stands for a class, but means 'ignored' in training, "
                f"{first_pixel(path, min(clash))}",
                path,
                f"give the class another number: mmseg ignores {IGNORED}",
            )


def folders_of_all_splits(root: Path, img_dir: str, mask_dir: str) -> list[Path]:
    """Return the folders with the masks of all splits, whose values name the classes together.

    Of ``masks/train`` it is ``masks``.  Of ``train/masks``, where the images are in
    ``train/images``, it is the folder ``masks`` of each split beside ``train``.

    Args:
        root: Folder of the data.
        img_dir: Folder of a split's images, as the data set has it.
        mask_dir: Folder of the split's masks; it stands alone where it is not below ``root``.
    """
    parts = Path(mask_dir).parts
    if not parts or Path(mask_dir).is_absolute() or ".." in parts:
        return [root / mask_dir]
    pairs = zip(parts, Path(img_dir).parts, strict=False)
    shared = list(itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
    above, own = parts[: len(shared)], parts[len(shared) :]
    if above and len(own) == 1:
        beside = root.joinpath(*above[:-1]).glob(f"*/{glob.escape(own[0])}")
        splits = sorted(each for each in beside if each.is_dir() and split_of(each.parent.name))
        return splits if split_of(above[-1]) else [root / mask_dir]
    return [root.joinpath(*above, own[0])] if own else [root / parts[0]]


def names_from_values(
    masks: Iterable[MaskFacts], ignored: set[int], first: int, where: object
) -> tuple[str, ...]:
    """Name the classes by the values of the masks: ``class_0``, ``class_1``, ...

    Args:
        masks: The masks of all splits.
        ignored: Values that are not a class.
        first: The smallest label: 0, or 1 where 0 stands for "not labelled".
        where: Folder of the masks, for the message.

    Raises:
        UserError: If there are fewer than two classes, or a number is left out.
    """
    known = [mask.values for mask in masks]
    labels = sorted(set().union(*known) - ignored)
    if labels and not all(known):  # a dry run: the other masks may show what is left out
        labels = list(range(first, labels[-1] + 1))
    shown = ", ".join(map(str, labels[:NUM_SHOWN])) + (", ..." if len(labels) > NUM_SHOWN else "")
    if len(labels) < 2:
        values = ", ".join(map(str, sorted(ignored)))
        raise UserError(
            f"the masks hold fewer than two classes ({shown or 'none'}; {values} is ignored)",
            where,
            MEND_ONE_CLASS,
        )
    if labels != list(range(first, first + len(labels))):
        raise UserError(
            f"the labels in the masks have gaps ({shown})",
            where,
            "mend the masks, or name every class in a classes.txt beside the folders",
        )
    return tuple(f"class_{value}" for value in labels)


def _inspect(path: Path) -> list:
    try:
        labels = decode_mask(path)
    except UserError:
        raise
    except Exception as error:  # decoders raise OSError, SyntaxError, ValueError, struct.error...
        return [read_error(path, error), 0, 0, []]
    height, width = labels.shape
    return ["", width, height, _values(labels)]


def _glance(path: Path) -> list[object]:
    try:
        with Image.open(path) as image:
            return ["", *image.size, []]
    except Exception as error:  # as above
        return [read_error(path, error), 0, 0, []]


def _values(labels: np.ndarray) -> list[int]:
    if labels.dtype == np.uint8:  # one pass, no sorting
        return np.flatnonzero(np.bincount(labels.ravel())).tolist()
    return np.unique(labels.astype(np.int64)).tolist()
