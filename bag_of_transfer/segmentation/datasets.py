"""``MaskFolder``: images and label masks in two folders, as in PASCAL VOC and ADE20K."""

import glob
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from mmengine.registry import DATASETS
from mmseg.datasets import BaseSegDataset
from mmseg.utils import get_classes, get_palette

from bag_of_transfer.engine.data.file_names import composed
from bag_of_transfer.engine.data.image_files import (
    files_below,
    has_image_suffix,
    warn_of_passed_over,
)
from bag_of_transfer.engine.data.image_scan import image_facts, leave_out
from bag_of_transfer.engine.data.layouts import CLASSES_FILE, MASKS, PICTURES
from bag_of_transfer.engine.data.mask_reader import IGNORED
from bag_of_transfer.engine.data.name_list import read_class_names, read_names
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.log_file import warn
from bag_of_transfer.engine.quantities import counted
from bag_of_transfer.segmentation.masks import (
    MEND_ONE_CLASS,
    check_classes,
    check_labelled,
    check_sizes,
    check_values,
    folders_of_all_splits,
    mask_facts,
    names_from_values,
)
from bag_of_transfer.segmentation.numbering import Numbering

__all__ = ["IGNORED", "MaskFolder"]

NUM_NAMED = 10
ONE_PER_LINE = "check split, or write the list, one name per line"
Pairs = list[tuple[Path, Path]]


