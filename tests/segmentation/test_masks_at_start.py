"""Whether the masks of val and test can be judged by is known before the first step."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from PIL import Image

from bag_of_transfer.engine.data.data_sets import build_dataset
from bag_of_transfer.engine.data.judge_checks import check_described_judges, check_judges
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.segmentation import SegMetric

IMAGE, MASK = dict(type="ReadImage"), dict(type="ReadMask")
THEIRS, PACK = dict(type="LoadAnnotations"), dict(type="PackSegInputs")
RESIZE = dict(type="Resize", scale=(40, 30), keep_ratio=True)
PILLOW = dict(RESIZE, type="PillowResize")
FLIP = dict(type="RandomFlip", prob=0.5)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder, name, mode in (("JPEGImages", "a.jpg", "RGB"), ("SegmentationClass", "a.png", "L")):
        (tmp_path / folder).mkdir()
        pixels = np.zeros((60, 75, 3) if mode == "RGB" else (60, 75), np.uint8)
        pixels[30:] = 1
        Image.fromarray(pixels).save(tmp_path / folder / name)
    return tmp_path


def stock(root: Path, *pipeline: dict[str, Any], masks: bool = True) -> dict[str, Any]:
    prefix = dict(img_path="JPEGImages")
    return dict(
        type="BaseSegDataset",
        data_root=str(root),
        img_suffix=".jpg",
        metainfo=dict(classes=("sky", "road")),
        data_prefix=dict(prefix, seg_map_path="SegmentationClass") if masks else prefix,
        pipeline=list(pipeline),
        test_mode=True,
    )


def start(cfg: dict[str, Any]) -> None:
    dataset = build_dataset(cfg, "mmseg")
    evaluator = Evaluator(dict(type="SegMetric"))
    evaluator.dataset_meta = dataset.metainfo
    check_judges(evaluator, dataset)


def plan_test(cfg: dict[str, Any]) -> None:
    run = Config(dict(default_scope="mmseg", test_evaluator=dict(type="SegMetric")))
    check_described_judges(run, "test_evaluator", build_dataset(cfg, "mmseg"))


@pytest.mark.parametrize("reader", [MASK, THEIRS])
@pytest.mark.parametrize("come", [start, plan_test])
def test_masks_are_read_after_what_changes_the_image(root: Path, reader: dict, come: Any) -> None:
    for sound in ([IMAGE, RESIZE, reader, PACK], [IMAGE, reader, PACK]):
        come(stock(root, *sound))
    ours = dict(type="MaskFolder", data_root=str(root), classes=("sky", "road"), test_mode=True)
    for moving in (RESIZE, PILLOW, FLIP):
        wrong = [IMAGE, reader, moving, PACK]
        for cfg in (stock(root, *wrong), dict(ours, pipeline=wrong)):
            with pytest.raises(UserError, match=rf"{moving['type']} comes after .* the masks"):
                come(cfg)


def test_masks_that_nothing_reads_or_names_are_told_at_the_start(root: Path) -> None:
    with pytest.raises(UserError, match="no masks to judge by: no transform reads them"):
        start(stock(root, IMAGE, RESIZE, PACK))
    unnamed = stock(root, IMAGE, RESIZE, MASK, PACK, masks=False)
    with pytest.raises(UserError, match=r"no mask to judge by: .*a\.jpg: state data_prefix"):
        start(unnamed)
    plan_test(unnamed)  # a split for prediction does not stop a training


def test_a_transform_of_the_users_may_read_the_masks(root: Path) -> None:
    dataset = build_dataset(stock(root, IMAGE, PACK), "mmseg")
    dataset.pipeline.transforms.insert(1, lambda results: results)
    check_judges(Evaluator(dict(type="SegMetric")), dataset)


def test_a_mask_of_another_size_is_the_users_mistake() -> None:
    metric = SegMetric()
    metric.dataset_meta = {"classes": ("sky", "road")}
    sample = dict(
        img_path="a.jpg",
        pred_sem_seg=dict(data=torch.zeros(1, 40, 50)),
        gt_sem_seg=dict(data=torch.zeros(1, 60, 75)),
    )
    with pytest.raises(UserError, match=r"differ in size: 75 x 60, 50 x 40: a\.jpg: load"):
        metric.process({}, [sample])
