"""Pictures inside a page."""

import base64
import io

from PIL import Image

__all__ = ["picture_uri"]

JPEG_QUALITY = 82


def picture_uri(picture: Image.Image, longest_px: int) -> str:
    """Return a picture as a JPEG data URI, scaled down to ``longest_px`` if it is larger."""
    small = picture.convert("RGB")
    small.thumbnail((longest_px, longest_px))
    data = io.BytesIO()
    small.save(data, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode()
