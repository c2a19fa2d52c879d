"""Faster R-CNN from an image to its boxes, as one graph with suppression inside.

Letters: B batch, C channels, H W pixels, N boxes, R regions, K classes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmdet.structures import DetDataSample
from torch import Tensor, nn

from bag_of_transfer.onnx_export.detector_parts import parts_of
from bag_of_transfer.onnx_export.kinds import (
    Answer,
    Difference,
    Exported,
    Kind,
    Output,
    few,
    largest,
    prepare,
    refuse_unless,
)
from bag_of_transfer.onnx_export.preparation import size_of
from bag_of_transfer.onnx_export.regions import decode, first_of_each_image, pool, suppress
from bag_of_transfer.prediction.network import Trained

__all__ = ["KIND", "Detector"]

PIXEL, SCORE = 0.1, 1e-3  # between a box and its partner


class Detector(Exported):
    """A trained Faster R-CNN of mmdet, computed by its own parts with its own ``test_cfg``."""

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the boxes of all images in one list, sorted by score.

        Args:
            image: uint8, B C H W, RGB.

        Returns:
            Boxes N 4 as x1, y1, x2, y2 in pixels of the input; scores N; labels N; images N,
            which say the place in the batch of each box's image.
        """
        height, width = size_of(image)
        bounds = torch.stack([width, height, width, height]).float()
        maps = self.network.extract_feat(self.preparation(image))
        batch = torch.arange(image.shape[0], device=image.device)
        return self._judge(maps, self._propose(maps, batch, bounds), batch, bounds)

    def _propose(self, maps: Sequence[Tensor], batch: Tensor, bounds: Tensor) -> Tensor:
        """Return the regions R 5 that may hold an object: image, x1, y1, x2, y2.

        The last one is no proposal: onnxruntime cannot compute the head of no region.
        """
        head, cfg = self.network.rpn_head, self.network.rpn_head.test_cfg
        logits, deltas = head(maps)
        sizes = [one.shape[-2:] for one in logits]
        anchors = head.prior_generator.grid_priors(sizes, device=bounds.device)
        found = [
            self._best(*maps_of_level, level, cfg.get("nms_pre", -1))
            for level, maps_of_level in enumerate(zip(logits, deltas, anchors, strict=True))
        ]
        anchor, delta, score, level = (torch.cat(parts, 1) for parts in zip(*found, strict=True))
        images = (batch[:, None] + torch.zeros_like(level)).flatten()
        scores, levels = score.flatten(), level.flatten()
        boxes = decode(head.bbox_coder, anchor.reshape(-1, 4), delta.reshape(-1, 4), bounds)[:, 0]
        smallest = cfg.get("min_bbox_size", -1)
        if smallest >= 0:
            sides = boxes[:, 2:] - boxes[:, :2]
            large = (sides > smallest).all(1).nonzero()[:, 0]
            boxes, scores, levels, images = (
                values[large] for values in (boxes, scores, levels, images)
            )
        kept = suppress(boxes, scores, levels, images, bounds, cfg.nms.iou_threshold)
        if cfg.max_per_img > 0:
            kept = kept[first_of_each_image(images[kept], batch, cfg.max_per_img)]
        regions = torch.cat([images[kept, None].to(boxes.dtype), boxes[kept]], dim=1)
        return torch.cat([regions, regions.new_tensor([[0, 0, 0, 1, 1]])])

    def _best(
        self, logits: Tensor, deltas: Tensor, anchors: Tensor, level: int, most: int
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the best anchors of a level, B n 4, with deltas B n 4, scores and level B n."""
        scores = logits.permute(0, 2, 3, 1).flatten(1).sigmoid()
        deltas = deltas.permute(0, 2, 3, 1).reshape(logits.shape[0], -1, 4)
        scores, order = scores.sort(1, descending=True)
        if most > 0:
            scores, order = scores[:, :most], order[:, :most]
        deltas = deltas.gather(1, order[..., None].expand(-1, -1, 4))
        return anchors[order], deltas, scores, torch.full_like(order, level)

    def _judge(
        self, maps: Sequence[Tensor], regions: Tensor, batch: Tensor, bounds: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return boxes, scores, labels and images of the objects in the regions."""
        roi_head, cfg = self.network.roi_head, self.network.roi_head.test_cfg
        head = roi_head.bbox_head
        cut = pool(roi_head.bbox_roi_extractor, maps, regions)
        logits, deltas = head(roi_head.shared_head(cut) if roi_head.with_shared_head else cut)
        scores = logits.softmax(-1)[:-1, :-1]  # without the last region and the background
        boxes = decode(head.bbox_coder, regions[:, 1:], deltas, bounds)
        region, labels = (scores > cfg.score_thr).nonzero().unbind(1)
        boxes = boxes[region, 0 * labels if head.reg_class_agnostic else labels]
        scores, images = scores[region, labels], regions[region, 0].long()
        groups = 0 * labels if cfg.nms.get("class_agnostic") else labels
        kept = suppress(boxes, scores, groups, images, bounds, cfg.nms.iou_threshold)
        if cfg.max_per_img > 0:
            kept = kept[first_of_each_image(images[kept], batch, cfg.max_per_img)]
        return boxes[kept], scores[kept], labels[kept], images[kept]


def _build(trained: Trained) -> nn.Module:
    network: Any = trained.network
    refuse_unless(dict(parts_of(network)), network)
    preprocessor: Any = network.data_preprocessor
    return Detector(
        network, prepare(trained, preprocessor.pad_size_divisor, preprocessor.pad_value)
    )


def _answer(outputs: Any) -> Answer:
    found = [one.pred_instances for one in outputs]
    counts = torch.tensor([len(one) for one in found])
    return {
        "boxes": torch.cat([one.bboxes for one in found]).numpy(),
        "scores": torch.cat([one.scores for one in found]).numpy(),
        "labels": torch.cat([one.labels for one in found]).numpy(),
        "images": torch.arange(len(found)).repeat_interleave(counts).numpy(),
    }


def _compare(ours: Answer, theirs: Answer) -> list[Difference]:
    same = (ours["labels"][:, None] == theirs["labels"]) & (
        ours["images"][:, None] == theirs["images"]
    )
    apart = np.abs(ours["boxes"][:, None] - theirs["boxes"]).max(-1)
    scores = np.abs(ours["scores"][:, None] - theirs["scores"])
    near = same & (apart <= PIXEL) & (scores <= SCORE)
    alone = int((~near.any(0)).sum() + (~near.any(1)).sum())
    # Where no box has a partner, that is no matter of one overlap.
    among = sum(near.shape)
    allowed = few(among) if near.any() else 0
    return [
        Difference("{} and {} boxes, without a partner".format(*near.shape), alone, allowed, among),
        Difference("pixels between partners", largest(apart[near]), PIXEL),
        Difference("score between partners", largest(scores[near]), SCORE),
        Difference("rise of a score", largest(np.diff(ours["scores"]).clip(0)), 0.0),
    ]


KIND = Kind(
    {
        "boxes": Output({0: "boxes"}, "float32 boxes x 4, x1 y1 x2 y2 in pixels of the input"),
        "scores": Output({0: "boxes"}, "float32 boxes, 0 to 1, falling"),
        "labels": Output({0: "boxes"}, "int64 boxes, places in the list of classes"),
        "images": Output({0: "boxes"}, "int64 boxes, the place in the batch of each box's image"),
    },
    _build,
    DetDataSample,
    _answer,
    _compare,
)
