"""What a run that goes on may change in its config, its files and its images."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from bag_of_transfer.engine import progress
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.run import same_run
from bag_of_transfer.engine.run.same_run import changes, refusal
from bag_of_transfer.engine.weights import stored_config
from bag_of_transfer.engine.weights.stored_config import identity

WHERE = Path("epoch_2.pth")


@HOOKS.register_module(force=True)
class Unfreezes(Hook):
    """A hook of a user: nobody knows what it does."""


@pytest.fixture
def cfg(tmp_path: Path) -> Config:
    for name in ("images", "masks", "lists"):
        (tmp_path / name).mkdir()
    (tmp_path / "lists/train.txt").write_text("a\nb\n")
    (tmp_path / "truth.json").write_text("{}")
    (tmp_path / "teacher.pth").write_text("weights")
    dataset = dict(
        type="MaskFolder",
        data_root=str(tmp_path),
        ann_file="lists/train.txt",
        data_prefix=dict(img_path="images", seg_map_path="masks"),
        pipeline=[dict(type="ReadImage"), dict(type="RandomFlip", prob=0.5)],
    )
    return Config(
        dict(
            task="seg",
            default_scope="mmengine",
            work_dir="work_dirs/a",
            crop_size=(48, 48),
            model=dict(
                type="EncoderDecoder",
                data_preprocessor=dict(mean=[123.68, 116.779, 103.939], size=(48, 48)),
                backbone=dict(type="ResNetD", depth=18, frozen_stages=1),
                decode_head=dict(type="FCNHead", loss_decode=dict(type="CrossEntropyLoss")),
                distillation=dict(teacher=dict(checkpoint=str(tmp_path / "teacher.pth"))),
                mixup=dict(alpha=0.2, off_epochs=0),
            ),
            train_dataloader=dict(batch_size=2, num_workers=2, dataset=dataset),
            val_dataloader=dict(batch_size=4, num_workers=0, dataset=dataset),
            test_dataloader=dict(batch_size=1, dataset=dataset),
            val_evaluator=dict(type="SegMetric", ann_file=str(tmp_path / "truth.json")),
            train_cfg=dict(by_epoch=True, max_epochs=4, val_interval=1),
            optim_wrapper=dict(optimizer=dict(type="SGD", lr=0.1)),
            default_hooks=dict(
                checkpoint=dict(interval=1, save_best="mIoU"), logger=dict(interval=1)
            ),
            custom_hooks=[dict(type="RunRecorder"), dict(type="EMAHook")],
            randomness=dict(seed=0),
            env_cfg=dict(cudnn_benchmark=False, mp_cfg=dict(mp_start_method="fork")),
        )
    )


def compared(was: Config, change: Callable[[Config], Any]) -> same_run.Changes:
    text = json.dumps(stored_config.stored_config(was))
    now = Config(was.to_dict())
    change(now)
    return changes(text, now, WHERE)


def keys(found: list[Any]) -> list[str]:
    return [change.key for change in found]


def test_the_same_config_gives_no_change(cfg: Config) -> None:
    assert compared(cfg, lambda now: None) == ([], [], [])


HARMLESS = [
    "work_dir=work_dirs/b",
    "train_dataloader.num_workers=8",
    "val_dataloader.persistent_workers=True",
    "train_dataloader.pin_memory=True",
    "train_cfg.val_interval=2",
    "default_hooks.checkpoint.interval=5",
    "default_hooks.checkpoint.max_keep_ckpts=3",
    "default_hooks.logger.interval=7",
    "test_dataloader.batch_size=4",
    "env_cfg.mp_cfg.mp_start_method=spawn",
    "log_processor.window_size=3",
]
ROUNDING = [
    "env_cfg.cudnn_benchmark=True",
    "randomness.deterministic=True",
    "val_dataloader.batch_size=2",
    "compile.mode=default",
]
REFUSED = [
    "task=det",
    "model.type=CascadeEncoderDecoder",
    "model.backbone.frozen_stages=2",
    "model.backbone.depth=50",
    "model.data_preprocessor.mean=[0.0,0.0,0.0]",
    "model.decode_head.loss_decode.type=DiceLoss",
    "model.mixup.alpha=0.4",
    "model.distillation.temperature=4",
    "train_dataloader.collate_fn.type=pseudo_collate",
    "train_dataloader.dataset.type=OtherFolder",
    "train_dataloader.dataset.indices=10",
    "val_dataloader.dataset.ignore_index=0",
    "val_evaluator.type=IoUMetric",
    "val_cfg.fp16=True",
    "default_hooks.checkpoint.save_best=aAcc",
    "default_hooks.checkpoint.rule=less",
    "default_hooks.param_scheduler.type=MyHook",
    "randomness.diff_rank_seed=True",
    "default_scope=mmseg",
    "backbone_file.sha256=abc",
    "model_wrapper_cfg.type=Mine",
]
OF_THE_RECIPE = [
    "optim_wrapper.optimizer.lr=0.2",
    "train_cfg.max_epochs=8",
    "train_dataloader.batch_size=4",
    "train_dataloader.drop_last=True",
    "randomness.seed=3",
    "model.mixup.off_epochs=2",
    "held_out.fraction=0.2",
]
NOT_OF_A_RUN = ["experiment_name=x", "load_from=x", "log_level=ERROR", "crop_size=3", "notes.a=1"]


@pytest.mark.parametrize(
    ("option", "group"),
    [
        *((option, "harmless") for option in HARMLESS),
        *((option, "rounding") for option in ROUNDING),
        *((option, "refused") for option in REFUSED),
        *((option, None) for option in OF_THE_RECIPE + NOT_OF_A_RUN),
    ],
)
def test_a_value_is_in_its_group(cfg: Config, option: str, group: str | None) -> None:
    key, _, text = option.partition("=")
    try:
        value = json.loads(text)
    except ValueError:
        value = {"True": True}.get(text, text)
    found = compared(cfg, lambda now: now.merge_from_dict({key: value}))
    groups = {name: keys(getattr(found, name)) for name in found._fields}
    assert groups == {name: [key] if name == group else [] for name in found._fields}


def test_more_is_better_where_no_rule_is_stated_as_in_all_former_runs(cfg: Config) -> None:
    assert compared(cfg, lambda now: now.default_hooks.checkpoint.update(rule="greater")) == (
        [],
        [],
        [],
    )


WRAPPER = {"type": "MMDistributedDataParallel", "device_ids": None, "broadcast_buffers": False}


@pytest.mark.parametrize("unused", [{}, {"find_unused_parameters": True}])
@pytest.mark.parametrize("turned", [False, True])
def test_our_former_wrapper_of_processes_on_cpus_is_no_difference(
    cfg: Config, unused: dict[str, bool], turned: bool
) -> None:
    former = Config(cfg.to_dict() | {"model_wrapper_cfg": WRAPPER | unused})
    was, now = (cfg, former) if turned else (former, cfg)
    found = changes(json.dumps(stored_config.stored_config(was)), now, WHERE)
    assert found == ([], [], [])


@pytest.mark.parametrize("other", [{"type": "Mine"}, {"broadcast_buffers": True}, {"dim": 1}])
def test_a_wrapper_of_the_users_is_compared(cfg: Config, other: dict[str, Any]) -> None:
    stated = Config(cfg.to_dict() | {"model_wrapper_cfg": WRAPPER | other})
    found = changes(json.dumps(stored_config.stored_config(stated)), cfg, WHERE)
    assert found.refused


def test_a_pipeline_is_told_step_by_step(cfg: Config) -> None:
    def change(now: Config) -> None:
        now.train_dataloader.dataset.pipeline[1].prob = 0.9
        now.train_dataloader.dataset.pipeline.append(dict(type="PhotoMetricDistortion"))

    found = compared(cfg, change)
    assert [str(one) for one in found.refused] == [
        "train_dataloader.dataset.pipeline.1.prob was 0.5, now 0.9",
        "train_dataloader.dataset.pipeline.2.type was not stated, now PhotoMetricDistortion",
    ]
    said = str(refusal(found.refused, WHERE))
    assert "pipeline.1.prob was 0.5, now 0.9" in said
    assert "load_from=PATH" in said


@pytest.mark.parametrize(
    ("hook", "is_refused"),
    [
        ("EmptyCacheHook", False),
        (progress.ProgressHook.__name__, False),
        ("EMAHook", False),  # compared by the recipe
        ("Unfreezes", True),
        ("os.system", True),
    ],
)
def test_hooks_that_only_observe_come_and_go(cfg: Config, hook: str, is_refused: bool) -> None:
    with_it = Config(cfg.to_dict())
    with_it.custom_hooks.append(dict(type=hook))
    added = compared(cfg, lambda now: now.custom_hooks.append(dict(type=hook)))
    removed = compared(with_it, lambda now: now.custom_hooks.pop())
    for found in (added, removed):
        assert keys(found.refused) == [f"custom_hooks.{hook}.type"] * is_refused
        assert not found.harmless


def test_of_two_hooks_of_a_type_both_are_compared(cfg: Config) -> None:
    cfg.custom_hooks += [dict(type="Unfreezes", x=1), dict(type="Unfreezes", x=2)]
    assert compared(cfg, lambda now: None) == ([], [], [])
    first = compared(cfg, lambda now: now.custom_hooks[-2].update(x=99))
    second = compared(cfg, lambda now: now.custom_hooks[-1].update(x=99))
    assert keys(first.refused) == ["custom_hooks.Unfreezes.x"]
    assert keys(second.refused) == ["custom_hooks.Unfreezes 2.x"]


def test_folders_and_files_may_be_elsewhere(cfg: Config, tmp_path: Path) -> None:
    """Of the images' files the images tell them apart, of others their content."""
    there = tmp_path / "there"
    there.mkdir()
    for name in ("images", "masks", "lists", "truth.json", "teacher.pth"):
        (tmp_path / name).rename(there / name)
        (tmp_path / name).symlink_to(there / name)

    def move(now: Config) -> None:
        now.train_dataloader.dataset.data_root = str(there)
        now.val_evaluator.ann_file = str(there / "truth.json")
        now.model.distillation.teacher.checkpoint = str(there / "teacher.pth")

    found = compared(cfg, move)
    assert found.refused == found.rounding == []
    assert len(found.harmless) == 3


