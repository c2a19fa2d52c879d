"""Evaluate mmdet's and mmsegmentation's own configs with the metrics of this toolkit.

mmdet gives fractions with three digits under its own names (``coco/bbox_mAP``,
``pascal_voc/mAP``); ours are percent, under the names that ``metrics.json`` has for every run.
The records of the tasks say which of our metrics replaces which of theirs.
"""

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.utils import import_modules_from_strings

from bag_of_transfer.engine.data.splits import EVALUATORS
from bag_of_transfer.engine.data.watched_metrics import follow_new_names, metrics_of
from bag_of_transfer.engine.tasks import all_tasks

__all__ = ["add_import", "judge_in_percent", "other_arguments", "put_in_place"]


def judge_in_percent(cfg: Config) -> list[str]:
    """Replace the metrics of mmdet and mmsegmentation with ours, where ours measure the same.

    A metric with an argument that changes what is measured (thresholds, masks, F-score), or that
    only formats results, stays as it is.  What follows a metric gets its new name.

    Args:
        cfg: Any config; changed.

    Returns:
        Lines to print: what was replaced, and what was not, with the reason.
    """
    judges = {
        name: judge
        for task in all_tasks()
        for theirs, judge in task.judges.items()
        for name in (theirs, f"{task.scope}.{theirs}")
    }
    lines: dict[str, None] = {}
    for evaluator in EVALUATORS:
        for metric in metrics_of(cfg, evaluator):
            ours = judges.get(str(metric.get("type")))
            if ours is None:
                continue
            if reason := other_arguments(metric, ours.kept, ours.same):
                lines[f"metric: {metric.type} stays as it is: {reason}"] = None
                continue
            note = ours.note(cfg, metric) if ours.note else ""
            lines[f"metric: {metric.type} -> {ours.type}, percent{note and f'; {note}'}"] = None
            put_in_place(metric, ours.type, ours.kept)
            add_import(cfg, ours.module)
            if evaluator == "val_evaluator":
                follow_new_names(cfg, ours.renamed)
    return list(lines)


def other_arguments(
    part: ConfigDict, kept: frozenset[str], same: Mapping[str, tuple[Any, ...]]
) -> str:
    """Return in words the arguments with which theirs does what ours does not; "" for none.

    Args:
        part: The description of theirs.
        kept: Arguments that ours takes, too.
        same: Other arguments, each with the values with which ours does the same.
    """
    others = {
        key: value
        for key, value in part.items()
        if key not in kept | {"type", "_scope_"}
        and _as_list(value) not in map(_as_list, same.get(key, ()))
    }
    return ", ".join(f"{key}={value!r}" for key, value in others.items())


def _as_list(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def put_in_place(part: ConfigDict, ours: str, kept: frozenset[str]) -> None:
    """Give a description the type of ours, and leave it only the arguments that ours takes, too."""
    for key in set(part) - kept:
        del part[key]
    part["type"] = ours


def add_import(cfg: Config, module: str) -> None:
    """Import a module of ours now, and add it to the config, for those who read its text."""
    stated = cfg.get("custom_imports") or dict(imports=[], allow_failed_imports=False)
    imports = stated["imports"]
    imports = [imports] if isinstance(imports, str) else list(imports)
    if module not in imports:  # so the resolved config is complete by itself
        cfg.custom_imports = dict(stated, imports=[*imports, module])
    import_modules_from_strings(module)
