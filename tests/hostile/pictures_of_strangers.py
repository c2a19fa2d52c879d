"""Hostile pictures: bombs, lies about sizes, programs for other programs, files that never end."""

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from bag_of_transfer.engine.data.image_reader import read_pixels
from bag_of_transfer.engine.data.mask_reader import read_mask
from tests.hostile.hostile_file import HostileFile, table

__all__ = ["FILES", "png"]


def _image(path: Path, out: Path) -> None:
    read_pixels(path)


def _mask(path: Path, out: Path) -> None:
    read_mask(path)


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def png(width: int, height: int, bits: int = 8, colours: int = 2, more: bytes = b"") -> bytes:
    """Return a PNG that states a size and holds some zeros."""
    head = struct.pack(">IIBBBBB", width, height, bits, colours, 0, 0, 0)
    data = _chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + more + data + _chunk(b"IEND", b"")


def _saved(form: str, size: tuple[int, int] = (8, 8), mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    Image.new(mode, size).save(file, form)
    return file.getvalue()


def _jpeg(width: int, height: int) -> bytes:
    data = _saved("JPEG")
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


def _gif(width: int, height: int) -> bytes:
    data = _saved("GIF", mode="L")
    return data[:6] + struct.pack("<HH", width, height) + data[10:]


def _bmp(width: int, height: int) -> bytes:
    data = _saved("BMP")
    return data[:18] + struct.pack("<ii", width, height) + data[26:]


def _tiff(*entries: tuple[int, int, int, int], following: int = 0) -> bytes:
    """Return a little-endian TIFF with tags of one number each."""
    rows = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return (
        b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + rows + struct.pack("<I", following)
    )


def _sized(
    width: int, height: int, *more: tuple[int, int, int, int]
) -> tuple[tuple[int, ...], ...]:
    sides = ((256, 4, 1, width), (257, 4, 1, height))
    kind = ((258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1))
    strip = ((273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, 64))
    return (*sides, *kind, *strip, *more)


TEXT = b"a\0\0" + zlib.compress(bytes(2**22))
PROFILE = b"a\0\0" + zlib.compress(bytes(2**22))
POSTSCRIPT = "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n%%EOF\n"
SVG = '<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'


def _endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


Rows = dict[str, tuple[bytes | str | Callable[[Path], object], str]]
PICTURES: Rows = {
    "png_of_gigapixels": (png(100_000, 100_000), "decompression bomb"),
    "png_of_exapixels": (png(2**31 - 1, 2**31 - 1), "decompression bomb"),
    "png_of_16_bits": (png(60_000, 60_000, 16), "decompression bomb"),
    "png_mask_of_16384": (png(16_384, 16_384, 1, 0), "decompression bomb"),
    "png_of_no_pixels": (png(0, 0), "can't be read"),
    "png_cut_off": (png(1000, 1000)[:-20], "can't be read"),
    "png_with_too_little": (png(10_000, 10_000), "can't be read"),
    "png_with_a_text_bomb": (png(8, 8, more=_chunk(b"zTXt", TEXT)), "too large"),
    "png_with_a_profile_bomb": (png(8, 8, more=_chunk(b"iCCP", PROFILE)), "can't be read"),
    "png_with_a_chunk_that_lies": (png(8, 8, more=b"\x7f\xff\xff\xfftEXt"), "can't be read"),
    "apng_of_exaframes": (png(8, 8, more=_chunk(b"acTL", b"\x7f\xff\xff\xff" * 2)), ""),
    "jpeg_of_gigapixels": (_jpeg(65_535, 65_535), "decompression bomb"),
    "jpeg_of_no_pixels": (_jpeg(0, 0), "can't be read"),
    "jpeg_cut_off": (_saved("JPEG", (400, 400))[:400], "can't be read"),
    "gif_of_gigapixels": (_gif(65_535, 65_535), "decompression bomb"),
    "bmp_of_exapixels": (_bmp(2**31 - 1, 2**31 - 1), "can't be read"),
    "bmp_of_negative_size": (_bmp(-8, -(2**31)), "can't be read"),
    "tiff_of_gigapixels": (_tiff(*_sized(100_000, 100_000)), "decompression bomb"),
    "tiff_with_a_tag_of_gigabytes": (_tiff(*_sized(8, 8, (270, 2, 2**31, 8))), ""),
    "tiff_that_leads_to_itself": (_tiff(*_sized(8, 8), following=8), ""),
    "tiff_of_nothing": (_tiff(), "can't be read"),
    "webp_that_lies": (_saved("WEBP")[:20] + b"\xff" * 60, "can't be read"),
    "ppm_of_gigapixels": (b"P6 99999999 99999999 255\n", "decompression bomb"),
    "ppm_with_an_endless_number": (b"P6 " + b"9" * 10_000, "can't be read"),
    "postscript": (POSTSCRIPT, "not an image"),
    "postscript_as_a_png": ("\x89PNG\r\n" + POSTSCRIPT, "not an image"),
    "svg": (SVG, "not an image"),
    "pdf": ("%PDF-1.7\n", "not an image"),
    "xbm": ("#define a_width 8\n#define a_height 8\nstatic char a_bits[] = {0};", "not an image"),
    "a_web_page": ("<html><script>alert(1)</script></html>", "not an image"),
    "a_zip": (b"PK\3\4" + bytes(100), "not an image"),
    "empty": (b"", "empty file"),
    "a_pipe": (os.mkfifo, "not a file|directory"),
    "an_endless_device": (_endless, "not a file|directory"),
    "a_folder": (Path.mkdir, "not a file|directory"),
}
MASKS = {
    name: PICTURES[name]
    for name in PICTURES
    if name.startswith(("png", "tiff", "post", "a_", "an"))
}
FILES: list[HostileFile] = [
    *table("picture", _image, "a.png", PICTURES),
    *table("mask", _mask, "a.png", MASKS),
]
