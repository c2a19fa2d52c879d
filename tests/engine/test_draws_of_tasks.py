"""Batches of the three tasks are the same, bit for bit, with any number of loader workers."""

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.runner import Runner
from PIL import Image

from bag_of_transfer.engine.data.data_sets import build_dataset
from bag_of_transfer.engine.loop.draws import draw_by_index

IMAGES, WIDTH, HEIGHT = 5, 41, 30


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of noise with class folders, boxes and masks."""
    root = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for folder in ("classes/a", "classes/b", "images", "masks"):
        (root / folder).mkdir(parents=True)
    coco: dict[str, list[Any]] = {"categories": [{"id": 1, "name": "a"}]}
    coco |= {"images": [], "annotations": []}
    for i in range(IMAGES):
        noise = Image.fromarray(rng.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8))
        for folder in ("images", "classes/a" if i % 2 else "classes/b"):
            noise.save(root / folder / f"{i}.png")
        mask = rng.integers(0, 2, (HEIGHT, WIDTH), np.uint8)
        Image.fromarray(mask).save(root / "masks" / f"{i}.png")
        size = {"width": WIDTH, "height": HEIGHT}
        coco["images"].append({"id": i + 1, "file_name": f"{i}.png", **size})
        box = {"bbox": [3, 4, 20, 15], "area": 300, "iscrowd": 0}
        coco["annotations"].append({"id": i + 1, "image_id": i + 1, "category_id": 1, **box})
    (root / "boxes.json").write_text(json.dumps(coco))
    return root


def folder_of_classes(root: Path) -> dict[str, Any]:
    pipeline = [
        dict(type="torchvision/RandomResizedCrop", size=16),
        dict(type="torchvision/RandomHorizontalFlip"),
        dict(type="HSVScale"),
        dict(type="PCANoise"),
        dict(type="torchvision/PILToTensor"),
    ]
    return dict(type="ImageFolder", root=str(root / "classes"), pipeline=pipeline)


def stock_boxes(root: Path) -> dict[str, Any]:
    """Return mmdet's data set in two wrappers, with transforms that draw from numpy and python."""
    pipeline = [
        dict(type="LoadImageFromFile"),
        dict(type="LoadAnnotations", with_bbox=True),
        dict(type="RandomResize", scale=[(40, 30), (80, 60)], keep_ratio=True),
        dict(type="RandomFlip", prob=0.5),
        dict(type="PhotoMetricDistortion"),
        dict(type="PackDetInputs"),
    ]
    inner = dict(
        type="CocoDataset",
        data_root=str(root),
        ann_file="boxes.json",
        data_prefix=dict(img="images/"),
        metainfo=dict(classes=("a",)),
        pipeline=pipeline,
        serialize_data=False,
    )
    repeated = dict(type="RepeatDataset", times=2, dataset=inner)
    return dict(type="ConcatDataset", datasets=[repeated, inner])


def stock_masks(root: Path) -> dict[str, Any]:
    """Return mmseg's data set."""
    pipeline = [
        dict(type="LoadImageFromFile"),
        dict(type="LoadAnnotations"),
        dict(type="RandomResize", scale=(41, 30), ratio_range=(0.5, 2.0), keep_ratio=True),
        dict(type="RandomCrop", crop_size=(12, 20), cat_max_ratio=0.75),
        dict(type="RandomFlip", prob=0.5),
        dict(type="PhotoMetricDistortion"),
        dict(type="PackSegInputs"),
    ]
    return dict(
        type="BaseSegDataset",
        data_root=str(root),
        data_prefix=dict(img_path="images", seg_map_path="masks"),
        img_suffix=".png",
        metainfo=dict(classes=("a", "b"), palette=[[0, 0, 0], [255, 255, 255]]),
        pipeline=pipeline,
        serialize_data=False,
    )


def tensors_of(batch: Any) -> list[torch.Tensor]:
    """Return images, labels, boxes and masks of a batch."""
    found = list(batch["inputs"])
    if "labels" in batch:
        return [*found, batch["labels"]]
    for sample in batch["data_samples"]:
        for name in ("gt_instances", "gt_sem_seg"):
            found += [t for t in getattr(sample, name, {}).values() if isinstance(t, torch.Tensor)]
    return found


@pytest.mark.parametrize(
    ("task", "described", "num_images"),
    [
        ("classification", folder_of_classes, IMAGES),
        ("detection", stock_boxes, 3 * IMAGES),
        ("segmentation", stock_masks, IMAGES),
    ],
)
def test_batches_are_the_same_with_any_number_of_workers(
    pictures: Path, task: str, described: Any, num_images: int
) -> None:
    importlib.import_module(f"bag_of_transfer.{task}")
    scope = {"detection": "mmdet", "segmentation": "mmseg"}.get(task, "mmengine")
    dataset = build_dataset(described(pictures), scope)
    assert len(dataset) == num_images
    epochs = []
    for workers in (0, 1, 2):
        loader = dict(
            dataset=dict(type=lambda: dataset),
            sampler=dict(type="DefaultSampler", shuffle=True),
            batch_size=2,
            num_workers=workers,
            persistent_workers=workers > 0,
        )
        built = Runner.build_dataloader(draw_by_index(loader, 7), seed=7)
        for epoch in (0, 1):
            built.sampler.set_epoch(epoch)
            epochs.append([tensor for batch in built for tensor in tensors_of(batch)])
    for epoch in (0, 1):
        alone, one, two = epochs[epoch::2]
        assert len(alone) >= num_images
        for tensors in (one, two):
            torch.testing.assert_close(tensors, alone, rtol=0, atol=0)
    assert not all(map(torch.equal, epochs[0], epochs[1]))
