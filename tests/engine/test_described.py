"""A network that a file describes is data: nothing in it is run, imported or fetched."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.registry import MODELS

import backbones  # noqa: F401  registers ResNetA to ResNetD
import bag_of_transfer.detection  # noqa: F401  before anything imports mmdet
from bag_of_transfer.engine.config.described import admit, read_description
from bag_of_transfer.engine.config.sized_build import build_described, sized_by
from bag_of_transfer.engine.errors import UserError
from tests.engine.gadgets import EXPRESSION, GADGETS, PLACES, executed, put

MODEL: dict[str, Any] = {
    "type": "FasterRCNN",
    "data_preprocessor": {"type": "DetDataPreprocessor", "mean": [1.0], "std": [1.0]},
    "backbone": {"type": "ResNetD", "depth": 18, "norm_cfg": {"type": "BN"}},
    "neck": {"type": "FPN", "in_channels": [64], "out_channels": 8, "num_outs": 1},
    "test_cfg": {"rcnn": {"nms": {"type": "nms", "iou_threshold": 0.5}}},
}
BACKBONE = MODEL["backbone"]


def admitted(**changes: Any) -> Any:
    return admit({**MODEL, "backbone": {**BACKBONE, **changes}}, "f.pth", scope="mmdet").backbone


def answer(place: str, gadget: str) -> str:
    try:
        return f"admitted: {admit(put(MODEL, place, gadget), 'f.pth', scope='mmdet')}"
    except UserError as error:
        return str(error)


@pytest.mark.parametrize("gadget", GADGETS)
def test_a_gadget_is_refused_in_every_place(
    gadget: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answers = {place: answer(place, gadget) for place in PLACES}
    refused = re.compile(r"refused a described network .*: f\.pth \(model\.")
    assert not {place: text for place, text in answers.items() if not refused.search(text)}
    assert executed(tmp_path) == []
    assert "antigravity" not in sys.modules
    assert "tests.engine.imported_by_a_gadget" not in sys.modules


def test_the_gadgets_are_real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    MODELS.build(GADGETS["a_function"])
    assert len(executed(tmp_path)) == 1


def test_what_our_tools_write_passes_unchanged() -> None:
    assert admit(MODEL, "f.pth", scope="mmdet").to_dict() == MODEL


@pytest.mark.parametrize("scope", ["mmdet", "mmseg", "mmengine"])
def test_a_type_of_another_known_library_may_say_so(scope: str) -> None:
    named = {"type": "mmdet.FPN"}
    model = {"type": "mmdet.FasterRCNN", "neck": named}
    assert admit(model, "f", scope=scope).to_dict() == model
    inside = admit({"neck": {"_scope_": "mmdet", "type": "FPN", "a": {"type": "SSDNeck"}}}, "f")
    assert inside.neck.a.type == "SSDNeck"


def test_a_name_of_another_library_needs_that_librarys_name() -> None:
    with pytest.raises(UserError, match="'FCNHead' is not a network of a library in use"):
        admit({**MODEL, "decode_head": {"type": "FCNHead"}}, "f.pth", scope="mmdet")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("init_cfg", {"type": "Pretrained", "checkpoint": "http://x/evil.pth"}),
        ("init_cfg", [{"type": "subprocess.Popen", "args": ["x"]}]),
        ("pretrained", True),
        ("pretrained", "torchvision://resnet50"),
        ("checkpoint_path", "evil.pth"),
        ("pretrained_cfg", {"file": "evil.pth"}),
        ("teacher_ckpt", "x"),
        ("class_weight", "evil.pkl"),
        ("class_weight", "weights.NPY"),
        ("class_weight", "~/x"),
        ("class_weight", "..\\x"),
        ("class_weight", "s3:x"),
        ("class_weight", ["a/b"]),
        ("class_embed_path", "x"),
        ("name", "hf-hub:a/b"),
        ("cache_dir", "x"),
        ("warp_mode", EXPRESSION["warp_mode"]),
        ("warp_mode", "[].__class__"),
    ],
)
def test_what_points_elsewhere_is_dropped(key: str, value: Any) -> None:
    assert admitted(**{key: value}) == BACKBONE


def test_words_and_numbers_stay() -> None:
    kept = {
        "style": "pytorch",
        "name": "mobilenetv1_100.ra4_e3600_r224_in1k",
        "drop_path_rate": 0.1,
        "act_cfg": {"type": "ReLU", "inplace": True},
        "with_cp": False,
        "classes": ["aeroplane", "dining table", "t-shirt"],
        "ranges": [-1, 64, float("inf"), 1e8],
    }
    assert admitted(**kept).to_dict() == BACKBONE | kept


def test_what_the_users_own_config_says_in_the_same_place_stays() -> None:
    own = {
        "type": "FasterRCNN",
        "backbone": {"type": "my_package.networks.Mine", "table_file": "my/table.txt"},
        "fetching": {"type": "BertModel", "name": "bert-base-uncased"},
        "steps": (10**13,),
    }
    described = json.loads(json.dumps(own))
    assert admit(described, "f", own, "mmdet").to_dict() == described
    for other in ({"backbone": own["backbone"]}, {"neck": own["backbone"]}):
        with pytest.raises(UserError, match="not a network of a library"):
            admit({"type": "FasterRCNN", **other}, "f", {"type": "FasterRCNN"}, "mmdet")
    described["backbone"]["table_file"] = "another/table.txt"
    assert "table_file" not in admit(described, "f", own, "mmdet").backbone
    described["fetching"]["name"] = "another"
    with pytest.raises(UserError, match="BertModel may download files"):
        admit(described, "f", own, "mmdet")


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (10**9, "1000000000 is larger than any number of a network"),
        ([0] * 200_000, "more than 100000 values"),
    ],
)
def test_a_description_without_measure_is_refused(value: Any, told: str) -> None:
    with pytest.raises(UserError, match=told):
        admitted(depth=value)


@pytest.mark.parametrize(
    "text",
    [5, ["x"], b"{}", "[1]", "5", "{", '{"a":' * 100_000 + "1" + "}" * 100_000, "x" * 5_000_000],
)
def test_a_description_that_is_no_object_of_json_is_refused(text: Any) -> None:
    with pytest.raises(UserError, match=r"model_json.*: use a checkpoint"):
        read_description({"model_json": text}, "f.pth")


def test_a_checkpoint_may_say_nothing_of_its_network() -> None:
    assert read_description({}, "f.pth") is None


@pytest.mark.parametrize(
    "model",
    [
        {"type": "Conv2d", "in_channels": 100_000, "out_channels": 100_000, "kernel_size": 3},
        {"type": "ResNetD", "depth": 18, "base_channels": 100_000},
        {"type": "ResNetD", "depth": 152, "base_channels": 10_000},
        {"type": "mmdet.FPN", "in_channels": [8] * 9_000, "out_channels": 1, "num_outs": 9_000},
    ],
)
def test_a_network_far_larger_than_its_weights_is_not_built(model: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"far larger than the file's weights: f\.pth"):
        build_described(admit(model, "f.pth"), {"a": torch.ones(10)}, "f.pth")


@pytest.mark.parametrize("change", [{"depth": 17}, {"no_such": 1}, {"norm_cfg": 5}, {"depth": [1]}])
def test_a_network_that_cannot_be_built_is_the_files_mistake(change: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"cannot be built .*: f\.pth"):
        build_described(admit({**BACKBONE, **change}, "f.pth"), {}, "f.pth")


def test_a_network_of_its_weights_size_is_built_with_the_same_values() -> None:
    model = {"type": "ResNetD", "depth": 18, "stem_channels": 8, "base_channels": 8}
    torch.manual_seed(0)
    plain = MODELS.build(model).state_dict()
    torch.manual_seed(0)
    with sized_by(plain, "f.pth"):
        built = MODELS.build(model).state_dict()
    assert all(torch.equal(plain[name], built[name]) for name in plain)
