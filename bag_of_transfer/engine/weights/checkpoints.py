"""Read checkpoints without running code, and find the one to resume from after a crash.

mmengine 0.10.12 reads weights only, but unpickles any file that this refuses.
``process_setup.prepare_process`` ends that for every local file.
"""

import math
import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.logging import print_log
from torch import nn

from bag_of_transfer.engine.arguments import check_checkpoint
from bag_of_transfer.engine.errors import RefusedError, UserError, without_colons
from bag_of_transfer.engine.log_file import warn
from bag_of_transfer.engine.manifest import check_hash, tell_unchecked
from bag_of_transfer.engine.numbers import is_whole
from bag_of_transfer.engine.run_files import LAST_CHECKPOINT, follow_pointer, position_of
from bag_of_transfer.engine.weights.checkpoint_hook import OUTDATED
from bag_of_transfer.engine.weights.finite import refuse_non_finite
from bag_of_transfer.engine.weights.pickle_outline import read_outline, refusal, refuse_bomb
from bag_of_transfer.engine.weights.plain_records import STAND_INS
from bag_of_transfer.engine.weights.stand_ins import resolve
from bag_of_transfer.engine.weights.weight_containers import find_weights
from bag_of_transfer.engine.weights.weight_files import (
    is_safetensors,
    kind_of,
    refuse_shard,
    refuse_swollen,
)

