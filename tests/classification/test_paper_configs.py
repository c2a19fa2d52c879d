"""The paper's rows as configs: headers, and what differs from row to row."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.classification.leaves import CONFIGS, read_leaf

ABOUT_THE_ROW = ("rows", "compare_to")
BATCH, LR, NBD = "train_dataloader.batch_size", "param_scheduler", "optim_wrapper.paramwise_cfg"
ZERO, TYPE = "model.backbone.zero_init_residual", "model.backbone.type"
LBS, DISTILL, MIXUP = "model.label_smoothing", "model.distillation", "model.mixup"
EPOCHS = "train_cfg.max_epochs"
DATA = {
    f"{split}_dataloader.dataset.{key}"
    for split, key in (("train", "root"), ("val", "root"), ("val", "classes_from"))
}

# leaf: (what it is compared with, all keys in which it differs from that)
STEPS: dict[str, tuple[str | None, set[str]]] = {
    "resnet50_baseline_8xb32_in1k": (None, set()),
    "resnet50_warmup_8xb32_in1k": ("resnet50_baseline_8xb32_in1k", {LR}),
    "resnet50_warmup-zerogamma_8xb32_in1k": ("resnet50_warmup_8xb32_in1k", {ZERO}),
    "resnet50_warmup-zerogamma-nodecay_8xb32_in1k": (
        "resnet50_warmup-zerogamma_8xb32_in1k",
        {NBD},
    ),
    "resnet50_warmup-zerogamma-nodecay-amp_8xb32_in1k": (
        "resnet50_warmup-zerogamma-nodecay_8xb32_in1k",
        {"amp"},
    ),
    "resnet50_linear-scaling_8xb128_in1k": ("resnet50_baseline_8xb32_in1k", {BATCH}),
    "resnet50_warmup_8xb128_in1k": ("resnet50_linear-scaling_8xb128_in1k", {LR}),
    "resnet50_warmup-zerogamma_8xb128_in1k": ("resnet50_warmup_8xb128_in1k", {ZERO}),
    "resnet50_warmup-zerogamma-nodecay_8xb128_in1k": (
        "resnet50_warmup-zerogamma_8xb128_in1k",
        {NBD},
    ),
    "resnet50_efficient_8xb128_in1k": ("resnet50_warmup-zerogamma-nodecay_8xb128_in1k", {"amp"}),
    "resnet50-b_baseline_8xb32_in1k": ("resnet50_baseline_8xb32_in1k", {TYPE}),
    "resnet50-b_efficient_8xb128_in1k": ("resnet50_efficient_8xb128_in1k", {TYPE}),
    "resnet50-c_efficient_8xb128_in1k": ("resnet50-b_efficient_8xb128_in1k", {TYPE}),
    "resnet50-d_efficient_8xb128_in1k": ("resnet50-c_efficient_8xb128_in1k", {TYPE}),
    "resnet50-d_efficient_8xb128_places365": (
        "resnet50-d_efficient_8xb128_in1k",
        {"model.head.num_classes", *DATA},
    ),
    "resnet50-d_cosine-lbs-mixup-200e_8xb128_places365": (
        "resnet50-d_efficient_8xb128_places365",
        {LR, LBS, MIXUP, EPOCHS},
    ),
    "resnet152-d_cosine-lbs_8xb64_in1k": (
        "resnet50-d_cosine-lbs_8xb128_in1k",
        {"model.backbone.depth", BATCH, "amp"},
    ),
    "resnet152-d_cosine-lbs-mixup-200e_8xb32_in1k": (
        "resnet152-d_cosine-lbs_8xb64_in1k",
        {BATCH, MIXUP, EPOCHS},
    ),
    "inception-v3_baseline_8xb32_in1k": (None, set()),
    "inception-v3_efficient_8xb128_in1k": (
        "inception-v3_baseline_8xb32_in1k",
        {BATCH, LR, NBD, "amp"},
    ),
    "mobilenet_baseline_8xb32_in1k": (None, set()),
    "mobilenet_efficient_8xb128_in1k": ("mobilenet_baseline_8xb32_in1k", {BATCH, LR, NBD, "amp"}),
}
REFINED = ("resnet50-d", "inception-v3", "mobilenet")
for _network in REFINED:
    for _now, _before, _keys in (
        ("cosine", "efficient", {LR}),
        ("cosine-lbs", "cosine", {LBS}),
        ("cosine-lbs-distill", "cosine-lbs", {DISTILL}),
        ("cosine-lbs-mixup-200e", "cosine-lbs", {MIXUP, EPOCHS}),
        ("cosine-lbs-distill-mixup-200e", "cosine-lbs-distill", {MIXUP, EPOCHS, DISTILL}),
    ):
        _of = "{}_{}_8xb128_in1k".format
        STEPS[_of(_network, _now)] = (_of(_network, _before), _keys)
NUM_LEAVES = 37

each_leaf = pytest.mark.parametrize("stem", STEPS)


def header(stem: str) -> str:
    return ast.get_docstring(ast.parse((CONFIGS / f"{stem}.py").read_text())) or ""


def flat(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Return values by dotted keys; a list counts as one value."""
    for key, value in node.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def difference(stem: str, other: str) -> set[str]:
    """Return the keys that differ; where only one side has a dict, the key of the dict."""
    a, b = (
        {k: v for k, v in read_leaf(s).items() if k not in ABOUT_THE_ROW} for s in (stem, other)
    )
    left, right = dict(flat(a)), dict(flat(b))
    absent = object()
    differing = {k for k in left | right if left.get(k, absent) != right.get(k, absent)}
    wholes = {NBD, LBS, DISTILL, MIXUP}
    return {next((w for w in wholes if key.startswith(f"{w}.")), key) for key in differing}


