"""A ladder's folder read back, with cells that failed, are missing, unfinished or damaged."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.ladder.folder import PRETRAINING
from bag_of_transfer.ladder.report.cell_files import (
    changed_settings,
    damaged_files,
    read_card,
    read_curve,
    read_per_image,
    read_settings,
    read_tricks,
)
from bag_of_transfer.ladder.report.results import LadderResults, read_results
from tests.ladder import drawn_ladder as drawn


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn.draw_ladder(tmp_path_factory.mktemp("ladder") / "drawn")


@pytest.fixture
def folder(pristine: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pristine, tmp_path / "copy"))


def status(ladder: LadderResults, rung: str, task: str, seed: int) -> tuple[str, str | None]:
    (cell,) = (c for c in ladder.cells if (c.rung, c.task, c.seed) == (rung, task, seed))
    return cell.status, cell.reason


def test_every_planned_cell_has_a_state(folder: Path) -> None:
    ladder = read_results(folder)
    # 4 rungs x 2 tasks x 3 seeds; 2 rungs x 3 pretrainings; one conversion of a public model
    assert len(ladder.cells) == 24 + 6 + 1
    assert status(ladder, *drawn.FAILED) == ("failed", drawn.REASON)
    assert status(ladder, *drawn.MISSING) == ("missing", "not begun")
    assert status(ladder, *drawn.UNFINISHED)[0] == "unfinished"
    assert len(ladder.cells_of()) == 31 - 3


def test_values_are_by_rung_and_seed(folder: Path) -> None:
    values = read_results(folder).values("detection", "mAP_voc07")
    assert list(values) == ["scratch", "b_standard", "d_all", "public"]
    assert values["scratch"] == {0: 40.0, 1: 44.0, 2: 42.0}
    assert values["d_all"] == {0: 46.0, 2: 49.0}  # seed 1 failed


def test_a_public_models_conversion_needs_no_figures(folder: Path) -> None:
    ladder = read_results(folder)
    assert status(ladder, "public", PRETRAINING, 0) == ("done", None)
    assert ladder.num_planned("public", PRETRAINING) == 1
    assert ladder.num_planned("scratch", PRETRAINING) == 0
    assert ladder.values(PRETRAINING, "top1")["public"] == {}


def test_a_backbone_that_seeds_share_is_planned_once(folder: Path) -> None:
    plan = json.loads((folder / "ladder.json").read_text())
    plan["rungs"]["b_standard"]["seeds"] = "shared"
    drawn.write(folder / "ladder.json", plan)
    for seed in (1, 2):
        shutil.rmtree(folder / f"seed{seed}/b_standard/pretraining")
    assert read_results(folder).num_planned("b_standard", PRETRAINING) == 1
    shutil.rmtree(folder / "seed0/b_standard/pretraining")
    assert status(read_results(folder), "b_standard", PRETRAINING, 0)[0] == "missing"


def test_a_shared_backbone_may_lie_in_a_seed_of_its_own(folder: Path) -> None:
    plan = json.loads((folder / "ladder.json").read_text())
    plan["rungs"]["b_standard"]["seeds"] = "shared"
    drawn.write(folder / "ladder.json", {**plan, "seeds": [1, 2], "shared_seed": 0})
    ladder = read_results(folder)
    assert status(ladder, "b_standard", PRETRAINING, 0) == ("done", None)
    assert list(ladder.values(PRETRAINING, "top1")["b_standard"]) == [0]
    assert ladder.num_planned("b_standard", PRETRAINING) == 1
    assert status(ladder, "public", PRETRAINING, 0)[0] == "done"
    for rung in ("b_standard", "public"):
        shutil.rmtree(folder / f"seed0/{rung}/pretraining")
    again = read_results(folder)
    assert status(again, "b_standard", PRETRAINING, 0)[0] == "missing"
    assert again.num_planned("public", PRETRAINING) == 0


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("cell.json", "{", "cell.json"),
        ("cell.json", "[]", "cell.json: the file holds a list, not an object"),
        ("cell.json", '{"status": "dine"}', "dine"),
        ("metrics.json", '{"metrics": {"mAP_voc07": 5', "metrics.json"),
        ("metrics.json", '{"metrics": null}', "metrics.json: metrics is None, not an object"),
        ("metrics.json", '{"metrics": {"mAP_voc07": null}}', "mAP_voc07 is None"),
        (
            "metrics.json",
            '{"metrics": {"mAP_voc07": NaN}}',
            "metrics.json: the file is not JSON (NaN",
        ),
        ("metrics.json", '{"metrics": {"mAP_voc07": "57"}}', "mAP_voc07 is '57'"),
        ("metrics.json", '{"metrics": {"mAP_voc07": true}}', "mAP_voc07 is True"),
        ("metrics.json", '{"metrics": {"mAP_voc07": 5}, "per_class": [5]}', "per_class"),
        ("metrics.json", None, "metrics.json"),
        ("cell.json", '{"status": "done", "train": [1]}', "train is [1], not an object"),
        ("cell.json", '{"status": "done", "commands": [5]}', "commands.0 is 5, not a list"),
        ("cell.json", '{"status": "done", "notes": 5}', "notes is 5, not a list"),
    ],
)
def test_a_damaged_cell_is_named_with_its_file_and_the_rest_goes_on(
    folder: Path, file: str, text: str | None, told: str
) -> None:
    path = folder / "seed0/scratch/detection" / file
    path.unlink() if text is None else path.write_text(text)
    ladder = read_results(folder)
    state, reason = status(ladder, "scratch", "detection", 0)
    assert state == "damaged"
    assert told in str(reason)
    assert ladder.values("detection", "mAP_voc07")["scratch"] == {1: 44.0, 2: 42.0}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"schema": 2}, "schema is 2, not 1"),
        ({"reference": "nobody"}, "nobody"),
        ({"rungs": []}, "rungs is .*, not an object"),
        ({"seeds": None}, "seeds is None, not a list"),
        (
            {"rungs": {"scratch": {"kind": "config", "seeds": "some"}}},
            "'some', not one of",
        ),
        ({"rungs": {"scratch": {"kind": [], "seeds": "shared"}}}, "not one of scratch, config"),
        ({"tasks": {"t": {"kind": "cls", "metrics": ["top1"]}}}, "'cls', not one of det, seg"),
        (
            {"tasks": {"t": {"kind": "det", "metrics": []}}},
            "not a list with at least 1",
        ),
    ],
)
def test_a_damaged_plan_is_the_users_to_mend(
    folder: Path, change: dict[str, object], told: str
) -> None:
    plan = json.loads((folder / "ladder.json").read_text())
    drawn.write(folder / "ladder.json", {**plan, **change})
    with pytest.raises(UserError, match=told):
        read_results(folder)


def test_a_foreign_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"the folder has no ladder\.json"):
        read_results(tmp_path)
    (tmp_path / "ladder.json").write_text("not JSON")
    with pytest.raises(UserError, match=r"not JSON .*ladder\.json"):
        read_results(tmp_path)


def test_a_resolved_config_is_read_without_running_it(tmp_path: Path, folder: Path) -> None:
    (cell, *_) = read_results(folder).cells_of("scratch", "detection")
    (cell.folder / "resolved_config.py").write_text(
        f"model = dict(backbone=dict(depth=18, out=(0, 1)), heads=[dict(type='A'), dict(w=-1.5)])\n"
        f"keys = {{'a.b': 1, 'run': open('{tmp_path}/ran', 'w')}}\n"
    )
    assert read_settings(cell.folder) == {
        "model.backbone.depth": "18",
        "model.backbone.out": "(0, 1)",
        "model.heads.0.type": "'A'",
        "model.heads.1.w": "-1.5",
        "keys.a.b": "1",
        "keys.run": f"open('{tmp_path}/ran', 'w')",
    }
    assert not (tmp_path / "ran").exists()


def test_only_keys_that_differ_are_shown_and_no_places() -> None:
    places = ("work_dir", "experiment_name", "load_from")
    before = {"lr": "0.1", "gone": "1", "same": "2", **dict.fromkeys(places, "'a'")}
    after = {"lr": "0.2", "same": "2", "new": "3", **dict.fromkeys(places, "'b'")}
    expected = [("lr", "0.1", "0.2"), ("gone", "1", None), ("new", None, "3")]
    assert changed_settings(before, after) == expected


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("curve.jsonl", read_curve),
        ("tricks.json", read_tricks),
        ("backbone.json", read_card),
        ("resolved_config.py", lambda cell: read_settings(cell.folder)),
        ("per_image.npz", read_per_image),
    ],
)
def test_a_damaged_file_beside_the_figures_is_listed_and_gives_nothing(
    folder: Path, name: str, read: object
) -> None:
    ladder = read_results(folder)
    assert damaged_files(ladder.cells_of()) == []
    (cell, *_) = ladder.cells_of("d_all", PRETRAINING)
    (cell.folder / name).write_bytes(b"\x00 [ (")
    ((found, file, _),) = damaged_files(ladder.cells_of())
    assert (found.name, file) == (cell.name, name)
    assert not read(cell)


def test_arrays_with_pickles_are_not_loaded(folder: Path) -> None:
    (cell, *_) = read_results(folder).cells_of("scratch", "detection")
    np.savez(cell.folder / "per_image.npz", evil=np.array([{}], dtype=object))
    assert read_per_image(cell) == {}
