"""A picture in a ladder's folder, which may be a stranger's."""

from pathlib import Path

from PIL import Image

__all__ = ["read_picture"]


def read_picture(path: Path) -> Image.Image | None:
    """Read a picture of a cell in RGB; None for one that is missing, damaged or not PNG.

    Pillow would take another format whatever the suffix, and start a program to draw PostScript.
    """
    try:
        with Image.open(path, formats=("PNG",)) as picture:
            return picture.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
