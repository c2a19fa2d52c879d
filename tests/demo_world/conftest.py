"""A tiny demo world: the same data sets with a few pictures each."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bag_of_transfer.demo_world import draw, manifest, sets

SEED = 3


def shrink(monkeypatch: pytest.MonkeyPatch) -> None:
    few = tuple(replace(split, num_pictures=5) for split in sets.SPLITS)
    for module in (sets, manifest, draw):
        monkeypatch.setattr(module, "SPLITS", few)


@pytest.fixture
def few_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch)


@pytest.fixture(scope="session")
def drawn_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn") / "demo"
    with pytest.MonkeyPatch.context() as monkeypatch:
        shrink(monkeypatch)
        draw.draw_world(folder, SEED, golden=None, num_processes=2)
    return folder


@pytest.fixture
def world(few_pictures: None, drawn_once: Path, tmp_path: Path) -> Path:
    """Return a folder ``demo``, alone in its parent, that a test may change."""
    return Path(shutil.copytree(drawn_once, tmp_path / "data/demo"))
