"""A drawn ladder with its report, written once."""

from pathlib import Path

import pytest

from bag_of_transfer.ladder.report import write
from tests.ladder.drawn_ladder import draw_ladder


@pytest.fixture(scope="session")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a ladder with report.html, but no plots; tests must not change it."""
    folder = draw_ladder(tmp_path_factory.mktemp("reported") / "drawn")
    (folder / "seed2/d_all/pretraining/tricks.json").write_text("{")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(write, "save_figure", lambda figure, stem: [])  # most of the time
        write.write_report(folder)
    return folder
