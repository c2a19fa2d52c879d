"""Checkpoints that run no code when read, and which one to go on from after a crash.

mmengine 0.10.12 reads weights only, but falls back to unpickling anything that this refuses.
Importing this module ends that for every local file, and registers ``SafeCheckpointHook``.
"""

import logging
import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.runner import CheckpointLoader
from torch import nn

from bag_of_transfer.engine.checkpoint_hook import SafeCheckpointHook
from bag_of_transfer.engine.errors import RefusedError, UserError, without_colons
from bag_of_transfer.engine.numbers import is_whole
from bag_of_transfer.engine.pickle_outline import read_outline, refusal
from bag_of_transfer.engine.plain_records import STAND_INS
from bag_of_transfer.engine.run_files import LAST_CHECKPOINT, follow_pointer
from bag_of_transfer.engine.stand_ins import resolve
from bag_of_transfer.engine.weight_containers import find_weights
from bag_of_transfer.engine.weight_files import (
    is_safetensors,
    kind_of,
    refuse_shard,
    refuse_swollen,
)

__all__ = [
    "SafeCheckpointHook",
    "check_resumable",
    "find_resumable",
    "load_checkpoint",
    "meta_of",
    "misfits",
    "refuse_misfits",
    "state_dict_of",
]

HUB = ("log_scalars", "runtime_info", "resumed_keys")  # parts of mmengine's message hub


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU: tensors and plain values, never code.

    ``path`` may be the ``last_checkpoint`` of a run.

    Args:
        path: A ``.pth``, or the ``last_checkpoint`` that points to one.

    Raises:
        UserError: If the file is missing, damaged or no checkpoint, would run code when read,
            or carries a config that mmengine would execute on resuming.
    """
    path = follow_pointer(path)
    checkpoint = _read_weights_only(path, "cpu")
    if "config" in meta_of(checkpoint):
        raise UserError(
            "the checkpoint carries a config as program text (meta['config'])",
            path,
            "resuming would execute it; use a checkpoint that tools/train*.py wrote",
        )
    return checkpoint


def state_dict_of(
    checkpoint: Mapping[str, Any], where: object = "checkpoint"
) -> dict[str, torch.Tensor]:
    """Find the weights, see :func:`find_weights`; say where, and what else was not read.

    Raises:
        UserError: If there are none, or several.
    """
    found = find_weights(checkpoint, where)
    if found.unread or found.container not in ("state_dict", ""):
        print_log(f"{where}: {found}", logger="current")
    return found.tensors


def misfits(network: nn.Module, state: Mapping[str, torch.Tensor]) -> list[str]:
    """Name the tensors that only one of both has, or that differ in shape."""
    own = network.state_dict()
    return sorted(
        key
        for key in own.keys() | state.keys()
        if key not in own or key not in state or own[key].shape != state[key].shape
    )


def refuse_misfits(network: nn.Module, state: Mapping[str, torch.Tensor], path: Path) -> None:
    """Stop before mmengine loads in part, with a warning, and trains on from random layers.

    Raises:
        UserError: If not every tensor of both fits.
    """
    wrong = misfits(network, state)
    if wrong:
        raise UserError(
            f"{len(wrong)} of {len(network.state_dict())} tensors do not fit, first {wrong[0]}",
            path,
            "use a checkpoint of this config (same type, depth, widths and classes)",
        )


def find_resumable(work_dir: str | Path) -> Path | None:
    """Find the newest checkpoint that training can go on from; None if there is none at all.

    The one that ``last_checkpoint`` names is tried first, then the older ones; a warning tells
    what is wrong with each one that is skipped.

    Raises:
        RefusedError: If there are checkpoints and none can be used: to start again would
            overwrite them.
    """
    candidates = _candidates(Path(work_dir))
    for path in candidates:
        try:
            check_resumable(path)
        except UserError as error:
            print_log(f"cannot resume from {path.name}: {error}", "current", logging.WARNING)
        else:
            return path
    if candidates:
        raise RefusedError(
            f"none of {len(candidates)} checkpoints can be resumed",
            work_dir,
            "move them away to start again, or name one by --resume PATH",
        )
    return None


def _candidates(work_dir: Path) -> list[Path]:
    """Newest first; the number in ``epoch_12.pth`` tells the age (a copy changes the time)."""
    pointer = work_dir / LAST_CHECKPOINT
    named = follow_pointer(pointer) if pointer.is_file() else None
    folder = work_dir if named is None or not named.parent.is_dir() else named.parent
    files = [path for path in folder.glob("*.pth") if re.fullmatch(r"(epoch|iter)_\d+", path.stem)]
    files.sort(key=_number, reverse=True)
    if named is None:
        return files
    # Higher numbers than the named one are another, longer run's.
    return [named, *(path for path in files if _number(path) < _number(named))]


def _number(path: Path) -> float:
    digits = re.search(r"_(\d+)$", path.stem)
    return int(digits[1]) if digits else float("inf")


def check_resumable(path: Path) -> dict[str, Any]:
    """Read a checkpoint to go on from.

    Returns:
        Its ``meta``: ``epoch`` and ``iter`` that were trained, and what else mmengine wrote.

    Raises:
        UserError: As :func:`load_checkpoint`, or if the file holds weights alone, or a state that
            mmengine cannot take up.
    """
    checkpoint = load_checkpoint(path)
    meta = meta_of(checkpoint)
    counts = (meta.get("epoch"), meta.get("iter", 0))
    if not all(isinstance(count, int) for count in counts) or "message_hub" not in checkpoint:
        raise UserError("weights alone, no state of a run", path, "give it as load_from instead")
    damaged = _damaged_state(checkpoint)
    if damaged:
        mend = "resume from another checkpoint, or give it as load_from instead"
        raise UserError(f"the state of the run is damaged ({damaged})", path, mend)
    return meta


def _damaged_state(checkpoint: Mapping[str, Any]) -> str:
    """Name a part that is no state of a run; empty where all are."""
    hub = checkpoint["message_hub"]
    if not isinstance(hub, Mapping) or not all(isinstance(hub.get(p), Mapping) for p in HUB):
        return "message_hub"
    kept = hub["runtime_info"].get("keep_ckpt_ids", [])
    # The files of these numbers are deleted when there are too many of them.
    if not isinstance(kept, list) or not all(is_whole(number) for number in kept):
        return "keep_ckpt_ids"
    return "" if _is_state_of_optimizers(checkpoint.get("optimizer", {})) else "optimizer"


def _is_state_of_optimizers(state: Any) -> bool:
    if not isinstance(state, Mapping):
        return False
    states = [state] if "param_groups" in state else state.values()  # several, by their names
    return all(isinstance(one, Mapping) and _are_groups(one.get("param_groups")) for one in states)


def _are_groups(groups: Any) -> bool:
    return isinstance(groups, list) and all(
        isinstance(group, Mapping) and not any(isinstance(v, Mapping) for v in group.values())
        for group in groups
    )


def meta_of(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a checkpoint says of its run; empty where it says nothing that is a dict."""
    meta = checkpoint.get("meta")
    return meta if isinstance(meta, dict) else {}


