"""Each kind of fault in docs/data_checks.md is found when it says, and none in clean data."""

import os
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest

import bag_of_transfer.classification.image_folder
import bag_of_transfer.detection.datasets
import bag_of_transfer.segmentation.datasets  # noqa: F401  they register their classes
from bag_of_transfer.data_checks.kinds import ERROR, KINDS, STRUCTURE, Finding
from tests.data_checks.rows import CONTENT, START, Row
from tests.data_checks.rows_of_copies import COPIES
from tests.data_checks.rows_of_files import FILES
from tests.data_checks.rows_of_folders import FOLDERS, LISTS
from tests.data_checks.rows_of_json import COCO
from tests.data_checks.rows_of_masks import MASKS
from tests.data_checks.rows_of_xml import VOC
from tests.data_checks.rows_of_yolo import YOLO
from tests.data_checks.worlds import WORLDS, at_start, looked_at

DOCS = Path(__file__).parents[2] / "docs/data_checks.md"
ROWS = [*FILES, *COPIES, *FOLDERS, *LISTS, *VOC, *COCO, *YOLO, *MASKS]


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the five data sets, drawn once."""
    folder = tmp_path_factory.mktemp("clean")
    for world, draw in WORLDS.items():
        draw(folder / world)
    return folder


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("bag_of_transfer.engine.data.image_scan.SCAN_DIR", tmp_path / "scans")
    return tmp_path / "data"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.data}: {row.name}")
def test_a_planted_fault_is_found(row: Row, clean: Path, root: Path) -> None:
    shutil.copytree(clean / row.world, root)
    change = row.plant(root)
    splits = ("train", "val", "test") if row.words == "shared-by-val-and-test" else ("train", "val")
    changes = change if isinstance(change, dict) else {}
    find = at_start if row.when == START else looked_at
    findings = find(row.world, root, splits, **changes).findings
    fitting = [finding for finding in findings if fits(row, finding)]
    assert fitting, [*map(str, findings)]
    assert {finding.severity for finding in fitting} == {row.severity}
    assert all(finding.mend for finding in findings)


def fits(row: Row, finding: Finding) -> bool:
    """Return whether a finding is what a row says; the test fails if it has another severity."""
    kind = STRUCTURE if row.when == START else row.words
    said = finding.detail if row.when == START else finding.kind
    line = f"{finding.file}:{finding.place.removeprefix('line ')}"
    named = (line, finding.place, finding.detail, finding.mend)
    return finding.kind == kind and row.words in said and any(row.file in text for text in named)


@pytest.mark.parametrize("world", WORLDS)
def test_clean_data_have_no_findings(world: str, clean: Path, root: Path) -> None:
    shutil.copytree(clean / world, root)
    for folder, _, _ in os.walk(root):
        for name in (".DS_Store", "Thumbs.db", "._train0.jpg", "desktop.ini"):
            Path(folder, name).write_bytes(b"\0\1")
    for _ in range(2):
        report = looked_at(world, root)
        assert report.findings == ()
        assert report.images == {"train": 4, "val": 2}


def test_the_docs_table_has_the_same_kinds() -> None:
    lines = [re.split(r"\s+\|\s+", line.strip("| \n")) for line in DOCS.open() if "|" in line]
    listed = [tuple(cells) for cells in lines if len(cells) == 4 and cells[3] in (START, CONTENT)]
    assert listed == [(row.name, row.data, row.severity, row.when) for row in ROWS]
    repeated = [key for key, count in Counter(row[:2] for row in listed).items() if count > 1]
    assert not repeated
    assert len(listed) >= 100


def test_every_kind_of_content_is_planted() -> None:
    planted = {row.words: row.severity for row in ROWS if row.when == CONTENT}
    missing = KINDS.keys() - planted.keys()
    assert missing == {"unreadable"}  # our data sets leave it out; see test_check.py
    assert planted == {kind: KINDS[kind].severity for kind in planted}
    assert ERROR in planted.values()
