"""Whether a metric can judge the data of val and test is known before the first step."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmdet.evaluation.metrics import CocoMetric
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.structures import InstanceData

import bag_of_transfer.detection.datasets
import bag_of_transfer.engine.data.image_reader  # noqa: F401  registers ReadImage
from bag_of_transfer.detection.metrics import CocoBoxMetric, VocMetric
from bag_of_transfer.engine.data.data_sets import LookAtSplits, build_dataset
from bag_of_transfer.engine.errors import UserError

READ, BOXES = dict(type="ReadImage"), dict(type="LoadAnnotations", with_bbox=True)
RESIZE = dict(type="Resize", scale=(48, 48), keep_ratio=True)
PACK = dict(type="PackDetInputs", meta_keys=("img_id", "img_path", "ori_shape"))
NAMES = ("brick", "leaf")  # in the order of the file


@pytest.fixture
def coco(tmp_path: Path, draw_coco: Callable[..., Path]) -> Path:
    return draw_coco(tmp_path / "coco", val=3, test=3)


@pytest.fixture
def voc(tmp_path: Path, draw_voc: Callable[..., Path]) -> Path:
    return draw_voc(tmp_path / "voc", val=3)


def coco_cfg(root: Path, kind: str = "CocoFormat", **more: Any) -> dict[str, Any]:
    return dict(
        dict(
            type=kind,
            data_root=str(root),
            ann_file="annotations/val.json",
            data_prefix=dict(img="images/"),
            metainfo=dict(classes=NAMES),
            pipeline=[READ, RESIZE, BOXES, PACK],
            test_mode=True,
            serialize_data=False,
        ),
        **more,
    )


def voc_cfg(root: Path, *pipeline: dict[str, Any]) -> dict[str, Any]:
    return dict(
        type="VocFormat",
        data_root=str(root),
        ann_file="ImageSets/Main/val.txt",
        metainfo=dict(classes=NAMES),
        pipeline=list(pipeline),
        test_mode=True,
        serialize_data=False,
    )


def start(cfg: dict[str, Any], metric: Any, split: str = "val") -> None:
    """Come to the first step of a training with this split and its metric."""
    classes = build_dataset(cfg, "mmdet").metainfo["classes"]
    run = Config(dict(classes=classes, default_scope="mmdet"))
    loop = None
    if split == "test":
        run.merge_from_dict(dict(test_dataloader=dict(dataset=cfg), test_evaluator=metric))
    else:
        dataset = build_dataset(cfg, "mmdet")
        evaluator = Evaluator(metric)
        evaluator.dataset_meta = dataset.metainfo
        loop = SimpleNamespace(dataloader=SimpleNamespace(dataset=dataset), evaluator=evaluator)
    LookAtSplits().before_train(SimpleNamespace(cfg=run, val_loop=loop))


def perfect(cfg: dict[str, Any], metric: Any) -> dict[str, float]:
    """Judge an output that is the truth of the files."""
    dataset = build_dataset(cfg, "mmdet")
    metric.dataset_meta = dataset.metainfo
    for index in range(len(dataset)):
        boxes = dataset.get_data_info(index)["instances"]
        sample = dataset[index]["data_samples"]
        sample.pred_instances = InstanceData(
            bboxes=torch.tensor([box["bbox"] for box in boxes], dtype=torch.float),
            labels=torch.tensor([box["bbox_label"] for box in boxes]),
            scores=torch.ones(len(boxes)),
        )
        metric.process({}, [sample.to_dict()])
    return metric.evaluate(len(dataset))


@pytest.mark.parametrize("kind", ["CocoFormat", "CocoDataset"])
def test_cocos_truth_is_that_of_the_file_whatever_the_pipeline_reads(coco: Path, kind: str) -> None:
    ann_file = str(coco / "annotations/val.json")
    for pipeline in ([READ, RESIZE, PACK], [READ, BOXES, RESIZE, PACK]):
        cfg = coco_cfg(coco, kind, pipeline=pipeline)
        start(cfg, dict(type="CocoBoxMetric", ann_file=ann_file))
        metric = CocoBoxMetric(ann_file=ann_file)
        assert perfect(cfg, metric)["AP"] == pytest.approx(100)


@pytest.mark.parametrize("split", ["val", "test"])
def test_voc_needs_boxes_that_no_later_transform_changes(voc: Path, split: str) -> None:
    metric, apart = dict(type="VocMetric"), dict(type="RandomFlip", prob=0.0)
    for sound in ([READ, RESIZE, BOXES, PACK], [READ, BOXES, apart, PACK]):
        start(voc_cfg(voc, *sound), metric, split)
    assert perfect(voc_cfg(voc, READ, RESIZE, BOXES, PACK), VocMetric())["mAP_area"] == 100
    with pytest.raises(UserError, match=r"no boxes to judge by: .*val\.txt: state LoadAnnotations"):
        start(voc_cfg(voc, READ, RESIZE, PACK), metric, split)
    for moving in (RESIZE, dict(type="RandomFlip", prob=0.5)):
        name = moving["type"]
        with pytest.raises(UserError, match=f"{name} comes after LoadAnnotations and changes the"):
            start(voc_cfg(voc, READ, BOXES, moving, PACK), metric, split)


def test_augmented_tests_are_looked_into(voc: Path) -> None:
    metric = dict(type="VocMetric")
    sound = [[RESIZE, dict(RESIZE, scale=(64, 64))], [BOXES], [PACK]]
    start(voc_cfg(voc, READ, dict(type="TestTimeAug", transforms=sound)), metric)
    changed = [[BOXES], *sound[:1], [PACK]]
    with pytest.raises(UserError, match="Resize comes after LoadAnnotations"):
        start(voc_cfg(voc, READ, dict(type="TestTimeAug", transforms=changed)), metric)


def test_boxes_that_were_not_read_are_the_users_mistake_where_nothing_was_checked(
    voc: Path,
) -> None:
    with pytest.raises(UserError, match=r"no boxes to judge by: .*000000\.png: state Load"):
        perfect(voc_cfg(voc, READ, PACK), VocMetric())


@pytest.mark.parametrize("split", ["val", "test"])
@pytest.mark.parametrize("kind", ["CocoFormat", "CocoDataset"])
def test_a_missing_file_of_the_evaluator_is_told_at_the_start(
    coco: Path, kind: str, split: str
) -> None:
    cfg, missing = coco_cfg(coco, kind), str(coco / "annotations/vall.json")
    with pytest.raises(UserError, match=r"no such annotation file: .*vall\.json"):
        start(cfg, dict(type="CocoBoxMetric", ann_file=missing), split)


@pytest.mark.parametrize("kind", [dict(kind="CocoDataset"), dict(test_mode=False)])
def test_a_data_set_without_truth_for_the_metric_is_told_at_the_start(
    coco: Path, kind: dict[str, Any]
) -> None:
    with pytest.raises(UserError, match=r"state it, or use .* CocoFormat with test_mode=True"):
        start(coco_cfg(coco, **kind), dict(type="CocoBoxMetric"))


def renumber(root: Path, names: Callable[[str], str] = str) -> None:
    """Count the images of test as those of val, as Roboflow counts each split from 0."""
    path = root / "annotations/test.json"
    text = json.loads(path.read_text())
    for image in text["images"]:
        image.update(id=image["id"] - 1000, file_name=names(image["file_name"]))
    for note in text["annotations"]:
        note["image_id"] -= 1000
    path.write_text(json.dumps(text))


@pytest.mark.parametrize("kind", ["CocoFormat", "CocoDataset"])
def test_a_file_of_other_images_is_refused(coco: Path, kind: str) -> None:
    metric = dict(type="CocoBoxMetric", ann_file=str(coco / "annotations/test.json"))
    with pytest.raises(UserError, match=r"image 0 is judged, but is not listed: .*test\.json"):
        start(coco_cfg(coco, kind), metric)
    renumber(coco)
    message = r"image 0 of the data set is .*/0\.png, but is 1000\.png there: .*test\.json"
    with pytest.raises(UserError, match=message):
        start(coco_cfg(coco, kind), metric)


def test_another_file_of_the_same_images_is_the_users_word(
    coco: Path, warnings_of: Callable[[], str]
) -> None:
    renumber(coco, lambda name: f"COCO_val2014_{int(Path(name).stem) - 1000}.png")
    metric = dict(type="CocoBoxMetric", ann_file=str(coco / "annotations/test.json"))
    start(coco_cfg(coco), metric)
    assert "val.json: judged by the boxes of another file" in warnings_of()


def test_a_file_without_one_of_the_classes_is_refused(coco: Path) -> None:
    path = coco / "annotations/other.json"
    text = (coco / "annotations/val.json").read_text()
    path.write_text(text.replace("brick", "pond").replace("leaf", "roof"))
    with pytest.raises(UserError, match=r"none of the classes brick, leaf: .*other\.json"):
        start(coco_cfg(coco), dict(type="CocoBoxMetric", ann_file=str(path)))


def test_annotations_of_images_taken_out_of_the_list_are_left_out_as_by_mmdet(
    coco: Path, warnings_of: Callable[[], str]
) -> None:
    path = coco / "annotations/val.json"
    text = json.loads(path.read_text())
    del text["images"][2]
    path.write_text(json.dumps(text))
    cfg, metric = coco_cfg(coco, "CocoDataset"), CocoBoxMetric(ann_file=str(path))
    start(cfg, metric)
    assert "2 annotations of images that are not listed, left out" in warnings_of()
    assert perfect(cfg, metric)["AP"] == pytest.approx(100)
    with pytest.raises(UserError, match="belongs to image 2, which is not listed"):
        build_dataset(coco_cfg(coco), "mmdet")


def test_what_the_data_set_has_read_is_not_read_again_for_a_metric_that_is_not_used(
    coco: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CocoBoxMetric, "truth", lambda self: pytest.fail("read"))
    ann_file = str(coco / "annotations/val.json")
    start(coco_cfg(coco, "CocoDataset"), dict(type="CocoBoxMetric", ann_file=ann_file), "test")


def mmdets(root: Path, **more: Any) -> CocoMetric:
    return CocoMetric(ann_file=str(root / "annotations/val.json"), **more)


def test_mmdets_metric_gives_what_ours_gives_on_the_same_labels(coco: Path) -> None:
    for metric in (mmdets(coco), mmdets(coco, metric="proposal_fast")):
        start(coco_cfg(coco), metric)
    assert perfect(coco_cfg(coco), mmdets(coco))["coco/bbox_mAP"] == 1


@pytest.mark.parametrize("classes", [None, ("leaf", "brick"), ("brick", "leaf", "pond")])
def test_mmdets_metric_is_refused_where_its_labels_are_others(
    coco: Path, classes: tuple[str, ...] | None
) -> None:
    cfg = coco_cfg(coco, metainfo=dict(classes=classes) if classes else None)
    with pytest.raises(UserError, match=r"labels in the order of its file, brick, leaf, but .*Box"):
        start(cfg, mmdets(coco))


@pytest.mark.parametrize("part", [dict(hold_out=3, held_out=True), dict(indices=2)])
def test_mmdets_metric_is_refused_where_it_would_count_other_images(
    coco: Path, part: dict[str, Any]
) -> None:
    with pytest.raises(UserError, match=r"count as missed the objects of \d image"):
        start(coco_cfg(coco, **part), mmdets(coco))
    with pytest.raises(UserError, match="image 1000 of the data set is not listed in the file"):
        start(coco_cfg(coco, ann_file="annotations/test.json"), mmdets(coco))


def test_an_unreadable_image_is_not_counted_as_missed_without_a_word(coco: Path) -> None:
    (coco / "images/1.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"objects of 1 image, left out \(first: 1\)"):
        start(coco_cfg(coco), mmdets(coco))


def test_proposals_are_compared_with_the_boxes_of_their_images(coco: Path) -> None:
    path = coco / "annotations/val.json"
    text = json.loads(path.read_text())
    text["images"].reverse()
    path.write_text(json.dumps(text))
    start(coco_cfg(coco), mmdets(coco, metric="proposal"))
    with pytest.raises(UserError, match=r"the file has another order: .*'proposal'"):
        start(coco_cfg(coco), mmdets(coco, metric="proposal_fast"))


def test_mmdets_metric_beside_mmdets_data_is_left_alone(coco: Path) -> None:
    start(coco_cfg(coco, "CocoDataset", indices=2), mmdets(coco))
