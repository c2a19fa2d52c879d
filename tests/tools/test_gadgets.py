"""A stranger's checkpoint or card never runs code, whichever tool it is given to."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from bag_of_transfer.classification.teachers import load_teacher
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.weights.checkpoints import check_resumable, load_checkpoint
from tests.engine.gadgets import GADGETS, executed, put
from tests.prediction.tiny_networks import CONFIGS, random_network

ROOT = Path(__file__).resolve().parents[2]
PARTS = {"cls": ("backbone", "head", "data_preprocessor"), "det": ("neck", "head", "nms")}
PARTS["seg"] = ("backbone", "head", "data_preprocessor")
CALLED = ("a_function", "a_program", "a_scope_that_is_imported")


@pytest.fixture(scope="module")
def networks() -> dict[str, tuple[Any, dict[str, Any]]]:
    return {task: random_network(task) for task in CONFIGS}


@pytest.fixture
def write(
    networks: dict[str, tuple[Any, dict[str, Any]]], tmp_path: Path, monkeypatch: Any
) -> Callable[..., Path]:
    """Write a checkpoint with a gadget; the working directory is an empty folder."""
    monkeypatch.chdir(tmp_path)

    def write(task: str, place: str, gadget: str, state: Any = None) -> Path:
        network, meta = networks[task]
        model = put(json.loads(meta["model_json"]), place, gadget)
        changed = {**meta, "model_json": json.dumps(model), "epoch": 1, "iter": 1}
        path = tmp_path / "gadget.pth"
        torch.save({"state_dict": state or network.state_dict(), "meta": changed}, path)
        return path

    return write


def refused(tool: Any, capsys: Any, *arguments: object) -> None:
    """Call a tool; it ends with 2 and one line, and nothing was executed."""
    assert tool(*arguments) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith("error: ")
    assert "gadget" in line
    assert executed(Path()) == []


# tests/engine/test_described.py tries all in every place; here eleven of twelve are slow.
IN_TURN = [
    pytest.param(gadget, marks=[pytest.mark.slow] if number % 12 else [])
    for number, gadget in enumerate(GADGETS)
]


TRIED = [(task, gadget) for task in CONFIGS for gadget in CALLED]
# A task's network is described as another's: of detectors and segmenters one gadget each.
FAST = {*(("cls", gadget) for gadget in CALLED), ("det", CALLED[0]), ("seg", CALLED[2])}


@pytest.mark.parametrize(
    ("task", "gadget"),
    [pytest.param(*one, marks=[] if one in FAST else [pytest.mark.slow]) for one in TRIED],
)
def test_predicting_and_testing(
    tool: Any, write: Any, capsys: Any, tmp_path: Path, task: str, gadget: str
) -> None:
    test = "test_cls" if task == "cls" else "test"
    for place in PARTS[task]:
        path = write(task, place, gadget)
        refused(tool, capsys, test, CONFIGS[task], path, "--work-dir", tmp_path / "w")
        picture = tmp_path / "a.png"
        Image.new("RGB", (40, 40)).save(picture)
        refused(tool, capsys, "predict", CONFIGS[task], path, picture, "--out-dir", tmp_path / "p")


@pytest.mark.parametrize("gadget", IN_TURN)
def test_a_teacher(write: Any, tmp_path: Path, gadget: str) -> None:
    for place in PARTS["cls"]:
        path = write("cls", place, gadget)
        with pytest.raises(UserError):
            load_teacher({"checkpoint": str(path)}, 6, [0.0] * 3, [1.0] * 3)
        assert executed(tmp_path) == []


@pytest.mark.parametrize("gadget", IN_TURN)
def test_exporting_converting_and_inspecting(
    tool: Any, write: Any, capsys: Any, tmp_path: Path, gadget: str
) -> None:
    path = write("cls", "backbone", gadget)
    if gadget in ("a_scope_that_is_imported", "a_base_to_read"):  # beside a sound type and depth
        assert tool("export_backbone", path, tmp_path / "whole.safetensors") == 0
        assert executed(tmp_path) == []
    else:
        refused(tool, capsys, "export_backbone", path, tmp_path / "out.safetensors")
    refused(tool, capsys, "convert_weights", path, tmp_path / "out.safetensors")
    refused(tool, capsys, "inspect_backbone", path)


@pytest.mark.parametrize("gadget", IN_TURN)
def test_going_on_and_starting_from_it(write: Any, tmp_path: Path, gadget: str) -> None:
    path = write("det", "backbone", gadget)
    load_checkpoint(path)  # training takes the weights; the network is the config's
    with pytest.raises(UserError, match="weights alone"):
        check_resumable(path)
    assert executed(tmp_path) == []


@pytest.mark.parametrize(
    "backbone",
    [
        {"name": "hf-hub:gadget/gadget"},
        {"name": "resnet10t", "options": {"checkpoint_path": "gadget.pth"}},
        {"name": "resnet10t", "pretrained": True, "options": {"pretrained": True}},
    ],
)
def test_exporting_a_network_of_timm_fetches_nothing(
    tool: Any, write: Any, capsys: Any, tmp_path: Path, monkeypatch: Any, backbone: dict[str, Any]
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr("timm.models._helpers.load_state_dict", lambda *a, **k: asked.append(a))
    monkeypatch.setattr("timm.models._factory.load_model_config_from_hf", asked.append)
    monkeypatch.setitem(GADGETS, "timm", {"type": "TimmNetwork", **backbone})
    path = write("cls", "backbone", "timm", state={"backbone.network.x": torch.ones(1)})
    refused(tool, capsys, "export_backbone", path, tmp_path / "out.safetensors")
    assert asked == []


@pytest.mark.parametrize("options", [{"checkpoint_path": "gadget.pth"}, {"pretrained": True}])
def test_a_card_of_a_network_of_timm_fetches_nothing(
    tool: Any, capsys: Any, tmp_path: Path, monkeypatch: Any, options: dict[str, Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "gadget.safetensors"
    save_file({"network.x": torch.ones(1)}, path)
    card = {
        **{"schema": 1, "type": "TimmNetwork", "depth": None, "variant": "resnet10t"},
        **{"in_channels": 3, "stem_channels": None, "base_channels": None, "tricks": {}},
        **{"dataset": "", "metrics": {}, "mean": [0, 0, 0], "std": [1, 1, 1], "seed": None},
        **{"channel_order": "RGB", "value_range": [0, 255], "epochs": None, "sha256": "0" * 64},
        **{"num_tensors": 1, "source": "", "options": options},
    }
    path.with_suffix(".json").write_text(json.dumps(card))
    config = ROOT / "configs/detection/faster-rcnn_fpn_tiny.py"
    refused(tool, capsys, "inspect_backbone", path)
    refused(tool, capsys, "train", config, "--backbone", path, "--work-dir", tmp_path / "w")
