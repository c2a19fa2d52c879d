"""One config, any backbone file: what the network is and what it reads comes from the card."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from mmengine.structures import InstanceData, PixelData
from safetensors.torch import load_file
from torch import Tensor, nn

import bag_of_transfer.detection.roi_extractor
import bag_of_transfer.detection.shared_head
import bag_of_transfer.segmentation  # noqa: F401
from bag_of_transfer.engine.config.config_file import leaf_keys
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.transfer.config.apply import apply_backbone
from tests.transfer.any_backbone_files import CAFFE, FILES, RESNETS, TIMM, Pretrained, pretrained

CONFIGS = Path(__file__).parents[2] / "configs"
FPN = "detection/faster-rcnn_fpn_own-voc.py"
C4 = "detection/_base_/models/faster-rcnn_c4.py"
FCN = "segmentation/fcn_d8_tiny.py"
CASES = [(file, config) for config in (FPN, C4, FCN) for file in FILES]
CASES = [(file, config) for file, config in CASES if config != C4 or file not in TIMM]
# A forward and backward pass takes long; of the ResNets one per variant and kind of block.
STEPPED = ("ResNetA-50", "ResNetB-34", "ResNetC-101", "ResNetD-18", "ResNetD-50", CAFFE, *TIMM)
NUM_CLASSES = 3
HEIGHT, WIDTH = 96, 128  # not square; multiples of 32, so that nothing is padded
# Of our heads only the width and the number of regions to learn from, for speed.
NARROW = {
    FPN: {
        "neck.out_channels": 16,
        "rpn_head.in_channels": 16,
        "rpn_head.feat_channels": 16,
        "roi_head.bbox_roi_extractor.out_channels": 16,
        "roi_head.bbox_head.in_channels": 16,
        "roi_head.bbox_head.fc_out_channels": 16,
        "roi_head.bbox_head.num_classes": NUM_CLASSES,
        "train_cfg.rcnn.sampler.num": 32,
    },
    C4: {
        "rpn_head.feat_channels": 16,
        "roi_head.bbox_head.num_classes": NUM_CLASSES,
        "train_cfg.rcnn.sampler.num": 32,
    },
    FCN: {"decode_head.num_classes": NUM_CLASSES, "auxiliary_head.num_classes": NUM_CLASSES},
}
# Stages whose maps are those of pretraining: dilation changes what follows stride 8.
SAME = {FPN: (0, 1, 2, 3), C4: (2,), FCN: (0, 1)}


def started_from(path: Path, name: str) -> Config:
    """Read the config and apply the card, as tools/train.py does."""
    cfg = Config.fromfile(CONFIGS / name, import_custom_modules=False)
    cfg.merge_from_dict({f"model.{key}": value for key, value in NARROW[name].items()})
    apply_backbone(cfg, path, set() if name == C4 else leaf_keys(CONFIGS / name))
    return cfg


def built(cfg: Config) -> Any:
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = MODELS.build(cfg.model)
        model.init_weights()
    return model


def picture() -> Tensor:
    rng = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (3, HEIGHT, WIDTH), dtype=torch.uint8, generator=rng)


def check_tensors(model: Any, path: Path) -> None:
    head = getattr(getattr(model, "roi_head", None), "shared_head", None) or nn.Module()
    loaded = {**model.backbone.state_dict(), **head.state_dict()}
    loaded = {key: tensor for key, tensor in loaded.items() if "num_batches" not in key}
    expected = load_file(path)
    assert loaded.keys() == expected.keys()
    different = [key for key, tensor in expected.items() if not torch.equal(loaded[key], tensor)]
    assert not different


def check_maps(model: Any, file: Pretrained, config: str) -> None:
    expected = file.maps_of(picture())
    # OpenMMLab's loaders decode BGR.
    inputs = model.data_preprocessor({"inputs": [picture().flip(0)]}, training=False)["inputs"]
    with torch.no_grad():
        maps = dict(zip(model.backbone.out_indices, model.eval().backbone(inputs), strict=True))
        for stage in SAME[config]:
            torch.testing.assert_close(maps[stage], expected[stage])
            assert maps[stage].std() > 0  # not two dead networks
        if config == C4:  # the whole map as one region
            torch.testing.assert_close(model.roi_head.shared_head(maps[2]), expected[3])


def test_the_number_of_cases() -> None:
    assert len(RESNETS) == 4 * 5
    assert len(FILES) == 20 + 3
    assert len(CASES) == 2 * 23 + 21  # C4 takes no network of timm
    assert len([case for case in CASES if case[0] in STEPPED]) == 3 * 8 - 2


# Of the variants the first and the last, of ResNet-D the first and the last depth.
FAST = {"ResNetA-50", "ResNetD-18", "ResNetD-152", CAFFE, *TIMM}


def as_parameter(name: str, config: str) -> Any:
    """Return a case; other files than those above are slow, and Inception-v3, which is large."""
    is_slow = name not in FAST or name == "inception_v3"
    return pytest.param(name, config, marks=[pytest.mark.slow] if is_slow else [])


@pytest.mark.parametrize(("name", "config"), [as_parameter(*case) for case in CASES])
def test_the_same_config_takes_it(pretrained_folder: Path, name: str, config: str) -> None:
    file = pretrained(name, pretrained_folder)
    model = built(started_from(file.path, config))
    check_tensors(model, file.path)
    preprocessor = model.data_preprocessor
    assert preprocessor.mean.flatten().tolist() == pytest.approx(file.mean)
    assert preprocessor.std.flatten().tolist() == pytest.approx(file.std)
    assert preprocessor._channel_conversion == (file.order == "RGB")
    check_maps(model, file, config)
    if name in STEPPED:
        step(model.train(), config)


def step(model: Any, config: str) -> None:
    shapes = ("img_shape", "ori_shape", "pad_shape", "batch_input_shape")
    size = (96, 96) if config == FCN else (HEIGHT, WIDTH)
    infos = dict.fromkeys(shapes, size) | {"scale_factor": (1, 1)}
    samples = [masked(infos) if config == FCN else boxed(infos) for _ in range(2)]
    images = [picture()[:, : size[0], : size[1]] for _ in samples]
    data = model.data_preprocessor({"inputs": images, "data_samples": samples}, training=True)
    losses = model(**data, mode="loss")
    loss, _ = model.parse_losses(losses)
    loss.backward()
    assert loss.isfinite()
    trained = {key: p for key, p in model.named_parameters() if p.requires_grad}
    assert any(key.startswith("backbone.") for key in trained)
    assert not [key for key, p in trained.items() if p.grad is None or not p.grad.isfinite().all()]
    if config == C4:
        return  # of a thousand regions each: slow, and no other than after FPN
    with torch.no_grad():
        predicted, _ = model.eval()(**data, mode="predict")
    if config == FPN:
        assert predicted.pred_instances.bboxes.isfinite().all()
    else:
        assert predicted.pred_sem_seg.data.shape == (1, 96, 96)


def masked(infos: dict[str, Any]) -> Any:
    from mmseg.structures import SegDataSample

    mask = torch.arange(96 * 96).reshape(1, 96, 96) // 2000 % NUM_CLASSES
    return SegDataSample(gt_sem_seg=PixelData(data=mask), metainfo=infos)


def boxed(infos: dict[str, Any]) -> Any:
    from mmdet.structures import DetDataSample

    sample = DetDataSample(metainfo=infos)
    boxes = torch.tensor([[10.0, 10, 70, 60], [60, 30, 120, 90]])
    sample.gt_instances = InstanceData(bboxes=boxes, labels=torch.tensor([0, 2]))
    sample.ignored_instances = InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0).long())
    return sample


@pytest.mark.parametrize("name", TIMM)
def test_c4_refuses_a_network_of_timm_and_names_the_way_out(
    pretrained_file: Callable[[str], Path], name: str
) -> None:
    path = pretrained_file(name)
    with pytest.raises(UserError, match="cannot be cut in two") as caught:
        started_from(path, C4)
    assert caught.value.where == "model.roi_head.shared_head"
    named = [word.rstrip(",") for word in caught.value.mend.split() if "configs/" in word]
    assert len(named) == 1
    assert (CONFIGS.parent / named[0]).is_file()
    assert started_from(path, str(Path(named[0]).relative_to("configs")))
