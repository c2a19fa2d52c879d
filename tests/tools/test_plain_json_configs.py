"""``--dump-config F.json``: what a run resolves to, as data that trains the same."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

from bag_of_transfer.engine.config.config_file import leaf_keys, load_config, phase_of, read_config
from bag_of_transfer.engine.config.json_config import dump_config
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.tasks import Phase
from tests.engine.gadgets import EXPRESSION, GADGETS, MADE, executed

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = {
    "detection/faster-rcnn_fpn_tiny": "train",
    "segmentation/fcn_d8_demo": "train",
    "classification/resnet18-d_tiny": "train_cls",
}
SMALL = (
    "train_dataloader.batch_size=8",
    "train_dataloader.num_workers=0",
    "train_dataloader.persistent_workers=False",
    "val_dataloader.num_workers=0",
    "val_dataloader.persistent_workers=False",
)


@pytest.fixture
def dump(tool: Any) -> Any:
    """Write a config as JSON, with the options of a small run, and return the file."""

    def dump(name: str, *flags: object) -> Path:
        start = ("--backbone", "scratch") if CONFIGS[name] == "train" else ()
        path, options = Path("F.json"), ("--cfg-options", *SMALL)
        config = ROOT / f"configs/{name}.py"
        assert tool(CONFIGS[name], config, *start, *flags, *options, "--dump-config", path) == 0
        assert not Path("work_dirs").exists()
        return path

    return dump


def types(value: Any) -> Any:
    """Return a value with the types of all that is in it."""
    if isinstance(value, dict):
        return {key: types(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value), [types(inner) for inner in value]
    return type(value), value


@pytest.mark.parametrize("name", CONFIGS)
def test_it_reads_as_the_same_config(dump: Any, name: str) -> None:
    phase = Phase.PRETRAINING if CONFIGS[name] == "train_cls" else Phase.FINE_TUNING
    path, config = dump(name), ROOT / f"configs/{name}.py"
    now, explicit = load_config(path, phase)
    then, before = load_config(config, phase, options=SMALL)
    assert phase_of(path) is phase
    assert explicit == before
    ours = types({**then.to_dict(), "work_dir": str(Path("work_dirs/F"))})
    theirs = types(now.to_dict())
    changed = {key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)}
    of_backbone = {"backbone_file", "model"} if CONFIGS[name] == "train" else set()
    assert changed - {"custom_imports"} == of_backbone
    assert set(then.custom_imports.imports) <= set(now.custom_imports.imports)


def test_it_trains_the_same(dump: Any, tool: Any) -> None:
    path = dump("classification/resnet18-d_tiny", "--seed", 3)
    config = ROOT / "configs/classification/resnet18-d_tiny.py"
    options = ("--seed", 3, "--work-dir", "python", "--cfg-options", *SMALL)
    assert tool("train_cls", config, *options) == 0
    assert tool("train_cls", path) == 0
    first, second = (
        json.loads(Path(folder, "curve.jsonl").read_text().splitlines()[0])
        for folder in ("python", "work_dirs/F")
    )
    assert first["loss"] == second["loss"]
    assert tool("test_cls", path, "work_dirs/F/last_checkpoint") == 0


NUM_CLASSES = ("--cfg-options", "model.head.num_classes=3")
READERS = {
    "get_flops": ("classification/resnet18-d_tiny", NUM_CLASSES, "GFLOPs"),
    "train_cls": ("classification/resnet18-d_tiny", ("--dry-run",), "nothing was trained"),
    "test_cls": ("classification/resnet18-d_tiny", ("nowhere.pth",), "no such checkpoint"),
    "cache_teacher": ("classification/resnet18-d_tiny", (), "distillation"),
    "benchmark": ("classification/resnet18-d_tiny", ("--seconds", "1"), "batch"),
    "train": (
        "detection/faster-rcnn_fpn_tiny",
        ("--backbone", "scratch", "--dry-run"),
        "nothing was trained",
    ),
    "check_data": ("detection/faster-rcnn_fpn_tiny", (), "images looked at"),
    "test": ("segmentation/fcn_d8_demo", ("nowhere.pth",), "no such checkpoint"),
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name != "get_flops")) for name in READERS],
)
def test_a_process_that_has_imported_nothing_of_ours_reads_it(dump: Any, name: str) -> None:
    config, flags, told = READERS[name]
    run = in_a_process(name, dump(config), *flags)
    assert "not registered" not in run
    assert told in run


@pytest.mark.slow
def test_a_stock_config_with_a_backbone_of_ours_is_read_by_a_process_of_its_own(tool: Any) -> None:
    stock = "mmdet::retinanet/retinanet_r18_fpn_1x_coco.py"
    options = ("--cfg-options", "model.backbone._delete_=True", "model.backbone.type=ResNetD")
    options += ("model.backbone.depth=18",)
    assert tool("train", stock, "--backbone", "scratch", *options, "--dump-config", "F.json") == 0
    assert "backbones" in str(json.loads(Path("F.json").read_text())["custom_imports"])
    assert "instances_train2017.json" in in_a_process("check_data", "F.json")


def in_a_process(name: str, *argv: object) -> str:
    """Return what a tool says in a process of its own."""
    command = [sys.executable, ROOT / f"tools/{name}.py", *map(str, argv)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    return run.stdout + run.stderr


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"imports": ["bag_of_transfer.nowhere"]}, "cannot be imported .*nowhere"),
        ({"imports": [5]}, "custom_imports.imports is .5., not the name of a module"),
        ({"imports": [], "more": 1}, "custom_imports is .*, not an object with imports"),
        (["bag_of_transfer"], "custom_imports is .*, not an object with imports"),
    ],
)
def test_modules_that_cannot_be_imported_are_told(tmp_path: Path, value: Any, told: str) -> None:
    path = tmp_path / "F.json"
    path.write_text(json.dumps({"custom_imports": value, "stated": []}))
    with pytest.raises(UserError, match=told):
        read_config(path)


def changed(path: Path, key: str, value: Any) -> Path:
    content = json.loads(path.read_text())
    node, *_ = [content]
    *above, last = key.split(".")
    for name in above:
        node = node[int(name) if name.isdecimal() else name]
    node[last] = value
    path.write_text(json.dumps(content))
    return path


# These name nothing, or classes of mmengine that write into a folder.
HARMLESS = (
    *(None, 5, "CheckpointHook", "EpochBasedTrainLoop", "Runner", "LocalVisBackend", "Visualizer"),
    "BertModel",
)
HOSTILE: dict[str, tuple[str, Any]] = {
    "a_module": ("custom_imports", {"imports": ["tests.engine.imported_by_a_gadget"]}),
    "a_module_of_python": ("custom_imports", {"imports": "antigravity"}),
    "a_scope": ("default_scope", "antigravity"),
    "a_base": ("_base_", "gadget.py"),
    "an_expression": ("model.head", EXPRESSION),
    "a_constructor": ("optim_wrapper.constructor", "os.mkdir"),
    "a_runner": ("runner_type", "subprocess.Popen"),
    "a_program_as_data": ("val_dataloader.dataset.ann_file", "gadget.pkl"),
    "a_config_as_data": ("model.teacher_config", "gadget.py"),
    "a_function_of_a_library": ("train_dataloader.collate_fn", "mmengine.utils.mkdir_or_exist"),
    **{
        f"{place}_{name}": (place, GADGETS[name])
        for place in ("model.backbone", "train_cfg", "visualizer", "env_cfg.mp_cfg")
        for name in ("a_function", "a_program", "through_a_module_of_mmdet", "a_builtin")
    },
    **{f"hooks_{name}": ("custom_hooks", [gadget]) for name, gadget in GADGETS.items()
       if isinstance(gadget, dict) and gadget.get("type") not in HARMLESS},
}  # fmt: skip


def test_it_runs_nothing(dump: Any, tmp_path: Path) -> None:
    path = dump("classification/resnet18-d_tiny")
    sound = path.read_text()
    read = []
    for name, (key, value) in HOSTILE.items():
        path.write_text(sound)
        with contextlib.suppress(UserError):
            read_config(changed(path, key, value))
            read.append(name)
        assert executed(tmp_path) == [], name
    assert read == []
    assert not {"antigravity", "tests.engine.imported_by_a_gadget"} & sys.modules.keys()
    assert len(HOSTILE) > 40


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("model = dict(head=dict(act=lambda x: x))", "carry model.head.act"),
        ("model = dict(head=dict(act=print))", "carry model.head.act"),
        ("train_cfg = dict(limit=float('inf'))", "carry train_cfg.limit"),
        ("classes_by_number = {1.5: 'a'}", "the key 1.5 of classes_by_number"),
        ("custom_imports = dict(imports=['json.tool'])", "is 'json.tool', not of"),
    ],
)
def test_what_json_cannot_carry_is_named(tool: Any, capfd: Any, line: str, told: str) -> None:
    base = ROOT / "configs/classification/resnet18-d_tiny.py"
    Path("own.py").write_text(f"_base_ = {str(base)!r}\n{line}\n")
    assert tool("train_cls", "own.py", "--dump-config", "F.json") == 2
    assert told in capfd.readouterr().err
    assert not Path("F.json").exists()


def test_labels_that_get_new_numbers_stay_numbers(tmp_path: Path) -> None:
    data = dict(type="MaskFolder", data_root="x", label_map={7: 0, 8: 1})
    cfg = Config(dict(default_scope="mmseg", train_dataloader=dict(dataset=data)))
    dump_config(cfg, set(), tmp_path / "F.json")
    assert read_config(tmp_path / "F.json").train_dataloader.dataset.label_map == {7: 0, 8: 1}


def test_only_what_was_written_so_is_read() -> None:
    Path("a.json").write_text('{"model": {}}')
    with pytest.raises(UserError, match=r"stated is missing: a\.json"):
        leaf_keys(Path("a.json"))
    assert not Path(MADE).exists()
