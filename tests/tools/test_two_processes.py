"""Two gloo processes give what one process gives at the same global batch.

With frozen batch norm, the steps of 2 processes with 4 images, and of 4 images accumulated twice,
are those of 8 images.  Each image is augmented by the same draws everywhere.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import HOOKS

from bag_of_transfer.classification.teacher_cache import TeacherCache
from bag_of_transfer.engine.run.same_run import changes
from tests.tools.run_in_each_process import run_in_each_process
from tests.tools.work_dirs import curve, weights

ROOT = Path(__file__).resolve().parents[2]
CLS = ROOT / "configs/classification/resnet18-d_tiny.py"
SEG = ROOT / "configs/segmentation/fcn_d8_tiny.py"
# Rates by update, not by batch: the same however many batches make one.
SCHEDULE = """
param_scheduler = [
    dict(type="GradualWarmup", begin=0, end=0.5, convert_to_iter_based=True),
    dict(type="MultiStepLR", by_epoch=True, milestones=[1], gamma=0.1),
]
custom_hooks = [dict(type="StepWitness")]
"""
CLS_LEAF = (
    f"""
_base_ = "{CLS}"
custom_imports = dict(
    imports=[
        "backbones",
        "bag_of_transfer.classification",
        "bag_of_transfer.engine.schedules",
        "step_witness",
    ],
    allow_failed_imports=False,
)
model = dict(mixup=None, backbone=dict(norm_eval=True, zero_init_residual=False))
train_dataloader = dict(batch_size=8, num_workers=0)
val_dataloader = dict(num_workers=0)
optim_wrapper = dict(optimizer=dict(lr=1.0))
train_cfg = dict(max_epochs=2, val_interval=2)
"""
    + SCHEDULE
)
SEG_LEAF = (
    f"""
