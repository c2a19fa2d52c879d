"""Write pictures and annotations to files, and compute digests that identify them."""

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

from bag_of_transfer.demo_world.sets import DETECTION, SEGMENTATION, Split
from bag_of_transfer.demo_world.truth import boxes_xml, label_mask

__all__ = ["digest_on_disk", "write_picture"]

# Level 1 of 9: noise hardly shrinks, and level 9 takes longer than drawing.
_COMPRESS_LEVEL = 1


def write_picture(root: Path, split: Split, index: int, seed: int) -> bytes:
    """Draw one picture, write its files under ``root`` and return their digest."""
    picture = split.draw(index, seed)
    image_path, truth = root / split.image_file(index), split.truth_file(index)
    Image.fromarray(picture.rgb).save(image_path, compress_level=_COMPRESS_LEVEL)
    if split.task == DETECTION and truth is not None:
        text = boxes_xml(picture, split.picture_name(index))
        (root / truth).write_text(text, encoding="ascii", newline="\n")
    elif split.task == SEGMENTATION and truth is not None:
        Image.fromarray(label_mask(picture)).save(root / truth, compress_level=_COMPRESS_LEVEL)
    return digest_on_disk(root, split, index)


def digest_on_disk(root: Path, split: Split, index: int) -> bytes:
    """Return the SHA-256 of a picture's name, its decoded pixels and its annotation.

    The digest is of pixels, not of files: another version of zlib may compress them differently.

    Raises:
        OSError: If a file is missing or cannot be decoded.
    """
    digest = hashlib.sha256(split.image_file(index).as_posix().encode())
    _add_pixels(digest, root / split.image_file(index), "RGB")
    truth = split.truth_file(index)
    if split.task == DETECTION and truth is not None:
        digest.update((root / truth).read_bytes())
    elif split.task == SEGMENTATION and truth is not None:
        _add_pixels(digest, root / truth, "L")
    return digest.digest()


def _add_pixels(digest: "hashlib._Hash", path: Path, mode: str) -> None:
    with Image.open(path) as image:
        pixels = np.asarray(image)
        digest.update(f"{image.mode == mode} {pixels.shape} ".encode())
    digest.update(pixels.tobytes())
