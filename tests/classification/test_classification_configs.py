"""Every leaf: its header and depth are right, and it can be built and run."""

import ast
import json
import math
import re
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, init_default_scope
from PIL import Image
from torch import nn

import backbones  # noqa: F401  registers the networks
from bag_of_transfer.classification.transforms import build_pipeline
from tests.classification.leaves import CONFIGS, read_leaf
from tests.fast_builds import on_meta
from tests.lr_curves import lr_curve

LEAVES = sorted(CONFIGS.glob("*.py"))
OURS = {
    "resnet18-b_demo",
    "resnet18-d-all_demo",
    "resnet18-d_demo",
    "resnet18-d-slim_own-images",
    "resnet18-d_own-images",
    "resnet18-d_tiny",
    "resnet50-d_own-images",
}

pytestmark = pytest.mark.usefixtures("without_default_init")
for_each_leaf = pytest.mark.parametrize("path", LEAVES, ids=lambda p: p.stem)


def model_of(cfg: Config, num_classes: int = 6) -> nn.Module:
    init_default_scope("mmengine")
    cfg.model.head.num_classes = num_classes
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    model.distillation = None  # the teacher is made by another run
    return model


def bases_of(path: Path) -> list[Path]:
    for statement in ast.parse(path.read_text()).body:
        if isinstance(statement, ast.Assign) and statement.targets[0].id == "_base_":  # type: ignore[attr-defined]
            return [path.parent / name for name in ast.literal_eval(statement.value)]
    return []


def depth(path: Path) -> int:
    return 1 + max((depth(base) for base in bases_of(path)), default=-1)


def test_no_leaf_is_lost() -> None:
    assert {path.stem for path in LEAVES} >= OURS


@for_each_leaf
def test_header_tells_how_to_run_it(path: Path) -> None:
    header = ast.get_docstring(ast.parse(path.read_text())) or ""
    assert f"configs/classification/{path.name}" in header
    for word in ("Paper:", "Command:", "Needs:", "Result:"):
        assert word in header


@for_each_leaf
def test_depth_is_two_at_most(path: Path) -> None:
    assert 1 <= depth(path) <= 2


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("_base_/**/*.py")), ids=lambda p: p.stem)
def test_a_base_never_inherits(path: Path) -> None:
    assert not bases_of(path)


class Pass(NamedTuple):
    """What a fresh network computes from two images."""

    loss: torch.Tensor
    scores: torch.Tensor


PASSES: dict[str, Pass] = {}  # by the text of the model: many leaves differ elsewhere only


def pass_of(cfg: Config) -> Pass:
    described = json.dumps(cfg.model)
    if described not in PASSES:
        PASSES[described] = run(model_of(cfg))
    return PASSES[described]


def run(model: nn.Module) -> Pass:
    model.init_weights()
    # Networks of timm end in windows without padding; Inception-v3 needs 75 px.
    size = (81, 97) if model.backbone.__class__.__name__ == "TimmNetwork" else (49, 65)
    batch = {
        "inputs": torch.randint(0, 256, (2, 3, *size), dtype=torch.uint8),
        "labels": torch.tensor([0, 5]),
    }
    batch = model.data_preprocessor(batch)
    with torch.no_grad():
        loss, _ = model.parse_losses(model(**batch, mode="loss"))
        return Pass(loss, model.eval()(batch["inputs"]))


# The paper's rows train a step in test_paper_steps.py; here their networks run at full width, which
# these share with the others.
SLOW, BETWEEN = pytest.mark.slow, re.compile("cosine|places365|resnet50(-b)?_efficient|50-d_own")


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.stem, marks=[SLOW] if BETWEEN.search(path.stem) else [])
        for path in LEAVES
    ],
)
def test_model_builds_and_runs_on_an_odd_size(path: Path) -> None:
    loss, scores = pass_of(read_leaf(path.stem))
    assert loss.isfinite()
    assert scores.shape == (2, 6)
    assert scores.std() > 0


@for_each_leaf
def test_pipelines_make_images_of_one_size(path: Path) -> None:
    cfg = read_leaf(path.stem)
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        run = build_pipeline(loader.dataset.pipeline)
        shapes = {tuple(run(Image.new("RGB", size)).shape) for size in ((97, 65), (50, 120))}
        assert len(shapes) == 1
        assert shapes.pop()[0] == 3


