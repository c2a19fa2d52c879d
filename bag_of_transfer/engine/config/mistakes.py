"""Tell a mistake in the config from an internal failure.

An error is the user's if it is raised while a part that the config names is built, or by a library
while it computes with such a part in the first step.  All other errors stay as they are, and end
with exit code 1: a bug of ours, or in a module that the user wrote.
"""

import contextlib
import re
import sys
import traceback
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from types import FrameType
from typing import Any

import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.registry import build_functions
from torch import nn

from bag_of_transfer.engine.config.config_vocabulary import (
    find_callables,
    known_names,
    parameter_names,
)
from bag_of_transfer.engine.config_nodes import dicts_with
from bag_of_transfer.engine.errors import UserError, as_user_error, mistake_in, worker_message
from bag_of_transfer.engine.tasks import default_scope

__all__ = [
    "building",
    "computing_mistake",
    "late_building_mistake",
    "memory_is_full",
    "out_of_memory",
]

LIBRARIES = frozenset(
    ("torch", "torchvision", "mmengine", "mmcv", "mmdet", "mmseg", "timm", "numpy", "cv2", "PIL")
)
DEBUG = "--debug shows where"
# In small letters.  Where memory is short, cuDNN's engines fail in turn, and torch says only
# that it found none.
NO_MEMORY = (
    *("out of memory", "can't allocate memory", "_status_alloc_failed"),
    "unable to find an engine to execute this computation",
)


@contextlib.contextmanager
def building(key: str, cfg: Config) -> Iterator[None]:
    """Turn an error while building a part of the config into one line: key, class and reason.

    Args:
        key: Key of the part that is built; the line names a key below it if the error tells.
        cfg: The whole config.

    Raises:
        UserError: In place of the error.
    """
    try:
        yield
    except Exception as error:
        if mistake_in(error) or as_user_error(error):
            raise
        mistake = out_of_memory(error) or _building_mistake(error, key, dict(cfg.items()))
        if mistake is None:
            raise
        raise mistake from error


def late_building_mistake(error: Exception, cfg: Config) -> UserError | None:
    """Return the mistake if a part is built after the Runner and fails: of a hook, an init_cfg.

    Returns:
        The mistake; None if no builder raised the error.
    """
    if not any(map(_builds, _frames(error))):
        return None
    return _building_mistake(error, "the config", dict(cfg.items()))


def computing_mistake(error: BaseException, network: nn.Module) -> UserError | None:
    """Return the mistake with the name of the module, or of the transform, whose call failed.

    Returns:
        The mistake; None if no library raised the error, or no such part was computing.
    """
    worker = worker_message(error)
    if worker:
        from_library = _is_library_file(_last_file(str(error)))
        return _pipeline_mistake(worker, "") if from_library else None
    frames = _frames(error)
    if not _raised_by_library(frames):
        return None
    what = _description(error)
    names = {id(module): name for name, module in network.named_modules() if name}
    owners = [frame.f_locals.get("self") for frame in reversed(frames)]
    for owner in owners:
        if isinstance(owner, nn.Module) and id(owner) in names:
            where = f"model.{names[id(owner)]} ({type(owner).__name__})"
            mend = f"make its arguments, such as in_channels, fit its inputs; {DEBUG}"
            return UserError(what, where, mend)
    wrapper = next((owner for owner in owners if isinstance(owner, OptimWrapper)), None)
    if wrapper:
        where = f"optim_wrapper ({type(wrapper).__name__})"
        return UserError(what, where, f"mend its arguments; {DEBUG}")
    transform = next((owner for owner in owners if "transform" in type(owner).__module__), None)
    return _pipeline_mistake(what, f" ({type(transform).__name__})") if transform else None


