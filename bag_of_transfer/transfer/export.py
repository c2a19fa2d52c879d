"""Write the backbone of a classifier's checkpoint as a backbone file with its card."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bag_of_transfer.engine.config.described import read_description
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.file_hash import sha256_of
from bag_of_transfer.engine.run_files import (
    LINE_RULES,
    METRICS,
    follow_pointer,
    read_curve,
    read_metrics,
    read_tricks,
)
from bag_of_transfer.engine.weights.checkpoints import (
    load_checkpoint,
    meta_of,
    state_dict_of,
)
from bag_of_transfer.transfer.backbone_card import Card
from bag_of_transfer.transfer.card_writing import check_target, write_with_card
from bag_of_transfer.transfer.network_fields import network_fields
from bag_of_transfer.transfer.network_shapes import is_counter

__all__ = ["export_backbone"]

PREFIX = "backbone."
DAMAGED = "it is a record of the training: copy it again, or remove it"


def export_backbone(
    checkpoint_path: str | Path,
    out: str | Path,
    *,
    ema: bool = False,
    channel_order: str | None = None,
    force: bool = False,
) -> Card:
    """Write the backbone of a classifier's checkpoint to ``out``, and its card beside it.

    Args:
        checkpoint_path: A checkpoint of ``tools/train_cls.py``, or its ``last_checkpoint``;
            ``tricks.json``, ``metrics.json`` and ``curve.jsonl`` beside it go into the card.
        out: ``OUT.safetensors``; the card becomes ``OUT.json``.
        ema: Refuse a checkpoint without averaged weights.  mmengine's EMAHook stores them under
            ``state_dict``, so they are taken from there without this flag, too.
        channel_order: ``"RGB"`` or ``"BGR"``, what the network reads, if the checkpoint does not
            say it.
        force: Replace ``out`` if it exists.

    Raises:
        UserError: If the checkpoint cannot be read, holds neither one of our ResNets nor a
            TimmNetwork under ``backbone.``, or doesn't say how its images are normalised, or if
            it says another order of channels than ``channel_order``.
        RefusedError: If ``out`` or its card exists and ``force`` is not given.
    """
    checkpoint_path, out = follow_pointer(checkpoint_path), Path(out)
    check_target(out, force)
    checkpoint = load_checkpoint(checkpoint_path)
    tensors = _backbone_tensors(_branch(checkpoint, checkpoint_path, ema), checkpoint_path)
    model = _described_model(checkpoint, checkpoint_path)
    told = meta_of(checkpoint).get("channel_order") or channel_order
    fields = {
        **network_fields(tensors, model, checkpoint_path, told),
        **_history(checkpoint, checkpoint_path),
    }
    known = fields["channel_order"]
    if channel_order not in (None, known):
        what = f"the checkpoint's network reads {known}"
        raise UserError(what, f"--channel-order {channel_order}", "leave --channel-order out")
    return write_with_card(out, tensors, fields)


def _branch(checkpoint: dict[str, Any], path: Path, ema: bool) -> dict[str, Tensor]:
    if not ema or "ema_state_dict" in checkpoint:
        # EMAHook swaps when it saves: state_dict holds the averages, its own branch the others.
        return state_dict_of(checkpoint, path)
    if isinstance(checkpoint.get("state_dict_ema"), Mapping):  # timm's
        return state_dict_of(checkpoint["state_dict_ema"], path)
    raise UserError("the checkpoint holds no averaged weights", path, "leave --ema out")


def _backbone_tensors(state: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    tensors = {
        name.removeprefix(PREFIX): tensor.detach().to(torch.float32).contiguous().clone()
        for name, tensor in state.items()
        if name.startswith(PREFIX) and not is_counter(name)
    }
    if not tensors:
        raise UserError(
            f"no tensor's name begins with {PREFIX!r}, the first is {next(iter(state))}",
            path,
            "give a checkpoint of tools/train_cls.py",
        )
    return tensors


def _described_model(checkpoint: dict[str, Any], path: Path) -> dict[str, Any]:
    model = read_description(meta_of(checkpoint), path)
    if model is None or not isinstance(model.get("backbone"), dict):
        raise UserError(
            "the checkpoint doesn't describe its network (meta['model_json'])",
            path,
            "give a checkpoint that tools/train_cls.py wrote",
        )
    return model


def _history(checkpoint: dict[str, Any], path: Path) -> dict[str, Any]:
    meta = meta_of(checkpoint)
    digest = sha256_of(path)
    return {
        "tricks": read_tricks(path.parent, DAMAGED),
        "dataset": meta.get("dataset") or "unknown",
        "metrics": _metrics(path, digest, meta.get("iter")),
        "seed": meta.get("seed"),
        "epochs": meta.get("epoch"),
        "source": f"{path.parent.name}/{path.name} sha256 {digest}",
    }


def _metrics(path: Path, digest: str, iteration: int | None) -> dict[str, float]:
    """Return the metrics of exactly this checkpoint; {} if the files have none.

    A line of the curve belongs to it if both are of one iteration: an epoch has many checkpoints.
    """
    run = path.parent
    record = read_metrics(run, DAMAGED) if (run / METRICS).is_file() else {}
    if record.get("checkpoint_sha256") == digest:
        metrics = record.get("metrics") or {}
        return _finite(metrics) if isinstance(metrics, dict) else metrics
    for line in read_curve(run, DAMAGED, cut_short=True):
        if iteration is not None and line.get("iter") == iteration:
            line = {name: value for name, value in line.items() if name not in LINE_RULES}
            return _finite(line)
    return {}


def _finite(metrics: dict[str, Any]) -> dict[str, Any]:
    """Return metrics without null and NaN, which a class without images has."""
    return {
        name: value
        for name, value in metrics.items()
        if value is not None and not (isinstance(value, float) and math.isnan(value))
    }
