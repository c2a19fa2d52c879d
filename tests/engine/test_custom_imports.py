import sys
from pathlib import Path

import pytest
from mmengine.config import Config

from bag_of_transfer.engine.cli import run_tool
from bag_of_transfer.engine.config import custom_imports
from bag_of_transfer.engine.config.config_file import read_config
from bag_of_transfer.engine.config.custom_imports import import_stated
from bag_of_transfer.engine.config.overrides import apply_overrides
from bag_of_transfer.engine.errors import UserError

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


@pytest.mark.parametrize(
    ("former", "today"),
    [
        ("bag_of_transfer.engine.image_reader", "bag_of_transfer.engine.data.image_reader"),
        ("engine.checkpoints", "bag_of_transfer.engine.weights.checkpoints"),
        ("bag_of_transfer.engine.data.mask_reader", "bag_of_transfer.engine.data.mask_reader"),
    ],
)
def test_a_module_of_engine_is_found_by_its_name_without_the_room(former, today):
    assert import_stated({"imports": [former]}) == {"imports": [today]}


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


def test_a_config_adds_its_modules_to_those_of_its_bases(tmp_path: Path):
    (tmp_path / "base.py").write_text(f"custom_imports = dict(imports=[{OURS!r}, 'json'])\n")
    (tmp_path / "mid.py").write_text("_base_ = 'base.py'\ncustom_imports = dict(imports='csv')\n")
    stated = {"imports=['ast', 'json']": [OURS, "json", "csv", "ast"]}
    stated["imports=['ast'], _delete_=True"] = ["ast"]
    for text, imports in stated.items():
        path = tmp_path / "leaf.py"
        path.write_text(f"_base_ = 'mid.py'\ncustom_imports = dict({text})\n")
        assert read_config(path).custom_imports.imports == imports


def test_the_command_line_adds_its_modules_too(tmp_path: Path):
    path = tmp_path / "mine.py"
    path.write_text(f"custom_imports = dict(imports=[{OURS!r}, 'json'])\n")
    for options, imports in (
        (["custom_imports.imports=[ast,json]"], [OURS, "json", "ast"]),
        (["custom_imports.imports=ast"], [OURS, "json", "ast"]),
        (["custom_imports.imports=[ast]", "custom_imports._delete_=True"], ["ast"]),
    ):
        cfg = read_config(path)
        apply_overrides(cfg, options)
        assert cfg.custom_imports.imports == imports


def test_a_module_that_is_not_found_is_named_with_the_way_to_it(tmp_path: Path):
    with pytest.raises(UserError, match=r"No module named 'my_hooks'\).*: .*PYTHONPATH=FOLDER"):
        read_config(config_naming(tmp_path, "my_hooks"))


def config_naming(tmp_path: Path, *names: str) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(f"custom_imports = dict(imports={list(names)!r})\n")
    return path


@pytest.fixture
def _not_printed_yet():
    custom_imports._print_once.cache_clear()


@pytest.mark.usefixtures("_not_printed_yet")
def test_current_names_are_printed_once(tmp_path: Path, capsys):
    config = config_naming(tmp_path, "backbones", "engine.schedules", "detection")
    for _ in range(2):
        read_config(config)
    assert capsys.readouterr() == (
        "custom_imports: the names are bag_of_transfer.engine.schedules, bag_of_transfer.detection "
        "now; update the config\n",
        "",
    )


@pytest.mark.usefixtures("_not_printed_yet")
@pytest.mark.parametrize("variable", ["RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK"])
def test_only_the_first_process_prints_them(tmp_path: Path, capsys, monkeypatch, variable):
    config = config_naming(tmp_path, "engine.schedules")
    monkeypatch.setenv(variable, "1")
    read_config(config)
    assert not capsys.readouterr().out
    monkeypatch.setenv(variable, "0")
    read_config(config)
    assert "bag_of_transfer.engine.schedules now" in capsys.readouterr().out


@pytest.mark.usefixtures("_not_printed_yet")
def test_nothing_is_printed_of_current_names_and_the_users_own(tmp_path: Path, capsys, write):
    write("detection")
    read_config(config_naming(tmp_path, OURS, "detection", "json"))
    assert not capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("from prediction import Predictor", "prediction"),
        ("import transfer.layouts", "transfer"),
        ("def late():\n    import ladder\n\n\nlate()", "ladder"),
    ],
)
def test_a_users_module_that_imports_by_a_former_name_is_told_the_current_one(
    tmp_path: Path, write, monkeypatch, line, name
):
    monkeypatch.setattr(sys, "path", [p for p in sys.path if not p.endswith("tests")])
    write("users_module")
    (tmp_path / "users_module.py").write_text(f"{line}\n")
    told = f"no module is called '{name}': .*users_module.py, line [12]: .* import bag_of_transfer"
    with pytest.raises(UserError, match=rf"{told}\.{name}$"):
        read_config(config_naming(tmp_path, "users_module"))
    with pytest.raises(UserError, match=rf"{told}\.{name}$"):
        apply_overrides(Config(), ["custom_imports.imports=[users_module]"])


def test_a_former_name_imported_later_is_the_users_mistake(capsys):
    def main(argv):
        try:
            raise ModuleNotFoundError("No module named 'engine.lr'", name="engine.lr")
        except ImportError as error:
            raise RuntimeError("building failed") from error

    assert run_tool(main, []) == 2
    assert capsys.readouterr().err.startswith("error: no module is called 'engine.lr': ")


def test_any_other_module_that_is_missing_is_not(capsys):
    def main(argv):
        raise ModuleNotFoundError("No module named 'engines'", name="engines")

    assert run_tool(main, []) == 1
