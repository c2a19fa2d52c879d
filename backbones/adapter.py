"""Networks of timm as backbones: MobileNet, Inception-V3 and others.

Registered once, in mmengine's root registry, like ResNetA to D: ``backbone=dict(
type="TimmNetwork", name="mobilenetv1_100")`` means the same class in all three tasks.
Letters: B batch, C channels, H W pixels.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm

from .norm import hold_batch_norms
from .weight_init import INITS, InitCfg, draw_weights

__all__ = ["TimmNetwork"]

# Of ResNet's stage 1; maps of a smaller stride belong to the stem.
FIRST_STRIDE = 4


@MODELS.register_module()
class TimmNetwork(BaseModule):
    """A convolutional network of timm, cut after its last map: no pool, no classifier.

    Its stages are the maps that timm knows (``feature_info``) from stride 4 on, usually 4, 8, 16
    and 32, so that indices mean the same as in ResNet; what comes before is the stem.
    ``frozen_stages`` counts as in ResNet: -1 nothing, 0 the stem, n the stem and stages 1 to n,
    whose norms then stay in eval mode.

    Inception-V3 pads few of its convolutions: it needs 75 pixels or more, and its maps are a
    little smaller than H and W divided by the stride.

    The tensors are named as in timm, after ``network.``.  The attributes ``out_channels`` and
    ``strides`` hold C and the stride at the end of every stage, also of stages that
    ``out_indices`` leaves out.

    Args:
        name: As in ``timm.list_models()``.
        pretrained: Whether timm downloads the weights; they are then not drawn.
        options: More arguments of ``timm.create_model``: ``dict(act_layer="relu")``, or
            ``dict(output_stride=8)`` for segmentation if the network can be dilated.
        out_indices: The stages, counted from 0, whose maps ``forward`` returns; all if None.
        frozen_stages: See above.
        norm_cfg: ``type`` BN (as timm built it) or SyncBN, and ``requires_grad`` (False: gamma and
            beta of all batch norms are not trained); BN if None.
        norm_eval: Keep all batch norms in eval mode while training.
        init: Rule by which ``init_weights`` draws all convolutions: ``"msra"``, ``"xavier"``, see
            ``backbones.weight_init``; None keeps the weights that timm drew or downloaded.
        init_cfg: mmengine initialisers, run after ours, so a loaded file always wins.

    Raises:
        ValueError: If timm is missing, or does not know the network, its options or its maps; if
            an argument is out of its range; if weights should be both downloaded and drawn.
    """

    def __init__(
        self,
        name: str,
        pretrained: bool = False,
        options: Mapping[str, Any] | None = None,
        out_indices: Sequence[int] | None = None,
        frozen_stages: int = -1,
        norm_cfg: Mapping[str, Any] | None = None,
        norm_eval: bool = False,
        init: str | None = None,
        init_cfg: InitCfg = None,
    ) -> None:
        super().__init__(init_cfg)
        if init is not None and (init not in INITS or pretrained):
            raise ValueError(
                f"init must be None or one of {sorted(INITS)}, and None for pretrained weights, "
                f"got {init!r} and pretrained={pretrained}"
            )
        self.name, self.options = name, dict(options or {})
        self.init, self.norm_eval = init, norm_eval
        self.network = _with_norms(_features(name, pretrained, self.options), norm_cfg or {})
        info = self.network.feature_info.get_dicts()
        first = sum(level["reduction"] < FIRST_STRIDE for level in info)
        self._first = first
        self.out_channels = tuple(level["num_chs"] for level in info[first:])
        self.strides = tuple(level["reduction"] for level in info[first:])
        num_stages = len(self.out_channels)
        self.out_indices = tuple(range(num_stages) if out_indices is None else out_indices)
        self.frozen_stages = frozen_stages
        self._check_arguments(num_stages)
        self._part_of = _parts(self.network, [level["module"] for level in info], first)
        self._freeze_stages()

    def _check_arguments(self, num_stages: int) -> None:
        indices = self.out_indices
        if not indices or list(indices) != sorted(set(indices) & set(range(num_stages))):
            raise ValueError(
                f"out_indices must be ascending numbers out of {list(range(num_stages))}, "
                f"got {indices}"
            )
        if not -1 <= self.frozen_stages <= num_stages:
            raise ValueError(
                f"frozen_stages must be -1 (none) to {num_stages} (all stages), "
                f"got {self.frozen_stages}"
            )

    def _frozen_modules(self) -> Iterator[nn.Module]:
        for name, part in self._part_of.items():
            if part <= self.frozen_stages:
                yield self.network.get_submodule(name)

    def _freeze_stages(self) -> None:
        for module in self._frozen_modules():
            # Not eval(): a container may begin in the stem and end in the last stage.
            module.training = False
            for parameter in module.parameters(recurse=False):
                parameter.requires_grad_(False)

    def init_weights(self) -> None:
        """Draw weights by ``init``, unless None, then run ``init_cfg``, both only once."""
        if not self.is_init and self.init is not None:
            draw_weights(self, self.init)
        super().init_weights()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the maps of ``out_indices``, in order.

        Args:
            x: Images, B C H W.

        Returns:
            B ``out_channels[i]`` h w each, h and w about H and W divided by the stage's stride.
        """
        maps = self.network(x)[self._first :]
        return tuple(maps[index] for index in self.out_indices)

    def train(self, mode: bool = True) -> TimmNetwork:
        """Switch to training, except frozen parts and, with ``norm_eval``, all batch norms."""
        super().train(mode)
        self._freeze_stages()
        if self.norm_eval:
            hold_batch_norms(self)
        return self


