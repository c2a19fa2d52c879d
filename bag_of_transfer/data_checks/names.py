"""What is odd in the names and numbers of files."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bag_of_transfer.data_checks.kinds import Finding, found
from bag_of_transfer.data_checks.splits import Split
from bag_of_transfer.engine.data.file_names import composed
from bag_of_transfer.engine.data.image_files import files_below, has_image_suffix
from bag_of_transfer.engine.quantities import counted

__all__ = ["odd_names", "odd_sizes", "without_partner"]

MIN_TRAINED = 3  # fewer training images are a trial, not a split


def odd_names(split: Split) -> Iterator[Finding]:
    """Yield files whose names differ in case only, or are not UTF-8."""
    first: dict[str, Path] = {}
    for example in split.examples:
        path = example.path
        other = first.setdefault(composed(str(path)).casefold(), path)
        if other != path:
            detail = f"its name differs from {other.name} in case or accents only"
            yield found("case-collision", split.name, path, detail)
        if any("\udc80" <= letter <= "\udcff" for letter in path.name):
            yield found("undecodable-name", split.name, path, "its name is not UTF-8")


def odd_sizes(splits: Sequence[Split]) -> Iterator[Finding]:
    """Yield val if it has more images than train; test may be as large as it likes."""
    sizes = {split.name: len(split.examples) for split in splits}
    if MIN_TRAINED <= sizes.get("train", 0) < sizes.get("val", 0):
        detail = f"val has {sizes['val']} images, and train {sizes['train']}"
        yield found("val-larger-than-train", "val", "val_dataloader", detail)


def without_partner(splits: Sequence[Split]) -> Iterator[Finding]:
    """Yield images without an annotation or a mask, and the reverse, in the folders of the data."""
    folders = {pair for split in splits for part in split.parts for pair in _folders(part)}
    for images, truths, suffix, is_listed in sorted(folders):
        pictures = {_stem(path, images, len(path.suffix)): path for path in _pictures(images)}
        notes = {
            _stem(path, truths, len(suffix)): path
            for path in _files(truths)
            if path.name.lower().endswith(suffix.lower())
        }
        what = "mask" if suffix != ".xml" else "annotation"
        if images == truths:
            continue
        alone = sorted(pictures.keys() - notes.keys())
        # Pascal VOC has a mask for every sixth image, and lists of these: one finding for the rest.
        told, rest = (alone[:1], alone[1:]) if is_listed else (alone, [])
        more = f", and {counted(len(rest), 'other image')} have none" if rest else ""
        for name in told:
            detail = f"the image has no {what} in {truths}{more}"
            yield found("no-annotation", "", pictures[name], detail)
        for name in sorted(notes.keys() - pictures.keys()):
            yield found("no-image", "", notes[name], f"the {what} has no image in {images}")


def _folders(part: Any) -> Iterator[tuple[Path, Path, str, bool]]:
    """Yield folders of images and of annotations, their suffix, and whether a list chooses."""
    if hasattr(part, "img_subdir") and hasattr(part, "ann_subdir"):
        root = Path(part.data_root or "")
        yield root / part.img_subdir, root / part.ann_subdir, ".xml", False
    images = getattr(part, "image_dir", None)
    if images and len(part):
        info = part.get_data_info(0)
        image, mask = Path(info["img_path"]), Path(info["seg_map_path"])
        depth = len(image.relative_to(images).parts) - 1
        yield Path(images), mask.parents[depth], mask.name[len(image.stem) :], part.is_listed


def _pictures(folder: Path) -> Iterable[Path]:
    return (path for path in _files(folder) if has_image_suffix(path.name))


def _files(folder: Path) -> Iterable[Path]:
    return files_below(folder) if folder.is_dir() else ()


def _stem(path: Path, folder: Path, end: int) -> str:
    return composed(os.path.relpath(path, folder)[:-end])
