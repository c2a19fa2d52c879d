"""Norm layers by name."""

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.model import revert_sync_batchnorm
from torch import nn

from backbones import ResNetD
from backbones.norm import StatisticsKept, build_norm, hold_batch_norms


@pytest.mark.parametrize(
    ("norm_cfg", "kind"),
    [
        (dict(type="BN"), nn.BatchNorm2d),
        (dict(type="SyncBN"), nn.SyncBatchNorm),
        (dict(type="GN", num_groups=2), nn.GroupNorm),
    ],
)
def test_name_gives_the_torch_class(norm_cfg, kind):
    norm = build_norm(norm_cfg, 6)
    assert type(norm) is kind
    assert norm.weight.shape == (6,)
    assert norm.weight.requires_grad


def test_arguments_reach_the_layer_and_the_config_stays_as_it_was():
    norm_cfg = ConfigDict(type="BN", requires_grad=False, eps=0.25, momentum=0.5)
    norm = build_norm(norm_cfg, 6)
    assert (norm.eps, norm.momentum) == (0.25, 0.5)
    assert not norm.weight.requires_grad
    assert not norm.bias.requires_grad
    assert dict(norm_cfg) == dict(type="BN", requires_grad=False, eps=0.25, momentum=0.5)


@pytest.mark.parametrize(
    ("norm_cfg", "message"),
    [
        (dict(type="BN", epsilon=1), "does not fit BN.*epsilon"),
        (dict(type="GN"), "does not fit GN.*num_groups"),
        (dict(type="GN", num_groups=4), "divisible"),
        (dict(), "type must be one of .*, got None"),
    ],
)
def test_wrong_norm_config_is_named(norm_cfg, message):
    with pytest.raises(ValueError, match=message):
        build_norm(norm_cfg, 6)


def test_sync_norms_can_be_turned_into_plain_ones_and_keep_their_names():
    network = ResNetD(18, base_channels=8, norm_cfg=dict(type="SyncBN"))
    keys = list(network.state_dict())
    network = revert_sync_batchnorm(network)
    assert sorted(network.state_dict()) == sorted(keys)
    assert len(network.eval()(torch.rand(1, 3, 33, 47))) == 4


def test_hold_batch_norms_leaves_other_layers_in_training_mode():
    module = nn.Sequential(nn.BatchNorm2d(2), nn.SyncBatchNorm(2), nn.GroupNorm(1, 2)).train()
    hold_batch_norms(module)
    assert [child.training for child in module] == [False, False, True]


def test_statistics_stand_still_inside_the_context_and_move_behind_it():
    norm = nn.BatchNorm2d(2)
    x = torch.rand(3, 2, 5, 7)
    with StatisticsKept(norm):
        inside = norm(x)
    assert norm.num_batches_tracked == 0
    assert norm.running_mean.tolist() == [0, 0]
    torch.testing.assert_close(norm(x), inside)  # batch statistics were used all the same
    # momentum 0.1 again: 0.9 * 0 + 0.1 * mean
    torch.testing.assert_close(norm.running_mean, 0.1 * x.mean((0, 2, 3)))
