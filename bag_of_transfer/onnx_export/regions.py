"""Boxes of several images at once, as one list: decoding, suppression, pooling.

mmdet goes through the images of a batch in Python, which an ONNX file cannot do.  Here all boxes
stand in one list that says for each its image.  Letters: N boxes, B batch, C channels.
"""

from collections.abc import Sequence
from typing import Any

import torch
from mmdet.models.task_modules.coders.delta_xywh_bbox_coder import delta2bbox
from torch import Tensor
from torchvision.ops import nms, roi_align

__all__ = ["decode", "first_of_each_image", "pool", "suppress"]


def decode(coder: Any, boxes_xyxy: Tensor, deltas: Tensor, bounds: Tensor) -> Tensor:
    """Return the boxes that the deltas make of others, cut off at the image's edges.

    Args:
        coder: mmdet's ``DeltaXYWHBBoxCoder``.
        boxes_xyxy: N 4.
        deltas: N times 4 k.
        bounds: Width, height, width, height of the image.

    Returns:
        N k 4.
    """
    moved = delta2bbox(
        boxes_xyxy,
        deltas,
        coder.means,
        coder.stds,
        clip_border=False,
        add_ctr_clamp=coder.add_ctr_clamp,
        ctr_clamp=coder.ctr_clamp,
    )
    return torch.minimum(moved.reshape(-1, deltas.shape[1] // 4, 4).clamp(min=0), bounds)


def suppress(
    boxes_xyxy: Tensor, scores: Tensor, groups: Tensor, images: Tensor, bounds: Tensor, iou: float
) -> Tensor:
    """Return the indices of the boxes that no better one of their group and image covers.

    Boxes of different groups are moved apart to the right, and those of different images
    downwards.  mmdet moves groups apart along the diagonal, by the same steps: rounding is no
    coarser here.

    Args:
        boxes_xyxy: N 4.
        scores: N.
        groups: N: the class or the level of each.
        images: N: the place of its image in the batch.
        bounds: Width, height, width, height of the images.
        iou: Boxes with a larger overlap are the same object.

    Returns:
        Indices, best score first.
    """
    step = bounds.max() + 1
    right, below = groups.to(step.dtype) * step, images.to(step.dtype) * step
    return nms(boxes_xyxy + torch.stack([right, below, right, below], dim=1), scores, iou)


def first_of_each_image(images: Tensor, batch: Tensor, most: int) -> Tensor:
    """Return the indices of the first ``most`` entries of each image.

    Args:
        images: N: the place of the image in the batch.
        batch: 0 to B - 1.
        most: How many of an image stay.
    """
    belongs = (images[:, None] == batch[None]).long()
    rank = (belongs.cumsum(0) * belongs).sum(1)
    return (rank <= most).nonzero()[:, 0]


def pool(extractor: Any, maps: Sequence[Tensor], regions: Tensor) -> Tensor:
    """Cut the regions out of the maps that fit their sizes.

    Args:
        extractor: mmdet's ``SingleRoIExtractor``, or a subclass that chooses maps as it does.
        maps: One per level, B C H W.
        regions: N 5: the place of the image in the batch, then x1, y1, x2, y2.

    Returns:
        N C and the height and width of the extractor's layers.
    """
    levels = extractor.map_roi_levels(regions, len(extractor.roi_layers))
    pieces, places = [], []
    for level, layer in enumerate(extractor.roi_layers):
        here = (levels == level).nonzero()[:, 0]
        places.append(here)
        cut = (layer.output_size, layer.spatial_scale, max(layer.sampling_ratio, 0), layer.aligned)
        pieces.append(roi_align(maps[level], regions[here], *cut))
    return torch.cat(pieces)[torch.cat(places).argsort()]
