"""ResNet-A, -B, -C and -D as backbones for classification, detection and segmentation.

Source: He et al., "Bag of Tricks", arXiv:1812.01187, sec. 4 and fig. 2. They are registered once,
in mmengine's root registry, which mmdet's and mmsegmentation's registries search, too:
``backbone=dict(type="ResNetD", depth=50)`` means the same class in all three tasks.
Letters: B batch, C channels, H W pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar

from mmengine.registry import MODELS
from torch import Tensor, nn

from .blocks import DEPTHS, VARIANTS, Variant, conv3x3, make_stage, stage_out_channels
from .norm import NormsByName, build_norm, hold_batch_norms
from .weight_init import InitCfg, SelfInitialised

__all__ = ["ResNet", "ResNetA", "ResNetB", "ResNetC", "ResNetD"]


class ResNet(SelfInitialised, NormsByName):
    """Base of ResNet-A to -D; a subclass states its ``variant``.

    ======================  =============================  ===================
    ``frozen_stages``       not trained, BN in eval mode   still trained
    ======================  =============================  ===================
    -1                      nothing                        all
    0                       stem                           stages 1 to 4
    1                       stem and stage 1               stages 2 to 4
    n                       stem and stages 1 to n         the stages after n
    ======================  =============================  ===================

    The attribute ``out_channels`` holds C at the end of every stage, also of stages that
    ``out_indices`` leaves out.

    Args:
        depth: 18, 26, 34, 50, 101 or 152.
        in_channels: C of the images.
        stem_channels: C after the stem; ``base_channels`` if None. The deep stem of C and D has
            half of it in its first two convolutions.
        base_channels: C inside the blocks of stage 1; each stage doubles it.
        num_stages: 1 to 4; Faster R-CNN with C4 takes 3.
        strides: Stride of the first block of each stage; 1, 2, 2, 2 cut to ``num_stages`` if None.
        dilations: Dilation of the 3x3 convolutions of each stage; all 1 if None.
        out_indices: The stages, counted from 0, whose maps ``forward`` returns; all if None.
        frozen_stages: See the table.
        norm_cfg: ``type`` BN, SyncBN or GN, ``requires_grad`` (False: gamma and beta are not
            trained), arguments of the torch class; BN if None.
        norm_eval: Keep all batch norms in eval mode while training, so that their running
            statistics stay fixed; gamma and beta may still be trained.
        with_cp: Compute blocks again in the backward pass to save memory.
        contract_dilation: Halve the dilation of the first block of each dilated stage.
        multi_grid: Dilation of each block of the last stage, instead of that in ``dilations``;
            numbers after its last block are ignored, as in mm*.
        zero_init_residual: ``init_weights`` sets the last gamma of each block to 0
            (arXiv:1812.01187, sec. 3.1). Off here, on in mm*: a baseline must not have the trick.
        init: Rule by which ``init_weights`` draws: ``"msra"`` (GluonCV's) or ``"xavier"`` (the
            paper's); see ``backbones.weight_init``.
        init_cfg: mmengine initialisers, run after ours, so a loaded file always wins.

    Raises:
        TypeError: If this base itself is built.
        ValueError: If an argument is out of its range or the lengths disagree.
    """

    variant: ClassVar[Variant]

    def __init__(
        self,
        depth: int,
        in_channels: int = 3,
        stem_channels: int | None = None,
        base_channels: int = 64,
        num_stages: int = 4,
        strides: Sequence[int] | None = None,
        dilations: Sequence[int] | None = None,
        out_indices: Sequence[int] | None = None,
        frozen_stages: int = -1,
        norm_cfg: Mapping[str, Any] | None = None,
        norm_eval: bool = False,
        with_cp: bool = False,
        contract_dilation: bool = False,
        multi_grid: Sequence[int] | None = None,
        zero_init_residual: bool = False,
        init: str = "msra",
        init_cfg: InitCfg = None,
    ) -> None:
        super().__init__(init, zero_init_residual, init_cfg)
        if type(self) is ResNet:
            raise TypeError("ResNet is a base: build ResNetA, ResNetB, ResNetC or ResNetD")
        if in_channels < 1:
            raise ValueError(f"in_channels must be at least 1, got {in_channels}")
        if not 1 <= num_stages <= 4:
            raise ValueError(f"num_stages must be 1 to 4, got {num_stages}")
        self.depth, self.num_stages = depth, num_stages
        self.in_channels, self.base_channels = in_channels, base_channels
        self.stem_channels = base_channels if stem_channels is None else stem_channels
        self.out_channels = tuple(
            stage_out_channels(depth, base_channels, stage) for stage in range(num_stages)
        )
        self.strides = tuple((1, 2, 2, 2)[:num_stages] if strides is None else strides)
        self.dilations = tuple((1,) * num_stages if dilations is None else dilations)
        self.out_indices = tuple(range(num_stages) if out_indices is None else out_indices)
        self.frozen_stages, self.norm_eval = frozen_stages, norm_eval
        self.norm_cfg = dict(norm_cfg or {"type": "BN"})
        self.with_cp, self.contract_dilation = with_cp, contract_dilation
        self.multi_grid = None if multi_grid is None else tuple(multi_grid)
        self._check_arguments()
        self._add_stem()
        self._add_stages()
        self._freeze_stages()

    def _check_arguments(self) -> None:
        for name in ("strides", "dilations"):
            values = getattr(self, name)
            if len(values) != self.num_stages or min(values) < 1:
                raise ValueError(
                    f"{name} must be {self.num_stages} numbers (num_stages) >= 1, got {values}"
                )
        num_blocks = DEPTHS[self.depth][1][self.num_stages - 1]
        grid = self.multi_grid
        if grid is not None and (len(grid) < num_blocks or min(grid) < 1):
            raise ValueError(
                f"multi_grid must be {num_blocks} numbers >= 1 (blocks of the last stage) or more, "
                f"got {grid}"
            )
        stages = range(self.num_stages)
        indices = self.out_indices
        if not indices or list(indices) != sorted(set(indices) & set(stages)):
            raise ValueError(
                f"out_indices must be ascending numbers out of {list(stages)}, got {indices}"
            )
        if not -1 <= self.frozen_stages <= self.num_stages:
            raise ValueError(
                f"frozen_stages must be -1 (none) to {self.num_stages} (num_stages), "
                f"got {self.frozen_stages}"
            )
        if self.stem_channels < 1 or (self.variant.deep_stem and self.stem_channels % 2):
            raise ValueError(
                f"stem_channels must be at least 1, and even for a deep stem, "
                f"got {self.stem_channels}"
            )

    def _add_stem(self) -> None:
        if self.variant.deep_stem:
            self.stem = _deep_stem(self.in_channels, self.stem_channels, self.norm_cfg)
        else:
            self.conv1 = nn.Conv2d(self.in_channels, self.stem_channels, 7, 2, 3, bias=False)
            self.add_norm(1, self.norm_cfg, self.stem_channels)
            self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)

    def _add_stages(self) -> None:
        before = (self.stem_channels, *self.out_channels)
        for stage, (stride, dilation) in enumerate(zip(self.strides, self.dilations, strict=True)):
            layer = make_stage(
                self.variant,
                self.depth,
                stage,
                before[stage],
                self.base_channels,
                self.norm_cfg,
                stride,
                dilation,
                self.contract_dilation,
                self.with_cp,
                self.multi_grid if stage == self.num_stages - 1 else None,
            )
            self.add_module(f"layer{stage + 1}", layer)

    def _stages(self) -> list[nn.Module]:
        return [self.get_submodule(f"layer{number + 1}") for number in range(self.num_stages)]

    def _frozen_modules(self) -> Iterator[nn.Module]:
        if self.frozen_stages >= 0:
            yield from [self.stem] if self.variant.deep_stem else [self.conv1, self.norm(1)]
        yield from self._stages()[: max(self.frozen_stages, 0)]

    def _freeze_stages(self) -> None:
        for module in self._frozen_modules():
            module.eval().requires_grad_(False)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the maps of ``out_indices``, in order.

        Args:
            x: Images, B C H W, any H and W.

        Returns:
            B ``out_channels[i]`` ceil(H / s) ceil(W / s) each, where s is 4 times the product of
            ``strides[: i + 1]``: 4, 8, 16, 32 by default.
        """
        if self.variant.deep_stem:
            x = self.stem(x)
        else:
            x = self.relu(self.norm(1)(self.conv1(x)))
        x = self.maxpool(x)
        maps = []
        for index, stage in enumerate(self._stages()):
            x = stage(x)
            if index in self.out_indices:
                maps.append(x)
        return tuple(maps)

    def train(self, mode: bool = True) -> ResNet:
        """Switch to training, except frozen parts and, with ``norm_eval``, all batch norms."""
        super().train(mode)
        self._freeze_stages()
        if self.norm_eval:
            hold_batch_norms(self)
        return self


def _deep_stem(in_channels: int, channels: int, norm_cfg: Mapping[str, Any]) -> nn.Sequential:
    """Return three 3x3 convolutions in place of the 7x7; only the first has stride 2 (fig. 2b)."""
    widths = (in_channels, channels // 2, channels // 2, channels)
    layers: list[nn.Module] = []
    for number, (before, after) in enumerate(pairwise(widths)):
        layers.append(conv3x3(before, after, stride=2 if number == 0 else 1))
        layers.append(build_norm(norm_cfg, after))
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


@MODELS.register_module()
class ResNetA(ResNet):
    """The original: a bottleneck's stride is in its first 1x1 (mm*: ``style="caffe"``)."""

    variant = VARIANTS["ResNetA"]


@MODELS.register_module()
class ResNetB(ResNet):
    """A bottleneck's stride is in its 3x3 (mm*: ``style="pytorch"``; torchvision)."""

    variant = VARIANTS["ResNetB"]


@MODELS.register_module()
class ResNetC(ResNet):
    """B with a stem of three 3x3 convolutions (mm*: ``ResNetV1c``)."""

    variant = VARIANTS["ResNetC"]


@MODELS.register_module()
class ResNetD(ResNet):
    """C with a pool before the shortcut's 1x1 (mm*: ``ResNetV1d``; timm ``resnet50d``)."""

    variant = VARIANTS["ResNetD"]
