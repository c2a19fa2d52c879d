"""The stand-in for mmcv's compiled operators, against plain loops."""

import importlib.util
import math
import re
import sys
from pathlib import Path
from types import ModuleType

import mmcv
import pytest
import torch
from torch import Tensor
from torch._subclasses import FakeTensorMode

from bag_of_transfer.detection import mmcv_ops
from bag_of_transfer.engine.errors import UserError

if not isinstance(sys.modules["mmcv._ext"], mmcv_ops.StandIn):
    pytest.skip("mmcv has its compiled operators here", allow_module_level=True)

from mmcv.ops import RoIAlign, batched_nms, nms, roi_align, sigmoid_focal_loss, soft_nms
from mmdet.models.losses.focal_loss import py_sigmoid_focal_loss


def random_boxes(count: int, seed: int) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=rng) * 20
    size = torch.rand(count, 2, generator=rng) * 20 + 10
    return torch.cat([corner, corner + size], 1), torch.rand(count, generator=rng)


def iou(a: list[float], b: list[float], offset: int) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0]) + offset
    height = min(a[3], b[3]) - max(a[1], b[1]) + offset
    shared = max(width, 0) * max(height, 0)
    areas = [(c[2] - c[0] + offset) * (c[3] - c[1] + offset) for c in (a, b)]
    return shared / (sum(areas) - shared)


def plain_nms(boxes: Tensor, scores: Tensor, threshold: float, offset: int) -> list[int]:
    kept: list[int] = []
    for i in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        if all(iou(boxes[i].tolist(), boxes[j].tolist(), offset) <= threshold for j in kept):
            kept.append(i)
    return kept


@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.7])
def test_nms_equals_a_plain_loop(threshold: float, offset: int) -> None:
    boxes, scores = random_boxes(60, seed=offset)
    dets, kept = nms(boxes, scores, threshold, offset=offset)
    expected = plain_nms(boxes, scores, threshold, offset)
    assert kept.tolist() == expected
    assert 1 < len(expected) < 60
    torch.testing.assert_close(dets, torch.cat([boxes, scores[:, None]], 1)[expected])


def test_offset_decides_where_boxes_are_small() -> None:
    # Overlap 1 of 2 + 2 - 1: IoU 1/3; with the last pixel inside 2 x 2 of 2 * 6 - 4: 1/2.
    boxes = torch.tensor([[0.0, 0, 2, 1], [1.0, 0, 3, 1]])
    scores = torch.tensor([0.9, 0.8])
    assert len(nms(boxes, scores, 0.4, offset=0)[1]) == 2
    assert len(nms(boxes, scores, 0.4, offset=1)[1]) == 1


def test_nms_keeps_to_its_score_threshold_and_number() -> None:
    boxes, scores = random_boxes(60, seed=3)
    confident = [i for i in range(60) if scores[i] > 0.4]
    among = plain_nms(boxes[confident], scores[confident], 0.5, 0)
    expected = [confident[i] for i in among][:7]
    kept = nms(boxes, scores, 0.5, score_threshold=0.4, max_num=7)[1]
    assert kept.tolist() == expected
    assert len(expected) == 7


@pytest.mark.parametrize("split_thr", [10, 10_000])
def test_batched_nms_treats_each_class_alone(split_thr: int) -> None:
    boxes, scores = random_boxes(60, seed=4)
    classes = torch.arange(60) % 3
    kept = batched_nms(boxes, scores, classes, dict(iou_threshold=0.3, split_thr=split_thr))[1]
    expected = []
    for label in range(3):
        mine = [i for i in range(60) if classes[i] == label]
        expected += [mine[i] for i in plain_nms(boxes[mine], scores[mine], 0.3, 0)]
    assert kept.tolist() == sorted(expected, key=lambda i: -scores[i])


