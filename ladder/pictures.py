"""Predictions of every rung beside the ground truth, for the same few test images."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.registry import DATASETS, init_default_scope
from PIL import Image, ImageDraw

from engine.config_file import read_config
from ladder.plan import PRETRAINING, Cell

__all__ = ["draw_pictures"]

# Pictures per task; small images are enlarged to this height.
NUM_PICTURES = 6
HEIGHT_PX = 240
CAPTION_PX = 14
# Boxes below it would cover the picture; mAP counts them all the same.
MIN_SCORE = 0.3

Panel = Image.Image
Draw = Callable[[Cell], Panel]


def draw_pictures(cells: Sequence[Cell], folder: Path) -> list[Path]:
    """Draw ``NUM_PICTURES`` pictures per task: ground truth, then each rung of the first seed."""
    folder.mkdir(parents=True, exist_ok=True)
    first_seed = min(cell.seed for cell in cells)
    by_task: dict[str, list[Cell]] = {}
    for cell in cells:
        if cell.task != PRETRAINING and cell.seed == first_seed and cell.result.exists():
            by_task.setdefault(cell.task, []).append(cell)
    return [path for task, group in by_task.items() for path in _draw_task(task, group, folder)]


def _draw_task(task: str, cells: Sequence[Cell], folder: Path) -> list[Path]:
    cfg = read_config(cells[0].config)
    init_default_scope(cfg.default_scope)
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    panels = {"mmdet": _detection_panels, "mmseg": _segmentation_panels}[cfg.default_scope]
    drawn = []
    for index in np.linspace(0, len(dataset) - 1, NUM_PICTURES).astype(int):
        info = dataset.get_data_info(int(index))
        named = panels(info, dataset.metainfo["classes"], cells)
        path = folder / f"{task}_{Path(info['img_path']).stem}.png"
        _side_by_side(named).save(path)
        drawn.append(path)
    return drawn


def _side_by_side(panels: Sequence[tuple[str, Panel]]) -> Image.Image:
    width = sum(panel.width for _, panel in panels) + 4 * (len(panels) - 1)
    height = max(panel.height for _, panel in panels) + CAPTION_PX
    sheet = Image.new("RGB", (width, height), "white")
    draw, left = ImageDraw.Draw(sheet), 0
    for name, panel in panels:
        draw.text((left + 2, 1), name, fill="black")
        sheet.paste(panel, (left, CAPTION_PX))
        left += panel.width + 4
    return sheet


def _enlarged(image: Image.Image) -> tuple[Image.Image, float]:
    scale = max(1.0, HEIGHT_PX / image.height)
    size = (round(image.width * scale), round(image.height * scale))
    return image.resize(size, Image.Resampling.NEAREST), scale


# ---- detection ----


def _detection_panels(
    info: dict[str, Any], classes: Sequence[str], cells: Sequence[Cell]
) -> list[tuple[str, Panel]]:
    image, scale = _enlarged(Image.open(info["img_path"]).convert("RGB"))
    truth = [(classes[item["bbox_label"]], item["bbox"], None) for item in info["instances"]]
    panels = [("ground truth", _with_boxes(image, truth, classes, scale))]
    stem = Path(info["img_path"]).stem
    for cell in cells:
        found = [
            (classes[row["category_id"] - 1], _xyxy(row["bbox"]), row["score"])
            for row in json.loads((cell.folder / "predictions").read_text())
            if row["image_id"] == stem and row["score"] >= MIN_SCORE
        ]
        panels.append((cell.rung, _with_boxes(image, found, classes, scale)))
    return panels


def _xyxy(box_xywh: Sequence[float]) -> list[float]:
    x, y, width, height = box_xywh
    return [x, y, x + width, y + height]


def _with_boxes(
    image: Image.Image,
    objects: Sequence[tuple[str, Sequence[float], float | None]],
    classes: Sequence[str],
    scale: float,
) -> Panel:
    panel = image.copy()
    draw = ImageDraw.Draw(panel)
    for name, box_xyxy, score in objects:
        colour = tuple(_palette(len(classes) + 1)[classes.index(name) + 1])
        box = [scale * side for side in box_xyxy]
        draw.rectangle(box, outline=colour, width=2)
        said = name if score is None else f"{name} {score:.2f}"
        left, top, right, bottom = draw.textbbox((box[0] + 3, box[1] + 2), said)
        draw.rectangle((left - 1, top - 1, right + 1, bottom + 1), fill=colour)
        draw.text((box[0] + 3, box[1] + 2), said, fill="black")
    return panel


# ---- segmentation ----


def _segmentation_panels(
    info: dict[str, Any], classes: Sequence[str], cells: Sequence[Cell]
) -> list[tuple[str, Panel]]:
    image = Image.open(info["img_path"]).convert("RGB")
    truth = Image.open(info["seg_map_path"])
    panels = [("image", _enlarged(image)[0]), ("ground truth", _with_mask(image, truth, classes))]
    stem = Path(info["img_path"]).stem
    for cell in cells:
        predicted = Image.open(cell.folder / "predictions" / f"{stem}.png")
        panels.append((cell.rung, _with_mask(image, predicted, classes)))
    return panels


def _with_mask(image: Image.Image, mask: Image.Image, classes: Sequence[str]) -> Panel:
    labels = np.asarray(mask)
    colours = _palette(256)
    picture = np.asarray(image)
    painted = 0.35 * picture + 0.65 * colours[labels]
    shown = np.where((labels > 0)[..., None], painted, picture)
    return _enlarged(Image.fromarray(shown.astype(np.uint8)))[0]


def _palette(count: int) -> np.ndarray:
    """Distinct light colours: hues a golden angle apart (137.5 degrees)."""
    hues = (np.arange(count) * 137.508 / 360 * 255).astype(np.uint8)
    hsv = np.stack([hues, np.full_like(hues, 170), np.full_like(hues, 250)], axis=-1)
    return np.asarray(Image.fromarray(hsv[None], "HSV").convert("RGB"))[0].astype(int)