@DATASETS.register_module()
class MaskFolder(BaseSegDataset):
    """Images and their masks, all checked before training starts.

    A mask has its image's name with ``mask_suffix``; its pixel values are the labels.  Up to
    ``max_unreadable`` files that can't be read are left out and named in a warning.

    Args:
        data_root: Folder of the data; the other paths are relative to it.
        img_dir: Folder of the images and their sub-folders; for suffixes see
            ``engine/data/image_files.py``.
        mask_dir: Folder of the masks, in the same sub-folders.
        split: File with one name per line, without suffix; "": use every image of ``img_dir``.
        classes: Names in label order, or a name that mmseg knows (``"ade20k"``, ``"voc"``).  None:
            read ``classes.txt`` in ``data_root`` (one name per line); without that file, use the
            values of the masks of all splits, so that they agree (``folders_of_all_splits``).
        ignore_index: Mask value for "don't know"; the loss gets it as 255.  None: 255, unless
            ``label_map`` gives 255 a class.
        reduce_zero_label: Whether 0 means "don't know", too, and the classes start at 1 (ADE20K).
        label_map: New labels by old ones, ``{7: 0, 8: 1}``; 255 as a new one means "don't know".
            As in mmseg, the old ones are those after ``reduce_zero_label`` has subtracted 1.
        unmapped: Labels that ``label_map`` does not name: ``"refuse"``, or ``"ignore"`` them.
        max_unreadable: Number of files that may be left out.
        mask_suffix: End of a mask's name.
        pipeline: Transforms, as in mmseg.
        test_mode: Whether this is for evaluation; only training warns of classes without a pixel.
        indices: Use only the first n, or these, as in mmengine.
        serialize_data: Share one copy between the loader's workers, as in mmengine.
        lazy_init: Build the list of files later, as in mmengine; the checks run at once.
        max_refetch: Tries for another image when a transform returns None, as in mmengine.

    Raises:
        UserError: If a folder, a mask or an image is missing, a mask has another size than its
            image, a label is outside the classes, there are fewer than two classes or two of one
            name, every pixel of the split is ignored, options contradict each other
            (:class:`Numbering`), or too many files can't be read.
    """

    def __init__(
        self,
        data_root: str,
        img_dir: str = PICTURES,
        mask_dir: str = MASKS,
        split: str = "",
        classes: Sequence[str] | str | None = None,
        ignore_index: int | None = None,
        reduce_zero_label: bool = False,
        label_map: Mapping[int, int] | None = None,
        unmapped: str = "refuse",
        max_unreadable: int = 10,
        mask_suffix: str = ".png",
        pipeline: Sequence[dict | Callable] = (),
        test_mode: bool = False,
        indices: int | Sequence[int] | None = None,
        serialize_data: bool = True,
        lazy_init: bool = False,
        max_refetch: int = 1000,
    ) -> None:
        root = Path(data_root)
        self._numbering = Numbering(root, ignore_index, reduce_zero_label, label_map, unmapped)
        images, masks = root / img_dir, _Masks(root / mask_dir, mask_suffix)
        pairs = _find_pairs(images, masks, root / split if split else None)
        folders = folders_of_all_splits(root, img_dir, mask_dir)
        names, palette = self._name_classes(root, folders, masks, classes)
        check_classes(names, root)
        where = root / (split or mask_dir)
        self._pairs = self._check(pairs, names, max_unreadable, where, not test_mode)
        super().__init__(
            metainfo={"classes": names, **palette},
            data_root=None,
            ignore_index=IGNORED,
            reduce_zero_label=reduce_zero_label,
            pipeline=list(pipeline),
            test_mode=test_mode,
            indices=indices,
            serialize_data=serialize_data,
            lazy_init=lazy_init,
            max_refetch=max_refetch,
        )
        # Not arguments: mmseg would read the folder as a list, and has no argument for the map.
        self.image_dir, self.is_listed = str(root / img_dir), bool(split)
        self._metainfo["label_map"] = self._numbering.label_map
        if test_mode:  # names in metrics; training sets that are joined must have one metainfo
            self._metainfo["img_dir"] = self.image_dir

    def load_data_list(self) -> list[dict[str, Any]]:
        """Return the pairs in the form that mmseg's transforms expect."""
        label_map = self._numbering.renumbered(self._values)
        return [
            {
                "img_path": str(image),
                "seg_map_path": str(mask),
                "label_map": label_map,
                "reduce_zero_label": self.reduce_zero_label,
                "seg_fields": [],
            }
            for image, mask in self._pairs
        ]

    def _name_classes(
        self,
        root: Path,
        folders: Sequence[Path],
        masks: "_Masks",
        classes: Sequence[str] | str | None,
    ) -> tuple[tuple[str, ...], dict[str, Any]]:
        if isinstance(classes, str):
            return _known_classes(classes)
        if classes is not None:
            return tuple(classes), {}
        listed = root / CLASSES_FILE
        if listed.is_file():
            return tuple(read_class_names(listed, ONE_PER_LINE)), {}
        if self._numbering.label_map is not None:
            return tuple(f"class_{label}" for label in range(self._numbering.num_mapped)), {}
        kept = [masks if top == masks.folder else _Masks(top, masks.suffix) for top in folders]
        files = [path for each in kept for path in each.files]
        readable = [mask for mask in mask_facts(files).values() if not mask.error]
        ignored, first = self._numbering.ignored, self._numbering.first
        where = folders[0] if len(folders) == 1 else root
        return names_from_values(readable, ignored, first, where), {}

    def _check(
        self, pairs: Pairs, names: tuple[str, ...], max_unreadable: int, where: Path, warn: bool
    ) -> Pairs:
        images = image_facts([image for image, _ in pairs])
        masks = mask_facts([mask for _, mask in pairs])
        bad = {path: facts.error for path, facts in (images | masks).items() if facts.error}
        left_out = leave_out(bad, len(pairs), max_unreadable, where)
        pairs = [pair for pair in pairs if left_out.isdisjoint(pair)]
        if not pairs:
            raise UserError("no image is left to use", where, "mend the images and masks")
        check_sizes(pairs, images, masks)
        used = {mask: masks[mask] for _, mask in pairs}
        self._values: set[int] = set().union(*(facts.values for facts in used.values()))
        labels = self._numbering.labels(names)
        present = check_values(used, labels, self._numbering)
        check_labelled(used, labels, self._numbering, where)
        if not all(mask.values for mask in used.values()):
            return pairs  # a dry run has not decoded all masks
        unused = [name for label, name in enumerate(names) if label not in present]
        if warn and len(names) - len(unused) < 2:  # for instance masks of 0 and 255
            ignored = ", ".join(map(str, sorted(self._numbering.ignored))) or "no value"
            what = f"the masks show one class of {len(names)} ({ignored} is ignored)"
            raise UserError(what, where, MEND_ONE_CLASS)
        if warn and unused:
            _warn_of_unused(unused, len(pairs), where)
        return pairs


