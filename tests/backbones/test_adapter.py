"""timm's networks behind our arguments, against timm's own."""

import sys

import pytest
import timm
import torch
from mmengine.registry import MODELS, DefaultScope
from torch import nn

import backbones.adapter
import bag_of_transfer.detection  # noqa: F401  before mmseg or mmdet: stands in for mmcv's compiled operators
from backbones import ResNetD, TimmNetwork
from tests.fast_builds import on_meta

# The modules behind which the maps of stride 4, 8, 16, 32 are taken, and their channels.
STAGES = {
    "inception_v3": dict(Conv2d_4a_3x3=192, Mixed_5d=288, Mixed_6e=768, Mixed_7c=2048),
    "mobilenetv1_100": {"blocks.1": 128, "blocks.2": 256, "blocks.3": 512, "blocks.4": 1024},
    "resnet26d": dict(layer1=256, layer2=512, layer3=1024, layer4=2048),
    "convnext_atto": {"stages.0": 40, "stages.1": 80, "stages.2": 160, "stages.3": 320},
}
CLASSIFIERS = ("fc.", "classifier.", "head.", "norm_pre.")
PAPER = ("inception_v3", "mobilenetv1_100")


def batch_norms(module):
    return [child for child in module.modules() if isinstance(child, nn.BatchNorm2d)]


def own_tensors(network):
    state = network.state_dict()
    return {key: value for key, value in state.items() if not key.startswith(CLASSIFIERS)}


