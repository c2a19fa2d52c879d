"""mmdet's own configs build, train a step and predict, on the stand-in for mmcv's operators."""

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from mmengine.structures import InstanceData
from mmengine.testing import assert_allclose
from torch import Tensor, nn

HEIGHT, WIDTH = 65, 97


def build(config: str) -> nn.Module:
    # Wheels carry the configs; `_base_` is how a user's own config inherits one of them.
    cfg = Config.fromstring(f"_base_ = ['mmdet::{config}']", ".py")
    init_default_scope("mmdet")
    torch.manual_seed(0)
    return MODELS.build(cfg.model)


def batch(with_masks: bool) -> dict[str, list]:
    sample = DetDataSample(
        metainfo=dict(
            img_id=1,
            img_shape=(HEIGHT, WIDTH),
            ori_shape=(HEIGHT, WIDTH),
            scale_factor=(1.0, 1.0),
            batch_input_shape=(96, 128),
            pad_shape=(96, 128),
        )
    )
    boxes = torch.tensor([[8.0, 6.0, 60.0, 50.0], [50.0, 20.0, 90.0, 60.0]])
    sample.gt_instances = InstanceData(bboxes=boxes, labels=torch.tensor([3, 40]))
    sample.ignored_instances = InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0).long())
    if with_masks:
        masks = np.zeros((2, HEIGHT, WIDTH), np.uint8)
        masks[0, 6:50, 8:60] = masks[1, 20:60, 50:90] = 1
        sample.gt_instances.masks = BitmapMasks(masks, HEIGHT, WIDTH)
    rng = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (3, HEIGHT, WIDTH), generator=rng, dtype=torch.uint8)
    return dict(inputs=[image], data_samples=[sample])


def train_a_step(model: nn.Module, with_masks: bool) -> dict[str, Tensor]:
    model.train()
    data = model.data_preprocessor(batch(with_masks), training=True)
    loss, logged = model.parse_losses(model(**data, mode="loss"))
    loss.backward()
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    optimizer.step()
    return {**logged, "loss": loss}


def predict(model: nn.Module) -> DetDataSample:
    model.eval()
    with torch.no_grad():
        return model.test_step(batch(with_masks=False))[0]


@pytest.mark.parametrize(
    ("config", "losses"),
    [
        pytest.param(
            "faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py",
            {"loss_rpn_cls", "loss_rpn_bbox", "loss_cls", "loss_bbox"},
            id="faster-rcnn",
            marks=pytest.mark.slow,  # tests/tools/test_stock_configs.py trains one
        ),
        pytest.param(
            "mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py",
            {"loss_rpn_cls", "loss_rpn_bbox", "loss_cls", "loss_bbox", "loss_mask"},
            id="mask-rcnn",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "retinanet/retinanet_r50_fpn_1x_coco.py",
            {"loss_cls", "loss_bbox"},
            id="retinanet",
        ),
    ],
)
def test_it_builds_trains_a_step_and_predicts(config: str, losses: set[str]) -> None:
    model = build(config)
    with_masks = "loss_mask" in losses
    logged = train_a_step(model, with_masks)
    assert losses <= logged.keys()
    assert all(torch.isfinite(logged[name]) and logged[name] > 0 for name in losses)
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
    still = {name for name, p in model.named_parameters() if p.grad is None}
    assert still == frozen  # the gradient went through RoIAlign to every part
    # Untrained scores are low: without the threshold there are boxes to judge.
    head = model.roi_head if "loss_rpn_cls" in losses else model.bbox_head
    head.test_cfg.score_thr = 0.0
    predicted = predict(model).pred_instances
    assert 0 < len(predicted) <= 100
    assert_allclose(predicted.scores.sort(descending=True).values, predicted.scores)
    assert (predicted.bboxes >= 0).all()
    assert (predicted.bboxes[:, 2] <= WIDTH).all()
    assert ("masks" in predicted) == with_masks
