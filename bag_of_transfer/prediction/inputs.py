"""Find the images and videos in files and folders, and name the pictures drawn of them."""

import glob
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath, PurePosixPath
from typing import NamedTuple

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.file_names import refuse_undecodable
from bag_of_transfer.engine.image_files import files_below, has_image_suffix, warn_of_passed_over
from bag_of_transfer.engine.image_reader import read_pixels
from bag_of_transfer.prediction.videos import Video, is_video

__all__ = ["CROPS", "MASKS", "Source", "check_alone", "find_images", "name_pictures"]

MASKS = "masks"  # the folder of label masks among the pictures
CROPS = "crops"  # the folder of objects that were cut out


class Source(NamedTuple):
    """An image or a video, and its name below the input that it was found in."""

    path: Path
    below: PurePosixPath

    @property
    def is_video(self) -> bool:
        """Return whether it is named like a video."""
        return is_video(self.path.name)


def find_images(inputs: Sequence[Path], out_dir: Path | None = None) -> list[Source]:
    """List the images and videos in files and folders, including sub-folders, each once.

    A path that does not exist may be a pattern with ``*``, ``?``, ``[..]`` or ``**``.  In folders,
    hidden files do not count, nor does ``out_dir`` (with an earlier call's pictures).
    With several folders, a folder's name is put before the names of its images.

    Raises:
        UserError: If an input is missing, a folder holds no image or video, or a name is not
            UTF-8.
    """
    paths = [found for path in inputs for found in _matching(path)]
    several = sum(path.is_dir() for path in paths) > 1
    sources: dict[str, Source] = {}
    for path in paths:
        for source in _below(path, out_dir, several) if path.is_dir() else [_file(path)]:
            sources.setdefault(os.path.realpath(source.path), source)
    refuse_undecodable((folder for s in sources.values() for folder in _names_of(s)), "an image")
    return list(sources.values())


def _matching(path: Path) -> list[Path]:
    """Return the path if it exists, or what it is a pattern of: some shells hand patterns on."""
    if path.exists():
        return [path]
    if not glob.has_magic(str(path)):
        raise UserError("no such file or folder", path, "check the path of the images")
    found = sorted(glob.glob(str(path), recursive=True))
    if not found:
        raise UserError("no file matches the pattern", path, "check the path of the images")
    return [Path(each) for each in found]


def _names_of(source: Source) -> Iterator[PurePath]:
    """Yield the image and its folders below the input: the record has all these names."""
    yield source.path
    yield from source.below.parents


def check_alone(sources: Sequence[Source]) -> None:
    """Check, before anything slow, that a single image or video can be read.

    Of several, the others are predicted if one is broken.

    Raises:
        UserError: If it cannot be read.
    """
    if len(sources) == 1 and sources[0].is_video:
        Video.of_file(sources[0].path)
    elif len(sources) == 1:
        read_pixels(sources[0].path)


def name_pictures(sources: Sequence[Source]) -> list[str]:
    """Return a unique name for each image's picture: the image's, with sub-folders, no suffix.

    Where ``a.jpg`` and ``a.png`` would share a name, both keep their suffix (``a_jpg``,
    ``a_png``); images with the same name from two places are numbered.  Names also differ where
    the file system does not distinguish ``A`` from ``a``, and from those in the folders of masks
    and of objects that were cut out.
    """
    stems = [_beside_crops(source.below.with_suffix("")) for source in sources]
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


def _beside_crops(stem: PurePosixPath) -> PurePosixPath:
    folder, *rest = stem.parts
    return PurePosixPath(f"{folder}_2", *rest) if rest and folder.lower() == CROPS else stem


def _files_of(name: str) -> set[str]:
    return {name.lower(), f"{MASKS}/{name.lower()}"}


def _file(path: Path) -> Source:
    return Source(path, PurePosixPath(path.name))


def _below(folder: Path, out_dir: Path | None, several: bool) -> list[Source]:
    top = PurePosixPath(folder.resolve().name) if several else PurePosixPath()
    left_out = frozenset({os.path.realpath(out_dir)} if out_dir else ())
    files = sorted(files_below(folder, left_out))
    warn_of_passed_over(files, folder)
    sources = [
        Source(path, top / path.relative_to(folder).as_posix())
        for path in files
        if has_image_suffix(path.name) or is_video(path.name)
    ]
    if not sources:
        raise UserError("no image in the folder", folder, "put .jpg, .png, .mp4, ... files there")
    return sources