_base_ = "{SEG}"
custom_imports = dict(
    imports=[
        "backbones",
        "bag_of_transfer.segmentation",
        "bag_of_transfer.engine.schedules",
        "step_witness",
    ],
    allow_failed_imports=False,
)
model = dict(
    backbone=dict(norm_eval=True),
    decode_head=dict(norm_cfg=None, dropout_ratio=0.0),
    auxiliary_head=dict(norm_cfg=None, dropout_ratio=0.0),
)
train_dataloader = dict(batch_size=8, num_workers=0, dataset=dict(indices=16))
val_dataloader = dict(batch_size=2, dataset=dict(indices=5))
test_dataloader = dict(batch_size=2, dataset=dict(indices=5))
train_cfg = dict(max_epochs=2, val_interval=2)
"""
    + SCHEDULE
)
HALF = "train_dataloader.batch_size=4"


class Step(NamedTuple):
    images: tuple[str, ...]
    loss: float
    lr: float


def steps_of(folder: Path, rank: int = 0) -> list[Step]:
    told = json.loads((folder / f"witness_rank{rank}.json").read_text())["steps"]
    return [Step(tuple(one["images"]), one["loss"], one["lr"]) for one in told]


class Runs(NamedTuple):
    """Folders of the runs in one process and of those in two, by name, and what two said."""

    one: dict[str, Path]
    two: Path
    said: str
    codes: list[list[int]]


@pytest.fixture(scope="module")
def runs(world: Path, tool: Callable[..., int], tmp_path_factory: pytest.TempPathFactory) -> Runs:
    if torch.cuda.is_available():
        pytest.skip("gloo is for machines without a GPU")
    folder = tmp_path_factory.mktemp("processes")
    cls, seg = folder / "cls.py", folder / "seg.py"
    cls.write_text(CLS_LEAF)
    seg.write_text(SEG_LEAF)
    flags = ("--amp", "off", "--data-root", world)
    one = {name: folder / f"one_{name}" for name in ("cls", "accumulated", "seg")}
    backbone = folder / "backbone.safetensors"
    accumulation = "optim_wrapper.accumulative_counts=2"
    answers = f"model.distillation.teacher.checkpoint={one['cls'] / 'last_checkpoint'}"
    calls = [
        ("train_cls", cls, *flags, "--work-dir", one["cls"]),
        ("train_cls", cls, *flags, "--work-dir", one["accumulated"]),
        ("export_backbone", one["cls"] / "last_checkpoint", backbone),
        ("train", seg, *flags, "--backbone", backbone, "--work-dir", one["seg"]),
        ("cache_teacher", cls, *flags, folder / "answers_of_one", "--cfg-options", answers),
    ]
    calls[1] += ("--cfg-options", HALF, accumulation)
    try:
        for call in calls:
            assert tool(*call) == 0
    finally:
        HOOKS.module_dict.pop("StepWitness", None)
        sys.modules.pop("step_witness", None)

    def both(name: str, config: Path, *more: str | Path) -> list[str]:
        where = folder / "two" / name / "rank{rank}"
        of_training = () if name == "test" else flags[:2]
        told = (config, *of_training, *flags[2:])
        words = (*told, "--launcher", "pytorch", "--work-dir", where, *more)
        return [str(word) for word in words]

    out, shared_cache = folder / "two" / "out_rank{rank}.json", folder / "answers"
    half_seg = ("--backbone", backbone, "--cfg-options", HALF)
    learning = ("model.backbone.norm_eval=False", "train_cfg.max_epochs=1")
    plan = [
        ("cache_teacher", both("cache", cls, shared_cache, "--cfg-options", HALF, answers)),
        ("train_cls", both("cls", cls, "--cfg-options", HALF)),
        ("train", both("seg", seg, *half_seg)),
        ("train", both("bn", seg, *half_seg, *learning, "model.backbone.norm_cfg.type=SyncBN")),
        ("test", both("test", seg, one["seg"] / "last_checkpoint", "--out", out)),
        ("train_cls", both("broken", cls, "--cfg-options", HALF, "custom_hooks.0.fail_on=1")),
    ]
    (folder / "two").mkdir()
    (folder / "two" / "plan.json").write_text(json.dumps(plan))
    said = run_in_each_process(folder / "two" / "plan.json")
    codes = [json.loads((folder / f"two/codes_rank{rank}.json").read_text()) for rank in (0, 1)]
    return Runs(one, folder / "two", said, codes)


def joined(first: list[Step], second: list[Step]) -> list[Step]:
    """Put the halves of a batch together: from two processes, or from two batches."""
    pairs = zip(first, second, strict=True)
    return [Step(a.images + b.images, (a.loss + b.loss) / 2, b.lr) for a, b in pairs]


def check_same_training(whole: list[Step], halves: list[Step], num_steps: int) -> None:
    assert len(whole) == len(halves) == num_steps
    for one, two in zip(whole, halves, strict=True):
        assert len(set(two.images)) == 8  # no image twice: the halves are disjoint
        assert set(two.images) == set(one.images)
        assert two.lr == pytest.approx(one.lr, rel=1e-12)
        assert two.loss == pytest.approx(one.loss, rel=1e-4)


def check_same_weights(one: Path, other: Path) -> None:
    wanted, found = weights(one), weights(other)
    assert wanted.keys() == found.keys()
    assert len(wanted) > 100
    for name in wanted:
        torch.testing.assert_close(found[name], wanted[name], rtol=1e-3, atol=1e-5, msg=name)


def test_two_processes_classify_as_one_does(runs: Runs) -> None:
    whole = steps_of(runs.one["cls"])
    shards = [steps_of(runs.two / f"cls/rank{rank}", rank) for rank in (0, 1)]
    assert all(len(step.images) == 4 for shard in shards for step in shard)
    check_same_training(whole, joined(*shards), num_steps=12)  # 48 images, 2 epochs
    for epoch in (whole[:6], whole[6:]):
        assert len({image for step in epoch for image in step.images}) == 48
    assert whole[0].images != whole[6].images  # shuffled anew
    # A network that does not move would pass: losses and weights have to.
    assert abs(whole[0].loss - whole[-1].loss) > 0.01
    check_same_weights(runs.one["cls"], runs.two / "cls/rank0")


def test_accumulation_classifies_as_one_batch_does(runs: Runs) -> None:
    halves = steps_of(runs.one["accumulated"])
    check_same_training(steps_of(runs.one["cls"]), joined(halves[::2], halves[1::2]), num_steps=12)
    check_same_weights(runs.one["cls"], runs.one["accumulated"])


def test_two_processes_segment_as_one_does(runs: Runs) -> None:
    shards = [steps_of(runs.two / f"seg/rank{rank}", rank) for rank in (0, 1)]
    check_same_training(steps_of(runs.one["seg"]), joined(*shards), num_steps=4)
    check_same_weights(runs.one["seg"], runs.two / "seg/rank0")


def test_all_state_one_effective_lr(runs: Runs) -> None:
    found = []
    for folder in (runs.one["cls"], runs.one["accumulated"], runs.two / "cls/rank0"):
        rule = Config.fromfile(folder / "resolved_config.py", import_custom_modules=False).lr_rule
        found.append((rule.per_device, rule.world, rule.accumulation, rule.effective))
    assert found == [(8, 1, 1, 0.03125), (4, 1, 2, 0.03125), (4, 2, 1, 0.03125)]
    line = "lr 0.03125 = 1 x 8 / 256"
    # Answers and both runs; rank 0 alone.
    assert sum(one.endswith(line) for one in runs.said.splitlines()) == 3


def test_the_curve_has_the_mean_loss_of_all_processes(runs: Runs) -> None:
    shards = [steps_of(runs.two / f"cls/rank{rank}", rank) for rank in (0, 1)]
    lines = curve(runs.two / "cls/rank0")
    for index, line in enumerate(lines):
        losses = [[step.loss for step in shard[6 * index : 6 * index + 6]] for shard in shards]
        assert line["loss"] == pytest.approx(sum(map(sum, losses)) / 12, abs=2e-6)
        assert abs(line["loss"] - sum(losses[0]) / 6) > 1e-4  # rank 0's own is another
    shown = f"loss {(shards[0][-1].loss + shards[1][-1].loss) / 2:.4g} |"
    assert f"epoch 2/2 | 6/6 | {shown}" in runs.said
    assert shown != f"loss {shards[0][-1].loss:.4g} |"


def test_one_process_writes_the_loss_it_computed_to_the_last_digit(runs: Runs) -> None:
    losses = torch.tensor([step.loss for step in steps_of(runs.one["cls"])])
    said = [line["loss"] for line in curve(runs.one["cls"])]
    assert said == [round(float(part.mean()), 6) for part in losses.split(6)]


def test_two_processes_store_the_answers_that_one_stores(runs: Runs) -> None:
    alone, both = (TeacherCache(runs.two.parent / n) for n in ("answers_of_one", "answers"))
    places = [(view, index) for view in range(2) for index in range(48)]
    for (classes, log_probs), (wanted, wanted_probs) in zip(
        *([cache.answer(*place) for place in places] for cache in (both, alone)), strict=True
    ):
        assert log_probs == pytest.approx(wanted_probs, abs=1e-2)
        assert sorted(classes) == sorted(wanted) == [0, 1, 2]
    assert runs.said.count("views x 48 images") == 1


def test_a_run_of_two_processes_can_go_on_in_one(runs: Runs) -> None:
    stored = torch.load(runs.two / "cls/rank0/epoch_2.pth", weights_only=True)["meta"]
    alone = runs.one["cls"] / "resolved_config.py"
    found = changes(
        stored["config_json"], Config.fromfile(alone, import_custom_modules=False), alone
    )
    assert not found.refused


def test_only_the_first_process_writes(runs: Runs) -> None:
    first, second = (
        {path.name for path in (runs.two / f"cls/rank{rank}").rglob("*") if path.is_file()}
        for rank in (0, 1)
    )
    assert {"metrics.json", "tricks.json", "curve.jsonl", "last_checkpoint"} <= first
    assert "epoch_2.pth" in first
    assert second == {"witness_rank1.json", "validated_rank1.pt"}
    assert not (runs.two / "out_rank1.json").exists()


def test_five_images_count_once_each_on_two_processes(runs: Runs, tool: Callable[..., int]) -> None:
    out = runs.two / "alone.json"
    seg, last = runs.two.parent / "seg.py", runs.one["seg"] / "last_checkpoint"
    assert tool("test", seg, last, "--out", out, "--work-dir", runs.one["seg"]) == 0
    alone, both = (json.loads(path.read_text()) for path in (out, runs.two / "out_rank0.json"))
    assert both["num_images"] == 5
    assert both["metrics"] == alone["metrics"]
    assert both["per_class"] == alone["per_class"]
    folders = (runs.one["seg"], runs.two / "test/rank0")
    details = [json.loads((folder / "test_details.json").read_text()) for folder in folders]
    for key in ("classes", "confusion", "num_images"):
        assert details[0][key] == details[1][key]
    assert not (runs.two / "test/rank1/test_details.json").exists()
    assert runs.said.count("test (5 images), in percent: ") == 1


def test_all_processes_validate_the_network_that_is_saved(runs: Runs) -> None:
    saved = weights(runs.two / "bn/rank0")
    for rank in (0, 1):
        path = runs.two / f"bn/rank{rank}/validated_rank{rank}.pt"
        held = torch.load(path, weights_only=True)
        assert held.keys() == saved.keys()
        assert all(torch.equal(held[name], saved[name]) for name in saved)
    assert int(saved["backbone.layer1.0.bn1.num_batches_tracked"]) > 0  # batch norm did learn
    assert "SyncBN became BN" in runs.said


def test_one_broken_process_ends_all_with_its_message_and_exit_code(runs: Runs) -> None:
    assert runs.codes == [[0, 0, 0, 0, 0, 2]] * 2
    errors = [line for line in runs.said.splitlines() if line.startswith("error: ")]
    assert errors == ["error: this image is broken: image.png: mend it"]
    assert "deprecated" not in runs.said  # what a user can't mend is not shown


@pytest.mark.slow
def test_torchrun_trains_as_the_readme_says(world: Path, tmp_path: Path) -> None:
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"),
        *(ROOT / "tools/train_cls.py", CLS, "--launcher", "pytorch"),
        *("--data-root", world, "--work-dir", tmp_path / "run"),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command, env=environment, cwd=tmp_path, timeout=300, check=True)
    assert len(curve(tmp_path / "run")) == 2
    assert (tmp_path / "run/metrics.json").is_file()
