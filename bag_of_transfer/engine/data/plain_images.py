"""Recognise the files that OpenCV decodes as Pillow does, to the last bit, and faster.

Some versions of OpenCV fill the missing part of a cut file with grey, ignore some Exif notes and
convert CMYK in their own way.  So OpenCV gets only files that are whole and plain: JPEG of 8 bits
with one or three components, PNG of 8 bits without profile, text, transparent colour or animation,
WebP without an extended header, BMP of 24 bits.  Pillow decodes all others.
"""

import struct

from PIL import Image

__all__ = ["is_plain", "may_be_turned"]

JPEG_START, JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended, progressive; ITU-T T.81, table B.1
APP1 = b"\xff\xe1"  # where Exif and XMP are
PNG_START = b"\x89PNG\r\n\x1a\n"
PNG_CHUNKS = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"sRGB", b"gAMA", b"cHRM", b"pHYs", b"tIME"}
PNG_COLOURS = (0, 2, 3, 6)  # grey, RGB, palette, RGBA; PNG specification, 11.2.2


def is_plain(data: bytes) -> bool:
    """Return whether OpenCV and Pillow read the file alike."""
    if data.startswith(JPEG_START):
        return _is_plain_jpeg(data)
    if data.startswith(PNG_START):
        return _is_plain_png(data)
    if data.startswith(b"RIFF"):
        return _is_plain_webp(data)
    return data.startswith(b"BM") and _is_plain_bmp(data)


def may_be_turned(data: bytes) -> bool:
    """Return whether a plain file may hold an Exif note that the picture is to be turned."""
    return data.startswith(JPEG_START) and APP1 in data[: _frame_of(data)]


def _is_plain_jpeg(data: bytes) -> bool:
    frame = _frame_of(data)
    if not frame or not data.endswith(JPEG_END):
        return False
    bits, height, width, components = struct.unpack_from(">BHHB", data, frame + 4)
    return bits == 8 and components in (1, 3) and _is_small(width, height)


def _frame_of(data: bytes) -> int:
    """Return the offset of the frame header, which holds the size; 0 if no usual one is found."""
    at = 2
    while at + 10 <= len(data) and data[at] == 0xFF:
        if data[at + 1] in FRAMES:
            return at
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return 0


def _is_plain_png(data: bytes) -> bool:
    if len(data) < 33:
        return False
    width, height, bits, colours, _, _, interlaced = struct.unpack_from(">IIBBBBB", data, 16)
    plain = bits == 8 and colours in PNG_COLOURS and not interlaced
    return plain and _is_small(width, height) and _holds_plain_chunks(data)


def _holds_plain_chunks(data: bytes) -> bool:
    at, kind = len(PNG_START), b""
    while at < len(data) and kind != b"IEND":
        kind = data[at + 4 : at + 8]
        if kind not in PNG_CHUNKS:
            return False
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    return kind == b"IEND" and at == len(data)


def _is_plain_webp(data: bytes) -> bool:
    whole = int.from_bytes(data[4:8], "little") + 8 == len(data)
    if not whole or data[8:16] not in (b"WEBPVP8 ", b"WEBPVP8L"):
        return False
    if data[12:16] == b"VP8 ":
        width, height = (int.from_bytes(data[at : at + 2], "little") & 0x3FFF for at in (26, 28))
    else:
        sides = int.from_bytes(data[21:25], "little")
        width, height = (sides & 0x3FFF) + 1, (sides >> 14 & 0x3FFF) + 1
    return _is_small(width, height)


def _is_plain_bmp(data: bytes) -> bool:
    if len(data) < 34:
        return False
    pixels_at, header, width, height = struct.unpack_from("<IIii", data, 10)
    _, bits, compressed = struct.unpack_from("<HHI", data, 26)
    row = (3 * width + 3) // 4 * 4
    whole = width > 0 and pixels_at + row * abs(height) <= len(data)
    return whole and (header, bits, compressed) == (40, 24, 0) and _is_small(width, abs(height))


def _is_small(width: int, height: int) -> bool:
    """Return whether Pillow would neither warn of a decompression bomb nor refuse it."""
    return Image.MAX_IMAGE_PIXELS is None or width * height <= Image.MAX_IMAGE_PIXELS
