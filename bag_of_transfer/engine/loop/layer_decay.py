"""Learning rates that fall with a layer's distance from the head, for ResNets.

mmdet's and mmsegmentation's constructors know ConvNeXt, BEiT and MAE by name and raise
NotImplementedError for others, so ours replaces them for other networks.  In a config::

    optim_wrapper = dict(
        constructor="ResNetLayerDecay", paramwise_cfg=dict(decay_rate=0.9), optimizer=...
    )
"""

import inspect
import re
from typing import Any

from mmengine.config import Config
from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIMIZERS
from torch import nn

from bag_of_transfer.engine.errors import UserError

__all__ = ["ResNetLayerDecay", "use_resnet_layer_decay"]

STOCK = ("LearningRateDecayOptimizerConstructor", "LayerDecayOptimizerConstructor")
STOCK_NETWORKS = ("ConvNeXt", "BEiT", "MAE")
TYPES = ("layer_wise", "stage_wise")
PLACE = re.compile(r"(?:^|\.)(backbone|shared_head)\..*?layer(\d+)\.(\d+)\.")


def use_resnet_layer_decay(cfg: Config) -> list[str]:
    """Put ``ResNetLayerDecay`` in place of mm*'s layer decay where theirs does not fit.

    Args:
        cfg: Any config; changed.  Of ``paramwise_cfg``, ``num_layers`` is dropped (it follows from
            the network), ``layer_decay_rate`` becomes ``decay_rate``.

    Returns:
        The line that says so, if it was replaced.
    """
    wrapper = cfg.optim_wrapper
    stated = str(wrapper.get("constructor"))
    backbone = str((cfg.model.get("backbone") or {}).get("type"))
    if stated.rpartition(".")[2] not in STOCK or any(name in backbone for name in STOCK_NETWORKS):
        return []
    paramwise = dict(wrapper.get("paramwise_cfg") or {})
    paramwise.pop("num_layers", None)
    if "layer_decay_rate" in paramwise:
        paramwise["decay_rate"] = paramwise.pop("layer_decay_rate")
    if paramwise.get("decay_type", "").startswith(TYPES[0]):  # layer_wise_vit: of another network
        paramwise["decay_type"] = TYPES[0]
    wrapper.constructor, wrapper.paramwise_cfg = ResNetLayerDecay.__name__, paramwise
    return [f"optim_wrapper.constructor: {stated} -> ResNetLayerDecay, which knows {backbone}"]


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class ResNetLayerDecay(DefaultOptimWrapperConstructor):
    """Train each tensor with lr x ``decay_rate`` ** (the head's layer number - its own).

    With ``decay_type="layer_wise"`` (the default) the stem is layer 0 and every residual block a
    layer of its own, 16 in a ResNet-50; with ``"stage_wise"`` the stem is 0 and stage n is n.
    Neck and heads are one more layer, the last.  Biases and norms get no weight decay unless
    ``bias_decay_mult`` and ``norm_decay_mult`` say so, as in mm*'s constructors; the other keys of
    ``paramwise_cfg`` work as usual.

    Raises:
        UserError: If ``decay_rate`` is not in (0, 1], ``decay_type`` is unknown, or the backbone
            has no stages ``layer1`` to ``layer4``.
    """

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None) -> None:
        stated = {"bias_decay_mult": 0.0, "norm_decay_mult": 0.0, **(paramwise_cfg or {})}
        self.decay_rate = stated.pop("decay_rate", None)
        self.decay_type = stated.pop("decay_type", TYPES[0])
        if not isinstance(self.decay_rate, int | float) or not 0 < self.decay_rate <= 1:
            where, mend = "optim_wrapper.paramwise_cfg.decay_rate", "give a number in (0, 1]"
            raise UserError(f"{self.decay_rate!r} is not a valid rate", where, mend)
        if self.decay_type not in TYPES:
            where, mend = "optim_wrapper.paramwise_cfg.decay_type", f"use {' or '.join(TYPES)}"
            raise UserError(f"{self.decay_type!r} is unknown", where, mend)
        optimizer = _with_weight_decay(optim_wrapper_cfg["optimizer"])
        super().__init__({**optim_wrapper_cfg, "optimizer": optimizer}, stated)

    def add_params(
        self, params: list[dict], module: nn.Module, prefix: str = "", **more: Any
    ) -> None:
        """Add a group per tensor, and scale their learning rates once all are added."""
        super().add_params(params, module, prefix, **more)
        if prefix:  # called again for every module below
            return
        layers = self.layers_of(module)
        top = max(layers.values())
        by_tensor = {id(tensor): layers[name] for name, tensor in module.named_parameters()}
        for group in params:
            scale = self.decay_rate ** (top - by_tensor[id(group["params"][0])])
            group["lr"] = group.get("lr", self.base_lr) * scale

    def layers_of(self, network: nn.Module) -> dict[str, int]:
        """Return the number of each tensor's layer, from 0 for the stem to the heads' layer.

        Raises:
            UserError: If the backbone has no stages ``layer1`` to ``layer4``.
        """
        names = [name for name, _ in network.named_parameters()]
        places = {name: _place(name) for name in names}
        blocks = sorted({place for place in places.values() if place})
        if not blocks:
            what = "layer decay needs a ResNet (stages layer1 to layer4)"
            raise UserError(what, "optim_wrapper.constructor", "leave it out, or use a ResNet")
        steps = blocks if self.decay_type == TYPES[0] else sorted({stage for stage, _ in blocks})
        number: dict[Any, int] = {step: index for index, step in enumerate(steps, 1)}
        layers = {}
        for name, place in places.items():
            if place:
                layers[name] = number[place if self.decay_type == TYPES[0] else place[0]]
            else:
                layers[name] = 0 if name.startswith("backbone.") else len(steps) + 1
        return layers


def _with_weight_decay(optimizer: dict[str, Any]) -> dict[str, Any]:
    """Add the default of the class (0.01 for AdamW): mmengine multiplies only stated values."""
    kind = optimizer["type"]
    kind = OPTIMIZERS.get(kind) if isinstance(kind, str) else kind
    names = inspect.signature(kind).parameters if kind else {}
    default = {"weight_decay": names["weight_decay"].default} if "weight_decay" in names else {}
    return {**default, **optimizer}


def _place(name: str) -> tuple[int, int] | None:
    match = PLACE.search(name)
    return (int(match[2]), int(match[3])) if match else None
