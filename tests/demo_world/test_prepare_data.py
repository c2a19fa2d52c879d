"""The tool ``tools/prepare_data.py demo``, with three pictures per split."""

from collections.abc import Callable
from importlib import util
from pathlib import Path

import pytest

from bag_of_transfer.demo_world.manifest import read_manifest
from bag_of_transfer.engine.cli import run_tool

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("few_pictures", "pictures_drawn_once")
Tool = Callable[..., int]


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tool:
    spec = util.spec_from_file_location("prepare_data", ROOT / "tools/prepare_data.py")
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    # The committed manifest is that of the large world.
    monkeypatch.setattr(module, "GOLDEN", tmp_path / "golden.json")
    monkeypatch.delenv("DATA_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    return lambda *argv: run_tool(module.main, [str(word) for word in argv])


@pytest.mark.usefixtures("forked")
def test_draws_once_and_then_leaves_it(
    tool: Tool, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    root = tmp_path / "root"
    assert tool("demo", "--data-root", root) == 0
    output = capsys.readouterr().out
    assert output.endswith(
        "classification: train 3, val 3\n"
        "detection: train 3, val 3, test 3\n"
        "segmentation: train 3, val 3, test 3\n"
        "24 pictures of 12 classes\n"
    )
    before = (root / "demo/manifest.json").stat().st_mtime_ns
    assert tool("demo", "--data-root", root) == 0
    assert "complete, left as it is" in capsys.readouterr().out
    assert (root / "demo/manifest.json").stat().st_mtime_ns == before


def test_mends_what_is_incomplete_and_says_why(
    tool: Tool, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    tool("demo")  # without --data-root: data/
    (tmp_path / "data/demo/segmentation/classes.txt").unlink()
    assert tool("demo") == 0
    output = capsys.readouterr().out
    assert "to be drawn again: segmentation/classes.txt is missing" in output
    assert (tmp_path / "data/demo/segmentation/classes.txt").is_file()


def test_data_root_comes_from_the_environment(
    tool: Tool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATA_ROOT", str(tmp_path / "elsewhere"))
    assert tool("demo", "--seed", "2") == 0
    assert read_manifest(tmp_path / "elsewhere/demo/manifest.json")["seed"] == 2


def test_a_linked_folder_is_filled_not_replaced(tool: Tool, tmp_path: Path) -> None:
    (tmp_path / "large_disk").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data/demo").symlink_to(tmp_path / "large_disk")
    assert tool("demo") == 0
    assert (tmp_path / "data/demo").is_symlink()
    assert (tmp_path / "large_disk/manifest.json").is_file()


def test_a_foreign_folder_is_refused(
    tool: Tool, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "data/demo").mkdir(parents=True)
    (tmp_path / "data/demo/mine").touch()
    assert tool("demo") == 3
    assert capsys.readouterr().err.startswith("error: not drawn by this tool (mine): ")


def test_golden_is_compared_and_can_be_updated(
    tool: Tool, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert tool("demo", "--update-golden") == 0
    golden = (tmp_path / "golden.json").read_text()
    assert golden == (tmp_path / "data/demo/manifest.json").read_text()
    (tmp_path / "golden.json").write_text(
        golden.replace('"every_20": [\n        "', '"every_20": [\n        "0')
    )
    capsys.readouterr()
    assert tool("demo", "--data-root", tmp_path / "other") == 1
    assert "are not the committed ones: classification/train" in capsys.readouterr().err
    assert not (tmp_path / "other/demo").exists()
