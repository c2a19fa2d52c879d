"""Images of one and four channels through training, export, fine-tuning, testing, predicting."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CLS = ROOT / "configs/classification/resnet18-d_tiny.py"
TASKS = {
    "det": ROOT / "configs/detection/faster-rcnn_fpn_tiny.py",
    "seg": ROOT / "configs/segmentation/fcn_d8_tiny.py",
}


def channels(num: int) -> list[str]:
    per_channel = f"[{','.join(['120.5'] * num)}]"
    values = {"backbone.in_channels": num, "data_preprocessor.mean": per_channel}
    values["data_preprocessor.std"] = per_channel
    return ["--cfg-options", *(f"model.{key}={value}" for key, value in values.items())]


@pytest.mark.slow
@pytest.mark.parametrize("num", [1, 4])
def test_the_whole_chain_works_with_other_channels(tool, world, tmp_path, capfd, num):
    work, file = tmp_path / "cls", tmp_path / "backbone.safetensors"
    assert tool("train_cls", CLS, "--work-dir", work, *channels(num)) == 0
    assert tool("test_cls", CLS, work / "last_checkpoint") == 0
    assert tool("export_backbone", work / "last_checkpoint", file) == 0
    assert json.loads(file.with_suffix(".json").read_text())["in_channels"] == num
    picture = world / "demo/detection/JPEGImages/val0.png"
    for task, config in [("cls", CLS), *TASKS.items()]:
        work = tmp_path / task
        if task != "cls":
            assert tool("inspect_backbone", file, "--against", config) == 0
            assert tool("train", config, "--backbone", file, "--work-dir", work) == 0
            assert f"images: {num} channels as stored" in capfd.readouterr().out
            assert tool("test", config, work / "last_checkpoint") == 0
        out = tmp_path / f"pictures-{task}"
        last = work / "last_checkpoint"
        assert tool("predict", config, last, picture, "--out-dir", out) == 0
        assert (out / "predictions.json").is_file()
        exported = ("--images", picture, "--num-images", 1)
        assert tool("export_model", config, last, tmp_path / f"{task}.onnx", *exported) == 0


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_four_channels_train_from_scratch(tool, tmp_path, task):
    run = ("--backbone", "scratch", "--work-dir", tmp_path, "--dry-run")
    assert tool("train", TASKS[task], *run, *channels(4)) == 0
