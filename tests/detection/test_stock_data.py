"""mmdet's own data sets drop what they do not understand: a check warns or stops."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mmdet.datasets import CocoDataset, VOCDataset, XMLDataset
from mmengine.registry import DATASETS
from PIL import Image

from bag_of_transfer.detection.datasets import CocoFormat
from bag_of_transfer.detection.stock_boxes import refuse_without_masks
from bag_of_transfer.engine.data.data_sets import build_dataset, check_dataset
from bag_of_transfer.engine.errors import UserError

NAMES = ("brick", "leaf")  # in the order of the file


@pytest.fixture
def folder(tmp_path: Path, draw_coco: Callable[..., Path]) -> Path:
    return draw_coco(tmp_path / "coco", train=4)


def edit(folder: Path, change: Callable[[dict], Any]) -> None:
    path = folder / "annotations/train.json"
    coco = json.loads(path.read_text())
    change(coco)
    path.write_text(json.dumps(coco))


def coco_cfg(folder: Path, classes: tuple[str, ...] | None = NAMES, **kwargs: Any) -> dict:
    return dict(
        type="CocoDataset",
        data_root=str(folder),
        ann_file="annotations/train.json",
        data_prefix=dict(img="images/"),
        metainfo=dict(classes=classes) if classes else None,
        serialize_data=False,
        **kwargs,
    )


def build(cfg: dict) -> Any:
    return build_dataset(cfg, "mmdet")


def test_sound_data_passes_without_a_word(folder: Path, warnings_of: Callable[[], str]) -> None:
    assert type(build(coco_cfg(folder))) is CocoDataset
    assert warnings_of() == ""


def test_a_file_of_other_classes_than_cocos_80_is_refused(folder: Path) -> None:
    with pytest.raises(
        UserError, match=r"80 of 80 classes are not in the file, first 'person'.*'br"
    ):
        build(coco_cfg(folder, classes=None))


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (("brick", "lea"), r"1 of 2 classes are not in the file, first 'lea'.*mean 'leaf'\?"),
        (("Brick", "leaf"), r"first 'Brick'.*did you mean 'brick'\?"),
        (("brick", "leaf", "pond"), r"1 of 3 classes are not in the file, first 'pond'"),
        (("leaf", "brick"), r"another order than in the file"),
    ],
)
def test_names_that_would_shift_the_labels_are_refused(
    folder: Path, classes: tuple[str, ...], message: str
) -> None:
    with pytest.raises(UserError, match=rf"{message}.*CocoFormat"):
        build(coco_cfg(folder, classes))


def test_classes_chosen_out_of_many_are_the_users_word(
    folder: Path, warnings_of: Callable[[], str]
) -> None:
    assert len(build(coco_cfg(folder, ("leaf",)))) == 4
    message = "CocoDataset drops 4 of 8 boxes, whose classes are not among the 1 stated: brick (4)"
    assert message in warnings_of()


MASKS = [dict(type="LoadImageFromFile"), dict(type="LoadAnnotations", with_mask=True)]


@pytest.mark.filterwarnings("ignore:__array__ implementation")
@pytest.mark.parametrize("kind", [CocoDataset, CocoFormat])
def test_a_box_without_a_mask_is_refused_where_masks_are_read(folder: Path, kind: type) -> None:
    def masks_but_one(coco: dict) -> None:
        for note in coco["annotations"]:
            note["segmentation"] = [[1, 1, 9, 1, 9, 9]]
        coco["annotations"][5]["segmentation"] = None

    edit(folder, masks_but_one)
    cfg = coco_cfg(folder, pipeline=MASKS) | {"type": kind.__name__}
    with pytest.raises(UserError, match=r"1 of 2 boxes of .* have no mask, .*with_mask=True"):
        build(cfg)
    edit(folder, lambda coco: coco["annotations"][5].update(segmentation=[[1, 1, 9, 1, 9, 9]]))
    assert build(cfg)[2]["gt_masks"]


def test_panoptic_data_have_their_masks_in_one_picture() -> None:
    info = dict(img_path="a.jpg", instances=[dict(bbox_label=0)], segments_info=[dict(id=1)])
    pipeline = SimpleNamespace(transforms=[SimpleNamespace(with_mask=True)])
    dataset = SimpleNamespace(pipeline=pipeline, ann_file="train.json")
    refuse_without_masks(dataset, info)
    del info["segments_info"]
    with pytest.raises(UserError, match=r"1 of 1 boxes of a\.jpg have no mask"):
        refuse_without_masks(dataset, info)


def _without_area(coco: dict) -> None:
    for note in coco["annotations"]:
        note["area"] = 0


def _crowds(coco: dict) -> None:
    for note in coco["annotations"]:
        note["iscrowd"] = 1


def _unlisted(coco: dict) -> None:
    coco["annotations"][0]["category_id"] = 44


def _twice(coco: dict) -> None:
    coco["annotations"][0]["id"] = 2


def _no_area(coco: dict) -> None:
    del coco["annotations"][0]["area"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_without_area, "nothing to learn from: of 8 boxes CocoDataset keeps 0"),
        (_crowds, "nothing to learn from: of 8 boxes CocoDataset keeps 8, all of them ignored"),
        (_unlisted, "categories that the file does not list: 44"),
        (_twice, r"cannot be built \(AssertionError: .*not unique"),
        (_no_area, r"cannot be built \(KeyError: 'area'\)"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_files_that_lose_their_boxes_are_refused(
    folder: Path, change: Callable[[dict], None], message: str, wrapped: bool
) -> None:
    edit(folder, change)
    cfg = coco_cfg(folder)
    if wrapped:
        joined = dict(type="ConcatDataset", datasets=[cfg])
        cfg = dict(type="RepeatDataset", times=2, dataset=joined)
    with pytest.raises(UserError, match=rf"{message}.*train\.json"):
        build(cfg)


def test_a_few_boxes_without_area_are_counted(folder: Path, warnings_of: Callable[[], str]) -> None:
    edit(folder, lambda coco: coco["annotations"][0].update(area=0))
    build(coco_cfg(folder))
    assert "CocoDataset drops 1 more boxes: without area" in warnings_of()


@pytest.mark.parametrize(
    "cfg",
    [
        dict(type="ClassBalancedDataset", oversample_thr=1e-3),
        dict(type="MultiImageMixDataset", pipeline=[]),
    ],
)
def test_other_wrappers_are_looked_into(folder: Path, cfg: dict) -> None:
    with pytest.raises(UserError, match="not in the file, first 'lea'"):
        build(dict(cfg, dataset=coco_cfg(folder, ("brick", "lea"))))


def test_a_missing_file_is_told_in_one_line(folder: Path) -> None:
    (folder / "annotations/train.json").unlink()
    with pytest.raises(UserError, match=r"cannot be built \(FileNotFoundError.*train\.json: mend"):
        build(coco_cfg(folder))


def voc_cfg(folder: Path, classes: tuple[str, ...] = NAMES, **kwargs: Any) -> dict:
    return dict(
        dict(
            type="XMLDataset",
            data_root=str(folder),
            ann_file="ImageSets/Main/train.txt",
            data_prefix=dict(sub_data_root=""),
            metainfo=dict(classes=classes),
            serialize_data=False,
        ),
        **kwargs,
    )


@pytest.fixture
def voc(tmp_path: Path, draw_voc: Callable[..., Path]) -> Path:
    root = draw_voc(tmp_path / "voc", train=4)
    for path in (root / "JPEGImages").glob("*.png"):
        Image.open(path).save(path.with_suffix(".jpg"))
    return root


def rename(voc: Path, number: int, old: str, new: str) -> None:
    path = voc / f"Annotations/{number:06d}.xml"
    path.write_text(path.read_text().replace(old, new))


def test_a_class_that_is_named_twice_is_refused(voc: Path) -> None:
    with pytest.raises(UserError, match=r"more than once \(1, first: leaf\): XMLDataset: metainfo"):
        build(voc_cfg(voc, (*NAMES, "leaf")))


def test_sound_xml_passes_without_a_word(voc: Path, warnings_of: Callable[[], str]) -> None:
    assert type(build(voc_cfg(voc))) is XMLDataset
    assert warnings_of() == ""


def test_boxes_of_unknown_classes_are_counted(voc: Path, warnings_of: Callable[[], str]) -> None:
    build(voc_cfg(voc, ("leaf",)))
    assert "XMLDataset drops 4 of 8 boxes, whose classes are not among the 1 stated: brick (4)" in (
        warnings_of()
    )


def test_vocs_20_classes_over_other_data_are_refused(voc: Path) -> None:
    with pytest.raises(UserError, match=r"nothing to learn from: of 8 boxes VOCDataset keeps 0"):
        build({**voc_cfg(voc), "type": "VOCDataset", "metainfo": None})


@pytest.mark.parametrize("stated", ["Leaf", "leafs", "\uff4ceaf"])
def test_a_misspelt_class_is_refused(voc: Path, stated: str) -> None:
    with pytest.raises(UserError, match=rf"no box of class '{stated}', but 4 of 'leaf'"):
        build(voc_cfg(voc, ("brick", stated)))


def test_names_in_blanks_are_not_lost_without_a_word(
    voc: Path, warnings_of: Callable[[], str]
) -> None:
    rename(voc, 0, "<name>leaf", "<name> leaf")
    build(voc_cfg(voc))
    assert "XMLDataset drops 1 more boxes" in warnings_of()


def test_a_dialect_is_refused_for_them_as_for_ours(voc: Path) -> None:
    for number in range(4):
        rename(voc, number, "<annotation>", '<annotation xmlns="urn:x">')
    with pytest.raises(UserError, match="of 8 boxes XMLDataset keeps 0"):
        build(voc_cfg(voc))
    rename(voc, 1, "</bndbox>", "</bndbox><bndbox/>")
    with pytest.raises(UserError, match=r"2 <bndbox> in one <object>"):
        build(voc_cfg(voc))


def test_what_reads_its_files_in_its_own_way_is_left_alone(voc: Path) -> None:
    @DATASETS.register_module(force=True)
    class OwnReader(VOCDataset):
        def load_data_list(self) -> list[dict]:
            return [dict(img_path="a.jpg", img_id=1, width=9, height=9, instances=[])]

    cfg = {**voc_cfg(voc), "type": "OwnReader"}
    check_dataset(DATASETS.build(cfg))


def test_all_xml_difficult_is_refused(voc: Path) -> None:
    for path in (voc / "Annotations").glob("*.xml"):
        path.write_text(re.sub("<difficult>0", "<difficult>1", path.read_text()))
    with pytest.raises(UserError, match="of 8 boxes XMLDataset keeps 8, all of them ignored"):
        build(voc_cfg(voc))


def test_a_missing_image_is_told_before_training(folder: Path) -> None:
    path = min((folder / "images").iterdir())
    path.unlink()
    with pytest.raises(
        UserError, match=rf"images are missing \(1, first: .*{path.name}\): .*prefix"
    ):
        build(coco_cfg(folder))
