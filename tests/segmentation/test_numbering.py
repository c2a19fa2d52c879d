"""Labels of a mask's file become classes as mmseg makes them, or the mistake is named."""

import json
import shutil
from pathlib import Path
from typing import Any

import mmseg.datasets.transforms as theirs
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from PIL import Image

from bag_of_transfer.data_checks.labels import odd_masks
from bag_of_transfer.data_checks.look import look_at_mask
from bag_of_transfer.data_checks.splits import split_of
from bag_of_transfer.engine.config.overrides import apply_overrides
from bag_of_transfer.engine.data.mask_reader import IGNORED, read_mask
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.run.same_run import changes
from bag_of_transfer.engine.weights.stored_config import stored_config
from bag_of_transfer.ladder.run import pictures
from bag_of_transfer.segmentation import MaskFolder, SegMetric
from bag_of_transfer.segmentation.numbering import Numbering

LOAD = [dict(type="ReadMask")]
ODD = np.array((7, 0, 8, 255), np.uint8)  # what 0, 1, 2, 3 of the drawn masks become


@pytest.fixture(autouse=True)
def _in_mmseg() -> None:
    init_default_scope("mmseg")


@pytest.fixture(scope="module")
def odd(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return masks that hold 0, 7, 8 and 255; shared, so not to be changed."""
    root = shutil.copytree(drawn / "voc", tmp_path_factory.mktemp("odd") / "voc")
    (root / "ImageSets/Segmentation/train.txt").write_text("train_0\ntrain_1\n")
    for path in (root / "SegmentationClass").iterdir():
        Image.fromarray(ODD[np.array(Image.open(path))]).save(path)
    return root


def train_set(root: Path, **options: Any) -> MaskFolder:
    listed = dict(split="ImageSets/Segmentation/train.txt", serialize_data=False)
    return MaskFolder(str(root), **listed, pipeline=LOAD, **options)


MAP, ZERO = {7: 0, 8: 1}, dict(reduce_zero_label=True)
OTHERS = dict(unmapped="ignore")
KEPT: list[tuple[dict[str, Any], tuple[int, ...], int]] = [
    # options, what 0, 7, 8 and 255 of the files become, number of classes
    (dict(label_map={7: 0, 8: 1, 0: 2}), (2, 0, 1, 255), 3),
    (dict(label_map={7: 0, 8: 1, 0: 255}), (255, 0, 1, 255), 2),
    (dict(label_map={7: 1, 8: 1, 0: 0}), (0, 1, 1, 255), 2),
    (dict(label_map={7: 9, "7": 0, "8": 1, "0": 2}), (2, 0, 1, 255), 3),
    (dict(label_map=MAP, **OTHERS), (255, 0, 1, 255), 2),
    (dict(label_map=MAP, ignore_index=0, **OTHERS), (255, 0, 1, 255), 2),
    (dict(label_map={0: 0, 7: 0, 8: 0, 255: 1}), (0, 0, 0, 1), 2),
    (dict(label_map={0: 0, 255: 1}, ignore_index=7, **OTHERS), (0, 255, 255, 1), 2),
    # 1 is subtracted first: the file's 7 is 6 in the map.
    (dict(label_map={6: 0, 7: 1}, **ZERO), (255, 0, 1, 255), 2),
    (dict(label_map={6: 1, 7: 0}, **ZERO, **OTHERS), (255, 1, 0, 255), 2),
]


@pytest.mark.parametrize(("options", "rule", "num_classes"), KEPT)
def test_training_gets_the_labels_that_mmsegs_loader_gives(
    odd: Path, options: dict[str, Any], rule: tuple[int, ...], num_classes: int
) -> None:
    dataset = train_set(odd, **options)
    assert dataset.metainfo["classes"] == tuple(f"class_{i}" for i in range(num_classes))
    raw = read_mask(dataset.get_data_info(0)["seg_map_path"])
    values, places = np.unique(raw, return_inverse=True)
    assert values.tolist() == [0, 7, 8, 255]
    found = dataset[0]["gt_seg_map"]
    np.testing.assert_array_equal(found, np.array(rule)[places].reshape(raw.shape))
    again = Numbering.stated_in(dict(type="MaskFolder", data_root=str(odd), **options))
    np.testing.assert_array_equal(found, again.labels_in(raw))
    upstream = theirs.LoadAnnotations()(dataset.get_data_info(0))
    np.testing.assert_array_equal(found, upstream["gt_seg_map"])


def test_labels_of_a_stock_set_begin_where_its_class_says() -> None:
    for kind, first in (("ADE20KDataset", 1), ("CityscapesDataset", 0), ("MaskFolder", 0)):
        assert Numbering.stated_in(dict(type=kind)).first == first
    assert Numbering.stated_in(dict(type=MaskFolder)).first == 0
    assert Numbering.stated_in(dict(type="ADE20KDataset", reduce_zero_label=False)).first == 0


REFUSED: list[tuple[dict[str, Any], str]] = [
    (dict(label_map=MAP), r"label 0 is not in label_map \(ignored is 255\) in 2 of 2.*train_0.png"),
    (dict(label_map={6: 0, 9: 1}, **ZERO), "label 8 is not in label_map, as 7 after reduce_zero"),
    (dict(label_map={7: 0, 8: 2, 0: 3}), r"label_map is \{7: 0, .*without gaps"),
    (dict(label_map={7: 0, 8: 0, 0: 255}), "without gaps"),
    (dict(label_map={7: 0, 8: 1, 0: 4}, classes=list("abc")), r"\{0: 4\}: .*0 to 2, or 255"),
    (dict(label_map={7: 0, 8: 1, 0: 1}, classes=list("abc")), "no value for class 'c'"),
    (dict(label_map={7: 0, 8: 1}, ignore_index=7), r"label_map has .7: 0. beside ignore_index=7"),
    (dict(label_map={0: 0, 255: 1}, ignore_index=255), "beside ignore_index=255"),
    (dict(label_map={6: 0, 7: 1}, ignore_index=8, reduce_zero_label=True), "beside ignore_index=8"),
    (dict(label_map={6: 0, 255: 1}, reduce_zero_label=True), r"\{255: 1\}.*become 255"),
    (dict(label_map={6: 0, 254: 1}, reduce_zero_label=True), r"\{254: 1\}.*become 255"),
    (dict(label_map={}), "label_map is"),
    (dict(label_map=[7, 8]), r"label_map is \[7, 8\]"),
    (dict(label_map={7: -1}), r"\{7: -1\}"),
    (dict(label_map={7: 0.5}), r"\{7: 0.5\}"),
    (dict(label_map={True: 0}), r"\{True: 0\}"),
    (dict(label_map={"road": 0}), r"\{'road': 0\}"),
    (dict(ignore_index=-1), "ignore_index is -1"),
    (dict(ignore_index="255"), "ignore_index is '255'"),
    (dict(reduce_zero_label="no"), "reduce_zero_label is 'no'"),
    (dict(label_map={7: 0, 8: 1}, unmapped="keep"), "unmapped is 'keep'.*'refuse' or 'ignore'"),
    (dict(unmapped="ignore"), "state label_map, too"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_a_contradiction_is_refused_with_place_and_value(
    odd: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        train_set(odd, **options)
    assert str(odd) in str(caught.value.where)


def test_predictions_have_the_numbers_of_the_files(odd: Path, tmp_path: Path) -> None:
    options = dict(reduce_zero_label=True, label_map={6: 1, 7: 0})
    dataset = train_set(odd, **options)
    truth = dataset[0]["gt_seg_map"]
    metric = SegMetric(output_dir=str(tmp_path / "predicted"))
    metric.dataset_meta = dataset.metainfo
    predicted = np.where(truth == IGNORED, 0, truth)
    sample = {
        "pred_sem_seg": {"data": _tensor(predicted)[None]},
        "gt_sem_seg": {"data": _tensor(truth)[None]},
        "img_path": dataset.get_data_info(0)["img_path"],
        "reduce_zero_label": True,
    }
    metric.process({}, [sample])
    assert metric.evaluate(1)["mIoU"] == 100
    written = np.array(Image.open(tmp_path / "predicted/train_0.png"))
    np.testing.assert_array_equal(written, np.where(predicted == 0, 8, 7))
    again = pictures.labels_of(written.astype(np.int32), dataset.get_data_info(0))
    np.testing.assert_array_equal(again, predicted)


def _tensor(labels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(labels)).long()


def test_the_data_doctor_sees_masks_of_which_nothing_is_learned(odd: Path, tmp_path: Path) -> None:
    root = shutil.copytree(odd, tmp_path / "copy")
    path = root / "SegmentationClass/train_1.png"
    Image.fromarray(np.zeros_like(np.array(Image.open(path)))).save(path)
    split = split_of("train", train_set(root, label_map={7: 0, 8: 1, 0: 255}))
    looks = {
        each.mask: look_at_mask(each.mask, each.mask.read_bytes())
        for each in split.examples
        if each.mask
    }
    assert [found.file for found in odd_masks(split, looks)] == [str(path)]


def test_a_run_with_another_map_does_not_go_on(tmp_path: Path) -> None:
    def config(label_map: dict[int, int]) -> Config:
        data = dict(type="MaskFolder", data_root="x", label_map=label_map)
        return Config(dict(default_scope="mmseg", train_dataloader=dict(dataset=data)))

    stored = json.dumps(stored_config(config({7: 0, 8: 1})))
    assert not changes(stored, config({7: 0, 8: 1}), "x").refused
    refused = changes(stored, config({7: 1, 8: 0}), "x").refused
    assert [change.key.rpartition(".")[2] for change in refused] == ["7", "8"]


def test_a_map_is_given_in_a_config_and_on_the_command_line(tmp_path: Path) -> None:
    data = dict(type="MaskFolder", data_root="x", label_map={7: 0, 8: 1})
    cfg = Config(dict(default_scope="mmseg", train_dataloader=dict(dataset=data)))
    (tmp_path / "c.py").write_text(cfg.pretty_text)
    assert Config.fromfile(tmp_path / "c.py").train_dataloader.dataset.label_map == {7: 0, 8: 1}
    apply_overrides(cfg, ["train_dataloader.dataset.label_map.9=1"])
    assert cfg.train_dataloader.dataset.label_map == {7: 0, 8: 1, "9": 1}
