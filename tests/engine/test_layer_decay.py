"""Learning rates by a layer's distance from the head."""

import pytest
from mmengine.config import Config
from mmengine.optim import LinearLR, OptimWrapper, build_optim_wrapper
from torch import nn

from backbones import ResNetD
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.loop.layer_decay import use_resnet_layer_decay
from bag_of_transfer.engine.lr import current_lr


def network() -> nn.Module:
    net = nn.Module()
    net.backbone = ResNetD(depth=18, stem_channels=8, base_channels=8, frozen_stages=-1)
    net.head = nn.Linear(64, 3)
    return net


def wrapper_of(net: nn.Module, optimizer: dict, **paramwise: object) -> OptimWrapper:
    stated = dict(optimizer=optimizer, paramwise_cfg=paramwise)
    return build_optim_wrapper(net, dict(constructor="ResNetLayerDecay", **stated))


def groups(net: nn.Module, **paramwise: object) -> dict[str, dict]:
    wrapper = wrapper_of(net, dict(type="SGD", lr=1.0, weight_decay=0.1), **paramwise)
    by_tensor = {id(one["params"][0]): one for one in wrapper.optimizer.param_groups}
    return {name: by_tensor[id(tensor)] for name, tensor in net.named_parameters()}


# ResNet-18 has 8 blocks, two a stage: the head is layer 9.
BY_BLOCK = {
    "backbone.stem.0.weight": 0.5**9,
    "backbone.layer1.0.conv1.weight": 0.5**8,
    "backbone.layer2.1.conv2.weight": 0.5**5,
    "backbone.layer4.1.conv2.weight": 0.5**1,
    "head.weight": 1.0,
}
BY_STAGE = {
    "backbone.stem.0.weight": 0.5**5,
    "backbone.layer1.0.conv1.weight": 0.5**4,
    "backbone.layer1.1.conv1.weight": 0.5**4,
    "backbone.layer4.0.conv1.weight": 0.5**1,
    "head.bias": 1.0,
}


@pytest.mark.parametrize(("kind", "lrs"), [("layer_wise", BY_BLOCK), ("stage_wise", BY_STAGE)])
def test_the_rate_falls_with_the_distance_from_the_head(kind: str, lrs: dict) -> None:
    found = groups(network(), decay_rate=0.5, decay_type=kind)
    assert {name: found[name]["lr"] for name in lrs} == pytest.approx(lrs)


def test_biases_and_norms_are_not_decayed_and_custom_keys_work() -> None:
    found = groups(network(), decay_rate=0.5, custom_keys={"head": dict(lr_mult=10)})
    assert found["backbone.stem.1.weight"]["weight_decay"] == 0  # a norm
    assert found["backbone.stem.0.weight"]["weight_decay"] == 0.1
    assert found["head.weight"]["lr"] == 10


def test_an_optimizers_own_weight_decay_holds_where_none_is_stated() -> None:
    wrapper = wrapper_of(network(), dict(type="AdamW", lr=1.0), decay_rate=0.5)
    assert {group["weight_decay"] for group in wrapper.param_groups} == {0, 0.01}


def test_the_lr_that_is_shown_is_the_heads_and_not_the_stems() -> None:
    wrapper = wrapper_of(network(), dict(type="SGD", lr=1.0), decay_rate=0.5)
    LinearLR(wrapper, start_factor=0.1)
    assert current_lr(wrapper) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("paramwise", "said"),
    [({}, "None is not a valid rate"), ({"decay_rate": 2}, "2 is not a valid rate"),
     ({"decay_rate": 0.5, "decay_type": "layer_wise_vit"}, "'layer_wise_vit' is unknown")],
)  # fmt: skip
def test_a_wrong_setting_is_refused(paramwise: dict, said: str) -> None:
    with pytest.raises(UserError, match=said):
        groups(network(), **paramwise)


def test_another_backbone_is_refused() -> None:
    net = nn.Module()
    net.backbone = nn.Linear(1, 1)
    with pytest.raises(UserError, match="layer decay needs a ResNet"):
        groups(net, decay_rate=0.5)


def config(constructor: str, backbone: str, **paramwise: object) -> Config:
    wrapper = dict(constructor=constructor, paramwise_cfg=paramwise)
    return Config(dict(optim_wrapper=wrapper, model=dict(backbone=dict(type=backbone))))


@pytest.mark.parametrize(
    ("constructor", "stated"),
    [
        ("LearningRateDecayOptimizerConstructor", dict(decay_rate=0.5, num_layers=12)),
        ("mmdet.LearningRateDecayOptimizerConstructor", dict(decay_rate=0.5)),
        ("LearningRateDecayOptimizerConstructor", dict(decay_rate=0.5, decay_type="layer_wise")),
        ("LayerDecayOptimizerConstructor", dict(layer_decay_rate=0.5, num_layers=12)),
    ],
)
def test_ours_stands_in_for_the_libraries_layer_decay(constructor: str, stated: dict) -> None:
    cfg = config(constructor, "ResNetD", **stated)
    assert len(use_resnet_layer_decay(cfg)) == 1
    assert cfg.optim_wrapper.constructor == "ResNetLayerDecay"
    found = groups(network(), **cfg.optim_wrapper.paramwise_cfg)
    assert {name: found[name]["lr"] for name in BY_BLOCK} == pytest.approx(BY_BLOCK)


def test_backbones_that_the_libraries_know_keep_their_constructor() -> None:
    for backbone in ("mmpretrain.ConvNeXt", "BEiT", "MAE"):
        cfg = config("LearningRateDecayOptimizerConstructor", backbone, decay_rate=0.5)
        assert use_resnet_layer_decay(cfg) == []
