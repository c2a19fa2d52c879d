"""The freeze table, batch norms in eval mode, and what training then moves."""

import pytest
import torch
from torch import nn

from backbones import ResNetB, ResNetD
from tests.fast_builds import on_meta


def batch_norms(module):
    return [child for child in module.modules() if isinstance(child, nn.BatchNorm2d)]


# Trained parameters: stem 28_768 (864 + 9_216 + 18_432 and 2 * (32 + 32 + 64)), stage 1
# 215_808, stage 2 1_219_584, stage 3 7_098_368, stage 4 14_964_736; each line one less.
# Batch norms: stem 3, then 3 a block and 1 a stage: 10, 13, 19, 10.
@pytest.mark.parametrize(
    ("frozen_stages", "num_trainable", "num_moving_norms"),
    [
        (-1, 23_527_264, 55),
        (0, 23_498_496, 52),
        (1, 23_282_688, 42),
        (2, 22_063_104, 29),
        (3, 14_964_736, 10),
        (4, 0, 0),
    ],
)
def test_what_is_frozen_in_resnet50_d(frozen_stages, num_trainable, num_moving_norms):
    with on_meta():
        network = ResNetD(50, frozen_stages=frozen_stages)
    for mode in (True, False, True):  # what a runner does around each evaluation
        network.train(mode)
        trainable = sum(p.numel() for p in network.parameters() if p.requires_grad)
        assert trainable == num_trainable
        assert sum(norm.training for norm in batch_norms(network)) == mode * num_moving_norms


def test_plain_stem_freezes_conv1_and_bn1():
    network = ResNetB(18, base_channels=8, frozen_stages=0).train()
    frozen = {name for name, p in network.named_parameters() if not p.requires_grad}
    assert frozen == {"conv1.weight", "bn1.weight", "bn1.bias"}
    assert not network.bn1.training
    assert network.layer1[0].bn1.training


@pytest.mark.parametrize(
    ("kwargs", "still"),
    [
        (dict(frozen_stages=2), ("stem.", "layer1.", "layer2.")),
        (dict(norm_eval=True), ("stem.", "layer1.", "layer2.", "layer3.", "layer4.")),
        ({}, ()),
    ],
)
def test_statistics_of_frozen_norms_do_not_move(kwargs, still, filled):
    network = filled(ResNetD, 18, base_channels=8, **kwargs).train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    network(torch.rand(2, 3, 33, 47))
    after = network.state_dict()
    moved = {key for key in before if not torch.equal(before[key], after[key])}
    statistics = {key for key in before if "running" in key or "num_batches" in key}
    assert moved == {key for key in statistics if not key.startswith(still or "nothing")}


def test_optimiser_step_leaves_frozen_stages_alone(filled):
    network = filled(ResNetD, 18, base_channels=8, frozen_stages=1).train()
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1, weight_decay=0.1)
    sum(found.square().mean() for found in network(torch.rand(2, 3, 33, 47))).backward()
    optimiser.step()
    same = {name for name, p in network.named_parameters() if torch.equal(p, before[name])}
    assert same == {name for name in before if name.startswith(("stem.", "layer1."))}


def test_norm_eval_still_trains_gamma_and_beta():
    network = ResNetD(18, base_channels=8, norm_eval=True).train()
    assert network.training
    assert not any(norm.training for norm in batch_norms(network))
    assert all(p.requires_grad for p in network.parameters())


def test_requires_grad_false_in_norm_cfg_stops_gamma_and_beta_only():
    network = ResNetD(50, base_channels=8, norm_cfg=dict(type="BN", requires_grad=False)).train()
    frozen = [p for p in network.parameters() if not p.requires_grad]
    assert len(frozen) == 2 * 55
    assert all(p.ndim == 1 for p in frozen)
    assert all(p.requires_grad for p in network.parameters() if p.ndim == 4)
    assert all(norm.training for norm in batch_norms(network))
