"""mmdet's and mmsegmentation's own configs go through the tools, and are judged in percent."""

import json
import shutil
from pathlib import Path

import pytest

NAMES = ("bars", "checks", "dots")


@pytest.fixture(scope="module")
def stock_data(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The world under the names that mmdet's and mmsegmentation's data sets want."""
    root = tmp_path_factory.mktemp("stock")
    shutil.copytree(world / "demo/detection", root / "voc")
    for picture in (root / "voc/JPEGImages").glob("*.png"):
        picture.rename(picture.with_suffix(".jpg"))  # decoders look into the file
    shutil.copytree(world / "demo/segmentation", root / "masks")
    images, notes = [], []
    for number, name in enumerate((root / "voc/ImageSets/Main/val.txt").read_text().split()):
        images.append(dict(id=number, file_name=f"{name}.jpg", width=64, height=64))
        box = dict(bbox=[8, 8, 30, 30], area=900, iscrowd=0)
        notes.append(dict(id=number + 1, image_id=number, category_id=number % 3 + 1, **box))
    categories = [dict(id=1 + index, name=name) for index, name in enumerate(NAMES)]
    text = json.dumps(dict(images=images, annotations=notes, categories=categories))
    (root / "voc/val.json").write_text(text)
    return root


# Few channels and proposals: their number is not what is tested.
NARROW = """
model = dict(neck=dict(out_channels=16), rpn_head=dict(in_channels=16, feat_channels=16),
    roi_head=dict(bbox_roi_extractor=dict(out_channels=16),
        bbox_head=dict(num_classes=3, in_channels=16, fc_out_channels=32)),
    train_cfg=dict(rcnn=dict(sampler=dict(num=64))))
"""
SHORT = "train_cfg = dict(_delete_=True, type='EpochBasedTrainLoop', max_epochs=1)\n"
SMALL = "dict(type='Resize', scale=(64, 64), keep_ratio=True)"
VOC = """
_base_ = "mmdet::pascal_voc/faster-rcnn_r50_fpn_1x_voc0712.py"
{narrow}train_dataloader = dict(batch_size=4, num_workers=0, persistent_workers=False, dataset=dict(
    times=1, dataset=dict(_delete_=True, type="VOCDataset", data_root={root!r},
        ann_file="ImageSets/Main/train.txt", data_prefix=dict(sub_data_root=""),
        metainfo=dict(classes={names}), pipeline={train})))
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(
    data_root={root!r}, ann_file="ImageSets/Main/val.txt", data_prefix=dict(sub_data_root=""),
    metainfo=dict(classes={names}), pipeline={test}))
test_dataloader = val_dataloader
"""
COCO = """
_base_ = "mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py"
{narrow}data = dict(data_root={root!r}, ann_file="val.json", data_prefix=dict(img="JPEGImages/"),
    metainfo=dict(classes={names}))
train_dataloader = dict(batch_size=4, num_workers=0, persistent_workers=False,
    dataset=dict(**data, pipeline={train}))
val_dataloader = dict(num_workers=0, persistent_workers=False,
    dataset=dict(**data, pipeline={test}))
test_dataloader = val_dataloader
val_evaluator = dict(ann_file={root!r} + "/val.json")
test_evaluator = val_evaluator
default_hooks = dict(checkpoint=dict(save_best="coco/bbox_mAP"))
"""
LOAD = "dict(type='LoadImageFromFile'), "
TRUTH = "dict(type='LoadAnnotations', with_bbox=True), "
PACK = "dict(type='PackDetInputs', meta_keys=('img_id','img_path','ori_shape','img_shape','scale_factor'))"  # noqa: E501
DET = dict(
    names=repr(NAMES),
    narrow=NARROW,
    train=f"[{LOAD}{TRUTH}{SMALL}, {PACK}]",
    test=f"[{LOAD}{SMALL}, {TRUTH}{PACK}]",
)
MASKS = """
_base_ = "mmseg::fcn/fcn_r50-d8_4xb2-40k_cityscapes-512x1024.py"
model = dict(data_preprocessor=dict(size=(64, 64)),
    decode_head=dict(num_classes=4, channels=16, norm_cfg=dict(type="BN")),
    auxiliary_head=dict(num_classes=4, channels=16, norm_cfg=dict(type="BN")))
def data(split):
    return dict(_delete_=True, type="BaseSegDataset", data_root={root!r}, img_suffix=".png",
        seg_map_suffix=".png", metainfo=dict(classes={names}),
        data_prefix=dict(img_path="JPEGImages", seg_map_path="SegmentationClass"),
        ann_file=f"ImageSets/Segmentation/{{split}}.txt", pipeline=[
            dict(type="LoadImageFromFile"), dict(type="LoadAnnotations"),
            dict(type="PackSegInputs")])
train_dataloader = dict(batch_size=4, num_workers=0, persistent_workers=False,
    dataset=data("train"))
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=data("val"))
test_dataloader = val_dataloader
val_evaluator = dict(iou_metrics=["mIoU"])
test_evaluator = val_evaluator
del data
param_scheduler = [dict(type="PolyLR", power=0.9, begin=0, end=2, by_epoch=False)]
train_cfg = dict(_delete_=True, type="IterBasedTrainLoop", max_iters=2, val_interval=2)
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=2))
"""


@pytest.mark.parametrize(
    ("text", "folder", "metrics"),
    [
        pytest.param(VOC + SHORT, "voc", {"mAP_voc07", "mAP_area"}, id="voc"),
        pytest.param(
            COCO + SHORT,
            "voc",
            {"AP", "AP50", "AP75", "APs", "APm", "APl"},
            id="coco",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            MASKS, "masks", {"pixAcc", "mIoU", "mAcc"}, id="masks", marks=pytest.mark.slow
        ),
    ],
)
def test_a_stock_config_is_trained_and_judged(
    tool, pretrained: Path, stock_data: Path, tmp_path: Path, text: str, folder: str, metrics: set
) -> None:
    names = dict(DET, names=repr(("background", *NAMES))) if folder == "masks" else DET
    config = tmp_path / "stock.py"
    config.write_text(text.format(root=str(stock_data / folder), **names))
    backbone = pretrained / "backbone.safetensors"
    work_dir = tmp_path / "run"
    assert tool("train", config, "--backbone", backbone, "--work-dir", work_dir) == 0
    trained = json.loads((work_dir / "metrics.json").read_text())
    assert set(trained["metrics"]) == metrics
    assert list(work_dir.glob("best_*.pth"))
    out = tmp_path / "test.json"
    assert tool("test", config, work_dir / "last_checkpoint", "--out", out) == 0
    tested = json.loads(out.read_text())
    assert tested["metrics"] == trained["metrics"]  # the same images
