"""Networks between those of tests/tools/test_export_model.py, exported and compared."""

from pathlib import Path
from typing import Any

import pytest

from bag_of_transfer.onnx_export.file import export
from tests.onnx_export.slim_networks import C4, GLUON, SLIM_C4, SLIM_GLUON, pictures, trained

TIMM = {"type": "TimmNetwork", "_delete_": True}
VARIANTS: dict[str, tuple[Any, ...]] = {
    "ResNetA": ("cls", {"model.backbone.type": "ResNetA"}),
    "ResNetB": ("cls", {"model.backbone.type": "ResNetB"}),
    "ResNetC": ("cls", {"model.backbone.type": "ResNetC"}),
    "MobileNet": ("cls", {"model.backbone": {**TIMM, "name": "mobilenetv1_100"}}),
    "Inception, which takes no image of 65 pixels": (
        "cls",
        {"model.backbone": {**TIMM, "name": "inception_v3"}},
    ),
    "c4": ("det", SLIM_C4, C4),
    "c4, no region": ("det", {**SLIM_C4, "model.test_cfg.rpn.min_bbox_size": 500}, C4),
    "fpn, no region": ("det", {"model.test_cfg.rpn.min_bbox_size": 500}),
    "fpn, no box": ("det", {"model.test_cfg.rcnn.score_thr": 2.0}),
    "gluon": ("seg", SLIM_GLUON, GLUON),
    "padded": ("seg", {"model.data_preprocessor.test_cfg": {"size_divisor": 32}}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_is_exported_for_all_sizes(name: str, tmp_path: Path) -> None:
    network = trained(*VARIANTS[name])
    images = [*pictures(3, 90, 141), *pictures(2, 100, 77)]
    checked = export(network, images, tmp_path / "variant.onnx", {"task": network.task.name})
    assert len(checked) == (3 if "65 pixels" in name else 5)
    assert all(one.is_right for one in checked)
    assert [path.name for path in tmp_path.iterdir()] == ["variant.onnx"]
