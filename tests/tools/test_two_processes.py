"""torchrun with two gloo processes on a CPU."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
SEG = ROOT / "configs/segmentation/fcn_d8_tiny.py"


@pytest.mark.skipif(torch.cuda.is_available(), reason="gloo is for machines without a GPU")
def test_two_gloo_processes_train_with_sync_bn_turned_into_bn(world, tmp_path):
    run = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"),
            *(ROOT / "tools/train.py", SEG, "--backbone", "scratch", "--launcher", "pytorch"),
            *("--work-dir", tmp_path, "--data-root", world, "--cfg-options"),
            *("train_cfg.max_epochs=1", "model.backbone.norm_cfg.type=SyncBN"),
        ],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    said = run.stdout + run.stderr
    assert "SyncBN became BN" in said
    assert "x 8 /" in said or "(not scaled" in said  # 4 images on each of 2 processes
    assert json.loads((tmp_path / "metrics.json").read_text())["num_images"] == 4
