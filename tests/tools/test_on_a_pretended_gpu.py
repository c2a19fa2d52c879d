"""What runs on a GPU puts all tensors there, and waits for it only where somebody reads a number.

The GPU is pretended, see tests/pretended_gpu.py: kernels, streams and NCCL are not tried.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from bag_of_transfer.engine.loop import loops
from bag_of_transfer.engine.run_files import follow_pointer, read_metrics
from tests.pretended_gpu import Waits, pretended_gpu

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
TINY = {
    "cls": CONFIGS / "classification/resnet18-d_tiny.py",
    "det": CONFIGS / "detection/faster-rcnn_fpn_tiny.py",
    "seg": CONFIGS / "segmentation/fcn_d8_tiny.py",
}
OURS = ("/bag_of_transfer/", "/backbones/")
FLAGS = ["train_cfg.max_epochs=1", "train_dataloader.batch_size=4"]

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")


def waits_of_steps(monkeypatch: pytest.MonkeyPatch, waits: Waits) -> list[str]:
    """Return a list to which each training step adds where it has waited for the device."""
    found: list[str] = []
    step = loops.train_step

    def watched(*args: Any) -> Any:
        before = len(waits.places)
        logged = step(*args)
        found.extend(waits.places[before:])
        return logged

    monkeypatch.setattr(loops, "train_step", watched)
    return found


@pytest.mark.parametrize(
    ("task", "amp"),
    [("cls", "bf16"), ("seg", "fp16"), pytest.param("det", "bf16", marks=pytest.mark.slow)],
)
def test_a_run_trains_saves_and_is_tested_on_a_gpu(
    tool: Callable[..., int], task: str, amp: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, kind = TINY[task], "_cls" if task == "cls" else ""
    flags = ["--amp", amp, *(["--backbone", "scratch"] if not kind else [])]
    with pretended_gpu() as waits:
        waited = waits_of_steps(monkeypatch, waits)
        assert tool(f"train{kind}", config, *flags, "--work-dir", "w", "--cfg-options", *FLAGS) == 0
        assert tool(f"test{kind}", config, "w/last_checkpoint", "--work-dir", "tested") == 0
    record = read_metrics(Path("w"), "")
    assert record["hardware"] == "1 x pretended GPU"
    assert record["peak_memory"] == {"mib": 1.0, "kind": "gpu"}
    assert not [place for place in waited if any(part in place for part in OURS)]
    if task == "cls":
        assert not waited  # mmdet's and mmseg's losses wait
    checkpoint = torch.load(follow_pointer(Path("w/last_checkpoint")), weights_only=True)
    tensors = [*checkpoint["state_dict"].values(), checkpoint["processes"][0]["ExactState"]["cuda"]]
    assert {str(one.device) for one in tensors} == {"cpu"}