def test_every_leaf_of_the_paper_has_its_step() -> None:
    leaves = {
        path.stem for path in CONFIGS.glob("*.py") if path.stem.endswith(("_in1k", "_places365"))
    }
    assert leaves == set(STEPS)
    assert len(leaves) == NUM_LEAVES


@each_leaf
def test_leaf_differs_from_the_one_it_names_in_the_stated_keys_only(stem: str) -> None:
    before, keys = STEPS[stem]
    assert read_leaf(stem).compare_to == before
    assert difference(stem, before or stem) == keys


@pytest.mark.parametrize("network", REFINED)
def test_distillation_and_mixup_meet(network: str) -> None:
    of = f"{network}_{{}}_8xb128_in1k".format
    both, mixed = of("cosine-lbs-distill-mixup-200e"), of("cosine-lbs-mixup-200e")
    assert difference(both, mixed) == {DISTILL}
    assert difference(both, of("cosine-lbs-distill")) == {MIXUP, EPOCHS, DISTILL}  # its teacher
    assert difference(mixed, of("cosine-lbs-distill")) == {MIXUP, EPOCHS, DISTILL}
    assert difference(both, of("efficient")) == {LR, LBS, MIXUP, EPOCHS, DISTILL}
    assert read_leaf(both).train_cfg.max_epochs == read_leaf(mixed).train_cfg.max_epochs == 200


def test_the_two_sizes_of_batch_differ_in_nothing_else() -> None:
    for slug in ("warmup", "warmup-zerogamma", "warmup-zerogamma-nodecay"):
        small, large = (f"resnet50_{slug}_8xb{size}_in1k" for size in (32, 128))
        assert difference(small, large) == {BATCH}
    amp = "resnet50_warmup-zerogamma-nodecay-amp_8xb32_in1k"
    assert difference(amp, "resnet50_efficient_8xb128_in1k") == {BATCH}


def test_the_baseline_has_no_trick() -> None:
    for stem in ("resnet50_baseline_8xb32_in1k", "resnet50-b_baseline_8xb32_in1k"):
        cfg = read_leaf(stem)
        assert cfg.model.backbone.zero_init_residual is False
        assert not {"label_smoothing", "mixup", "distillation"} & cfg.model.keys()
        assert "paramwise_cfg" not in cfg.optim_wrapper
        assert cfg.amp == "off"
        assert cfg.train_cfg.max_epochs == 120
        assert (cfg.train_dataloader.batch_size, cfg.auto_scale_lr.base_batch_size) == (32, 256)
        sgd = dict(type="SGD", lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-4)
        assert cfg.optim_wrapper.optimizer == sgd


