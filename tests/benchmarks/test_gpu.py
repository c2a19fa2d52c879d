"""The GPU's benchmark, tried on a CPU: every piece runs, and ratios are what they say."""

import argparse
import json
from contextlib import nullcontext

import pytest
import torch

import gpu
from rounds import Way, main
from tests.fast_builds import fill_with_zero_by_default

SMALL = ["--device", "cpu", "--rounds", "1", "--steps", "1", "--warm", "0", "--no-compile"]
DETECTOR = "configs/detection/faster-rcnn_fpn_tiny.py"
SEGMENTER = "configs/segmentation/fcn_d8_tiny.py"
PIECES = {
    "pretrain": (
        ["--depth", "18", "--px", "32", "--batch", "2"],
        {"by hand, bf16, channels last", "ours", "stock mmengine: fp16, channels first"},
    ),
    "detection": (
        ["--px", "32", "64", "--batch", "1", "--configs", DETECTOR, DETECTOR],
        {"mmdet", "mmdet, AMP", "ours"},
    ),
    "segmentation": (
        ["--px", "32", "--batch", "2", "--configs", SEGMENTER, SEGMENTER],
        {"mmseg", "mmseg, AMP", "ours"},
    ),
    "loader": (
        ["--px", "32", "--batch", "2", "--images", "2", "--workers", "0"],
        {"torchvision's reference", "timm", "ours", "ours, HSV and PCA"},
    ),
}


SLOW = [pytest.param(piece, marks=pytest.mark.slow) for piece in ("pretrain", "detection")]


@pytest.mark.parametrize("piece", [*SLOW, "segmentation", "loader"])
def test_a_piece_runs_all_ways_and_writes_their_seconds(piece, tmp_path, monkeypatch):
    flags, names = PIECES[piece]
    file = tmp_path / "found.json"
    argv = ["gpu.py", "--piece", piece, *SMALL, *flags, "--json", str(file)]
    monkeypatch.setattr("sys.argv", argv)
    fill_with_zero_by_default(monkeypatch)
    # Slow: 16 bits on a CPU without instructions for them.
    monkeypatch.setattr("torch.autocast", lambda *_, **__: nullcontext())
    main(gpu.__doc__, gpu.measure, parser=gpu.flags())
    (found,) = json.loads(file.read_text())["comparisons"]
    ways = {way["name"]: way["seconds"] for way in found["ways"]}
    assert names <= set(ways)
    assert all(len(seconds) == 1 and seconds[0] > 0 for seconds in ways.values())


def arguments(**given):
    settings = dict(
        steps=3, warm=1, rounds=1, batch=8, no_compile=False, clock="wall", piece="pretrain"
    )
    return argparse.Namespace(**settings, **given)


def test_a_run_is_its_steps_after_those_that_warm_up():
    taken = []
    way = gpu.ready(lambda: lambda: taken.append(1), steps=3, warm=2, clock=lambda: len(taken))
    assert len(taken) == 1 + 2
    assert way.run() == 3


def test_each_way_keeps_the_kernel_search_that_it_has_chosen(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    seen = []

    def searching():
        torch.backends.cudnn.benchmark = True
        return lambda: seen.append(torch.backends.cudnn.benchmark)

    ways = [
        gpu.ready(make, 1, 0, lambda: 0.0)
        for make in (searching, lambda: lambda: seen.append(torch.backends.cudnn.benchmark))
    ]
    seen.clear()
    for way in ways:
        way.run()
    assert set(seen[: len(seen) // 2]) == {True}
    assert set(seen[len(seen) // 2 :]) == {False}


def test_a_way_that_fails_is_left_out_with_a_line_but_not_the_reference(capsys):
    def broken():
        raise RuntimeError("no compiler\nand more")

    makers = {"by hand": lambda: lambda: None, "ours": broken}
    assert list(gpu.all_ready(makers, arguments())) == ["by hand"]
    assert "ours is left out: no compiler\n" in capsys.readouterr().err
    with pytest.raises(RuntimeError, match="no compiler"):
        gpu.all_ready({"by hand": broken}, arguments())


def test_notes_say_the_share_of_the_floor_and_the_ratio_to_each_peer_with_an_aim(monkeypatch):
    mine, peer = "ours, compile=True", "timm, the same compiled"
    seconds = {"by hand": 2.0, mine: 1.0, peer: 1.5}

    def made(makers, args):
        return {name: gpu.Ready(lambda name=name: seconds[name], 3 * 2**20) for name in makers}

    monkeypatch.setattr(gpu, "all_ready", made)
    found = gpu.compare_steps("work", dict.fromkeys(seconds), arguments(), floor=96.0)
    # 3 steps x 8 images in 1 s: 24 of 96 images/s.
    expected = f"peak 3 MiB; 25.0% of the floor (aim 55%); 1.50 beside {peer} (aim 1.05)"
    assert {way.name: way.note for way in found.ways}[mine] == expected


def test_a_ratio_is_the_median_of_the_rounds():
    assert gpu.ratio(Way("a", [1.0, 1.0, 4.0]), Way("b", [2.0, 3.0, 4.0])) == 2.0


def test_another_device_than_the_one_at_hand_is_refused():
    other = "cpu" if gpu.get_device() == "cuda" else "cuda"
    with pytest.raises(SystemExit, match=f"--device {other}: torch computes on"):
        next(gpu.measure(arguments(device=other)))
