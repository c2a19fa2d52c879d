"""Finished cells go from machine to machine, without weights and never half."""

import io
import json
import tarfile

import pytest

from engine.errors import RefusedError, UserError
from ladder.travel import export_cells, import_cells


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
    done = cell(root, "seed0/b/detection", **{"backbone.safetensors": "weights"})
    (done / "pictures").mkdir()
    (done / "pictures/a.png").write_text("picture")
    (done / "predictions").write_text("much")
    cell(root, "seed0/b/segmentation", status="failed")
    (root / "truth/detection").mkdir(parents=True)
    (root / "truth/detection/a.png").write_text("truth")
    (root / "ladder.json").write_text("{}")
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
    with pytest.raises(UserError, match="no archive of cells"):
        import_cells(tmp_path / "there", out)
    assert not list((tmp_path / "there").rglob("cell.json"))
    with pytest.raises(UserError, match="no archive of cells"):
        import_cells(tmp_path / "there", tmp_path / "none.tar.gz")
    out.write_text("no archive\n")
    with pytest.raises(UserError) as error:
        import_cells(tmp_path / "there", out)
    assert "\n" not in str(error.value)
