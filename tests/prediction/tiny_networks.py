"""The tiny configs' networks with random weights in every tensor."""

import json
from pathlib import Path
from typing import Any

import torch
from mmengine.registry import MODELS, DefaultScope

import bag_of_transfer.prediction  # noqa: F401  registers all networks
from bag_of_transfer.engine.config.config_file import read_config
from bag_of_transfer.engine.config.num_classes import fill_num_classes

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = {
    "cls": ROOT / "configs/classification/resnet18-d_tiny.py",
    "det": ROOT / "configs/detection/faster-rcnn_fpn_tiny.py",
    "seg": ROOT / "configs/segmentation/fcn_d8_tiny.py",
}
CLASSES = {
    "cls": ("bars", "checks", "dots", "rings", "stars", "waves"),
    "det": ("bars", "checks", "dots"),
    "seg": ("background", "bars", "checks", "dots"),
}
# Width and height.  The tiny detector resizes them to 128 x 86, 86 x 128, 128 x 86 and 79 x 128
# and pads to multiples of 32: tall and odd fit into one batch there.
SIZES = {"wide": (97, 65), "tall": (65, 97), "twin": (97, 65), "odd": (50, 81)}


def random_network(task: str) -> tuple[Any, dict[str, Any]]:
    """Return a network with random tensors, and the meta of its checkpoint."""
    cfg = read_config(CONFIGS[task])
    with DefaultScope.overwrite_default_scope(cfg.get("default_scope", "mmengine")):
        fill_num_classes(cfg, CLASSES[task])
        network = MODELS.build(cfg.model)
    fill(network)
    model = json.dumps(cfg.model.to_dict())
    return network.eval(), {"model_json": model, "classes": list(CLASSES[task])}


def save_checkpoints(folder: Path) -> dict[str, Path]:
    """Write a checkpoint per task: ``cls``, ``det``, ``seg``."""
    paths = {task: folder / f"{task}.pth" for task in CONFIGS}
    for task, path in paths.items():
        network, meta = random_network(task)
        torch.save({"state_dict": network.state_dict(), "meta": meta}, path)
    return paths


def fill(network: torch.nn.Module) -> None:
    """Fill all tensors with random numbers, so that no part can be left out unseen."""
    rng = torch.Generator().manual_seed(1)
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            noise = torch.rand(tensor.shape, generator=rng)
            fan_in = max(1, tensor[0].numel()) if tensor.ndim > 1 else 1
            scale = 3 * fan_in**-0.5
            tensor.copy_(noise + 0.5 if tensor.ndim == 1 else (noise - 0.5) * scale)
