"""Fresh weights by name, zero gamma, and who has the last word."""

import math

import pytest
import torch
from mmengine.model import initialize
from mmengine.registry import WEIGHT_INITIALIZERS
from torch import nn

from backbones import ResNetB, ResNetD
from backbones.weight_init import draw_weights, msra_prelu_normal_


def fresh(build=ResNetD, **kwargs):
    torch.manual_seed(0)
    network = build(**{"depth": 50, "base_channels": 16, **kwargs})
    network.init_weights()
    return network


def test_xavier_is_uniform_within_the_papers_bound():
    conv = fresh(init="xavier").layer4[1].conv2  # 128 channels in and out, 3x3
    bound = math.sqrt(6 / (128 * 9 + 128 * 9))
    assert 0.999 * bound < conv.weight.max() <= bound
    assert -bound <= conv.weight.min() < -0.999 * bound
    # A uniform variable on [-a, a] has standard deviation a / sqrt(3).
    assert conv.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.01)


def test_msra_has_the_spread_of_mxnets_msraprelu():
    torch.manual_seed(0)
    # Fans 64 * 9 = 576 and 256 * 9 = 2304, mean 1440; 2 / (1 + 0.0625) = 1.88235.
    weight = msra_prelu_normal_(torch.empty(256, 64, 3, 3))
    assert weight.std().item() == pytest.approx(math.sqrt(1.88235 / 1440), rel=0.01)
    assert weight.abs().max() > 4 * weight.std()  # a normal has tails, a uniform has none
    assert abs(weight.mean().item()) < 1e-3


def test_msra_is_the_default_and_draws_every_convolution():
    network = fresh()
    for name, child in network.named_modules():
        if isinstance(child, nn.Conv2d):
            fans = (child.in_channels + child.out_channels) / 2 * child.kernel_size[0] ** 2
            expected = math.sqrt(2 / 1.0625 / fans)
            tolerance = 5 / math.sqrt(2 * child.weight.numel())  # five standard errors
            assert child.weight.std().item() == pytest.approx(expected, rel=tolerance), name


@pytest.mark.parametrize("init", ["msra", "xavier"])
def test_norms_start_at_gamma_1_beta_0(init, filled):
    network = filled(ResNetB, 18, base_channels=8)
    draw_weights(network, init)
    norms = [child for child in network.modules() if isinstance(child, nn.BatchNorm2d)]
    assert len(norms) == 1 + 2 * 8 + 3
    for norm in norms:
        assert norm.weight.eq(1).all()
        assert norm.bias.eq(0).all()
        assert norm.running_mean.eq(0).all()
        assert norm.running_var.eq(1).all()


@pytest.mark.parametrize(("depth", "num_blocks", "last"), [(18, 8, "bn2"), (50, 16, "bn3")])
def test_zero_gamma_is_off_by_default_and_touches_the_last_norms_only(depth, num_blocks, last):
    def zero_gammas(network):
        return [name for name, p in network.named_parameters()
                if p.ndim == 1 and name.endswith("weight") and not p.any()]  # fmt: skip

    assert zero_gammas(fresh(depth=depth)) == []
    zeros = zero_gammas(fresh(depth=depth, zero_init_residual=True))
    assert len(zeros) == num_blocks
    assert all(name.endswith(f".{last}.weight") for name in zeros)


def test_blocks_with_zero_gamma_start_as_their_shortcuts():
    block = fresh(zero_init_residual=True).layer1[1]
    x = torch.rand(2, 64, 7, 9)
    assert torch.equal(block(x), x)  # x >= 0: the last ReLU changes nothing


@pytest.fixture
def fill_with_seven():
    """A registered initialiser that is not mmengine's ``Pretrained``, as a file loader is."""

    class FillWithSeven:
        def __call__(self, module):
            for parameter in module.parameters():
                nn.init.constant_(parameter, 7.0)

    WEIGHT_INITIALIZERS.register_module(name="FillWithSeven", module=FillWithSeven)
    yield dict(type="FillWithSeven")
    WEIGHT_INITIALIZERS.module_dict.pop("FillWithSeven")


@pytest.mark.parametrize("as_list", [False, True])
def test_init_cfg_has_the_last_word(fill_with_seven, as_list):
    init_cfg = [fill_with_seven] if as_list else fill_with_seven
    network = fresh(zero_init_residual=True, init_cfg=init_cfg)
    assert all(p.eq(7).all() for p in network.parameters())


def test_init_cfg_has_the_last_word_inside_a_model(fill_with_seven):
    from mmengine.model import BaseModule

    class Model(BaseModule):
        def __init__(self):
            super().__init__()
            self.backbone = ResNetD(
                18, base_channels=8, zero_init_residual=True, init_cfg=fill_with_seven
            )

    model = Model()
    model.init_weights()
    assert all(p.eq(7).all() for p in model.parameters())


def test_pretrained_of_mmengine_has_the_last_word(tmp_path, filled):
    source = filled(ResNetD, 18, base_channels=8)
    torch.save(source.state_dict(), tmp_path / "weights.pth")
    network = fresh(
        depth=18,
        base_channels=8,
        zero_init_residual=True,
        init_cfg=dict(type="Pretrained", checkpoint=str(tmp_path / "weights.pth")),
    )
    for key, value in source.state_dict().items():
        assert torch.equal(network.state_dict()[key], value), key


def test_second_init_does_not_wipe_out_loaded_weights(filled):
    network = fresh(depth=18, base_channels=8)
    loaded = filled(ResNetD, 18, base_channels=8).state_dict()
    network.load_state_dict(loaded)
    network.init_weights()
    for key, value in loaded.items():
        assert torch.equal(network.state_dict()[key], value), key


def test_own_draw_is_not_what_mmengine_calls_kaiming():
    ours = fresh(init="msra").layer1[0].downsample[1].weight.std().item()  # 16 to 64 channels
    conv = nn.Conv2d(16, 64, 1, bias=False)
    initialize(conv, dict(type="Kaiming", layer="Conv2d"))  # fan_out 64: sqrt(2 / 64)
    assert conv.weight.std().item() == pytest.approx(0.177, rel=0.1)
    assert ours == pytest.approx(math.sqrt(1.88235 / 40), rel=0.1)  # mean fan 40: 0.217
