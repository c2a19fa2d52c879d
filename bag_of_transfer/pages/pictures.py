"""Pictures inside a page, read from a folder that may come from somebody else."""

import base64
import io
from pathlib import Path

from PIL import Image

from bag_of_transfer.engine.plain_files import read_file

__all__ = ["picture_uri", "read_picture"]

JPEG_QUALITY = 82


def picture_uri(picture: Image.Image, longest_px: int) -> str:
    """Return a picture as a JPEG data URI, scaled down to ``longest_px`` if it is larger."""
    small = picture.convert("RGB")
    small.thumbnail((longest_px, longest_px))
    data = io.BytesIO()
    small.save(data, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode()


def read_picture(path: Path) -> Image.Image | None:
    """Read a picture in RGB; None if it is missing, damaged or not PNG.

    Without this check Pillow would open any format whatever the suffix, and would start another
    program to draw PostScript.
    """
    try:
        with Image.open(io.BytesIO(read_file(path)), formats=("PNG",)) as picture:
            return picture.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
