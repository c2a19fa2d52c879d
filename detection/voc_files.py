"""Read a folder in Pascal VOC's layout.

``ImageSets/Main/<split>.txt`` names images without suffix, one a line;
``Annotations/<name>.xml`` holds the boxes, ``JPEGImages/<name>.{jpg,png,...}``
the image.  Boxes there are counted from 1 and include their last pixel; one is
subtracted from all four numbers, as mmdet's ``XMLDataset`` does.
"""

import xml.etree.ElementTree as ET
from pathlib import Path

from detection.annotations import AnnotatedImage, Box, refuse_missing, unique_or_refuse
from engine.errors import UserError

__all__ = ["find_images", "read_image_names", "read_lines", "read_voc", "read_xml"]

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


def read_voc(image_list: Path, image_dir: Path, annotation_dir: Path) -> list[AnnotatedImage]:
    """Read the images that ``image_list`` names, with their boxes, in its order.

    Raises:
        UserError: If the list is missing or empty, an image or annotation it names is missing,
            or an annotation cannot be understood.
    """
    names = read_image_names(image_list)
    paths = find_images(image_dir, names)
    missing = [name for name in names if name not in paths]
    mend = f"put them into {image_dir}; a line of the list is a file name without its suffix"
    refuse_missing(missing, "images are", image_list, mend)
    annotations = {name: annotation_dir / f"{name}.xml" for name in names}
    missing = [path.name for path in annotations.values() if not path.is_file()]
    mend = f"put them into {annotation_dir}, or take their names out of the list"
    refuse_missing(missing, "annotations are", image_list, mend)
    return [read_xml(annotations[name], name, paths[name]) for name in names]


def read_image_names(image_list: Path) -> list[str]:
    """Read the names of one split.

    Raises:
        UserError: If the file is missing, empty, or names an image twice.
    """
    if not image_list.is_file():
        raise UserError(
            "no such list of images",
            image_list,
            "check --data-root (or DATA_ROOT), data_root and ann_file; "
            "tools/prepare_data.py puts data in place",
        )
    return read_lines(image_list, "images")


def read_lines(path: Path, what: str) -> list[str]:
    """Read a file with one name a line.

    Raises:
        UserError: If it is empty, or names something twice.
    """
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    names = [line.strip() for line in lines if line.strip()]
    if not names:
        raise UserError(f"the list names no {what}", path, "write one name a line")
    unique_or_refuse(names, "names", path)
    return names


def find_images(image_dir: Path, names: list[str]) -> dict[str, Path]:
    """Find each name's file, whatever its suffix; names without a file are left out.

    Where two files differ in the suffix only, the first of ``SUFFIXES`` wins.
    """
    folders = {(image_dir / name).parent for name in names}
    by_stem: dict[Path, Path] = {}
    for folder in folders:
        files = [path for path in folder.iterdir()] if folder.is_dir() else []
        images = [path for path in files if path.suffix.lower() in SUFFIXES]
        for path in sorted(images, key=lambda path: -SUFFIXES.index(path.suffix.lower())):
            by_stem[folder / path.stem] = path
    return {name: by_stem[image_dir / name] for name in names if image_dir / name in by_stem}


def read_xml(annotation: Path, name: str, image: Path) -> AnnotatedImage:
    """Read one annotation.

    Raises:
        UserError: If it is no XML, or an object lacks its name, a corner or a number there.
    """
    try:
        root = ET.parse(annotation).getroot()
        boxes = tuple(_read_object(item) for item in root.findall("object"))
        width, height = (int(root.findtext(f"size/{side}") or 0) for side in ("width", "height"))
    except (ET.ParseError, ValueError) as error:
        raise UserError(
            f"the annotation cannot be understood ({error})",
            annotation,
            "an <object> needs <name> and <bndbox> with <xmin> <ymin> <xmax> <ymax>",
        ) from error
    return AnnotatedImage(name, image, annotation, width, height, boxes)


def _read_object(item: ET.Element) -> Box:
    corners = (_text(item, f"bndbox/{corner}") for corner in ("xmin", "ymin", "xmax", "ymax"))
    # VOC2011 has a few fractions; mmdet cuts them off.
    x1, y1, x2, y2 = (int(float(corner)) - 1 for corner in corners)
    difficult = int(item.findtext("difficult") or 0)
    return Box(_text(item, "name"), (x1, y1, x2, y2), bool(difficult))


def _text(item: ET.Element, path: str) -> str:
    text = (item.findtext(path) or "").strip()
    if not text:
        raise ValueError(f"no <{path}>")
    return text
