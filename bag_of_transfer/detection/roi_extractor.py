"""Cut regions out of the feature maps without rounding their corners."""

from collections.abc import Sequence

from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
from mmdet.registry import MODELS
from torch import Tensor

__all__ = ["ExactRoIExtractor"]


@MODELS.register_module()
class ExactRoIExtractor(SingleRoIExtractor):
    """mmdet's extractor, in 32 bits also where the network computes in 16.

    The parent casts the regions to the maps' type.  bfloat16 has 8 bits of mantissa: at
    x = 600 the corners of a region would fall on multiples of 4 pixels.  Letters: R regions,
    B batch, C channels, H W cells of a map.
    """

    def forward(
        self, feats: Sequence[Tensor], rois: Tensor, roi_scale_factor: float | None = None
    ) -> Tensor:
        """Return R C and the RoI layer's height and width, in 32 bits.

        Args:
            feats: One map B C H W per level.
            rois: R 5: index in the batch, then x1, y1, x2, y2 in image pixels.
            roi_scale_factor: Widen the regions by this factor; None leaves them.
        """
        maps = tuple(feat.float() for feat in feats)
        return super().forward(maps, rois.float(), roi_scale_factor)
