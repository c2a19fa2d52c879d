"""Name what is drawn of each image and video, so that nothing takes another's place."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from bag_of_transfer.prediction.inputs import Source
from bag_of_transfer.prediction.videos import SUFFIX

__all__ = ["CROPS", "MASKS", "files_for", "name_pictures"]

MASKS = "masks"  # the folder of label masks among the pictures
CROPS = "crops"  # the folder of objects that were cut out


def files_for(source: Source, name: str) -> tuple[str, ...]:
    """Return what may be written for an image or a video, but for objects that are cut out.

    Args:
        source: The image or video; of a video, the second is the folder of its frames' masks.
        name: The name of its picture without suffix.
    """
    written = f"{name}{SUFFIX if source.is_video else '.png'}"
    return written, f"{MASKS}/{written}"


def name_pictures(sources: Sequence[Source]) -> list[str]:
    """Return a unique name for each image's picture: the image's, with sub-folders, no suffix.

    Where ``a.jpg`` and ``a.png`` would share a name, both keep their suffix (``a_jpg``,
    ``a_png``); images with the same name from two places are numbered.  Names also differ where
    the file system does not distinguish ``A`` from ``a``, and from those in the folders of masks
    and of objects that were cut out.
    """
    ours = frozenset(_our_folders(sources))
    stems = [_beside(ours, source.below.with_suffix("")) for source in sources]
    counts = Counter(str(stem).lower() for stem in stems)
    taken: set[str] = set()
    names: list[str] = []
    for source, stem in zip(sources, stems, strict=True):
        wanted = str(stem)
        if counts[wanted.lower()] > 1:
            wanted += "_" + source.below.suffix[1:]
        name, number = wanted, 1
        while taken & _names_taken_by(name):
            number += 1
            name = f"{wanted}_{number}"
        taken |= _names_taken_by(name)
        names.append(name)
    return names


def _our_folders(sources: Sequence[Source]) -> Iterator[str]:
    """Yield, in lower case, what no image's folder may be called."""
    yield CROPS
    for source in sources:
        if source.is_video:
            yield from (f.lower() for f in files_for(source, str(source.below.with_suffix(""))))


def _beside(ours: frozenset[str], stem: PurePosixPath) -> PurePosixPath:
    """Return the name with another folder where it would lie in one of ours, or in a video."""
    for folder in stem.parents:
        if str(folder).lower() in ours:
            return PurePosixPath(f"{folder}_2", stem.relative_to(folder))
    return stem


def _names_taken_by(name: str) -> set[str]:
    return {name.lower(), f"{MASKS}/{name.lower()}"}
