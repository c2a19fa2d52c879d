import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from safetensors.torch import load_file, save_file

from backbones import ResNetD, TimmNetwork

ROOT = Path(__file__).resolve().parents[2]
FPN = ROOT / "configs/detection/faster-rcnn_fpn_demo.py"
C4 = ROOT / "configs/detection/faster-rcnn_c4_paper_voc.py"
FCN = ROOT / "configs/segmentation/fcn_d8_demo.py"
Tool = Callable[..., int]


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """What train_cls.py leaves of a ResNet-18-D, 8 channels wide."""
    network = ResNetD(18, stem_channels=8, base_channels=8)
    state = {f"backbone.{name}": tensor for name, tensor in network.state_dict().items()}
    model = {
        "backbone": {"type": "ResNetD", "depth": 18, "stem_channels": 8, "base_channels": 8},
        "data_preprocessor": {
            "type": "ClassificationPreprocessor",
            "mean": [123.68, 116.779, 103.939],
            "std": [58.393, 57.12, 57.375],
        },
    }
    meta = {"epoch": 3, "iter": 9, "seed": 0, "dataset": "ImageFolder x"}
    meta["model_json"] = json.dumps(model)
    path = tmp_path / "run" / "epoch_3.pth"
    path.parent.mkdir()
    torch.save({"meta": meta, "state_dict": state}, path)
    (path.parent / "last_checkpoint").write_text(str(path))
    line = {"epoch": 3, "iter": 9, "lr": 0.1, "loss": 1.0, "top1": 61.25}
    (path.parent / "curve.jsonl").write_text(json.dumps(line))
    tricks = {"mixup": {"on": False}, "zero_gamma": {"on": True, "value": 1, "evidence": "x"}}
    (path.parent / "tricks.json").write_text(json.dumps(tricks))
    return path


def export(tool: Tool, checkpoint: Path, *flags: str) -> Path:
    out = checkpoint.parent / "b.safetensors"
    assert tool("export_backbone", checkpoint, out, *flags) == 0
    return out


def error_line(capsys: pytest.CaptureFixture) -> str:
    """Leave out what mmengine says when one process goes from mmdet to mmseg and back."""
    return capsys.readouterr().err.splitlines()[-1]


def test_export_writes_file_and_card_and_says_so(
    tool: Tool, checkpoint: Path, capsys: pytest.CaptureFixture
) -> None:
    out = export(tool, checkpoint)
    said = capsys.readouterr().out
    assert "ResNetD-18: 110 tensors to " in said  # 3 + 16 + 3 convolutions, five each
    assert "top1 61.25" in said
    assert len(load_file(out)) == json.loads(out.with_suffix(".json").read_text())["num_tensors"]


def test_export_takes_the_pointer_of_a_work_dir(tool: Tool, checkpoint: Path) -> None:
    out = export(tool, checkpoint.parent / "last_checkpoint")
    card = json.loads(out.with_suffix(".json").read_text())
    assert card["source"].startswith("run/epoch_3.pth sha256 ")
    assert card["metrics"] == {"top1": 61.25}


def test_exporting_twice_is_refused_with_exit_code_3(
    tool: Tool, checkpoint: Path, capsys: pytest.CaptureFixture
) -> None:
    out = export(tool, checkpoint)
    assert tool("export_backbone", checkpoint, out) == 3
    assert capsys.readouterr().err.startswith("error: the file exists: ")
    export(tool, checkpoint, "--force")


@pytest.mark.parametrize("flags", [["--ema"], []])
def test_a_bad_checkpoint_is_exit_code_2(
    tool: Tool, checkpoint: Path, flags: list[str], capsys: pytest.CaptureFixture
) -> None:
    if not flags:
        checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    assert tool("export_backbone", checkpoint, checkpoint.parent / "b.safetensors", *flags) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert not list(checkpoint.parent.glob("b.*"))


