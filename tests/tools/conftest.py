"""A world of three classes in the demo's layout, small enough to be drawn at once."""

import sys
from collections.abc import Callable, Sequence
from functools import cache
from importlib import metadata, util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
CLASSES = ("bars", "checks", "dots")
PX = 64
VERSION = cache(metadata.version)
NUM = {"train": 16, "val": 8, "test": 8}


def texture(kind: int, height: int, width: int) -> np.ndarray:
    y, x = np.indices((height, width))
    pattern = (x // 3 % 2, (x // 3 + y // 3) % 2, ((x % 6 < 3) & (y % 6 < 3)))[kind]
    return np.where(pattern[..., None], (230, 200, 60), (30, 60, 120)).astype(np.uint8)


def scene(rng: np.random.Generator, kind: int) -> tuple[np.ndarray, tuple[int, int, int, int]]:
    picture = rng.integers(90, 160, (PX, PX, 3)).astype(np.uint8)
    width, height = rng.integers(24, 40, 2)
    left, top = rng.integers(0, PX - width), rng.integers(0, PX - height)
    picture[top : top + height, left : left + width] = texture(kind, height, width)
    return picture, (int(left), int(top), int(left + width), int(top + height))


def draw_classification(root: Path) -> None:
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for kind, name in enumerate(CLASSES):
            folder = root / split / name
            folder.mkdir(parents=True)
            for index in range(NUM[split]):
                Image.fromarray(scene(rng, kind)[0]).save(folder / f"{index}.png")


def draw_located(root: Path, masks: bool) -> None:
    rng = np.random.default_rng(1)
    sets = root / "ImageSets" / ("Segmentation" if masks else "Main")
    truth = root / ("SegmentationClass" if masks else "Annotations")
    for folder in (sets, truth, root / "JPEGImages"):
        folder.mkdir(parents=True)
    if masks:
        (root / "classes.txt").write_text("\n".join(("background", *CLASSES)) + "\n")
    for split, count in NUM.items():
        names = [f"{split}{index}" for index in range(count)]
        (sets / f"{split}.txt").write_text("\n".join(names) + "\n")
        for index, name in enumerate(names):
            kind = index % 3
            picture, (left, top, right, bottom) = scene(rng, kind)
            Image.fromarray(picture).save(root / f"JPEGImages/{name}.png")
            if masks:
                mask = np.zeros((PX, PX), np.uint8)
                mask[top:bottom, left:right] = kind + 1
                Image.fromarray(mask).save(truth / f"{name}.png")
            else:
                (truth / f"{name}.xml").write_text(
                    f"<annotation><size><width>{PX}</width><height>{PX}</height><depth>3</depth>"
                    f"</size><object><name>{CLASSES[kind]}</name><difficult>0</difficult><bndbox>"
                    f"<xmin>{left + 1}</xmin><ymin>{top + 1}</ymin><xmax>{right}</xmax>"
                    f"<ymax>{bottom}</ymax></bndbox></object></annotation>"
                )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the two processes, whose common runs take longest.

    Workers without tests take the last ones of others: a file in between would be prepared twice.
    """
    items.sort(key=lambda item: item.path.name != "test_two_processes.py")


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a DATA_ROOT with the demo's three data sets."""
    root = tmp_path_factory.mktemp("world")
    draw_classification(root / "demo/classification")
    draw_located(root / "demo/detection", masks=False)
    draw_located(root / "demo/segmentation", masks=True)
    return root


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
    """Call a tool in this process, as its command line would; return the exit code."""

    def call(name: str, *argv: str | Path) -> int:
        from bag_of_transfer.engine.cli import run_tool

        return run_tool(_main_of(name), [str(word) for word in argv])

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
