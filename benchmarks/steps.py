"""One training step of each task on drawn images: ours, and those of the peers.

A maker builds a network with its optimiser and returns the step.  Letters: B batch.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, DefaultScope
from mmengine.structures import InstanceData, PixelData
from torch import Tensor, nn

import bag_of_transfer.detection  # noqa: F401  puts operators into mmcv
from backbones import ResNetD
from bag_of_transfer.classification import ImageClassifier
from bag_of_transfer.engine.loop.fused import use_fused_update
from bag_of_transfer.engine.loop.loops import train_step
from bag_of_transfer.engine.loop.precision import apply_precision
from bag_of_transfer.engine.run.compiling import compile_backbone
from bag_of_transfer.engine.run.launch import replace_sync_bn
from bag_of_transfer.engine.run.runner import build_runner
from rounds import has_peer

__all__ = [
    "STOCK",
    "Maker",
    "Step",
    "classifiers",
    "classifiers_on_gpu",
    "detectors",
    "segmenters",
]

Step = Callable[[], object]
Maker = Callable[[], Step]

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
MEAN, STD = (123.68, 116.779, 103.939), (58.393, 57.12, 57.375)
SGD = {"lr": 1e-3, "momentum": 0.9, "weight_decay": 1e-4}
STOCK = {"ResNetD": "ResNetV1d", "ExactRoIExtractor": "SingleRoIExtractor"}  # ours to theirs
TASKS = {"mmengine": "cls", "mmdet": "det", "mmseg": "seg"}  # by the library's scope
NUM_CLASSES = 20


def ours(
    model: dict[str, Any], scope: str, data: dict[str, Any], device: str, **options: Any
) -> Step:
    """Return the step of a training run: layout, precision and update as on this machine."""
    with tempfile.TemporaryDirectory() as folder:
        cfg = Config({"model": model, "default_scope": scope, "work_dir": folder, **options})
        cfg.task = TASKS[scope]
        cfg.optim_wrapper = {"type": "OptimWrapper", "optimizer": {"type": "SGD", **SGD}}
        cfg.train_cfg, cfg.train_dataloader = {"by_epoch": True, "max_epochs": 1}, {}  # unused
        apply_precision(cfg, "auto")
        use_fused_update(cfg)
        runner = build_runner(cfg)
        wrapper = runner.build_optim_wrapper(cfg.optim_wrapper)
    network = runner.model.to(device).train()
    compile_backbone(network, cfg.get("compile"))
    return lambda: train_step(network, data, wrapper)


def stock(model: dict[str, Any], scope: str, data: dict[str, Any], device: str) -> Step:
    """Return the step of mmengine with the library's own classes: float32, channels first."""
    with DefaultScope.overwrite_default_scope(scope):
        theirs = model if scope == "mmengine" else _renamed(model)  # it has no networks
        network = MODELS.build(ConfigDict(theirs)).to(device).train()
    wrapper = build_optim_wrapper(network, {"optimizer": {"type": "SGD", **SGD}})
    return lambda: network.train_step(data, wrapper)