def test_the_last_row_has_the_papers_values() -> None:
    model = read_leaf("resnet50-d_cosine-lbs-distill-mixup-200e_8xb128_in1k").model
    assert model.backbone == dict(type="ResNetD", depth=50, init="xavier", zero_init_residual=True)
    assert model.label_smoothing == dict(eps=0.1, form="paper")
    assert model.mixup == dict(alpha=0.2, off_epochs=0)
    weights = {
        key: model.distillation[key] for key in ("temperature", "hard_weight", "soft_weight")
    }
    assert weights == dict(temperature=20.0, hard_weight=1.0, soft_weight=1.0)
    teacher = Path(model.distillation.teacher.checkpoint)
    assert teacher.name == "last_checkpoint"
    assert teacher.parent.as_posix() == "work_dirs/resnet152-d_cosine-lbs-mixup-200e_8xb32_in1k"
    assert teacher.parent.name in STEPS


@each_leaf
def test_header_tells_figures_reading_and_command(stem: str) -> None:
    text, cfg = header(stem), read_leaf(stem)
    assert f"configs/classification/{stem}.py" in text
    for word in ("arXiv:1812.01187", "Published:", "Data:", "Command:", "Needs:", "unmeasured"):
        assert word in text
    assert "Follows:   the paper" in text
    one_line = " ".join(text.split())
    assert STEPS[stem][0] is None or f"{STEPS[stem][0]}.py" in one_line
    for row in cfg.get("rows", []):
        assert f"table {row.table[1]}, row {row.row}" in one_line
        for figure in ("top1", "top5"):
            assert f"{row.published[figure]:.2f}".rstrip("0") in one_line
        if "minutes_per_epoch" in row.published:
            assert f"{row.published.minutes_per_epoch} minutes per epoch" in one_line
    per_gpu = cfg.train_dataloader.batch_size
    assert f"_8xb{per_gpu}_" in stem
    if per_gpu != 32:
        lr = f"lr {0.1 * 8 * per_gpu / 256:g} = 0.1 x {8 * per_gpu} / 256"
        assert lr in (CONFIGS / f"{stem}.py").read_text()


def test_inferred_recipes_say_so() -> None:
    inferred = {stem for stem in STEPS if "\nInferred:" in header(stem)}
    assert inferred == {
        "resnet50-b_baseline_8xb32_in1k",
        "resnet152-d_cosine-lbs_8xb64_in1k",
        "resnet152-d_cosine-lbs-mixup-200e_8xb32_in1k",
        "resnet50-d_efficient_8xb128_places365",
        "resnet50-d_cosine-lbs-mixup-200e_8xb128_places365",
    }


# Training crop, validation short side and crop: arXiv:1812.01187, sec. 2.1; 299 / 0.875 is 342.
@pytest.mark.parametrize(
    ("stem", "backbone", "sizes", "num_classes"),
    [
        (
            "resnet50_baseline_8xb32_in1k",
            dict(type="ResNetA", depth=50, init="xavier", zero_init_residual=False),
            [224, 256, 224],
            1000,
        ),
        (
            "inception-v3_baseline_8xb32_in1k",
            dict(type="TimmNetwork", name="inception_v3", init="xavier"),
            [299, 342, 299],
            1000,
        ),
        (
            "mobilenet_baseline_8xb32_in1k",
            dict(
                type="TimmNetwork",
                name="mobilenetv1_100",
                options=dict(act_layer="relu"),
                init="xavier",
            ),
            [224, 256, 224],
            1000,
        ),
        (
            "resnet50-d_efficient_8xb128_places365",
            dict(type="ResNetD", depth=50, init="xavier", zero_init_residual=True),
            [224, 256, 224],
            365,
        ),
    ],
)
def test_networks_and_input_are_the_papers(
    stem: str, backbone: dict[str, Any], sizes: list[int], num_classes: int
) -> None:
    cfg = read_leaf(stem)
    assert cfg.model.backbone == backbone
    assert cfg.model.head.num_classes == num_classes
    train, val = (cfg[f"{split}_dataloader"].dataset.pipeline for split in ("train", "val"))
    assert [step["size"] for step in (*train, *val) if "size" in step] == sizes
    assert train[0].scale == (0.08, 1.0)
    assert train[0].ratio == (3 / 4, 4 / 3)
    assert train[1:4] == [
        dict(type="torchvision/RandomHorizontalFlip", p=0.5),
        dict(type="HSVScale", low=0.6, high=1.4),
        dict(type="PCANoise", std=0.1),
    ]
    preprocessor = cfg.model.data_preprocessor
    assert preprocessor.mean == [123.68, 116.779, 103.939]
    assert preprocessor.std == [58.393, 57.12, 57.375]
