"""Whatever a stranger's file holds, reading it runs nothing and writes nothing elsewhere.

Each file that could harm is refused in one line that names it; none ends as an internal failure.
"""

import itertools
import re
import sys
from pathlib import Path

import pytest

from bag_of_transfer.engine.errors import as_user_error, mistake_in
from tests.engine.gadgets import executed
from tests.hostile import (
    archives_of_strangers,
    checkpoints_of_strangers,
    ladders_of_strangers,
    pictures_of_strangers,
    texts_of_strangers,
    weights_of_strangers,
)
from tests.hostile.hostile_file import HostileFile
from tests.hostile.watch import watching

FILES = [
    *checkpoints_of_strangers.FILES,
    *weights_of_strangers.FILES,
    *archives_of_strangers.FILES,
    *texts_of_strangers.FILES,
    *pictures_of_strangers.FILES,
    *ladders_of_strangers.FILES,
]
# One test for each reader: a test of its own for each file would take three times as long.
BY_READER = {
    reader: list(files) for reader, files in itertools.groupby(FILES, lambda file: file.reader)
}
MAX_GROWN = 300  # megabytes that reading a file of a few kilobytes may take


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("reader", BY_READER)
def test_reading(reader: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {}
    for number, file in enumerate(BY_READER[reader]):
        folder = tmp_path / str(number)
        (folder / "out").mkdir(parents=True)
        monkeypatch.chdir(folder)
        monkeypatch.setattr("tempfile.tempdir", str(folder / "out"))
        try:
            check(file, folder)
        except Exception as error:
            wrong[file.name] = f"{type(error).__name__}: {error}".partition("\n")[0]
    assert wrong == {}


def check(file: HostileFile, folder: Path) -> None:
    given, out = folder / "given", folder / "out"
    path = file.write(given)
    before = contents(given)
    line = ""
    with watching(out) as watch:
        try:
            file.read(path, out)
        except Exception as error:
            mistake = mistake_in(error) or as_user_error(error)
            if mistake is None:
                raise
            assert mistake.exit_code in (2, 3)
            line = str(mistake)
    assert watch.runs == []
    assert watch.outside == []
    assert executed(folder) == []
    assert "tests.engine.imported_by_a_gadget" not in sys.modules
    assert contents(given) == before
    assert watch.grown_mb < MAX_GROWN
    assert bool(line) == bool(file.said), line
    assert re.search(file.said, line), line
    assert not line or (file.where or str(given)) in line, line


def contents(folder: Path) -> dict[str, int]:
    return {path.name: path.lstat().st_size for path in folder.rglob("*")}


def test_every_reader_has_its_hostile_files() -> None:
    assert len({file.name for file in FILES}) == len(FILES)
    assert len([file for file in FILES if file.said]) > 400
    assert len(BY_READER) >= 20
