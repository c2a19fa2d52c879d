"""Read a folder in Pascal VOC's layout.

``ImageSets/Main/<split>.txt`` names images without suffix, one per line;
``Annotations/<name>.xml`` holds the boxes, ``JPEGImages/<name>.{jpg,png,...}``
the image.  Boxes there are counted from 1 and include their last pixel; one is
subtracted from all four numbers, as mmdet's ``XMLDataset`` does.  The module
``bag_of_transfer.detection.voc_xml`` reads an XML file.  In place of the list, a folder of XML
files may be named.
"""

import os
from pathlib import Path, PurePath

from bag_of_transfer.detection.annotations import MISSING_DATA, AnnotatedImage, refuse_missing
from bag_of_transfer.detection.voc_xml import read_xml
from bag_of_transfer.engine.data.file_names import FileFinder, composed
from bag_of_transfer.engine.data.image_files import (
    files_below,
    has_image_suffix,
    warn_of_passed_over,
)
from bag_of_transfer.engine.data.name_list import read_names
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.log_file import warn
from bag_of_transfer.engine.quantities import counted

__all__ = ["find_images", "read_voc"]


def read_voc(image_list: Path, image_dir: Path, annotation_dir: Path) -> list[AnnotatedImage]:
    """Read the images that ``image_list`` names, with their boxes, in its order.

    Args:
        image_list: A list of names; or a folder in ``annotation_dir``: its XML files are taken.
        image_dir: Folder of the images.
        annotation_dir: Folder of the XML files.

    Raises:
        UserError: If the list is missing, empty or names an image twice, an image or annotation
            it names is missing, or an annotation cannot be understood.
    """
    is_list = not image_list.is_dir()
    if is_list:
        names = read_names(image_list, "images", MISSING_DATA)
    else:
        names = _annotated(image_list, annotation_dir)
    paths = find_images(image_dir, names)
    missing = [name for name in names if name not in paths]
    mend = f"put them into {image_dir}; " + (
        "a line of the list is a file name without its suffix"
        if is_list
        else "an image has its annotation's name"
    )
    refuse_missing(missing, "images are", image_list, mend)
    finder = FileFinder()
    files = {name: finder.find(annotation_dir, f"{name}.xml") for name in names}
    annotations = {name: path for name, path in files.items() if path is not None}
    missing = [f"{name}.xml" for name in names if name not in annotations]
    mend = f"put them into {annotation_dir}, or take their names out of the list"
    refuse_missing(missing, "annotations are", image_list, mend)
    if not is_list:
        _tell_unused(image_dir / os.path.relpath(image_list, annotation_dir), paths)
    return [read_xml(annotations[name], name, paths[name]) for name in names]


def _annotated(folder: Path, annotation_dir: Path) -> list[str]:
    """Return the names of the annotations in a folder, from ``annotation_dir`` on."""
    files = [path for path in files_below(folder) if path.suffix == ".xml"]
    if not files:
        raise UserError("no annotations (.xml)", folder, MISSING_DATA)
    return [os.path.relpath(path, annotation_dir)[: -len(".xml")] for path in files]


def _tell_unused(folder: Path, used: dict[str, Path]) -> None:
    files = files_below(folder) if folder.is_dir() else ()
    known = {os.path.normpath(path) for path in used.values()}
    images = [path for path in files if has_image_suffix(path.name)]
    alone = [path.name for path in images if os.path.normpath(path) not in known]
    if alone:
        what = f"{counted(len(alone), 'image')} without an annotation, not used"
        warn(f"{folder}: {what}, first {alone[0]}")


def find_images(image_dir: Path, names: list[str]) -> dict[str, Path]:
    """Return the file of each name; names without a file are left out.

    Raises:
        UserError: If a name has two files that differ in the suffix only.
    """
    stems = {name: PurePath(name) for name in names}
    files: dict[str, list[str]] = {}
    # Strings, not paths: with 20,000 images, sorting and joining those would take seconds.
    for parent in dict.fromkeys(str(stem.parent) for stem in stems.values()):
        folder = image_dir / parent
        found = sorted(os.listdir(folder)) if folder.is_dir() else []
        warn_of_passed_over((folder / file for file in found if not has_image_suffix(file)), folder)
        inside = "" if parent == "." else parent
        for file in filter(has_image_suffix, found):
            stem = os.path.join(inside, os.path.splitext(file)[0])
            files.setdefault(composed(stem), []).append(os.path.join(folder, file))
    by_name = {name: files.get(composed(str(stem)), []) for name, stem in stems.items()}
    for paths in by_name.values():
        if len(paths) > 1:
            where = f"{paths[0]}, {paths[1]}"
            raise UserError("two images share one annotation", where, "remove one")
    return {name: Path(paths[0]) for name, paths in by_name.items() if paths}