def memory_is_full(error: BaseException) -> bool:
    """Return whether an error says that the memory of the device, or of the machine, is full."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(part in text for part in NO_MEMORY)


def out_of_memory(error: BaseException) -> UserError | None:
    """Return what to do if the memory of the device, or of the machine, is full."""
    if not memory_is_full(error):
        return None
    lines = str(error).strip().splitlines()
    mend = "make batch_size smaller (and accumulative_counts larger), or the images smaller"
    return UserError(
        f"out of memory ({_clean(lines[0])})" if lines else "out of memory",
        "train_dataloader.batch_size",
        mend,
    )


# ---- building ----


def _building_mistake(error: Exception, key: str, cfg: Mapping[str, Any]) -> UserError | None:
    frames = _frames(error)
    site = next((frame for frame in reversed(frames) if _builds(frame)), None)
    if site is None:
        unknown = _unknown_type(cfg, key)
        if unknown:
            return unknown
        return _other(error, key) if _raised_by_library(frames) else None
    node = site.f_locals.get("cfg") or {}
    target = site.f_locals.get("obj_cls") or site.f_locals.get("scheduler_cls")
    where = _path_of(node, cfg) or key
    if target is None:
        kind = node.get("type") if isinstance(node, Mapping) else None
        return _unregistered(kind, where, cfg) if isinstance(kind, str) else _other(error, where)
    name = getattr(target, "__name__", str(target))
    if isinstance(error, TypeError) and frames[-1] is site:  # the call itself
        names = ", ".join(sorted(parameter_names(target)))
        return UserError(_clean(str(error)), f"{where} ({name})", f"it takes {names}")
    return _other(error, f"{where} ({name})")


def _builds(frame: FrameType) -> bool:
    names = ("build_from_cfg", "build_scheduler_from_cfg")
    return frame.f_globals is vars(build_functions) and frame.f_code.co_name in names


def _other(error: Exception, where: str) -> UserError:
    what = str(error).strip().split("\n")[0].rstrip(".")
    if not what or not isinstance(error, ValueError):  # a ValueError says what is wrong by itself
        what = _description(error)
    return UserError(what, where, f"mend the argument that is named; {DEBUG}")


def _unregistered(kind: str, where: str, cfg: Mapping[str, Any]) -> UserError:
    near = get_close_matches(kind, known_names(default_scope(cfg)), 1)
    mend = f"did you mean `{near[0]}`?" if near else "add its module to custom_imports"
    return UserError(f"no class is registered as `{kind}`", where, mend)


def _unknown_type(cfg: Mapping[str, Any], key: str) -> UserError | None:
    """Return the mistake of an unknown type: some builders look it up themselves and get None."""
    scope = default_scope(cfg)
    for where, node in dicts_with("type", cfg.get(key), key):
        if isinstance(node.get("type"), str) and not find_callables(node["type"], scope):
            return _unregistered(node["type"], where, cfg)
    return None


def _path_of(node: Any, cfg: Mapping[str, Any]) -> str | None:
    """Return the key of a node; the builder has a copy, in which entries may differ."""
    if not isinstance(node, Mapping):
        return None
    typed = dicts_with("type", cfg)
    alike = [(path, other) for path, other in typed if other["type"] == node.get("type")]
    return max(alike, key=lambda pair: _in_common(pair[1], node), default=(None, None))[0]


def _in_common(first: Mapping[str, Any], second: Mapping[str, Any]) -> int:
    shared = sum(key in second and repr(second[key]) == repr(v) for key, v in first.items())
    return shared - len(first.keys() ^ second.keys())


# ---- reading an error ----


def _frames(error: BaseException) -> list[FrameType]:
    return [frame for frame, _ in traceback.walk_tb(error.__traceback__)]


def _raised_by_library(frames: list[FrameType]) -> bool:
    """Return whether a library raised it, perhaps through Python's own modules."""
    packages = [str(frame.f_globals.get("__name__")).split(".")[0] for frame in reversed(frames)]
    raising = next((name for name in packages if name not in sys.stdlib_module_names), "")
    return raising in LIBRARIES


def _is_library_file(file: str) -> bool:
    return bool(LIBRARIES & set(re.split(r"[/\\]", file)))


def _last_file(text: str) -> str:
    return (re.findall(r'File "([^"]+)"', text) or [""])[-1]


def _description(error: BaseException) -> str:
    text = str(error).strip().split("\n")[0]
    if not text:  # an assertion without a message: at least its source line says something
        text = traceback.extract_tb(error.__traceback__)[-1].line or ""
    return f"{type(error).__name__}, {_clean(text)}"


def _clean(text: str) -> str:
    """Return a text without ": ", which separates the parts of an error's line."""
    return text.replace(": ", ", ").strip().rstrip(".")[:300]


def _pipeline_mistake(what: str, transform: str) -> UserError:
    where = f"train_dataloader.dataset.pipeline{transform}"
    return UserError(_clean(what), where, f"mend the transforms or their order; {DEBUG}")