@pytest.mark.parametrize("name", ["truth.json", "teacher.pth"])
def test_another_file_is_another_run(cfg: Config, tmp_path: Path, name: str) -> None:
    text = json.dumps(stored_config.stored_config(cfg))
    (tmp_path / name).write_text("other")
    key = {"truth.json": "val_evaluator.ann_file"}.get(
        name, "model.distillation.teacher.checkpoint"
    )
    assert keys(changes(text, cfg, WHERE).refused) == [f"the file of {key}"]
    moved = Config(cfg.to_dict())
    (tmp_path / "b").write_text("a third")
    moved.merge_from_dict({key: str(tmp_path / "b")})
    assert key in keys(changes(text, moved, WHERE).refused)


@pytest.mark.parametrize("stored", [None, 3, {"config": {}}])
def test_files_from_before_it_was_stored_keep_their_rules(cfg: Config, stored: Any) -> None:
    assert changes(stored, cfg, WHERE) == ([], [], [])


@pytest.mark.parametrize("stored", ["{", "[]", "1"])
def test_a_damaged_text_is_an_error_of_the_file(cfg: Config, stored: str) -> None:
    with pytest.raises(UserError, match=r"epoch_2\.pth"):
        changes(stored, cfg, WHERE)


@pytest.mark.parametrize("stored", ["{}", '{"config": 3, "paths": []}', '{"config": {"model": 1}}'])
def test_a_text_that_is_no_config_is_refused(cfg: Config, stored: str) -> None:
    assert changes(stored, cfg, WHERE).refused


