"""Residual blocks and stages of ResNet-A, -B, -C and -D.

Source: He et al., "Bag of Tricks", arXiv:1812.01187, sec. 4 (A is the original of
arXiv:1512.03385); structure as in GluonCV's model_zoo/resnetv1b.py; names of the tensors as in
mmdet's and mmsegmentation's ResNet, so that files can be exchanged.
Letters: B batch, C channels, H W pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.compiler import is_compiling
from torch.utils.checkpoint import checkpoint

from .norm import NormsByName, StatisticsKept, build_norm

__all__ = [
    "DEPTHS",
    "VARIANTS",
    "BasicBlock",
    "Bottleneck",
    "ResidualBlock",
    "Variant",
    "a_equals_b",
    "conv3x3",
    "make_shortcut",
    "make_stage",
    "stage_out_channels",
]


@dataclass(frozen=True)
class Variant:
    """The paper's three tweaks, and which of them a network has (fig. 2)."""

    letter: str
    stride_in_conv1: bool = False  # the original; the tweak "B" moves the stride to the 3x3
    deep_stem: bool = False  # "C": three 3x3 convolutions in place of the 7x7
    pooled_shortcut: bool = False  # "D": the shortcut averages before it projects


VARIANTS: dict[str, Variant] = {
    "ResNetA": Variant("A", stride_in_conv1=True),
    "ResNetB": Variant("B"),
    "ResNetC": Variant("C", deep_stem=True),
    "ResNetD": Variant("D", deep_stem=True, pooled_shortcut=True),
}


def conv3x3(in_channels: int, out_channels: int, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    """Return a 3x3 convolution without bias: H W become ceil(H / stride) ceil(W / stride)."""
    return nn.Conv2d(
        in_channels, out_channels, 3, stride, padding=dilation, dilation=dilation, bias=False
    )


def make_shortcut(
    in_channels: int, out_channels: int, stride: int, pooled: bool, norm_cfg: Mapping[str, Any]
) -> nn.Sequential | None:
    """Return the layers beside a block's branch; None if the input already has the right shape.

    A pooled shortcut reads every pixel, a strided 1x1 convolution one in ``stride ** 2``. With
    stride 1 the pool changes nothing but stays, so that the projection is number 1 of the
    Sequential in every stage.
    """
    if stride == 1 and in_channels == out_channels:
        return None
    layers: list[nn.Module] = []
    if pooled:
        # ceil_mode: 7 rows give 4, as in the strided 3x3 that the shortcut joins.
        pool = nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False)
        layers.append(pool)
    conv_stride = 1 if pooled else stride
    layers.append(nn.Conv2d(in_channels, out_channels, 1, conv_stride, bias=False))
    layers.append(build_norm(norm_cfg, out_channels))
    return nn.Sequential(*layers)


class ResidualBlock(NormsByName):
    """ReLU(branch + shortcut); a subclass defines the branch.

    Args:
        in_channels: C of the input.
        channels: C inside the branch; the output has ``channels * expansion``.
        stride: H and W are divided by it, rounding up.
        variant: The tweaks of the paper that it has.
        norm_cfg: See ``build_norm``.
        with_cp: Compute the block again in the backward pass instead of keeping its activations;
            less memory, more time, same gradients and statistics.
    """

    expansion: ClassVar[int]
    num_norms: ClassVar[int]

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int,
        variant: Variant,
        norm_cfg: Mapping[str, Any],
        with_cp: bool,
    ) -> None:
        super().__init__()
        self.with_cp = with_cp
        self.relu = nn.ReLU(inplace=True)
        self.downsample = make_shortcut(
            in_channels, channels * self.expansion, stride, variant.pooled_shortcut, norm_cfg
        )

    def branch(self, x: Tensor) -> Tensor:
        """Return the residual, before it is added."""
        raise NotImplementedError

    @property
    def last_gamma(self) -> nn.Parameter:
        """Return the scale of the branch's last norm; at 0 the block equals its shortcut."""
        return self.norm(self.num_norms).get_parameter("weight")

    def forward(self, x: Tensor) -> Tensor:
        """Map B C H W to B (channels * expansion) ceil(H / stride) ceil(W / stride)."""
        if self.with_cp and torch.is_grad_enabled():
            kept: dict[str, Any] = {}
            if not is_compiling():  # torch.compile keeps the statistics, and fails with a method
                kept["context_fn"] = self._checkpoint_contexts
            out = checkpoint(
                self._branch_plus_shortcut,
                x,
                use_reentrant=False,
                preserve_rng_state=False,  # nothing in a block draws random numbers
                **kept,
            )
        else:
            out = self._branch_plus_shortcut(x)
        return self.relu(out)

    def _branch_plus_shortcut(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.branch(x) + shortcut

    def _checkpoint_contexts(
        self,
    ) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), StatisticsKept(self)


