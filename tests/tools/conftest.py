"""The tools, called in this process, and a tiny world for them."""

import sys
from collections.abc import Callable, Sequence
from functools import cache
from importlib import metadata, util
from pathlib import Path

import pytest

from tests.tools.tiny_world import draw_world

ROOT = Path(__file__).resolve().parents[2]
VERSION = cache(metadata.version)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the two processes, whose common runs take longest.

    Workers without tests take the last ones of others: a file in between would be prepared twice.
    """
    items.sort(key=lambda item: item.path.name != "test_two_processes.py")


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a DATA_ROOT with the demo's three data sets."""
    root = tmp_path_factory.mktemp("world")
    draw_world(root)
    return root


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a checkpoint of random tensors per task."""
    from tests.prediction.tiny_networks import save_checkpoints  # imports all libraries

    return save_checkpoints(tmp_path_factory.mktemp("checkpoints"))


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_ROOT", str(world))
    # mmengine's loggers of earlier runs keep the streams that pytest gave them then.
    monkeypatch.setattr("logging.raiseExceptions", False)
    # Which packages are installed is asked fifteen times per call of a tool.
    monkeypatch.setattr("importlib.metadata.version", VERSION)
    # No test pulls the plug: waiting for the disk takes 0.1 s a run.
    monkeypatch.setattr("os.fsync", lambda handle: None)


@pytest.fixture(scope="session")
def tool() -> Callable[..., int]:
    """Call a tool in this process, as its command line would; return the exit code.

    Plots and the worst images are drawn only with ``drawing=True``.
    """

    def call(name: str, *argv: str | Path, drawing: bool = False) -> int:
        from bag_of_transfer.engine.cli import run_tool
        from bag_of_transfer.engine.loop import details
        from bag_of_transfer.run_report import after_training

        main = _main_of(name)
        with pytest.MonkeyPatch.context() as patch:
            if not drawing:  # 0.5 s a run
                patch.setattr(after_training, "draw_plots", lambda record, work_dir: None)
                patch.setattr(details, "NUM_WORST", 0)
            return run_tool(main, [str(word) for word in argv])

    return call


def _main_of(name: str) -> Callable[[Sequence[str] | None], int]:
    loaded = sys.modules.get(f"tool_{name}")
    if loaded is None:
        spec = util.spec_from_file_location(f"tool_{name}", ROOT / "tools" / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        loaded = util.module_from_spec(spec)
        spec.loader.exec_module(loaded)
        sys.modules[f"tool_{name}"] = loaded
    return loaded.main


CLS = ROOT / "configs/classification/resnet18-d_tiny.py"


@pytest.fixture(scope="session")
def pretrained(
    world: Path, tool: Callable[..., int], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return the work dir of a tiny pretraining with its exported backbone.safetensors."""
    folder = tmp_path_factory.mktemp("pretrained")
    assert tool("train_cls", CLS, "--work-dir", folder, "--data-root", world) == 0
    last = folder / "last_checkpoint"
    assert tool("export_backbone", last, folder / "backbone.safetensors") == 0
    return folder
