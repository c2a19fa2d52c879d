"""Small variants of the networks that can be exported, with random weights in every tensor."""

from pathlib import Path
from typing import Any

import torch
from mmengine.registry import MODELS, DefaultScope

from bag_of_transfer.engine.config.config_file import read_config
from bag_of_transfer.engine.config.num_classes import fill_num_classes
from bag_of_transfer.engine.tasks import find_task
from bag_of_transfer.prediction.network import Trained
from tests.prediction.tiny_networks import CLASSES, CONFIGS, ROOT, fill

SLIM_C4: dict[str, Any] = {
    "model.backbone.depth": 18,
    "model.backbone.base_channels": 8,
    "model.rpn_head.in_channels": 32,
    "model.rpn_head.feat_channels": 16,
    "model.rpn_head.anchor_generator.scales": [2, 4],
    "model.roi_head.shared_head.depth": 18,
    "model.roi_head.shared_head.base_channels": 8,
    "model.roi_head.bbox_roi_extractor.out_channels": 32,
    "model.roi_head.bbox_head.in_channels": 64,
    "model.test_cfg.rcnn.score_thr": 0.3,
}
C4 = ROOT / "configs/detection/faster-rcnn_c4_paper_voc.py"
GLUON = ROOT / "configs/segmentation/fcn_d8_paper_ade20k.py"
SLIM_GLUON: dict[str, Any] = {
    "model.backbone.depth": 18,
    "model.backbone.base_channels": 8,
    "model.decode_head.in_channels": 64,
    "model.decode_head.channels": 8,
    "model.auxiliary_head.in_channels": 32,
    "model.auxiliary_head.channels": 8,
    "model.test_cfg": {"mode": "whole"},
}


def trained(
    task: str, changes: dict[str, Any] | None = None, config: Path | None = None
) -> Trained:
    """Return a network of a config with changes, as ``load_trained`` would.

    Args:
        task: ``cls``, ``det`` or ``seg``.
        changes: Values by dotted keys.
        config: The config; the task's tiny one if None.
    """
    cfg, changes = read_config(config or CONFIGS[task]), changes or {}
    classes = CLASSES[task][: changes.get("model.decode_head.num_classes")]
    cfg.merge_from_dict(changes)
    record = find_task(cfg)
    assert record is not None
    with DefaultScope.overwrite_default_scope(record.scope):
        fill_num_classes(cfg, classes)
        network = MODELS.build(cfg.model)
    fill(network)
    return Trained(network.eval(), classes, cfg, record)


def pictures(batch: int, height: int, width: int) -> torch.Tensor:
    """Return noise with a square, uint8."""
    rng = torch.Generator().manual_seed(batch + height + width)
    shape = (batch, 3, height, width)
    images = torch.randint(0, 256, shape, generator=rng, dtype=torch.uint8)
    images[..., 10:40, 10:40] = torch.tensor([200, 30, 90], dtype=torch.uint8).view(3, 1, 1)
    return images
