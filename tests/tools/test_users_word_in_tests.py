"""What tools/test.py takes from the user: the model's overrides, metrics, hooks, others' files."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from bag_of_transfer.engine.config.config_file import read_config
from bag_of_transfer.engine.run.trained_model import follow_checkpoint
from tests.prediction.tiny_networks import CLASSES, CONFIGS, random_network

DET = CONFIGS["det"]
FEW = "model.test_cfg.rcnn.max_per_img=1"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a detector's checkpoint with random weights."""
    network, meta = random_network("det")
    path = tmp_path_factory.mktemp("file") / "det.pth"
    torch.save({"state_dict": network.state_dict(), "meta": meta}, path)
    return path


def leaf(folder: Path, *lines: str) -> Path:
    path = folder / "leaf.py"
    path.write_text("\n".join([f"_base_ = {str(DET)!r}", *lines]))
    return path


def most_per_image(rows: Path) -> int:
    images = [row["image_id"] for row in json.loads(rows.read_text())]
    return max(map(images.count, images))


def test_how_a_network_is_tested_is_the_users_word(tool, file, tmp_path, capfd) -> None:
    rows = tmp_path / "rows.json"
    dump = ("--dump-predictions", rows)
    assert tool("test", DET, file, *dump) == 0
    assert most_per_image(rows) > 1
    assert "not as in training" not in capfd.readouterr().out
    edited = leaf(tmp_path, "model = dict(test_cfg=dict(rcnn=dict(max_per_img=1)))")
    for config, flags in ((DET, ("--cfg-options", FEW)), (edited, ())):
        assert tool("test", config, file, *dump, *flags) == 0
        assert most_per_image(rows) == 1
        told = capfd.readouterr().out
        assert "as stated now, not as in training: test_cfg.rcnn.max_per_img=1, not " in told


@pytest.mark.parametrize(("stored", "seed"), [(7, 7), ("7", None), (None, None)])
def test_the_record_of_a_test_states_the_seed_of_the_training(tool, tmp_path, stored, seed) -> None:
    network, meta = random_network("seg")
    path, record = tmp_path / "seg.pth", tmp_path / "record.json"
    torch.save({"state_dict": network.state_dict(), "meta": {**meta, "seed": stored}}, path)
    assert tool("test", CONFIGS["seg"], path, "--seed", 3, "--out", record) == 0
    assert json.loads(record.read_text())["seed"] == seed


def test_what_was_trained_is_the_checkpoints_word_and_the_user_is_told(
    tool, file, tmp_path, capfd
) -> None:
    edited = leaf(tmp_path, "model = dict(data_preprocessor=dict(pad_size_divisor=64))")
    assert tool("test", edited, file) == 0
    told = capfd.readouterr().out
    line = "as in training, not as the config says: data_preprocessor.pad_size_divisor=32, not 64\n"
    assert line in told
    (resolved,) = Path("work_dirs/leaf").rglob("leaf.py")
    assert "pad_size_divisor=32" in resolved.read_text()


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("model.backbone.depth=34", "tensors do not fit, first backbone."),
        ("model.backbone.depth=7", "depth must be one of"),
        ("model.neck.out_channels=8", "tensors do not fit, first neck."),
        ("model.roi_head.bbox_head.num_classes=5", "the head has 5 classes"),
        ("model.backbon.depth=34", "exists nowhere"),
    ],
)
def test_an_override_that_changes_what_was_trained_is_refused(
    tool, file, capsys, option, words
) -> None:
    assert tool("test", DET, file, "--cfg-options", option) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


@pytest.mark.parametrize(
    "metrics",
    [
        '[dict(type="DumpDetResults", out_file_path="a.pkl"), dict(type="VocMetric")]',
        'dict(_delete_=True, type="Evaluator", metrics=[dict(type="VocMetric")])',
        'dict(_delete_=True, type="Evaluator", metrics=dict(type="VocMetric"))',
    ],
)
def test_what_is_asked_for_goes_to_the_first_metric_that_writes_it(
    tool, file, tmp_path, metrics
) -> None:
    edited = leaf(tmp_path, f"test_evaluator = {metrics}")
    flags = ("--dump-predictions", "rows.json", "--per-image", "images.npz", "--out", "m.json")
    assert tool("test", edited, file, *flags) == 0
    assert set(json.loads(Path("m.json").read_text())["metrics"]) == {"mAP_voc07", "mAP_area"}
    assert most_per_image(Path("rows.json"))
    assert Path("images.npz").exists()


def test_what_no_metric_writes_is_refused(tool, file, tmp_path, capsys) -> None:
    edited = leaf(tmp_path, 'test_evaluator = [dict(type="DumpDetResults", out_file_path="a.pkl")]')
    assert tool("test", edited, file, "--per-image", "images.npz") == 2
    assert "no metric takes per_image_file: test_evaluator (DumpDetResults): " in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("meta", "told"),
    [
        ({"dataset_meta": {"classes": CLASSES["det"]}}, False),
        ({"CLASSES": CLASSES["det"], "config": "raise SystemExit('executed')"}, False),
        ({}, True),
        (None, True),
    ],
)
@pytest.mark.parametrize("stated", ["None", "3"])
def test_a_file_of_mmdets_zoo_has_the_network_of_the_config(
    tool, file, tmp_path, capfd, meta, told, stated
) -> None:
    contents = torch.load(file, weights_only=True)
    stock = tmp_path / "stock.pth"
    rest = {} if meta is None else {"meta": meta}
    torch.save({"state_dict": contents["state_dict"], **rest}, stock)
    config = leaf(tmp_path, f"model = dict(roi_head=dict(bbox_head=dict(num_classes={stated})))")
    assert tool("test", config, stock, "--out", "stock.json", "--cfg-options", FEW) == 0
    words = capfd.readouterr().out
    assert f"model: that of {config}, as stock.pth does not describe its own" in words
    assert ("classes: those of the data, as stock.pth does not name its own" in words) == told
    assert tool("test", DET, file, "--out", "ours.json", "--cfg-options", FEW) == 0
    ours, theirs = (json.loads(Path(f"{name}.json").read_text()) for name in ("ours", "stock"))
    assert theirs["metrics"] == ours["metrics"]


