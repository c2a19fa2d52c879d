"""The configs under configs/detection: form, and that each trains a step and predicts."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.registry import DATASETS, MODELS, init_default_scope
from mmengine.runner import Runner
from torch import nn

from engine.num_classes import fill_num_classes

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs/detection"
LEAVES = sorted(CONFIGS.glob("*.py"))
BASES = sorted(CONFIGS.glob("_base_/*/*.py"))
SPLITS = ("train", "val", "test")

each_leaf = pytest.mark.parametrize("path", LEAVES, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def data(
    tmp_path_factory: pytest.TempPathFactory,
    draw_voc: Callable[..., Path],
    draw_coco: Callable[..., Path],
) -> Path:
    """All folders that the configs read, each with a few drawn images."""
    root = tmp_path_factory.mktemp("data")
    few = dict(train=8, val=2, test=2)
    draw_voc(root / "demo/detection", **few)
    draw_voc(root / "own-voc", **few)
    draw_voc(root / "shapes5", **few)
    draw_coco(root / "own-coco", **few)
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
        cfg = Config.fromfile(path)
        init_default_scope(cfg.default_scope)
        return cfg

    return from_file


def statements(path: Path) -> list[ast.stmt]:
    """All but the docstring."""
    return ast.parse(path.read_text()).body[1:]


def test_the_list_of_configs_is_complete() -> None:
    assert len(LEAVES) == 8
    assert len(BASES) == 10


@each_leaf
def test_header_tells_what_it_is_and_how_to_run_it(path: Path) -> None:
    header = ast.get_docstring(ast.parse(path.read_text())) or ""
    command = f"python tools/train.py {path.relative_to(ROOT)} --backbone FILE"
    assert f"Command:   {command}" in header
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


@pytest.mark.parametrize("layout", ["voc", "coco"])
def test_own_data_takes_five_lines(layout: str) -> None:
    assert len(statements(CONFIGS / f"faster-rcnn_fpn_own-{layout}.py")) == 5


def build_split(cfg: Config, split: str) -> Any:
    return DATASETS.build(cfg[f"{split}_dataloader"].dataset)


@each_leaf
def test_no_image_is_in_two_splits(path: Path, load: Callable[[Path], Config]) -> None:
    cfg = load(path)
    seen: set[str] = set()
    for split in SPLITS:
        dataset = build_split(cfg, split)
        paths = {dataset.get_data_info(index)["img_path"] for index in range(len(dataset))}
        assert paths
        assert not paths & seen
        seen |= paths


def flatten(node: Any, dotted: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict):
        for key, child in node.items():
            yield from flatten(child, f"{dotted}.{key}" if dotted else key)
    else:
        yield dotted, node


def difference(ours: str, upstream: str) -> dict[str, tuple[Any, Any]]:
    theirs = Config.fromstring(f"_base_ = ['mmdet::_base_/models/{upstream}']", ".py").model
    theirs.pop("_scope_")
    mine = Config.fromfile(CONFIGS / f"_base_/models/{ours}").model
    a, b = dict(flatten(mine)), dict(flatten(theirs))
    missing = object()
    return {
        key: (a.get(key, "absent"), b.get(key, "absent"))
        for key in a.keys() | b.keys()
        if a.get(key, missing) != b.get(key, missing)
    }


def test_the_fpn_differs_from_mmdets_in_exactly_this() -> None:
    assert difference("faster-rcnn_fpn.py", "faster-rcnn_r50_fpn.py") == {
        "backbone.type": ("ResNetD", "ResNet"),
        "backbone.num_stages": ("absent", 4),
        "backbone.style": ("absent", "pytorch"),
        "backbone.init_cfg.type": ("absent", "Pretrained"),
        "backbone.init_cfg.checkpoint": ("absent", "torchvision://resnet50"),
        "roi_head.bbox_roi_extractor.type": ("ExactRoIExtractor", "SingleRoIExtractor"),
        "roi_head.bbox_head.num_classes": (None, 80),
    }


def test_c4_differs_from_mmdets_in_exactly_this() -> None:
    caffe = "open-mmlab://detectron2/resnet50_caffe"
    head = "roi_head.shared_head."
    assert difference("faster-rcnn_c4.py", "faster-rcnn_r50-caffe-c4.py") == {
        # Caffe's weights want BGR and no division; ours say what they want in their card.
        "data_preprocessor.mean": ([123.675, 116.28, 103.53], [103.53, 116.28, 123.675]),
        "data_preprocessor.std": ([58.395, 57.12, 57.375], [1.0, 1.0, 1.0]),
        "data_preprocessor.bgr_to_rgb": (True, False),
        "backbone.type": ("ResNetD", "ResNet"),
        "backbone.strides": ("absent", (1, 2, 2)),
        "backbone.dilations": ("absent", (1, 1, 1)),
        "backbone.style": ("absent", "caffe"),
        "backbone.init_cfg.type": ("absent", "Pretrained"),
        "backbone.init_cfg.checkpoint": ("absent", caffe),
        head + "type": ("ResNetStage4", "ResLayer"),
        head + "variant": ("ResNetD", "absent"),
        head + "stage": ("absent", 3),
        head + "dilation": ("absent", 1),
        head + "style": ("absent", "caffe"),
        head + "norm_cfg.type": ("absent", "BN"),  # ResNetStage4's own default says the same
        head + "norm_cfg.requires_grad": ("absent", False),
        head + "norm_eval": ("absent", True),
        head + "init_cfg.type": ("absent", "Pretrained"),
        head + "init_cfg.checkpoint": ("absent", caffe),
        "roi_head.bbox_roi_extractor.type": ("ExactRoIExtractor", "SingleRoIExtractor"),
        "roi_head.bbox_head.num_classes": (None, 80),
    }


def shrink(cfg: Config) -> None:
    """Make it small enough for seconds on a CPU: ResNet-18 of 8 channels, 96 px, few regions."""
    cfg.model.train_cfg.rpn_proposal.max_per_img = cfg.model.test_cfg.rpn.max_per_img = 50
    cfg.model.backbone.update(depth=18, stem_channels=8, base_channels=8)
    if "neck" in cfg.model:
        cfg.model.neck.in_channels = [8 * 2**i for i in cfg.model.backbone.out_indices]
        cfg.model.roi_head.bbox_head.fc_out_channels = 32
    else:
        cfg.model.rpn_head.in_channels = cfg.model.roi_head.bbox_roi_extractor.out_channels = 32
        cfg.model.roi_head.bbox_head.in_channels = 64
        cfg.model.roi_head.shared_head.update(depth=18, base_channels=8)
    for split in SPLITS:
        loader = cfg[f"{split}_dataloader"]
        loader.update(batch_size=2, num_workers=0)
        loader.pop("persistent_workers", None)
        _shrink_images(loader.dataset)


def _shrink_images(node: Any) -> None:
    if isinstance(node, dict):
        if node.get("type") == "Resize":
            node.scale = (96, 96)
        for child in node.values():
            _shrink_images(child)
    elif isinstance(node, list):
        for child in node:
            _shrink_images(child)


def loader_of(cfg: Config, split: str) -> torch.utils.data.DataLoader:
    return Runner.build_dataloader(cfg[f"{split}_dataloader"], seed=0)


def build_model(cfg: Config, classes: tuple[str, ...]) -> nn.Module:
    fill_num_classes(cfg, classes)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    model.init_weights()
    return model


@each_leaf
def test_it_builds_trains_a_step_and_is_judged(path: Path, load: Callable[[Path], Config]) -> None:
    cfg = load(path)
    shrink(cfg)
    loader = loader_of(cfg, "train")
    model = build_model(cfg, loader.dataset.metainfo["classes"])
    wrapper = Runner.build_optim_wrapper(_Holder(model), cfg.optim_wrapper)
    model.train()
    losses = model.train_step(next(iter(loader)), wrapper)
    assert all(torch.isfinite(value).all() for value in losses.values())
    assert {"loss_rpn_cls", "loss_rpn_bbox", "loss_cls", "loss_bbox"} <= losses.keys()
    _judge(cfg, model, _metric_names(path))


class _Holder:
    """What Runner.build_optim_wrapper wants of a Runner."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model


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
    _shrink_images(loader.dataset)
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
    leaf = {"faster-rcnn_fpn": "fpn_own-voc", "faster-rcnn_c4": "c4_voc"}[name]
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
