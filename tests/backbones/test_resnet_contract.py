"""What necks, heads and trainers rely on, for every variant."""

import pytest
import torch
from mmengine.registry import MODELS

import backbones

VARIANTS = ["ResNetA", "ResNetB", "ResNetC", "ResNetD"]


def build(variant="ResNetD", depth=18, base_channels=8, **kwargs):
    return MODELS.build(dict(type=variant, depth=depth, base_channels=base_channels, **kwargs))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("height", "width"), [(65, 97), (64, 32), (33, 50)])
def test_maps_have_strides_4_8_16_32_rounded_up(variant, height, width):
    network = build(variant, depth=50).eval()
    maps = network(torch.rand(1, 3, height, width))
    assert network.out_channels == (32, 64, 128, 256)  # 4 * 8 * (1, 2, 4, 8)
    for stride, channels, feature_map in zip(
        (4, 8, 16, 32), network.out_channels, maps, strict=True
    ):
        assert feature_map.shape == (1, channels, -(-height // stride), -(-width // stride))


@pytest.mark.parametrize("variant", VARIANTS)
def test_dilated_network_keeps_stride_8(variant):
    network = build(variant, strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4), contract_dilation=True)
    shapes = [
        tuple(feature_map.shape[2:]) for feature_map in network.eval()(torch.rand(1, 3, 65, 97))
    ]
    assert shapes == [(17, 25), (9, 13), (9, 13), (9, 13)]


def test_contracted_dilation_is_1_and_2_in_the_first_blocks():
    network = build(depth=50, strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4), contract_dilation=True)
    dilations = [[block.conv2.dilation[0] for block in network.get_submodule(f"layer{n}")]
                 for n in (1, 2, 3, 4)]  # fmt: skip
    assert dilations == [[1] * 3, [1] * 4, [1] + [2] * 5, [2, 4, 4]]


def test_out_indices_choose_maps_and_out_channels_name_all_stages():
    network = build(out_indices=(1, 3)).eval()
    image = torch.rand(1, 3, 65, 97)
    assert [feature_map.shape[1] for feature_map in network(image)] == [16, 64]
    assert network.out_channels == (8, 16, 32, 64)
    assert network.out_indices == (1, 3)


def test_three_stages_for_c4_need_no_cut_strides():
    network = build(depth=50, num_stages=3, out_indices=(2,)).eval()
    (feature_map,) = network(torch.rand(1, 3, 65, 97))
    assert feature_map.shape == (1, 128, 5, 7)
    assert network.out_channels == (32, 64, 128)
    assert not [key for key in network.state_dict() if key.startswith("layer4")]


def test_stem_takes_other_channels_than_the_stages():
    network = build(depth=18, in_channels=1, stem_channels=12).eval()
    assert [network.stem[i].out_channels for i in (0, 3, 6)] == [6, 6, 12]
    assert [network.stem[i].stride[0] for i in (0, 3, 6)] == [2, 1, 1]
    assert network(torch.rand(1, 1, 33, 47))[0].shape == (1, 8, 9, 12)


@pytest.mark.parametrize("depth", [18, 50])
@pytest.mark.parametrize("variant", VARIANTS)
def test_gradient_reaches_every_parameter(variant, depth):
    torch.manual_seed(0)
    network = build(variant, depth).train()
    network.init_weights()
    maps = network(torch.rand(2, 3, 65, 97))
    sum((each * torch.rand_like(each)).sum() for each in maps).backward()
    dead = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert dead == []