def test_nms_of_nothing_is_nothing() -> None:
    assert len(nms(torch.zeros(0, 4), torch.zeros(0), 0.5)[1]) == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_nms_and_roi_align_take_16_bits(dtype: torch.dtype) -> None:
    boxes, scores = random_boxes(20, seed=5)
    boxes, scores = boxes.to(dtype), scores.to(dtype)
    expected = mmcv_ops.nms(boxes.float(), scores.float(), 0.5)
    assert mmcv_ops.nms(boxes, scores, 0.5).tolist() == expected.tolist()
    maps = torch.rand(1, 2, 9, 11).to(dtype).requires_grad_()
    rois = torch.tensor([[0.0, 1, 2, 8, 7]])
    pooled = roi_align(maps, rois.to(dtype), (3, 2), 1.0, 2, "avg", True)
    exact = roi_align(maps.float(), rois, (3, 2), 1.0, 2, "avg", True)
    assert pooled.dtype == dtype
    torch.testing.assert_close(pooled.float(), exact, rtol=1e-2, atol=1e-2)
    pooled.sum().backward()
    assert maps.grad is not None
    assert maps.grad.dtype == dtype
    assert maps.grad.abs().sum() > 0


def bilinear(one_map: Tensor, y: float, x: float) -> Tensor:
    """Interpolate C H W between cell centres; more than a cell outside: 0."""
    height, width = one_map.shape[1:]
    if not (-1 <= y <= height and -1 <= x <= width):
        return one_map.new_zeros(one_map.shape[0])
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = math.floor(y), math.floor(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    fy, fx = y - top, x - left
    upper = one_map[:, top, left] * (1 - fx) + one_map[:, top, right] * fx
    lower = one_map[:, bottom, left] * (1 - fx) + one_map[:, bottom, right] * fx
    return upper * (1 - fy) + lower * fy


def plain_roi_align(
    maps: Tensor, rois: Tensor, size: tuple[int, int], scale: float, ratio: int, aligned: bool
) -> Tensor:
    pooled = []
    for index, *corners in rois.tolist():
        x1, y1, x2, y2 = (corner * scale - 0.5 * aligned for corner in corners)
        width, height = x2 - x1, y2 - y1
        if not aligned:  # the older rule: no region is smaller than a cell
            width, height = max(width, 1), max(height, 1)
        bin_height, bin_width = height / size[0], width / size[1]
        rows, columns = ratio or math.ceil(bin_height), ratio or math.ceil(bin_width)
        for row in range(size[0]):
            for column in range(size[1]):
                samples = [
                    bilinear(
                        maps[int(index)],
                        y1 + (row + (i + 0.5) / rows) * bin_height,
                        x1 + (column + (j + 0.5) / columns) * bin_width,
                    )
                    for i in range(rows)
                    for j in range(columns)
                ]
                pooled.append(sum(samples) / max(len(samples), 1))
    return torch.stack(pooled).reshape(len(rois), *size, -1).permute(0, 3, 1, 2)


ROIS = torch.tensor(
    [
        [0, 3.0, 5.0, 31.0, 22.0],
        [1, -6.0, 2.0, 9.5, 41.0],  # reaches out to the left and below
        [1, 20.0, 10.0, 20.9, 11.0],  # smaller than a cell
        [0, 0.0, 0.0, 44.0, 36.0],
    ],
    dtype=torch.float64,
)


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("ratio", [0, 2])
def test_roi_align_and_its_gradient_equal_a_plain_loop(ratio: int, aligned: bool) -> None:
    rng = torch.Generator().manual_seed(0)
    maps = torch.rand(2, 3, 9, 11, generator=rng, dtype=torch.float64)
    ours, theirs = maps.clone().requires_grad_(), maps.clone().requires_grad_()
    layer = RoIAlign((3, 2), 0.25, ratio, "avg", aligned)
    pooled = layer(ours, ROIS)
    expected = plain_roi_align(theirs, ROIS, (3, 2), 0.25, ratio, aligned)
    torch.testing.assert_close(pooled, expected)
    weight = torch.rand(pooled.shape, generator=rng, dtype=torch.float64)
    (pooled * weight).sum().backward()
    (expected * weight).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_roi_align_of_no_region_is_empty() -> None:
    assert RoIAlign(7)(torch.rand(1, 2, 9, 11), torch.zeros(0, 5)).shape == (0, 2, 7, 7)


def test_the_maximum_is_refused_by_name() -> None:
    with pytest.raises(mmcv_ops.MissingOpError, match=r"roi_align_forward.*avg"):
        RoIAlign(7, pool_mode="max")(torch.rand(1, 2, 9, 11), ROIS.float())


def test_focal_loss_and_its_gradient_equal_mmdets_own_python() -> None:
    rng = torch.Generator().manual_seed(0)
    logits = torch.randn(7, 3, generator=rng) * 3
    target = torch.tensor([0, 1, 2, 3, 3, 0, 1])  # 3 is background
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    loss = sigmoid_focal_loss(ours, target, 2.0, 0.25, None, "sum")
    one_hot = torch.nn.functional.one_hot(target, 4)[:, :3]
    expected = py_sigmoid_focal_loss(theirs, one_hot, gamma=2.0, alpha=0.25, reduction="sum")
    torch.testing.assert_close(loss, expected)
    loss.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_soft_nms_says_what_is_missing_and_what_to_install() -> None:
    with pytest.raises(UserError, match=r"softnms.*install a compiled mmcv.*MMCV_WITH_OPS=1"):
        soft_nms(*random_boxes(5, seed=0))


def test_every_other_operator_that_mmcv_asks_for_raises_by_its_name() -> None:
    wanted: set[str] = set()
    for file in Path(mmcv.__file__).parent.joinpath("ops").glob("*.py"):
        for names in re.findall(r"load_ext\(\s*'_ext',\s*\[(.*?)\]", file.read_text(), re.S):
            wanted |= set(re.findall(r"'(\w+)'", names))
    provided = set(vars(sys.modules["mmcv._ext"]))
    assert {"nms", "roi_align_forward", "roi_align_backward"} <= wanted & provided
    assert len(wanted & provided) == 7  # and 2 of the focal loss, 2 that name compilers
    missing = wanted - provided
    assert len(missing) > 90
    for name in missing:
        with pytest.raises(UserError, match=rf"'{name}'.*install a compiled mmcv"):
            getattr(sys.modules["mmcv._ext"], name)(1, two=2)


def test_the_stand_in_is_a_proper_module() -> None:
    assert importlib.util.find_spec("mmcv._ext") is not None
    assert mmcv._ext is sys.modules["mmcv._ext"]
    assert not hasattr(mmcv._ext, "__path__")


def test_it_is_put_in_place_where_nothing_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "mmcv._ext")
    monkeypatch.delattr(mmcv, "_ext")
    assert mmcv_ops.install()
    assert isinstance(sys.modules["mmcv._ext"], mmcv_ops.StandIn)