def test_a_file_of_other_classes_is_refused(tool, file, tmp_path, capsys) -> None:
    contents = torch.load(file, weights_only=True)
    meta = {"dataset_meta": {"classes": ("bars", "dots", "checks")}}
    torch.save({"state_dict": contents["state_dict"], "meta": meta}, tmp_path / "stock.pth")
    assert tool("test", DET, tmp_path / "stock.pth") == 2
    assert "the checkpoint's classes are not the data's" in capsys.readouterr().err


@pytest.fixture
def called() -> Iterator[list[str]]:
    """Register hooks of a user's; return what is called."""
    calls: list[str] = []

    class Own(Hook):
        def after_test_iter(self, *args, **more) -> None:
            calls.append("own")

    class EachIter(Hook):
        def _after_iter(self, *args, **more) -> None:
            calls.append("each")

    class OfTraining(Hook):
        def __init__(self) -> None:
            calls.append("of training")

        def after_train_iter(self, *args, **more) -> None: ...

    kinds = (Own, EachIter, OfTraining)
    for kind in kinds:
        HOOKS.register_module(module=kind)
    yield calls
    for kind in kinds:
        del HOOKS.module_dict[kind.__name__]


def test_a_users_hooks_run_in_a_test_too(tool, file, tmp_path, capfd, called) -> None:
    names = ("Own", "RunRecorder", "OfTraining", "EMAHook", "EachIter", "Nowhere")
    config = leaf(tmp_path, f"custom_hooks = [dict(type=name) for name in {names}]")
    assert tool("test", config, file) == 0
    assert called == ["own", "each"] * 2  # 8 images in batches of 4
    told = capfd.readouterr().out
    assert "custom_hooks: Own, EachIter: as in a training" in told
    assert "Nowhere: left out, no module registers it" in told


@pytest.mark.parametrize(
    "hooks",
    [
        'custom_hooks = [dict(type="EarlyStoppingHook", monitor="mAP_voc07")]',
        'default_hooks = dict(stop=dict(type="EarlyStoppingHook", monitor="mAP_voc07"))',
    ],
)
def test_early_stopping_does_not_keep_a_checkpoint_from_its_test(
    tool, file, tmp_path, hooks
) -> None:
    assert tool("test", leaf(tmp_path, hooks), file) == 0


@pytest.mark.parametrize("resume", [False, True])
def test_the_file_that_is_given_is_tested_whatever_a_training_began_from(
    tool, file, tmp_path, resume
) -> None:
    network, meta = random_network("det")
    state = {name: torch.zeros_like(value) for name, value in network.state_dict().items()}
    start = tmp_path / "start.pth"
    torch.save({"state_dict": state, "meta": meta}, start)
    config = leaf(tmp_path, f"load_from = {str(start)!r}", f"resume = {resume}")
    found = []
    for stated in (DET, config):
        assert tool("test", stated, file, "--dump-predictions", tmp_path / "rows.json") == 0
        found.append((tmp_path / "rows.json").read_text())
    assert found[0] == found[1] != "[]"


@pytest.mark.parametrize(
    "option",
    [
        "model.distillation.teacher.checkpoint=nowhere/teacher.pth",
        "model.backbone.init_cfg.checkpoint=nowhere/backbone.pth",
    ],
)
def test_a_training_needs_a_teacher_and_weights_and_its_test_does_not(
    tool, world, tmp_path, option
) -> None:
    network, meta = random_network("cls")
    model = json.loads(meta["model_json"])
    teacher = {"teacher": {"checkpoint": "gone/teacher.pth"}, "temperature": 20.0}
    model["head"]["num_classes"] = 3  # the classes of the tests' pictures
    meta["model_json"] = json.dumps(model | {"distillation": teacher})
    meta["classes"] = list(CLASSES["det"])
    state = {
        name: value[:3] if name.startswith("head") else value
        for name, value in network.state_dict().items()
    }
    path = tmp_path / "student.pth"
    torch.save({"state_dict": state, "meta": meta}, path)
    leaf = tmp_path / "student.py"
    leaf.write_text(
        f"_base_ = {str(CONFIGS['cls'])!r}\n"
        "model = dict(distillation=dict(teacher=dict(checkpoint='gone/t.pth'), temperature=20.0))\n"
    )
    assert tool("test_cls", leaf, path, "--cfg-options", option) == 0


def test_a_dict_of_overrides_brings_no_path_either() -> None:
    _, meta = random_network("cls")
    cfg, stated = read_config(CONFIGS["cls"]), {"teacher": {"checkpoint": "gone.pth"}}
    follow_checkpoint(cfg, {"meta": meta}, Path("a.pth"), {"model.distillation": stated})
    assert cfg.model.distillation == {"teacher": {}}


def test_a_hook_that_only_begins_and_ends_with_a_run_is_not_of_tests(tool, file, tmp_path) -> None:
    assert tool("test", leaf(tmp_path, "custom_hooks = [dict(type='ProfilerHook')]"), file) == 0
