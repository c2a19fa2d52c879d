"""Read pictures from a ladder's folder, which may come from somebody else."""

from pathlib import Path

from PIL import Image

__all__ = ["read_picture"]


def read_picture(path: Path) -> Image.Image | None:
    """Read a picture of a cell in RGB; None if it is missing, damaged or not PNG.

    Without this check Pillow would open any format whatever the suffix, and would start another
    program to draw PostScript.
    """
    try:
        with Image.open(path, formats=("PNG",)) as picture:
            return picture.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
