"""Find the images in the user's files and folders, and name the pictures drawn of them."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath, PurePosixPath
from typing import NamedTuple

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.file_names import refuse_undecodable
from bag_of_transfer.engine.image_files import files_below, has_image_suffix, warn_of_passed_over
from bag_of_transfer.engine.image_reader import read_pixels

__all__ = ["MASKS", "Source", "check_named", "find_images", "name_pictures"]

MASKS = "masks"  # the folder of label masks among the pictures


class Source(NamedTuple):
    """An image, and its name below the input that it was found in."""

    path: Path
    below: PurePosixPath
    named: bool  # by the user, not found in a folder


def find_images(inputs: Sequence[Path], out_dir: Path) -> list[Source]:
    """List the images in files and folders, including sub-folders, each image once.

    In folders, hidden files do not count, nor does ``out_dir`` (with an earlier call's pictures).
    With several folders, a folder's name is put before the names of its images.

    Raises:
        UserError: If an input is missing, a folder holds no image, or a name is not UTF-8.
    """
    several = sum(path.is_dir() for path in inputs) > 1
    sources: dict[str, Source] = {}
    for path in inputs:
        if not path.exists():
            raise UserError("no such file or folder", path, "check the path of the images")
        for source in _below(path, out_dir, several) if path.is_dir() else [_file(path)]:
            sources.setdefault(os.path.realpath(source.path), source)
    refuse_undecodable((folder for s in sources.values() for folder in _names_of(s)), "an image")
    return list(sources.values())


def _names_of(source: Source) -> Iterator[PurePath]:
    """Yield the image and its folders below the input: the record has all these names."""
    yield source.path
    yield from source.below.parents


def check_named(sources: Sequence[Source]) -> None:
    """Check, before anything slow, that the images named by the user can be read.

    Images that were found in folders are not checked: some may be broken.

    Raises:
        UserError: If a named image cannot be read.
    """
    for source in sources:
        if source.named:
            read_pixels(source.path)


def name_pictures(sources: Sequence[Source]) -> list[str]:
    """Return a unique name for each image's picture: the image's, with sub-folders, no suffix.

    Where ``a.jpg`` and ``a.png`` would share a name, both keep their suffix (``a_jpg``,
    ``a_png``); images with the same name from two places are numbered.  Names also differ where
    the file system does not distinguish ``A`` from ``a``, and from those in the folder of masks.
    """
    stems = [source.below.with_suffix("") for source in sources]
    counts = Counter(str(stem).lower() for stem in stems)
    taken: set[str] = set()
    names: list[str] = []
    for source, stem in zip(sources, stems, strict=True):
        wanted = str(stem)
        if counts[wanted.lower()] > 1:
            wanted += "_" + source.below.suffix[1:]
        name, number = wanted, 1
        while taken & _files_of(name):
            number += 1
            name = f"{wanted}_{number}"
        taken |= _files_of(name)
        names.append(name)
    return names


def _files_of(name: str) -> set[str]:
    return {name.lower(), f"{MASKS}/{name.lower()}"}


def _file(path: Path) -> Source:
    return Source(path, PurePosixPath(path.name), named=True)


def _below(folder: Path, out_dir: Path, several: bool) -> list[Source]:
    top = PurePosixPath(folder.resolve().name) if several else PurePosixPath()
    files = sorted(files_below(folder, frozenset({os.path.realpath(out_dir)})))
    warn_of_passed_over(files, folder)
    sources = [
        Source(path, top / path.relative_to(folder).as_posix(), named=False)
        for path in files
        if has_image_suffix(path.name)
    ]
    if not sources:
        raise UserError("no image in the folder", folder, "put .jpg, .png, ... files there")
    return sources
