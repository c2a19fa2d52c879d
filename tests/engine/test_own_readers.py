"""Stock loaders are replaced by our readers where ours read the same files, and only there."""

from typing import Any

import pytest
from mmcv.transforms import LoadImageFromFile
from mmengine.config import Config

from bag_of_transfer.engine.data.own_readers import read_with_ours

IMAGES = "reader: LoadImageFromFile -> ReadImage"
MASKS = "reader: LoadAnnotations -> ReadMask"


def read(*steps: dict[str, Any], scope: str = "mmdet", **dataset: Any) -> Config:
    data = dict(type="CocoDataset", pipeline=list(steps), **dataset)
    cfg = Config(dict(default_scope=scope, train_dataloader=dict(dataset=data)))
    cfg.lines = read_with_ours(cfg)
    cfg.steps = cfg.train_dataloader.dataset.pipeline
    return cfg


@pytest.mark.parametrize(
    "theirs",
    [
        dict(type="LoadImageFromFile"),
        dict(type="mmdet.LoadImageFromFile", backend_args=None),
        dict(type="mmcv.transforms.LoadImageFromFile", backend_args=dict(backend="local")),
        dict(type=LoadImageFromFile, color_type="color", imdecode_backend="cv2"),
        dict(type="LoadImageFromFile", backend_args=None, _scope_="mmdet"),
        dict(type="LoadImageFromFile", file_client_args=dict(backend="disk"), ignore_empty=False),
    ],
)
def test_a_loader_with_default_arguments_is_replaced(theirs: dict[str, Any]) -> None:
    cfg = read(theirs)
    assert cfg.steps == [dict(type="ReadImage")]
    assert cfg.lines == [IMAGES]
    assert cfg.custom_imports.imports == ["bag_of_transfer.engine.data.image_reader"]


def test_float32_is_kept() -> None:
    cfg = read(dict(type="LoadImageFromFile", to_float32=True, backend_args=None))
    assert cfg.steps == [dict(type="ReadImage", to_float32=True)]


@pytest.mark.parametrize(
    "arguments",
    [
        dict(color_type="grayscale"),
        dict(color_type="color_ignore_orientation"),
        dict(imdecode_backend="tifffile"),
        dict(ignore_empty=True),
        dict(backend_args=dict(backend="petrel")),
    ],
)
def test_one_with_other_arguments_stays_and_is_named(arguments: dict[str, Any]) -> None:
    theirs = dict(type="LoadImageFromFile", **arguments)
    cfg = read(theirs)
    assert cfg.steps == [theirs]
    ((key, value),) = arguments.items()
    assert cfg.lines == [f"reader: LoadImageFromFile stays as it is: {key}={value!r}"]
    assert "custom_imports" not in cfg


@pytest.mark.parametrize(
    "place", [dict(data_root="s3://bucket/"), dict(data_prefix=dict(img="https://host/"))]
)
def test_files_elsewhere_are_left_to_mmcv(place: dict[str, Any]) -> None:
    cfg = read(dict(type="LoadImageFromFile"), **place)
    assert cfg.lines == ["reader: LoadImageFromFile stays as it is: its files are elsewhere"]


def test_masks_are_mmsegs_and_boxes_are_not() -> None:
    boxes = dict(type="LoadAnnotations", with_bbox=True)
    assert read(boxes).steps == [boxes]
    reduced = dict(type="LoadAnnotations", reduce_zero_label=True)
    cfg = read(reduced, dict(type="LoadAnnotations", imdecode_backend="cv2"), scope="mmseg")
    assert cfg.steps[0] == dict(type="ReadMask", reduce_zero_label=True)
    assert cfg.steps[1].type == "LoadAnnotations"
    assert cfg.lines == [MASKS, "reader: LoadAnnotations stays as it is: imdecode_backend='cv2'"]
    for other in (
        dict(type="mmseg.LoadAnnotations"),
        dict(type="LoadAnnotations", _scope_="mmseg"),
    ):
        assert read(other).steps == [dict(type="ReadMask")]
    assert read(dict(type="mylib.LoadImageFromFile")).lines == []


def test_every_place_of_a_config_is_looked_at_and_told_of_once() -> None:
    load = dict(type="LoadImageFromFile")
    inner = dict(type="RepeatDataset", dataset=dict(type="A", pipeline=[load]))
    mixed = dict(type="MultiImageMixDataset", dataset=inner, pipeline=[dict(type="Mosaic")])
    cfg = Config(
        dict(
            default_scope="mmdet",
            train_dataloader=dict(dataset=dict(type="ConcatDataset", datasets=[mixed, mixed])),
            val_dataloader=dict(dataset=dict(type="A", pipeline=[load])),
            test_dataloader=None,
            tta_pipeline=[dict(type="TestTimeAug", transforms=[[load], [dict(type="Resize")]])],
            custom_hooks=[dict(type="PipelineSwitchHook", switch_pipeline=[load])],
        )
    )
    assert read_with_ours(cfg) == [IMAGES]
    assert "LoadImageFromFile" not in str(cfg.to_dict())
    assert str(cfg.to_dict()).count("ReadImage") == 5


@pytest.mark.parametrize(
    "step", [dict(type="RandomRotFlip"), dict(type="RandomResize", scale=(9, 9), backend="pillow")]
)
def test_masks_stay_bytes_where_a_transform_takes_nothing_else(step: dict[str, Any]) -> None:
    cfg = read(dict(type="LoadAnnotations"), step, scope="mmseg")
    assert cfg.steps[0].type == "LoadAnnotations"
    assert "takes masks of 8 bits only" in cfg.lines[0]
