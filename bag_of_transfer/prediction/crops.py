"""Cut detected objects out of their image, each into a file in the folder of its class."""

import hashlib
from pathlib import Path, PurePosixPath

import numpy as np

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.prediction.picture_names import CROPS
from bag_of_transfer.prediction.png_file import write_png
from bag_of_transfer.prediction.results import Boxes

__all__ = ["folder_of", "write_crops"]

RESERVED = '/\\:*?"<>|%'  # on some system, and the sign that marks an escape
MAX_BYTES = 200  # most file systems take names of 255


def write_crops(result: Boxes, out_dir: Path, name: str) -> list[str]:
    """Write each box of a result as ``crops/CLASS/NAME_n.png``, with n from 1.

    Args:
        result: The boxes to cut out.
        out_dir: The folder of the results.
        name: The name of the image's picture; it may contain folders.

    Returns:
        The files, below ``out_dir``, in the order of the boxes.

    Raises:
        UserError: If a link leads a file out of ``out_dir``.
    """
    if not len(result.boxes_xyxy):
        return []
    image = result.image()
    files = []
    for number, (box, label) in enumerate(zip(result.boxes_xyxy, result.names, strict=True), 1):
        file = PurePosixPath(CROPS, folder_of(label), f"{name}_{number}.png")
        path = out_dir / file
        if not path.resolve().is_relative_to(out_dir.resolve()):
            raise UserError("a link leads out of the folder of the results", path, "remove it")
        write_png(path, image.crop(_pixels_of(box, image.size)))
        files.append(str(file))
    return files


def folder_of(class_name: str) -> str:
    """Return a class's name as that of one folder: other signs are escaped as in ``a%2Fb``.

    Different names give different folders; no name leads elsewhere.
    """
    last = len(class_name) - 1
    name = "".join(
        _escaped(sign)
        if not sign.isprintable() or sign in RESERVED or (sign in " ." and index in (0, last))
        else sign
        for index, sign in enumerate(class_name)
    )
    if len(name.encode()) > MAX_BYTES:
        digest = hashlib.sha256(class_name.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        name = f"{name.encode()[:MAX_BYTES].decode(errors='ignore')}%{digest}"
    return name or "%"


def _escaped(sign: str) -> str:
    return "".join(f"%{byte:02X}" for byte in sign.encode("utf-8", "surrogatepass"))


def _pixels_of(box_xyxy: np.ndarray, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the whole pixels that a box touches, at least one, inside the image."""
    low = np.clip(np.floor(box_xyxy[:2]), 0, np.array(size) - 1).astype(int)
    high = np.clip(np.ceil(box_xyxy[2:]), low + 1, size).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])
