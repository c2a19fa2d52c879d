"""Files that were made before one package are still taken, and give the same numbers."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from backbones import ResNetD
from bag_of_transfer.ladder.report.results import read_results
from bag_of_transfer.ladder.report.tables import long_form
from bag_of_transfer.prediction import Predictor
from bag_of_transfer.transfer.backbone_card import read_card
from bag_of_transfer.transfer.backbone_file import load_backbone

GOLDEN = Path(__file__).resolve().parents[1] / "golden/before_one_package"
EXPECTED, CONFIGS = GOLDEN / "expected", GOLDEN / "configs"
TASKS = ("cls", "det", "seg")
BACKBONES = ("exported", "converted")


@pytest.fixture(autouse=True)
def _golden_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").symlink_to(GOLDEN / "data")  # as the resolved configs say
    monkeypatch.setenv("DATA_ROOT", "data")


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def configs_of(task: str) -> tuple[Path, Path]:
    """The user's config, which builds on ours of today, and the one that stands alone."""
    return CONFIGS / f"{task}.py", GOLDEN / task / "resolved_config.py"


@pytest.mark.parametrize("which", [0, 1], ids=["config", "resolved"])
@pytest.mark.parametrize("task", TASKS)
def test_a_checkpoint_measures_what_it_did(tool, tmp_path, task, which) -> None:
    call = (
        configs_of(task)[which],
        GOLDEN / task / "last_checkpoint",
        "--work-dir",
        tmp_path / "w",
    )
    assert tool("test_cls" if task == "cls" else "test", *call, "--out", tmp_path / "m.json") == 0
    now, then = read(tmp_path / "m.json"), read(EXPECTED / task / "metrics.json")
    for figures in ("metrics", "per_class"):
        assert now[figures] == pytest.approx(then[figures], abs=1e-3)
    for same in ("schema", "task", "split", "num_images", "checkpoint_sha256", "backbone_sha256"):
        assert now[same] == then[same]


@pytest.mark.parametrize("which", [0, 1], ids=["config", "resolved"])
@pytest.mark.parametrize("task", TASKS)
def test_a_checkpoint_predicts_what_it_did(task, which) -> None:
    then = read(EXPECTED / task / "predictions.json")
    predictor = Predictor(configs_of(task)[which], GOLDEN / task / "last_checkpoint", "cpu")
    assert list(predictor.classes) == then["classes"]
    results = predictor([row["file"] for row in then["images"]])
    for result, row in zip(results, then["images"], strict=True):
        now = result.record()
        if task == "cls":
            probabilities = dict(result.top())
            wanted = {one["name"]: one["probability"] for one in row["top5"]}
            assert probabilities == pytest.approx(wanted, abs=1e-5)
        elif task == "det":
            assert now["names"] == row["names"]
            np.testing.assert_allclose(now["scores"], row["scores"], atol=1e-5)
            np.testing.assert_allclose(now["boxes_xyxy"], row["boxes_xyxy"], atol=1e-3)
        else:
            mask = np.asarray(Image.open(EXPECTED / task / row["mask"]))
            np.testing.assert_array_equal(result.mask, mask)


def test_a_run_is_resumed_as_it_was(tool, tmp_path) -> None:
    shutil.copytree(GOLDEN / "cls", tmp_path / "w")
    longer = ("--resume", "--cfg-options", "train_cfg.max_epochs=12")
    config = tmp_path / "w/resolved_config.py"
    assert tool("train_cls", config, "--work-dir", tmp_path / "w", *longer) == 0
    now, then = lines(tmp_path / "w/curve.jsonl"), lines(EXPECTED / "cls/longer_curve.jsonl")
    assert len(now) == len(then) == 12
    for ours, theirs in zip(now, then, strict=True):
        for same in ("epoch", "iter", "lr"):
            assert ours[same] == pytest.approx(theirs[same])
    assert now[:8] == then[:8]  # images are drawn otherwise now, so later losses are not compared
    tricks, before = read(tmp_path / "w/tricks.json"), read(GOLDEN / "cls/tricks.json")
    assert tricks.pop("lr_decay")["on"] > before.pop("lr_decay")["on"]  # it falls after epoch 8
    assert tricks == before


def test_a_run_is_exported_as_it_was(tool, tmp_path) -> None:
    out = tmp_path / "again.safetensors"
    assert tool("export_backbone", GOLDEN / "cls/last_checkpoint", out) == 0
    assert read(out.with_suffix(".json")) == read(GOLDEN / "backbones/exported.json")
    assert out.read_bytes() == (GOLDEN / "backbones/exported.safetensors").read_bytes()


@pytest.mark.parametrize("name", BACKBONES)
def test_a_backbone_file_fills_its_network(name) -> None:
    path = GOLDEN / f"backbones/{name}.safetensors"
    backbone = ResNetD(18, stem_channels=4, base_channels=2)
    assert load_backbone(backbone, path).startswith("backbone: 115 of 115 tensors from ")
    run = torch.load(GOLDEN / "cls/epoch_8.pth", weights_only=True)["state_dict"]
    for key, tensor in load_file(path).items():
        assert torch.equal(tensor, run[f"backbone.{key}"])
        assert torch.equal(tensor, backbone.state_dict()[key])
    then = read(path.with_suffix(".json"))
    assert read_card(path).to_dict() == then
    assert (then["type"], then["depth"], then["num_tensors"]) == ("ResNetD", 18, 115)


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("config", ["det", "seg", "stock"])
def test_a_backbone_file_fits_a_config(tool, capsys, name, config) -> None:
    path = GOLDEN / f"backbones/{name}.safetensors"
    assert tool("inspect_backbone", path, "--against", CONFIGS / f"{config}.py") == 0
    parts = "backbone and shared head" if config == "stock" else "backbone"
    assert f"{parts}: 115 of 115 tensors" in capsys.readouterr().out


def test_cells_of_a_ladder_come_in(tool, tmp_path, capfd) -> None:
    root = tmp_path / "ladder"
    root.mkdir()
    shutil.copyfile(GOLDEN / "ladder/ladder.json", root / "ladder.json")
    call = ("ladder", CONFIGS / "ladder.py", "--work-dir", root)
    assert tool(*call, "--import", GOLDEN / "ladder/cells.tar.gz") == 0
    assert "imported 5 cells, 0 here already" in capfd.readouterr().out
    ladder = read(root / "ladder.json")
    assert ladder.pop("sha256")  # the import sealed it
    assert ladder == read(GOLDEN / "ladder/ladder.json")
    assert long_form(read_results(root)) == (GOLDEN / "ladder/results.csv").read_text()
