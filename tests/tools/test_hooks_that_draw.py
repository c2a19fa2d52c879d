"""mmdet's and mmsegmentation's hooks that draw samples draw them over our configs, too."""

from collections.abc import Callable
from pathlib import Path

import pytest

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


@pytest.mark.parametrize(
    ("base", "hook"),
    [
        ("detection/faster-rcnn_fpn_tiny.py", "DetVisualizationHook"),
        ("segmentation/fcn_d8_tiny.py", "SegVisualizationHook"),
    ],
)
def test_a_hook_that_draws_leaves_pictures(
    tool: Callable[..., int], tmp_path: Path, base: str, hook: str
) -> None:
    loader = "dict(batch_size=2, num_workers=0, dataset=dict(indices=2))"
    config = tmp_path / "drawing.py"
    config.write_text(
        f'_base_ = ["{CONFIGS / base}"]\nimage_size = 64\n'
        f"train_dataloader = {loader}\nval_dataloader = {loader}\n"
        "train_cfg = dict(max_epochs=1, val_interval=1)\n"
        f'default_hooks = dict(visualization=dict(type="{hook}", draw=True, interval=1))\n'
    )
    assert tool("train", config, "--backbone", "scratch", "--work-dir", tmp_path / "run") == 0
    assert list((tmp_path / "run").glob("*/vis_data/vis_image/val_*"))
