"""The small VOC archives, and the folder for the data set."""

from pathlib import Path

import pytest

from bag_of_transfer.archives.records import DataSet
from tests.archives.small_archives import write_archives


@pytest.fixture
def voc(tmp_path: Path) -> DataSet:
    return write_archives("voc", tmp_path / "archives")


@pytest.fixture
def archives(voc: DataSet, tmp_path: Path) -> Path:
    return tmp_path / "archives"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "data/voc"
