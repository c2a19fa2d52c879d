"""Write a picture as PNG, whole or not at all."""

import io
from pathlib import Path

from PIL import Image

from bag_of_transfer.engine.atomic import write_bytes

__all__ = ["write_png"]


def write_png(path: Path, image: Image.Image) -> None:
    """Write a picture; missing folders are created."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    write_bytes(path, buffer.getvalue())
