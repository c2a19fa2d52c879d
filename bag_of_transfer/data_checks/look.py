"""What a look at a file's content shows: hashes of its bytes and pixels, and what is odd in it."""

import hashlib
import io
import mimetypes
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from bag_of_transfer.data_checks.likeness import likeness
from bag_of_transfer.engine.data.image_reader import FORMATS, decode_bytes
from bag_of_transfer.engine.data.mask_reader import decode_mask

__all__ = ["BLANK", "UNREADABLE", "Look", "look_at_mask", "look_at_picture"]

UNREADABLE = "unreadable"
BLANK = ("one-pixel", "black", "one-colour")  # marks of pictures that show nothing
SAME_LEVELS = 2  # of 255; JPEG's rounding changes one colour by so much
DARK = 8  # of 255; black after JPEG's rounding, with a little noise
# A file that was not written to its end: after a crash the rest holds zeros.
MIN_ZEROS = 16
COUNTED_AT_ONCE = 1 << 16  # values of a mask
ENDS = {"JPEG": b"\xff\xd9", "PNG": b"IEND\xae\x42\x60\x82", "GIF": b"\x3b"}
NOT_EXTENSIONS = {"jpe": "JPEG", "jfif": "JPEG"}


class Look(NamedTuple):
    """What the content shows.

    Args:
        sha256: Of the file's bytes, as hexadecimal digits.
        pixels: Hash of size and decoded pixels: the same for copies in another format, or with
            other notes; "" for a file that cannot be decoded.
        likeness: See :mod:`bag_of_transfer.data_checks.likeness`, as digits; "" for a mask.
        marks: The kinds of findings (``kinds.py``) that hold for this file.
        values: The values of a mask's pixels.
        size: Width and height in pixels as training sees them; () where that is not known.
        counts: The number of a mask's pixels of each of ``values``; () where that is not known.
    """

    sha256: str
    pixels: str = ""
    likeness: str = ""
    marks: tuple[str, ...] = ()
    values: tuple[int, ...] = ()
    size: tuple[int, ...] = ()
    counts: tuple[int, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether all is known that a look shows; earlier versions took down less.

        They read greys of 2 and 4 bits as multiples of 17.
        """
        greys = {*self.values} - {0, 255}
        was_scaled = bool(greys) and not any(value % 17 for value in greys)
        return (bool(self.size) and not was_scaled) or UNREADABLE in self.marks


def look_at_picture(path: Path, data: bytes) -> Look:
    """Decode a picture as training does, and look at it."""
    sha256 = hashlib.sha256(data).hexdigest()
    try:
        pixels = decode_bytes(data)
        marks = [*_marks_of_file(path, data), *_marks_of_pixels(pixels)]
    except Exception:  # decoders raise OSError, SyntaxError, ValueError, struct.error...
        return Look(sha256, marks=(UNREADABLE,))
    digits = likeness(pixels).hex()
    return Look(sha256, _hash_of(pixels), digits, tuple(marks), size=_size_of(pixels))


def look_at_mask(path: Path, data: bytes) -> Look:
    """Decode a mask as training does, and look at it."""
    sha256 = hashlib.sha256(data).hexdigest()
    try:
        labels = decode_mask(path).astype(np.int64)
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            marks = ("zero-filled-tail",) if _ends_in_zeros(data, image.format or "") else ()
    except Exception:  # as above, and UserError
        return Look(sha256, marks=(UNREADABLE,))
    values, counts = _counted(labels)
    return Look(sha256, _hash_of(labels), "", marks, values, _size_of(labels), counts)


def _size_of(pixels: np.ndarray) -> tuple[int, int]:
    return pixels.shape[1], pixels.shape[0]


def _counted(labels: np.ndarray) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the values that occur, in order, and the number of pixels of each."""
    if labels.size and 0 <= labels.min() and labels.max() < COUNTED_AT_ONCE:
        counts = np.bincount(labels.ravel())  # a tenth of the time that sorting takes
        values = np.flatnonzero(counts)
        return tuple(values.tolist()), tuple(counts[values].tolist())
    values, counts = np.unique(labels, return_counts=True)
    return tuple(values.tolist()), tuple(counts.tolist())


def _hash_of(pixels: np.ndarray) -> str:
    content = hashlib.sha256(str(pixels.shape).encode())
    content.update(np.ascontiguousarray(pixels).data)
    return content.hexdigest()[:32]


def _marks_of_pixels(pixels: np.ndarray) -> list[str]:
    if pixels.shape[:2] == (1, 1):
        return ["one-pixel"]
    flat = pixels.reshape(-1, 3)
    few = flat[:: max(1, len(flat) // 64)]  # they nearly always differ, and all take a while
    if _range_of(few) > SAME_LEVELS and few.max() > DARK:
        return []
    if pixels.max() <= DARK:
        return ["black"]
    return ["one-colour"] if _range_of(flat) <= SAME_LEVELS else []


def _range_of(colours: np.ndarray) -> int:
    return max(int(channel.max()) - int(channel.min()) for channel in colours.T)


def _marks_of_file(path: Path, data: bytes) -> list[str]:
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        odd = {
            "zero-filled-tail": _ends_in_zeros(data, image.format or ""),
            "wrong-suffix": not _is_suffix_of(path.suffix, image.format or ""),
            "high-bits": image.mode.startswith(("I", "F")),
            "cmyk": image.mode == "CMYK",
            "several-pages": getattr(image, "is_animated", False),
            "alpha": image.has_transparency_data and _is_seen_through(image),
        }
    return [mark for mark, holds in odd.items() if holds]


def _ends_in_zeros(data: bytes, format_name: str) -> bool:
    """Return whether zeros stand where data should be; after the end of a file they do no harm."""
    end = ENDS.get(format_name)
    if end is None or data.endswith(end):
        return False
    written = data.rstrip(b"\0")
    return len(data) - len(written) >= MIN_ZEROS and not written.endswith(end)


def _is_suffix_of(suffix: str, format_name: str) -> bool:
    """Return whether a suffix belongs to a format of Pillow's; one that says nothing does."""
    known = mimetypes.guess_type(f"x{suffix}")[0]
    stated = Image.registered_extensions().get(suffix.lower())
    if known is None and stated is None:
        return True
    return format_name in (stated, NOT_EXTENSIONS.get(suffix.lower().lstrip(".")))


def _is_seen_through(image: Image.Image) -> bool:
    lowest, _ = image.convert("RGBA").getchannel("A").getextrema()
    return isinstance(lowest, int | float) and lowest < 255
