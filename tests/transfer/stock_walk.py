"""Put a backbone file into stock configs: is the network built, or why not?"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import DefaultScope

# Stands in for mmcv's compiled ops; brings mmdet's data sets, among which is CLRNet's preprocessor.
import bag_of_transfer.detection.datasets  # noqa: F401
from bag_of_transfer.engine.config.config_file import read_config
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.run.launch import replace_sync_bn
from bag_of_transfer.engine.stock_configs import config_path
from bag_of_transfer.transfer.backbone_file import parts_of
from bag_of_transfer.transfer.config.apply import apply_backbone
from bag_of_transfer.transfer.config.fit_check import network_of_shapes, try_network
from bag_of_transfer.transfer.mismatch import compare
from bag_of_transfer.transfer.network_shapes import shapes_of
from bag_of_transfer.transfer.resnet_type import equivalent_type
from bag_of_transfer.transfer.tensor_file import read_shapes

BUILT, NEVER = "built", "lacks something else"
# What a refusal is counted by: the words that name an argument, an operator, other tensors.
REASONS = (r"does not take \w+", r"mmcv operator '\w+'", "normalises by GN", "tensors do not fit")
NO_LAYERS = ("data_preprocessor", "train_cfg", "test_cfg", "num_classes", "init_cfg")


def stock_names(library: str) -> Iterator[str]:
    root = config_path(f"{library}::")
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root)
        if "_base_" not in name.parts:
            yield f"{library}::{name.as_posix()}"


def has_resnet(cfg: Config) -> bool:
    backbone = (cfg.get("model") or {}).get("backbone") or {}
    return "type" in backbone and equivalent_type(backbone) is not None


def outcome(cfg: Config, choice: Path | str, known: dict[str, str] | None = None) -> str:
    """Put the backbone in, build the whole network without memory, and return the outcome.

    Args:
        cfg: A stock config; changed.
        choice: A backbone file or ``"scratch"``.
        known: Outcomes of networks with the same layers; this function adds to them.
    """
    known = {} if known is None else known
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        try:
            apply_backbone(cfg, choice, set())
            replace_sync_bn(cfg)
        except UserError as error:
            return _reason(error)
        key = json.dumps([cfg.default_scope, _layers(cfg.model)], sort_keys=True, default=str)
        if key not in known:
            known[key] = _tried(cfg, choice)
    return known[key]


def _tried(cfg: Config, choice: Path | str) -> str:
    try:
        network = network_of_shapes(cfg.model)
        _compare_with(network, choice)
        try_network(network, in_channels=3)
    except UserError as error:
        return _reason(error)
    except Exception:  # no backbone changes that: classes, files or packages that are not there
        return NEVER
    return BUILT


def _reason(error: UserError) -> str:
    match = re.search("|".join(REASONS), str(error))
    return match[0] if match else str(error)


def _layers(node: Any) -> Any:
    """Return a model's config without settings that change no layer's input."""
    if isinstance(node, Mapping):
        return {key: _layers(child) for key, child in node.items() if key not in NO_LAYERS}
    return [_layers(child) for child in node] if isinstance(node, list | tuple) else node


def _compare_with(network: object, choice: Path | str) -> None:
    if choice == "scratch":
        return
    tensors = {}
    for part in parts_of(network):
        tensors.update(part.state_dict() if part is not None else {})
    comparison = compare(shapes_of(tensors), read_shapes(choice))
    if not comparison.fits:
        raise UserError("tensors do not fit", choice, str(comparison))


def read_stock(name: str) -> Config:
    return read_config(config_path(name), import_named=False)
