"""Check the values of a config that a run counts or computes with, before anything is built.

A learning rate of nan trains to the end without an error; a batch size of "8" fails deep inside
torch.  Sections and keys are mmengine's; other keys may have any value.
"""

import math
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from bag_of_transfer.engine.config_nodes import nodes
from bag_of_transfer.engine.data.splits import EVALUATORS, LOADERS, PARTS
from bag_of_transfer.engine.errors import UserError
from bag_of_transfer.engine.fields import (
    BELOW_1,
    COUNT,
    COUNT_OR_0,
    NOT_NEGATIVE,
    NUMBER,
    POSITIVE,
    SWITCH,
    WHOLE,
    Rule,
    list_of,
    one_of,
    optional,
    shown,
)
from bag_of_transfer.engine.numbers import is_whole

__all__ = ["check_sections", "check_training_sections", "check_values", "settle_whole_numbers"]


def _some(rule: Rule, words: str) -> Rule:
    return Rule(list_of(rule, 1).keeps, words)


COUNT_OR_NEVER = Rule(
    lambda v: COUNT.holds(v) or (is_whole(v) and v == -1), "1 or more, or -1: never"
)
# An infinite norm clips nothing, but the norm is logged.
POSITIVE_OR_INF = Rule(
    lambda v: POSITIVE.holds(v) or (isinstance(v, float) and v == math.inf), "a number above 0"
)
ALL_BELOW_1 = _some(BELOW_1, "numbers from 0 to below 1")
TIMES = list_of(NOT_NEGATIVE, 0, "a list of finite numbers, 0 or more")
# Of every other key.  Ranges of a network may be open: they hold infinity.
ANY_NUMBER = Rule(
    lambda v: WHOLE.holds(v) if is_whole(v) else not isinstance(v, float) or not math.isnan(v),
    "a number, a whole one below 2**63",
)
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
LEVEL = Rule(lambda v: is_whole(v) or v in LEVELS, f"one of {', '.join(LEVELS)}")
STARTS = ("fork", "spawn", "forkserver")
START = one_of(*STARTS)
WHOLES = (COUNT, COUNT_OR_0, COUNT_OR_NEVER, WHOLE)
MEANS = optional(_some(NUMBER, "a list of finite numbers"))
STDS = optional(_some(POSITIVE, "a list of finite numbers above 0"))


def _or_each(rule: Rule) -> Rule:
    """Allow a list too: Adafactor has two eps."""
    several = list_of(rule, 1)
    return Rule(
        lambda v: several.keeps(v) if isinstance(v, list | tuple) else rule.holds(v), rule.words
    )


RULES: dict[str, Rule] = {
    "*_dataloader.batch_size": COUNT,
    "*_dataloader.num_workers": COUNT_OR_0,
    "*_dataloader.timeout": NOT_NEGATIVE,
    "*_dataloader.prefetch_factor": optional(COUNT),
    "*_dataloader.drop_last": SWITCH,
    "*_dataloader.persistent_workers": SWITCH,
    "*_dataloader.pin_memory": SWITCH,
    "train_cfg.max_epochs": COUNT,
    "train_cfg.max_iters": COUNT,
    "train_cfg.val_interval": COUNT,
    "train_cfg.val_begin": COUNT_OR_0,
    "auto_scale_lr.base_batch_size": COUNT,
    "auto_scale_lr.enable": SWITCH,
    "optim_wrapper.accumulative_counts": COUNT,
    "optim_wrapper.clip_grad.max_norm": POSITIVE_OR_INF,
    "optim_wrapper.optimizer.lr": POSITIVE,
    "optim_wrapper.optimizer.momentum": BELOW_1,
    "optim_wrapper.optimizer.weight_decay": NOT_NEGATIVE,
    "optim_wrapper.optimizer.eps": _or_each(optional(NOT_NEGATIVE)),
    "optim_wrapper.optimizer.dampening": NUMBER,
    "optim_wrapper.optimizer.alpha": BELOW_1,
    "optim_wrapper.optimizer.betas": ALL_BELOW_1,
    "optim_wrapper.optimizer.nesterov": SWITCH,
    "optim_wrapper.paramwise_cfg.*_mult": NOT_NEGATIVE,
    "optim_wrapper.paramwise_cfg.custom_keys.*_mult": NOT_NEGATIVE,
    "param_scheduler.*begin": NOT_NEGATIVE,  # mmengine takes half an epoch, too
    "param_scheduler.*end": POSITIVE,
    "param_scheduler.*milestones": TIMES,
    "param_scheduler.*T_max": COUNT,
    "param_scheduler.*step_size": COUNT,
    "param_scheduler.*gamma": NOT_NEGATIVE,
    "param_scheduler.*factor": NOT_NEGATIVE,
    "param_scheduler.*power": NOT_NEGATIVE,
    "param_scheduler.*eta_min": NOT_NEGATIVE,
    "param_scheduler.*eta_min_ratio": NOT_NEGATIVE,
    "default_hooks.*interval": COUNT_OR_NEVER,
    "default_hooks.checkpoint.max_keep_ckpts": WHOLE,
    "log_level": LEVEL,
    "log_processor.window_size": COUNT,
    "resume": optional(SWITCH),  # a path goes into load_from beside it, or to --resume
    "env_cfg.mp_cfg.mp_start_method": START,
    "model.*num_classes": optional(COUNT),  # None: as many as the data has
    "*data_preprocessor.mean": MEANS,
    "*data_preprocessor.std": STDS,
}
OPTIONAL = {
    **dict.fromkeys(("train_cfg", "val_cfg", "test_cfg"), (dict,)),
    **dict.fromkeys(LOADERS, (dict,)),
    **dict.fromkeys(EVALUATORS, (dict, list, tuple)),
    **dict.fromkeys(("optim_wrapper", "auto_scale_lr", "env_cfg", "default_hooks"), (dict,)),
    **dict.fromkeys(("randomness", "visualizer", "log_processor", "custom_imports"), (dict,)),
    "param_scheduler": (dict, list, tuple),
    "custom_hooks": (list, tuple),
}
KINDS = {dict: "a dict", list: "a list"}
NOT_A_PART = "not a dict with a type"
STOCK = "see the configs in configs/"


