"""A drawn run with its page, written once."""

from pathlib import Path

import pytest

from bag_of_transfer.run_report.page import write_page
from tests.run_report.drawn_run import draw_run


@pytest.fixture(scope="session")
def run_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the page of a run that is done and tested; tests must not change it."""
    return write_page(draw_run(tmp_path_factory.mktemp("run") / "mine"))
