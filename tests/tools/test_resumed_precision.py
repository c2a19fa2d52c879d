"""A run goes on in the precision that it began with, on a machine that would choose another."""

from pathlib import Path

import pytest

from bag_of_transfer.engine.loop import precision

CLS = Path(__file__).resolve().parents[2] / "configs/classification/resnet18-d_tiny.py"


@pytest.mark.parametrize("begun_in", ["bf16", "off"])
def test_a_resumed_run_keeps_its_precision_unless_the_flag_says_another(
    tool, tmp_path, monkeypatch, capfd, begun_in
):
    run = ("train_cls", CLS, "--work-dir", tmp_path)
    assert tool(*run, "--amp", begun_in) == 0
    other = {"bf16": "off", "off": "bf16"}[begun_in]
    monkeypatch.setattr(precision, "_cpu_multiplies_bf16", lambda: other == "bf16")
    capfd.readouterr()
    assert tool(*run, "--resume", "--dry-run") == 0
    assert f"precision: {begun_in} (of the run that is resumed)" in capfd.readouterr().out
    assert tool(*run, "--resume", "--dry-run", "--amp", other) == 3
    assert "optim_wrapper.type was" in capfd.readouterr().err
