"""A drawn ladder with its report, written once."""

from pathlib import Path

import pytest

from bag_of_transfer.ladder.report.write import write_report
from tests.ladder.drawn_ladder import draw_ladder


@pytest.fixture(scope="session")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a ladder with report.html; tests must not change it."""
    folder = draw_ladder(tmp_path_factory.mktemp("reported") / "drawn")
    (folder / "seed2/d_all/pretraining/tricks.json").write_text("{")
    write_report(folder)
    return folder
