"""Masks reach training as int32 with the values of the file, those of 8 bits as by mmseg."""

import struct
import zlib
from pathlib import Path
from typing import Any

import mmseg.datasets.transforms as theirs
import numpy as np
import pytest
from mmseg.registry import TRANSFORMS
from PIL import Image

import bag_of_transfer.segmentation  # noqa: F401  registers PillowResize
from bag_of_transfer.engine.data.mask_reader import ReadMask, labels_of, read_mask
from bag_of_transfer.engine.errors import UserError

RNG = np.random.default_rng(0)
LABELS = np.kron(RNG.choice([0, 1, 2, 254, 255], (5, 7)), np.ones((9, 9), int)).astype(np.uint8)


def results(path: Path, **more: Any) -> dict[str, Any]:
    image = np.zeros((*LABELS.shape, 3), np.uint8)
    shape = dict(img=image, img_shape=image.shape[:2], ori_shape=image.shape[:2])
    return dict(seg_map_path=str(path), seg_fields=[], reduce_zero_label=False, **shape) | more


@pytest.fixture
def path(tmp_path: Path) -> Path:
    Image.fromarray(LABELS).save(tmp_path / "mask.png")
    return tmp_path / "mask.png"


@pytest.mark.parametrize("reduced", [False, True])
@pytest.mark.parametrize("label_map", [None, {0: 1, 1: 0, 2: 255}, {0: 2, 254: 1, 255: 0, 99: 3}])
def test_8_bit_masks_have_the_values_of_mmsegs_loader(
    path: Path, reduced: bool, label_map: dict[int, int] | None
) -> None:
    given = dict(reduce_zero_label=reduced, label_map=label_map)
    ours = ReadMask()(results(path, **given))
    expected = theirs.LoadAnnotations()(results(path, **given))
    assert ours["gt_seg_map"].dtype == np.int32
    np.testing.assert_array_equal(ours["gt_seg_map"], expected["gt_seg_map"])
    assert ours["seg_fields"] == expected["seg_fields"] == ["gt_seg_map"]


STEPS = [
    dict(type="Resize", scale=(100, 77), keep_ratio=True),
    dict(type="Resize", scale=(31, 20)),
    dict(type="RandomCrop", crop_size=(20, 30), cat_max_ratio=0.75),
    dict(type="RandomFlip", prob=1.0),
    dict(type="RandomRotate", prob=1.0, degree=20.0, seg_pad_val=255),
    dict(type="RandomCutOut", prob=1.0, n_holes=2, cutout_shape=(5, 5), seg_fill_in=255),
    dict(type="Pad", size=(80, 90), pad_val=dict(img=0, seg=255)),
    dict(type="GenerateEdge"),
]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step["type"])
def test_transforms_do_to_int32_what_they_do_to_bytes(path: Path, step: dict[str, Any]) -> None:
    found = []
    for read in (ReadMask(), theirs.LoadAnnotations()):
        np.random.seed(0)  # noqa: NPY002  all transforms draw from it
        changed = TRANSFORMS.build(dict(step, _scope_="mmseg"))(read(results(path)))
        found.append(theirs.PackSegInputs()(changed)["data_samples"].gt_sem_seg.data)
    assert found[0].dtype == found[1].dtype
    np.testing.assert_array_equal(*found)


def test_pillows_resizing_takes_labels_beyond_a_byte(tmp_path: Path, path: Path) -> None:
    wide = LABELS.astype(np.uint16) + 300
    Image.fromarray(wide).save(tmp_path / "wide.png")
    resize = TRANSFORMS.build(dict(type="PillowResize", scale=(100, 77), keep_ratio=True))
    small = Image.fromarray(LABELS).resize((100, 71), Image.Resampling.NEAREST)
    found = resize(ReadMask()(results(tmp_path / "wide.png")))
    assert found["img"].shape == (71, 100, 3)
    np.testing.assert_array_equal(found["gt_seg_map"] - 300, np.asarray(small))