def _features(name: str, pretrained: bool, options: Mapping[str, Any]) -> Any:
    try:
        timm = import_module("timm")  # imported here: only its users need it
    except ImportError as error:
        raise ValueError("TimmNetwork needs the package timm: pip install timm") from error
    try:
        return timm.create_model(name, pretrained=pretrained, features_only=True, **options)
    except Exception as error:  # unknown names, options and failed downloads have no common class
        raise ValueError(
            f"timm can't build {name} with {dict(options)}: {error}; see timm.list_models()"
        ) from error


def _with_norms(network: Any, norm_cfg: Mapping[str, Any]) -> Any:
    kind, unknown = norm_cfg.get("type", "BN"), norm_cfg.keys() - {"type", "requires_grad"}
    if kind not in ("BN", "SyncBN") or unknown:
        raise ValueError(
            "norm_cfg of a TimmNetwork takes type BN or SyncBN and requires_grad, "
            f"got {dict(norm_cfg)}"
        )
    if kind == "SyncBN":
        # timm's function: torch's would lose the activation that timm keeps inside a norm.
        network = import_module("timm.layers").convert_sync_batchnorm(network)
    for module in network.modules():
        if isinstance(module, BatchNorm):
            module.requires_grad_(norm_cfg.get("requires_grad", True))
    return network


def _parts(network: nn.Module, levels: Sequence[str], first: int) -> dict[str, int]:
    """Return the part of each module by name: 0 for the stem, otherwise the number of its stage.

    Modules are read in the order of their definition, which is that of the forward pass in timm's
    networks.

    Args:
        network: A network of timm with features only.
        levels: Name of the module after which each map is taken.
        first: Number of maps in the stem.
    """
    names = [name for name, _ in network.named_modules() if name]
    # timm calls a stage "stages.0" in feature_info and "stages_0" where it flattens.
    known = [level if level in names else level.replace(".", "_") for level in levels]
    inside = [
        [i for i, name in enumerate(names) if f"{name}.".startswith(f"{level}.")] for level in known
    ]
    if not all(inside):
        raise ValueError(f"timm's network is not cut after modules: there is no {levels} in it")
    stem_end = inside[first - 1][-1] if first else inside[0][0] - 1
    ends = [stem_end, *(numbers[-1] for numbers in inside[first:])]
    return {name: bisect_left(ends, number) for number, name in enumerate(names)}