class BasicBlock(ResidualBlock):
    """Branch of depths 18 and 34: 3x3, norm, ReLU, 3x3, norm.

    Only the first 3x3 is dilated, as in mm*; GluonCV also dilates the second.
    """

    expansion = 1
    num_norms = 2

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int,
        dilation: int,
        variant: Variant,
        norm_cfg: Mapping[str, Any],
        with_cp: bool = False,
    ) -> None:
        super().__init__(in_channels, channels, stride, variant, norm_cfg, with_cp)
        self.conv1 = conv3x3(in_channels, channels, stride, dilation)
        self.add_norm(1, norm_cfg, channels)
        self.conv2 = conv3x3(channels, channels)
        self.add_norm(2, norm_cfg, channels)

    def branch(self, x: Tensor) -> Tensor:
        """Return the residual, before it is added."""
        x = self.relu(self.norm(1)(self.conv1(x)))
        return self.norm(2)(self.conv2(x))


class Bottleneck(ResidualBlock):
    """Branch of depths 26, 50, 101, 152: 1x1, norm, ReLU, 3x3, norm, ReLU, 1x1, norm."""

    expansion = 4
    num_norms = 3

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int,
        dilation: int,
        variant: Variant,
        norm_cfg: Mapping[str, Any],
        with_cp: bool = False,
    ) -> None:
        super().__init__(in_channels, channels, stride, variant, norm_cfg, with_cp)
        stride1, stride2 = (stride, 1) if variant.stride_in_conv1 else (1, stride)
        self.conv1 = nn.Conv2d(in_channels, channels, 1, stride1, bias=False)
        self.add_norm(1, norm_cfg, channels)
        self.conv2 = conv3x3(channels, channels, stride2, dilation)
        self.add_norm(2, norm_cfg, channels)
        self.conv3 = nn.Conv2d(channels, channels * self.expansion, 1, bias=False)
        self.add_norm(3, norm_cfg, channels * self.expansion)

    def branch(self, x: Tensor) -> Tensor:
        """Return the residual, before it is added."""
        x = self.relu(self.norm(1)(self.conv1(x)))
        x = self.relu(self.norm(2)(self.conv2(x)))
        return self.norm(3)(self.conv3(x))


# Blocks per stage: arXiv:1512.03385, table 1.
DEPTHS: dict[int, tuple[type[BasicBlock] | type[Bottleneck], tuple[int, int, int, int]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    26: (Bottleneck, (2, 2, 2, 2)),  # timm's
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
    152: (Bottleneck, (3, 8, 36, 3)),
}


def a_equals_b(depth: int) -> bool:
    """Return whether A and B are one network: basic blocks have no 1x1 for the stride."""
    return DEPTHS[depth][0] is BasicBlock


def stage_out_channels(depth: int, base_channels: int, stage: int) -> int:
    """Return C at the end of stage 0, 1, 2 or 3.

    Raises:
        ValueError: If ``depth`` is not in ``DEPTHS`` or ``base_channels`` is below 1.
    """
    if depth not in DEPTHS:
        raise ValueError(f"depth must be one of {list(DEPTHS)}, got {depth!r}")
    if base_channels < 1:
        raise ValueError(f"base_channels must be at least 1, got {base_channels}")
    return base_channels * 2**stage * DEPTHS[depth][0].expansion


def make_stage(
    variant: Variant,
    depth: int,
    stage: int,
    in_channels: int,
    base_channels: int,
    norm_cfg: Mapping[str, Any],
    stride: int = 1,
    dilation: int = 1,
    contract_dilation: bool = False,
    with_cp: bool = False,
    multi_grid: Sequence[int] | None = None,
) -> nn.Sequential:
    """Return the blocks of stage 0, 1, 2 or 3; the first has the stride and the projection.

    With ``contract_dilation`` the first block of a dilated stage has ``dilation // 2``: the
    dilation of the stage before it in a network dilated by 2 and 4 (GluonCV, mmsegmentation).
    ``multi_grid`` states the dilation of each block (arXiv:1706.05587; absolute, as in
    mmsegmentation).
    """
    block, num_blocks = DEPTHS[depth]
    channels = base_channels * 2**stage
    first = dilation // 2 if contract_dilation and dilation > 1 else dilation
    dilations = multi_grid or (first, *[dilation] * (num_blocks[stage] - 1))
    wide = channels * block.expansion
    return nn.Sequential(
        block(in_channels, channels, stride, dilations[0], variant, norm_cfg, with_cp),
        *(
            block(wide, channels, 1, dilations[number], variant, norm_cfg, with_cp)
            for number in range(1, num_blocks[stage])
        ),
    )
