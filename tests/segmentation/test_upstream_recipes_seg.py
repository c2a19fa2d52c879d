"""Our segmentation recipes against the installed mmseg's: only listed values differ."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config
from mmengine.runner import Runner

import bag_of_transfer.segmentation  # noqa: F401  lets "mmseg::" find the fork
from bag_of_transfer.engine.data.own_readers import read_with_ours

CONFIGS = Path(__file__).resolve().parents[2] / "configs/segmentation"
ABSENT = "absent"
Difference = dict[str, tuple[Any, Any]]

# Names for parts of a config; what they hold is in the keys that the Runner reads.
PARTS = {
    *("base_px", "black", "crop_px", "crop_size", "data_preprocessor", "data_root", "dataset_aug"),
    *("dataset_train", "dataset_type", "img_ratios", "max_iters", "meta_keys", "norm_cfg"),
    *("optimizer", "splits", "stride_px", "test_pipeline", "train_pipeline"),
}

BACKBONE: Difference = {
    "model.pretrained": (ABSENT, "open-mmlab://resnet50_v1c"),  # tools/train.py --backbone
    "model.backbone.type": ("ResNetD", "ResNetV1c"),
    "model.backbone.style": (ABSENT, "pytorch"),  # ours always has the stride in the 3x3
    # The paper's, sec. 2.1; with a backbone file, the card's.
    "model.data_preprocessor.mean": ((123.68, 116.779, 103.939), (123.675, 116.28, 103.53)),
    "model.data_preprocessor.std": ((58.393, 57.12, 57.375), (58.395, 57.12, 57.375)),
}
RUNTIME: Difference = {
    "custom_imports.imports": (("backbones", "bag_of_transfer.segmentation"), ABSENT),
    "custom_imports.allow_failed_imports": (False, ABSENT),
    "auto_scale_lr.enable": (True, ABSENT),  # no change at mmseg's 4 x 4 images
    "auto_scale_lr.base_batch_size": (16, ABSENT),
    "optim_wrapper.clip_grad": (ABSENT, None),  # None is the default
    "load_from": (ABSENT, None),
    "resume": (ABSENT, False),
    "randomness.seed": (0, ABSENT),  # mmseg draws one
    "env_cfg.cudnn_benchmark": (False, True),  # validation images differ in size
    "log_processor.window_size": (20, ABSENT),  # of the printed loss; 10 in mmengine
    "default_hooks.runtime_info.type": ("RuntimeInfoHook", ABSENT),  # added by mmengine anyway
    "default_hooks.checkpoint.type": ("SafeCheckpointHook", "CheckpointHook"),
    "default_hooks.checkpoint.max_keep_ckpts": (2, ABSENT),  # mmseg keeps all
    "default_hooks.checkpoint.save_best": (None, ABSENT),  # None is the default
    "default_hooks.visualization.type": (ABSENT, "SegVisualizationHook"),  # it draws nothing
    "visualizer.type": ("Visualizer", "SegLocalVisualizer"),
    "visualizer.name": (ABSENT, "visualizer"),
    "val_evaluator.type": ("SegMetric", "IoUMetric"),  # the same three numbers, in percent
    "val_evaluator.iou_metrics": (ABSENT, ("mIoU",)),
    "test_evaluator.type": ("SegMetric", "IoUMetric"),
    "test_evaluator.iou_metrics": (ABSENT, ("mIoU",)),
}


def dataset(split: str, theirs: str, ours: Difference) -> Difference:
    """Return the differences of every data set: the class and its arguments."""
    at = f"{split}_dataloader.dataset"
    tested: Difference = {} if split == "train" else {f"{at}.test_mode": (True, ABSENT)}
    return {
        f"{at}.type": ("MaskFolder", theirs),
        f"{at}.max_unreadable": (10, ABSENT),
        **{f"{at}.{key}": pair for key, pair in ours.items()},
        **tested,  # mmseg's Runner sets nothing: only our class warns of unseen classes
    }


def ade20k(split: str, folder: str) -> Difference:
    load = 1 if split == "train" else 2
    return dataset(
        split,
        "ADE20KDataset",
        {
            "data_root": ("data/ade20k", "data/ade/ADEChallengeData2016"),  # prepare_data's
            "img_dir": (f"images/{folder}", ABSENT),
            "data_prefix.img_path": (ABSENT, f"images/{folder}"),
            "mask_dir": (f"annotations/{folder}", ABSENT),
            "data_prefix.seg_map_path": (ABSENT, f"annotations/{folder}"),
            "classes": ("ade20k", ABSENT),  # fixed in mmseg's class
            "reduce_zero_label": (True, ABSENT),  # so is this; said twice there, with a warning
            f"pipeline.{load}.reduce_zero_label": (ABSENT, True),
        },
    )


def voc2012(split: str, listed: str) -> Difference:
    return dataset(
        split,
        "PascalVOCDataset",
        {
            "data_root": ("data/voc/VOCdevkit/VOC2012", "data/VOCdevkit/VOC2012"),  # prepare_data's
            "split": (f"ImageSets/Segmentation/{listed}.txt", ABSENT),
            "ann_file": (ABSENT, f"ImageSets/Segmentation/{listed}.txt"),
            "data_prefix.img_path": (ABSENT, "JPEGImages"),  # MaskFolder's defaults
            "data_prefix.seg_map_path": (ABSENT, "SegmentationClass"),
            "classes": ("voc", ABSENT),  # fixed in mmseg's class
        },
    )


def num_classes(number: int) -> Difference:
    """Return the difference in classes: ours are read from the data."""
    heads = ("decode_head", "auxiliary_head")
    return {f"model.{head}.num_classes": (None, number) for head in heads}


ADE20K: Difference = {
    **BACKBONE,
    **RUNTIME,
    **num_classes(150),
    **ade20k("train", "training"),
    **ade20k("val", "validation"),
    **ade20k("test", "validation"),
}
VOC2012: Difference = {
    **BACKBONE,
    **RUNTIME,
    **num_classes(21),
    **voc2012("train", "train"),
    **voc2012("val", "val"),
    **voc2012("test", "val"),
}
# GluonCV's head and loss: gluoncv/model_zoo/fcn.py and gluoncv/loss.py.
GLUON_HEAD: Difference = {
    f"model.{head}.{key}": pair
    for head in ("decode_head", "auxiliary_head")
    for key, pair in {
        "type": ("GluonFCNHead", "FCNHead"),  # dropout of values, not of channels
        "align_corners": (True, False),
        "init_cfg.type": ("Uniform", ABSENT),
        "init_cfg.layer": ("Conv2d", ABSENT),
        "init_cfg.a": (-0.07, ABSENT),
        "init_cfg.b": (0.07, ABSENT),
        "loss_decode.avg_non_ignore": (True, ABSENT),
    }.items()
}
GLUON: Difference = {
    **BACKBONE,
    **num_classes(150),
    "model.data_preprocessor.size": ((480, 480), (512, 512)),
    **GLUON_HEAD,
    "model.decode_head.num_convs": (1, 2),
    "model.decode_head.concat_input": (False, True),
    "model.auxiliary_head.loss_decode.loss_weight": (0.5, 0.4),
}


def flat(node: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Return all values by dotted paths, also those in lists of dicts and of lists."""
    if isinstance(node, dict) and node:
        for key, child in node.items():
            if key != "_scope_":  # mmengine's note of where a part comes from
                yield from flat(child, f"{at}.{key}" if at else key)
    elif isinstance(node, list | tuple) and any(isinstance(x, dict | list) for x in node):
        for index, child in enumerate(node):
            yield from flat(child, f"{at}.{index}")
    else:
        yield at, tuple(node) if isinstance(node, list) else node


