"""What makes a cell's result another one, and what does not."""

import ast
from dataclasses import replace
from pathlib import Path

import pytest

from bag_of_transfer.ladder.plan.planning import plan
from bag_of_transfer.ladder.plan.spec import Ladder, Rung, Task
from bag_of_transfer.ladder.run import fingerprint as prints

ROOT = Path(__file__).resolve().parents[2]
DET_METRICS = "bag_of_transfer/detection/metrics.py"
SEG_METRICS = "bag_of_transfer/segmentation/metrics.py"
CONFIG = ROOT / "configs/detection/faster-rcnn_fpn_tiny.py"
STUDENT = ROOT / "configs/classification/resnet18-d-all_demo.py"
TEACHER = Rung("b", "config", str(ROOT / "configs/classification/resnet18-b_demo.py"))
TASK = Task("detection", "det", CONFIG, ("mAP_voc07",))


def cell_of(root: Path, task: Task = TASK, seed: int = 0, kind: str = "config"):
    rung = Rung("d", kind, str(ROOT / "configs/classification/resnet18-d_tiny.py"))
    ladder = Ladder("mine", Path("mine.py"), (rung,), (task,), (seed,), 0, reference="d")
    return next(cell for cell in plan(ladder, root).cells if cell.task)


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("DATA_ROOT", str(tmp_path / "data"))
    prints.data_digest.cache_clear()
    folder = tmp_path / "data/demo/detection"
    folder.mkdir(parents=True)
    (folder / "a.xml").write_text("cat")
    (folder / "a.png").write_bytes(b"12345")
    return folder


def of(cell, selection="last"):
    prints.data_digest.cache_clear()
    return prints.fingerprint(cell, selection)


def differing(one, other):
    return {name for name in one if one[name] != other[name]}


def test_the_same_cell_has_the_same_fingerprint(tmp_path):
    assert of(cell_of(tmp_path)) == of(cell_of(tmp_path))
    assert all(len(value) == 64 for value in of(cell_of(tmp_path)).values())


@pytest.mark.parametrize(
    "changed",
    [
        dict(seed=1),
        dict(task=replace(TASK, cfg_options=("train_cfg.max_epochs=7",))),
        dict(kind="scratch"),
    ],
    ids=["seed", "override", "scratch"],
)
def test_seed_overrides_and_start_are_part_of_the_config(tmp_path, changed):
    found = differing(of(cell_of(tmp_path)), of(cell_of(tmp_path, **changed)))
    assert "config" in found
    assert not found & {"data", "code"}


def test_picking_on_val_is_part_of_it(tmp_path):
    assert differing(of(cell_of(tmp_path)), of(cell_of(tmp_path), "val")) == {"config"}


def test_another_folder_for_data_or_ladder_is_the_same_config(tmp_path, monkeypatch, data):
    before = of(cell_of(tmp_path))
    moved = tmp_path / "elsewhere"
    data.parent.parent.rename(moved)
    monkeypatch.setenv("DATA_ROOT", str(moved))
    assert of(cell_of(tmp_path / "other")) == before
    monkeypatch.delenv("DATA_ROOT")
    monkeypatch.chdir(tmp_path)
    moved.rename(tmp_path / "data")
    assert of(cell_of(tmp_path / "other")) == before


@pytest.mark.parametrize("stated", ["{}", "{}/mine/", "'{}/mine'"])
def test_an_override_inside_of_the_data_root_is_the_same_anywhere(tmp_path, monkeypatch, stated):
    """A ladder config may say ``{{$DATA_ROOT:data}}/...`` in its overrides."""

    def config_with(place: str) -> str | None:
        option = f"test_dataloader.dataset.data_root={stated.format(place)}"
        return of(cell_of(tmp_path, replace(TASK, cfg_options=(option,))))["config"]

    monkeypatch.delenv("DATA_ROOT")
    here = config_with("data")
    for there in ("/somewhere/el+se", "/somewhere/el+se/", "drawn_1"):
        monkeypatch.setenv("DATA_ROOT", there)
        assert config_with(there) == here
        assert config_with(f"{there.rstrip('/')}-2") != here
        assert config_with("data") == here  # written out, it is the same everywhere, too