def test_inspect_shows_the_card_and_a_table_of_tensors(
    tool: Tool, checkpoint: Path, capsys: pytest.CaptureFixture
) -> None:
    path = export(tool, checkpoint)
    capsys.readouterr()
    assert tool("inspect_backbone", path) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["type", "ResNetD"] in lines
    assert ["tricks", "zero_gamma"] in lines
    counts = {line[0]: int(line[1]) for line in lines if line and line[0].startswith("layer")}
    # two blocks of two convolutions, and a shortcut from stage 2 on; five tensors each
    assert counts == {"layer1": 20, "layer2": 25, "layer3": 25, "layer4": 25}
    values = sum(tensor.numel() for tensor in load_file(path).values())
    assert ["all", "110", f"{values:,}"] in lines


@pytest.mark.parametrize("config", [FPN, C4, FCN], ids=lambda path: path.stem)
def test_a_file_that_fits_is_counted(
    tool: Tool, checkpoint: Path, config: Path, capsys: pytest.CaptureFixture
) -> None:
    path = export(tool, checkpoint)
    assert tool("inspect_backbone", path, "--against", config) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert "110 of 110 tensors" in last
    assert ("shared head" in last) == (config == C4)


def test_a_file_of_another_depth_than_the_user_states_is_exit_code_2(
    tool: Tool, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    leaf = tmp_path / "leaf.py"
    leaf.write_text(f"_base_ = [{str(FPN)!r}]\nmodel = dict(backbone=dict(depth=50))\n")
    assert tool("inspect_backbone", export(tool, checkpoint), "--against", leaf) == 2
    error = error_line(capsys)
    assert error.startswith("error: the config sets 50, but the backbone's card needs 18")
    assert "model.backbone.depth" in error


def test_a_file_without_a_card_is_compared_with_the_config_as_it_is(
    tool: Tool, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    # the demo's network, named as timm does
    network = ResNetD(18, stem_channels=32, base_channels=32)
    theirs = {
        name.replace("stem.7", "bn1").replace("stem.", "conv1."): tensor
        for name, tensor in network.state_dict().items()
    }
    save_file(theirs, tmp_path / "timm.safetensors")
    assert tool("inspect_backbone", tmp_path / "timm.safetensors", "--against", FPN) == 2
    error = error_line(capsys)
    assert error.startswith("error: 15 of 110 tensors do not fit (15 missing, first ")
    assert "the layout is timm's" in error


def test_a_checkpoint_in_place_of_a_backbone_file_is_exit_code_2(
    tool: Tool, checkpoint: Path, capsys: pytest.CaptureFixture
) -> None:
    for flags in ([], ["--against", FPN]):
        assert tool("inspect_backbone", checkpoint, *flags) == 2
        error = capsys.readouterr().err
        assert "weights are under 'state_dict'" in error
        assert "tools/export_backbone.py CKPT OUT.safetensors" in error
        # the demo's network is of the same depth and four times as wide
        assert ("another stem_channels and base_channels" in error) == bool(flags)


@pytest.mark.parametrize("name", ["export_backbone", "inspect_backbone"])
def test_help_ends_in_an_example(name: str, tool: Tool, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as caught:
        tool(name, "-h")
    assert caught.value.code == 0
    assert f"example:\n  python tools/{name}.py " in capsys.readouterr().out


def test_debug_lets_the_traceback_through(tool: Tool, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="no such"):
        tool("export_backbone", tmp_path / "a.pth", tmp_path / "b.safetensors", "--debug")


def test_the_hand_over_prints_a_config_that_can_be_read_again(tool: Tool, checkpoint: Path) -> None:
    from bag_of_transfer.transfer.config.apply import apply_backbone

    cfg: Any = Config.fromfile(FPN)
    apply_backbone(cfg, export(tool, checkpoint), set())
    again = Config.fromstring(cfg.pretty_text, file_format=".py")
    assert again.backbone_file.changed == cfg.backbone_file.changed
    assert again.model.to_dict() == cfg.model.to_dict()


# ---- networks of timm ----


@pytest.fixture
def mobilenet(tmp_path: Path) -> Path:
    """What train_cls.py leaves of MobileNet, as configs/classification/mobilenet_*.py state it."""
    base = ROOT / "configs/classification/_base_/models/mobilenet.py"
    model: Any = Config.fromfile(base, import_custom_modules=False).model.to_dict()
    kwargs = {key: value for key, value in model["backbone"].items() if key != "type"}
    state = TimmNetwork(**kwargs).state_dict()
    path = tmp_path / "run" / "epoch_1.pth"
    path.parent.mkdir()
    meta = {"epoch": 1, "seed": 0, "dataset": "x", "model_json": json.dumps(model)}
    tensors = {f"backbone.{name}": tensor for name, tensor in state.items()}
    torch.save({"meta": meta, "state_dict": tensors}, path)
    return path


def test_a_network_of_timm_is_exported_and_shown(
    tool: Tool, mobilenet: Path, capsys: pytest.CaptureFixture
) -> None:
    path = export(tool, mobilenet)
    # 13 blocks of two convolutions and the first one; five tensors each
    assert "TimmNetwork mobilenetv1_100: 135 tensors to " in capsys.readouterr().out
    assert tool("inspect_backbone", path) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["type", "TimmNetwork"] in lines
    assert ["variant", "mobilenetv1_100"] in lines
    assert ["options", "{'act_layer':", "'relu'}"] in lines
    assert not [line for line in lines if line and line[0] in ("depth", "base_channels")]
    counts = {line[0]: line[1] for line in lines if line and line[0].startswith(("blocks", "conv"))}
    # timm's stages of 1, 2, 2, 6 and 2 blocks
    assert counts == {
        "conv_stem": "1",
        **{f"blocks.{i}": str(10 * number) for i, number in enumerate((1, 2, 2, 6, 2))},
    }


@pytest.mark.parametrize("config", [FPN, FCN], ids=lambda path: path.stem)
def test_a_network_of_timm_fits_a_pyramid_and_a_segmenter(
    tool: Tool, mobilenet: Path, config: Path, capsys: pytest.CaptureFixture
) -> None:
    assert tool("inspect_backbone", export(tool, mobilenet), "--against", config) == 0
    said = capsys.readouterr().out
    assert "135 of 135 tensors" in said.splitlines()[-1]
    assert ("'output_stride': 8" in said) == (config == FCN)


def test_a_network_of_timm_does_not_fit_c4(
    tool: Tool, mobilenet: Path, capsys: pytest.CaptureFixture
) -> None:
    assert tool("inspect_backbone", export(tool, mobilenet), "--against", C4) == 2
    assert error_line(capsys).startswith("error: a network of timm cannot be cut in two")


@pytest.mark.parametrize(
    ("task", "metric"),
    [
        pytest.param("detection/faster-rcnn_fpn", "mAP_voc07", marks=pytest.mark.slow),
        pytest.param("segmentation/fcn_d8", "mIoU", marks=pytest.mark.slow),
    ],
)
def test_train_takes_a_network_of_timm(
    tool: Tool, mobilenet: Path, tmp_path: Path, task: str, metric: str
) -> None:
    path = export(tool, mobilenet)
    config, work_dir = ROOT / f"configs/{task}_tiny.py", tmp_path / "w"
    flags = ("--backbone", path, "--work-dir", work_dir, "--amp", "off")
    few = ("--cfg-options", "train_dataloader.dataset.indices=4")
    assert tool("train", config, *flags, *few) == 0
    record = json.loads((work_dir / "metrics.json").read_text())
    assert record["backbone_sha256"] == json.loads(path.with_suffix(".json").read_text())["sha256"]
    assert 0 <= record["metrics"][metric] <= 100
    assert tool("test", config, work_dir / "last_checkpoint", "--out", tmp_path / "F.json") == 0
    again = json.loads((tmp_path / "F.json").read_text())
    assert again["metrics"].keys() == record["metrics"].keys()


def test_the_card_instead_of_the_file_is_told_with_the_file(
    tool: Tool, checkpoint: Path, capsys: pytest.CaptureFixture
) -> None:
    card = export(tool, checkpoint).with_suffix(".json")
    assert tool("inspect_backbone", card) == 2
    said = error_line(capsys)
    assert said.startswith("error: this is the card, not the backbone file: ")
    assert said.endswith(f": give {card.with_suffix('.safetensors')}")


@pytest.mark.parametrize("name", ["README.md", "metrics.json"])
def test_another_text_is_no_checkpoint_in_plain_words(
    tool: Tool, tmp_path: Path, name: str, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / name).write_text('{"schema": 1}')
    assert tool("inspect_backbone", tmp_path / name) == 2
    said = error_line(capsys)
    assert said.startswith("error: a text file, not a checkpoint: ")
    assert "Unpickling" not in said
