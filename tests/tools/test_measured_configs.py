"""tools/benchmark.py on the three tasks: rates, advice, nothing left behind."""

import json
from pathlib import Path

import pytest

from bag_of_transfer.engine.loop import precision

ROOT = Path(__file__).resolve().parents[2]
CLS = ROOT / "configs/classification/resnet18-d_tiny.py"
DET = ROOT / "configs/detection/faster-rcnn_fpn_tiny.py"
SEG = ROOT / "configs/segmentation/fcn_d8_tiny.py"


def left_in(folder):
    """Return what is new there; which images could be read is kept between runs on purpose."""
    return [path.name for path in folder.iterdir() if path.name != "work_dirs"] + [
        path.name for path in folder.glob("work_dirs/*") if path.name != ".scans"
    ]


@pytest.mark.parametrize(
    ("task", "config"),
    [
        ("cls", CLS),
        pytest.param("seg", SEG, marks=pytest.mark.slow),
        pytest.param("det", DET, marks=pytest.mark.slow),
    ],
)
def test_it_measures_every_part_and_writes_only_what_was_asked_for(
    tool, tmp_path, capsys, task, config
):
    assert tool("benchmark", config, "--seconds", "0.1", "--json", "found.json") == 0
    assert left_in(tmp_path) == ["found.json"]
    found = json.loads(Path("found.json").read_text())
    assert found["task"] == task
    assert list(found["rates"]) == ["data", "step", "together", "evaluation"]
    assert all(0 < one["low"] <= one["img_per_s"] <= one["high"] for one in found["rates"].values())
    assert found["bound_by"] in ("data", "step", "balanced")
    assert found["run"]["iterations"] > 0
    assert found["run"]["training_s"] > 0
    assert found["run"]["validation_s"] > 0
    told = capsys.readouterr().out
    assert "measuring | 1/5 | steps alone" in told
    assert "peak memory: " in told
    assert "--cfg-options compile=True: unmeasured" in told
    layouts = [one["set"] for one in found["switches"] if "channels_last" in one["set"]]
    assert layouts == [f"--cfg-options channels_last={not found['channels_last']}"]


def test_another_precision_is_tried(tool, monkeypatch, capsys):
    monkeypatch.setattr(precision, "_cpu_multiplies_bf16", lambda: True)
    assert tool("benchmark", CLS, "--seconds", "0.1", "--amp", "off", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    (tried,) = [one for one in found["switches"] if one["set"] == "--amp bf16"]
    assert 0 < tried["low"] <= tried["ratio"] <= tried["high"]


def test_a_config_without_validation_is_measured_and_json_is_all_that_is_printed(tool, capsys):
    none = ("val_dataloader=None", "val_cfg=None", "val_evaluator=None")
    assert tool("benchmark", CLS, "--json", "--seconds", "0.1", "--cfg-options", *none) == 0
    found = json.loads(capsys.readouterr().out)
    assert "evaluation" not in found["rates"]
    assert found["run"]["validation_s"] == found["run"]["val_images"] == 0


@pytest.mark.parametrize(
    ("config", "flags", "said"),
    [
        (CLS, ["--data-root", "nowhere"], "nowhere"),
        (CLS, ["--cfg-options", "train_dataloader.batch_size=64"], "48 training images"),
        (
            CLS,
            ["--seconds", "0.1", "--cfg-options", "model.head.in_channels=7"],
            "model.head.fc (Linear): make its",
        ),
        (CLS, ["--backbone", "scratch"], "a classifier starts from no backbone file"),
        (CLS, ["--seconds", "0"], "0 is not a time: --seconds: "),
        (CLS, ["--seconds", "inf"], "inf is not a time: --seconds: "),
        (DET, ["--backbone", "nowhere.safetensors"], "nowhere.safetensors"),
        ("nowhere.py", [], "no such config: nowhere.py"),
        ("pose.py", [], "is 'mmpose', this tool takes 'mmengine' or 'mmdet' or 'mmseg': pose.py"),
    ],
)
def test_a_mistake_is_told_as_by_the_training_tools(tool, tmp_path, capsys, config, flags, said):
    Path("pose.py").write_text("default_scope = 'mmpose'")
    assert tool("benchmark", config, *flags) == 2
    first = capsys.readouterr().err.splitlines()[0]
    assert first.startswith("error: ")
    assert said in first
    assert left_in(tmp_path) == ["pose.py"]
