"""Read masks, whose pixels are label numbers, in one way for scanning, training and testing.

mmseg's ``LoadAnnotations`` turns labels into bytes: label 290 would become 34.
"""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int32
from mmengine.registry import TRANSFORMS
from PIL import Image

from bag_of_transfer.engine.data.image_reader import (
    FORMATS,
    orientation_of,
    read_error,
    truncated_is_an_error,
    turned,
)
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.plain_files import mend_of, read_file

__all__ = ["IGNORED", "ReadMask", "decode_mask", "first_pixel", "labels_of", "read_mask"]

IGNORED = 255  # what mmseg's padding, losses and our metric leave out
MAX_TABLE = 1 << 16  # entries of a table of new labels; files of 32 bits may need more
FEW_BITS = {"L;2": 3, "L;4": 15}  # white by Pillow's names
COLOURS = "the mask is a picture with colours ({}), not label numbers"
MEND_JPEG = "write the masks again as PNG, from what they were made of"
MEND_COLOURS = "save masks as grey or palette PNG whose pixel values are the labels 0, 1, 2, ..."


def read_mask(path: str | Path) -> Int32[np.ndarray, "H W"]:
    """Read the labels of a mask, upright; see :func:`decode_mask`.

    Raises:
        UserError: If the file can't be read or holds anything but labels.
    """
    try:
        return decode_mask(path).astype(np.int32)
    except UserError:
        raise
    except Exception as error:  # decoders raise OSError, SyntaxError, ValueError, struct.error...
        why = read_error(Path(path), error)
        raise UserError(f"the mask can't be read ({why})", path, mend_of(path)) from error


def first_pixel(path: str | Path, value: int) -> str:
    """Return where a mask first has a value, row by row, in words; pixels are counted from 0.

    Args:
        path: The file, which holds the value.
        value: As in the file.

    Raises:
        UserError: If the file can't be read any more.
    """
    y, x = np.argwhere(read_mask(path) == value)[0]
    return f"first at x {x}, y {y}"


def decode_mask(path: str | Path) -> np.ndarray:
    """Read the labels of a mask, upright, in the type of number that the file has.

    A palette's colours do not matter.  32-bit floats are labels if they are whole numbers.

    Raises:
        UserError: If the file holds colours or fractions, or is a JPEG, which changes numbers.
        Exception: Whatever the system or Pillow's decoders raise if it can't be read.
    """
    # Not opened by its path: Pillow does not turn a TIFF that it maps into memory.
    data = io.BytesIO(read_file(path))
    with truncated_is_an_error(), Image.open(data, formats=FORMATS) as image:
        if image.format == "JPEG":
            raise UserError("the mask is a JPEG, which changes label numbers", path, MEND_JPEG)
        white = _white_of(image)
        image.load()
        labels = _unscaled(np.asarray(image), white)
        if labels.ndim != 2:
            raise UserError(COLOURS.format(image.mode), path, MEND_COLOURS)
        if image.mode == "F" and not np.all(np.isfinite(labels) & (labels == np.rint(labels))):
            raise UserError("the mask holds fractions, not label numbers", path, MEND_COLOURS)
        return turned(labels, orientation_of(image))


def _white_of(image: Image.Image) -> int:
    """Return the number that stands for white; 0 if Pillow does not scale the pixels.

    A PGM file states it.  Greys of 2 or 4 bits are scaled to 255, too.
    """
    tile = next(iter(getattr(image, "tile", [])), None)
    if tile is None:
        return 0
    arguments = (tile.args,) if isinstance(tile.args, str) else tuple(tile.args or ())
    if tile.codec_name.startswith("ppm") and len(arguments) > 1:
        return int(arguments[1])
    return FEW_BITS.get(arguments[0], 0) if arguments else 0


def _unscaled(labels: np.ndarray, white: int) -> np.ndarray:
    if not white or labels.ndim != 2 or labels.dtype == bool:
        return labels
    top = 255 if labels.dtype == np.uint8 else 65535
    return np.rint(labels.astype(np.float64) * white / top).astype(np.int32)


@TRANSFORMS.register_module()
class ReadMask:
    """Read ``seg_map_path`` in place of mmseg's ``LoadAnnotations``: the same labels, as int32.

    Args:
        reduce_zero_label: As in mmseg's: the same as the data set's, or None.
    """

    def __init__(self, reduce_zero_label: bool | None = None) -> None:
        self.reduce_zero_label = reduce_zero_label

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add ``gt_seg_map``, H x W; where no mask is named, as for a new image, add nothing.

        Raises:
            UserError: If the file can't be read, or ``reduce_zero_label`` is not the data set's.
        """
        if "seg_map_path" not in results:
            return results
        reduced = results.get("reduce_zero_label", False)
        if self.reduce_zero_label not in (None, reduced):
            raise UserError(
                f"reduce_zero_label is {self.reduce_zero_label}, the data set's is {reduced}",
                "LoadAnnotations",
                "leave it out here, and set it in the data set",
            )
        results["gt_seg_map"] = labels_of(read_mask(results["seg_map_path"]), results)
        results["seg_fields"].append("gt_seg_map")
        return results


def labels_of(values: Int32[np.ndarray, "..."], described: Mapping[str, Any]) -> np.ndarray:
    """Return the labels that values in a mask's file stand for, as training gets them.

    Args:
        values: Of the file.
        described: What a data set of mmseg's kind says of the image: ``reduce_zero_label`` makes
            255 of 0 and subtracts 1 from the others, then ``label_map`` gives new numbers.
    """
    if described.get("reduce_zero_label"):
        is_ignored = (values == 0) | (values == IGNORED)
        values = np.where(is_ignored, np.int32(IGNORED), values - 1)
    return _renumbered(values, described.get("label_map") or {})


def _renumbered(labels: np.ndarray, label_map: Mapping[int, int]) -> np.ndarray:
    if not label_map or not labels.size:
        return labels
    lowest, highest = int(labels.min()), int(labels.max())
    if highest - lowest > MAX_TABLE:
        result = labels.copy()
        for old, new in label_map.items():
            result[labels == old] = new
        return result
    table = np.arange(lowest, highest + 1, dtype=labels.dtype)  # one pass, however long the map is
    for old, new in label_map.items():
        if lowest <= old <= highest:
            table[old - lowest] = new
    return table[labels - lowest]
