"""What a run may start from: a file that fits, or a clear refusal before mmengine loads in part."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.run.training import _check_start


class Network(nn.Module):
    def __init__(self, width: int, num_classes: int, depth: int = 1) -> None:
        super().__init__()
        self.backbone = nn.Sequential(*(nn.Linear(width, width) for _ in range(depth)))
        self.head = nn.Linear(width, num_classes)


def start(tmp_path: Path, given: nn.Module, whole: bool = False) -> list[str]:
    torch.save({"state_dict": given.state_dict(), "meta": {}}, tmp_path / "given.pth")
    runner = SimpleNamespace(model=Network(4, 3))
    return _check_start(runner, str(tmp_path / "given.pth"), whole)


def test_a_head_for_other_classes_begins_anew_and_is_named(tmp_path: Path) -> None:
    (line,) = start(tmp_path, Network(4, 80))
    assert line.endswith("the whole backbone fits, 2 other tensors start anew, first head.bias")


@pytest.mark.parametrize("given", [Network(5, 3), Network(4, 3, depth=2)])
def test_another_backbone_is_refused(tmp_path: Path, given: nn.Module) -> None:
    with pytest.raises(UserError, match=r"of 2 tensors do not fit, first [01]\..*given\.pth"):
        start(tmp_path, given)


def test_resuming_wants_every_tensor(tmp_path: Path) -> None:
    assert start(tmp_path, Network(4, 3), whole=True) == []
    with pytest.raises(UserError, match=r"2 of 4 tensors do not fit, first head\.bias"):
        start(tmp_path, Network(4, 80), whole=True)
