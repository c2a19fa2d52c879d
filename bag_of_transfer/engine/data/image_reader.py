"""Read images in one way for the three tasks, and for scanning, training, testing, predicting.

``docs/images.md`` says what is read, and how.  OpenCV decodes the plain files, because it is the
fastest (benchmarks/image_readers.py); Pillow decodes all others.  On plain files both agree.
"""

import contextlib
import io
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
from jaxtyping import UInt8
from mmengine.registry import TRANSFORMS
from PIL import Image, ImageFile, UnidentifiedImageError

from bag_of_transfer.engine.data.plain_images import is_plain, may_be_turned
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.plain_files import mend_of, read_file

__all__ = ["FORMATS", "PixelReader", "ReadImage", "decode_bytes", "decode_file", "orientation_of",
           "read_error", "read_image", "read_pixels", "truncated_is_an_error",
           "turned"]  # fmt: skip

# Pillow's names.  EPS is not among them: Pillow would start another program for it.
FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF", "PPM", "ICO", "JPEG2000", "AVIF")
CHANNELS = (1, 3, 4)
EXIF_ORIENTATION = 0x0112  # Exif 2.32, table 4
TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda pixels: cv2.flip(pixels, 1),
    3: lambda pixels: cv2.rotate(pixels, cv2.ROTATE_180),
    4: lambda pixels: cv2.flip(pixels, 0),
    5: cv2.transpose,
    6: lambda pixels: cv2.rotate(pixels, cv2.ROTATE_90_CLOCKWISE),
    7: lambda pixels: cv2.rotate(cv2.transpose(pixels), cv2.ROTATE_180),
    8: lambda pixels: cv2.rotate(pixels, cv2.ROTATE_90_COUNTERCLOCKWISE),
}
_lock = threading.Lock()
_decoding: list[bool] = []  # for each decode under way, Pillow's switch before the first of them

Pixels = UInt8[np.ndarray, "H W *C"]


def read_image(path: str | Path) -> Image.Image:
    """Return an image as Pillow's, upright and in RGB of 8 bits; see :func:`read_pixels`.

    Raises:
        UserError: If the file can't be read.
    """
    return Image.fromarray(read_pixels(path))


def read_pixels(path: str | Path, channels: int = 3, bgr: bool = False) -> Pixels:
    """Read an image upright, as Exif says, and of 8 bits.

    Args:
        path: A file of any format in ``FORMATS``, whatever its suffix.
        channels: 1 for grey, H x W; 3 for RGB, H x W x 3; 4 for RGBA as stored, H x W x 4, opaque
            where the file has no alpha.  With 1 and 3, alpha is dropped.
        bgr: Whether three channels are in the order BGR, not RGB.

    Raises:
        UserError: If the file can't be read: it is cut off, not an image, has 32-bit pixels
            beyond 0 to 255, or more pixels than Pillow takes for safe (179 million).
    """
    try:
        return decode_file(path, channels, bgr)
    except Exception as error:  # decoders raise OSError, SyntaxError, ValueError, struct.error...
        why = read_error(Path(path), error)
        raise UserError(f"the image can't be read ({why})", path, mend_of(path)) from error


def decode_file(path: str | Path, channels: int = 3, bgr: bool = False) -> Pixels:
    """Decode an image file; see :func:`read_pixels`.

    Raises:
        Exception: Whatever the system or Pillow's decoders raise if the file can't be read.
    """
    return decode_bytes(read_file(path), channels, bgr)


def decode_bytes(data: bytes, channels: int = 3, bgr: bool = False) -> Pixels:
    """Decode the content of an image file; see :func:`read_pixels`.

    Raises:
        Exception: Whatever Pillow's decoders raise if the content is no whole image.
    """
    if channels == 4:
        return _with_pillow(data, "RGBA")
    bgr = bgr and channels == 3
    pixels = _with_opencv(data, bgr) if is_plain(data) else None
    if pixels is None:
        pixels = _with_pillow(data, "RGB")
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR) if bgr else pixels
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) if channels == 1 else pixels


def read_error(path: Path, error: Exception) -> str:
    """Return the reason why ``path`` can't be read, in a few words and without its name."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, IsADirectoryError):
        return "a folder, not a file"
    if isinstance(error, UserError):
        return error.what
    if isinstance(error, UnidentifiedImageError):
        return "empty file" if path.stat().st_size == 0 else "not an image"
    return str(error) or type(error).__name__


def orientation_of(image: Image.Image) -> int:
    """Return Exif's number for how to turn the picture; 1 (not at all) if Exif can't be read."""
    try:
        return image.getexif().get(EXIF_ORIENTATION, 1)
    except Exception:  # broken Exif counts as none; struct.error, SyntaxError, ValueError...
        return 1


def turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Return pixels (H W or H W C) turned upright."""
    return TURNS[orientation](pixels) if orientation in TURNS else pixels


@contextlib.contextmanager
def truncated_is_an_error() -> Iterator[None]:
    """Make Pillow refuse a file that is cut off, even if another library has allowed it.

    Pillow's switch is global: threads that decode at the same time share one change.
    """
    with _lock:
        _decoding.append(_decoding[0] if _decoding else ImageFile.LOAD_TRUNCATED_IMAGES)
        ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        yield
    finally:
        with _lock:
            before = _decoding.pop()
            if not _decoding:
                ImageFile.LOAD_TRUNCATED_IMAGES = before