__all__ = [
    "check_resumable",
    "find_resumable",
    "load_checkpoint",
    "load_for_mmengine",
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
        UserError: If the file is missing, damaged or not a checkpoint, would run code when read,
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
    """Return the weights, see :func:`find_weights`; log where they were and what was not read.

    Raises:
        UserError: If there are no weights, or several sets of them, or one holds NaN or infinity.
    """
    weights = find_weights(checkpoint, where)
    refuse_non_finite(weights.tensors, where)
    if weights.unread or weights.container not in ("state_dict", ""):
        print_log(f"{where}: {weights}", logger="current")
    return weights.tensors


def misfits(network: nn.Module, state: Mapping[str, torch.Tensor]) -> list[str]:
    """Return the names of tensors that only one of the two has, or that differ in shape."""
    ours = network.state_dict()
    return sorted(
        key
        for key in ours.keys() | state.keys()
        if key not in ours or key not in state or ours[key].shape != state[key].shape
    )


def refuse_misfits(network: nn.Module, state: Mapping[str, torch.Tensor], path: Path) -> None:
    """Check that every tensor fits; mmengine would warn, and train on from layers left random.

    Raises:
        UserError: If a tensor is missing, left over or of another shape.
    """
    wrong = misfits(network, state)
    if wrong:
        raise UserError(
            f"{len(wrong)} of {len(network.state_dict())} tensors do not fit, first {wrong[0]}",
            path,
            "use a checkpoint of this config (same type, depth, widths and classes)",
        )


def find_resumable(work_dir: str | Path) -> Path | None:
    """Return the newest checkpoint that training can resume from; None if there are none at all.

    The one that ``last_checkpoint`` names is tried first, then the older ones; a warning says
    what is wrong with each one that is skipped.

    Raises:
        RefusedError: If there are checkpoints but none can be used: starting again would
            overwrite them.
    """
    candidates = _candidates(Path(work_dir))
    for path in candidates:
        try:
            check_resumable(path)
        except UserError as error:
            warn(f"cannot resume from {path.name}: {error}")
        else:
            return path
    if any(path.exists() for path in candidates):
        raise RefusedError(
            f"none of {len(candidates)} checkpoints can be resumed",
            work_dir,
            "move them away to start again, or name one by --resume PATH",
        )
    return None


def _candidates(work_dir: Path) -> list[Path]:
    """Return the checkpoints, newest first by their names (a copy has a new time)."""
    pointer = work_dir / LAST_CHECKPOINT
    named = follow_pointer(pointer) if pointer.is_file() else None
    folder = work_dir if named is None or not named.parent.is_dir() else named.parent
    positions = {path: position_of(path) for path in folder.glob("*.pth")}
    found = {path: position for path, position in positions.items() if position}
    files = sorted(found, key=lambda path: found[path], reverse=True)
    if named is None:
        return files
    # Files of later positions than the named one's belong to another, longer run.
    newest = position_of(named) or (math.inf, math.inf)
    return [named, *(path for path in files if found[path] < newest)]


def check_resumable(path: Path) -> dict[str, Any]:
    """Read a checkpoint and check that training can resume from it.

    Returns:
        Its ``meta``: ``epoch`` and ``iter`` that were trained, and what else mmengine wrote.

    Raises:
        UserError: As :func:`load_checkpoint`, or if the file holds only weights, or a state that
            mmengine cannot resume from, or NaN or infinity in what a run goes on with.
    """
    checkpoint = load_checkpoint(path)
    meta = meta_of(checkpoint)
    counts = (meta.get("epoch"), meta.get("iter", 0))
    if not all(isinstance(count, int) for count in counts) or "message_hub" not in checkpoint:
        what = "weights alone, without the state of a run"
        raise UserError(what, path, "give it as load_from instead")
    if damaged := _damaged_state(checkpoint):
        mend = "resume from another checkpoint, or give it as load_from instead"
        raise UserError(f"the state of the run is damaged ({damaged})", path, mend)
    refuse_non_finite(_state_of_run(checkpoint), path)
    return meta


def _state_of_run(checkpoint: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Return weights, averages and the optimizer's state by dotted names."""
    parts = [(part, checkpoint.get(part)) for part in ("state_dict", "ema_state_dict", "optimizer")]
    tensors: dict[str, torch.Tensor] = {}
    seen: set[int] = set()
    for name, value in parts:  # grows while it is walked; a file may hold a dict in itself
        if isinstance(value, torch.Tensor):
            tensors[name.removeprefix("state_dict.")] = value
        elif isinstance(value, Mapping) and id(value) not in seen:
            seen.add(id(value))
            parts += [(f"{name}.{key}", inner) for key, inner in value.items()]
    return tensors


def _damaged_state(checkpoint: Mapping[str, Any]) -> str:
    """Return the name of a part that is not the state of a run; empty if all parts are sound."""
    hub = checkpoint["message_hub"]
    if not isinstance(hub, Mapping) or not all(isinstance(hub.get(p), Mapping) for p in HUB):
        return "message_hub"
    for key in ("keep_ckpt_ids", OUTDATED):  # files with these numbers are deleted
        numbers = hub["runtime_info"].get(key, [])
        if not isinstance(numbers, list) or not all(is_whole(number) for number in numbers):
            return key
    return "" if _is_state_of_optimizers(checkpoint.get("optimizer", {})) else "optimizer"


def _is_state_of_optimizers(state: Any) -> bool:
    if not isinstance(state, Mapping):
        return False
    # One optimizer's state, or a dict of several by their names.
    states = [state] if "param_groups" in state else state.values()
    return all(isinstance(s, Mapping) and _are_groups(s.get("param_groups")) for s in states)


def _are_groups(groups: Any) -> bool:
    return isinstance(groups, list) and all(
        isinstance(group, Mapping) and not any(isinstance(v, Mapping) for v in group.values())
        for group in groups
    )


def meta_of(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """Return the checkpoint's ``meta``, which describes its run; empty if that is not a dict."""
    meta = checkpoint.get("meta")
    return meta if isinstance(meta, dict) else {}


# ---- reading ----


def _read_weights_only(path: Path, map_location: Any) -> dict[str, Any]:
    if path.is_dir():
        kind = kind_of(path)
        raise UserError(kind.name if kind else "a folder", path, kind.mend if kind else "")
    check_checkpoint(path)
    refuse_shard(path)
    is_checked = check_hash(path)
    allowed: list[Any] = [(stand_in, name) for name, stand_in in STAND_INS.items()]
    try:
        refuse_swollen(path)
        refuse_bomb(path)
        with warnings.catch_warnings(), torch.serialization.safe_globals(allowed):
            warnings.simplefilter("ignore")  # about protocols and archives: the error says it
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
    if not is_checked and "message_hub" in checkpoint:
        tell_unchecked(path)
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
            "a checkpoint of another pickle protocol than torch.save uses",
            path,
            "if you trust it, save it again in Python, "
            "torch.save(torch.load('FILE', weights_only=False), 'NEW.pth')",
        )
    # When unpickling fails, torch's first line is about versions of torch.
    reason = "" if isinstance(error, pickle.UnpicklingError) else str(error).strip().split("\n")[0]
    reason = without_colons(reason)
    reason = f" ({reason[:100]})" if reason else ""
    return UserError(
        f"damaged, truncated or not a checkpoint{reason}", path, "copy it again or use another"
    )


def load_from_local_weights_only(filename: str, map_location: Any) -> dict[str, Any]:
    """Read a local file for mmengine (resume, load_from, Pretrained), without running code."""
    checkpoint = _read_weights_only(Path(filename).expanduser(), map_location)
    # Files of mmcv 1.x and mm* 2.x carry it; Runner.resume would execute it.
    meta_of(checkpoint).pop("config", None)
    return checkpoint


def load_for_mmengine(filename: str, map_location: Any) -> dict[str, Any]:
    """Read a file and put its weights under the key where mmengine looks for them."""
    checkpoint = load_from_local_weights_only(filename, map_location)
    if "state_dict" not in checkpoint:
        return {**checkpoint, "state_dict": state_dict_of(checkpoint, filename)}
    refuse_non_finite(_state_of_run({"state_dict": checkpoint["state_dict"]}), filename)
    return checkpoint
