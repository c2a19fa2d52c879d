"""Which detectors can be exported: those whose parts work as the exported graph does."""

from collections.abc import Iterator
from typing import Any

import mmdet.models as det
from mmdet.models.task_modules.coders import DeltaXYWHBBoxCoder

from bag_of_transfer.detection.roi_extractor import ExactRoIExtractor

__all__ = ["parts_of"]

NMS_KEYS = {"type", "iou_threshold", "split_thr", "class_agnostic"}


def parts_of(network: Any) -> Iterator[tuple[str, bool]]:
    """Yield the parts whose work the graph does anew, and whether it does the same."""
    yield "the detector", type(network) is det.FasterRCNN
    rpn, roi = network.rpn_head, network.roi_head
    yield "the rpn_head", type(rpn) is det.RPNHead and rpn.use_sigmoid_cls
    yield "the roi_head", type(roi) is det.StandardRoIHead and not roi.with_mask
    extractor = roi.bbox_roi_extractor
    is_single = type(extractor) in (det.SingleRoIExtractor, ExactRoIExtractor)
    layers = extractor.roi_layers if is_single else []
    yield "the bbox_roi_extractor", is_single and {one.pool_mode for one in layers} == {"avg"}
    head = roi.bbox_head
    same_answer = type(head).predict_by_feat is det.BBoxHead.predict_by_feat
    yield "the bbox_head", same_answer and not head.custom_cls_channels and head.with_reg
    for part in (rpn, head):
        clips = type(part.bbox_coder) is DeltaXYWHBBoxCoder and part.bbox_coder.clip_border
        yield f"the bbox_coder of {type(part).__name__}", clips
        cfg = rpn.test_cfg if part is rpn else roi.test_cfg
        plain = cfg.nms.get("type", "nms") == "nms" and set(cfg.nms) <= NMS_KEYS
        yield f"test_cfg's nms of {type(part).__name__}", plain
