"""The JPEGs of a folder, and drawn ones of about 466 x 388 px and 95 kB, as ImageNet's are."""

from pathlib import Path

import cv2
import numpy as np

from bag_of_transfer.engine.cli import ToolParser
from bag_of_transfer.engine.data.image_files import files_below

__all__ = ["below", "draw"]


def draw(folder: Path, count: int) -> None:
    """Draw noise of several sizes, discs and rectangles, as smooth and as sharp as photographs."""
    rng = np.random.default_rng(0)
    for number in range(count):
        width, height = (int(side) for side in rng.uniform(0.75, 1.25, 2) * (466, 388))
        pixels = np.tile(rng.uniform(40, 215, 3).astype(np.float32), (height, width, 1))
        for cells in (3, 8, 24, 80, 200):
            coarse = rng.normal(0, 130 / cells**0.55, (cells, cells, 3)).astype(np.float32)
            pixels += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        for _ in range(6):
            x, y, size = rng.integers((0, 0, 8), (width, height, 120)).tolist()
            colour = rng.uniform(0, 255, (2, 3))
            cv2.circle(pixels, (x, y), size, colour[0].tolist(), cv2.FILLED, cv2.LINE_AA)
            cv2.rectangle(pixels, (y, x), (y + size, x + size), colour[1].tolist(), 3)
        pixels += rng.normal(0, 19, pixels.shape)
        quality = [cv2.IMWRITE_JPEG_QUALITY, 90]
        cv2.imwrite(str(folder / f"{number:03}.jpg"), pixels.clip(0, 255).astype(np.uint8), quality)


def below(folder: Path, parser: ToolParser) -> list[Path]:
    """Return the JPEGs of a folder and of those in it, in order; end with a line if none is there.

    Args:
        folder: Where to look.
        parser: That of the script, which says the line.
    """
    files = files_below(folder) if folder.is_dir() else ()
    found = [path for path in files if path.name.lower().endswith((".jpg", ".jpeg"))]
    if not found:
        parser.error(f"no JPEG (.jpg, .jpeg) lies below {folder}")
    return found