def difference(ours: dict[str, Any], theirs: dict[str, Any]) -> Difference:
    a, b = (dict(flat({key: step[key] for key in step.keys() - PARTS})) for step in (ours, theirs))
    pairs = {key: (a.get(key, ABSENT), b.get(key, ABSENT)) for key in a.keys() | b.keys()}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


@pytest.fixture
def ours(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DATA_ROOT", "data")
    return lambda name: Config.fromfile(CONFIGS / f"{name}.py").to_dict()


def theirs(name: str) -> dict[str, Any]:
    """Return one of mmseg's configs by its name, as every tool of ours reads its files."""
    cfg = Config.fromstring(f"_base_ = ['mmseg::fcn/{name}.py']", ".py")
    read_with_ours(cfg)
    cfg.pop("custom_imports")  # that of our readers
    return cfg.to_dict()


def test_parts_are_nothing_that_a_run_reads() -> None:
    read = PARTS & set(inspect.signature(Runner.__init__).parameters)
    assert read == {"data_preprocessor"}  # for a model without its own
    assert "data_preprocessor" in theirs("fcn_r50-d8_4xb4-160k_ade20k-512x512")["model"]


def test_every_value_of_a_pipeline_is_compared() -> None:
    values = dict(flat(theirs("fcn_r50-d8_4xb4-160k_ade20k-512x512")))
    assert values["train_dataloader.dataset.pipeline.3.cat_max_ratio"] == 0.75
    assert values["tta_pipeline.1.transforms.0.5.scale_factor"] == 1.75
    assert values["param_scheduler.0.end"] == 160_000
    assert values["default_hooks.checkpoint.interval"] == 16_000


def test_160k_differs_from_mmsegs_in_exactly_this(ours) -> None:
    upstream = theirs("fcn_r50-d8_4xb4-160k_ade20k-512x512")
    assert difference(ours("fcn_d8_160k_ade20k"), upstream) == ADE20K


def test_voc2012_differs_from_mmsegs_in_exactly_this(ours) -> None:
    upstream = theirs("fcn_r50-d8_4xb4-20k_voc12aug-512x512")
    parts = upstream["train_dataloader"]["dataset"]["datasets"]
    # Ours has the first alone: SBD's masks are no part of VOC 2012.
    assert [step["ann_file"].split("/")[-1] for step in parts] == ["train.txt", "aug.txt"]
    upstream["train_dataloader"]["dataset"] = parts[0]
    assert difference(ours("fcn_d8_voc2012"), upstream) == VOC2012


def test_the_papers_model_differs_from_mmsegs_in_exactly_this(ours) -> None:
    upstream = theirs("fcn_r50-d8_4xb4-160k_ade20k-512x512")
    mine = ours("fcn_d8_paper_ade20k")
    assert difference({"model": mine["model"]}, {"model": upstream["model"]}) == GLUON


def steps(pipeline: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    return [(step["type"], {k: v for k, v in step.items() if k != "type"}) for step in pipeline]


def test_the_papers_recipe_is_gluoncvs(ours) -> None:
    cfg = ours("fcn_d8_paper_ade20k")
    # gluoncv/data/segbase.py: 520 short side x U[0.5, 2] by Pillow, 480, black, blur, in this order
    assert steps(cfg["train_dataloader"]["dataset"]["pipeline"]) == [
        ("ReadImage", {}),
        ("ReadMask", {}),
        (
            "RandomResize",
            {
                "scale": (52_000, 520),
                "ratio_range": (0.5, 2.0),
                "keep_ratio": True,
                "resize_type": "PillowResize",
                "interpolation": "bilinear",
            },
        ),
        ("RandomCrop", {"crop_size": (480, 480)}),
        ("RandomFlip", {"prob": 0.5}),
        ("Pad", {"size": (480, 480), "pad_val": {"img": 0, "seg": 255}}),
        ("RandomGaussianBlur", {"prob": 0.5, "max_radius": 1.0}),
        ("PackSegInputs", {}),
    ]
    tested = ["ReadImage", "ReadMask", "PackSegInputs"]  # native size
    assert [x["type"] for x in cfg["test_dataloader"]["dataset"]["pipeline"]] == tested
    # scripts/segmentation/train.py and the command of fcn_resnet50_ade
    assert cfg["optim_wrapper"] == {
        "type": "OptimWrapper",
        "optimizer": {"type": "SGD", "lr": 0.01, "momentum": 0.9, "weight_decay": 1e-4},
        "paramwise_cfg": {
            "custom_keys": {"decode_head": {"lr_mult": 10}, "auxiliary_head": {"lr_mult": 10}}
        },
    }
    assert cfg["train_cfg"]["max_epochs"] == 120
    assert cfg["auto_scale_lr"] == {"enable": True, "base_batch_size": 16}
    assert cfg["train_dataloader"]["batch_size"] * 4 == 16
    assert cfg["train_dataloader"]["drop_last"] is True
