from pathlib import Path

import pytest
from mmengine.config import Config

from bag_of_transfer.classification.plain_config import read_plain_config
from bag_of_transfer.engine.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
RESOLVED = sorted((ROOT / "tests/golden").rglob("resolved_config.py"))


@pytest.mark.parametrize("path", RESOLVED, ids=lambda path: path.parent.name)
def test_a_resolved_config_is_read_as_mmengine_reads_it(path: Path) -> None:
    ran = Config.fromfile(path, import_custom_modules=False)
    assert read_plain_config(path, "").to_dict() == ran.to_dict()
    assert len(RESOLVED) == 3


def test_values_of_every_kind(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("a = dict(b=[-1, 2.5e-3, None, True], c=(1,), d={'e-f': dict()})\ng = 'h'\n")
    wanted = {"a": {"b": [-1, 2.5e-3, None, True], "c": (1,), "d": {"e-f": {}}}, "g": "h"}
    assert read_plain_config(path, "").to_dict() == wanted


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a = dict(b=open('c'))", r"line 1\)"),
        ("import os", r"\(line 1 does not assign a value to a name\)"),
        ("a.b = 1", r"\(line 1 does not assign a value"),
        ("a = dict([('b', 1)])", r"line 1\)"),
        ("a = b", r"line 1\)"),
        ("a = {[]: 1}", "unhashable"),
        ("text = 1", "reserved"),
        ("a =\n", r"\(invalid syntax \(a.py, line 1\)\)"),
        (None, "No such file"),
    ],
)
def test_anything_else_is_refused_in_one_line(tmp_path: Path, text: str | None, told: str) -> None:
    path = tmp_path / "a.py"
    if text:
        path.write_text(text)
    with pytest.raises(
        UserError, match=f"^the config is not made of plain values .*{told}"
    ) as error:
        read_plain_config(path, "mend it")
    assert str(error.value).endswith("a.py: mend it")
    assert "\n" not in str(error.value)