# ---- reading ----


def _read_weights_only(path: Path, map_location: Any) -> dict[str, Any]:
    if path.is_dir():
        kind = kind_of(path)
        raise UserError(kind.name if kind else "a folder", path, kind.mend if kind else "")
    if not path.is_file():
        raise UserError("no such checkpoint", path, "check the path; checkpoints end in .pth")
    refuse_shard(path)
    allowed: list[Any] = [(stand_in, name) for name, stand_in in STAND_INS.items()]
    try:
        refuse_swollen(path)
        with warnings.catch_warnings(), torch.serialization.safe_globals(allowed):
            warnings.simplefilter("ignore")  # about protocols and archives: said in the error
            checkpoint = torch.load(path, map_location=map_location, weights_only=True)
        checkpoint = resolve(checkpoint)
    except UserError:
        raise
    except Exception as error:  # broken bytes make torch raise nearly anything
        raise _unreadable(path, error) from error
    if not isinstance(checkpoint, dict):
        raise UserError(
            f"not a checkpoint but a {type(checkpoint).__name__}", path, "give a .pth of a run"
        )
    return checkpoint


def _unreadable(path: Path, error: Exception) -> UserError:
    if path.suffix == ".safetensors" and is_safetensors(path):
        return UserError("a backbone file, not a checkpoint", path, "give the .pth of a run")
    kind = kind_of(path)
    if kind:
        return UserError(kind.name, path, kind.mend)
    code = re.search(r"(GLOBAL|unrecognized function|unsupported class) ([\w.]+)", str(error))
    if code:
        return refusal(path, code[2])
    protocol = re.search(r"Unsupported operand (\d+)", str(error))
    if protocol and read_outline(path) is not None:
        return UserError(
            "a checkpoint of another pickle protocol than torch.save's own",
            path,
            "in Python, where you trust it, "
            "torch.save(torch.load('FILE', weights_only=False), 'NEW.pth')",
        )
    # torch's first line on unpickling is about its own versions.
    told = "" if isinstance(error, pickle.UnpicklingError) else str(error).strip().split("\n")[0]
    told = without_colons(told)
    told = f" ({told[:100]})" if told else ""
    return UserError(
        f"damaged, truncated or no checkpoint{told}", path, "copy it again or use another"
    )


def load_from_local_weights_only(filename: str, map_location: Any) -> dict[str, Any]:
    """Read a local file for mmengine (resume, load_from, Pretrained); see the module."""
    checkpoint = _read_weights_only(Path(filename).expanduser(), map_location)
    # Files of the 2.x era carry it; Runner.resume would execute it.
    meta_of(checkpoint).pop("config", None)
    return checkpoint


def _load_for_mmengine(filename: str, map_location: Any) -> dict[str, Any]:
    """Put the weights where mmengine looks for them: from elsewhere it would load nothing."""
    checkpoint = load_from_local_weights_only(filename, map_location)
    if "state_dict" not in checkpoint:
        checkpoint = {**checkpoint, "state_dict": state_dict_of(checkpoint, filename)}
    return checkpoint


CheckpointLoader.register_scheme("", _load_for_mmengine, force=True)
