"""Training steps of whole Runners on drawn images: all hooks of a step run, the loader does not.

A maker builds a network with all that trains it and returns the step.  The learning rate is 0:
weights stay as they are, and no way gets other proposals than another.  Letters: B batch.
"""

import contextlib
import io
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import DATASETS, init_default_scope
from mmengine.runner import Runner
from mmengine.structures import InstanceData, PixelData
from torch.utils.data import Dataset

import bag_of_transfer.detection  # noqa: F401  puts operators into mmcv
from bag_of_transfer.engine.config.config_file import read_config
from bag_of_transfer.engine.run.compiling import compile_backbone
from bag_of_transfer.engine.run.launch import replace_sync_bn
from bag_of_transfer.engine.run.runner import build_runner
from bag_of_transfer.engine.run.training import prepare_training
from bag_of_transfer.engine.stock_configs import config_path
from steps import STOCK, Maker, Step, classifiers_on_gpu

__all__ = ["Work", "detection", "pretraining", "segmentation"]

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
CLASSIFIER = CONFIGS / "classification/resnet50-d_efficient_8xb128_in1k.py"
# Ours, and the library's, which gets its own ResNet-D: networks of the same shapes.
DETECTORS = (
    f"{CONFIGS}/detection/faster-rcnn_fpn_1x_coco.py",
    "mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py",
)
SEGMENTERS = (
    f"{CONFIGS}/segmentation/fcn_d8_160k_ade20k.py",
    "mmseg::fcn/fcn_r50-d8_4xb4-160k_ade20k-512x512.py",
)
IMAGENET, COCO, ADE20K = 1000, 80, 150  # classes
SGD = {"lr": 0.0, "momentum": 0.9, "weight_decay": 1e-4}
BOXES = 7  # a picture; COCO's have 7.3 on average


@DATASETS.register_module()
class Blank(Dataset):
    """Names classes and has a length: the steps get a batch that is there already."""

    def __init__(self, classes: int) -> None:
        self.metainfo = {"classes": tuple(map(str, range(classes)))}

    def __len__(self) -> int:
        return 10**6

    def __getitem__(self, index: int) -> int:
        return index


@dataclass
class Work:
    """What a Runner trains.

    Args:
        task: ``"cls"``, ``"det"`` or ``"seg"``.
        model: Its config.
        classes: How many.
        batch: ``inputs`` as bytes, and what the task calls its truth.
        folder: For the Runners' files.
    """

    task: str
    model: dict[str, Any]
    classes: int
    batch: dict[str, Any]
    folder: Path

    SCOPES: ClassVar = {"cls": "mmengine", "det": "mmdet", "seg": "mmseg"}

    def config(self) -> Config:
        """Return what our Runner and mmengine's take."""
        loader = {
            "batch_size": len(self.batch["inputs"]),
            "num_workers": 0,
            "dataset": {"type": "Blank", "classes": self.classes},
            "sampler": {"type": "DefaultSampler", "shuffle": True},
        }
        cfg = Config(
            {
                "task": self.task,
                "default_scope": self.SCOPES[self.task],
                "model": self.model,
                "train_dataloader": loader,
                "train_cfg": {"by_epoch": True, "max_epochs": 1000},
                "optim_wrapper": {"type": "OptimWrapper", "optimizer": {"type": "SGD", **SGD}},
                "default_hooks": {"logger": {"type": "LoggerHook", "interval": 50}},
                "log_level": "WARNING",
                "launcher": "none",
                "work_dir": str(self.folder),
            }
        )
        init_default_scope(cfg.default_scope)
        replace_sync_bn(cfg)
        return cfg

    def ours(self, compiled: bool = False) -> Step:
        """Return the step of a run of the tools, in the precision that they choose here."""
        cfg, threads = self.config(), torch.get_num_threads()
        _, data = prepare_training(cfg, "auto")
        torch.set_num_threads(threads)  # the same for all ways
        runner = build_runner(cfg, data)
        compile_backbone(runner.model, compiled)
        return _steps(runner, self.batch)

    def stock(self, amp: bool) -> Step:
        """Return the step of mmengine's Runner.

        Args:
            amp: With its AmpOptimWrapper, fp16 with a dynamic scale, which needs a GPU.
        """
        cfg = self.config()
        cfg.experiment_name = f"stock {id(cfg)}"
        if amp and get_device() == "cuda":
            cfg.optim_wrapper.update(type="AmpOptimWrapper", loss_scale="dynamic")
        with contextlib.redirect_stdout(io.StringIO()):
            return _steps(Runner.from_cfg(cfg), self.batch)


