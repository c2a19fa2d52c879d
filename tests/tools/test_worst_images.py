"""After a test the worst images lie in the work dir, truth beside prediction, in each task."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = {
    "test_cls": ROOT / "configs/classification/resnet18-d_tiny.py",
    "seg": ROOT / "configs/segmentation/fcn_d8_tiny.py",
}


def check(folder: Path, count: int, split: str, size: tuple[int, int]) -> dict:
    details = json.loads((folder / "test_details.json").read_text())
    assert details["split"] == split
    assert [entry["picture"] for entry in details["worst"]] == [
        f"{number:02}.png" for number in range(1, count + 1)
    ]
    figures = [entry["figure"] for entry in details["worst"]]
    assert figures == sorted(figures)
    for entry in details["worst"]:
        with Image.open(folder / "worst" / entry["picture"]) as picture:
            assert picture.width >= size[0]
            assert picture.height >= size[1]
    assert (folder / f"plots/{split}-confusion.png").is_file()
    return details


def test_a_classifiers_worst_are_its_surest_mistakes(
    tool: Callable[..., int], pretrained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    last = pretrained / "last_checkpoint"
    config = CONFIGS["test_cls"]
    assert tool("test_cls", config, last, "--work-dir", tmp_path, drawing=True) == 0
    details = check(tmp_path, 12, "val", (240, 240))
    assert details["measure"] == "top-1"
    said = capsys.readouterr().out
    assert "precision" in said
    assert "never found" in said or "every class found" in said
    validated = json.loads((pretrained / "details.json").read_text())
    for key in ("classes", "confusion", "num_never_found"):
        assert details[key] == validated[key]  # the same network and images


def test_a_segmenters_worst_show_both_masks(
    tool: Callable[..., int], pretrained: Path, tmp_path: Path
) -> None:
    config, folder = CONFIGS["seg"], tmp_path / "run"
    start = ("--backbone", pretrained / "backbone.safetensors", "--work-dir", folder)
    assert tool("train", config, *start, "--cfg-options", "train_cfg.max_epochs=1") == 0
    last, masks = folder / "last_checkpoint", tmp_path / "masks"
    flags = ("--work-dir", folder, "--dump-predictions", masks)
    assert tool("test", config, last, *flags, drawing=True) == 0
    details = check(folder, 4, "test", (480, 240))
    assert details["measure"] == "IoU"
    assert len(list(masks.glob("*.png"))) == 4  # those that are seen again are not written again
    assert tool("report", folder) == 0
    page = (folder / "report.html").read_text()
    assert page.count("data:image/jpeg") == 4
