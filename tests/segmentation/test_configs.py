"""The segmentation configs: complete, built, trained for a step and predicting on drawn masks."""

import ast
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mmseg.models  # noqa: F401
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import DefaultSampler
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DATASETS, METRICS, MODELS, DefaultScope
from mmengine.runner import Runner, set_random_seed

import backbones  # noqa: F401
import bag_of_transfer.segmentation  # noqa: F401
from bag_of_transfer.engine.config.config_file import resolved_config
from bag_of_transfer.engine.config.num_classes import fill_num_classes
from bag_of_transfer.engine.run.launch import replace_sync_bn

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / "configs/segmentation"
LEAVES = sorted(CONFIGS.glob("*.py"))
BASES = sorted(CONFIGS.glob("_base_/*/*.py"))
# Where each leaf's data lies below DATA_ROOT, and in which layout.
DATA = {
    "fcn_d8_160k_ade20k": ("ade20k", "ade"),
    "fcn_d8_demo": ("demo/segmentation", "voc"),
    "fcn_d8_own-masks": ("own-masks", "voc"),
    "fcn_d8_paper_ade20k": ("ade20k", "ade"),
    "fcn_d8_photographs": ("shapes5", "voc"),
    "fcn_d8_r18-slim_own-masks": ("own-masks", "voc"),
    "fcn_d8_r18_own-masks": ("own-masks", "voc"),
    "fcn_d8_tiny": ("demo/segmentation", "voc"),
    "fcn_d8_voc2012": ("voc/VOCdevkit/VOC2012", "voc"),
}
NUM_CLASSES = {
    "fcn_d8_160k_ade20k": 150,
    "fcn_d8_paper_ade20k": 150,
    "fcn_d8_photographs": 6,
    "fcn_d8_voc2012": 21,
}  # the drawn masks have four


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    with DefaultScope.overwrite_default_scope("mmseg"):
        yield lambda name: resolved_config(CONFIGS / f"{name}.py")


def shrink(cfg: Config) -> Config:
    """Return the leaf with a network of a few thousand parameters, 96 px and batches of two."""
    cfg.model.data_preprocessor.size = (96, 96)
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        for step in loader.dataset.pipeline:
            if "scale" in step:
                step.scale = (416, 104)
            for key in {"crop_size", "size"} & step.keys():
                step[key] = (96, 96)
    cfg.model.backbone.update(depth=18, stem_channels=8, base_channels=8)
    cfg.model.decode_head.update(in_channels=64, channels=8)
    cfg.model.auxiliary_head.update(in_channels=32, channels=8)
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        if isinstance(loader.dataset.get("indices"), list):
            loader.dataset.indices = 4  # the drawn masks are few
        loader.update(batch_size=min(loader.batch_size, 2), num_workers=0)
        loader.pop("persistent_workers", None)
    replace_sync_bn(cfg)
    return cfg


def flat(node: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict):
        for key, child in node.items():
            yield from flat(child, f"{at}.{key}" if at else key)
    else:
        yield at, node


def test_the_lists_of_configs_are_complete() -> None:
    assert [path.stem for path in LEAVES] == sorted(DATA)
    assert len(LEAVES) == 9
    assert len(BASES) == 11


@pytest.mark.parametrize("path", LEAVES, ids=lambda path: path.stem)
def test_header_says_what_how_and_how_well(path: Path) -> None:
    header = ast.get_docstring(ast.parse(path.read_text())) or ""
    for word in ("Paper:", "Data:", "Command:", "Needs:", "Result:"):
        assert word in header
    assert str(path.relative_to(ROOT)) in header


@pytest.mark.parametrize("path", BASES, ids=lambda path: path.stem)
def test_a_base_inherits_from_nothing(path: Path) -> None:
    assert "_base_" not in path.read_text()


@pytest.mark.parametrize("name", sorted(DATA))
def test_paths_start_from_data_root(read, tmp_path: Path, name: str) -> None:
    cfg = read(name)
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        assert loader.dataset.data_root == str(tmp_path / DATA[name][0])


@pytest.mark.parametrize("name", sorted(DATA))
def test_the_test_split_is_another_than_the_one_that_picks_the_best(read, name: str) -> None:
    cfg = read(name)
    same = dict(cfg.val_dataloader.dataset) == dict(cfg.test_dataloader.dataset)
    header = ast.get_docstring(ast.parse((CONFIGS / f"{name}.py").read_text()))
    assert same == ("the validation split is tested" in header)
    # Where they are the same nothing is picked: the last checkpoint is the result.
    assert cfg.default_hooks.checkpoint.save_best == (None if same else "mIoU")
    assert dict(cfg.train_dataloader.dataset) != dict(cfg.val_dataloader.dataset)


