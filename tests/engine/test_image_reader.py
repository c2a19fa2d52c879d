"""Images of every kind become upright pixels of 8 bits, or an error: for all tasks, in one way."""

import io
import os
import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageFile

from bag_of_transfer.engine.data import image_reader
from bag_of_transfer.engine.data.image_reader import PixelReader, ReadImage, read_image, read_pixels
from bag_of_transfer.engine.data.image_scan import find_unreadable, image_facts
from bag_of_transfer.engine.data.plain_images import is_plain
from bag_of_transfer.engine.errors import UserError

EXIF_ORIENTATION = 0x0112
RNG = np.random.default_rng(0)
PIXELS = cv2.resize(RNG.integers(0, 256, (9, 13, 3), dtype=np.uint8), (97, 65))  # smooth


@pytest.fixture(autouse=True)
def _scans_go_to_a_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def encoded(kind: str, image: Image.Image | None = None, **options: Any) -> bytes:
    stream = io.BytesIO()
    (Image.fromarray(PIXELS) if image is None else image).save(stream, kind, **options)
    return stream.getvalue()


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def turned_image(orientation: int, kind: str, **options: Any) -> bytes:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    return encoded(kind, exif=exif, **options)


# ---- kept in memory ----


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the files that are decoded, as they are."""
    names: list[str] = []
    original = image_reader.decode_file

    def counted(path: str | Path, *args: Any) -> np.ndarray:
        names.append(Path(path).name)
        return original(path, *args)

    monkeypatch.setattr(image_reader, "decode_file", counted)
    return names


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])  # OpenCV's and Pillow's
def test_a_kept_image_is_decoded_once_and_stays_as_it_is(
    tmp_path: Path, decoded: list[str], kind: str
) -> None:
    path = written(tmp_path / "a.png", encoded(kind))
    reader = PixelReader(keep_mb=1)
    for _ in range(3):
        pixels = reader(path)
        np.testing.assert_array_equal(pixels, PIXELS)
        pixels[:] = 0  # as some transforms do
    assert decoded == ["a.png"]


def test_a_kept_image_whose_file_has_changed_is_read_again(tmp_path: Path) -> None:
    path = written(tmp_path / "a.png", encoded("PNG"))
    reader = PixelReader(keep_mb=1)
    reader(path)
    before = path.stat()
    written(tmp_path / "b.png", encoded("PNG", Image.fromarray(255 - PIXELS))).replace(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    for _ in range(2):
        np.testing.assert_array_equal(reader(path), 255 - PIXELS)
    path.unlink()
    with pytest.raises(UserError, match=r"no such file.*a\.png"):
        reader(path)


def test_images_are_kept_as_far_as_there_is_room(tmp_path: Path, decoded: list[str]) -> None:
    paths = [written(tmp_path / f"{name}.png", encoded("PNG")) for name in "abc"]
    for keep_mb, again in ((0, ["a", "b", "c"]), (2.5 * PIXELS.nbytes / 1e6, ["c"])):
        reader = PixelReader(keep_mb=keep_mb)
        for path in paths:
            reader(path)
        decoded.clear()
        for path in paths:
            np.testing.assert_array_equal(reader(path), PIXELS)
        assert decoded == [f"{name}.png" for name in again]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_the_transform_keeps_images_of_its_channels(tmp_path: Path, channels: int) -> None:
    path = written(tmp_path / "a.png", encoded("PNG"))
    keeping = ReadImage(channels, keep_mb=1)
    for _ in range(2):
        results = keeping({"img_path": str(path)})
        expected = ReadImage(channels)({"img_path": str(path)})
        np.testing.assert_array_equal(results["img"], expected["img"])


def test_room_below_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="keep_mb must be 0 or more, got -1"):
        PixelReader(keep_mb=-1)


# ---- the decoders agree ----

PLAIN: dict[str, bytes] = {
    "baseline": encoded("JPEG", quality=92),
    "progressive": encoded("JPEG", progressive=True),
    "no subsampling": encoded("JPEG", subsampling=0),
    "stored as RGB": encoded("JPEG", keep_rgb=True),
    "grey jpeg": encoded("JPEG", Image.fromarray(PIXELS).convert("L")),
    "png": encoded("PNG"),
    "grey png": encoded("PNG", Image.fromarray(PIXELS).convert("L")),
    "palette": encoded("PNG", Image.fromarray(PIXELS).quantize(64)),
    "rgba": encoded("PNG", Image.fromarray(np.dstack([PIXELS, PIXELS[..., 0]]))),
    "webp": encoded("WEBP", quality=80),
    "lossless webp": encoded("WEBP", lossless=True),
    "bmp": encoded("BMP"),
    "turned jpeg": turned_image(6, "JPEG"),
}


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_file_gives_the_same_pixels_by_opencv_as_by_pillow(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "image", PLAIN[name])
    assert is_plain(PLAIN[name])
    by_opencv = read_pixels(path)
    monkeypatch.setattr("bag_of_transfer.engine.data.image_reader.is_plain", lambda _: False)
    np.testing.assert_array_equal(by_opencv, read_pixels(path))


def test_what_the_decoders_read_otherwise_is_pillows() -> None:
    picture = Image.fromarray(PIXELS)
    others = [
        encoded("JPEG", picture.convert("CMYK")),
        encoded("PNG", Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 257)),
        encoded("PNG", picture.convert("1")),
        encoded("PNG", picture.quantize(9), transparency=0),
        encoded("PNG", icc_profile=b"profile"),
        turned_image(6, "PNG"),
        turned_image(6, "WEBP"),
        encoded("WEBP", save_all=True, append_images=[picture.rotate(180)]),
        encoded("GIF"),
        PLAIN["baseline"] + b"\0" * 9,
        PLAIN["baseline"][:-2],
        PLAIN["png"][:-12],
        PLAIN["webp"][:-9],
        PLAIN["bmp"][:-9],
        b"",
        *(data[:length] for data in PLAIN.values() for length in (2, 4, 14, 20)),
    ]
    assert not any(map(is_plain, others))


# ---- the scan and the loader agree ----

WHOLE = {
    "jpg": PLAIN["baseline"],
    "png": PLAIN["png"],
    "interlaced.png": encoded("PNG", icc_profile=b"profile"),
    "webp": PLAIN["webp"],
    "bmp": PLAIN["bmp"],
    "tif": encoded("TIFF"),
    "lzw.tif": encoded("TIFF", compression="tiff_lzw"),
    "gif": encoded("GIF"),
    "ppm": encoded("PPM"),
    "jp2": encoded("JPEG2000"),
    "cmyk.jpg": encoded("JPEG", Image.fromarray(PIXELS).convert("CMYK")),
    "exif.webp": turned_image(1, "WEBP"),
}


@pytest.mark.parametrize("kind", WHOLE)
@pytest.mark.parametrize("keep", [0.0, 0.3, 0.6, 0.9])
def test_a_cut_file_is_an_error_whatever_another_library_told_pillow(
    kind: str, keep: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    data = WHOLE[kind]
    path = written(tmp_path / f"cut.{kind}", data[: int(len(data) * keep)])
    with pytest.raises(UserError, match=r"the image can't be read \(.+\).*cut\."):
        read_pixels(path)
    assert list(find_unreadable([path])) == [path]
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_images_of_every_format(kind: str, orientation: int, tmp_path: Path) -> None:
    path = written(tmp_path / "image", turned_image(orientation, kind))
    plain = written(tmp_path / "plain", encoded(kind))
    turns = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: np.rot90(a.swapaxes(0, 1), 2),
        8: np.rot90,
    }
    upright = read_pixels(path)
    np.testing.assert_array_equal(upright, turns[orientation](read_pixels(plain)))
    height, width = upright.shape[:2]
    assert image_facts([path])[path] == ("", width, height)


@pytest.mark.parametrize("order", [">", "<"])
@pytest.mark.parametrize("before", [b"", b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta/>"])
def test_exif_is_found_behind_another_note_and_in_both_byte_orders(
    order: str, before: bytes, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif.endian = order
    exif[EXIF_ORIENTATION] = 6
    notes = b"".join(
        b"\xff\xe1" + (len(note) + 2).to_bytes(2, "big") + note
        for note in (before, exif.tobytes())
        if note
    )
    data = PLAIN["baseline"][:2] + notes + PLAIN["baseline"][2:]
    assert read_pixels(written(tmp_path / "a.jpg", data)).shape == (97, 65, 3)


def test_a_broken_exif_note_turns_nothing(tmp_path: Path) -> None:
    for kind in ("JPEG", "WEBP"):
        path = written(tmp_path / "image", encoded(kind, exif=b"Exif\0\0no TIFF header at all"))
        assert read_pixels(path).shape == (65, 97, 3)


# ---- kinds of pixels ----


@pytest.mark.parametrize("mode", ["L", "LA", "1", "P", "RGBA", "CMYK", "I;16"])
def test_every_kind_of_picture_becomes_rgb(tmp_path: Path, mode: str) -> None:
    ramp = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (9, 1))
    path = tmp_path / f"picture.{'jpg' if mode == 'CMYK' else 'png'}"
    if mode == "I;16":
        Image.fromarray(ramp.astype(np.uint16) * 257).save(path)
    else:
        Image.fromarray(np.stack([ramp] * 3, 2)).convert(mode).save(path)
    out = read_image(path)
    assert out.mode == "RGB"
    assert out.size == (64, 9)
    # Still a ramp: dark on the left, bright on the right (1: dithered).
    values = np.asarray(out).mean((0, 2))
    assert values[:8].mean() < 40
    assert values[-8:].mean() > 215


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_pixels_of_32_bits_must_say_what_white_is(tmp_path: Path, kind: Any) -> None:
    path, values = tmp_path / "a.tif", np.array([[0, 128, 255]], kind)
    Image.fromarray(values).save(path)
    assert read_pixels(path)[..., 0].tolist() == [[0, 128, 255]]
    for outside in (256, -1):
        Image.fromarray(np.array([[0, outside]], kind)).save(path)
        with pytest.raises(UserError, match=r"32-bit pixels beyond 0 to 255.*a\.tif"):
            read_pixels(path)


@pytest.mark.parametrize("value", [np.nan, 0.5])
def test_fractions_up_to_one_and_what_is_no_number_are_no_grey_levels(
    tmp_path: Path, value: float
) -> None:
    Image.fromarray(np.array([[0, value]], np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(UserError, match="32-bit pixels"):
        read_pixels(tmp_path / "a.tif")


def test_the_first_of_several_pictures_is_read(tmp_path: Path) -> None:
    first, second = (Image.new("RGB", (20, 10), colour) for colour in ("red", "blue"))
    for kind in ("GIF", "PNG", "WEBP", "TIFF"):
        options = {"lossless": True} if kind == "WEBP" else {}
        data = encoded(kind, first, save_all=True, append_images=[second], **options)
        assert read_pixels(written(tmp_path / "image", data))[5, 5].tolist() == [255, 0, 0]


def test_alpha_is_dropped_or_kept_as_stored(tmp_path: Path) -> None:
    pixels = np.dstack([PIXELS, PIXELS[..., 1]])
    path = written(tmp_path / "a.png", encoded("PNG", Image.fromarray(pixels)))
    np.testing.assert_array_equal(read_pixels(path), PIXELS)
    np.testing.assert_array_equal(read_pixels(path, channels=4), pixels)
    opaque = written(tmp_path / "b.png", encoded("PNG"))
    assert (read_pixels(opaque, channels=4)[..., 3] == 255).all()


def test_grey_is_what_a_grey_file_holds_and_the_brightness_of_colours(tmp_path: Path) -> None:
    grey = PIXELS[..., 0]
    for kind in ("PNG", "TIFF"):
        path = written(tmp_path / "image", encoded(kind, Image.fromarray(grey)))
        np.testing.assert_array_equal(read_pixels(path, channels=1), grey)
        colour = written(tmp_path / "colour", encoded(kind))
        expected = np.asarray(Image.fromarray(PIXELS).convert("L")).astype(int)
        assert abs(read_pixels(colour, channels=1) - expected).max() <= 1


# ---- what is refused ----


def test_a_picture_that_is_too_large_for_pillow_is_told(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 250)
    for kind in ("PNG", "JPEG", "WEBP", "BMP"):
        path = written(tmp_path / "large", encoded(kind))
        with pytest.raises(UserError, match=r"can't be read \(.*6305 pixels.*large"):
            read_pixels(path)


def test_a_palette_with_transparency_is_read_without_a_warning(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    picture = Image.new("P", (4, 4), 1)
    picture.putpalette([0, 0, 0, 250, 10, 20])
    picture.save(tmp_path / "p.png", transparency=b"\xff\x80")
    assert read_image(tmp_path / "p.png").getpixel((0, 0)) == (250, 10, 20)
    assert not recwarn.list


def test_postscript_under_an_images_name_starts_no_other_program(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jpg", encoded("EPS"))
    with pytest.raises(UserError, match="not an image"):
        read_pixels(path)


def test_threads_that_decode_at_once_leave_pillows_switch_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    whole = written(tmp_path / "a.gif", WHOLE["gif"])
    cut = written(tmp_path / "b.png", WHOLE["interlaced.png"][:2000])

    def decode_both() -> None:
        for _ in range(20):
            read_pixels(whole)
            refused.append(bool(find_unreadable([cut])))

    refused: list[bool] = []
    threads = [threading.Thread(target=decode_both) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == [True] * 80
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


# ---- the transform ----


def test_the_transform_gives_what_mmcvs_gives(tmp_path: Path) -> None:
    from mmcv.transforms import LoadImageFromFile

    path = str(written(tmp_path / "a.jpg", PLAIN["turned jpeg"]))
    ours, theirs = ReadImage()({"img_path": path}), LoadImageFromFile()({"img_path": path})
    np.testing.assert_array_equal(ours.pop("img"), theirs.pop("img"))
    assert ours == theirs
    assert ReadImage(to_float32=True)({"img_path": path})["img"].dtype == np.float32


@pytest.mark.parametrize(("channels", "shape"), [(1, (65, 97)), (4, (65, 97, 4))])
def test_the_transform_gives_other_numbers_of_channels(
    tmp_path: Path, channels: int, shape: tuple[int, ...]
) -> None:
    path = written(tmp_path / "a.png", PLAIN["rgba"])
    found = ReadImage(channels=channels)({"img_path": str(path)})
    assert found["img"].shape == shape
    assert found["img_shape"] == found["ori_shape"] == (65, 97)


def test_another_number_of_channels_is_refused() -> None:
    with pytest.raises(ValueError, match="channels must be one of"):
        ReadImage(channels=2)


@pytest.mark.parametrize("white", [4095, 65535])
def test_a_dark_pgm_file_of_16_bits_stays_dark(tmp_path: Path, white: int) -> None:
    data = np.array([[0, white // 256, white]], ">u2").tobytes()
    path = written(tmp_path / "a.pgm", f"P5\n3 1\n{white}\n".encode() + data)
    assert read_pixels(path, channels=1).tolist() == [[0, white // 256 * 255 // white, 255]]
