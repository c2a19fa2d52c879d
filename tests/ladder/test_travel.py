"""Finished cells go from machine to machine, without weights and never half."""

import io
import json
import tarfile

import pytest

from bag_of_transfer.engine.errors import RefusedError, UserError
from bag_of_transfer.ladder.run.export_import import export_cells, import_cells


def a_rung(kind="config", config="configs/b.py"):
    return dict(kind=kind, config=config, model=None, seeds="matched")


def a_task(kind="det", config="det.py"):
    return dict(kind=kind, config=config, metrics=["AP"])


def plan(**changed):
    rung, task = a_rung(), a_task()
    whole = dict(
        **dict(schema=1, name="here", reference="b", seeds=[0], teachers={}),
        **dict(rungs=dict(b=rung), tasks=dict(detection=task, segmentation=task)),
    )
    return {**whole, **changed}


def write_plan(root, **changed):
    root.mkdir(parents=True, exist_ok=True)
    (root / "ladder.json").write_text(json.dumps(plan(**changed)))


def cell(root, key, status="done", **files):
    folder = root / key
    folder.mkdir(parents=True)
    (folder / "cell.json").write_text(json.dumps(dict(status=status)))
    for name, text in {"metrics.json": "{}", "epoch_1.pth": "weights", **files}.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def here(tmp_path):
    root = tmp_path / "here"
    of_weights = {"backbone.safetensors": "weights", "epoch_1.pth.json": "{}"}
    done = cell(root, "seed0/b/detection", **of_weights)
    (done / "pictures").mkdir()
    (done / "pictures/a.png").write_text("picture")
    (done / "predictions").write_text("much")
    (done / "answers").mkdir()
    (done / "answers/log_probs.npy").write_text("more")
    cell(root, "seed0/b/segmentation", status="failed")
    (root / "truth/detection").mkdir(parents=True)
    (root / "truth/detection/a.png").write_text("truth")
    write_plan(root)
    return root


def test_results_and_pictures_travel_weights_and_failures_do_not(here, tmp_path):
    out = tmp_path / "out.tar.gz"
    assert export_cells(here, out) == ["seed0/b/detection"]
    with tarfile.open(out) as archive:
        names = set(archive.getnames())
    own = "seed0/b/detection"
    assert names == {
        "ladder.json",
        "truth/detection/a.png",
        *(f"{own}/cell.json", f"{own}/metrics.json", f"{own}/pictures/a.png"),
    }


def test_what_comes_in_equals_what_went_out(here, tmp_path):
    export_cells(here, tmp_path / "out.tar.gz")
    there = tmp_path / "there"
    assert import_cells(there, tmp_path / "out.tar.gz") == (["seed0/b/detection"], [])
    assert (there / "seed0/b/detection/metrics.json").read_text() == "{}"
    assert (there / "truth/detection/a.png").read_text() == "truth"
    assert not (there / ".import").exists()


def test_a_cell_that_is_here_stays(here, tmp_path):
    export_cells(here, tmp_path / "out.tar.gz")
    own = cell(tmp_path / "there", "seed0/b/detection")
    (own / "metrics.json").write_text('{"own": 1}')
    assert import_cells(tmp_path / "there", tmp_path / "out.tar.gz") == ([], ["seed0/b/detection"])
    assert (own / "metrics.json").read_text() == '{"own": 1}'


def test_an_unfinished_cell_gives_way(here, tmp_path):
    export_cells(here, tmp_path / "out.tar.gz")
    begun = tmp_path / "there/seed0/b/detection"
    begun.mkdir(parents=True)
    (begun / "begun.json").write_text("{}")
    import_cells(tmp_path / "there", tmp_path / "out.tar.gz")
    assert not (begun / "begun.json").exists()
    assert (begun / "cell.json").exists()


@pytest.mark.parametrize("record", ['{"status": "failed"}', "{", "[]"])
def test_a_cell_that_failed_here_gives_way(here, tmp_path, record):
    export_cells(here, tmp_path / "out.tar.gz")
    own = cell(tmp_path / "there", "seed0/b/detection", note="mine")
    (own / "cell.json").write_text(record)
    came, stayed = import_cells(tmp_path / "there", tmp_path / "out.tar.gz")
    assert (came, stayed) == (["seed0/b/detection"], [])
    assert json.loads((own / "cell.json").read_text()) == {"status": "done"}
    assert not (own / "note").exists()


def test_the_plan_comes_along_where_there_is_none(here, tmp_path):
    export_cells(here, tmp_path / "out.tar.gz")
    import_cells(tmp_path / "there", tmp_path / "out.tar.gz")
    came = json.loads((tmp_path / "there/ladder.json").read_text())
    assert came.pop("sha256")
    assert came == plan()


