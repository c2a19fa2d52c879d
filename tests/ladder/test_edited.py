"""Figures that somebody edited are never a run's: not in a report, an export or a copy."""

import json
import shutil
from pathlib import Path

import pytest

from bag_of_transfer.engine.errors import RefusedError, UserError
from bag_of_transfer.ladder.report.footnotes import not_done_notes, told_at_once
from bag_of_transfer.ladder.report.machines import machine_notes
from bag_of_transfer.ladder.report.publish import publish
from bag_of_transfer.ladder.report.results import LadderResults, read_results
from bag_of_transfer.ladder.report.trick_tables import trick_tables
from bag_of_transfer.ladder.run.export_import import export_cells, import_cells
from bag_of_transfer.ladder.seal import digests, write_sealed
from tests.ladder.drawn_ladder import draw_ladder, record
from tests.ladder.fake_ladder import call_tool

CELL = "seed0/d_all/detection"
TRIED = "tuning/seed9/d_all/detection/lr=1"


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ladder as its runs leave it, with a run that tried a value."""
    folder = draw_ladder(tmp_path_factory.mktemp("edited") / "drawn", seeds=1, whole=True)
    shutil.copytree(folder / CELL, folder / TRIED)
    for path in folder.rglob("cell.json"):
        written = json.loads(path.read_text())
        write_sealed(path, {**written, "files": digests(path.parent)})
    write_sealed(folder / "ladder.json", json.loads((folder / "ladder.json").read_text()))
    return folder


@pytest.fixture
def folder(pristine: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pristine, tmp_path / "copy"))


def state(ladder: LadderResults) -> tuple[str, str | None]:
    (cell,) = (cell for cell in ladder.cells if cell.folder == ladder.folder / CELL)
    return cell.status, cell.reason


def replace(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))


EDITS = [
    ("metrics.json", "46.0", "64.0"),
    ("cell.json", "50.0", "5000.0"),  # img/s, which no other file holds
    ("cell.json", '"notes": []', '"notes": ["measured twice"]'),
    ("curve.jsonl", "0.1", "0.2"),
    ("resolved_config.py", "True", "False"),
]


@pytest.mark.parametrize(("file", "before", "after"), EDITS)
def test_an_edited_cell_is_left_out_and_named(
    folder: Path, file: str, before: str, after: str
) -> None:
    assert state(read_results(folder)) == ("done", None)
    replace(folder / CELL / file, before, after)
    ladder = read_results(folder)
    status, reason = state(ladder)
    assert status == "damaged"
    assert reason is not None
    assert reason.startswith(f"{file} is not what ")
    assert told_at_once(ladder) == [f"left out: d_all / detection / seed 0: {reason}"]
    assert ladder.values("detection", "mAP_voc07")["d_all"] == {}
    with pytest.raises(RefusedError, match=f"{file} is not what "):
        publish(folder, folder / "published")
    with pytest.raises(RefusedError, match=f"{file} is not what "):
        export_cells(folder, folder / "out.tar.gz")
    assert not (folder / "published").exists()


@pytest.mark.parametrize("cell", [CELL, TRIED])
def test_a_figure_that_was_made_a_failure_is_noticed(
    folder: Path, tmp_path: Path, cell: str
) -> None:
    path, told = folder / cell / "cell.json", "cell.json is not what was written"
    lost = {"status": "failed", "reason": "the loss is nan"}
    path.write_text(json.dumps({**json.loads(path.read_text()), **lost}))
    if cell == CELL:
        assert state(read_results(folder)) == ("damaged", told)
    assert any(told in line for line in told_at_once(read_results(folder)))
    for hand_on in (publish, export_cells):
        with pytest.raises(RefusedError, match=told):
            hand_on(folder, tmp_path / "out.tar.gz")


def test_a_file_that_is_gone_is_noticed(folder: Path) -> None:
    (folder / CELL / "curve.jsonl").unlink()
    assert state(read_results(folder)) == ("damaged", "curve.jsonl is gone")


def test_an_edited_run_of_a_search_is_named(folder: Path) -> None:
    replace(folder / TRIED / "metrics.json", "46.0", "64.0")
    ladder = read_results(folder)
    assert not_done_notes(ladder) == [f"{TRIED}: damaged (metrics.json is not what the run wrote)."]


def test_an_edited_plan_is_refused(folder: Path) -> None:
    replace(folder / "ladder.json", "76.14", "80.14")  # the paper's top-1
    with pytest.raises(RefusedError, match=r"ladder\.json is not what was written"):
        read_results(folder)


def test_a_published_copy_is_checked_as_the_ladder_is(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "published"
    publish(folder, out)
    assert told_at_once(read_results(out)) == []
    assert state(read_results(out)) == ("done", None)
    replace(out / CELL / "metrics.json", "46.0", "64.0")
    assert state(read_results(out))[0] == "damaged"


def test_a_reference_that_is_no_rung_leaves_no_copy_behind(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "published"
    assert call_tool("report", folder, "--publish", out, "--reference", "d_al") == 2
    assert "error: the ladder has no rung d_al: --reference: " in capsys.readouterr().err
    assert not out.exists()


def test_a_published_copy_has_the_cards_of_all_backbones(tmp_path: Path) -> None:
    folder = draw_ladder(tmp_path / "ladder", seeds=2, whole=True)
    for cell in folder.glob("seed*/d_all/pretraining"):  # a ladder that goes on compares them
        (cell / "backbone.json").write_text('{"sha256": "a"}')
    publish(folder, tmp_path / "out")
    cards = {path.parent.parts[-3] for path in (tmp_path / "out").glob("*/d_all/*/backbone.json")}
    assert cards == {"seed0", "seed1"}


def test_a_published_copy_has_the_tricks_of_one_seed_unless_they_differ(tmp_path: Path) -> None:
    folder = draw_ladder(tmp_path / "ladder", seeds=3, whole=True)
    alike = folder / "seed1/b_standard/pretraining/tricks.json"
    replace(folder / "seed1/d_all/pretraining/tricks.json", '"on": true', '"on": false')
    publish(folder, tmp_path / "out")
    tricks = {path.relative_to(folder) for path in folder.rglob("tricks.json")}
    copied = {
        path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("tricks.json")
    }
    others = {alike.relative_to(folder), Path("seed2/b_standard/pretraining/tricks.json")}
    assert copied == tricks - others
    before, after = read_results(folder), read_results(tmp_path / "out")
    assert trick_tables(after) == trick_tables(before)
    assert list(machine_notes(after)) == list(machine_notes(before))


def test_a_published_failure_names_files_without_this_machines_folders(tmp_path: Path) -> None:
    folder = draw_ladder(tmp_path / "ladder", seeds=2)
    failed = folder / "seed1/d_all/detection/cell.json"
    reason = "the loss is nan: epoch 2, /home/me/data/a.jpg, /b/c.jpg and 4 more: use lr/2 or 1/4"
    write_sealed(failed, {**json.loads(failed.read_text()), "reason": reason})
    publish(folder, tmp_path / "out")
    said = json.loads((tmp_path / "out/seed1/d_all/detection/cell.json").read_text())["reason"]
    assert said == "the loss is nan: epoch 2, .../a.jpg, .../c.jpg and 4 more: use lr/2 or 1/4"


def test_published_evidence_names_files_without_this_machines_folders(tmp_path: Path) -> None:
    folder = draw_ladder(tmp_path / "ladder", seeds=1)
    evidence = "answers of t.pth, from /home/me/l/seed0/answers; see https://a.org/b/c"
    tricks = {"distillation": {"on": True, "evidence": evidence}}
    for name, content in (("tricks.json", tricks), ("backbone.json", {"tricks": tricks})):
        (folder / "seed0/d_all/pretraining" / name).write_text(json.dumps(content))
    publish(folder, tmp_path / "out")
    said = "answers of t.pth, from .../answers; see https://a.org/b/c"
    for name in ("tricks.json", "backbone.json"):
        assert said in (tmp_path / "out/seed0/d_all/pretraining" / name).read_text()


def test_published_cells_have_json_without_spaces(tmp_path: Path) -> None:
    folder = draw_ladder(tmp_path / "ladder", seeds=1, whole=True)
    damaged = Path("seed0/d_all/pretraining/tricks.json")
    (folder / damaged).write_text('{"mixup": ')
    publish(folder, tmp_path / "out")
    copied = {path.relative_to(tmp_path / "out") for path in (tmp_path / "out").glob("seed*/*/*/*")}
    assert {path.name for path in copied} > {"cell.json", "metrics.json", "resolved_config.json"}
    assert (tmp_path / "out" / damaged).read_text() == (folder / damaged).read_text()
    for path in copied - {damaged}:
        text = (tmp_path / "out" / path).read_text()
        if path.suffix == ".json":
            assert text == json.dumps(json.loads(text), separators=(",", ":")) + "\n"
        if path.name == "metrics.json":
            assert json.loads(text) == json.loads((folder / path).read_text())


def test_results_that_an_earlier_version_published_are_read_with_a_line(folder: Path) -> None:
    written = record("d_all", "detection", 0)
    (folder / CELL / "cell.json").write_text(
        json.dumps({**written, "files": digests(folder / CELL)})
    )
    (folder / CELL / "resolved_config.py").unlink()
    ladder = read_results(folder)
    assert state(ladder) == ("done", None)
    (line,) = told_at_once(ladder)
    assert line.startswith("1 of 11 cells were written by an earlier version")
    replace(folder / CELL / "metrics.json", "46.0", "64.0")
    assert state(read_results(folder))[0] == "damaged"


def test_an_edited_cell_in_an_archive_is_refused_and_nothing_is_unpacked(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace(folder / CELL / "metrics.json", "46.0", "64.0")
    with monkeypatch.context() as patch:  # as an archive that was packed by hand
        patch.setattr("bag_of_transfer.ladder.run.export_import.read_cell", lambda *args: {})
        export_cells(folder, tmp_path / "out.tar.gz")
    with pytest.raises(UserError, match="not what the run wrote") as caught:
        import_cells(tmp_path / "there", tmp_path / "out.tar.gz")
    assert caught.value.exit_code == 2
    assert f"out.tar.gz: {CELL}/metrics.json" in str(caught.value)
    assert not list((tmp_path / "there").glob("*"))