@pytest.mark.parametrize("name", [*PAPER, pytest.param("resnet26d", marks=pytest.mark.slow)])
def test_maps_equal_the_librarys_own_network(name, filled):
    theirs = filled(timm.create_model, name).eval()
    with on_meta():
        ours = TimmNetwork(name).eval()
    state = {f"network.{key}": value for key, value in own_tensors(theirs).items()}
    ours.load_state_dict(
        state, strict=True, assign=True
    )  # total: nothing missing, nothing left over
    assert len(state) > 150
    expected = {}
    for stage in STAGES[name]:
        module = theirs.get_submodule(stage)
        module.register_forward_hook(lambda _, __, out, at=stage: expected.update({at: out}))
    image = torch.rand(2, 3, 97, 131, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        last = theirs.forward_features(image)
        maps = ours(image)
    assert len(maps) == 4
    for got, (stage, channels), wide in zip(
        maps, STAGES[name].items(), ours.out_channels, strict=True
    ):
        torch.testing.assert_close(got, expected[stage])
        assert got.shape[1] == channels == wide
        assert got.isfinite().all()
        assert got.std() > 0  # not two dead networks
    torch.testing.assert_close(maps[-1], last)


def test_mobilenet_takes_the_librarys_options(filled):
    ours = filled(TimmNetwork, "mobilenetv1_100", options=dict(act_layer="relu"))
    activations = {type(m) for m in ours.modules() if "ReLU" in type(m).__name__}
    assert activations == {nn.ReLU}
    dilated = filled(TimmNetwork, "mobilenetv1_100", options=dict(output_stride=8))
    assert [m.shape[-2:] for m in dilated(torch.rand(1, 3, 65, 97))] == [
        (17, 25),
        *[(9, 13)] * 3,  # (65 - 1) / 8 + 1
    ]


@pytest.mark.parametrize("name", PAPER)
def test_gradients_reach_every_parameter(name, filled):
    network = filled(TimmNetwork, name).train()
    network(torch.rand(2, 3, 97, 131))[-1].square().mean().backward()
    parameters = dict(network.named_parameters())
    assert len(parameters) > 80
    without = [key for key, p in parameters.items() if p.grad is None or not p.grad.any()]
    assert not without


# The table of tests/backbones/test_resnet_freezing.py: the same network, counted elsewhere.
@pytest.mark.parametrize("frozen_stages", range(-1, 5))
def test_stages_freeze_as_in_our_own_resnet(frozen_stages):
    with on_meta():
        ours = ResNetD(50, frozen_stages=frozen_stages)
        theirs = TimmNetwork("resnet50d", frozen_stages=frozen_stages)
    for mode in (True, False, True):
        for network in (ours, theirs):
            network.train(mode)
        counts = [
            (
                sum(p.numel() for p in network.parameters() if p.requires_grad),
                sum(norm.training for norm in batch_norms(network)),
            )
            for network in (ours, theirs)
        ]
        assert counts[0] == counts[1]


@pytest.mark.parametrize(
    ("name", "frozen_stages", "first_trained"),
    [
        ("inception_v3", 0, "Conv2d_3b_1x1.conv.weight"),
        ("inception_v3", 1, "Mixed_5b.branch1x1.conv.weight"),
        ("inception_v3", 3, "Mixed_7a.branch3x3_1.conv.weight"),
        ("mobilenetv1_100", 0, "blocks.1.0.conv_dw.weight"),
        ("mobilenetv1_100", 2, "blocks.3.0.conv_dw.weight"),
        ("convnext_atto", 0, "stages_0.blocks.0.gamma"),  # its stem has stride 4
        ("convnext_atto", 1, "stages_1.downsample.0.weight"),
        ("vgg11", 0, "features_6.weight"),  # two maps before stride 4
    ],
)
def test_what_is_frozen_ends_where_the_stage_ends(name, frozen_stages, first_trained):
    with on_meta():
        network = TimmNetwork(name, frozen_stages=frozen_stages).train().network
    trained = [p.requires_grad for p in network.parameters()]
    names = [key for key, _ in network.named_parameters()]
    first = trained.index(True)
    assert names[first] == first_trained
    assert not any(trained[:first])
    assert all(trained[first:])


@pytest.mark.parametrize(
    ("kwargs", "moving"), [({}, 27), (dict(norm_eval=True), 0), (dict(frozen_stages=4), 0)]
)
def test_statistics_of_held_norms_do_not_move(kwargs, moving, filled):
    network = filled(TimmNetwork, "mobilenetv1_100", **kwargs).train()
    before = [norm.running_mean.clone() for norm in batch_norms(network)]
    network(torch.rand(2, 3, 65, 97))
    after = [norm.running_mean for norm in batch_norms(network)]
    assert len(after) == 27  # 13 blocks of two, and the first convolution's
    assert sum(not torch.equal(a, b) for a, b in zip(before, after, strict=True)) == moving
    trained = [p.requires_grad for p in network.parameters()]
    assert all(trained) != ("frozen_stages" in kwargs)


def test_sync_bn_keeps_the_activations_inside_of_timms_norms(filled):
    torch.manual_seed(0)
    plain = filled(TimmNetwork, "mobilenetv1_100", norm_cfg=dict(type="BN"))
    synced = TimmNetwork("mobilenetv1_100", norm_cfg=dict(type="SyncBN", requires_grad=True))
    assert len(batch_norms(plain)) == 27
    assert not batch_norms(synced)
    norms = [m for m in synced.modules() if isinstance(m, nn.SyncBatchNorm)]
    assert len(norms) == 27
    assert all(p.requires_grad for p in synced.parameters())
    synced.load_state_dict(plain.state_dict())
    image = torch.rand(1, 3, 65, 97)
    for a, b in zip(synced.eval()(image), plain.eval()(image), strict=True):
        torch.testing.assert_close(a, b)
    held = TimmNetwork("mobilenetv1_100", norm_cfg=dict(type="SyncBN"), norm_eval=True).train()
    assert not any(m.training for m in held.modules() if isinstance(m, nn.SyncBatchNorm))


def test_gamma_and_beta_can_be_kept_from_training():
    network = TimmNetwork("mobilenetv1_100", norm_cfg=dict(type="BN", requires_grad=False))
    still = {key for key, p in network.named_parameters() if not p.requires_grad}
    names = {name for name, m in network.named_modules() if isinstance(m, nn.BatchNorm2d)}
    assert still == {f"{name}.{part}" for name in names for part in ("weight", "bias")}
    assert len(still) == 2 * 27


@pytest.mark.parametrize(
    ("options", "strides"),
    [
        ({}, (4, 8, 16, 32)),
        ({"output_stride": 16}, (4, 8, 16, 16)),
        ({"output_stride": 8}, (4, 8, 8, 8)),
    ],
)
def test_strides_are_told_also_of_stages_left_out(options, strides):
    with on_meta():
        network = TimmNetwork("mobilenetv1_100", options=options, out_indices=(1,))
    assert network.strides == strides
    assert (network.name, network.options) == ("mobilenetv1_100", options)


def test_out_indices_choose_the_maps(filled):
    every = filled(TimmNetwork, "mobilenetv1_100").eval()
    some = filled(TimmNetwork, "mobilenetv1_100", out_indices=(1, 3)).eval()
    image = torch.rand(1, 3, 65, 97)
    maps = every(image)
    for got, expected in zip(some(image), (maps[1], maps[3]), strict=True):
        torch.testing.assert_close(got, expected)
    assert some.out_channels == (128, 256, 512, 1024)


def test_init_draws_by_rule_and_a_file_wins(tmp_path, filled):
    torch.manual_seed(0)
    network = TimmNetwork("mobilenetv1_100", init="xavier")
    network.init_weights()
    weight = network.get_parameter("network.blocks.4.1.conv_pw.weight")  # 1024 x 1024 x 1 x 1
    bound = (6 / 2048) ** 0.5
    assert 0.99 * bound < weight.abs().max() <= bound
    assert weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.01)  # uniform
    kept = weight.clone()
    network.init_weights()
    assert torch.equal(weight, kept)

    msra = TimmNetwork("mobilenetv1_100", init="msra")
    msra.init_weights()
    weight = msra.get_parameter("network.blocks.4.1.conv_pw.weight")
    assert weight.std().item() == pytest.approx((2 / 1.0625 / 1024) ** 0.5, rel=0.01)
    assert weight.abs().max() > 4 * weight.std()  # normal

    path = tmp_path / "weights.pth"
    torch.save(filled(TimmNetwork, "mobilenetv1_100").state_dict(), path)
    loading = dict(type="Pretrained", checkpoint=str(path))
    network = TimmNetwork("mobilenetv1_100", init="xavier", init_cfg=loading)
    network.init_weights()
    assert torch.equal(
        network.network.conv_stem.weight, torch.load(path)["network.conv_stem.weight"]
    )


