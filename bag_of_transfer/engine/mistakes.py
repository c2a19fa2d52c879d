"""Where a mistake in the config ends and an internal failure begins.

The border: an error is the user's if it is raised while a part that the config names is built, or
by a library while it computes with such a part in the first step.  All others stay as they are,
and end with exit code 1: a bug of ours, or of a module that the user wrote.
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

from bag_of_transfer.engine.config_nodes import dicts_with
from bag_of_transfer.engine.config_vocabulary import find_callables, known_names, parameter_names
from bag_of_transfer.engine.errors import UserError, as_user_error, mistake_in, worker_message

__all__ = ["building", "computing_mistake", "late_building_mistake", "out_of_memory"]

LIBRARIES = frozenset(
    ("torch", "torchvision", "mmengine", "mmcv", "mmdet", "mmseg", "timm", "numpy", "cv2", "PIL")
)
DEBUG = "--debug shows where"
NO_MEMORY = ("out of memory", "can't allocate memory")


@contextlib.contextmanager
def building(key: str, cfg: Config) -> Iterator[None]:
    """Tell what cannot be built from the config in one line: the key, the class and why.

    Args:
        key: What is built; more exact if the error tells which part of it.
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
    """Tell what could not be built after the Runner was: a part of a hook, an init_cfg.

    Returns:
        None if it was not a builder that raised.
    """
    if not any(map(_builds, _frames(error))):
        return None
    return _building_mistake(error, "the config", dict(cfg.items()))


def computing_mistake(error: BaseException, network: nn.Module) -> UserError | None:
    """Name the module of ``network``, or the transform, whose library call failed.

    Returns:
        None if it was not a library that raised, or none of them was computing.
    """
    worker = worker_message(error)
    if worker:
        from_library = _is_library_file(_last_file(str(error)))
        return _pipeline_mistake(worker, "") if from_library else None
    frames = _frames(error)
    if not _raised_by_library(frames):
        return None
    told = _told(error)
    names = {id(module): name for name, module in network.named_modules() if name}
    owners = [frame.f_locals.get("self") for frame in reversed(frames)]
    for owner in owners:
        if isinstance(owner, nn.Module) and id(owner) in names:
            where = f"model.{names[id(owner)]} ({type(owner).__name__})"
            mend = f"its arguments (in_channels, say) must fit what it is given; {DEBUG}"
            return UserError(told, where, mend)
    wrapper = next((one for one in owners if isinstance(one, OptimWrapper)), None)
    if wrapper:
        return UserError(told, f"optim_wrapper ({type(wrapper).__name__})", f"mend it; {DEBUG}")
    transform = next((one for one in owners if "transform" in type(one).__module__), None)
    return _pipeline_mistake(told, f" ({type(transform).__name__})") if transform else None


def out_of_memory(error: BaseException) -> UserError | None:
    """Say what to do where the memory of the device, or of the machine, is full."""
    text = str(error).lower()
    full = isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(part in text for part in NO_MEMORY)
    )
    if not full:
        return None
    lines = str(error).strip().splitlines()
    mend = "make batch_size smaller (accumulative_counts keeps the batch), or the images"
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
    told = str(error).strip().split("\n")[0].rstrip(".")
    if not told or not isinstance(error, ValueError):  # it says what is wrong with a value
        told = _told(error)
    return UserError(told, where, f"mend the argument it names; {DEBUG}")


def _unregistered(kind: str, where: str, cfg: Mapping[str, Any]) -> UserError:
    near = get_close_matches(kind, known_names(cfg.get("default_scope") or "mmengine"), 1)
    mend = f"did you mean `{near[0]}`?" if near else "add its module to custom_imports"
    return UserError(f"no class is registered as `{kind}`", where, mend)


def _unknown_type(cfg: Mapping[str, Any], key: str) -> UserError | None:
    """Some builders look a class up by themselves, and fail on None."""
    scope = cfg.get("default_scope") or "mmengine"
    for where, node in dicts_with("type", cfg.get(key), key):
        if isinstance(node.get("type"), str) and not find_callables(node["type"], scope):
            return _unregistered(node["type"], where, cfg)
    return None


def _path_of(node: Any, cfg: Mapping[str, Any]) -> str | None:
    """Find a node of which a builder got a copy, perhaps with entries more or less."""
    if not isinstance(node, Mapping):
        return None
    typed = dicts_with("type", cfg)
    alike = [(path, one) for path, one in typed if one["type"] == node.get("type")]
    return max(alike, key=lambda found: _in_common(found[1], node), default=(None, None))[0]


def _in_common(one: Mapping[str, Any], other: Mapping[str, Any]) -> int:
    shared = sum(key in other and repr(other[key]) == repr(value) for key, value in one.items())
    return shared - len(one.keys() ^ other.keys())


# ---- what an error tells ----


def _frames(error: BaseException) -> list[FrameType]:
    return [frame for frame, _ in traceback.walk_tb(error.__traceback__)]


def _raised_by_library(frames: list[FrameType]) -> bool:
    """Whether a library raised it, perhaps in a call of Python's own modules."""
    packages = [str(frame.f_globals.get("__name__")).split(".")[0] for frame in reversed(frames)]
    return next((one for one in packages if one not in sys.stdlib_module_names), "") in LIBRARIES


def _is_library_file(file: str) -> bool:
    return bool(LIBRARIES & set(re.split(r"[/\\]", file)))


def _last_file(text: str) -> str:
    return (re.findall(r'File "([^"]+)"', text) or [""])[-1]


def _told(error: BaseException) -> str:
    text = str(error).strip().split("\n")[0]
    if not text:  # an assertion without words: its source line says more than nothing
        text = traceback.extract_tb(error.__traceback__)[-1].line or ""
    return f"{type(error).__name__}, {_clean(text)}"


def _clean(text: str) -> str:
    """A colon and a space separate the parts of an error's line."""
    return text.replace(": ", ", ").strip().rstrip(".")[:300]


def _pipeline_mistake(told: str, transform: str) -> UserError:
    where = f"train_dataloader.dataset.pipeline{transform}"
    return UserError(_clean(told), where, f"mend the transforms or their order; {DEBUG}")
