"""tools/report.py at its door."""

import contextlib
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bag_of_transfer.ladder.report.publish import EVERY, FIRST, without_places
from tests.ladder.drawn_ladder import draw_ladder

Tool = Callable[..., int]


def small_ladder(folder: Path) -> Path:
    """Draw a ladder of two rungs, one task and one seed."""
    draw_ladder(folder, seeds=1, whole=True)
    plan = json.loads((folder / "ladder.json").read_text())
    del plan["tasks"]["segmentation"], plan["rungs"]["d_all"], plan["rungs"]["public"]
    (folder / "ladder.json").write_text(json.dumps(plan))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return small_ladder(tmp_path / "drawn")


@pytest.fixture(scope="module")
def reported(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return a ladder with its report, and what the tool printed."""
    folder = small_ladder(tmp_path_factory.mktemp("reported") / "drawn")
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        assert tool("report", folder) == 0
    return folder, output.getvalue()


def test_everything_is_written_and_named(reported: tuple[Path, str]) -> None:
    folder, output = reported
    for name in ("table8.md", "table9.md", "results.csv", "report.html"):
        assert f"in {folder}:" in output
        assert name in output
        assert (folder / name).stat().st_size > 100
    plots = {path.name for path in (folder / "plots").iterdir()}
    assert {f"curves-detection.{kind}" for kind in ("png", "svg")} <= plots
    assert "no segmentation task" in (folder / "table9.md").read_text()


def test_again_gives_the_same_bytes_and_touches_no_cell(
    reported: tuple[Path, str], tool: Tool
) -> None:
    folder = reported[0]
    first = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for name in ("table8.md", "report.html"):
        (folder / name).unlink()
    shutil.rmtree(folder / "plots")
    assert tool("report", folder) == 0
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == first


def test_figures_can_be_published_and_give_the_same_tables(
    tmp_path: Path, tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "bag_of_transfer.ladder.report.write.draw_plots", lambda *args: []
    )  # as made from the same
    folder, out = draw_ladder(tmp_path / "drawn", whole=True), tmp_path / "docs/results"
    (folder / "seed0/d_all/pretraining/backbone.safetensors").write_bytes(b"weights")
    with (folder / "seed0/d_all/pretraining/resolved_config.py").open("a") as config:
        config.write("\n\n")
    # A rung that only teaches is none of the tables', and its time is in its students' cost.
    shutil.copytree(folder / "seed0/b_standard/pretraining", folder / "seed0/big/pretraining")
    plan = json.loads((folder / "ladder.json").read_text())
    plan["teachers"] = {"big": plan["rungs"]["b_standard"]}
    (folder / "ladder.json").write_text(json.dumps(plan))
    assert tool("report", folder) == 0
    assert tool("report", folder, "--publish", out) == 0
    for name in ("table8.md", "table9.md", "results.csv"):
        assert (out / name).read_bytes() == (folder / name).read_bytes()
    ends = {path.read_text()[-2:] for path in out.glob("seed*/*/*/*")}
    assert all(end[-1] == "\n" != end[0] for end in ends)
    cells = {path.name for path in out.glob("seed*/*/*/*")}
    assert cells == {*EVERY, *FIRST}
    assert len(list(out.glob("seed*/d_all/pretraining/tricks.json"))) == 1  # all seeds' are alike
    assert (out / "seed0/big/pretraining/cell.json").is_file()
    assert len(list(out.glob("seed*/d_all/pretraining/resolved_config.json"))) == 1
    page = (out / "report.html").read_text()
    assert "alpha &lt;i&gt;0.2" in page  # the tricks and configs are there
    assert "param_scheduler" in page


def test_another_rung_may_be_the_reference(
    folder: Path,
    tool: Tool,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The page has the same figures.
    monkeypatch.setattr("bag_of_transfer.ladder.report.write.save_figure", lambda *args: [])
    assert tool("report", folder, "--reference", "b_standard") == 0
    table = (folder / "table8.md").read_text()
    assert "difference to B-standard, paired" in table
    assert "| scratch | mAP (VOC07) | -" in table
    assert tool("report", folder, "--reference", "b_standart") == 2
    message = capsys.readouterr().err.splitlines()[0]
    assert message.startswith(
        "error: the ladder has no rung b_standart: --reference: give one of scr"
    )


def test_a_single_rung_is_compared_with_none(
    folder: Path, tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bag_of_transfer.ladder.report.write.save_figure", lambda *args: [])
    plan = json.loads((folder / "ladder.json").read_text())
    del plan["rungs"]["b_standard"]
    (folder / "ladder.json").write_text(json.dumps(plan))
    assert tool("report", folder) == 0
    assert "difference to" not in (folder / "table8.md").read_text()


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("a = '/x/y/voc/'\nb = ['/x/y/coco/val', 1]", "a = '.../voc/'\nb = ['.../coco/val', 1]"),
        ("a = '/x'", "a = '.../x'"),
        (
            '{"a": "/x/y", "b": "data/z", "c": "1 / 2"}',
            '{"a": ".../y", "b": "data/z", "c": "1 / 2"}',
        ),
        ("lr = 1 / 2  # no '/", "lr = 1 / 2  # no '/"),
        (
            '["a.b=/x/y/train", "/x/y/out", "lr=0.1"]',
            '["a.b=.../train", ".../out", "lr=0.1"]',
        ),
    ],
)
def test_places_of_this_machine_are_not_published(text: str, without: str) -> None:
    assert without_places(text) == without


def test_published_figures_replace_nothing(
    folder: Path, tmp_path: Path, tool: Tool, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(folder.rglob("*"))
    assert tool("report", folder, "--publish", folder) == 3
    assert capsys.readouterr().err.startswith(f"error: the folder is not empty: {folder}: ")
    assert sorted(folder.rglob("*")) == before
    assert tool("report", tmp_path / "absent", "--publish", tmp_path / "out") == 2
    assert not (tmp_path / "out").exists()


def test_a_ladder_without_any_finished_cell_has_a_report(folder: Path, tool: Tool) -> None:
    shutil.rmtree(folder / "seed0")
    assert tool("report", folder) == 0
    table = (folder / "table8.md").read_text()
    assert "unmeasured (n 0 of 1, matched)" in table
    assert "- scratch / detection / seed 0: missing (not begun)." in table
    assert (folder / "results.csv").read_text().count("\n") == 1
    assert "3 cells have no results" in (folder / "report.html").read_text()


def test_a_foreign_folder_is_the_users_mistake(
    tmp_path: Path, tool: Tool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tool("report", tmp_path) == 2
    first = capsys.readouterr().err.splitlines()[0]
    assert first.startswith(f"error: neither a ladder nor a run: {tmp_path}: ")
    assert list(tmp_path.iterdir()) == []


def test_an_absent_folder_is_the_users_mistake(tmp_path: Path, tool: Tool) -> None:
    assert tool("report", tmp_path / "absent") == 2
    assert not (tmp_path / "absent").exists()
