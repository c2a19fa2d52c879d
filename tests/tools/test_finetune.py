"""Fine-tuning and evaluation through the tools, from a backbone file and from scratch."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import mmdet
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import HOOKS
from PIL import Image
from safetensors.torch import load_file

ROOT = Path(__file__).resolve().parents[2]
DET = ROOT / "configs/detection/faster-rcnn_fpn_tiny.py"
SEG = ROOT / "configs/segmentation/fcn_d8_tiny.py"


def result(path: Path) -> dict:
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def backbone(pretrained):
    return pretrained / "backbone.safetensors"


FREEZE = ("--cfg-options", "model.backbone.frozen_stages=1")


@pytest.fixture(scope="module")
def detector(tool, backbone, world, tmp_path_factory):
    """Return the work dir of a detector."""
    folder = tmp_path_factory.mktemp("detector")
    flags = ("--backbone", backbone, "--work-dir", folder, "--data-root", world)
    assert tool("train", DET, *flags, *FREEZE) == 0
    return folder


def test_a_detector_starts_from_the_file_and_is_judged(tool, backbone, detector, tmp_path):
    (log,) = detector.rglob("*.log")
    num_tensors = len([key for key in load_file(backbone) if "num_batches" not in key])
    assert f"{num_tensors} of {num_tensors} tensors" in log.read_text()
    trained = result(detector / "metrics.json")
    assert trained["task"] == "det"
    assert trained["split"] == "val"
    assert set(trained["metrics"]) == {"mAP_voc07", "mAP_area"}
    card = result(backbone.with_suffix(".json"))
    assert trained["backbone_sha256"] == card["sha256"]

    # stem and layer1 stand still through training, layer4 moves
    moved = torch.load(detector / "epoch_2.pth", weights_only=True)["state_dict"]
    given = load_file(backbone)
    for key, stands in (("stem.0", True), ("layer1.0.conv1", True), ("layer4.0.conv1", False)):
        same = torch.equal(moved[f"backbone.{key}.weight"], given[f"{key}.weight"])
        assert same == stands, key

    last, out = detector / "last_checkpoint", tmp_path / "test.json"
    dump = tmp_path / "predictions.json"
    assert tool("test", DET, last, "--out", out, "--dump-predictions", dump) == 0
    tested = result(out)
    assert tested["split"] == "test"
    assert tested["num_images"] == 8
    assert tested["backbone_sha256"] == card["sha256"]
    rows = json.loads(dump.read_text())
    assert isinstance(rows, list)
    for row in rows:
        assert {"image_id", "category_id", "bbox", "score"} <= row.keys()


def hooks_of(cfg: Config) -> list[type]:
    stated = [*cfg.default_hooks.values(), *cfg.custom_hooks]
    return [HOOKS.get(hook.type) for hook in stated]


def test_the_resolved_config_imports_the_hooks_that_it_names(detector):
    cfg = Config.fromfile(detector / "resolved_config.py", import_custom_modules=False)
    modules = {kind.__module__ for kind in hooks_of(cfg)}
    ours = {name for name in modules if not name.startswith("mmengine.")}
    assert len(ours) > 5
    assert ours <= set(cfg.custom_imports.imports)


@pytest.mark.slow
def test_mmdets_own_tool_trains_from_the_resolved_config(detector, tmp_path):
    program = Path(mmdet.__file__).with_name(".mim") / "tools/train.py"
    argv = [program, detector / "resolved_config.py", "--work-dir", tmp_path / "theirs"]
    subprocess.run([sys.executable, *argv], check=True)
    theirs = result(tmp_path / "theirs/metrics.json")
    assert theirs["num_images"] == 8
    assert theirs["backbone_sha256"] == result(detector / "metrics.json")["backbone_sha256"]


def test_a_segmenter_starts_from_the_file_and_is_judged(tool, backbone, tmp_path):
    assert tool("train", SEG, "--backbone", backbone, "--work-dir", tmp_path) == 0
    trained = result(tmp_path / "metrics.json")
    assert trained["task"] == "seg"
    assert set(trained["metrics"]) == {"pixAcc", "mIoU", "mAcc"}
    last, out, dump = tmp_path / "last_checkpoint", tmp_path / "test.json", tmp_path / "masks"
    assert tool("test", SEG, last, "--out", out, "--dump-predictions", dump) == 0
    masks = [np.asarray(Image.open(path)) for path in sorted(dump.glob("*.png"))]
    assert len(masks) == result(out)["num_images"]
    assert max(mask.max() for mask in masks) <= 3

    # What a checkpoint of before knew: nothing of the file.
    old = torch.load(tmp_path / "epoch_2.pth", weights_only=True)
    assert old["meta"].pop("backbone_sha256") == result(backbone.with_suffix(".json"))["sha256"]
    torch.save(old, tmp_path / "old.pth")
    assert tool("test", SEG, tmp_path / "old.pth", "--out", tmp_path / "old.json") == 0
    assert result(tmp_path / "old.json")["backbone_sha256"] is None


def test_scratch_thaws_what_the_config_freezes_and_says_so(tool, tmp_path, capfd):
    assert tool("train", DET, "--backbone", "scratch", "--work-dir", tmp_path, "--dry-run") == 0
    output = "".join(capfd.readouterr())
    for part in ("nothing frozen, BN trained", "frozen: none", "nothing was trained"):
        assert part in output


def test_a_start_must_be_asked_for(tool, tmp_path, capsys):
    assert tool("train", DET, "--work-dir", tmp_path) == 2
    assert "scratch" in capsys.readouterr().err.splitlines()[0]


def test_a_width_set_by_hand_that_disagrees_with_the_card_is_an_error(
    tool, backbone, tmp_path, capsys
):
    flags = ("--cfg-options", "model.backbone.depth=50")
    assert tool("train", DET, "--backbone", backbone, "--work-dir", tmp_path, *flags) == 2
    assert "depth" in capsys.readouterr().err.splitlines()[0]
    assert not list(tmp_path.rglob("*.pth"))


def test_resuming_a_detector_gives_what_an_uninterrupted_run_gives(
    tool, backbone, detector, tmp_path
):
    whole, cut = detector, tmp_path / "cut"
    shutil.copytree(whole, cut)
    (cut / "epoch_2.pth").unlink()
    (cut / "last_checkpoint").write_text(str(cut / "epoch_1.pth"))
    flags = ("--backbone", backbone, "--work-dir", cut, "--resume")
    assert tool("train", DET, *flags, *FREEZE) == 0
    ours = torch.load(cut / "epoch_2.pth", weights_only=True)["state_dict"]
    theirs = torch.load(whole / "epoch_2.pth", weights_only=True)["state_dict"]
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_a_schedule_that_begins_after_the_end_is_told_in_one_line(tool, tmp_path, capsys):
    late = ("--cfg-options", "param_scheduler.1.begin=3")  # of two epochs
    code = tool("train", DET, "--backbone", "scratch", "--work-dir", tmp_path, *late)
    assert code == 2
    assert "param_scheduler: train longer" in capsys.readouterr().err


def test_a_classifier_config_is_sent_to_its_own_tool(tool, tmp_path, capsys):
    config = ROOT / "configs/classification/resnet18-d_tiny.py"
    assert tool("train", config, "--backbone", "scratch", "--work-dir", tmp_path) == 2
    assert "train_cls.py" in capsys.readouterr().err


def test_a_checkpoint_of_another_task_is_refused(tool, pretrained, tmp_path, capsys):
    last = pretrained / "last_checkpoint"
    assert tool("test", DET, last) == 2
    output = capsys.readouterr().err.splitlines()[0]
    assert "model is ImageClassifier, the config's FasterRCNN" in output


def test_resuming_from_another_network_is_refused(tool, pretrained, tmp_path, capsys):
    config = ROOT / "configs/classification/resnet18-d_tiny.py"
    deeper = ("--cfg-options", "model.backbone.depth=34", "--work-dir", tmp_path / "run")
    assert tool("train_cls", config, "--resume", pretrained / "last_checkpoint", *deeper) == 3
    output = capsys.readouterr().err.splitlines()[0]
    assert "model.backbone.depth was 18, now 34" in output
    assert not (tmp_path / "run").exists()
