"""Flags as OpenMMLab's tools have them are refused with what to write here."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DET = ROOT / "configs/detection/faster-rcnn_fpn_tiny.py"


@pytest.mark.parametrize(
    ("flags", "mend"),
    [
        (["--amp"], "write --amp auto, which is the default"),
        (["--amp", "--work-dir", "w"], "write --amp auto, which is the default"),
        (["--auto-scale-lr"], "auto_scale_lr.enable=True"),
        (["--no-validate"], "val_dataloader=None val_cfg=None val_evaluator=None"),
        (["--gpu-ids=0", "1"], "CUDA_VISIBLE_DEVICES"),
        (["--no-such-flag"], "see train.py -h"),
    ],
)
def test_of_training(tool, capsys, monkeypatch, flags, mend) -> None:
    monkeypatch.setattr("sys.argv", ["train.py"])
    with pytest.raises(SystemExit, match="2"):
        tool("train", DET, *flags)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert mend in line


@pytest.mark.parametrize(
    ("flags", "mend"),
    [
        (["--show-dir", "pictures"], "tools/predict.py"),
        (["--show"], "tools/predict.py"),
        (["--eval", "mAP"], "test_evaluator"),
    ],
)
@pytest.mark.parametrize("name", ["test", "test_cls"])
def test_of_tests(tool, capsys, name, flags, mend) -> None:
    with pytest.raises(SystemExit, match="2"):
        tool(name, DET, "last_checkpoint", *flags)
    (line,) = capsys.readouterr().err.splitlines()
    assert mend in line


@pytest.mark.parametrize("name", ["test", "test_cls"])
def test_predictions_are_not_taken_for_metrics(tool, capsys, tmp_path, name) -> None:
    (tmp_path / "c.pth").touch()
    assert tool(name, DET, tmp_path / "c.pth", "--out", "results.pkl") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: --out writes the metrics, as JSON: results.pkl: ")
    assert "--dump-predictions" in line
    assert not Path("results.pkl").exists()