def config_of(root: Path, rung: Rung, seed: int = 0) -> str:
    ladder = Ladder("mine", Path("mine.py"), (TEACHER, rung), (TASK,), (seed,), 0, reference="d")
    (cell,) = (one for one in plan(ladder, root).cells if not one.task and one.rung == rung)
    return prints.config_digest(cell, "last")


def test_a_students_config_is_the_same_wherever_its_teacher_lies():
    student = Rung("d", "config", str(STUDENT), teacher="b")
    # no folder's name is taken out of other words: "out" stands in "out_indices"
    names = ("out", "work_dirs/mine", ".", "/somewhere/else")
    assert len({config_of(Path(name), student) for name in names}) == 1
    # what is there to be told apart: the teacher, and its seed
    assert config_of(Path("out"), replace(student, teacher="")) != config_of(Path("out"), student)
    shared = replace(student, seeds="shared")
    assert config_of(Path("out"), student) == config_of(Path("out"), shared)
    assert config_of(Path("out"), student, seed=1) != config_of(Path("out"), shared, seed=1)


def test_a_folders_name_is_no_part_of_the_config(tmp_path):
    out = prints.config_digest(cell_of(Path("out")), "last")
    assert out == prints.config_digest(cell_of(Path("elsewhere")), "last")
    resolved = prints.resolved(cell_of(Path("out"))).to_dict()
    assert "out_channels" in str(resolved)


def test_a_file_counts_by_its_content_and_not_by_its_place(tmp_path):
    def of_file(name: str, sha256: str):
        source = tmp_path / name
        source.with_suffix(".json").write_text(f'{{"sha256": "{sha256}"}}')
        rung = Rung("d", "file", str(source), seeds="shared")
        ladder = Ladder("mine", Path("mine.py"), (rung,), (TASK,), (0,), 0, reference="d")
        return of(plan(ladder, tmp_path).cells[0])

    assert of_file("a.safetensors", "1") == of_file("b.safetensors", "1")
    assert differing(of_file("a.safetensors", "1"), of_file("b.safetensors", "2")) == {"backbone"}


def test_a_published_split_is_never_picked_on(tmp_path):
    published = replace(TASK, published_split=True)
    last, val = (of(cell_of(tmp_path, published), one) for one in ("last", "val"))
    assert last == val


def test_edited_annotations_and_resized_images_are_other_data(tmp_path, data):
    cell = cell_of(tmp_path)
    before = of(cell)
    (data / "a.xml").write_text("dog")  # as long as before
    edited = of(cell)
    assert differing(before, edited) == {"data"}
    (data / "a.png").write_bytes(b"123456")
    assert differing(edited, of(cell)) == {"data"}
    (data / "b.png").write_bytes(b"1")
    assert differing(before, of(cell)) == {"data"}


def test_the_images_of_the_pretraining_count_too(tmp_path, data):
    cell = cell_of(tmp_path)
    rung, ladder_root = cell.rung, cell.root
    ladder = Ladder("mine", Path("mine.py"), (rung,), (TASK,), (0,), 0, reference="d")
    pretraining = plan(ladder, ladder_root).cells[0]
    image = data.parent / "classification/train/cat/a.png"
    image.parent.mkdir(parents=True)
    image.write_bytes(b"1")
    before = of(pretraining)
    image.write_bytes(b"12")
    assert differing(before, of(pretraining)) == {"data"}


def test_another_backbone_is_another_cell(tmp_path):
    cell = cell_of(tmp_path)
    before = of(cell)
    card = tmp_path / cell.needs[0] / "backbone.json"
    card.parent.mkdir(parents=True)
    card.write_text('{"sha256": "1"}')
    made = of(cell)
    assert differing(before, made) == {"backbone"}
    card.write_text('{"sha256": "2"}')
    assert differing(made, of(cell)) == {"backbone"}