# Networks are those of others, and so are the forms of data.
SLOW = "160k|r18|demo|photographs|voc2012"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if re.search(SLOW, name) else [])
        for name in sorted(DATA)
    ],
)
def test_takes_a_training_step_and_predicts(read, drawn: Path, tmp_path: Path, name: str) -> None:
    folder, layout = DATA[name]
    shutil.copytree(drawn / layout, tmp_path / folder)
    cfg = shrink(read(name))
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    fill_num_classes(cfg, dataset.metainfo["classes"])
    model = MODELS.build(cfg.model)
    assert model.decode_head.num_classes == NUM_CLASSES.get(name, 4)
    before = [parameter.clone() for parameter in model.parameters()]
    batch = next(iter(Runner.build_dataloader(cfg.train_dataloader)))
    losses = model.train().train_step(batch, build_optim_wrapper(model, cfg.optim_wrapper))
    assert {"loss", "decode.loss_ce", "aux.loss_ce"} <= losses.keys()
    assert all(torch.isfinite(value) for value in losses.values())
    moved = [not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True)]
    assert all(moved)
    metric = METRICS.build(cfg.test_evaluator)
    metrics = judge(model, metric, Runner.build_dataloader(cfg.test_dataloader))
    assert list(metrics) == ["mIoU", "pixAcc", "mAcc"]
    assert all(0 <= value <= 100 for value in metrics.values())


def judge(model: torch.nn.Module, metric: Any, loader: Any) -> dict[str, float]:
    assert isinstance(loader.sampler, DefaultSampler)
    metric.dataset_meta = loader.dataset.metainfo
    for batch in loader:
        predicted = model.eval().test_step(batch)
        for item in predicted:  # at the size of the image in the file
            assert item.pred_sem_seg.data.shape == (1, 101, 113)
        metric.process(batch, [item.to_dict() for item in predicted])
    return metric.evaluate(len(loader.dataset))


def test_test_time_augmentation_predicts_at_the_images_size(
    read, drawn: Path, tmp_path: Path
) -> None:
    shutil.copytree(drawn / "voc", tmp_path / "demo/segmentation")
    cfg = shrink(read("fcn_d8_tiny"))
    cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
    loader = Runner.build_dataloader(cfg.test_dataloader)
    fill_num_classes(cfg, loader.dataset.metainfo["classes"])
    model = MODELS.build({**cfg.tta_model, "module": cfg.model})
    assert len(next(iter(loader))["inputs"]) == 6  # three scales, flipped and not
    metrics = judge(model, METRICS.build(cfg.test_evaluator), loader)
    assert 0 <= metrics["mIoU"] <= 100


def test_the_full_network_works_at_stride_8(read) -> None:
    cfg = read("fcn_d8_paper_ade20k")
    replace_sync_bn(cfg)
    fill_num_classes(cfg, ("x",) * 150)
    model = MODELS.build(cfg.model).eval()
    with torch.no_grad():
        maps = model.extract_feat(torch.rand(1, 3, 65, 97))
        scores = model.decode_head(maps)
    assert [tuple(item.shape[1:]) for item in maps] == [
        (256, 17, 25),
        (512, 9, 13),
        (1024, 9, 13),
        (2048, 9, 13),
    ]
    assert scores.shape == (1, 150, 9, 13)


def test_the_slim_model_differs_from_the_full_one_in_size_only(read) -> None:
    slim, full = (dict(flat(read(name).model)) for name in ("fcn_d8_demo", "fcn_d8_own-masks"))
    differing = {key for key in slim.keys() | full.keys() if slim.get(key) != full.get(key)}
    assert differing == {
        "data_preprocessor.size",
        "backbone.depth",
        "backbone.stem_channels",
        "backbone.base_channels",
        "backbone.norm_cfg.type",
        "decode_head.in_channels",
        "decode_head.channels",
        "decode_head.num_convs",
        "decode_head.concat_input",
        "decode_head.norm_cfg.type",
        "auxiliary_head.in_channels",
        "auxiliary_head.channels",
        "auxiliary_head.norm_cfg.type",
    }


@pytest.mark.parametrize("name", sorted(DATA))
def test_the_crop_is_the_size_that_batches_are_padded_to(read, name: str) -> None:
    cfg = read(name)
    (crop,) = (item for item in cfg.train_dataloader.dataset.pipeline if item.type == "RandomCrop")
    assert tuple(crop.crop_size) == tuple(cfg.model.data_preprocessor.size)


@pytest.mark.slow
def test_learns_the_drawn_masks(read, drawn: Path, tmp_path: Path) -> None:
    shutil.copytree(drawn / "voc", tmp_path / "demo/segmentation")
    cfg = shrink(read("fcn_d8_demo"))
    cfg.train_dataloader.batch_size = 9
    fill_num_classes(cfg, tuple("abcd"))
    set_random_seed(0)
    model = MODELS.build(cfg.model)
    loader = Runner.build_dataloader(cfg.train_dataloader, seed=0)
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    for _ in range(60):
        for batch in loader:
            model.train().train_step(batch, wrapper)
    metrics = judge(
        model, METRICS.build(cfg.test_evaluator), Runner.build_dataloader(cfg.test_dataloader)
    )
    # Measured: 57; the background alone gives a quarter of its share: 22.
    assert metrics["mIoU"] > 40
