"""The paper's FCN against GluonCV's in plain torch: dropout, corners, first weights.

Letters: B batch, C channels, H W pixels, K classes.
"""

from pathlib import Path

import mmseg.models  # noqa: F401
import numpy as np
import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import MODELS, DefaultScope
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.segmentation.fcn import FCNHead as TorchvisionHead

from bag_of_transfer.engine.run.launch import replace_sync_bn
from bag_of_transfer.segmentation.heads import GluonFCNHead

LEAF = Path(__file__).resolve().parents[2] / "configs/segmentation/fcn_d8_paper_ade20k.py"
NUM_CLASSES = 5


class GluonRendering(nn.Module):
    """gluoncv/model_zoo/fcn.py, _FCNHead, in plain torch; its BN has MXNet's eps and momentum."""

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        inner = in_channels // 4
        self.conv = nn.Conv2d(in_channels, inner, kernel_size=3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(inner, eps=1e-5, momentum=1 - 0.9)
        self.classify = nn.Conv2d(inner, num_classes, kernel_size=1)

    def forward(self, maps: Tensor) -> Tensor:
        values = self.norm(self.conv(maps)).relu()
        if self.training:  # every value on its own: kept by 0.9, and divided by it
            values = values * torch.empty_like(values).bernoulli_(0.9) / 0.9
        return self.classify(values)


def fill(module: nn.Module) -> None:
    """Give each tensor its own values: fresh norms look alike."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for tensor in module.state_dict().values():
            if tensor.is_floating_point():
                noise = torch.rand(tensor.shape, generator=generator)
                tensor.copy_(noise + 0.5 if tensor.ndim == 1 else (noise - 0.5) * 0.1)


def corner_aligned(maps: Tensor, height: int, width: int) -> Tensor:
    """MXNet's BilinearResize2D by NumPy: pixel i of n reads at i (m - 1) / (n - 1) of m."""
    out = maps.numpy()
    for axis, size in ((2, height), (3, width)):
        old = np.arange(out.shape[axis])
        at = np.linspace(0, old[-1], size)
        out = np.apply_along_axis(lambda line: np.interp(at, old, line), axis, out)  # noqa: B023
    return torch.from_numpy(out).float()


@pytest.fixture(scope="module")
def model_cfg() -> ConfigDict:
    """Return the paper's model with few channels and classes."""
    with DefaultScope.overwrite_default_scope("mmseg"):
        cfg = Config.fromfile(LEAF)
    replace_sync_bn(cfg)
    cfg.model.backbone.update(depth=18, stem_channels=8, base_channels=8)
    cfg.model.decode_head.update(in_channels=64, channels=16, num_classes=NUM_CLASSES)
    cfg.model.auxiliary_head.update(in_channels=32, channels=8, num_classes=NUM_CLASSES)
    return cfg.model


def build(cfg: ConfigDict) -> nn.Module:
    with DefaultScope.overwrite_default_scope("mmseg"):
        return MODELS.build(cfg)


@pytest.fixture
def model(model_cfg: ConfigDict) -> nn.Module:
    segmentor = build(model_cfg)
    fill(segmentor)
    return segmentor.eval()


@pytest.mark.parametrize("theirs", [GluonRendering, TorchvisionHead])
@pytest.mark.parametrize("mode", ["eval", "train"])
def test_a_head_computes_what_gluoncvs_does(model: nn.Module, theirs: type, mode: str) -> None:
    ours, other = model.decode_head, theirs(64, NUM_CLASSES)
    assert isinstance(ours, GluonFCNHead)
    # The same layers under other names, the 1x1 first in mmseg.
    state = ours.state_dict()
    values = [state[key] for key in sorted(state, key=lambda key: key.startswith("conv_seg"))]
    other.load_state_dict(dict(zip(other.state_dict(), values, strict=True)))
    maps = [None, None, None, torch.rand(2, 64, 65, 97) - 0.3]
    ours.train(mode == "train")
    other.train(mode == "train")
    torch.manual_seed(1)
    result = ours(maps)
    torch.manual_seed(1)
    torch.testing.assert_close(result, other(maps[3]))
    assert result.std() > 0.1  # not two dead networks


def test_dropout_zeroes_a_tenth_of_the_values_and_hardly_ever_a_channel(model: nn.Module) -> None:
    for head in (model.decode_head, model.auxiliary_head):
        dropped = head.dropout.train()(torch.ones(4, 50, 33, 49)) == 0
        assert dropped.float().mean() == pytest.approx(0.1, abs=0.005)
        per_channel = dropped.float().mean(dim=(2, 3))
        assert (per_channel.min(), per_channel.max()) == pytest.approx((0.1, 0.1), abs=0.05)


def test_heads_without_dropout_have_none(model_cfg: ConfigDict) -> None:
    assert build(ConfigDict(model_cfg.decode_head, dropout_ratio=0)).dropout is None


def test_heads_start_as_mxnets_default_draws_them(model_cfg: ConfigDict) -> None:
    for cfg in (model_cfg.decode_head, model_cfg.auxiliary_head):
        head = build(cfg)
        head.init_weights()
        convs = [part for part in head.modules() if isinstance(part, nn.Conv2d)]
        assert len(convs) == 2
        assert not head.conv_seg.bias.any()
        for conv in convs:
            assert conv.weight.abs().max() <= 0.07
        wide = max((conv.weight.detach() for conv in convs), key=Tensor.numel)
        assert wide.std().item() == pytest.approx(0.07 / 3**0.5, rel=0.05)
        (norm,) = (part for part in head.modules() if isinstance(part, nn.BatchNorm2d))
        assert (norm.weight == 1).all()
        assert not norm.bias.any()


def sample(labels: Tensor, **sizes: tuple[int, int]) -> SegDataSample:
    metainfo = dict(ori_shape=tuple(labels.shape), img_shape=tuple(labels.shape)) | sizes
    return SegDataSample(gt_sem_seg=PixelData(data=labels[None]), metainfo=metainfo)


def test_the_loss_sees_corner_aligned_logits_of_both_heads(model: nn.Module) -> None:
    image = torch.rand(1, 3, 65, 97)
    labels = torch.randint(0, NUM_CLASSES, (65, 97))
    labels[:20] = 255
    losses = model.loss(image, [sample(labels)])
    with torch.no_grad():
        maps = model.extract_feat(image)
        logits = model.decode_head(maps), model.auxiliary_head(maps)
    # GluonCV's own sum: cross entropy over labelled pixels, half of it for the auxiliary head.
    expected = [
        F.cross_entropy(corner_aligned(one, 65, 97), labels[None], ignore_index=255)
        for one in logits
    ]
    torch.testing.assert_close(losses["decode.loss_ce"], expected[0])
    torch.testing.assert_close(losses["aux.loss_ce"], 0.5 * expected[1])


def test_a_prediction_is_corner_aligned_to_the_network_and_to_the_file(model: nn.Module) -> None:
    image = torch.rand(1, 3, 65, 97)
    shown = sample(torch.zeros(101, 151), img_shape=(65, 97))
    with torch.no_grad():
        result = model.predict(image, [shown])[0].seg_logits.data
        logits = model.decode_head(model.extract_feat(image))
    expected = corner_aligned(corner_aligned(logits, 65, 97), 101, 151)
    torch.testing.assert_close(result, expected[0], atol=1e-5, rtol=1e-4)


def test_windows_are_corner_aligned_each(model: nn.Module) -> None:
    model.test_cfg = ConfigDict(mode="slide", crop_size=(48, 48), stride=(32, 32))
    image = torch.rand(1, 3, 48, 80)  # two windows, 16 pixels in both
    with torch.no_grad():
        result = model.predict(image, [sample(torch.zeros(48, 80))])[0].seg_logits.data
        left, right = (
            corner_aligned(model.decode_head(model.extract_feat(image[..., at : at + 48])), 48, 48)
            for at in (0, 32)
        )
    expected = torch.cat(
        [left[..., :32], (left[..., 32:] + right[..., :16]) / 2, right[..., 16:]], dim=3
    )
    torch.testing.assert_close(result, expected[0], atol=1e-5, rtol=1e-4)
