"""Drawn mask folders; the cache of scans is inside the folder of the test."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import bag_of_transfer.detection  # noqa: F401  mmseg imports mmdet, which needs mmcv's operators
from bag_of_transfer.engine.data import image_scan

WIDTH, HEIGHT = 113, 101  # odd and not square
SPLITS = {"train": 9, "val": 4, "test": 5}


@pytest.fixture(autouse=True)
def _scans_stay_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_scan, "SCAN_DIR", tmp_path / ".scans")


def draw_pair(image: Path, mask: Path, seed: int, labels: list[int]) -> None:
    """Draw one rectangle per label, in its colour, on a background of ``labels[0]``."""
    rng = np.random.default_rng(seed)
    truth = np.full((HEIGHT, WIDTH), labels[0], dtype=np.uint8)
    for label in labels[1:]:
        top, left = rng.integers(0, HEIGHT - 40), rng.integers(0, WIDTH - 40)
        truth[top : top + 20, left : left + 31] = label
    colours = np.random.default_rng(1).integers(0, 256, (256, 3))
    picture = colours[truth] + rng.integers(-20, 21, (HEIGHT, WIDTH, 3))
    for path in (image, mask):
        path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(image)
    palette = Image.fromarray(truth, mode=None)
    palette.putpalette(colours.astype(np.uint8).tobytes())
    palette.save(mask)


def draw_voc(root: Path, labels: list[int], suffix: str = ".png") -> Path:
    """Draw VOC's layout with three splits; every image shows every label."""
    number = 0
    for split, num_images in SPLITS.items():
        names = [f"{split}_{i}" for i in range(num_images)]
        listed = root / "ImageSets/Segmentation" / f"{split}.txt"
        listed.parent.mkdir(parents=True, exist_ok=True)
        listed.write_text("\n".join(names) + "\n")
        for name in names:
            number += 1
            image, mask = (
                root / f"JPEGImages/{name}{suffix}",
                root / f"SegmentationClass/{name}.png",
            )
            draw_pair(image, mask, number, labels)
    return root


def draw_ade(root: Path, labels: list[int]) -> Path:
    """Draw ADE20K's layout: two folders each for images and masks, no lists."""
    for split, num_images in {"training": 6, "validation": 3}.items():
        for i in range(num_images):
            name = f"ADE_{split}_{i:08}"
            draw_pair(
                root / f"images/{split}/{name}.jpg",
                root / f"annotations/{split}/{name}.png",
                i,
                labels,
            )
    return root


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return both layouts, drawn once; copy them before you change them."""
    folder = tmp_path_factory.mktemp("drawn")
    draw_voc(folder / "voc", [0, 1, 2, 3], suffix=".jpg")
    draw_ade(folder / "ade", [0, 1, 2, 3])
    return folder


@pytest.fixture
def voc(tmp_path: Path, drawn: Path) -> Path:
    return Path(shutil.copytree(drawn / "voc", tmp_path / "voc"))


@pytest.fixture
def ade(tmp_path: Path, drawn: Path) -> Path:
    return Path(shutil.copytree(drawn / "ade", tmp_path / "ade"))