@cache  # many leaves differ elsewhere only
def shapes_of(described: str) -> nn.Module:
    with on_meta():
        return model_of(Config({"model": json.loads(described)}))


@for_each_leaf
def test_optimiser_covers_every_parameter_and_decays_what_it_says(path: Path) -> None:
    cfg = read_leaf(path.stem)
    model = shapes_of(json.dumps(cfg.model))
    groups = build_optim_wrapper(model, cfg.optim_wrapper).optimizer.param_groups
    decay = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    assert decay.keys() == {id(p) for p in model.parameters()}
    spared = "paramwise_cfg" in cfg.optim_wrapper
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            of_map = isinstance(module, nn.Conv2d | nn.Linear) and name == "weight"
            assert decay[id(parameter)] == (1e-4 if of_map or not spared else 0.0)


def tricks_of(stem: str) -> dict[str, Any]:
    cfg = read_leaf(stem)
    keys = ("label_smoothing", "mixup", "distillation")
    return {
        "model_tweak": cfg.model.backbone.type,
        "zero_gamma": cfg.model.backbone.zero_init_residual,
        "no_bias_decay": "paramwise_cfg" in cfg.optim_wrapper,
        "schedule": [scheduler.type for scheduler in cfg.param_scheduler],
        **{key: cfg.model.get(key) is not None for key in keys},
    }


def test_b_standard_has_no_trick_and_d_all_has_every_one() -> None:
    off = dict(label_smoothing=False, mixup=False, distillation=False)
    assert tricks_of("resnet18-b_demo") == dict(
        model_tweak="ResNetB",
        zero_gamma=False,
        no_bias_decay=False,
        schedule=["MultiStepLR"],
        **off,
    )
    assert tricks_of("resnet18-d-all_demo") == dict(
        model_tweak="ResNetD",
        zero_gamma=True,
        no_bias_decay=True,
        schedule=["GradualWarmup", "CosineAnnealingLR"],
        label_smoothing=True,
        mixup=True,
        distillation=True,
    )
    expected = {**tricks_of("resnet18-d-all_demo"), "distillation": False}
    assert tricks_of("resnet18-d_demo") == expected


def test_b_and_d_see_the_same_data_and_d_no_longer_than_b() -> None:
    b, d = (read_leaf(f"resnet18-{v}_demo") for v in ("b", "d-all"))
    for key in ("train_dataloader", "val_dataloader", "auto_scale_lr"):
        assert b[key] == d[key], key
    assert d.train_cfg.max_epochs <= b.train_cfg.max_epochs  # D's epochs take longer
    b_lr, d_lr = (cfg.optim_wrapper.optimizer.pop("lr") for cfg in (b, d))
    assert b.optim_wrapper.optimizer == d.optim_wrapper.optimizer
    assert b_lr < d_lr  # what warm-up and zero gamma are for
    # The teacher is what the other leaf leaves behind.
    teacher = d.model.distillation.teacher.checkpoint
    assert teacher == "work_dirs/resnet18-b_demo/last_checkpoint"


def test_schedules_of_the_demo_by_hand() -> None:
    b, d = (read_leaf(f"resnet18-{v}_demo") for v in ("b", "d"))
    step = lr_curve(b.param_scheduler, 0.1, b.train_cfg.max_epochs, 10)
    drops = [round(now / before, 6) for before, now in pairwise(step)]
    assert drops.count(0.1) == 1
    assert step[0] == 0.1
    num_epochs = d.train_cfg.max_epochs
    cosine = lr_curve(d.param_scheduler, 0.1, num_epochs, 10)
    assert cosine[0] == pytest.approx(0.01)  # batch 1 of the 10 of the warm-up
    assert max(cosine) == pytest.approx(0.1)
    middle = 10 + (num_epochs - 1) * 10 // 2
    assert cosine[middle] == pytest.approx(0.05, rel=0.02)
    length = (num_epochs - 1) * 10  # T: the last batch is t = T - 1
    assert cosine[-1] == pytest.approx(0.05 * (1 + math.cos(math.pi * (length - 1) / length)))
