"""Small drawn data in VOC's and COCO's layout, each with two kinds of rectangles."""

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import pytest
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from PIL import Image

import bag_of_transfer.detection  # noqa: F401  before any test imports mmdet: it provides the operators

COLOURS = {"brick": (200, 60, 40), "leaf": (40, 160, 60)}
WIDTH, HEIGHT = 96, 65  # not square
Drawn = tuple[np.ndarray, list[tuple[str, int, int, int, int]]]


@pytest.fixture(autouse=True)
def _scans_stay_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bag_of_transfer.engine.data.image_scan.SCAN_DIR", tmp_path / ".scans")


@pytest.fixture(autouse=True)
def _scope_stays_here() -> Iterator[None]:
    with DefaultScope.overwrite_default_scope("mmdet"):
        yield


@pytest.fixture
def warnings_of() -> Iterator[Callable[[], str]]:
    """Return all warnings until now as one text."""
    messages: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: messages.append(record.getMessage())
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    yield lambda: "\n".join(messages)
    logger.removeHandler(handler)


def draw(seed: int) -> Drawn:
    """Draw a grey picture with a brick and a leaf.

    Boxes are x1 y1 x2 y2, counted from 0, without the last pixel.
    """
    rng = np.random.default_rng(seed)
    picture = rng.integers(90, 130, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    boxes = []
    for name, column in (("brick", 4), ("leaf", 50)):
        width, height = rng.integers(20, 38, 2)
        x, y = column + int(rng.integers(0, 6)), int(rng.integers(0, HEIGHT - height))
        picture[y : y + height, x : x + width] = COLOURS[name]
        boxes.append((name, x, y, x + int(width), y + int(height)))
    return picture, boxes


def _xml(boxes: list[tuple[str, int, int, int, int]]) -> str:
    objects = "".join(
        f"<object><name>{escape(name)}</name><difficult>0</difficult><bndbox><xmin>{x1 + 1}</xmin>"
        f"<ymin>{y1 + 1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>"
        for name, x1, y1, x2, y2 in boxes
    )
    size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>"
    return f"<annotation>{size}{objects}</annotation>"


@pytest.fixture(scope="session")
def draw_voc() -> Callable[..., Path]:
    """Return ``draw_voc(root, train=8, val=4)``, which draws a VOC folder with PNGs and JPEGs.

    ``names`` are the class names written for brick and leaf.
    """

    def make(root: Path, names: tuple[str, str] = ("brick", "leaf"), **splits: int) -> Path:
        renamed = dict(zip(("brick", "leaf"), names, strict=True))
        for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        for start, (split, count) in zip((0, 1000, 2000), splits.items(), strict=False):
            files = [f"{number:06d}" for number in range(start, start + count)]
            for number, name in enumerate(files):
                picture, boxes = draw(start + number)
                suffix = "jpg" if number % 2 else "png"
                Image.fromarray(picture).save(root / f"JPEGImages/{name}.{suffix}")
                (root / f"Annotations/{name}.xml").write_text(
                    _xml([(renamed[label], *box) for label, *box in boxes])
                )
            (root / f"ImageSets/Main/{split}.txt").write_text("\n".join(files) + "\n")
        return root

    return make


@pytest.fixture(scope="session")
def draw_coco() -> Callable[..., Path]:
    """Return ``draw_coco(root, train=8)``, which writes annotations/train.json and images/.

    Category ids neither begin at 1 nor follow the order of the names.
    """

    def make(root: Path, images: str = "images", prefix: str = "", **splits: int) -> Path:
        (root / images).mkdir(parents=True, exist_ok=True)
        (root / "annotations").mkdir(exist_ok=True)
        for start, (split, count) in zip((0, 1000, 2000), splits.items(), strict=False):
            coco = _coco(root / images, start, count)
            (root / f"annotations/{prefix}{split}.json").write_text(json.dumps(coco))
        return root

    return make


def _coco(folder: Path, start: int, count: int) -> dict[str, list[dict]]:
    ids = {"leaf": 7, "brick": 9}  # not from 1, not in the order of the names
    images, annotations = [], []
    for number in range(start, start + count):
        picture, boxes = draw(number)
        Image.fromarray(picture).save(folder / f"{number}.png")
        images.append(dict(id=number, file_name=f"{number}.png", width=WIDTH, height=HEIGHT))
        for name, x1, y1, x2, y2 in boxes:
            bbox = [x1, y1, x2 - x1, y2 - y1]
            note = dict(image_id=number, category_id=ids[name], bbox=bbox, iscrowd=0)
            annotations.append(dict(note, id=len(annotations) + 1, area=bbox[2] * bbox[3]))
    categories = [dict(id=9, name="brick"), dict(id=7, name="leaf")]
    return dict(images=images, annotations=annotations, categories=categories)


@pytest.fixture(scope="session")
def draw_yolo() -> Callable[..., Path]:
    """Return ``draw_yolo(root, train=8)``, which writes data.yaml and both folders of a split."""

    def make(root: Path, **splits: int) -> Path:
        for start, (split, count) in zip((0, 1000, 2000), splits.items(), strict=False):
            for kind in ("images", "labels"):
                (root / kind / split).mkdir(parents=True)
            for number in range(start, start + count):
                picture, boxes = draw(number)
                Image.fromarray(picture).save(root / f"images/{split}/{number}.png")
                lines = [_yolo_line([*COLOURS].index(name), *box) for name, *box in boxes]
                (root / f"labels/{split}/{number}.txt").write_text("".join(lines))
        (root / "data.yaml").write_text(f"names: [{', '.join(COLOURS)}]\n")
        return root

    return make


def _yolo_line(label: int, x1: int, y1: int, x2: int, y2: int) -> str:
    sides = ((x2 - x1) / WIDTH, (y2 - y1) / HEIGHT)
    return f"{label} {(x1 + x2) / 2 / WIDTH} {(y1 + y2) / 2 / HEIGHT} {sides[0]} {sides[1]}\n"
