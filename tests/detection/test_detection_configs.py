"""The configs under configs/detection: their form, and that each trains a step and predicts."""

import ast
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.registry import DATASETS, MODELS
from torch import nn

from bag_of_transfer.engine.config.config_file import resolved_config
from tests.detection.small import (
    SPLITS,
    build_model,
    build_optimizer,
    lighten,
    loader_of,
    shrink,
)

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs/detection"
LEAVES = sorted(CONFIGS.glob("*.py"))
BASES = sorted(CONFIGS.glob("_base_/*/*.py"))
# Split as published: the test split is validated on, and nothing is picked by it.
PUBLISHED_SPLIT = {"faster-rcnn_c4_paper_voc"}

each_leaf = pytest.mark.parametrize("path", LEAVES, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def data(
    tmp_path_factory: pytest.TempPathFactory,
    draw_voc: Callable[..., Path],
    draw_coco: Callable[..., Path],
    draw_yolo: Callable[..., Path],
) -> Path:
    """Draw a few images into all folders that the configs read."""
    root = tmp_path_factory.mktemp("data")
    few = dict(train=8, val=2, test=2)
    draw_voc(root / "demo/detection", **few)
    draw_voc(root / "own-voc", **few)
    draw_voc(root / "shapes5", **few)
    draw_coco(root / "own-coco", **few)
    draw_yolo(root / "own-yolo", **few)
    draw_coco(root / "coco", "train2017", "instances_", train2017=24)
    draw_coco(root / "coco", "val2017", "instances_", val2017=2)
    names = ("dog", "sofa")
    draw_voc(root / "voc/VOCdevkit/VOC2007", names, trainval=10, test=2)
    draw_voc(root / "voc/VOCdevkit/VOC2012", names, trainval=2)
    return root


@pytest.fixture
def load(data: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Config]:
    def from_file(path: Path) -> Config:
        monkeypatch.setenv("DATA_ROOT", str(data))
        cfg = resolved_config(path)
        assert cfg.default_scope == "mmdet"  # in which the tests here run
        return cfg

    return from_file


def statements(path: Path) -> list[ast.stmt]:
    """Return the text without the docstring."""
    return ast.parse(path.read_text()).body[1:]


def test_the_list_of_configs_is_complete() -> None:
    assert len(LEAVES) == 16
    assert len(BASES) == 14


@each_leaf
def test_header_tells_what_it_is_and_how_to_run_it(path: Path) -> None:
    header = ast.get_docstring(ast.parse(path.read_text())) or ""
    command = f"python tools/train.py {path.relative_to(ROOT)} --backbone FILE"
    assert f"Command: {command}" in " ".join(header.split())
    for word in ("Paper:", "Data:", "Needs:", "Result:"):
        assert word in header


@each_leaf
def test_bases_inherit_nothing(path: Path) -> None:
    bases = Config.fromfile(path, import_custom_modules=False)._cfg_dict  # it loads
    assert bases
    named = next(ast.literal_eval(x.value) for x in statements(path) if x.targets[0].id == "_base_")
    assert all("_base_/" in name for name in named)
    assert "../_base_/default_runtime.py" in named


@pytest.mark.parametrize("path", BASES, ids=lambda path: path.stem)
def test_a_base_is_whole_and_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))
    assert all(getattr(x.targets[0], "id", "") != "_base_" for x in statements(path))


@pytest.mark.parametrize("layout", ["voc", "coco", "yolo"])
def test_own_data_takes_five_lines(layout: str) -> None:
    assert len(statements(CONFIGS / f"faster-rcnn_fpn_own-{layout}.py")) == 5


def build_split(cfg: Config, split: str) -> Any:
    return DATASETS.build(cfg[f"{split}_dataloader"].dataset)


@each_leaf
def test_no_image_is_in_two_splits_unless_published_so(
    path: Path, load: Callable[[Path], Config]
) -> None:
    cfg = load(path)
    paths = {}
    for split in SPLITS:
        lighten(cfg[f"{split}_dataloader"])
        dataset = build_split(cfg, split)
        paths[split] = {dataset.get_data_info(index)["img_path"] for index in range(len(dataset))}
        assert paths[split]
    assert not paths["train"] & (paths["val"] | paths["test"])
    published = path.stem in PUBLISHED_SPLIT
    assert (paths["val"] == paths["test"]) == published
    assert bool(paths["val"] & paths["test"]) == published
    assert ("Split:     as published" in path.read_text()) == published
    # No word: training picks the best on val.
    assert cfg.default_hooks.checkpoint.get("save_best", "auto") == (None if published else "auto")