def _steps(runner: Runner, batch: dict[str, Any]) -> Step:
    """Bring a Runner to where its first epoch begins."""
    loop, numbers = runner.train_loop, itertools.count()
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    with contextlib.redirect_stdout(io.StringIO()):
        for point in ("before_run", "before_train", "before_train_epoch"):
            runner.call_hook(point)
    runner.model.train()
    return lambda: loop.run_iter(next(numbers), batch)


def pretraining(depth: int, px: int, batch: int, folder: Path) -> dict[str, Maker]:
    """Return the ways to pretrain a ResNet-D, the hand-written loop first."""
    model = read_config(CLASSIFIER).model
    model.backbone.depth, model.head.num_classes = depth, IMAGENET
    labels = torch.randint(IMAGENET, (batch,)).to(get_device())
    data = {"inputs": _images((px, px), batch), "labels": labels}
    work = Work("cls", model, IMAGENET, data, folder)
    by_hand = classifiers_on_gpu(depth, px, batch, get_device(), IMAGENET)
    return {name: partial(_searching, make) for name, make in by_hand.items()} | {
        "stock mmengine: float32, channels first": partial(work.stock, amp=False),
        "stock mmengine: fp16, channels first": partial(work.stock, amp=True),
        "ours": work.ours,
        "ours, compile=True": partial(work.ours, compiled=True),
    }


def _searching(make: Maker) -> Step:
    """Let cuDNN search for the fastest kernels, as timm's and torchvision's scripts do."""
    torch.backends.cudnn.benchmark = True
    return make()


def detection(
    size: tuple[int, int], batch: int, folder: Path, configs: Sequence[str] | None = None
) -> list[Work]:
    """Return the work of our Faster R-CNN and that of mmdet's.

    Args:
        size: Height and width.
        batch: How many pictures.
        folder: For the Runners' files.
        configs: Others in their place.
    """
    from mmdet.structures import DetDataSample

    corner = torch.tensor(size[::-1])
    samples = [DetDataSample(metainfo=_about(size)) for _ in range(batch)]
    for sample in samples:
        starts = torch.rand(BOXES, 2) * corner / 2
        boxes = torch.cat([starts, starts + (0.1 + 0.4 * torch.rand(BOXES, 2)) * corner], dim=1)
        truth = InstanceData(bboxes=boxes, labels=torch.randint(COCO, (BOXES,)))
        sample.gt_instances = truth.to(get_device())
    data = {"inputs": list(_images(size, batch)), "data_samples": samples}
    models = [read_config(config_path(path)).model for path in configs or DETECTORS]
    models[1].backbone.type = STOCK["ResNetD"]
    for model in models:
        model.roi_head.bbox_head.num_classes = COCO
    return [Work("det", model, COCO, data, folder) for model in models]


def segmentation(
    size: tuple[int, int], batch: int, folder: Path, configs: Sequence[str] | None = None
) -> list[Work]:
    """Return the work of our FCN and that of mmseg's; arguments as in :func:`detection`."""
    from mmseg.structures import SegDataSample

    labels = torch.randint(ADE20K, (batch, size[0] // 16, size[1] // 16))
    labels = labels.repeat_interleave(16, 1).repeat_interleave(16, 2)
    samples = [SegDataSample(metainfo=_about(size)) for _ in range(batch)]
    for sample, label in zip(samples, labels, strict=True):
        sample.gt_sem_seg = PixelData(data=label[None]).to(get_device())
    data = {"inputs": list(_images(size, batch)), "data_samples": samples}
    models = [read_config(config_path(path)).model for path in configs or SEGMENTERS]
    models[1].backbone.type = STOCK["ResNetD"]
    for model in models:
        model.data_preprocessor.size = size
        for head in (model.decode_head, model.auxiliary_head):
            head.num_classes = ADE20K
    return [Work("seg", model, ADE20K, data, folder) for model in models]


def _images(size: tuple[int, int], batch: int) -> torch.Tensor:
    return torch.randint(256, (batch, 3, *size), dtype=torch.uint8).to(get_device())


def _about(size: tuple[int, int]) -> dict[str, Any]:
    shapes = dict.fromkeys(("img_shape", "ori_shape", "pad_shape", "batch_input_shape"), size)
    return {**shapes, "scale_factor": (1.0, 1.0)}