def test_the_own_plan_stays_and_gets_the_others_seeds(here, tmp_path):
    export_cells(here, tmp_path / "out.tar.gz")
    there = tmp_path / "there"
    # another folder for the configs, and a rung more
    elsewhere = a_rung(config="/elsewhere/b.py")
    write_plan(there, rungs=dict(b=elsewhere, c=elsewhere), seeds=[4, 3])
    import_cells(there, tmp_path / "out.tar.gz")
    found = json.loads((there / "ladder.json").read_text())
    assert found.pop("sha256")
    assert found == plan(rungs=dict(b=elsewhere, c=elsewhere), seeds=[0, 3, 4])


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (dict(rungs={}), "rung 'b' is not in"),
        (dict(rungs=dict(b=a_rung("file"))), "rung 'b' is another one"),
        (dict(rungs=dict(b=a_rung(config="configs/c.py"))), "rung 'b' is another"),
        (dict(tasks={}), "task 'detection' is not in"),
        (dict(tasks=dict(detection=a_task("seg"))), "task 'detection' is ano"),
        (dict(tasks=dict(detection=a_task(config="voc.py"))), "task 'detection' is ano"),
    ],
)
def test_cells_of_another_ladder_are_refused(here, tmp_path, changed, told):
    export_cells(here, tmp_path / "out.tar.gz")
    there = tmp_path / "there"
    write_plan(there, **changed)
    before = (there / "ladder.json").read_text()
    with pytest.raises(UserError, match=told) as error:
        import_cells(there, tmp_path / "out.tar.gz")
    assert error.value.where == f"{tmp_path}/out.tar.gz: seed0/b/detection"
    assert [path.name for path in there.iterdir()] == ["ladder.json"]
    assert (there / "ladder.json").read_text() == before


def test_a_teachers_pretraining_belongs_to_the_ladder(here, tmp_path):
    cell(here, "seed0/t/pretraining")
    teacher = a_rung(config="t.py")
    write_plan(here, teachers=dict(t=teacher))
    export_cells(here, tmp_path / "out.tar.gz")
    write_plan(tmp_path / "there", teachers=dict(t=teacher))
    assert "seed0/t/pretraining" in import_cells(tmp_path / "there", tmp_path / "out.tar.gz")[0]
    write_plan(tmp_path / "other")
    with pytest.raises(UserError, match="rung 't' is not in"):
        import_cells(tmp_path / "other", tmp_path / "out.tar.gz")


@pytest.mark.parametrize(
    ("text", "told"),
    [(None, r"no ladder\.json in it"), ("{}", r"schema is missing: .*out\.tar\.gz: ladder\.json")],
)
def test_an_archive_without_a_plan_is_refused(here, tmp_path, text, told):
    (here / "ladder.json").unlink()
    if text:
        (here / "ladder.json").write_text(text)
    export_cells(here, tmp_path / "out.tar.gz")
    with pytest.raises(UserError, match=told):
        import_cells(tmp_path / "there", tmp_path / "out.tar.gz")
    assert not list((tmp_path / "there").rglob("*"))


def test_cells_of_rungs_and_tasks_that_the_plan_no_longer_has_stay_here(here, tmp_path):
    for key in ("seed0/old/detection", "seed0/b/old", "tuning/seed9/old/detection/lr=1"):
        cell(here, key)
    assert export_cells(here, tmp_path / "out.tar.gz") == ["seed0/b/detection"]
    assert import_cells(tmp_path / "there", tmp_path / "out.tar.gz") == (["seed0/b/detection"], [])
    write_plan(here, rungs={}, teachers=None)
    with pytest.raises(UserError, match="no finished cell"):
        export_cells(here, tmp_path / "none.tar.gz")


def test_an_existing_file_is_not_written_over(here, tmp_path):
    out = tmp_path / "out.tar.gz"
    out.write_text("mine")
    with pytest.raises(RefusedError, match="exists"):
        export_cells(here, out)
    assert out.read_text() == "mine"


def test_nothing_to_export_is_said(tmp_path):
    with pytest.raises(UserError, match="no finished cell"):
        export_cells(tmp_path, tmp_path / "out.tar.gz")
    assert not (tmp_path / "out.tar.gz").exists()


def packed(path, name, kind=tarfile.REGTYPE):
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.type, member.size, member.linkname = kind, 2, "/target"
        archive.addfile(member, io.BytesIO(b"{}"))
    return path


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("../seed0/b/detection/cell.json", tarfile.REGTYPE),
        ("/seed0/b/detection/cell.json", tarfile.REGTYPE),
        ("seed0/../../cell.json", tarfile.REGTYPE),
        ("seed0/b/detection/cell.json", tarfile.SYMTYPE),
        ("seed0/b/detection/epoch_1.pth", tarfile.REGTYPE),
        ("tools/train.py", tarfile.REGTYPE),
        (".", tarfile.DIRTYPE),
    ],
)
def test_what_is_no_cell_stays_outside(tmp_path, name, kind):
    with pytest.raises(UserError, match="does not belong"):
        import_cells(tmp_path / "there", packed(tmp_path / "bad.tar.gz", name, kind))
    assert not (tmp_path / "there/seed0").exists()
    assert not (tmp_path / "there/.import").exists()


def test_a_damaged_archive_leaves_nothing(here, tmp_path):
    out = tmp_path / "out.tar.gz"
    export_cells(here, out)
    out.write_bytes(out.read_bytes()[:-40])
    with pytest.raises(UserError, match="is not an archive of cells"):
        import_cells(tmp_path / "there", out)
    assert not list((tmp_path / "there").rglob("cell.json"))
    with pytest.raises(UserError, match="is not an archive of cells"):
        import_cells(tmp_path / "there", tmp_path / "none.tar.gz")
    out.write_text("no archive\n")
    with pytest.raises(UserError) as error:
        import_cells(tmp_path / "there", out)
    assert "\n" not in str(error.value)
