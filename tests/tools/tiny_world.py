"""A world of three classes in the demo's layout, small enough to be drawn at once."""

from pathlib import Path

import numpy as np
from PIL import Image

__all__ = ["draw_world"]

CLASSES = ("bars", "checks", "dots")
PX = 64
NUM = {"train": 16, "val": 8, "test": 8}


def draw_world(root: Path) -> None:
    """Fill a DATA_ROOT with the demo's three data sets."""
    draw_classification(root / "demo/classification")
    draw_located(root / "demo/detection", masks=False)
    draw_located(root / "demo/segmentation", masks=True)


def texture(kind: int, height: int, width: int) -> np.ndarray:
    y, x = np.indices((height, width))
    pattern = (x // 3 % 2, (x // 3 + y // 3) % 2, ((x % 6 < 3) & (y % 6 < 3)))[kind]
    return np.where(pattern[..., None], (230, 200, 60), (30, 60, 120)).astype(np.uint8)


def scene(rng: np.random.Generator, kind: int) -> tuple[np.ndarray, tuple[int, int, int, int]]:
    picture = rng.integers(90, 160, (PX, PX, 3)).astype(np.uint8)
    width, height = rng.integers(24, 40, 2)
    left, top = rng.integers(0, PX - width), rng.integers(0, PX - height)
    picture[top : top + height, left : left + width] = texture(kind, height, width)
    return picture, (int(left), int(top), int(left + width), int(top + height))


def draw_classification(root: Path) -> None:
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for kind, name in enumerate(CLASSES):
            folder = root / split / name
            folder.mkdir(parents=True)
            for index in range(NUM[split]):
                Image.fromarray(scene(rng, kind)[0]).save(folder / f"{index}.png")


def draw_located(root: Path, masks: bool) -> None:
    rng = np.random.default_rng(1)
    sets = root / "ImageSets" / ("Segmentation" if masks else "Main")
    truth = root / ("SegmentationClass" if masks else "Annotations")
    for folder in (sets, truth, root / "JPEGImages"):
        folder.mkdir(parents=True)
    if masks:
        (root / "classes.txt").write_text("\n".join(("background", *CLASSES)) + "\n")
    for split, count in NUM.items():
        names = [f"{split}{index}" for index in range(count)]
        (sets / f"{split}.txt").write_text("\n".join(names) + "\n")
        for index, name in enumerate(names):
            kind = index % 3
            picture, (left, top, right, bottom) = scene(rng, kind)
            Image.fromarray(picture).save(root / f"JPEGImages/{name}.png")
            if masks:
                mask = np.zeros((PX, PX), np.uint8)
                mask[top:bottom, left:right] = kind + 1
                Image.fromarray(mask).save(truth / f"{name}.png")
            else:
                (truth / f"{name}.xml").write_text(
                    f"<annotation><size><width>{PX}</width><height>{PX}</height><depth>3</depth>"
                    f"</size><object><name>{CLASSES[kind]}</name><difficult>0</difficult><bndbox>"
                    f"<xmin>{left + 1}</xmin><ymin>{top + 1}</ymin><xmax>{right}</xmax>"
                    f"<ymax>{bottom}</ymax></bndbox></object></annotation>"
                )