def test_an_image_without_a_mask_passes(path: Path) -> None:
    image = {"img_path": "new.png", "img": 1}
    assert ReadMask(reduce_zero_label=True)(dict(image)) == image


def test_the_data_set_and_the_pipeline_must_agree_about_zero(path: Path) -> None:
    assert ReadMask(reduce_zero_label=True)(results(path, reduce_zero_label=True))
    with pytest.raises(UserError, match="reduce_zero_label is True, the data set's is False"):
        ReadMask(reduce_zero_label=True)(results(path))


def test_a_map_reaches_labels_as_far_apart_as_32_bits() -> None:
    values = np.array([0, 5, 2**31 - 1, -7], np.int32)
    described = {"label_map": {2**31 - 1: 1, -7: 2, 5: 0, 6: 9}}
    assert labels_of(values, described).tolist() == [0, 0, 1, 2]


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float32, ">u2"])
def test_numbers_of_every_kind_are_read_whole(tmp_path: Path, kind: Any) -> None:
    values = np.array([[0, 255, 290], [1, 2, 300]], kind)
    Image.fromarray(values).save(tmp_path / "mask.tif")
    found = read_mask(tmp_path / "mask.tif")
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, values.astype(int))


def test_a_note_turns_masks_as_it_turns_images(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("mask.png", "mask.tif"):
        Image.fromarray(LABELS).save(tmp_path / name, exif=exif)
        np.testing.assert_array_equal(read_mask(tmp_path / name), np.rot90(LABELS, -1))


def test_colours_fractions_and_broken_files_are_refused(tmp_path: Path, path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "colours.png")
    Image.fromarray(np.full((4, 4), 0.5, np.float32)).save(tmp_path / "half.tif")
    Image.fromarray(np.full((4, 4), np.nan, np.float32)).save(tmp_path / "nan.tif")
    Image.fromarray(LABELS).save(tmp_path / "lossy.png", format="JPEG")
    (tmp_path / "cut.png").write_bytes(path.read_bytes()[:100])
    for name, why in {
        "colours.png": "a picture with colours",
        "half.tif": "fractions",
        "nan.tif": "fractions",
        "lossy.png": "the mask is a JPEG",
        "cut.png": "can't be read",
        "gone.png": "no such file",
    }.items():
        with pytest.raises(UserError, match=why):
            read_mask(tmp_path / name)


def grey_png(labels: list[int], bits: int) -> bytes:
    """Return one row of greys with a few bits each, which Pillow does not write."""
    row = np.unpackbits(np.array([labels], np.uint8).T, axis=1)[:, 8 - bits :].reshape(-1)
    head = struct.pack(">IIBBBBB", len(labels), 1, bits, 0, 0, 0, 0)
    parts = {
        b"IHDR": head,
        b"IDAT": zlib.compress(b"\0" + np.packbits(row).tobytes()),
        b"IEND": b"",
    }
    chunks = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts.items()
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_labels_of_few_bits_are_not_scaled_to_255(tmp_path: Path, bits: int) -> None:
    labels = [*range(2**bits), 1]
    (tmp_path / "few.png").write_bytes(grey_png(labels, bits))
    assert read_mask(tmp_path / "few.png").tolist() == [labels]


@pytest.mark.parametrize("white", [3, 255, 300, 65535])
def test_labels_of_a_pgm_file_are_not_scaled_to_its_white(tmp_path: Path, white: int) -> None:
    labels = [0, 1, 2, white - 1, white]
    (tmp_path / "plain.pgm").write_text(f"P2\n5 1\n{white}\n{' '.join(map(str, labels))}\n")
    data = np.array(labels, np.uint8 if white < 256 else ">u2").tobytes()
    (tmp_path / "raw.pgm").write_bytes(f"P5\n5 1\n{white}\n".encode() + data)
    for name in ("plain.pgm", "raw.pgm"):
        assert read_mask(tmp_path / name).tolist() == [labels]
