import sys
from pathlib import Path

import pytest

from bag_of_transfer.engine.config_file import read_config
from bag_of_transfer.engine.custom_imports import import_stated

OURS = "bag_of_transfer.engine.schedules"


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a module of the user's where Python looks first; it is forgotten afterwards."""
    monkeypatch.delitem(sys.modules, "engine", raising=False)  # pytest's, of tests/engine
    before = set(sys.modules)

    def write(name: str) -> None:
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text("")

    monkeypatch.syspath_prepend(tmp_path)
    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_former_names_become_those_of_today():
    former = ["backbones", "engine.schedules", "json.tool", OURS]
    today = import_stated({"imports": former, "allow_failed_imports": False})
    assert today == {
        "imports": ["backbones", OURS, "json.tool", OURS],
        "allow_failed_imports": False,
    }
    assert import_stated({"imports": "engine"}) == {"imports": "bag_of_transfer.engine"}


@pytest.mark.parametrize("own", ["engine", "engine/schedules"])
def test_a_module_of_the_users_own_goes_first(write, own):
    if "/" in own:
        write("engine/__init__")
    write(own)
    name = own.replace("/", ".")
    assert import_stated({"imports": [name]}) == {"imports": [name]}
    assert name in sys.modules


def test_the_users_module_does_not_hide_ours_below_its_name(write):
    write("engine")
    assert import_stated({"imports": ["engine.schedules"]}) == {"imports": [OURS]}


def test_a_folder_that_an_upgrade_left_behind_is_no_module(tmp_path, write):
    (tmp_path / "engine/__pycache__").mkdir(parents=True)
    assert import_stated({"imports": ["engine"]}) == {"imports": ["bag_of_transfer.engine"]}


def test_what_never_was_there_is_an_error():
    with pytest.raises(ImportError, match=r"bag_of_transfer\.engine\.never"):
        import_stated({"imports": ["engine.never"]})


def test_a_config_that_was_read_says_the_names_of_today(tmp_path: Path):
    path = tmp_path / "mine.py"
    path.write_text("custom_imports = dict(imports=['engine.schedules'])\n")
    assert read_config(path).custom_imports.imports == [OURS]
    assert read_config(path, import_named=False).custom_imports.imports == ["engine.schedules"]