def test_it_is_not_put_in_place_behind_an_import_that_failed(monkeypatch) -> None:
    monkeypatch.delitem(sys.modules, "mmcv._ext")
    monkeypatch.delitem(sys.modules, "mmcv.ops")
    with pytest.raises(UserError, match=r"mmdet\.models: restart Python, and import bag_of_tr"):
        mmcv_ops.install()
    assert "mmcv._ext" not in sys.modules


def test_a_compiled_module_in_memory_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = ModuleType("mmcv._ext")
    monkeypatch.setitem(sys.modules, "mmcv._ext", compiled)
    assert not mmcv_ops.install()
    assert sys.modules["mmcv._ext"] is compiled


def test_a_compiled_module_on_disk_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suffix = importlib.machinery.EXTENSION_SUFFIXES[0]
    tmp_path.joinpath(f"_ext{suffix}").touch()
    monkeypatch.delitem(sys.modules, "mmcv._ext")
    monkeypatch.setattr(mmcv, "__path__", [*mmcv.__path__, str(tmp_path)])
    assert not mmcv_ops.install()
    assert "mmcv._ext" not in sys.modules


def test_a_deterministic_run_on_a_gpu_is_refused_where_torchvisions_operator_is_silent() -> None:
    sizes = dict(aligned_height=1, aligned_width=1, spatial_scale=1.0, sampling_ratio=0)

    def backward(device: str) -> None:
        with FakeTensorMode():
            grad, maps = (torch.empty(1, 1, 1, 1, device=device) for _ in range(2))
            rois = torch.empty(1, 5, device=device)
            mmcv_ops.roi_align_backward(
                grad, rois, grad, grad, maps, **sizes, pool_mode=1, aligned=True
            )

    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        with pytest.raises(RuntimeError, match="roi_align_backward_kernel does not have a determ"):
            backward("cuda")
        backward("cpu")
    finally:
        torch.use_deterministic_algorithms(before)
