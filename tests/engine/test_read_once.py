"""Configs are read once where many runs share them, and nobody notices."""

from pathlib import Path

import pytest

from bag_of_transfer.engine.config.config_file import read_config, resolved_config
from bag_of_transfer.engine.config.read_once import is_reading_once, read_once
from bag_of_transfer.engine.errors import UserError

TEXT = "default_scope = 'mmdet'\nmodel = dict(depth={})\nroot = '{{{{$DATA_ROOT:data}}}}'\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "one.py"
    path.write_text(TEXT.format(18))
    return path


def test_a_config_is_read_once_within_the_context_and_anew_after_it(config: Path) -> None:
    with read_once():
        assert read_config(config).model.depth == 18
        config.write_text(TEXT.format(50))
        with read_once():
            assert read_config(config).model.depth == 18
        assert read_config(config).model.depth == 18
    assert not is_reading_once()
    assert read_config(config).model.depth == 50


def test_what_one_reader_changes_no_other_sees(config: Path) -> None:
    with read_once():
        for depth in (34, 101):
            cfg = resolved_config(config, [f"model.depth={depth}"])
            assert cfg.model.depth == depth
            cfg.model.width = 7
        assert read_config(config).to_dict() == read_config(config).to_dict()
        assert "width" not in read_config(config).model
        kept = resolved_config(config).to_dict()
    assert kept == resolved_config(config).to_dict()


def test_another_environment_is_another_config(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with read_once():
        for folder in ("/a", "/b", "/a"):
            monkeypatch.setenv("DATA_ROOT", folder)
            assert read_config(config).root == folder


def test_a_config_that_cannot_be_read_is_tried_again(config: Path) -> None:
    with read_once():
        config.write_text("model = (")
        with pytest.raises(UserError, match="cannot be read"):
            read_config(config)
        config.write_text(TEXT.format(18))
        assert read_config(config).model.depth == 18
