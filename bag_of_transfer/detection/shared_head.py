"""The fourth stage of a ResNet as the head that all regions share: Faster R-CNN with C4.

Source: GluonCV's Faster R-CNN (scripts/detection/faster_rcnn): stages 1 to 3 see the image,
stage 4 sees each region, RoIAlign 14 x 14 on the map of stride 16. mmdet's own ``ResLayer``
has neither pooled shortcuts nor other widths than 64, so a ResNet-D file does not fit it.
Letters: R regions, C channels, H W cells of a region's map.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.registry import MODELS
from torch import Tensor

from backbones.blocks import VARIANTS, make_stage, stage_out_channels
from backbones.norm import hold_batch_norms
from backbones.weight_init import InitCfg, SelfInitialised

__all__ = ["ResNetStage4"]

FROZEN_BN = {"type": "BN", "requires_grad": False}


@MODELS.register_module()
class ResNetStage4(SelfInitialised):
    """Stage 4 of the network whose first three stages are the backbone.

    Its tensors are called ``layer4.N...`` as in the backbone's file, which therefore fills both.
    The attributes ``in_channels`` and ``out_channels`` are C before and after it.

    Args:
        variant: Type name of the network, ``"ResNetA"`` to ``"ResNetD"``.
        depth: 18, 34, 50, 101 or 152.
        base_channels: C inside the blocks of the network's stage 1.
        stride: Stride of the first block; 2 turns 14 x 14 into 7 x 7.
        dilation: Dilation of the 3x3 convolutions.
        norm_cfg: As for the backbone; by default BN whose gamma and beta are not trained.
        norm_eval: Keep all batch norms in eval mode while training. With ``norm_cfg`` left out
            this freezes BN altogether, as GluonCV does.
        with_cp: Compute blocks again in the backward pass to save memory.
        zero_init_residual: As for the backbone.
        init: As for the backbone, ``"msra"`` or ``"xavier"``.
        init_cfg: mmengine initialisers, run after ours: a loaded file always wins.

    Raises:
        ValueError: If variant, depth, base_channels, norm_cfg or init is not a possible value.
    """

    def __init__(
        self,
        variant: str,
        depth: int,
        base_channels: int = 64,
        stride: int = 2,
        dilation: int = 1,
        norm_cfg: Mapping[str, Any] = FROZEN_BN,
        norm_eval: bool = True,
        with_cp: bool = False,
        zero_init_residual: bool = False,
        init: str = "msra",
        init_cfg: InitCfg = None,
    ) -> None:
        super().__init__(init, zero_init_residual, init_cfg)
        if variant not in VARIANTS:
            raise ValueError(f"variant must be one of {sorted(VARIANTS)}, got {variant!r}")
        self.variant, self.depth, self.base_channels = variant, depth, base_channels
        self.in_channels = stage_out_channels(depth, base_channels, stage=2)
        self.out_channels = stage_out_channels(depth, base_channels, stage=3)
        self.norm_eval = norm_eval
        self.layer4 = make_stage(
            VARIANTS[variant],
            depth,
            stage=3,
            in_channels=self.in_channels,
            base_channels=base_channels,
            norm_cfg=norm_cfg,
            stride=stride,
            dilation=dilation,
            with_cp=with_cp,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map R ``in_channels`` H W to R ``out_channels`` ceil(H / stride) ceil(W / stride)."""
        return self.layer4(x)

    def train(self, mode: bool = True) -> ResNetStage4:
        """Switch to training; with ``norm_eval`` no batch norm switches."""
        super().train(mode)
        if self.norm_eval:
            hold_batch_norms(self)
        return self
