"""Stage 4 as a shared head: the backbone's file fits it, and nothing in its BN moves."""

import pytest
import torch
from mmengine.registry import MODELS
from torch import nn

from backbones import ResNetD
from bag_of_transfer.detection.shared_head import ResNetStage4

VARIANTS = ["ResNetA", "ResNetB", "ResNetC", "ResNetD"]


def fill_every_tensor(module):
    """Give each tensor its own values: unit batch norms would hide a mistake."""
    torch.manual_seed(0)
    for tensor in module.state_dict().values():
        if tensor.is_floating_point():
            scale = 1.0 if tensor.ndim == 1 else 3 / tensor[0].numel() ** 0.5
            low = 0.5 if tensor.ndim == 1 else -scale / 2
            tensor.copy_(low + scale * torch.rand(tensor.shape))


@pytest.mark.parametrize("depth", [18, 50])
@pytest.mark.parametrize("variant", VARIANTS)
def test_three_stages_then_the_head_equal_the_whole_network(variant, depth):
    same = dict(depth=depth, base_channels=16)
    whole = MODELS.build(dict(type=variant, **same)).eval()
    fill_every_tensor(whole)
    three = MODELS.build(dict(type=variant, num_stages=3, out_indices=(2,), **same)).eval()
    head = MODELS.build(dict(type="ResNetStage4", variant=variant, **same)).eval()

    file = whole.state_dict()
    layer4 = {key: value for key, value in file.items() if key.startswith("layer4.")}
    three.load_state_dict({key: value for key, value in file.items() if key not in layer4})
    head.load_state_dict(layer4)  # strict: the same names and shapes

    image = torch.rand(2, 3, 65, 97)
    with torch.no_grad():
        (stride16,) = three(image)
        assert torch.equal(head(stride16), whole(image)[3])
    assert head.in_channels == stride16.shape[1]
    assert head.out_channels == whole.out_channels[3]


@pytest.mark.parametrize(("depth", "channels"), [(18, (256, 512)), (50, (1024, 2048))])
def test_head_makes_7x7_of_14x14(depth, channels):
    head = ResNetStage4("ResNetD", depth).eval()
    assert (head.in_channels, head.out_channels) == channels
    assert head(torch.rand(3, channels[0], 14, 14)).shape == (3, channels[1], 7, 7)


def test_norms_are_frozen_and_convolutions_are_trained():
    head = ResNetStage4("ResNetD", 50, base_channels=8).train()
    fill_every_tensor(head)
    before = {key: value.clone() for key, value in head.state_dict().items()}
    optimiser = torch.optim.SGD(head.parameters(), lr=0.1, weight_decay=0.1)
    head(torch.rand(2, head.in_channels, 7, 9)).square().mean().backward()
    optimiser.step()
    moved = {key for key, value in head.state_dict().items() if not torch.equal(value, before[key])}
    convs = {f"{n}.weight" for n, m in head.named_modules() if isinstance(m, nn.Conv2d)}
    assert len(convs) == 3 * 3 + 1
    assert moved == convs


def test_scratch_can_train_its_norms():
    head = ResNetStage4("ResNetD", 18, 8, norm_cfg=dict(type="BN"), norm_eval=False).train()
    assert all(p.requires_grad for p in head.parameters())
    assert all(m.training for m in head.modules())


def test_init_cfg_has_the_last_word():
    head = ResNetStage4(
        "ResNetD",
        18,
        8,
        zero_init_residual=True,
        init_cfg=dict(type="Constant", val=7.0, layer=["Conv2d", "BatchNorm2d"]),
    )
    head.init_weights()
    assert all(p.eq(7).all() for name, p in head.named_parameters() if name.endswith("weight"))


def test_mmdets_registry_builds_our_head():
    from mmdet.registry import MODELS as MMDET

    head = MMDET.build(dict(type="ResNetStage4", variant="ResNetD", depth=18, base_channels=8))
    assert type(head) is ResNetStage4


def test_mmdets_own_head_does_not_fit_a_resnet_d_file():
    """The reason for our head; if this fails, mmdet has pooled shortcuts."""
    from mmdet.registry import MODELS as MMDET

    with torch.device("meta"):
        theirs = MMDET.build(dict(type="ResLayer", depth=50)).state_dict()
        ours = ResNetD(50).state_dict()
    assert set(theirs) - set(ours)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (dict(variant="D"), r"variant must be one of \['ResNetA', .*\], got 'D'"),
        (dict(depth=19), "depth must be one of .*, got 19"),
        (dict(base_channels=0), "base_channels must be at least 1"),
        (dict(init="zeros"), "init must be one of"),
    ],
)
def test_wrong_arguments_are_named(wrong, message):
    with pytest.raises(ValueError, match=message):
        ResNetStage4(**{"variant": "ResNetD", "depth": 18, "base_channels": 8, **wrong})
