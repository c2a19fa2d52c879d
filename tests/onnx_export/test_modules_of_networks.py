"""The modules that are exported answer, in torch, exactly as the networks' own test_step does."""

from typing import Any

import numpy as np
import pytest
import torch

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.onnx_export.equality import Checked, answer_of, as_rgb, together
from bag_of_transfer.onnx_export.kinds import kind_of
from bag_of_transfer.prediction.network import Trained
from tests.onnx_export.slim_networks import C4, GLUON, SLIM_C4, SLIM_GLUON, pictures, trained


def compared(network: Trained, images: torch.Tensor) -> tuple[dict[str, Any], Any]:
    """Return the answer of the module and that of the network itself, for the same images."""
    kind = kind_of(network)
    rgb = torch.from_numpy(as_rgb(network, images).copy())
    with torch.no_grad():
        values = kind.build(network)(rgb)
    values = values if isinstance(values, tuple) else (values,)
    ours = dict(zip(kind.outputs, (value.numpy() for value in values), strict=True))
    return ours, answer_of(network, images)


def found(boxes: list[list[float]], labels: list[int]) -> dict[str, np.ndarray]:
    number = len(boxes)
    return {
        "boxes": np.array(boxes, np.float32).reshape(-1, 4),
        "scores": np.linspace(0.9, 0.8, number),
        "labels": np.array(labels),
        "images": np.zeros(number, int),
    }


def test_boxes_of_which_none_has_a_partner_are_another_answer() -> None:
    box, other, none = found([[1, 2, 9, 9]], [0]), found([[30, 2, 39, 9]], [1]), found([], [])
    compare = kind_of(trained("det")).compare
    for mine, theirs, is_right in ((box, box, True), (none, none, True), (box, other, False)):
        assert Checked("", tuple(compare(mine, theirs))).is_right == is_right
    assert not Checked("", tuple(compare(none, box))).is_right


def test_a_box_without_a_partner_in_each_image_is_too_many() -> None:
    compare = kind_of(trained("det")).compare
    mine = found([[1, 2, 9, 9], [30, 2, 39, 9]], [0, 1])
    theirs = found([[1, 2, 9, 9], [50, 2, 59, 9]], [0, 1])
    one = Checked("", tuple(compare(mine, theirs)))
    assert one.is_right  # one overlap may be as large as the threshold
    assert together([one]).is_right
    assert not together([one] * 8).is_right


FEW = {
    "model.test_cfg.rpn.max_per_img": 7,
    "model.test_cfg.rcnn.max_per_img": 3,
    "model.data_preprocessor.bgr_to_rgb": False,
}
DETECTORS = {
    "few boxes, swapped colours": (FEW, None),
    "c4": (SLIM_C4, C4),
}
MORE_DETECTORS = {
    "any class": ({"model.test_cfg.rcnn.nms.class_agnostic": True}, None),
    "boxes of all classes": ({"model.roi_head.bbox_head.reg_class_agnostic": True}, None),
    "c4, all anchors": ({**SLIM_C4, "model.test_cfg.rpn.nms_pre": -1}, C4),
}


@pytest.mark.parametrize(
    "variant",
    [
        *DETECTORS.values(),
        *(pytest.param(v, marks=pytest.mark.slow) for v in MORE_DETECTORS.values()),
    ],
    ids=[*DETECTORS, *MORE_DETECTORS],
)
def test_a_detector_finds_the_same_boxes_in_each_image_of_a_batch(variant: Any) -> None:
    network = trained("det", *variant)
    images = pictures(3, 131, 98)
    ours, theirs = compared(network, images)
    assert len(theirs["boxes"]) > 5
    for image in range(3):
        for output in ("boxes", "scores", "labels"):
            mine = ours[output][ours["images"] == image]
            torch.testing.assert_close(
                torch.from_numpy(mine),
                torch.from_numpy(theirs[output][theirs["images"] == image]),
                atol=1e-3,  # of convolutions in batches, in pixels
                rtol=0,
            )


@pytest.mark.parametrize(
    ("changes", "config"),
    [
        ({"model.test_cfg.rcnn.score_thr": 2.0}, None),
        pytest.param({"model.test_cfg.rpn.min_bbox_size": 500}, None, marks=pytest.mark.slow),
        ({**SLIM_C4, "model.test_cfg.rpn.min_bbox_size": 500}, C4),
    ],
)
def test_a_detector_may_find_nothing(changes: dict[str, Any], config: Any) -> None:
    ours, theirs = compared(trained("det", changes, config), pictures(2, 65, 97))
    assert {name: len(values) for name, values in ours.items()} == dict.fromkeys(ours, 0)
    assert len(theirs["boxes"]) == 0


ONE = {
    "model.decode_head.num_classes": 2,
    "model.decode_head.out_channels": 1,
}
SEGMENTERS = {
    "gluon, with corners": (SLIM_GLUON, GLUON),
    "one channel out": (ONE, None),
}


@pytest.mark.parametrize("name", [*SEGMENTERS, pytest.param("padded", marks=pytest.mark.slow)])
def test_a_segmenter_labels_the_same_pixels(name: str) -> None:
    padded = {"model.data_preprocessor.test_cfg": {"size_divisor": 32}}
    network = trained("seg", *SEGMENTERS.get(name, (padded, None)))
    images = pictures(2, 65, 97)
    if "one" in name:
        head: Any = network.network.decode_head
        head.threshold = float(np.median(answer_of(network, images)["logits"]))
    ours, theirs = compared(network, images)
    assert ours["labels"].shape == (2, 65, 97)
    assert len({*ours["labels"].flatten().tolist()}) > 1
    assert (ours["labels"] == theirs["labels"]).all()
    assert abs(ours["logits"] - theirs["logits"]).max() == 0


def test_a_classifier_gives_the_same_probabilities() -> None:
    ours, theirs = compared(trained("cls"), pictures(3, 65, 97))
    assert ours["probabilities"].shape == (3, 6)
    assert abs(ours["probabilities"] - theirs["probabilities"]).max() == 0


REFUSED = {
    "the rpn_head": ("det", {"model.rpn_head.loss_cls.use_sigmoid": False}),
    "test_cfg's nms of Shared2FCBBoxHead": ("det", {"model.test_cfg.rcnn.nms.type": "soft_nms"}),
    "test_cfg's nms of RPNHead": ("det", {"model.test_cfg.rpn.nms.score_threshold": 0.1}),
    "sliding window": ("seg", {"model.test_cfg.mode": "slide"}),
}


@pytest.mark.parametrize("part", REFUSED)
def test_what_works_in_another_way_is_refused_by_name(part: str) -> None:
    network = trained(*REFUSED[part])
    with pytest.raises(UserError, match=part):
        kind_of(network).build(network)