def _with_opencv(data: bytes, bgr: bool) -> np.ndarray | None:
    """Decode a plain file as RGB or BGR; None if OpenCV can't."""
    order = cv2.IMREAD_COLOR_BGR if bgr else cv2.IMREAD_COLOR_RGB
    flags = order | cv2.IMREAD_IGNORE_ORIENTATION
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if pixels is None or not may_be_turned(data):
        return pixels
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:  # reads the header only
        return turned(pixels, orientation_of(image))


def _with_pillow(data: bytes, mode: str) -> np.ndarray:
    with truncated_is_an_error(), Image.open(io.BytesIO(data), formats=FORMATS) as image:
        image.load()
        pixels = np.array(_of_8_bits(image, mode))  # a copy, because Pillow's can't be changed
        return turned(pixels, orientation_of(image))


def _of_8_bits(image: Image.Image, mode: str) -> Image.Image:
    if image.mode == mode:
        return image
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
        # Pillow would clip at 255, which makes nearly every 16-bit picture white.
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    elif image.mode in ("I", "F"):
        _refuse_unclear(np.asarray(image))
    if "transparency" in image.info:
        image = image.convert("RGBA")  # Pillow warns about the direct way
    return image.convert(mode)


def _refuse_unclear(pixels: np.ndarray) -> None:
    """Check that 32-bit pixels leave no doubt which value is white.

    Raises:
        ValueError: If they do not.
    """
    if not np.all((pixels >= 0) & (pixels <= 255)):
        raise ValueError("32-bit pixels beyond 0 to 255")
    if pixels.max() <= 1 and not np.array_equal(pixels, np.rint(pixels)):
        raise ValueError("32-bit pixels from 0 to 1, not to 255")


class PixelReader:
    """Reads images, and keeps those that it reads first in memory: see ``docs/images.md``.

    Each process keeps its own.  A file that has changed is read again, and every call returns
    pixels that the caller may change.

    Args:
        channels: See :func:`read_pixels`.
        bgr: See :func:`read_pixels`.
        keep_mb: Megabytes of pixels to keep; 0 keeps none.

    Raises:
        ValueError: If an argument is none of these.
    """

    def __init__(self, channels: int = 3, bgr: bool = False, keep_mb: float = 0) -> None:
        if channels not in CHANNELS:
            raise ValueError(f"channels must be one of {CHANNELS}, got {channels}")
        if keep_mb < 0:
            raise ValueError(f"keep_mb must be 0 or more, got {keep_mb}")
        self.channels, self.bgr = channels, bgr
        self._room = keep_mb * 1e6  # bytes that are left
        self._kept: dict[str, tuple[tuple[int, ...], np.ndarray]] = {}

    def __call__(self, path: str | Path) -> Pixels:
        """Return the pixels of a file.

        Raises:
            UserError: If the file can't be read.
        """
        kept = self._kept.get(os.fspath(path))
        if kept is None and self._room <= 0:
            return read_pixels(path, self.channels, self.bgr)
        stamp = _stamp(path)
        if kept is None or kept[0] != stamp:
            pixels = read_pixels(path, self.channels, self.bgr)
            self._keep(os.fspath(path), stamp, pixels)
            return pixels
        return kept[1].copy()

    def _keep(self, path: str, stamp: tuple[int, ...], pixels: np.ndarray) -> None:
        if path in self._kept:
            self._room += self._kept.pop(path)[1].nbytes
        if pixels.nbytes <= self._room:
            self._room -= pixels.nbytes
            self._kept[path] = (stamp, pixels.copy())


def _stamp(path: str | Path) -> tuple[int, ...]:
    """Return what differs between a file and what replaces it; empty if there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return ()
    return (status.st_size, status.st_mtime_ns, status.st_ino)


@TRANSFORMS.register_module()
class ReadImage:
    """Read ``img_path`` in place of mmcv's ``LoadImageFromFile``: the same keys, BGR, uint8.

    Args:
        channels: 1 (H x W), 3 (H x W x 3, BGR) or 4 (H x W x 4, RGBA as stored).
        to_float32: Whether to return the same values as float32.
        keep_mb: Megabytes of decoded images that each process keeps in memory.

    Raises:
        ValueError: If ``channels`` is any other number, or ``keep_mb`` negative.
    """

    follows_in_channels: ClassVar[bool] = True  # its channels are set to the backbone's

    def __init__(self, channels: int = 3, to_float32: bool = False, keep_mb: float = 0) -> None:
        self._read = PixelReader(channels, bgr=True, keep_mb=keep_mb)
        self.channels, self.to_float32 = channels, to_float32

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add ``img``, ``img_shape`` and ``ori_shape`` (height, width).

        Raises:
            UserError: If the file can't be read.
        """
        pixels = self._read(results["img_path"])
        results["img"] = pixels.astype(np.float32) if self.to_float32 else pixels
        results["img_shape"] = results["ori_shape"] = pixels.shape[:2]
        return results
