"""Find the images and videos that files, folders, patterns and lists name."""

import glob
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath, PurePosixPath
from typing import NamedTuple

from bag_of_transfer.engine.data.file_names import FileFinder, refuse_undecodable
from bag_of_transfer.engine.data.image_files import (
    files_below,
    has_image_suffix,
    warn_of_passed_over,
)
from bag_of_transfer.engine.data.image_reader import read_pixels
from bag_of_transfer.engine.data.name_list import read_lines
from bag_of_transfer.engine.errors import UserError, without_colons
from bag_of_transfer.prediction.videos import Video, is_video

__all__ = ["Source", "below_what_they_share", "check_alone", "find_images"]

LIST = ".txt"
NO_PATH = re.compile(r"\w+:/|\d+$|-$")  # of an address, a path keeps a single slash


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

    A path that does not exist may be a pattern with ``*``, ``?``, ``[..]`` or ``**``.  A ``.txt``
    lists any of these, one per line, from its own folder or from the current one.  In folders,
    hidden files do not count, nor does ``out_dir`` (with an earlier call's pictures).
    With several folders, a folder's name is put before the names of its images.

    Raises:
        UserError: If an input is missing, a folder holds no image or video, a list is none, or a
            name is not UTF-8.
    """
    paths = [found for path in inputs for found in _matching(path)]
    several = sum(path.is_dir() for path in paths) > 1
    sources: dict[str, Source] = {}
    for path in paths:
        for source in _found_in(path, out_dir, several):
            sources.setdefault(os.path.realpath(source.path), source)
    refuse_undecodable((folder for s in sources.values() for folder in _names_of(s)), "an image")
    return list(sources.values())


def below_what_they_share(paths: Sequence[Path]) -> list[Source]:
    """Return images or videos with the names that they have below the folder of all of them."""
    full = [Path(os.path.abspath(path)) for path in paths]
    shared = os.path.commonpath([path.parent for path in full])
    names = [PurePosixPath(path.relative_to(shared).as_posix()) for path in full]
    return list(map(Source, paths, names))


def _found_in(path: Path, out_dir: Path | None, several: bool) -> list[Source]:
    if path.is_dir():
        return _below(path, out_dir, several)
    if path.suffix.lower() == LIST:
        return below_what_they_share(_listed(path, out_dir))
    return [Source(path, PurePosixPath(path.name))]


def _matching(path: Path) -> list[Path]:
    """Return the path if it exists, or what it is a pattern of: some shells hand patterns on."""
    if os.path.exists(path):
        return [path]
    if not glob.has_magic(str(path)):
        mend = "check the path of the images"
        if NO_PATH.match(str(path)):
            mend = "save it as a file first: addresses, cameras and standard input are not read"
        raise UserError("no such file or folder", path, mend)
    found = sorted(glob.glob(str(path), recursive=True))
    if not found:
        raise UserError("no file matches the pattern", path, "check the path of the images")
    return [Path(each) for each in found]


def _listed(listing: Path, out_dir: Path | None) -> list[Path]:
    """Return the images and videos that the lines of a list name."""
    finder, paths = FileFinder(), []
    for number, line in read_lines(listing, "images", "check the path of the list"):
        try:
            found = finder.find(listing.parent, line) or finder.find(Path(), line)
            for path in [found] if found else _named(line, listing.parent):
                if path.suffix.lower() == LIST:
                    raise UserError("a list in a list", path, "give it as an input by itself")
                inside = _below(path, out_dir, False) if path.is_dir() else []
                paths += [source.path for source in inside] or [path]
        except UserError as error:
            where = f"{listing}, line {number}"
            what = f"{error.what} ({without_colons(error.where)})"
            raise UserError(what, where, error.mend) from error
    return paths


def _named(line: str, folder: Path) -> list[Path]:
    """Return the folder, or what matches the pattern, that a line of a list names."""
    for path in (folder / line, Path(line)):
        try:
            return _matching(path)
        except UserError as error:
            what = error.what
    raise UserError(what, line, "paths start at the list's folder, or at the current one")


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


def _below(folder: Path, out_dir: Path | None, several: bool) -> list[Source]:
    top = PurePosixPath(folder.resolve().name) if several else PurePosixPath()
    left_out = frozenset({os.path.realpath(out_dir)} if out_dir else ())
    if os.path.realpath(folder) in left_out:
        raise UserError("the results would lie among the images", folder, "name another --out-dir")
    files = list(files_below(folder, left_out))
    warn_of_passed_over(files, folder)
    sources = [
        Source(path, top / path.relative_to(folder).as_posix())
        for path in files
        if has_image_suffix(path.name) or is_video(path.name)
    ]
    if not sources:
        raise UserError("no image in the folder", folder, "put .jpg, .png, .mp4, ... files there")
    return sources
