"""The networks of the benchmarks learn from what they are given, ours and the peers' alike."""

import math
from typing import Any

import pytest
import torch
from mmengine.optim import OptimWrapper

from steps import classifiers, detectors, segmenters

pytestmark = pytest.mark.slow  # they build networks of full size


def losses(returned: Any) -> list[float]:
    """Return what mmengine's step reports."""
    return [value.item() for name, value in returned.items() if "loss" in name]


def part_of(step: Any, kind: type) -> Any:
    """Return the network or the optimizer's wrapper of a step."""
    cells = (cell.cell_contents for cell in step.__closure__)
    return next(found for found in cells if isinstance(found, kind))


def test_every_way_to_pretrain_is_there_and_takes_a_step() -> None:
    makers = classifiers(18, 32, 2, classes=5)
    assert list(makers) == [
        "by hand",
        "timm's resnet18d",
        "timm's resnet18d, channels last",
        "ours",
    ]
    for make in makers.values():
        step = make()
        step()
        step()
    (loss,) = set(losses(step()))
    assert 0 < loss < 20
    assert part_of(step, OptimWrapper).optimizer.defaults["fused"]  # ours, as training sets it


@pytest.mark.parametrize(
    ("makers_of", "config", "peer"),
    [(segmenters, "fcn_r18-d8_slim", "mmseg"), (detectors, "faster-rcnn_fpn_slim", "mmdet")],
)
def test_ours_and_stock_are_networks_of_one_size(makers_of: Any, config: str, peer: str) -> None:
    torch.manual_seed(0)
    makers = makers_of(config, 64, 2)
    assert list(makers) == [peer, "ours"]
    sizes = {}
    for name, make in makers.items():
        step = make()
        network = part_of(step, torch.nn.Module)
        sizes[name] = sum(parameter.numel() for parameter in network.parameters())
        assert all(math.isfinite(loss) for loss in losses(step()))
    assert sizes[peer] == sizes["ours"]
