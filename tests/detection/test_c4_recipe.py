"""What the recipe of the paper's table 8 does, besides numbers: data, gradient clip, freezing."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.registry import DATASETS, HOOKS, TASK_UTILS
from torch import Tensor, nn

import bag_of_transfer.engine.weights.checkpoint_hook  # noqa: F401  registers the hook
from tests.detection.small import build_model, build_optimizer, loader_of, shrink

CONFIGS = Path(__file__).parents[2] / "configs/detection"
VOC = "voc/VOCdevkit"


@pytest.fixture
def c4(tmp_path: Path, draw_voc: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Config:
    """Return the recipe on drawn images: all objects are difficult, in test every second one."""
    names = ("dog", "sofa")
    draw_voc(tmp_path / VOC / "VOC2007", names, trainval=4, test=2)
    draw_voc(tmp_path / VOC / "VOC2012", names, trainval=2)
    tested = (tmp_path / VOC / "VOC2007/ImageSets/Main/test.txt").read_text().split()
    for path in tmp_path.glob(f"{VOC}/*/Annotations/*.xml"):
        text, count = path.read_text(), 1 if path.stem in tested else -1
        path.write_text(text.replace("<difficult>0</difficult>", "<difficult>1</difficult>", count))
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    cfg = Config.fromfile(CONFIGS / "faster-rcnn_c4_paper_voc.py")
    shrink(cfg)
    return cfg


def train_loss(cfg: Config) -> tuple[nn.Module, dict[str, Tensor]]:
    loader = loader_of(cfg, "train")
    model = build_model(cfg, loader.dataset.metainfo["classes"]).train()
    data = model.data_preprocessor(next(iter(loader)), training=True)
    loss, logged = model.parse_losses(model(**data, mode="loss"))
    loss.backward()
    return model, logged


def test_every_image_is_trained_on_and_the_test_split_keeps_difficult_objects_out(
    c4: Config,
) -> None:
    train, val, test = (
        DATASETS.build(c4[f"{split}_dataloader"].dataset) for split in ("train", "val", "test")
    )
    assert len(train) == 4 + 2  # both trainvals
    assert len(val) == len(test) == 2
    for dataset, both in ((train, [0, 0]), (val, [1, 0]), (test, [1, 0])):
        infos = [dataset.get_data_info(index) for index in range(len(dataset))]
        flags = [one["ignore_flag"] for info in infos for one in info["instances"]]
        assert flags == both * len(dataset)


def test_a_difficult_object_is_learned(c4: Config) -> None:
    # True boxes are among the regions, so that the loss of boxes tells whether there are any.
    _, logged = train_loss(c4)
    assert logged["loss_bbox"] > 0
    assert logged["loss_rpn_bbox"] > 0
    for part in c4.train_dataloader.dataset.datasets:
        part.difficult = "ignore"
    _, logged = train_loss(c4)
    assert logged["loss_bbox"] == logged["loss_rpn_bbox"] == 0


def test_the_gradient_is_clipped_entry_by_entry(c4: Config) -> None:
    model = nn.Linear(2, 1, bias=False)
    nn.init.zeros_(model.weight)  # nothing to decay
    wrapper = build_optimizer(c4, model)
    (100 * model.weight[0, 0] - 3 * model.weight[0, 1]).backward()
    wrapper.step()
    # lr 0.001 x 5, and 0.001 x -3 as it was: by the norm, the second would have shrunk as well.
    torch.testing.assert_close(model.weight.detach(), torch.tensor([[-0.005, 0.003]]))


def test_stem_stage_1_and_every_batch_norm_stay_as_they_came(c4: Config) -> None:
    model, _ = train_loss(c4)
    trained = {name for name, value in model.named_parameters() if value.requires_grad}
    got = {name for name, value in model.named_parameters() if value.grad is not None}
    assert trained == got
    norms = [one for one in model.modules() if isinstance(one, nn.BatchNorm2d)]
    assert not any(norm.training or norm.weight.requires_grad for norm in norms)
    prefixes = {".".join(name.split(".")[:2]) for name in trained}
    assert prefixes == {
        *("backbone.layer2", "backbone.layer3", "roi_head.shared_head"),
        *("rpn_head.rpn_conv", "rpn_head.rpn_cls", "rpn_head.rpn_reg"),
        "roi_head.bbox_head",
    }
    convs = [n for n, one in model.named_modules() if isinstance(one, nn.Conv2d) and "layer" in n]
    late = {name for name in convs if "layer1" not in name}
    assert {f"{name}.weight" for name in late} == {name for name in trained if "layer" in name}


def test_anchors_have_15_shapes_about_the_middle_of_their_cell(c4: Config) -> None:
    (anchors,) = TASK_UTILS.build(c4.model.rpn_head.anchor_generator).base_anchors
    assert len(anchors) == 15
    centres = (anchors[:, :2] + anchors[:, 2:]) / 2
    torch.testing.assert_close(centres, torch.full((15, 2), 7.5))
    width, height = (anchors[:, 2:] - anchors[:, :2]).T
    # 16 pixels times 2 to 32, at three ratios of height to width.
    sides = (width * height).sqrt().round().int().tolist()
    assert sorted(sides) == sorted(3 * [32, 64, 128, 256, 512])
    assert sorted((height / width).round(decimals=2).tolist()) == sorted(5 * [0.5, 1.0, 2.0])


def test_an_image_may_hold_more_than_100_boxes(c4: Config) -> None:
    loader = loader_of(c4, "test")
    c4.model.test_cfg.rcnn.score_thr = 0.0  # untrained scores of 21 classes are low
    model = build_model(c4, loader.dataset.metainfo["classes"]).eval()
    with torch.no_grad():
        predicted = model.test_step(next(iter(loader)))[0].pred_instances
    assert len(predicted) > 100


def test_no_checkpoint_is_picked_on_the_test_split(c4: Config) -> None:
    # As bag_of_transfer/engine/run/training.py builds it: what the config says wins.
    hook = HOOKS.build(dict(save_best="auto", rule="greater") | c4.default_hooks.checkpoint)
    assert hook.save_best is None
    assert c4.val_dataloader.dataset == c4.test_dataloader.dataset


def test_an_image_alone_is_not_padded(c4: Config) -> None:
    model = build_model(c4, ("dog", "sofa")).eval()
    image = torch.randint(0, 256, (3, 75, 101), dtype=torch.uint8)  # no multiple of 16 or 32
    metainfo = dict(ori_shape=(75, 101), img_shape=(75, 101), scale_factor=(1.0, 1.0))
    batch = dict(inputs=[image], data_samples=[DetDataSample(metainfo=metainfo)])
    data = model.data_preprocessor(batch, training=False)
    assert data["inputs"].shape == (1, 3, 75, 101)
    with torch.no_grad():
        (maps,) = model.extract_feat(data["inputs"])
        model(**data, mode="predict")
    assert maps.shape[2:] == (5, 7)  # 75 / 16 and 101 / 16, rounded up
