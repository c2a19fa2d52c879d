"""A run that met a number that is none keeps the step, and tools/replay.py does it again."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from mmengine.registry import MODELS
from PIL import Image

from bag_of_transfer.classification.preprocessor import ClassificationPreprocessor
from bag_of_transfer.engine.errors import UserError, in_one_line
from bag_of_transfer.engine.loop.lost_step import read_lost_step

ROOT = Path(__file__).resolve().parents[2]
CLS = ROOT / "configs/classification/resnet18-d_tiny.py"
DET = ROOT / "configs/detection/faster-rcnn_fpn_demo.py"
SEG = ROOT / "configs/segmentation/fcn_d8_demo.py"


@MODELS.register_module(force=True)
class LosesWhite(ClassificationPreprocessor):
    """Gives NaN for a white image."""

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        white = data["inputs"].flatten(1).amin(1) == 255
        data = super().forward(data, training)
        data["inputs"][white, 0, 0, 0] = math.nan
        return data


def too_large_after(iteration: int, base: Path, folder: Path, more: str = "") -> Path:
    """Return a config whose rate is far too large after an iteration."""
    path = folder / "config.py"
    steps = f"by_epoch=False, milestones=[{iteration}], gamma=1e35"
    text = f"_base_ = [{str(base)!r}]\nparam_scheduler = [dict(type='MultiStepLR', {steps})]\n"
    path.write_text(text + more)
    return path


def record(folder: Path) -> dict:
    return json.loads((folder / "non_finite.json").read_text())


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_update_that_overflows_at_the_very_end(tool, tmp_path, capfd):
    folder = tmp_path / "run"
    config = too_large_after(11, CLS, tmp_path)
    assert tool("train_cls", config, "--work-dir", folder) == 2
    said = capfd.readouterr().err
    assert said.splitlines()[-1].startswith("error: the weights are no numbers (NaN, ")
    step = record(folder)
    assert (step["epoch"], step["iteration"]) == (2, 12)
    assert step["checkpoint"] == "epoch_1.pth"
    assert len(step["files"]) == len(step["images"]) == 8
    assert step["lr"] > 1e30
    assert not (folder / "metrics.json").exists()
    before = files_of(folder)
    assert tool("replay", folder / "non_finite.json") == 0
    assert files_of(folder) == before
    said = capfd.readouterr().out
    assert all(file in said for file in step["files"])
    assert "begins after epoch_1.pth; steps that are done again before it: 5" in said
    # The loss of the step, to the last digit that is printed.
    assert f"losses: loss {step['losses']['loss']:.6g}" in said
    assert f"first: the update, after which {step['tensor']} holds NaN, infinity" in said


def test_a_pixel_that_is_none_is_found_with_the_image_it_is_of(tool, world, tmp_path, capfd):
    data, folder = tmp_path / "data", tmp_path / "run"
    shutil.copytree(world / "demo/classification", data / "demo/classification")
    white = data / "demo/classification/train/dots/\x1b[31m3.png"
    Image.new("RGB", (64, 64), (255, 255, 255)).save(white)
    config = tmp_path / "config.py"
    config.write_text(
        f"_base_ = [{str(CLS)!r}]\nmodel = dict(data_preprocessor=dict(type='LosesWhite'))\n"
    )
    assert tool("train_cls", config, "--work-dir", folder, "--data-root", data) == 2
    name = in_one_line(str(white))
    said = capfd.readouterr().err.splitlines()[-1]
    assert said.startswith("error: the loss is nan: epoch 1, iteration ")
    step = record(folder)
    assert str(white) in step["files"]
    assert step["losses"]["loss"] == "nan"
    assert step["checkpoint"] is None
    assert tool("replay", folder / "non_finite.json", "--image") == 0
    said = capfd.readouterr().out
    assert "begins from the start: no earlier checkpoint; " in said
    lost = "forward, the output of data_preprocessor (LosesWhite) holds NaN"
    assert f"first: {lost}" in said
    alone = [line for line in said.splitlines() if line.startswith("alone: ")]
    assert [line.endswith(": finite") for line in alone] == [name not in one for one in alone]
    assert f"alone: {name}: {lost}" in alone
    assert len(alone) == 8


ITERATIONS = """
train_cfg = dict(_delete_=True, type="IterBasedTrainLoop", max_iters=6, val_interval=6)
train_dataloader = dict(sampler=dict(type="InfiniteSampler", shuffle=True))
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=2))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("base", "more", "checkpoint"),
    [(DET, "", "epoch_1.pth"), (SEG, "", "epoch_1.pth"), (SEG, ITERATIONS, "iter_2.pth")],
    ids=["det", "seg", "seg by iterations"],
)
def test_the_step_whose_update_lost_the_weights_is_found_from_a_later_one(
    tool, tmp_path, capfd, base, more, checkpoint
):
    folder = tmp_path / "run"
    config = too_large_after(2, base, tmp_path, more)
    assert tool("train", config, "--backbone", "scratch", "--work-dir", folder) == 2
    step = record(folder)
    assert (step["iteration"], step["checkpoint"]) == (4, checkpoint)
    assert len(step["files"]) == len(step["images"]) == 8
    assert tool("replay", folder / "non_finite.json", "--image") == 0
    said = capfd.readouterr().out
    assert f"begins after {checkpoint}; steps that are done again before it: 1" in said
    assert "it began in iteration 3, lr " in said
    assert "first: the update, after which backbone.stem.0.weight holds NaN, infinity" in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"iteration": 0}, "iteration is missing or not valid"),
        ({"config": "../config.py"}, "config is missing or not valid"),
        ({"files": [3]}, "files is missing or not valid"),
        ({"checkpoint": 3}, "checkpoint is missing or not valid"),
    ],
)
def test_a_file_that_is_no_such_record_is_refused(tmp_path, change, said):
    sound = {"why": "", "epoch": 1, "iteration": 2, "files": [], "images": [], "lr": None}
    sound |= {"losses": {}, "tensor": None, "seed": 0, "processes": 1, "checkpoint": None}
    path = tmp_path / "non_finite.json"
    path.write_text(json.dumps(sound | {"config": "c.py"} | change))
    with pytest.raises(UserError, match=said):
        read_lost_step(path)
