"""The knobs ``epochs`` and ``max_iters``: a training's length, which the whole schedule follows."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from mmengine.config import Config

from bag_of_transfer.engine.config.knob_request import Request
from bag_of_transfer.engine.config_nodes import nodes
from bag_of_transfer.engine.fields import COUNT
from bag_of_transfer.engine.recipe import FROM_THE_END

__all__ = ["TIMES", "schedulers_in", "set_epochs", "set_max_iters"]

WHOLE = ("T_max", "step_size", "total_steps")
TIMES = ("begin", "end", *WHOLE)
# When a hook begins to act (mmdet's PipelineSwitchHook, mmengine's EMAHook), by the loop's unit.
STARTS = {"max_epochs": ("switch_epoch", "begin_epoch"), "max_iters": ("begin_iter",)}


def set_epochs(cfg: Config, request: Request) -> None:
    """Train for so many epochs: the schedule keeps its shape, and warm-up and decay are scaled.

    Raises:
        UserError: If it is no count, the config counts iterations, or a key contradicts it.
    """
    if "max_epochs" not in (cfg.get("train_cfg") or {}):
        raise request.refuse("the config counts no epochs", "set max_iters=N")
    _set_length(cfg, request, "max_epochs")


def set_max_iters(cfg: Config, request: Request) -> None:
    """Train for so many iterations; see :func:`set_epochs`.

    Raises:
        UserError: If it is no count, the config counts epochs, or a key contradicts it.
    """
    if "max_iters" not in (cfg.get("train_cfg") or {}):
        raise request.refuse("the config counts no iterations", "set epochs=N")
    _set_length(cfg, request, "max_iters")


def schedulers_in(cfg: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the dicts of all schedulers of a config: it may state one, a list, or lists by name."""
    stated = cfg.get("param_scheduler")
    if isinstance(stated, Mapping) and "type" not in stated:
        for part in stated.values():
            yield from schedulers_in({"param_scheduler": part})
    elif isinstance(stated, Mapping):
        yield stated
    else:
        yield from (part for part in stated or () if isinstance(part, Mapping))


def _set_length(cfg: Config, request: Request, key: str) -> None:
    length, before = request.checked(COUNT), cfg.train_cfg[key]
    if not request.may_set(f"train_cfg.{key}", before, length):
        return
    cfg.train_cfg[key] = length
    ratio = Fraction(length, before)
    _scale_interval(cfg.train_cfg, "val_interval", "train_cfg", before, length, request)
    in_epochs = key == "max_epochs"
    saving = (cfg.get("default_hooks") or {}).get("checkpoint")
    if isinstance(saving, Mapping) and saving.get("by_epoch", in_epochs) == in_epochs:
        where = "default_hooks.checkpoint"
        _scale_interval(saving, "interval", where, before, length, request)
    if not request.leaves("param_scheduler"):
        for scheduler in schedulers_in(cfg):
            _scale_scheduler(scheduler, ratio, in_epochs)
    _scale_validations(cfg.train_cfg, request, ratio)
    parts = {"custom_hooks": cfg.get("custom_hooks"), "default_hooks": cfg.get("default_hooks")}
    _scale_named(parts, STARTS[key], request, ratio)
    if in_epochs:
        _scale_named({"model": cfg.get("model"), **parts}, FROM_THE_END, request, ratio)


def _scale_interval(
    node: Any, key: str, where: str, before: int, length: int, request: Request
) -> None:
    """Keep an interval, but for one that meant the end of training, or that would never come."""
    every = node.get(key)
    if isinstance(every, int) and every > 0 and not request.leaves(f"{where}.{key}"):
        if every >= length or every == before:
            node[key] = length


def _scale_scheduler(scheduler: Any, ratio: Fraction, in_epochs: bool) -> None:
    """Scale the times of a scheduler that are in the unit of the training's length."""
    by_epoch = scheduler.get("by_epoch", True)
    if by_epoch != in_epochs:
        return  # a warm-up in iterations, in a training that counts epochs
    whole = not scheduler.get("convert_to_iter_based")
    for key in TIMES:
        time = scheduler.get(key)
        if isinstance(time, int | float) and 0 < time < math.inf:
            scheduler[key] = _scaled(time, ratio, whole or key in WHOLE)
            if key in WHOLE or (key == "end" and whole):
                scheduler[key] = max(scheduler[key], 1)
    if "milestones" in scheduler:
        scaled = (_scaled(time, ratio, whole=True) for time in scheduler["milestones"])
        scheduler["milestones"] = [max(1, int(time)) for time in scaled]
    if "periods" in scheduler:
        scheduler["periods"] = _scale_periods(scheduler["periods"], ratio)


def _scale_periods(periods: Sequence[float], ratio: Fraction) -> list[int]:
    """Scale the times of restarts, which are the sums of the periods before them."""
    ends = [int(_scaled(end, ratio, whole=True)) for end in itertools.accumulate(periods)]
    return [max(1, end - begin) for begin, end in itertools.pairwise([0, *ends])]


def _scale_validations(loop: Any, request: Request, ratio: Fraction) -> None:
    """Scale the times from which a loop validates at other intervals; the intervals stay."""
    if loop.get("dynamic_intervals") and not request.leaves("train_cfg.dynamic_intervals"):
        loop["dynamic_intervals"] = [
            (int(_scaled(time, ratio, whole=True)), every)
            for time, every in loop["dynamic_intervals"]
        ]


def _scale_named(
    parts: Mapping[str, Any], names: Sequence[str], request: Request, ratio: Fraction
) -> None:
    """Scale the times that some names have anywhere below."""
    for key, node in list(nodes(parts)):
        for name in names if isinstance(node, dict) else ():
            if isinstance(node.get(name), int) and not request.leaves(f"{key}.{name}"):
                node[name] = int(_scaled(node[name], ratio, whole=True))


def _scaled(time: float, ratio: Fraction, whole: bool) -> float:
    scaled = Fraction(str(time)) * ratio
    if whole:
        return math.floor(scaled + Fraction(1, 2))
    return int(scaled) if scaled.denominator == 1 else round(float(scaled), 4)
