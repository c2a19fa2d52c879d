"""Read pictures from a ladder's folder, which may come from somebody else."""

import io
from pathlib import Path

from PIL import Image

from bag_of_transfer.engine.plain_files import read_file

__all__ = ["read_picture"]


def read_picture(path: Path) -> Image.Image | None:
    """Read a picture of a cell in RGB; None if it is missing, damaged or not PNG.

    Without this check Pillow would open any format whatever the suffix, and would start another
    program to draw PostScript.
    """
    try:
        with Image.open(io.BytesIO(read_file(path)), formats=("PNG",)) as picture:
            return picture.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