def test_without_a_rule_the_librarys_weights_stay():
    network = TimmNetwork("mobilenetv1_100")
    before = {key: value.clone() for key, value in network.state_dict().items()}
    network.init_weights()
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        (dict(name="mobilenetv1_1OO"), r"mobilenetv1_1OO.*timm\.list_models\(\)"),
        (dict(options=dict(strides=8)), "strides"),
        (dict(out_indices=(4,)), r"out of \[0, 1, 2, 3\], got \(4,\)"),
        (dict(out_indices=(1, 0)), "ascending"),
        (dict(frozen_stages=5), r"-1 \(none\) to 4"),
        (dict(init="kaiming"), "kaiming"),
        (dict(norm_cfg=dict(type="GN", num_groups=8)), "type BN or SyncBN"),
        (dict(norm_cfg=dict(type="BN", eps=1e-3)), "eps"),
        (dict(name="vit_tiny_patch16_224"), "not cut after modules"),
        (dict(init="xavier", pretrained=True), "pretrained=True"),
    ],
)
def test_wrong_arguments_are_named(kwargs, match):
    with pytest.raises(ValueError, match=match):
        TimmNetwork(**{"name": "mobilenetv1_100", **kwargs})


def test_a_missing_timm_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ValueError, match="pip install timm"):
        TimmNetwork("mobilenetv1_100")


@pytest.mark.parametrize("scope", ["mmengine", "mmseg", "mmdet"])
def test_name_means_our_class_in_every_scope(scope):
    registry = pytest.importorskip(f"{scope}.registry").MODELS
    with DefaultScope.overwrite_default_scope(scope), on_meta():
        network = MODELS.build(dict(type="TimmNetwork", name="mobilenetv1_100"))
    assert type(network) is backbones.adapter.TimmNetwork
    assert registry is MODELS or "TimmNetwork" not in registry.module_dict  # a child would win