FOREIGN = ("tests/", "bag_of_transfer/ladder/", "bag_of_transfer/demo_world/")


def test_code_is_what_the_tools_import_and_no_docs_or_tests():
    names = {
        str(path.relative_to(ROOT)) for path in prints.imported_files([ROOT / "tools/train.py"])
    }
    assert {
        "tools/train.py",
        "bag_of_transfer/engine/run/training.py",
        "bag_of_transfer/engine/atomic.py",
        "backbones/resnet.py",
    } <= names
    assert {
        "bag_of_transfer/engine/__init__.py",
        "bag_of_transfer/detection/mmcv_ops.py",
        "bag_of_transfer/transfer/config/apply.py",
    } <= names
    assert not {name for name in names if name.startswith(FOREIGN)}
    assert "tools/test.py" not in names


def test_imports_inside_functions_and_of_names_count(tmp_path, monkeypatch):
    package = tmp_path / "own"
    package.mkdir()
    for name, text in {
        "__init__": "",
        "a": "def f():\n    from own import b\n",
        "b": "import own.c\nimport numpy\n",
        "c": "",
        "d": "",
    }.items():
        (package / f"{name}.py").write_text(text)
    monkeypatch.setattr(prints, "ROOT", tmp_path)
    found = [path.name for path in prints.imported_files([package / "a.py"])]
    assert found == ["__init__.py", "a.py", "b.py", "c.py"]
    assert ast.parse((package / "a.py").read_text())


def test_changed_code_changes_the_digest(tmp_path, monkeypatch):
    monkeypatch.setattr(prints, "ROOT", tmp_path)
    tool = tmp_path / "tool.py"
    tool.write_text("x = 1\n")
    before = prints.code_digest((tool,))
    tool.write_text("x = 2\n")
    prints.forget_code()
    assert prints.code_digest((tool,)) != before


STOCK = {
    "mmdet::pascal_voc/faster-rcnn_r50_fpn_1x_voc0712.py": DET_METRICS,
    "mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py": DET_METRICS,
    "mmseg::fcn/fcn_r50-d8_4xb2-40k_cityscapes-512x1024.py": SEG_METRICS,
    str(CONFIG): DET_METRICS,
    str(ROOT / "configs/segmentation/fcn_d8_tiny.py"): SEG_METRICS,
}
BETWEEN = list(STOCK)[1:3]


@pytest.mark.parametrize(
    "base",
    [pytest.param(base, marks=[pytest.mark.slow] if base in BETWEEN else []) for base in STOCK],
)
def test_the_metric_that_judges_a_task_is_in_its_fingerprint(tmp_path, monkeypatch, base):
    config = tmp_path / "task.py"
    config.write_text(f'_base_ = "{base}"\n')
    cell = cell_of(tmp_path, replace(TASK, config=config))
    before = of(cell)
    metric, read = ROOT / STOCK[base], Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read(path) + b" " * (path == metric))
    prints.code_digest.cache_clear()
    try:
        assert differing(before, of(cell)) == {"code"}
    finally:
        prints.code_digest.cache_clear()


def test_a_config_may_name_one_module_as_a_text(tmp_path):
    config = tmp_path / "task.py"
    config.write_text(
        f'_base_ = "{CONFIG}"\ncustom_imports = dict(imports="bag_of_transfer.detection.metrics")\n'
    )
    cfg = prints.resolved(cell_of(tmp_path, replace(TASK, config=config)))
    assert "bag_of_transfer.detection.metrics" in prints.named_modules(cfg)


def test_a_knob_of_a_task_counts_where_it_takes_effect(tmp_path, data):
    moved = replace(TASK, cfg_options=(f"data_root={tmp_path}/other", "epochs=7"))
    cell = cell_of(tmp_path, moved)
    assert prints.data_places(prints.resolved(cell)) == [tmp_path / "other"]
    assert prints.resolved(cell).train_cfg.max_epochs == 7
    assert {"config", "data"} <= differing(of(cell_of(tmp_path)), of(cell))
