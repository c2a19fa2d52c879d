"""Configs of another tool, and half-broken ones: each tool says in one line what is wrong."""

from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config
from PIL import Image

from bag_of_transfer.engine.config.num_classes import fill_num_classes

ROOT = Path(__file__).resolve().parents[2]
CLS = ROOT / "configs/classification/resnet18-d_tiny.py"
DET = ROOT / "configs/detection/faster-rcnn_fpn_tiny.py"
LADDER = ROOT / "configs/ladder/demo.py"
TOOLS = {
    "train_cls": ("CONFIG", "--dry-run"),
    "train": ("CONFIG", "--backbone", "scratch", "--dry-run"),
    "test_cls": ("CONFIG", "none.pth"),
    "test": ("CONFIG", "none.pth"),
    "predict": ("CONFIG", "none.pth", "a.png", "--out-dir", "out"),
    "ladder": ("CONFIG", "--dry-run"),
    "benchmark": ("CONFIG",),
}
OWN = {
    "train_cls": CLS,
    "test_cls": CLS,
    "train": DET,
    "test": DET,
    "predict": DET,
    "benchmark": CLS,
}
NONE = "model|not a classifier"
BROKEN = {
    "empty": ("", "model is missing|not a classifier"),
    "no_model": ("train_cfg = dict(max_epochs=1)\n", "model is missing|not a classifier"),
    "model_none": ("_base_ = '{own}'\nmodel = None\n", NONE),
    "model_list": ("_base_ = '{own}'\nmodel = []\n", NONE),
    "no_type": ("_base_ = '{own}'\nmodel = dict(_delete_=True)\n", NONE),
    "loader_none": ("_base_ = '{own}'\ntrain_dataloader = None\n", "train_dataloader|none.pth"),
    "loader_list": ("_base_ = '{own}'\ntrain_dataloader = []\n", "train_dataloader|none.pth"),
    "optim_none": ("_base_ = '{own}'\noptim_wrapper = None\n", "optim_wrapper|none.pth"),
    "hooks_list": ("_base_ = '{own}'\ndefault_hooks = []\n", "default_hooks|none.pth"),
    "not_utf8": ("x = '\udce9'\n", "not valid Python|cannot be read"),
    "zeros": ("\0", "not valid Python|cannot be read"),
    "nested": ("x = " + "[" * 5000 + "]" * 5000, "not valid Python|cannot be read"),
}


def line_of(tool: Any, capsys: Any, name: str, config: Path) -> str:
    words = [str(config) if word == "CONFIG" else word for word in TOOLS[name]]
    code = tool(name, *words)
    said: str = capsys.readouterr().err.strip().splitlines()[-1]
    assert (code, said[:7]) == (2, "error: "), said
    assert len(said.split(": ")) >= 4, said
    return said


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_ROOT", str(tmp_path / "no data"))
    Image.new("RGB", (40, 40)).save("a.png")
    Path("none.pth").touch()  # no checkpoint, but what is checked first is the config


@pytest.mark.parametrize("case", BROKEN)
@pytest.mark.parametrize("name", TOOLS)
def test_a_half_broken_config_is_named_with_its_section(
    tool: Any, capsys: Any, tmp_path: Path, name: str, case: str
) -> None:
    text, told = BROKEN[case]
    if name == "ladder" and "{own}" in text:
        text = "rungs = []\ntasks = 5\nseeds = None\n"
    config = tmp_path / "mine.py"
    config.write_bytes(text.format(own=OWN.get(name)).encode("utf-8", "surrogateescape"))
    said = line_of(tool, capsys, name, config)
    if name != "ladder":
        assert any(word in said for word in told.split("|")), said


@pytest.mark.parametrize(
    ("name", "config", "told"),
    [
        ("train_cls", DET, "detection and segmentation configs go to train.py and test.py"),
        ("test_cls", DET, "detection and segmentation configs go to train.py and test.py"),
        ("train", CLS, "a classifier's config goes to train_cls.py and test_cls.py"),
        ("test", CLS, "a classifier's config goes to train_cls.py and test_cls.py"),
        ("train_cls", LADDER, "give it to tools/ladder.py"),
        ("train", LADDER, "give it to tools/ladder.py"),
        ("test", LADDER, "give it to tools/ladder.py"),
        ("ladder", CLS, "the config has no rungs"),
    ],
)
def test_another_tools_config_is_sent_there(
    tool: Any, capsys: Any, name: str, config: Path, told: str
) -> None:
    assert told in line_of(tool, capsys, name, config)


@pytest.mark.parametrize("more", ["", ", in_channels=64", ", num_classes=None"])
def test_a_head_without_num_classes_gets_them_from_the_data(more: str) -> None:
    head = f"dict(type='LinearHead'{more})"
    cfg = Config.fromstring(f"model = dict(type='ImageClassifier', head={head})", ".py")
    fill_num_classes(cfg, ("a", "b", "c"))
    assert cfg.model.head.num_classes == 3