# Networks are those of others, and so are the forms of data.
SLOW, BETWEEN = pytest.mark.slow, re.compile("2x|r18|1x_voc|own-coco|demo|photographs")


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.stem, marks=[SLOW] if BETWEEN.search(path.stem) else [])
        for path in LEAVES
    ],
)
def test_it_builds_trains_a_step_and_is_judged(path: Path, load: Callable[[Path], Config]) -> None:
    cfg = load(path)
    shrink(cfg)
    loader = loader_of(cfg, "train")
    model = build_model(cfg, loader.dataset.metainfo["classes"])
    wrapper = build_optimizer(cfg, model)
    model.train()
    losses = model.train_step(next(iter(loader)), wrapper)
    assert all(torch.isfinite(value).all() for value in losses.values())
    assert {"loss_rpn_cls", "loss_rpn_bbox", "loss_cls", "loss_bbox"} <= losses.keys()
    _judge(cfg, model, _metric_names(path))


def _metric_names(path: Path) -> set[str]:
    coco = {"AP", "AP50", "AP75", "APs", "APm", "APl"}
    return coco if "coco" in path.stem else {"mAP_voc07", "mAP_area"}


def _judge(cfg: Config, model: nn.Module, names: set[str]) -> None:
    loader = loader_of(cfg, "test")
    evaluator = Evaluator(cfg.test_evaluator)
    evaluator.dataset_meta = loader.dataset.metainfo
    model.eval()
    for batch in loader:
        with torch.no_grad():
            evaluator.process(model.test_step(batch), batch)
    assert evaluator.evaluate(len(loader.dataset)).keys() == names
    assert evaluator.metrics[0].per_class


@pytest.mark.parametrize("name", ["faster-rcnn_fpn_tiny", "faster-rcnn_fpn_own-coco"])
def test_time_augmentation_finds_what_a_flipped_image_shows(
    name: str, load: Callable[[Path], Config]
) -> None:
    cfg = load(CONFIGS / f"{name}.py")
    shrink(cfg)
    loader = cfg.test_dataloader
    loader.dataset.pipeline = cfg.tta_pipeline
    lighten(loader.dataset)
    dataset = build_split(cfg, "test")
    cfg.model.test_cfg.rcnn.score_thr = 0.0
    network = build_model(cfg, dataset.metainfo["classes"])
    model = MODELS.build(dict(cfg.tta_model, module=network)).eval()
    batch = next(iter(loader_of(cfg, "test")))
    assert len(batch["inputs"]) == 2  # as it is, and flipped
    with torch.no_grad():
        merged = model.test_step(batch)
    assert len(merged) == 2
    assert 0 < len(merged[0].pred_instances) <= 100


@pytest.mark.slow
@pytest.mark.parametrize("name", ["faster-rcnn_fpn", "faster-rcnn_c4"])
def test_the_full_size_takes_a_step(name: str, load: Callable[[Path], Config]) -> None:
    leaf = {"faster-rcnn_fpn": "fpn_own-voc", "faster-rcnn_c4": "c4_paper_voc"}[name]
    cfg = load(CONFIGS / f"faster-rcnn_{leaf}.py")
    full = Config.fromfile(CONFIGS / f"_base_/models/{name}.py").model
    shrink(cfg)
    cfg.model = full
    cfg.model.train_cfg.rcnn.sampler.num = 4  # stage 4 on each region is the costly part
    loader = loader_of(cfg, "train")
    model = build_model(cfg, loader.dataset.metainfo["classes"])
    model.train()
    data = model.data_preprocessor(next(iter(loader)), training=True)
    loss, _ = model.parse_losses(model(**data, mode="loss"))
    loss.backward()
    assert torch.isfinite(loss)
    without = {n for n, p in model.named_parameters() if p.requires_grad and p.grad is None}
    assert not without