class _Masks:
    """The masks of a folder, which is listed once."""

    def __init__(self, folder: Path, suffix: str) -> None:
        self.folder, self.suffix, end = folder, suffix, suffix.lower()
        self.files = [path for path in _files(folder) if path.name.lower().endswith(end)]

    def by_name(self) -> dict[str, Path]:
        length, twins = len(self.suffix), "two masks have the name of one image"
        return _by_name(self.files, self.folder, lambda _: length, twins)


def _find_pairs(img_dir: Path, mask_files: _Masks, split: Path | None) -> Pairs:
    """Pair the images with their masks, by name without suffix.

    Raises:
        UserError: If a folder is missing or empty, or a file has no partner.
    """
    masks, mask_dir = mask_files.by_name(), mask_files.folder
    images = _images(img_dir, set(masks.values()))
    names = list(images) if split is None else read_names(split, "images", ONE_PER_LINE)
    names = [composed(name) for name in names]
    origin = split or img_dir
    _check_complete(names, images, "image", origin, img_dir, ".jpg, .png, ...")
    _check_complete(names, masks, "mask", origin, mask_dir, mask_files.suffix)
    unused = [path.name for name, path in masks.items() if name not in images]
    if split is None and unused:
        warn(f"{mask_dir}: {counted(len(unused), 'mask')} without an image, first {unused[0]}")
    return [(images[name], masks[name]) for name in names]


def _by_name(
    files: Sequence[Path], folder: Path, end: Callable[[Path], int], twins: str
) -> dict[str, Path]:
    """Return files by their path in the folder, without the last ``end(path)`` letters."""
    result: dict[str, Path] = {}
    start = len(str(folder / "a")) - 1
    for path in files:
        # All are below the folder: to ask a path for that takes seconds with 20,000 images.
        name = composed(str(path)[start : -end(path)])
        twin = result.setdefault(name, path)
        if twin != path:
            raise UserError(twins, f"{twin}, {path}", "remove one")
    return result


def _check_complete(
    names: Sequence[str], files: dict[str, Path], what: str, origin: Path, folder: Path, ends: str
) -> None:
    missing = [name for name in names if name not in files]
    if not missing:
        return
    first = missing[0]
    mend = f"add them, or take the names out of {origin}"
    start = glob.escape(first.lstrip("/"))
    other = next((path.name for path in folder.glob(f"{start}.*")), None)
    # For instance a_mask.png; but 10.png is not the mask of 1.
    longer = next((path.name for path in folder.glob(f"{start}[!0-9A-Za-z]*{ends}")), None)
    if has_image_suffix(first) and str(PurePath(first).with_suffix("")) in files:
        mend = f"a line of {origin} is a name without its suffix"
    elif other:
        mend = f"there is {other}, but {what}s end in {ends}"
    elif longer:
        end = longer[len(PurePath(first).name) :]
        mend = f"there is {longer}: state mask_suffix={end!r} for the data sets of all splits"
    raise UserError(
        f"{len(missing)} of {len(names)} {what}s are missing (first: {first})", folder, mend
    )


def _images(folder: Path, masks: set[Path]) -> dict[str, Path]:
    files = [path for path in _files(folder) if path not in masks]  # they may share a folder
    warn_of_passed_over(files, folder)
    paths = [path for path in files if has_image_suffix(path.name)]
    images = _by_name(paths, folder, lambda path: len(path.suffix), "two images share one mask")
    if not images:
        raise UserError("no images", folder, "put .jpg, .png, ... files there")
    return images


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise UserError(
            "no such folder", folder, "check data_root, or say where the data is with --data-root"
        )
    return list(files_below(folder))


def _known_classes(name: str) -> tuple[tuple[str, ...], dict[str, Any]]:
    try:
        return tuple(get_classes(name)), {"palette": get_palette(name)}
    except ValueError as error:
        raise UserError(
            "mmseg knows no data set of this name", f"classes={name!r}", "list the class names"
        ) from error


def _warn_of_unused(unused: Sequence[str], num_images: int, where: Path) -> None:
    named = ", ".join(unused[:NUM_NAMED]) + (", ..." if len(unused) > NUM_NAMED else "")
    classes = counted(len(unused), "class", "classes")
    warn(f"{where}: {classes} in none of the {num_images} masks: {named}")
