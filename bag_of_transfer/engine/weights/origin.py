"""What a checkpoint's ``meta`` says of where its weights come from."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.runner import Runner

from bag_of_transfer.engine.bare_network import network_of
from bag_of_transfer.engine.recipe import ITERS_PER_EPOCH, RECIPE_PARTS, recipe_of
from bag_of_transfer.engine.weights.stored_config import stored_with

__all__ = ["as_plain", "origin_of"]


def origin_of(runner: Runner) -> dict[str, Any]:
    """Return classes, data set, backbone file, recipe, config, network and order of channels.

    The recipe is accompanied by the iterations per epoch, None where the loader has no length.
    """
    loader = runner.cfg.get("train_dataloader")
    dataset = (loader.get("dataset") or {}) if isinstance(loader, dict) else {}
    metainfo = getattr(runner.train_dataloader.dataset, "metainfo", None) or {}
    origin: dict[str, Any] = {
        "classes": [str(name) for name in metainfo.get("classes") or ()],
        "dataset": " ".join(str(dataset[key]) for key in ("type", "data_root") if dataset.get(key)),
        "backbone_sha256": (runner.cfg.get("backbone_file") or {}).get("sha256"),
    }
    # A Runner may be given built parts.
    if all(isinstance(runner.cfg.get(part), dict) for part in RECIPE_PARTS):
        origin |= {"recipe": recipe_of(runner.cfg), **stored_with(runner)}
        origin[ITERS_PER_EPOCH] = _length(runner.train_dataloader)
    if isinstance(runner.cfg.get("model"), dict):
        origin["model_json"] = json.dumps(as_plain(runner.cfg.model), default=str)
    preprocessor = getattr(network_of(runner.model), "data_preprocessor", None)
    order = getattr(preprocessor, "channel_order", None)
    if order is not None:  # its class may be the user's, which an export does not know
        origin["channel_order"] = str(order)
    return origin


def _length(loader: Any) -> int | None:
    try:
        return len(loader)
    except TypeError:  # its data set only yields
        return None


def as_plain(value: Any) -> Any:
    """Turn NumPy's numbers, paths and special dicts into types that weights-only loading takes."""
    if isinstance(value, Mapping):
        return {key: as_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(as_plain(item) for item in value)
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return str(value) if isinstance(value, Path) else value