def check_sections(cfg: Mapping[str, Any], where: object) -> None:
    """Check that the config describes a model, and that its sections are dicts or lists.

    Args:
        cfg: The whole config.
        where: Its file, for the error.

    Raises:
        UserError: If a section is of another kind, or there is no model with a type.
    """
    if "rungs" in cfg and "model" not in cfg:
        mend = "give it to tools/ladder.py"
        raise UserError("a ladder's config, which trains no model itself", where, mend)
    model = cfg.get("model")
    if not isinstance(model, Mapping) or not model:
        is_what = "is missing" if "model" not in cfg else f"is {shown(model)}, {NOT_A_PART}"
        raise UserError(f"the config's model {is_what}", where, STOCK)
    for name, kinds in OPTIONAL.items():
        value = cfg.get(name)
        if value is not None and not isinstance(value, kinds):
            words = " or ".join(KINDS[kind] for kind in kinds if kind in KINDS)
            raise UserError(f"the config's {name} is {shown(value)}, not {words}", where, STOCK)
    for name in ("custom_hooks", *EVALUATORS):
        stated = cfg.get(name) or ()
        for index, part in enumerate(() if isinstance(stated, Mapping) else stated):
            if not isinstance(part, Mapping) or "type" not in part:
                what = f"{name}.{index} is {shown(part)}, {NOT_A_PART}"
                raise UserError(what, where, STOCK)
    for name in LOADERS:
        loader = cfg.get(name)
        if loader is not None and not isinstance(loader.get("dataset"), Mapping):
            what = f"the config's {name} has no dataset, or one that is not a dict"
            raise UserError(what, where, STOCK)


def check_training_sections(cfg: Mapping[str, Any], where: object) -> None:
    """Check that the sections which only training needs are there.

    Args:
        cfg: The whole config.
        where: What to call it in the error.

    Raises:
        UserError: If a section is missing.
    """
    if not cfg["model"].get("type"):
        raise UserError("the config's model has no type", where, STOCK)
    for name in PARTS["train"]:
        if not cfg.get(name):
            raise UserError(f"the config has no {name}", where, f"training needs it; {STOCK}")
    if not isinstance(cfg["optim_wrapper"].get("optimizer"), Mapping):
        raise UserError("optim_wrapper has no optimizer, or one that is not a dict", where, STOCK)
    if not {"batch_size", "batch_sampler"} & cfg["train_dataloader"].keys():
        raise UserError("train_dataloader has no batch_size", where, "state batch_size")


def settle_whole_numbers(cfg: Any) -> None:
    """Write ``max_iters=1e5``, which mmengine takes, as the whole number that it is, in place.

    Args:
        cfg: The whole config.
    """
    for key, value in list(cfg.items()):
        if isinstance(value, Mapping | list):
            _settle(value, key)


def _settle(node: Any, dotted: str) -> None:
    for key, value in list(node.items() if isinstance(node, Mapping) else enumerate(node)):
        inner = f"{dotted}.{key}"
        if isinstance(value, float) and value.is_integer() and _is_count(inner):
            node[key] = int(value)
        elif isinstance(value, Mapping | list):
            _settle(value, inner)


def _is_count(key: str) -> bool:
    return any(rule in WHOLES for rule in _rules_of(key))


@cache  # a ladder checks the same keys hundreds of times
def _rules_of(key: str) -> tuple[Rule, ...]:
    return tuple(rule for pattern, rule in RULES.items() if fnmatchcase(key, pattern))


def check_values(cfg: Mapping[str, Any]) -> None:
    """Check the numbers of a config, wherever they were set.

    Raises:
        UserError: If one is of a wrong type, out of its range, or not a number (nan).
    """
    for key, value in nodes(dict(cfg.items())):
        for rule in _rules_of(key) or (ANY_NUMBER,):
            if not rule.keeps(value):
                what = f"{shown(value)} is not a valid value"
                raise UserError(what, key, f"give {rule.words}")