@pytest.mark.parametrize("variant", VARIANTS)
def test_state_dict_goes_round(variant, filled):
    first = filled(build, variant, 50).eval()
    second = build(variant, 50).eval()
    second.load_state_dict(first.state_dict())
    image = torch.rand(1, 3, 33, 47)
    for a, b in zip(first(image), second(image), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("depth", [18, 50])
@pytest.mark.parametrize("frozen_stages", [-1, 1])
def test_checkpointed_blocks_have_equal_gradients_and_statistics(depth, frozen_stages, filled):
    runs = []
    for with_cp in (False, True):
        network = filled(build, "ResNetD", depth, with_cp=with_cp, frozen_stages=frozen_stages)
        network.train()
        maps = network(torch.rand(2, 3, 33, 47, generator=torch.Generator().manual_seed(0)))
        loss = sum(each.square().mean() for each in maps)
        loss.backward(retain_graph=True)
        loss.backward()  # the blocks are computed a third time
        grads = {name: p.grad for name, p in network.named_parameters() if p.requires_grad}
        runs.append((grads, network.state_dict()))
    for plain, checkpointed in zip(*runs, strict=True):
        assert plain.keys() == checkpointed.keys()
        for name, value in plain.items():
            torch.testing.assert_close(checkpointed[name], value)
    assert runs[1][1]["layer4.0.bn1.num_batches_tracked"] == 1
    assert runs[1][0]["layer4.0.conv1.weight"].abs().sum() > 0


def test_compiled_checkpointed_blocks_have_equal_gradients_and_statistics(filled):
    runs = []
    for with_cp in (False, True):
        network = filled(build, "ResNetD", 18, with_cp=with_cp, num_stages=2).train()
        if with_cp:
            network.compile(backend="aot_eager")
        maps = network(torch.rand(2, 3, 33, 47, generator=torch.Generator().manual_seed(0)))
        sum(each.square().mean() for each in maps).backward()
        runs.append([p.grad for p in network.parameters()] + list(network.state_dict().values()))
    for plain, checkpointed in zip(*runs, strict=True):
        torch.testing.assert_close(checkpointed, plain)


def test_checkpointed_blocks_keep_less_for_the_backward_pass(filled):
    kept = []
    for with_cp in (False, True):
        network = filled(build, "ResNetD", 50, with_cp=with_cp).train()
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda t, sizes=sizes: sizes.append(t.numel()) or t, lambda t: t
        ):
            network(torch.rand(2, 3, 33, 47))
        kept.append(sum(sizes))
    assert kept[1] < kept[0] / 2


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (dict(depth=51), r"depth must be one of \[18, 26, 34, 50, 101, 152\], got 51"),
        (dict(num_stages=5), "num_stages must be 1 to 4, got 5"),
        (dict(strides=(1, 2, 2)), r"strides must be 4 numbers \(num_stages\)"),
        (dict(strides=(1, 2, 2, 0)), "strides must be"),
        (dict(num_stages=3, dilations=(1, 1, 1, 1)), "dilations must be 3 numbers"),
        (dict(out_indices=(0, 4)), r"out_indices must be ascending numbers out of \[0, 1, 2, 3\]"),
        (dict(out_indices=(-1,)), "out_indices"),
        (dict(out_indices=(3, 1)), "out_indices"),
        (dict(out_indices=(1, 1)), "out_indices"),
        (dict(out_indices=()), "out_indices"),
        (dict(num_stages=3, out_indices=(3,)), "out_indices"),
        (dict(frozen_stages=5), r"frozen_stages must be -1 \(none\) to 4"),
        (dict(frozen_stages=-2), "frozen_stages"),
        (dict(stem_channels=7), "even for a deep stem, got 7"),
        (dict(base_channels=0), "base_channels must be at least 1"),
        (dict(in_channels=0), "in_channels must be at least 1, got 0"),
        (dict(init="kaiming"), r"init must be one of \['msra', 'xavier'\], got 'kaiming'"),
        (dict(norm_cfg=dict(type="LN")), r"norm_cfg type must be one of .*, got 'LN'"),
    ],
)
def test_wrong_arguments_are_named(wrong, message):
    with pytest.raises(ValueError, match=message):
        backbones.ResNetD(**{"depth": 18, "base_channels": 8, **wrong})


def test_the_base_itself_names_what_to_build():
    with pytest.raises(TypeError, match="build ResNetA, ResNetB, ResNetC or ResNetD"):
        backbones.ResNet(depth=18)