def _renamed(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _renamed(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return type(node)(_renamed(child) for child in node)
    return STOCK.get(node, node) if isinstance(node, str) else node


def plain(
    network: nn.Module,
    data: dict[str, Any],
    last: bool = False,
    dtype: torch.dtype = torch.float32,
    compiled: bool = False,
) -> Step:
    """Return the shortest step that torch allows.

    Args:
        network: Gives logits.
        data: ``inputs`` as bytes B 3 H W and ``labels``.
        last: Use the channels-last layout.
        dtype: What autocast computes in; float32: without autocast.
        compiled: Compile the network.
    """
    layout = torch.channels_last if last else torch.contiguous_format
    network = network.to(data["inputs"].device, memory_format=layout).train()
    optimizer = torch.optim.SGD(network.parameters(), **SGD)
    run = torch.compile(network) if compiled else network
    kind, mixed = data["inputs"].device.type, dtype != torch.float32
    mean, std = (
        torch.tensor(values, device=data["inputs"].device)[:, None, None] for values in (MEAN, STD)
    )

    def step() -> None:
        images = ((data["inputs"].float() - mean) / std).contiguous(memory_format=layout)
        with torch.autocast(kind, dtype if mixed else None, enabled=mixed):
            loss = nn.functional.cross_entropy(run(images), data["labels"])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


class Logits(nn.Module):
    """Our backbone with a linear layer, outside of any framework."""

    def __init__(self, depth: int, classes: int) -> None:
        super().__init__()
        self.backbone = ResNetD(depth=depth)
        self.fc = nn.Linear(self.backbone.out_channels[3], classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.fc(self.backbone(images)[-1].mean((2, 3)))


def classifiers(
    depth: int, px: int, batch: int, device: str = "cpu", classes: int = 1000
) -> dict[str, Maker]:
    """Return the makers of a ResNet-D's step; the first is written by hand."""
    data = _labelled(px, batch, device, classes)
    makers: dict[str, Maker] = {"by hand": lambda: plain(Logits(depth, classes), data)}
    if has_peer("timm"):
        import timm

        name = f"resnet{depth}d"
        makers[f"timm's {name}"] = lambda: plain(timm.create_model(name), data)
        makers[f"timm's {name}, channels last"] = lambda: plain(
            timm.create_model(name), data, last=True
        )
    return makers | {"ours": lambda: ours(_classifier(depth, classes), "mmengine", data, device)}


def classifiers_on_gpu(
    depth: int, px: int, batch: int, device: str = "cuda", classes: int = 1000
) -> dict[str, Maker]:
    """Return the makers of a ResNet-D's step in 16 bits; the first is written by hand.

    torchvision's reference keeps channels first, timm is fastest compiled with channels last, and
    mmengine's stock step is that of float32.
    """
    data, half = _labelled(px, batch, device, classes), torch.bfloat16
    model = _classifier(depth, classes)
    makers: dict[str, Maker] = {
        "by hand, bf16, channels last": lambda: plain(Logits(depth, classes), data, True, half),
        "the same compiled": lambda: plain(Logits(depth, classes), data, True, half, True),
        "as torchvision's reference: bf16, channels first": (
            lambda: plain(Logits(depth, classes), data, False, half)
        ),
        "stock mmengine: float32, channels first": lambda: stock(model, "mmengine", data, device),
    }
    if has_peer("timm"):
        import timm

        name = f"resnet{depth}d"
        makers["timm, bf16, channels last"] = lambda: plain(
            timm.create_model(name), data, True, half
        )
        makers["timm, the same compiled"] = lambda: plain(
            timm.create_model(name), data, True, half, True
        )
    makers["ours"] = lambda: ours(model, "mmengine", data, device)
    makers["ours, compile=True"] = lambda: ours(model, "mmengine", data, device, compile=True)
    return makers


def _labelled(px: int, batch: int, device: str, classes: int) -> dict[str, Tensor]:
    labels = torch.arange(batch, device=device) % classes
    return {"inputs": _images(batch, px, device), "labels": labels}


def _classifier(depth: int, classes: int) -> dict[str, Any]:
    return {
        "type": ImageClassifier.__name__,
        "backbone": {"type": "ResNetD", "depth": depth},
        "head": {"type": "LinearHead", "num_classes": classes},
        "data_preprocessor": {"type": "ClassificationPreprocessor", "mean": MEAN, "std": STD},
    }


def segmenters(config: str, px: int, batch: int, device: str = "cpu") -> dict[str, Maker]:
    """Return the makers of a network of ``configs/segmentation/_base_/models``."""
    from mmseg.structures import SegDataSample

    model = _model(f"segmentation/_base_/models/{config}", (px, px))
    labels = torch.randint(NUM_CLASSES, (batch, px // 16, px // 16))
    labels = labels.repeat_interleave(16, 1).repeat_interleave(16, 2)
    samples = [SegDataSample(metainfo=_about(px)) for _ in range(batch)]
    for sample, label in zip(samples, labels, strict=True):
        sample.gt_sem_seg = PixelData(data=label[None])
    data = {"inputs": list(_images(batch, px, device)), "data_samples": samples}
    return {
        "mmseg": lambda: stock(model, "mmseg", data, device),
        "ours": lambda: ours(model, "mmseg", data, device),
    }


def detectors(config: str, px: int, batch: int, device: str = "cpu") -> dict[str, Maker]:
    """Return the makers of a network of ``configs/detection/_base_/models``."""
    from mmdet.structures import DetDataSample

    model = _model(f"detection/_base_/models/{config}")
    samples = [DetDataSample(metainfo=_about(px)) for _ in range(batch)]
    for sample in samples:
        corners = torch.rand(4, 2) * px / 2
        boxes = torch.cat([corners, corners + px / 8 + torch.rand(4, 2) * px / 4], dim=1)
        sample.gt_instances = InstanceData(bboxes=boxes, labels=torch.arange(4))
    data = {"inputs": list(_images(batch, px, device)), "data_samples": samples}
    return {
        "mmdet": lambda: stock(model, "mmdet", data, device),
        "ours": lambda: ours(model, "mmdet", data, device),
    }


def _images(batch: int, px: int, device: str) -> Tensor:
    return torch.randint(256, (batch, 3, px, px), dtype=torch.uint8).to(device)


def _about(px: int) -> dict[str, Any]:
    shape = (px, px)
    return {"img_shape": shape, "ori_shape": shape, "pad_shape": shape, "scale_factor": (1.0, 1.0)}


def _model(path: str, crop: tuple[int, int] | None = None) -> dict[str, Any]:
    cfg = Config.fromfile(CONFIGS / f"{path}.py")
    replace_sync_bn(cfg)
    if crop:
        cfg.model.data_preprocessor.size = crop
    heads = [cfg.model.get("decode_head"), cfg.model.get("auxiliary_head")]
    heads.append(cfg.model.get("roi_head", {}).get("bbox_head"))
    for head in filter(None, heads):
        head.num_classes = NUM_CLASSES
    return cfg.model.to_dict()
