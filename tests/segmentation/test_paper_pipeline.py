"""The pixels after the paper's training pipeline: resized, cropped, padded with black."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import DATASETS, DefaultScope
from PIL import Image

import bag_of_transfer.segmentation  # noqa: F401

LEAF = Path(__file__).resolve().parents[2] / "configs/segmentation/fcn_d8_paper_ade20k.py"
IMAGE = "images/training/ADE_training_00000000.jpg"
MASK = "annotations/training/ADE_training_00000000.png"
# The drawn images are 113 x 101.
HALF, DOUBLE = (260, 291), (1040, 1164)  # short side 520 / 2: 113 x 260 / 101 = 290.9; 520 x 2


def first_of(root: Path, ratio: float, flip: float) -> tuple[np.ndarray, np.ndarray]:
    """Return image (480 x 480 x 3, BGR) and labels (480 x 480) at one ratio, without blur."""
    with DefaultScope.overwrite_default_scope("mmseg"):
        data = Config.fromfile(LEAF).train_dataloader.dataset
        data.indices = 1
        _, _, resize, _, mirror, _, blur, _ = data.pipeline
        resize.ratio_range, mirror.prob, blur.prob = (ratio, ratio), flip, 0.0
        item = DATASETS.build(data)[0]
    labels = item["data_samples"].gt_sem_seg.data[0].numpy()
    return item["inputs"].permute(1, 2, 0).numpy(), labels


@pytest.fixture
def root(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    return Path(shutil.copytree(drawn / "ade", tmp_path / "ade20k"))


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_a_small_one_is_whole_and_padded_right_and_below(root: Path, flip: float) -> None:
    image, labels = first_of(root, 0.5, flip)
    assert image.shape == (480, 480, 3)
    height, width = HALF
    assert not image[height:].any()
    assert not image[:, width:].any()
    assert (labels[height:] == 255).all()
    assert (labels[:, width:] == 255).all()
    size = (width, height)
    pillow = np.array(Image.open(root / IMAGE).resize(size, Image.Resampling.BILINEAR))
    mask = np.array(Image.open(root / MASK).resize(size, Image.Resampling.NEAREST))
    if flip:
        pillow, mask = pillow[:, ::-1], mask[:, ::-1]
    # Decoders differ by a step or two.
    assert abs(image[:height, :width, ::-1].astype(int) - pillow).max() <= 3
    expected = mask.astype(int) - 1  # 0 is unlabelled
    expected[mask == 0] = 255
    assert {0, 1, 2, 255} == set(np.unique(expected))
    np.testing.assert_array_equal(labels[:height, :width], expected)


def test_of_a_large_one_a_crop_is_seen_and_nothing_is_padded(root: Path) -> None:
    image, labels = first_of(root, 2.0, 0.0)
    assert image.shape == (480, 480, 3)
    assert image.reshape(-1, 3).any(axis=1).mean() > 0.99
    whole = np.array(Image.open(root / IMAGE).resize(DOUBLE[::-1], Image.Resampling.BILINEAR))
    assert labels.shape == (480, 480)
    # Somewhere in the whole: the first row of the crop is there, in one place.
    row = image[0, :, ::-1].astype(int)
    starts = whole[: DOUBLE[0] - 479, : DOUBLE[1] - 479].astype(int)
    distance = [
        abs(whole[top, left : left + 480].astype(int) - row).max()
        for top, left in np.argwhere(abs(starts - row[0]).max(axis=2) <= 3)
    ]
    assert min(distance) <= 3
