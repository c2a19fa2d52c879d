"""The shipped segmentation recipes through the tools: by iterations, and with sliding windows."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.tools.work_dirs import curve

LEAVES = Path(__file__).resolve().parents[2] / "configs/segmentation"
HEIGHT, WIDTH = 48, 64
SLIM = """
model = dict(
    data_preprocessor=dict(size=(32, 32)),
    backbone=dict(depth=18, stem_channels=8, base_channels=8),
    decode_head=dict(in_channels=64, channels=8),
    auxiliary_head=dict(in_channels=32, channels=8),
)
crop = dict(type="RandomCrop", crop_size=(32, 32))
pipeline = [dict(type="LoadImageFromFile"), dict(type="LoadAnnotations"), crop]
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    dataset=dict(classes=("b", "c"), pipeline=pipeline + [dict(type="PackSegInputs")]),
)
"""


def draw_ade20k(root: Path, **num_images: int) -> None:
    """A brighter rectangle of label 2 in label 1, and noise; 0 (unlabelled) along the top."""
    rng = np.random.default_rng(0)
    for split, count in num_images.items():
        for kind in ("images", "annotations"):
            (root / kind / split).mkdir(parents=True)
        for i in range(count):
            mask = np.ones((HEIGHT, WIDTH), np.uint8)
            mask[0], mask[10:30, 5:30] = 0, 2
            noise = rng.integers(0, 60, (HEIGHT, WIDTH, 3)) + 70 * mask[..., None]
            Image.fromarray(noise.astype(np.uint8)).save(root / f"images/{split}/{i}.png")
            Image.fromarray(mask).save(root / f"annotations/{split}/{i}.png")


@pytest.fixture
def small(tmp_path: Path):
    """Data under tmp_path/data, and leaves with a small network in front of a shipped one."""
    draw_ade20k(tmp_path / "data/ade20k", training=4, validation=2)

    def leaf(name: str, more: str) -> Path:
        path = tmp_path / f"{name}_small.py"
        path.write_text(f"_base_ = [{str(LEAVES / f'{name}.py')!r}]\n{SLIM}{more}")
        return path

    return leaf


def by_iterations(last: int) -> str:
    return (
        f"train_cfg = dict(max_iters={last}, val_interval=2)\n"
        f"default_hooks = dict(checkpoint=dict(interval=2))\n"
        f"test_pipeline = [dict(type='LoadImageFromFile'),\n"
        f"    dict(type='Resize', scale=(128, 32), keep_ratio=True),\n"
        f"    dict(type='LoadAnnotations'), dict(type='PackSegInputs')]\n"
        f"judged = dict(classes=('b', 'c'), pipeline=test_pipeline)\n"
        f"val_dataloader = test_dataloader = dict(num_workers=0, dataset=judged)\n"
    )


def test_a_recipe_of_iterations_trains_is_judged_and_resumes(tool, small, tmp_path, capfd) -> None:
    work, data = tmp_path / "work", ("--data-root", tmp_path / "data")
    where = ("--backbone", "scratch", "--work-dir", work, *data)
    dry = small("fcn_d8_160k_ade20k", by_iterations(4))
    assert tool("train", dry, *where, "--dry-run") == 0
    said = "".join(capfd.readouterr())
    assert "4 iterations of" in said
    assert "lr 0.00125 = 0.01 x 2 / 16" in said
    assert tool("train", small("fcn_d8_160k_ade20k", by_iterations(4)), *where) == 0
    assert [line["iter"] for line in curve(work)] == [2, 4]
    assert {path.name for path in work.glob("*.pth")} == {"iter_2.pth", "iter_4.pth"}  # no best_*
    first = curve(work)

    config = small("fcn_d8_160k_ade20k", by_iterations(6))
    assert tool("train", config, *where, "--resume") == 0
    whole = curve(work)
    assert [line["iter"] for line in whole] == [2, 4, 6]
    timed = {"seconds": 0, "img_per_s": 0}  # the second line ends after the resume
    assert [line | timed for line in whole[:2]] == [line | timed for line in first]
    assert [line["epoch"] for line in whole] == [1, 2, 3]  # four images in batches of two
    assert all({"lr", "loss", "pixAcc", "mIoU", "mAcc"} <= line.keys() for line in whole)
    made = json.loads((work / "metrics.json").read_text())
    assert made["split"] == "val"
    assert made["metrics"]["mIoU"] == pytest.approx(whole[-1]["mIoU"], abs=1e-3)
    assert (work / "last_checkpoint").read_text().endswith("iter_6.pth")  # two are kept
    assert {path.name for path in work.glob("*.pth")} == {"iter_4.pth", "iter_6.pth"}

    shorter = small("fcn_d8_160k_ade20k", by_iterations(4))
    assert tool("train", shorter, *where, "--resume") == 3  # no run of that config
    assert curve(work) == whole

    out = tmp_path / "test.json"
    assert tool("test", config, work / "last_checkpoint", *data, "--out", out) == 0
    assert json.loads(out.read_text())["metrics"] == made["metrics"]  # the split is the same


# Long sides 520 x 0.5 to 1.75; 48 x 64 keeps its shape.  Windows of 480 every 320: one up to 480,
# two to 800, three to 1120, along each side.
WINDOWS = {
    260: 1 * 1,  # 195 high
    390: 1 * 1,  # 293
    520: 2 * 1,  # 390
    650: 2 * 2,  # 488
    780: 2 * 2,  # 585
    910: 3 * 2,  # 683
}


def test_tta_of_the_papers_recipe_slides_windows_over_six_scales_and_flips(
    tool, small, tmp_path, monkeypatch
) -> None:
    from mmseg.models import EncoderDecoder, SegTTAModel

    work, data = tmp_path / "work", ("--data-root", tmp_path / "data")
    config = small(
        "fcn_d8_paper_ade20k",
        "train_cfg = dict(max_epochs=1, val_interval=1)\n"
        "one = dict(classes=('b', 'c'), indices=1)\n"
        "val_dataloader = test_dataloader = dict(num_workers=0, dataset=one)\n",
    )
    where = ("--backbone", "scratch", "--work-dir", work, *data)
    assert tool("train", config, *where) == 0
    shapes: list[tuple[int, ...]] = []
    views: list[dict] = []
    merge = SegTTAModel.merge_preds

    def bright(self, inputs, metas):
        """In place of the network: class c is where the first channel is above 135."""
        shapes.append(tuple(inputs.shape))
        mean, std = self.data_preprocessor.mean[0], self.data_preprocessor.std[0]
        above = (inputs[:, :1] * std + mean - 135) / 10
        return torch.cat([-above, above], dim=1)

    def noted(self, samples):
        for one in samples[0]:
            views.append(one.metainfo)
            truth = one.gt_sem_seg.data[0]
            agree = one.seg_logits.data.argmax(0) == truth
            assert agree[truth != 255].float().mean() > 0.97, one.metainfo
        return merge(self, samples)

    monkeypatch.setattr(EncoderDecoder, "encode_decode", bright)
    monkeypatch.setattr(SegTTAModel, "merge_preds", noted)
    last = work / "last_checkpoint"
    assert tool("test", config, last, *data) == 0
    assert shapes == [(1, 3, HEIGHT, WIDTH)]  # the whole image at its own size, once
    assert not views

    shapes.clear()
    assert tool("test", config, last, *data, "--tta", "--out", tmp_path / "tta.json") == 0
    assert shapes == [(1, 3, 480, 480)] * 2 * sum(WINDOWS.values())
    seen = Counter((round(view["scale_factor"][0] * WIDTH), view["flip"]) for view in views)
    assert seen == Counter((scale, flip) for scale in WINDOWS for flip in (False, True))
    made = json.loads((tmp_path / "tta.json").read_text())
    assert made["num_images"] == 1
    assert made["metrics"]["mIoU"] > 90  # the windows' pieces lie where they belong