def test_what_json_lacks_is_the_same_in_every_process(cfg: Config) -> None:
    cfg.model.init = np.arange(3)
    cfg.model.act = np.tanh
    cfg.model.start = object()
    found = compared(cfg, lambda now: setattr(now.model, "start", object()))
    assert found == ([], [], [])


class Images:
    def __init__(self, root: str, names: list[str], **facts: list[Any]) -> None:
        self.paths, self.facts = [f"{root}/{name}" for name in names], facts

    def __len__(self) -> int:
        return len(self.paths)

    def get_data_info(self, index: int) -> dict[str, Any]:
        return {"img_path": self.paths[index], **{k: v[index] for k, v in self.facts.items()}}


NAMES = ["cat/a.png", "cat/b.png", "dog/a.png"]
BOX = {"bbox": [1.0, 2.0, 3.0, 4.0], "bbox_label": 0, "ignore_flag": 0}


@pytest.mark.parametrize(
    ("was", "now", "differs"),
    [
        (Images("x", NAMES), Images("/y/z", NAMES), []),
        (Images("x", ["a.png"]), Images("y", ["a.png"]), []),
        (Images("x", NAMES), Images("x", NAMES[::-1]), ["names"]),
        (Images("x", NAMES), Images("x", [*NAMES[:2], "dog/b.png"]), ["names"]),
        (Images("x", NAMES), Images("x", NAMES[:2]), ["names", "number"]),
        (
            Images("x", NAMES, gt_label=[0, 0, 1]),
            Images("x", NAMES, gt_label=[0, 1, 1]),
            ["classes and boxes"],
        ),
        (
            Images("x", NAMES, instances=[[BOX], [], []]),
            Images("x", NAMES, instances=[[{**BOX, "bbox": [1.0, 2.0, 3.0, 5.0]}], [], []]),
            ["classes and boxes"],
        ),
        ([1, 2], [1, 2, 3], ["number"]),
    ],
)
def test_images_are_told_by_names_in_order_and_labels(was: Any, now: Any, differs: Any) -> None:
    (before,), (after,) = identity(was), identity(now)
    changed = {key for key in before if before[key] != after.get(key)}
    assert changed >= set(differs)
    assert not differs or changed <= {*differs, "classes and boxes"}
    assert bool(changed) == bool(differs)


def test_parts_that_are_joined_are_told_one_by_one_and_a_json_file_by_its_content(
    tmp_path: Path,
) -> None:
    one, other = Images("x", NAMES), Images("y", NAMES[:1])
    one.ann_file = str(tmp_path / "truth.json")
    (tmp_path / "truth.json").write_text("{}")
    joined = SimpleNamespace(datasets=[one, SimpleNamespace(dataset=other)])
    first, second = identity(joined)
    assert first.keys() == {"number", "annotations"}
    assert second["number"] == 1
    (tmp_path / "truth.json").write_text("[]")
    assert identity(joined)[0]["annotations"] != first["annotations"]
