"""Which values of a config a run that goes on may change; ``recipe.py`` has those of the recipe.

The tables are those of docs/resuming.md.  What no table names must stay as it is.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.logging import print_log
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from bag_of_transfer.engine.config.config_vocabulary import known_children
from bag_of_transfer.engine.config_nodes import value_at
from bag_of_transfer.engine.errors import RefusedError
from bag_of_transfer.engine.json_file import parse_json
from bag_of_transfer.engine.loop.channels_last import KEY
from bag_of_transfer.engine.numbers import numbered
from bag_of_transfer.engine.own_files import is_ours
from bag_of_transfer.engine.recipe import (
    COMPARED,
    LOADING,
    TRAINING_HOOKS,
    Difference,
    class_difference,
    differences,
)
from bag_of_transfer.engine.weights.stored_config import stored_config, stored_with

__all__ = ["Changes", "changes", "data_changes", "refusal"]

SHOWN = 8  # changed values in one error; the log lists all
# What the tools set themselves in each call, or show with.
NOT_OF_A_RUN = ("experiment_name", "load_from", "resume", "log_level", "visualizer")
# Of several processes on CPUs: runs from before the Runner chose it have it in their config.
WRAPPER, UNUSED = "model_wrapper_cfg", "find_unused_parameters"
ON_CPUS = {"type": "MMDistributedDataParallel", "device_ids": None, "broadcast_buffers": False}
MUST_STAY = ("default_hooks.checkpoint.save_best", "default_hooks.checkpoint.rule")
MAY_CHANGE = (
    "non_finite*",  # no step was left out before the checkpoint, or the log says so
    *("work_dir", "launcher", "log_processor*", "custom_imports*", UNUSED),
    *("test_*", "tta_*"),  # for after the training
    *("train_cfg.val_interval", "train_cfg.val_begin", "train_cfg.dynamic_intervals*"),
    *(f"default_hooks.{name}*" for name in ("logger", "checkpoint", "timer", "visualization")),
    *("default_hooks.runtime_info*", "env_cfg.mp_cfg*", "env_cfg.dist_cfg*", "env_cfg.resource*"),
    *(*LOADING, "*.outfile_prefix", "*.output_dir"),
    *("backbone_file.path", "backbone_file.changed*", "auto_scale_lr*"),
)
# The same calculation in another order, or on another device.
ROUNDING = (
    *("env_cfg.cudnn_benchmark", "randomness.deterministic", "compile*", KEY),
    *("val_dataloader.batch_size", "activation_checkpointing*", "efficient_conv_bn_eval*"),
)
# Hooks of mmengine, mmdet and mmsegmentation that do not change what is trained.
OBSERVERS = (
    *("LoggerHook", "IterTimerHook", "RuntimeInfoHook", "CheckpointHook", "EmptyCacheHook"),
    *("ProfilerHook", "NPUProfilerHook", "MemoryProfilerHook", "CheckInvalidLossHook"),
    *("NumClassCheckHook", "DetVisualizationHook", "SegVisualizationHook", "EarlyStoppingHook"),
)
OUR_SECTIONS = ("task", "draws", "backbone_file")  # besides those that mmengine reads


class Changes(NamedTuple):
    """What a config states differently than that of the run, in three groups."""

    harmless: list[Difference]
    rounding: list[Difference]
    refused: list[Difference]


def changes(stored: Any, cfg: Any, where: object) -> Changes:
    """Compare a config with that of the run that is resumed.

    Args:
        stored: ``meta["config_json"]``; None in files from before it was stored.
        cfg: Prepared for training.
        where: The checkpoint, for the error.

    Raises:
        UserError: If the stored text is damaged.
    """
    found = Changes([], [], [])
    if not isinstance(stored, str):
        return found
    was = parse_json(stored, where, "resume from another checkpoint", finite=False)
    now = json.loads(json.dumps(stored_config(cfg)))
    scope = str(now["config"].get("default_scope"))
    before, after = (_compared(one.get("config"), scope) for one in (was, now))
    for one in (before, after):
        one.setdefault(KEY, True)  # as were all runs from before there was a choice
    led, leads = (_dict(one.get("paths")) for one in (was, now))
    for change in differences(before, after):
        if _matches(change.key, COMPARED):
            continue
        if _lead_to_the_same(change, led, leads):
            found.harmless.append(change)
        else:
            getattr(found, _group(change.key)).append(change)
    for change in differences(led, leads):
        same_path = value_at(before, change.key) == value_at(after, change.key) is not None
        if same_path and None not in (change.was, change.now):
            changed = change._replace(key=f"the file of {change.key}")
            getattr(found, _group(change.key)).append(changed)
    return found


def data_changes(stored: Any, runner: Runner, where: object) -> list[Difference]:
    """Compare the images and labels of a run with those of the run that is resumed.

    Args:
        stored: ``meta["data_json"]``; None in files from before it was stored.
        runner: The run that goes on, with its data sets.
        where: The checkpoint, for the error.

    Raises:
        UserError: If the stored text is damaged.
    """
    if not isinstance(stored, str):
        return []
    was = parse_json(stored, where, "resume from another checkpoint")
    now = json.loads(stored_with(runner)["data_json"])
    return differences(*({name: one[name] for name in was if name in now} for one in (was, now)))


def refusal(refused: Sequence[Difference], path: Path) -> RefusedError:
    """Return the error that names the values with which a run cannot go on."""
    told = [_first_class(change) if change.key == "classes" else change for change in refused]
    if len(told) > SHOWN:
        for change in told:
            print_log(f"changed: {change}", logger="current")
    return RefusedError(
        f"the run was trained with other values, {_listed(told)}",
        path,
        "restore them to resume; to start from its weights, use --cfg-options load_from=PATH "
        "without --resume, and another --work-dir",
    )


def _first_class(change: Difference) -> Difference:
    pair = class_difference(change.was or (), change.now or ())
    return Difference("classes", *pair) if pair else change


def _listed(changed: list[Difference]) -> str:
    more = f"; and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
    return "; ".join(map(str, changed[:SHOWN])) + more


def _lead_to_the_same(change: Difference, led: Mapping[str, str], leads: Mapping[str, str]) -> bool:
    """Return whether a path, or each of a list of paths, leads to what it led to before."""
    was, now = change.was, change.now
    keys = [change.key]
    if isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        keys = [f"{change.key}.{index}" for index in range(len(now))]
    return all(key in leads and leads[key] == led.get(key) for key in keys)


def _group(key: str) -> str:
    if _matches(key, MUST_STAY):
        return "refused"
    if _matches(key, ROUNDING):
        return "rounding"
    return "harmless" if _matches(key, MAY_CHANGE) else "refused"


def _matches(key: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(key, pattern) for pattern in patterns)


def _compared(config: Any, scope: str) -> dict[str, Any]:
    """Return the sections that a run reads; any other key is a name for values used in them."""
    sections = {*(known_children("", {}, scope) or ()), *OUR_SECTIONS} - set(NOT_OF_A_RUN)
    kept = {key: value for key, value in _dict(config).items() if key in sections}
    wrapper = _dict(kept.get(WRAPPER))
    if {key: value for key, value in wrapper.items() if key != UNUSED} == ON_CPUS:
        del kept[WRAPPER]
    best = _dict(_dict(kept.get("default_hooks")).get("checkpoint"))
    best.setdefault("rule", "greater")  # of all runs, before a rule could be left to mmengine
    hooks = list(_training_hooks(kept.pop("custom_hooks", None)))
    names = numbered(kind for kind, _ in hooks)
    by_name = {name: hook for name, (_, hook) in zip(names, hooks, strict=True)}
    return {**kept, "custom_hooks": by_name} if hooks else kept


def _training_hooks(hooks: Any) -> Iterator[tuple[str, Any]]:
    """Yield hooks and their types, but not ours, observers, and those of the recipe."""
    for hook in hooks if isinstance(hooks, list) else ():
        kind = str(_dict(hook).get("type"))
        if kind not in OBSERVERS and not kind.endswith(TRAINING_HOOKS) and not _is_ours(kind):
            yield kind, hook


def _is_ours(kind: str) -> bool:
    # Not HOOKS.get, which imports a name with dots: this one may come from a stranger's file.
    known = HOOKS.module_dict.get(kind)
    return known is not None and is_ours(known.__module__)


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
