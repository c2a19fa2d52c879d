"""Which tricks a fine-tuning run reports, printed at the start and kept in ``tricks.json``."""

import json
from pathlib import Path
from typing import Any

import pytest
from torch import nn

import bag_of_transfer.detection  # noqa: F401  before mmdet: stands in for mmcv's compiled ops
from backbones import TimmNetwork
from bag_of_transfer.audit.network_evidence import model_tweak, zero_gamma

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = {
    "FasterRCNN": ROOT / "configs/detection/faster-rcnn_fpn_tiny.py",
    "EncoderDecoder": ROOT / "configs/segmentation/fcn_d8_tiny.py",
}
JUDGED = ("linear_scaling", "warmup", "zero_gamma", "no_bias_decay", "mixed_precision")
NAMES = (*JUDGED, "lr_decay", "label_smoothing", "distillation", "mixup", "model_tweak")


def tricks_in(folder: Path) -> dict[str, dict[str, Any]]:
    return json.loads((folder / "tricks.json").read_text())


@pytest.mark.parametrize(
    "model", [pytest.param("FasterRCNN", marks=pytest.mark.slow), "EncoderDecoder"]
)
def test_a_dry_run_prints_them_and_leaves_nothing(tool, tmp_path, capfd, model):
    run = tmp_path / "run"
    flags = ("--backbone", "scratch", "--work-dir", run, "--amp", "off", "--dry-run")
    assert tool("train", CONFIGS[model], *flags) == 0
    said = "".join(capfd.readouterr())
    for name in NAMES:
        assert f"  {name} " in said
    assert f"{model} has no teacher" in said
    assert not (run / "tricks.json").exists()


@pytest.mark.parametrize("model", CONFIGS)
def test_a_run_from_a_file_keeps_all_ten(tool, pretrained, tmp_path, model):
    file = pretrained / "backbone.safetensors"
    few = ("--cfg-options", "train_dataloader.dataset.indices=4")  # evidence is of before step 1
    flags = ("--backbone", file, "--work-dir", tmp_path, "--amp", "bf16", *few)
    assert tool("train", CONFIGS[model], *flags) == 0
    found = tricks_in(tmp_path)
    assert tuple(found) == NAMES
    assert found["model_tweak"]["value"] == "D"
    assert found["mixed_precision"]["value"] == "bf16"
    # Pretraining has moved the gammas that its own tricks.json saw at 0.
    assert tricks_in(pretrained)["zero_gamma"]["on"]
    assert found["zero_gamma"]["evidence"] == "0 of 8 last BN gammas are 0 before step 1"
    for name, what in {"label_smoothing": "smooths no labels", "mixup": "mixes no images"}.items():
        assert not found[name]["on"]
        assert found[name]["evidence"] == f"{model} {what}"


@pytest.mark.parametrize(
    ("backbone", "variant", "num_blocks"),
    [
        (dict(type="ResNet", depth=50, base_channels=8), "B", 16),
        (dict(type="ResNet", depth=50, base_channels=8, style="caffe"), "A", 16),
        (dict(type="ResNetV1d", depth=18, base_channels=8), "D", 8),
        (dict(type="ResNet", depth=18, norm_cfg=dict(type="GN", num_groups=4)), "B", 8),
        (dict(type="Res2Net", depth=50, scales=4, base_width=4), None, None),
        (dict(type="ResNeSt", depth=50, base_channels=8), None, None),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else None,
)
def test_mmdets_own_backbones_are_judged_or_said_to_be_others(backbone, variant, num_blocks):
    from mmdet.models import backbones as theirs

    kind = getattr(theirs, backbone.pop("type"))
    model = nn.ModuleDict({"backbone": kind(**backbone)})
    assert model_tweak(model)["value"] == variant
    found = zero_gamma(model)
    if num_blocks is None:
        assert found["evidence"] == f"no residual blocks like a ResNet's in {kind.__name__}"
        return
    assert found["evidence"] == f"0 of {num_blocks} last BN gammas are 0"
    last = "bn3" if hasattr(model.backbone.layer1[0], "conv3") else "norm2"
    for stage in range(1, 5):
        for block in getattr(model.backbone, f"layer{stage}"):
            nn.init.zeros_(getattr(block, last).weight)
    assert zero_gamma(model) == {
        **{"on": True, "value": num_blocks},
        "evidence": f"{num_blocks} of {num_blocks} last BN gammas are 0",
    }


def test_blocks_of_timm_that_are_built_otherwise_are_not_a_resnets():
    model = nn.ModuleDict({"backbone": TimmNetwork("regnetx_002")})
    said = "no residual blocks like a ResNet's in TimmNetwork"
    assert zero_gamma(model)["evidence"] == model_tweak(model)["evidence"] == said
